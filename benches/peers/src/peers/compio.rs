//! compio: a thread, with io_uring or with polling.

use std::future::Future;
use std::time::Duration;

use compio::driver::{DriverType, ProactorBuilder};
use compio::runtime::{JoinError, JoinHandle, Runtime, RuntimeBuilder};
use compio::time::{sleep, timeout};

use crate::one_thread::{Late, OneThread};

/// compio over io_uring, or over polling.
pub struct Compio<const URING: bool>(Runtime);

impl<const URING: bool> OneThread for Compio<URING> {
    const MODE: &'static str = if URING { "compio-uring" } else { "compio-poll" };
    type Lost = JoinError;
    type Task<T: 'static> = JoinHandle<T>;

    fn new() -> Self {
        let mut driver = ProactorBuilder::new();
        driver.driver_type(if URING { DriverType::IoUring } else { DriverType::Poll });
        let runtime = RuntimeBuilder::new().with_proactor(driver).build();
        Self(runtime.expect("the system lets a runtime be built"))
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }

    fn spawn<F: Future + 'static>(future: F) -> Self::Task<F::Output> {
        compio::runtime::spawn(future)
    }

    fn detach<T: 'static>(task: Self::Task<T>) {
        task.detach();
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static {
        sleep(duration)
    }

    async fn timeout<F: Future>(duration: Duration, future: F) -> Result<F::Output, Late> {
        timeout(duration, future).await.map_err(|_| Late)
    }

    fn spawn_blocking<T: Send + 'static>(
        f: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = Result<T, JoinError>> + 'static {
        compio::runtime::spawn_blocking(f)
    }
}
