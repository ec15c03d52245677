//! monoio: a thread, with io_uring or with epoll.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::Future;
use std::sync::LazyLock;
use std::time::Duration;

use local_sync::mpsc::bounded;
use monoio::blocking::{DefaultThreadPool, JoinError};
use monoio::task::JoinHandle;
use monoio::time::{TimeDriver, sleep, timeout};
use monoio::{IoUringDriver, LegacyDriver, Runtime, RuntimeBuilder};

use crate::one_thread::{Late, OneThread, Sure};
use crate::own_chan::OwnChannel;

/// monoio over epoll.
pub struct MonoioEpoll(RefCell<Runtime<TimeDriver<LegacyDriver>>>);

/// monoio over io_uring.
pub struct MonoioUring(RefCell<Runtime<TimeDriver<IoUringDriver>>>);

/// It has no pool of its own; one is handed to it. All that this process builds share it.
static POOL: LazyLock<DefaultThreadPool> = LazyLock::new(|| DefaultThreadPool::new(2));

macro_rules! monoio {
    ($Mode:ident = $name:literal: $Driver:ident) => {
        impl OneThread for $Mode {
            const MODE: &'static str = $name;
            type Lost = Infallible;
            type Task<T: 'static> = Sure<JoinHandle<T>>;

            fn new() -> Self {
                let builder = RuntimeBuilder::<$Driver>::new().enable_timer();
                let runtime = builder.attach_thread_pool(Box::new(POOL.clone())).build();
                Self(RefCell::new(runtime.expect("the system lets a runtime be built")))
            }

            fn block_on<F: Future>(&self, future: F) -> F::Output {
                self.0.borrow_mut().block_on(future)
            }

            fn spawn<F: Future + 'static>(future: F) -> Self::Task<F::Output> {
                Sure(monoio::spawn(future))
            }

            fn detach<T: 'static>(task: Self::Task<T>) {
                drop(task);
            }

            fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static {
                sleep(duration)
            }

            async fn timeout<F: Future>(duration: Duration, future: F) -> Result<F::Output, Late> {
                timeout(duration, future).await.map_err(|_| Late)
            }

            fn spawn_blocking<T: Send + 'static>(
                f: impl FnOnce() -> T + Send + 'static,
            ) -> impl Future<Output = Result<T, Infallible>> + 'static {
                let task: JoinHandle<Result<T, JoinError>> = monoio::spawn_blocking(f);
                async { Ok(task.await.expect("the pool runs it")) }
            }
        }
    };
}

monoio!(MonoioEpoll = "monoio-epoll": LegacyDriver);
monoio!(MonoioUring = "monoio-uring": IoUringDriver);

macro_rules! own_channel {
    ($($Mode:ident),*) => {$(
        impl OwnChannel for $Mode {
            type Tx = bounded::Tx<u64>;
            type Rx = bounded::Rx<u64>;

            fn channel() -> (Self::Tx, Self::Rx) {
                bounded::channel(1)
            }

            async fn send(tx: &Self::Tx, value: u64) {
                tx.send(value).await.expect("somebody waits");
            }

            async fn recv(rx: &mut Self::Rx) -> Option<u64> {
                rx.recv().await
            }
        }
    )*};
}

own_channel!(MonoioEpoll, MonoioUring);
