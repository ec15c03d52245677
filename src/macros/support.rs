//! What the expansions of the macros name.
//!
//! Not part of the public interface: it may change with any release.
//! Threads: each value is polled by one task; the random state belongs to its thread.

pub use corelane_macros::{__join, __select, __try_join};

use corelane_shards::coop;
use pin_project_lite::pin_project;
use std::cell::Cell;
use std::future::{Future, IntoFuture};
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::task::{Context, Poll};

thread_local! {
    // Each `RandomState` differs, so threads do not walk through their branches in step. Never zero, where xorshift would
    // stay.
    static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(()) | 1);
}

/// Gives this thread another state, which is not zero, for what it does by chance; the old one comes back.
pub(crate) fn replace_rng(state: u64) -> u64 {
    STATE.with(|cell| cell.replace(state))
}

/// A number below `n`, cheap and not for secrets: where `select!` begins to poll.
pub fn thread_rng_n(n: usize) -> usize {
    STATE.with(|state| {
        let mut word = state.get();
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        state.set(word);
        // The high half times `n`, shifted down: no division, and no bias worth the name for an `n` so small.
        (((word >> 32) * n as u64) >> 32) as usize
    })
}

/// The branch that `index` means when counting goes on at the first after the last.
#[inline]
pub fn wrap(index: usize, count: usize) -> usize {
    index % count
}

/// Ready while the task may go on; pending, with a wake on its way, once it has used up its budget.
#[inline]
pub fn poll_budget_available(context: &mut Context<'_>) -> Poll<()> {
    if coop::has_budget_remaining() {
        return Poll::Ready(());
    }
    context.waker().wake_by_ref();
    Poll::Pending
}

pin_project! {
    /// The futures of one macro call, each pinned in place. A tuple cannot be taken apart behind a `Pin`, and
    /// pinning each future by itself would cost a pointer apiece in the future of the caller.
    ///
    /// They are dropped from the head on.
    #[derive(Debug)]
    pub struct Chain<H, T> {
        #[pin]
        head: H,
        #[pin]
        tail: T,
    }
}

impl<H, T> Chain<H, T> {
    /// Puts a future in front of others; `()` ends the chain.
    pub fn new(head: H, tail: T) -> Self {
        Self { head, tail }
    }

    /// The future in front.
    pub fn head(self: Pin<&mut Self>) -> Pin<&mut H> {
        self.project().head
    }

    /// The chain behind it.
    pub fn tail(self: Pin<&mut Self>) -> Pin<&mut T> {
        self.project().tail
    }
}

pin_project! {
    /// A branch of `join!`: its future while it runs, and then the output in the same place.
    #[project = Projected]
    #[project_replace = Taken]
    #[allow(missing_docs, reason = "`pin_project!` takes no comments on the fields of a variant")]
    // Keeps the discriminant outside the future. Left to itself the compiler may put it into a spare value of one of
    // the future's fields, and looking whether a branch is done would read memory that the future, once pinned, may
    // have lent to others.
    #[repr(C)]
    #[derive(Debug)]
    pub enum MaybeDone<F: Future> {
        /// Still to be polled.
        Running {
            #[pin] future: F
        },
        /// The future is dropped, its output waits for the others'.
        Done {
            output: F::Output
        },
        /// The output is out.
        Gone,
    }
}

impl<F: Future> MaybeDone<F> {
    /// Wraps what will be polled.
    pub fn new(future: impl IntoFuture<IntoFuture = F>) -> Self {
        Self::Running { future: future.into_future() }
    }

    /// Polls unless it is done; tells whether it is.
    pub fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> bool {
        if let Projected::Running { future } = self.as_mut().project() {
            let Poll::Ready(output) = future.poll(context) else { return false };
            self.set(Self::Done { output });
        }
        true
    }

    /// Moves the output out, once the future is done.
    #[track_caller]
    pub fn take(self: Pin<&mut Self>) -> F::Output {
        match self.project_replace(Self::Gone) {
            Taken::Done { output } => output,
            _ => panic!("`join!` took an output that is not there"),
        }
    }
}

impl<T, E, F: Future<Output = Result<T, E>>> MaybeDone<F> {
    /// Like `poll`, with a failure handed out at once.
    pub fn try_poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Result<bool, E> {
        let done = self.as_mut().poll(context);
        if let Projected::Done { output: Err(_) } = self.as_mut().project() {
            self.take().map(|_| true)
        } else {
            Ok(done)
        }
    }

    /// Moves the value out, once `try_poll` has handed out no failure and said that all is done.
    #[track_caller]
    pub fn try_take(self: Pin<&mut Self>) -> T {
        match self.take() {
            Ok(value) => value,
            Err(_) => panic!("`try_join!` took a value that is not there"),
        }
    }
}
