//! The cooperative budget: how many resource operations a task may complete in one poll.
//!
//! A task that always finds its sockets and channels ready would never return to the scheduler. Each such
//! operation takes one unit; at zero the operation answers `Pending` after waking its own task, so the task
//! runs again after the others. The budget is a field of the thread's [context](crate::context).
//!
//! Threads: each has its own budget; nothing is shared.

use std::task::{Context, Poll};

use crate::context;

/// Operations a task may complete in one poll.
pub const INITIAL: u8 = 128;

/// How much is left. `None` means unconstrained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget(Option<u8>);

impl Budget {
    /// What a task starts a poll with.
    pub const fn initial() -> Self {
        Self(Some(INITIAL))
    }

    /// No limit: outside of tasks, and where a task asked for it.
    pub const fn unconstrained() -> Self {
        Self(None)
    }

    /// Whether an operation may go ahead.
    pub fn has_remaining(self) -> bool {
        self.0 != Some(0)
    }
}

/// Gives the unit back when dropped, unless the operation made progress.
#[derive(Debug)]
#[must_use = "dropping the guard without made_progress() gives the unit back"]
pub struct RestoreOnPending {
    before: Option<Budget>,
}

impl RestoreOnPending {
    /// Keeps the unit: the operation completed.
    #[inline]
    pub fn made_progress(mut self) {
        self.before = None;
    }
}

impl Drop for RestoreOnPending {
    #[inline]
    fn drop(&mut self) {
        if let Some(before) = self.before {
            context::set_budget(before);
        }
    }
}

/// Takes one unit, or wakes the task and answers `Pending` when none is left.
#[inline]
pub fn poll_proceed(cx: &mut Context<'_>) -> Poll<RestoreOnPending> {
    match context::budget().0 {
        None => Poll::Ready(RestoreOnPending { before: None }),
        Some(0) => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
        Some(n) => {
            context::set_budget(Budget(Some(n - 1)));
            Poll::Ready(RestoreOnPending { before: Some(Budget(Some(n))) })
        }
    }
}

/// Whether the running task may do more in this poll.
pub fn has_budget_remaining() -> bool {
    context::budget().has_remaining()
}

/// Runs `f` under another budget and restores the old one afterwards, also when `f` panics.
#[inline]
pub fn with_budget<R>(budget: Budget, f: impl FnOnce() -> R) -> R {
    struct Restore(Budget);
    impl Drop for Restore {
        fn drop(&mut self) {
            context::set_budget(self.0);
        }
    }
    let _restore = Restore(context::replace_budget(budget));
    f()
}
