//! smol: an executor of one thread, or one that two threads run.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use corelane_benches::runtimes::{Blocking, Rt, Timed};
use smol::channel::{Receiver, Sender};
use smol::{Executor, LocalExecutor, Task, Timer, future};

use crate::one_thread::{Late, OneThread, Sure};
use crate::own_chan::OwnChannel;

/// smol's executor of one thread.
pub struct SmolLocal;

thread_local! {
    /// Tasks reach it without carrying it. It is not ended with its thread, of which this program has few.
    static LOCAL: &'static LocalExecutor<'static> = Box::leak(Box::default());
}

impl OneThread for SmolLocal {
    const MODE: &'static str = "smol-local";
    type Lost = Infallible;
    type Task<T: 'static> = Sure<Task<T>>;

    fn new() -> Self {
        Self
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        smol::block_on(LOCAL.with(|executor| executor.run(future)))
    }

    fn spawn<F: Future + 'static>(future: F) -> Self::Task<F::Output> {
        Sure(LOCAL.with(|executor| executor.spawn(future)))
    }

    fn detach<T: 'static>(task: Self::Task<T>) {
        task.0.detach();
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static {
        sleep(duration)
    }

    fn timeout<F: Future>(duration: Duration, future: F) -> impl Future<Output = Result<F::Output, Late>> {
        timeout(duration, future)
    }

    fn spawn_blocking<T: Send + 'static>(
        f: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = Result<T, Infallible>> + 'static {
        Sure(smol::unblock(f))
    }

    fn yield_now() -> impl Future<Output = ()> {
        future::yield_now()
    }
}

impl OwnChannel for SmolLocal {
    type Tx = Sender<u64>;
    type Rx = Receiver<u64>;

    fn channel() -> (Self::Tx, Self::Rx) {
        smol::channel::bounded(1)
    }

    async fn send(tx: &Self::Tx, value: u64) {
        tx.send(value).await.expect("somebody waits");
    }

    async fn recv(rx: &mut Self::Rx) -> Option<u64> {
        rx.recv().await.ok()
    }
}

/// smol's executor on two threads, one for the process as `smol::spawn` has one.
pub struct SmolTwo;

static EXECUTOR: LazyLock<&'static Executor<'static>> = LazyLock::new(|| {
    let executor: &Executor<'static> = Box::leak(Box::default());
    for _ in 0..2 {
        thread::spawn(|| smol::block_on(executor.run(pending::<()>())));
    }
    executor
});

impl Rt for SmolTwo {
    const MODE: &'static str = "smol-mt";
    type JoinError = Infallible;
    type JoinHandle<T: Send + 'static> = Sure<Task<T>>;

    fn new() -> Self {
        LazyLock::force(&EXECUTOR);
        Self
    }

    fn block_on<F>(&self, future: F) -> F::Output
    where
        F: Future + Send,
        F::Output: Send,
    {
        smol::block_on(future)
    }

    fn spawn<F>(future: F) -> Self::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Sure(EXECUTOR.spawn(future))
    }

    fn detach<T: Send + 'static>(task: Self::JoinHandle<T>) {
        task.0.detach();
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        future::yield_now()
    }
}

impl Timed for SmolTwo {
    type Elapsed = Late;

    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        sleep(duration)
    }

    fn timeout<F>(duration: Duration, future: F) -> impl Future<Output = Result<F::Output, Late>> + Send
    where
        F: Future + Send,
    {
        timeout(duration, future)
    }
}

impl Blocking for SmolTwo {
    fn spawn_blocking<F, T>(f: F) -> impl Future<Output = Result<T, Infallible>> + Send + 'static
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        Sure(smol::unblock(f))
    }
}

async fn sleep(duration: Duration) {
    Timer::after(duration).await;
}

/// smol has none; its documentation shows this.
async fn timeout<F: Future>(duration: Duration, future: F) -> Result<F::Output, Late> {
    let output = async { Ok(future.await) };
    let late = async {
        Timer::after(duration).await;
        Err(Late)
    };
    smol::future::or(output, late).await
}
