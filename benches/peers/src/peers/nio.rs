//! nio: one thread, or workers that move tasks.

use std::cell::RefCell;
use std::future::Future;
use std::sync::LazyLock;
use std::time::Duration;

use corelane_benches::runtimes::{Blocking, Rt};
use nio::{JoinError, JoinHandle, LocalRuntime, Runtime, RuntimeBuilder, sleep, timeout};

use crate::one_thread::{Late, OneThread, wake_self};

/// nio on the calling thread.
pub struct NioLocal(RefCell<LocalRuntime>);

impl OneThread for NioLocal {
    const MODE: &'static str = "nio-local";
    type Lost = JoinError;
    type Task<T: 'static> = JoinHandle<T>;

    fn new() -> Self {
        let runtime = RuntimeBuilder::new().worker_threads(1).build();
        Self(RefCell::new(runtime.expect("the system lets a runtime be built")))
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.borrow_mut().block_on(future)
    }

    fn spawn<F: Future + 'static>(future: F) -> Self::Task<F::Output> {
        nio::spawn_local(future)
    }

    fn detach<T: 'static>(task: Self::Task<T>) {
        drop(task);
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static {
        sleep(duration)
    }

    async fn timeout<F: Future>(duration: Duration, future: F) -> Result<F::Output, Late> {
        timeout(duration, future).await.ok_or(Late)
    }

    fn spawn_blocking<T: Send + 'static>(
        f: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = Result<T, JoinError>> + 'static {
        nio::spawn_blocking(f)
    }
}

/// nio's two workers. It can't be ended, so the process has one. Its timers are not `Send`, so no movable task has any.
pub struct NioTwo;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let runtime = RuntimeBuilder::new().worker_threads(2).rt();
    runtime.expect("the system lets a runtime be built")
});

impl Rt for NioTwo {
    const MODE: &'static str = "nio-mt";
    type JoinError = JoinError;
    type JoinHandle<T: Send + 'static> = JoinHandle<T>;

    fn new() -> Self {
        LazyLock::force(&RUNTIME);
        Self
    }

    fn block_on<F>(&self, future: F) -> F::Output
    where
        F: Future + Send,
        F::Output: Send,
    {
        RUNTIME.block_on(|| future)
    }

    fn spawn<F>(future: F) -> Self::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        nio::spawn(future)
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        wake_self()
    }
}

impl Blocking for NioTwo {
    fn spawn_blocking<F, T>(f: F) -> impl Future<Output = Result<T, JoinError>> + Send + 'static
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        nio::spawn_blocking(f)
    }
}
