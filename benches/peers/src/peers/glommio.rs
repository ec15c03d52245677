//! glommio: a thread, three rings of io_uring, and queues of tasks with shares.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use glommio::channels::local_channel::{LocalReceiver, LocalSender, new_bounded};
use glommio::timer::{sleep, timeout};
use glommio::{LocalExecutor, LocalExecutorBuilder, Placement, Task, executor, spawn_local};

use crate::one_thread::{Late, OneThread, Sure};
use crate::own_chan::OwnChannel;

/// glommio as it comes.
pub struct Glommio(LocalExecutor);

/// glommio told to look for events for a second before it sleeps.
pub struct GlommioLooking(LocalExecutor);

macro_rules! glommio {
    ($Mode:ident: $configure:expr) => {
        impl OneThread for $Mode {
            const MODE: &'static str = "glommio";
            type Lost = Infallible;
            type Task<T: 'static> = Sure<Task<T>>;

            fn new() -> Self {
                let builder: LocalExecutorBuilder = $configure(LocalExecutorBuilder::new(Placement::Unbound));
                Self(builder.make().expect("the system lets a runtime be built"))
            }

            fn block_on<F: Future>(&self, future: F) -> F::Output {
                self.0.run(future)
            }

            fn spawn<F: Future + 'static>(future: F) -> Self::Task<F::Output> {
                Sure(spawn_local(future))
            }

            fn detach<T: 'static>(task: Self::Task<T>) {
                task.0.detach();
            }

            fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static {
                sleep(duration)
            }

            async fn timeout<F: Future>(duration: Duration, future: F) -> Result<F::Output, Late> {
                timeout(duration, async { Ok(future.await) }).await.map_err(|_| Late)
            }

            fn spawn_blocking<T: Send + 'static>(
                f: impl FnOnce() -> T + Send + 'static,
            ) -> impl Future<Output = Result<T, Infallible>> + 'static {
                let task = executor().spawn_blocking(f);
                async { Ok(task.await) }
            }

            async fn yield_now() {
                executor().yield_now().await
            }
        }
    };
}

glommio!(Glommio: |builder| builder);
glommio!(GlommioLooking: |builder: LocalExecutorBuilder| builder.spin_before_park(Duration::from_secs(1)));

impl OwnChannel for Glommio {
    type Tx = LocalSender<u64>;
    type Rx = LocalReceiver<u64>;

    fn channel() -> (Self::Tx, Self::Rx) {
        new_bounded(1)
    }

    async fn send(tx: &Self::Tx, value: u64) {
        tx.send(value).await.expect("somebody waits");
    }

    async fn recv(rx: &mut Self::Rx) -> Option<u64> {
        rx.recv().await
    }
}
