//! The door to the task's cooperative budget.
//!
//! I/O that is always ready (an in-memory pipe, a sink) would let a task run for ever without giving way, so
//! such operations spend from the budget. Forwards to the engine's coop module once that is merged; until then
//! every operation may proceed.

use std::task::{Context, Poll};

/// Gives the spent unit back when dropped, unless the operation made progress.
#[must_use = "the budget is given back when this is dropped without `made_progress`"]
pub(crate) struct RestoreOnPending;

impl RestoreOnPending {
    /// The operation did something: the unit stays spent.
    pub(crate) fn made_progress(&self) {}
}

/// Spends one unit of the running task's budget; `Pending`, with the task woken, when none is left.
pub(crate) fn poll_proceed(_cx: &mut Context<'_>) -> Poll<RestoreOnPending> {
    Poll::Ready(RestoreOnPending)
}
