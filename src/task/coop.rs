//! The cooperative budget, for futures that complete without the runtime's own resources.
//!
//! A task may complete 128 operations in one poll. After that sockets, channels and the like answer that they are not ready, wake
//! the task, and so make it give way. What stands here lets other futures take part, or lets a task stay out.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corelane_shards::coop::{self, Budget, with_budget};
use pin_project_lite::pin_project;

pub use corelane_shards::coop::has_budget_remaining;

/// A unit of the budget, which goes back when this drops unless the operation [made progress](Self::made_progress); made by
/// [`poll_proceed`].
#[derive(Debug)]
#[must_use = "an operation that completes without made_progress() is not counted"]
pub struct RestoreOnPending {
    is_spent: Cell<bool>,
    /// A budget is a thread's.
    _stays: PhantomData<*mut ()>,
}

/// Takes a unit of the budget; if it is used up, wakes the task and answers `Pending`.
pub fn poll_proceed(cx: &mut Context<'_>) -> Poll<RestoreOnPending> {
    ready!(coop::poll_proceed(cx)).made_progress();
    Poll::Ready(RestoreOnPending { is_spent: Cell::new(false), _stays: PhantomData })
}

impl RestoreOnPending {
    /// The operation completed: the unit is spent.
    pub fn made_progress(&self) {
        self.is_spent.set(true);
    }
}

impl Drop for RestoreOnPending {
    fn drop(&mut self) {
        if !self.is_spent.get() {
            coop::give_back();
        }
    }
}

pin_project! {
    /// A future that takes part in the budget; made by [`cooperative`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Coop<F: Future> {
        #[pin]
        future: F,
    }
}

/// Makes a future take part in the budget: it gives way when the task's is used up, and takes a unit when it completes.
///
/// # Cancel safety
///
/// Safe if the future is.
pub fn cooperative<F: Future>(fut: F) -> Coop<F> {
    Coop { future: fut }
}

impl<F: Future> Future for Coop<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let proceed = ready!(poll_proceed(cx));
        let output = ready!(self.project().future.poll(cx));
        proceed.made_progress();
        Poll::Ready(output)
    }
}

pin_project! {
    /// A future without a budget; made by [`unconstrained`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Unconstrained<F> {
        #[pin]
        future: F,
    }
}

/// Polls a future without a budget: it is never made to give way. One that always finds something to do then keeps its shard
/// from everything else.
///
/// # Cancel safety
///
/// Safe if the future is.
pub fn unconstrained<F>(inner: F) -> Unconstrained<F> {
    Unconstrained { future: inner }
}

impl<F: Future> Future for Unconstrained<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        with_budget(Budget::unconstrained(), || self.project().future.poll(cx))
    }
}

/// Takes a unit of the budget, and gives way if there is none: for loops that compute between their awaits.
///
/// # Cancel safety
///
/// Safe.
pub async fn consume_budget() {
    poll_fn(|cx| {
        ready!(poll_proceed(cx)).made_progress();
        Poll::Ready(())
    })
    .await;
}
