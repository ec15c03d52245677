//! How a runtime of one thread takes part in rows that are written for `Send` futures.
//!
//! Here: [`OneThread`], which each such peer implements with its own words, and [`On`], which makes a mode of it. Not here: peers
//! that move tasks between threads; their modes are written out.
//!
//! The rows ask for futures that are `Send`, since Tokio's and Corelane's schedulers of many threads do. A peer of one thread has handles
//! and timers that are not. [`Here`] says that they are, which costs nothing when they are polled, and is true as far as it matters: a row
//! makes them in a task of such a runtime, and that task stays on its thread until it ends.

#![expect(unsafe_code, reason = "a promise about threads that the rows keep and their types can't tell")]

use std::convert::Infallible;
use std::fmt::Debug;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use corelane_benches::runtimes::{Blocking, Rt, Timed};

/// A runtime whose tasks stay on the thread that runs it.
pub trait OneThread: Sized + 'static {
    /// The mode's name.
    const MODE: &'static str;
    /// Why a task gave no output.
    type Lost: Debug + Send;
    /// Awaits a task.
    type Task<T: 'static>: Future<Output = Result<T, Self::Lost>> + 'static;

    /// Builds the runtime with its timers.
    fn new() -> Self;
    /// Runs a future to its end.
    fn block_on<F: Future>(&self, future: F) -> F::Output;
    /// Spawns from a task.
    fn spawn<F: Future + 'static>(future: F) -> Self::Task<F::Output>;
    /// Lets a task run on without anybody who awaits it.
    fn detach<T: 'static>(task: Self::Task<T>);
    /// Waits.
    fn sleep(duration: Duration) -> impl Future<Output = ()> + 'static;
    /// Bounds how long a future may take.
    fn timeout<F: Future>(duration: Duration, future: F) -> impl Future<Output = Result<F::Output, Late>>;
    /// Runs a closure on another thread.
    fn spawn_blocking<T: Send + 'static>(
        f: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = Result<T, Self::Lost>> + 'static;
    /// Gives way once. Where a runtime has no word for it, a program wakes itself.
    fn yield_now() -> impl Future<Output = ()> {
        wake_self()
    }
}

/// The time was up.
#[derive(Debug)]
pub struct Late;

/// Returns `Pending` once, woken by itself.
pub fn wake_self() -> impl Future<Output = ()> + Send {
    let mut woken = false;
    poll_fn(move |cx| {
        if woken {
            return Poll::Ready(());
        }
        woken = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

/// The mode over a runtime of one thread.
pub struct On<L>(L);

impl<L: OneThread> Rt for On<L> {
    const MODE: &'static str = L::MODE;
    type JoinError = L::Lost;
    type JoinHandle<T: Send + 'static> = Here<L::Task<T>>;

    fn new() -> Self {
        Self(L::new())
    }

    fn block_on<F>(&self, future: F) -> F::Output
    where
        F: Future + Send,
        F::Output: Send,
    {
        self.0.block_on(future)
    }

    fn spawn<F>(future: F) -> Self::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Here(L::spawn(future))
    }

    fn detach<T: Send + 'static>(task: Self::JoinHandle<T>) {
        L::detach(task.0);
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        Here(L::yield_now())
    }
}

impl<L: OneThread> Timed for On<L> {
    type Elapsed = Late;

    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        Here(L::sleep(duration))
    }

    fn timeout<F>(duration: Duration, future: F) -> impl Future<Output = Result<F::Output, Late>> + Send
    where
        F: Future + Send,
    {
        Here(L::timeout(duration, future))
    }
}

impl<L: OneThread> Blocking for On<L> {
    fn spawn_blocking<F, T>(f: F) -> impl Future<Output = Result<T, L::Lost>> + Send + 'static
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        Here(L::spawn_blocking(f))
    }
}

/// A future that stays on the thread which made it.
pub struct Here<F>(F);

// SAFETY: the modes of this module alone make one, in a task of a runtime that never moves tasks, and no row hands one to another thread.
unsafe impl<F> Send for Here<F> {}

impl<F: Future> Future for Here<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: the field is pinned as the whole is: nothing moves out of it while it is pinned, and there is no `Drop`.
        unsafe { self.map_unchecked_mut(|here| &mut here.0) }.poll(cx)
    }
}

/// A task of a runtime that does not tell of a failure: it lets a panic through, or nobody cancels.
pub struct Sure<F>(pub F);

impl<F: Future + Unpin> Future for Sure<F> {
    type Output = Result<F::Output, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let output = ready!(pin!(&mut self.0).poll(cx));
        Poll::Ready(Ok(output))
    }
}
