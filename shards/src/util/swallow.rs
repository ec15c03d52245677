//! Foreign code whose panic has nowhere to go.
//!
//! Whose waker it is that an event, a timer or a task's end wakes, the engine does not know: it may be any executor's, and it may
//! panic. The panic is not the business of the shard that happens to wake it, which would end with all its tasks; and
//! others wait to be woken after it. So it ends where the waker was called. The panic hook has reported it.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs foreign code and lets no panic out: also not that of dropping what the panic brought along. What that one brings is
/// leaked.
#[inline]
pub fn swallow(foreign: impl FnOnce()) {
    if cfg!(loom) {
        // A model's failure is a panic too.
        return foreign();
    }
    if let Err(panic) = catch_unwind(AssertUnwindSafe(foreign)) {
        if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
            mem::forget(again);
        }
    }
}
