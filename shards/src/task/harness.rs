//! Running a task: poll, then wait, requeue, cancel or complete.

#![expect(unsafe_code, reason = "calls through vtables with the rights that the state transitions gave")]

use std::task::Context;

use crate::context;
use crate::coop::Budget;
use crate::shard::{Local, schedule};

use super::header::{Home, Kind, Polled};
use super::pinned::{Dropped, Run};
use super::raw::{self, RawTask};
use super::{movable, pinned, waker};

/// Names the task in the thread's context while it runs, also when its drop panics.
struct Named(Option<std::num::NonZeroU64>);

impl Named {
    #[inline(always)]
    fn new(task: RawTask) -> Self {
        context::set_budget(Budget::initial());
        Self(context::set_task(Some(task.header().id.get())))
    }
}

impl Drop for Named {
    #[inline(always)]
    fn drop(&mut self) {
        context::set_task(self.0);
        context::set_budget(Budget::unconstrained());
    }
}

/// Runs a pinned task that was just taken out of its owner's run queue, on the owner's thread. The thread's context names the
/// task afterwards too, until the caller has run the last of several and calls [`context::leave_task`].
#[inline(always)]
pub(crate) fn run_pinned(task: RawTask, local: &Local) {
    let header = task.header();
    let words = &header.words;
    if words.owner_start() == Run::Cancel {
        return cancel_pinned(task, local);
    }
    context::enter_task(header.id.get());
    let waker = waker::borrowed(task, header.vtable.waker);
    // SAFETY: RUNNING gives the right to the future, and this is the owner's thread.
    let polled = unsafe { (header.vtable.poll)(task.0, &mut Context::from_waker(&waker)) };
    match polled {
        Polled::Pending => match words.owner_idle() {
            pinned::Idle::Wait => {}
            pinned::Idle::Requeue => local.push_last(task),
            pinned::Idle::Cancel => cancel_pinned(task, local),
        },
        Polled::Ready => match words.owner_complete_and_unref() {
            Some(wake_local) => {
                local.completed();
                if wake_local {
                    header.join_local.wake_local(local);
                }
            }
            None => complete_pinned(task, local, false),
        },
        Polled::Failed => complete_pinned(task, local, true),
    }
}

/// Drops the future of a pinned task in state RUNNING and completes it as cancelled.
#[cold]
pub(crate) fn cancel_pinned(task: RawTask, local: &Local) {
    {
        let _named = Named::new(task);
        // SAFETY: RUNNING gives the right to the future, and this is the owner's thread.
        unsafe { (task.header().vtable.cancel)(task.0) };
    }
    complete_pinned(task, local, true);
}

#[cold]
#[inline(never)]
fn complete_pinned(task: RawTask, local: &Local, failed: bool) {
    let header = task.header();
    local.completed();
    let todo = header.words.owner_complete(failed);
    if todo.wake_local {
        header.join_local.wake_local(local);
    }
    if todo.wake_remote {
        header.join_remote.wake();
    }
    if todo.drop_output {
        let _named = Named::new(task);
        // SAFETY: JOIN was clear, so the output is the completer's.
        unsafe { (header.vtable.drop_output)(task.0, failed) };
    }
    if header.words.owner_unref() == Dropped::Free {
        // SAFETY: the words said so.
        unsafe { raw::free(task, Some(local)) };
    }
}

/// What was in the mail of a task that was just taken out of its owner's mailbox.
pub(crate) fn drain(task: RawTask, local: &Local) {
    let header = task.header();
    if header.is_movable() {
        // SAFETY: nobody knows it any more, see `homing`; it is of the arena of this shard.
        return unsafe { raw::free_here(task) };
    }
    local.list_heap_task_once(task);
    let mut mail = header.words.owner_drain();
    if mail.enqueue {
        local.push(task);
    }
    if mail.wake_remote || mail.drop_output {
        // What follows runs foreign code, which may give the last reference up.
        header.words.owner_ref();
        if mail.wake_remote {
            header.join_remote.wake();
        }
        if mail.drop_output {
            // SAFETY: the JoinHandle gave its claim up, and JOIN is clear now.
            unsafe { (header.vtable.drop_output)(task.0, header.words.is_failed()) };
        }
        mail.free = header.words.owner_unref() == Dropped::Free;
    }
    if mail.free {
        // SAFETY: the words said so.
        unsafe { raw::free(task, Some(local)) };
    }
}

/// Runs a movable task with the reference of the queue entry it was just taken out of, on a thread that is inside a shard. As with
/// `run_pinned`, the thread's context names the task afterwards too. If it was woken meanwhile and nothing else is to be run, it is
/// polled again, `most` times at most. Gives the number of polls.
#[inline(always)]
pub(crate) fn run_movable_here(task: RawTask, local: &Local, most: u32) -> u32 {
    let header = task.header();
    if header.state().start() == Run::Cancel {
        cancel_movable(task);
        return 1;
    }
    let mut polls = 0;
    loop {
        polls += 1;
        context::enter_task(header.id.get());
        match poll_movable(task) {
            Polled::Pending if polls < most && !local.has_runnable() && header.state().again() => continue,
            Polled::Pending => idle_movable(task, |task| local.push_yielded(task)),
            Polled::Ready => complete_movable(task, false),
            Polled::Failed => complete_movable(task, true),
        }
        return polls;
    }
}

/// As `run_movable_here` on any thread, whose context names what it did before afterwards.
pub(crate) fn run_movable(task: RawTask) {
    if task.header().state().start() == Run::Cancel {
        return cancel_movable(task);
    }
    let polled = {
        let _named = Named::new(task);
        poll_movable(task)
    };
    match polled {
        Polled::Pending => idle_movable(task, |task| schedule::submit(task, schedule::Why::Yielded)),
        Polled::Ready => complete_movable(task, false),
        Polled::Failed => complete_movable(task, true),
    }
}

/// Runs a blocking task, which has no budget, and is done after one poll.
pub(crate) fn run_blocking(task: RawTask) {
    if task.header().state().start() == Run::Cancel {
        return cancel_movable(task);
    }
    let polled = {
        let _named = NamedId::new(task);
        poll_movable(task)
    };
    complete_movable(task, polled == Polled::Failed);
}

/// Polls a task in state RUNNING.
#[inline(always)]
fn poll_movable(task: RawTask) -> Polled {
    let waker = waker::borrowed(task, &waker::MOVABLE);
    // SAFETY: RUNNING gives the right to the future.
    unsafe { (task.header().vtable.poll)(task.0, &mut Context::from_waker(&waker)) }
}

/// After a poll that returned `Pending`.
#[inline(always)]
fn idle_movable(task: RawTask, requeue: impl FnOnce(RawTask)) {
    match task.header().state().idle() {
        movable::Idle::Wait => {}
        movable::Idle::Requeue => requeue(task),
        movable::Idle::Cancel => cancel_movable(task),
        // SAFETY: the state said so.
        movable::Idle::Free => unsafe { raw::free_movable(task) },
    }
}

/// As `Named` for what has no budget.
struct NamedId(Option<std::num::NonZeroU64>);

impl NamedId {
    fn new(task: RawTask) -> Self {
        Self(context::set_task(Some(task.header().id.get())))
    }
}

impl Drop for NamedId {
    fn drop(&mut self) {
        context::set_task(self.0);
    }
}

/// Drops the future of a movable task in state RUNNING and completes it as cancelled; consumes the run's reference.
#[cold]
pub(crate) fn cancel_movable(task: RawTask) {
    {
        let _named = NamedId::new(task);
        // SAFETY: RUNNING gives the right to the future.
        unsafe { (task.header().vtable.cancel)(task.0) };
    }
    complete_movable(task, true);
}

fn complete_movable(task: RawTask, failed: bool) {
    let header = task.header();
    let in_arena = header.vtable.home == Home::Arena;
    if in_arena {
        task.shard().movable_completed();
        // The run's reference and the task's own.
        if !failed && header.state().complete_for_handle(2) {
            return;
        }
    }
    let todo = header.state().complete(failed);
    if todo.wake {
        header.join_local.wake_alone();
    }
    if todo.drop_output {
        let _named = NamedId::new(task);
        // SAFETY: JOIN was clear, so the output is the completer's.
        unsafe { (header.vtable.drop_output)(task.0, failed) };
    }
    // The run's reference, and the task's own unless a list refused it.
    let own = in_arena || (header.vtable.kind == Kind::Movable && task.shard().unlist(task));
    let refs = 1 + u32::from(own);
    if header.state().unref(refs) == Dropped::Free {
        // SAFETY: the state said so.
        unsafe { raw::free_movable(task) };
    }
}
