//! The cooperative budget: how many resource operations a task may complete in one poll.
//!
//! A task that always finds its sockets and channels ready would never return to the scheduler. Each such
//! operation takes one unit; at zero the operation answers `Pending` after waking its own task, so the task
//! runs again after the others. The budget is a field of the thread's [`context`].
//!
//! Threads: each has its own budget; nothing is shared.

use std::task::{Context, Poll};

use crate::context;
use crate::shard;

/// Operations a task may complete in one poll.
pub const INITIAL: u8 = 128;

/// How much is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget(u64);

/// No limit: it is counted down like any other, and lasts for centuries. So who takes a unit need not ask.
const UNCONSTRAINED: u64 = 1 << 63;

impl Budget {
    /// What a task starts a poll with.
    pub const fn initial() -> Self {
        Self(INITIAL as u64)
    }

    /// No limit: outside of tasks, and where a task asked for it.
    pub const fn unconstrained() -> Self {
        Self(UNCONSTRAINED)
    }

    /// Whether an operation may go ahead.
    #[inline(always)]
    pub fn has_remaining(self) -> bool {
        self.0 != 0
    }
}

/// Leave to go on, to be paid for if the operation completes.
#[derive(Debug)]
#[must_use = "an operation that completes without made_progress() is not counted"]
pub struct Proceed(());

impl Proceed {
    /// The operation completed: takes one unit.
    #[inline(always)]
    pub fn made_progress(&self) {
        // Others may have taken the last one meanwhile.
        context::set_budget(Budget(context::budget().0.saturating_sub(1)));
    }

    /// The same for an operation that is one system call, which takes nothing itself.
    #[inline(always)]
    pub(crate) fn called(self) {
        let Budget(left) = context::budget();
        debug_assert!(left > 0);
        context::set_budget(Budget(left.wrapping_sub(1)));
    }
}

/// Takes a unit back that [`made_progress`](Proceed::made_progress) took for an operation that did not complete after all.
pub fn give_back() {
    let left = context::budget().0;
    if left < u64::from(INITIAL) {
        context::set_budget(Budget(left + 1));
    }
}

/// Takes a unit, for an operation that is known to complete; false, and nothing taken, if the budget is used up.
#[inline(always)]
pub(crate) fn take_unit() -> bool {
    let left = context::budget().0;
    if left == 0 {
        return false;
    }
    context::set_budget(Budget(left - 1));
    true
}

/// Asks whether the task may go on.
///
/// An operation that turns out to have to wait costs nothing, so nothing is taken here: see
/// [`made_progress`](Proceed::made_progress).
#[inline(always)]
pub fn try_proceed() -> Option<Proceed> {
    context::budget().has_remaining().then_some(Proceed(()))
}

/// Asks whether the task may go on; if its budget is used up, wakes it and answers `Pending`.
#[inline(always)]
pub fn poll_proceed(cx: &mut Context<'_>) -> Poll<Proceed> {
    match try_proceed() {
        Some(proceed) => Poll::Ready(proceed),
        None => {
            give_way(cx);
            Poll::Pending
        }
    }
}

#[cold]
fn give_way(cx: &mut Context<'_>) {
    // A guest's task counts for the host, who is delayed by it.
    shard::home(|local| {
        local.inspect(|local| local.remote().counters().forced_yields.add(1));
    });
    cx.waker().wake_by_ref();
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
