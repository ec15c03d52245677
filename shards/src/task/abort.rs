//! A handle that aborts a task and cannot wait for it.

#![expect(unsafe_code, reason = "holds a counted reference to a task")]

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

use crate::shard::schedule;

use super::raw::RawTask;
use super::{Id, waker};

/// Aborts a task from anywhere, without the right to its output.
pub struct AbortHandle(RawTask);

// SAFETY: a reference counted for any thread; nothing of the future or output is reached through it.
unsafe impl Send for AbortHandle {}
// SAFETY: as above.
unsafe impl Sync for AbortHandle {}

impl UnwindSafe for AbortHandle {}
impl RefUnwindSafe for AbortHandle {}

impl AbortHandle {
    /// # Safety
    /// The task's counts include this handle.
    pub(crate) unsafe fn new(task: RawTask) -> Self {
        Self(task)
    }

    /// Asks the task to stop, as [`JoinHandle::abort`](super::JoinHandle::abort) does.
    pub fn abort(&self) {
        schedule::abort(self.0);
    }

    /// Whether the task has ended, by completing or by a cancellation that is through.
    pub fn is_finished(&self) -> bool {
        self.0.header().is_complete()
    }

    /// The task's id.
    pub fn id(&self) -> Id {
        self.0.header().id
    }
}

impl Clone for AbortHandle {
    fn clone(&self) -> Self {
        waker::make_ref(self.0);
        Self(self.0)
    }
}

impl Drop for AbortHandle {
    fn drop(&mut self) {
        // SAFETY: the handle's reference.
        unsafe { waker::unref(self.0) };
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle").field("id", &self.id()).finish()
    }
}
