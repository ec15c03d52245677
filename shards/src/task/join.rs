//! The one handle of all tasks.

#![expect(unsafe_code, reason = "takes the output out of the task")]

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::coop;
use crate::shard::schedule;

use super::raw::RawTask;
use super::{AbortHandle, Id, JoinError, waker};

/// Owns the right to a task's output, and to wait for it.
///
/// Awaiting the handle gives the output, or a [`JoinError`] if the task panicked or was cancelled. Dropping the handle
/// detaches the task, which goes on; its output is then dropped when it completes.
///
/// # Cancel safety
///
/// Awaiting `&mut handle` may be given up at any time; the output stays where it is.
///
/// # Panics
///
/// If polled again after it gave the output.
pub struct JoinHandle<T> {
    task: RawTask,
    /// The output was taken.
    taken: bool,
    _output: PhantomData<T>,
}

// SAFETY: the handle is a reference, counted for any thread, and a right to a `T`.
unsafe impl<T: Send> Send for JoinHandle<T> {}
// SAFETY: through a shared handle only counts and flags of the task are reached.
unsafe impl<T: Send> Sync for JoinHandle<T> {}

impl<T> UnwindSafe for JoinHandle<T> {}
impl<T> RefUnwindSafe for JoinHandle<T> {}
impl<T> Unpin for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// # Safety
    /// The task's counts include this handle, and the task's output is a `T`.
    pub(crate) unsafe fn new(task: RawTask) -> Self {
        Self { task, taken: false, _output: PhantomData }
    }

    /// Asks the task to stop: it is dropped at its next yield, where it is. A task that completes first reports its
    /// output all the same. Aborting twice, or after completion, does nothing.
    pub fn abort(&self) {
        schedule::abort(self.task);
    }

    /// Whether the task has ended, by completing or by a cancellation that is through.
    pub fn is_finished(&self) -> bool {
        self.task.header().is_complete()
    }

    /// Another handle that can abort the task and cannot wait for it.
    pub fn abort_handle(&self) -> AbortHandle {
        waker::make_ref(self.task);
        // SAFETY: the reference made in the line above.
        unsafe { AbortHandle::new(self.task) }
    }

    /// The task's id.
    pub fn id(&self) -> Id {
        self.task.header().id
    }

    /// Registers the waker; true if the output is there.
    #[inline]
    fn poll_complete(&mut self, cx: &mut Context<'_>) -> bool {
        let header = self.task.header();
        if header.is_movable() || !waker::on_owner(self.task) {
            return self.poll_complete_shared(cx);
        }
        if header.words.is_complete() {
            return true;
        }
        if !(header.words.owner_has_join_waker() && header.join_local.holds(cx.waker())) {
            drop(header.join_local.swap_local(Some(cx.waker().clone())));
            header.words.owner_set_join_waker();
        }
        false
    }

    /// As `poll_complete` for a task that other threads may complete just now.
    #[inline(never)]
    fn poll_complete_shared(&mut self, cx: &mut Context<'_>) -> bool {
        let header = self.task.header();
        if header.is_complete() {
            return true;
        }
        // A slot that holds this waker was filled and announced before.
        if header.join_remote.holds(cx.waker()) {
            return header.is_complete();
        }
        drop(header.join_remote.swap(Some(cx.waker().clone())));
        if header.is_movable() {
            return header.state().set_join_waker();
        }
        schedule::post_joiner(self.task);
        header.is_complete()
    }

    fn is_failed(&self) -> bool {
        let header = self.task.header();
        if header.is_movable() { header.state().is_failed() } else { header.words.is_failed() }
    }

    /// Gives the claim to the output up after using it.
    fn mark_taken(&mut self) {
        self.taken = true;
        let header = self.task.header();
        if header.is_movable() {
            header.state().taken();
        } else if waker::on_owner(self.task) {
            if header.words.owner_unjoin() {
                drop(header.join_local.swap_local(None));
            }
        } else {
            header.words.remote_taken();
        }
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        assert!(!self.taken, "JoinHandle polled after completion");
        let coop = ready!(coop::poll_proceed(cx));
        if !self.poll_complete(cx) {
            return Poll::Pending;
        }
        coop.made_progress();
        let mut output = MaybeUninit::<Self::Output>::uninit();
        let failed = self.is_failed();
        // SAFETY: the task is complete, so the output belongs to this handle, which has not taken it.
        unsafe { (self.task.header().vtable.take)(self.task.0, failed, output.as_mut_ptr().cast()) };
        self.mark_taken();
        // SAFETY: `take` wrote it.
        Poll::Ready(unsafe { output.assume_init() })
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        let header = self.task.header();
        if !self.taken {
            let mine = if header.is_movable() {
                header.state().unjoin()
            } else if header.words.is_complete() {
                true
            } else if waker::on_owner(self.task) {
                if header.words.owner_unjoin() {
                    drop(header.join_local.swap_local(None));
                }
                false
            } else {
                schedule::post_unjoin(self.task);
                // Nobody may be about to drain it if the task has completed meanwhile.
                header.words.is_complete() && header.words.remote_rejoin()
            };
            if mine {
                // SAFETY: the task is complete and the handle's claim is not used up.
                unsafe { (header.vtable.drop_output)(self.task.0, self.is_failed()) };
                if !header.is_movable() {
                    self.mark_taken();
                }
            }
        }
        // A task that goes on must not keep the joiner's memory.
        self.task.header().join_remote.clear();
        // SAFETY: the handle's reference.
        unsafe { waker::unref(self.task) };
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("id", &self.id()).finish()
    }
}
