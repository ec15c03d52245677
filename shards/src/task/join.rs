//! The one handle of all tasks.

#![expect(unsafe_code, reason = "takes the output out of the task")]

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::num::NonZeroU64;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::ptr;
use std::task::{Context, Poll, Waker};

use crate::context;
use crate::coop;
use crate::mesh::Remote;
use crate::shard::schedule;

use super::header::Header;
use super::movable::Unjoin;
use super::pinned::{Dropped, Look};
use super::raw::{self, RawTask};
use super::{AbortHandle, Id, JoinError, cell, waker};

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
    /// `None` once the output was taken: the task's memory does not wait for the handle.
    task: Option<RawTask>,
    /// The place of the task while it is there, its id afterwards.
    place_or_id: NonZeroU64,
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
    #[inline(always)]
    pub(crate) unsafe fn new(task: RawTask, place: Place) -> Self {
        Self { task: Some(task), place_or_id: place.0, _output: PhantomData }
    }

    /// The handle is about to be done with its task.
    #[inline(always)]
    fn forget(&mut self, task: RawTask) {
        self.task = None;
        self.place_or_id = task.header().id.get();
    }

    /// Asks the task to stop: it is dropped at its next yield, where it is. A task that completes first reports its
    /// output all the same. Aborting twice, or after completion, does nothing.
    pub fn abort(&self) {
        if let Some(task) = self.task {
            schedule::abort(task);
        }
    }

    /// Whether the task has ended, by completing or by a cancellation that is through.
    pub fn is_finished(&self) -> bool {
        self.task.is_none_or(|task| task.header().is_complete())
    }

    /// Another handle that can abort the task and cannot wait for it.
    #[must_use = "an abort handle does nothing unless it is asked to abort"]
    pub fn abort_handle(&self) -> AbortHandle {
        if let Some(task) = self.task {
            waker::make_ref(task);
        }
        // SAFETY: the reference made above.
        unsafe { AbortHandle::new(self.task, self.id()) }
    }

    /// The task's id.
    pub fn id(&self) -> Id {
        self.task.map_or_else(|| Id::from_raw(self.place_or_id), |task| task.header().id)
    }
}

/// What a handle knows of its task without a look at it: one compare with the thread's shard says whether the task is pinned, and in the
/// arena of this shard.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place(NonZeroU64);

/// Beside the address of the shard in whose arena the task is: the task is not pinned.
const MOVES: u64 = 1;
const _: () = assert!(align_of::<Remote>() as u64 > MOVES);

impl Place {
    /// No shard's address, with or without `MOVES`.
    pub const HEAP: Self = Self(NonZeroU64::new(2).unwrap());

    #[inline(always)]
    pub fn pinned_in_arena(owner: &Remote) -> Self {
        // SAFETY: a reference's address is not zero.
        Self(unsafe { NonZeroU64::new_unchecked(ptr::from_ref(owner).addr() as u64) })
    }

    #[inline(always)]
    pub fn movable_in_arena(home: &Remote) -> Self {
        Self(Self::pinned_in_arena(home).0 | MOVES)
    }
}

/// Has the waker woken when the task ends, as a poll of the handle does, whatever is left of the budget. False if it has ended.
pub fn wake_at_end<T>(handle: &mut JoinHandle<T>, waker: &Waker) -> bool {
    let waits = |task| !poll_complete(task, &mut Context::from_waker(waker));
    handle.task.is_some_and(|task| coop::with_budget(coop::Budget::unconstrained(), || waits(task)))
}

/// Registers the waker; true if the output is there and the budget lets it be taken.
#[inline(never)]
fn poll_complete(task: RawTask, cx: &mut Context<'_>) -> bool {
    let header = task.header();
    // The usual case: a movable task waits for the first time for another one.
    if header.is_movable()
        && !header.state().is_complete()
        && context::budget().has_remaining()
        && !header.state().has_join_waker()
        && header.join_local.set_first_movable(cx.waker())
    {
        if header.state().set_join_waker() {
            header.join_local.discard();
            // Nobody else takes from the budget between the look and this.
            return coop::take_unit();
        }
        return false;
    }
    poll_complete_slow(task, cx)
}

#[inline(never)]
fn poll_complete_slow(task: RawTask, cx: &mut Context<'_>) -> bool {
    let Poll::Ready(coop) = coop::poll_proceed(cx) else { return false };
    let header = task.header();
    let complete = if header.is_complete() {
        true
    } else if header.is_movable() {
        wait_for_movable(header, cx.waker())
    } else {
        wait_for_pinned(task, cx.waker())
    };
    if complete {
        coop.made_progress();
    }
    complete
}

/// Registers the waker; true if the output is there after all.
fn wait_for_pinned(task: RawTask, waker: &Waker) -> bool {
    let header = task.header();
    if waker::on_owner(task) {
        if !(header.words.owner_has_join_waker() && header.join_local.holds(waker)) {
            drop(header.join_local.swap_local(Some(waker.clone())));
            header.words.owner_set_join_waker();
        }
        return false;
    }
    // A slot that holds this waker was filled and announced before.
    if !header.join_remote.holds(waker) {
        drop(header.join_remote.swap(Some(waker.clone())));
        schedule::post_joiner(task);
    }
    // Other threads may complete the task just now.
    header.is_complete()
}

/// As `wait_for_pinned` for a movable or blocking task.
fn wait_for_movable(header: &Header, waker: &Waker) -> bool {
    let state = header.state();
    if state.has_join_waker() {
        if header.join_local.holds(waker) {
            return false;
        }
        if !state.take_join_waker_back() {
            return true;
        }
    }
    drop(header.join_local.swap_local(Some(waker.clone())));
    let complete = state.set_join_waker();
    if complete {
        header.join_local.discard();
    }
    complete
}

/// Takes the output of a completed task. The handle is done with it afterwards.
#[inline(never)]
fn take<T>(task: RawTask) -> Result<T, JoinError> {
    let header = task.header();
    let mut output = MaybeUninit::<Result<T, JoinError>>::uninit();
    // SAFETY: the task is complete, so the output belongs to its handle, which has not taken it; it is a `T`.
    unsafe { (header.vtable.take)(task.0, is_failed(header), output.as_mut_ptr().cast()) };
    let_go(task);
    // SAFETY: `take` wrote it.
    unsafe { output.assume_init() }
}

fn is_failed(header: &Header) -> bool {
    if header.is_movable() { header.state().is_failed() } else { header.words.is_failed() }
}

/// Gives up the handle's claim to the output of a completed task, which was taken or dropped, and its reference.
fn let_go(task: RawTask) {
    let header = task.header();
    if header.is_movable() {
        if header.state().is_handle_alone() || header.state().taken() == Dropped::Free {
            // SAFETY: the state said so.
            unsafe { raw::free_movable(task) };
        }
        return;
    }
    if !waker::on_owner(task) {
        header.words.remote_taken();
    } else if header.words.owner_unjoin() {
        header.join_local.discard();
    }
    release_pinned(task);
}

fn release_pinned(task: RawTask) {
    // A task that goes on must not keep the joiner's memory.
    task.header().join_remote.clear();
    // SAFETY: the handle's reference.
    unsafe { waker::unref_pinned(task, waker::on_owner(task)) };
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(task) = self.task else { panic!("JoinHandle polled after completion") };
        let header = task.header();
        let (place, here) = (self.place_or_id.get(), context::remote().addr() as u64);
        // The usual cases: a small task of this very shard, which another one waits for for the first time, or of which nothing is
        // left but its output.
        let is_alone = if place == here {
            match header.words.owner_look() {
                Look::Alone => true,
                Look::Running
                    if context::budget().has_remaining() && header.join_local.set_first(cx.waker()) =>
                {
                    header.words.owner_set_join_waker();
                    return Poll::Pending;
                }
                Look::Running | Look::Complete => false,
            }
        } else {
            place & !MOVES == here && header.state().is_handle_alone_with_output()
        };
        if is_alone && coop::take_unit() {
            self.forget(task);
            // SAFETY: the output belongs to this handle, is no failure, and is a `T`; an arena's tasks are aligned to words,
            // so it lies right behind the header.
            let output = unsafe { cell::arena_output(task.0).cast::<T>().read() };
            // SAFETY: nobody else can reach the task, its future and output are gone, and this is its owner's thread.
            unsafe { raw::free_here(task) };
            return Poll::Ready(Ok(output));
        }
        if !poll_complete(task, cx) {
            return Poll::Pending;
        }
        self.forget(task);
        Poll::Ready(take(task))
    }
}

impl<T> Drop for JoinHandle<T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(task) = self.task {
            abandon(task);
        }
    }
}

/// The handle goes away without having taken the output.
#[inline(never)]
fn abandon(task: RawTask) {
    let header = task.header();
    let mine = if header.is_movable() {
        let step = header.state().unjoin();
        if step == Unjoin::EmptySlot {
            header.join_local.discard();
        }
        step == Unjoin::DropOutput
    } else if header.words.is_complete() {
        true
    } else if waker::on_owner(task) {
        if header.words.owner_unjoin() {
            header.join_local.discard();
        }
        false
    } else {
        schedule::post_unjoin(task);
        // Nobody may be about to drain it if the task has completed meanwhile.
        header.words.is_complete() && header.words.remote_rejoin()
    };
    if mine {
        // The output's drop is the task's. It lets no panic out.
        let before = context::set_task(Some(header.id.get()));
        // SAFETY: the task is complete and the handle's claim is not used up.
        unsafe { (header.vtable.drop_output)(task.0, is_failed(header)) };
        context::set_task(before);
        let_go(task);
    } else if header.is_movable() {
        // SAFETY: the handle's reference.
        unsafe { waker::unref_movable(task) };
    } else {
        release_pinned(task);
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("id", &self.id()).finish()
    }
}
