//! A handle that aborts a task and cannot wait for it.

#![expect(unsafe_code, reason = "holds a counted reference to a task")]

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

use crate::shard::schedule;

use super::raw::RawTask;
use super::{Id, waker};

/// Aborts a task from anywhere, without the right to its output.
pub struct AbortHandle {
    /// `None` if the output was taken before the handle was made.
    task: Option<RawTask>,
    id: Id,
}

// SAFETY: a reference counted for any thread; nothing of the future or output is reached through it.
unsafe impl Send for AbortHandle {}
// SAFETY: as above.
unsafe impl Sync for AbortHandle {}

impl UnwindSafe for AbortHandle {}
impl RefUnwindSafe for AbortHandle {}

impl AbortHandle {
    /// # Safety
    /// The task's counts include this handle.
    pub(crate) unsafe fn new(task: Option<RawTask>, id: Id) -> Self {
        Self { task, id }
    }

    /// Asks the task to stop, as [`JoinHandle::abort`](super::JoinHandle::abort) does.
    pub fn abort(&self) {
        if let Some(task) = self.task {
            schedule::abort(task);
        }
    }

    /// Whether the task has ended, by completing or by a cancellation that is through.
    pub fn is_finished(&self) -> bool {
        self.task.is_none_or(|task| task.header().is_complete())
    }

    /// The task's id.
    pub fn id(&self) -> Id {
        self.id
    }
}

impl Clone for AbortHandle {
    fn clone(&self) -> Self {
        if let Some(task) = self.task {
            waker::make_ref(task);
        }
        Self { ..*self }
    }
}

impl Drop for AbortHandle {
    fn drop(&mut self) {
        if let Some(task) = self.task {
            // SAFETY: the handle's reference.
            unsafe { waker::unref(task) };
        }
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle").field("id", &self.id()).finish()
    }
}
