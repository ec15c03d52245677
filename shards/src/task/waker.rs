//! Wakers: a task's address under one of three vtables.
//!
//! A waker of a pinned task first compares the shard of the task's memory with the thread's: on the owner's thread clone, wake and
//! drop are plain memory traffic, elsewhere they go through the remote word and the mailbox.

#![expect(unsafe_code, reason = "implements the waker vtables")]

use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::task::{RawWaker, RawWakerVTable, Waker};

use crate::context;
use crate::shard::{Local, schedule};

use super::header::Header;
use super::movable::Wake;
use super::pinned::Dropped;
use super::raw::{self, RawTask};

/// Of pinned tasks in an arena.
pub(crate) static PINNED: RawWakerVTable = pinned::<true>();
pub(crate) static PINNED_ON_HEAP: RawWakerVTable = pinned::<false>();
/// Of movable tasks anywhere.
pub(crate) static MOVABLE: RawWakerVTable =
    RawWakerVTable::new(movable_clone, wake_movable, movable_wake_by_ref, movable_drop);

/// A waker that borrows the caller's reference.
#[inline(always)]
pub(crate) fn borrowed(task: RawTask, vtable: &'static RawWakerVTable) -> ManuallyDrop<Waker> {
    // SAFETY: the vtable's functions expect a task's address, and the waker is not dropped.
    ManuallyDrop::new(unsafe { Waker::new(task.0.as_ptr().cast(), vtable) })
}

#[inline(always)]
fn task(data: *const ()) -> RawTask {
    // SAFETY: the data of a waker with our vtables is a task's address.
    RawTask(unsafe { NonNull::new_unchecked(data.cast_mut().cast::<Header>()) })
}

const fn pinned<const ARENA: bool>() -> RawWakerVTable {
    RawWakerVTable::new(
        pinned_clone::<ARENA>,
        pinned_wake::<ARENA>,
        pinned_wake_by_ref::<ARENA>,
        pinned_drop::<ARENA>,
    )
}

/// Whether this thread is inside the owner of the pinned task.
#[inline(always)]
pub(crate) fn on_owner(task: RawTask) -> bool {
    debug_assert!(!task.header().is_movable());
    ptr::eq(task.shard_ptr(), context::remote())
}

/// As `on_owner` where the vtable of a waker says where the task is.
#[inline(always)]
fn on_owner_of<const ARENA: bool>(task: RawTask) -> bool {
    if ARENA { ptr::eq(task.arena_owner(), context::remote()) } else { on_owner(task) }
}

/// If this is a waker of a pinned task of the arena of the shard that this thread is inside: makes a reference, and gives the waker's
/// data.
#[inline(always)]
pub(crate) fn referenced_here(waker: &Waker) -> Option<*const ()> {
    if !ptr::eq(waker.vtable(), &PINNED) {
        return None;
    }
    let task = task(waker.data());
    on_owner_of::<true>(task).then(|| {
        task.header().words.owner_ref();
        waker.data()
    })
}

/// As `Waker::wake`, in a few instructions if it is that of a pinned task of the arena of the shard that this thread is inside.
#[inline]
pub fn wake(waker: Waker) {
    // SAFETY: null or the owner half of the shard that this thread is inside.
    match unsafe { context::local().as_ref() } {
        Some(local) if ptr::eq(waker.vtable(), &PINNED) => {
            let data = ManuallyDrop::new(waker).data();
            // SAFETY: the waker's data and reference.
            unsafe { wake_here(data, local) };
        }
        _ => waker.wake(),
    }
}

/// As `Waker::clone`, in a few instructions for such a waker.
#[inline]
pub fn clone_waker(waker: &Waker) -> Waker {
    match referenced_here(waker) {
        // SAFETY: the data and the vtable of a waker, with the reference that was made.
        Some(data) => unsafe { Waker::new(data, &PINNED) },
        None => waker.clone(),
    }
}

/// If this is a waker of a movable task: makes a reference, and gives the waker's data.
#[inline(always)]
pub(crate) fn referenced_movable(waker: &Waker) -> Option<*const ()> {
    ptr::eq(waker.vtable(), &MOVABLE).then(|| {
        task(waker.data()).header().state().make_ref();
        waker.data()
    })
}

unsafe fn pinned_clone<const ARENA: bool>(data: *const ()) -> RawWaker {
    let task = task(data);
    if on_owner_of::<ARENA>(task) {
        task.header().words.owner_ref();
    } else {
        task.header().words.remote_ref();
    }
    RawWaker::new(data, if ARENA { &PINNED } else { &PINNED_ON_HEAP })
}

unsafe fn pinned_wake<const ARENA: bool>(data: *const ()) {
    let task = task(data);
    let on_owner = on_owner_of::<ARENA>(task);
    // The reference is kept until the shard has been woken: it keeps the shard's remote half alive.
    schedule::wake_pinned(task, on_owner);
    // SAFETY: consumes the reference that the caller gives up.
    unsafe { unref_pinned(task, on_owner) };
}

/// As `pinned_wake` for a thread that is inside `local`.
///
/// # Safety
/// `data` is the address of a pinned task in an arena, with a reference that this consumes.
#[inline(always)]
pub(crate) unsafe fn wake_here(data: *const (), local: &Local) {
    let task = task(data);
    let words = &task.header().words;
    if ptr::eq(task.arena_owner(), local.remote_ptr()) && words.owner_wake_and_unref() {
        return local.push(task);
    }
    // SAFETY: by contract.
    unsafe { pinned_wake::<true>(data) };
}

/// Whether the waker is one of a pinned task of the shard that this thread is inside.
pub(crate) fn is_here(waker: &Waker) -> bool {
    if ptr::eq(waker.vtable(), &PINNED) {
        on_owner_of::<true>(task(waker.data()))
    } else {
        ptr::eq(waker.vtable(), &PINNED_ON_HEAP) && on_owner(task(waker.data()))
    }
}

/// Whether the waker is one of a task, of any shard. It keeps the task's memory, and nothing of the future once that is done.
pub(crate) fn is_of_task(waker: &Waker) -> bool {
    [&PINNED, &PINNED_ON_HEAP, &MOVABLE].into_iter().any(|ours| ptr::eq(waker.vtable(), ours))
}

/// Wakes a task of the shard `local`, which this thread is inside, because of an event. Runs no foreign code.
///
/// # Safety
/// [`is_here`] was true in that shard.
#[inline(always)]
pub(crate) unsafe fn wake_here_by_ref(waker: &Waker, local: &Local) {
    let task = task(waker.data());
    let words = &task.header().words;
    if words.owner_wake_idle() {
        local.push_for_world(task);
    } else {
        // It is queued, complete, or sees to it when it comes back.
        let queue = words.owner_wake();
        debug_assert!(!queue);
    }
}

unsafe fn pinned_wake_by_ref<const ARENA: bool>(data: *const ()) {
    let task = task(data);
    schedule::wake_pinned(task, on_owner_of::<ARENA>(task));
}

unsafe fn pinned_drop<const ARENA: bool>(data: *const ()) {
    let task = task(data);
    // SAFETY: the waker's reference.
    unsafe { unref_pinned(task, on_owner_of::<ARENA>(task)) };
}

/// Gives a reference to a pinned task up.
///
/// # Safety
/// The caller owns a reference, and has asked whether this thread is inside the task's owner.
#[inline]
pub(crate) unsafe fn unref_pinned(task: RawTask, on_owner: bool) {
    if !on_owner {
        // SAFETY: by contract.
        return unsafe { unref_elsewhere(task) };
    }
    if task.header().words.owner_unref() == Dropped::Free {
        // SAFETY: this thread is inside the shard, so `local` is its owner half.
        let local = unsafe { &*context::local() };
        // SAFETY: the words said so.
        unsafe { raw::free(task, Some(local)) };
    }
}

#[cold]
#[inline(never)]
unsafe fn unref_elsewhere(task: RawTask) {
    match task.header().words.remote_unref() {
        Dropped::Keep => {}
        Dropped::Mail => schedule::mail_and_wake(task),
        Dropped::MailQuietly => schedule::mail(task),
        // SAFETY: the words said so, and the owner is gone.
        Dropped::Free => unsafe { raw::free(task, None) },
    }
}

unsafe fn movable_clone(data: *const ()) -> RawWaker {
    task(data).header().state().make_ref();
    RawWaker::new(data, &MOVABLE)
}

/// Wakes a movable task.
///
/// # Safety
/// `data` is a movable task's address, with a reference that this consumes.
pub(crate) unsafe fn wake_movable(data: *const ()) {
    let task = task(data);
    if !schedule::inside_mesh_of(task) {
        // As soon as the task is queued it may run, complete and take the mesh with it, so the reference is kept meanwhile.
        // SAFETY: the caller's contract is the same.
        unsafe { movable_wake_by_ref(data) };
        // SAFETY: consumes the reference that the caller gives up.
        return unsafe { movable_drop(data) };
    }
    match task.header().state().wake() {
        Wake::Nothing => {}
        Wake::Submit => schedule::submit(task, schedule::Why::Woken),
        // SAFETY: the state said so.
        Wake::Free => unsafe { raw::free_movable(task) },
    }
}

unsafe fn movable_wake_by_ref(data: *const ()) {
    let task = task(data);
    if task.header().state().wake_by_ref() == Wake::Submit {
        schedule::submit(task, schedule::Why::Woken);
    }
}

unsafe fn movable_drop(data: *const ()) {
    // SAFETY: the waker's reference.
    unsafe { unref_movable(task(data)) };
}

/// Gives a reference to a movable or blocking task up.
///
/// # Safety
/// The caller owns a reference.
pub(crate) unsafe fn unref_movable(task: RawTask) {
    if task.header().state().unref(1) == Dropped::Free {
        // SAFETY: the state said so.
        unsafe { raw::free_movable(task) };
    }
}

/// Gives a reference to any task up.
///
/// # Safety
/// The caller owns a reference.
pub(crate) unsafe fn unref(task: RawTask) {
    if task.header().is_movable() {
        // SAFETY: by contract.
        unsafe { unref_movable(task) }
    } else {
        // SAFETY: by contract.
        unsafe { unref_pinned(task, on_owner(task)) }
    }
}

/// Makes a reference to any task from one that the caller has.
pub(crate) fn make_ref(task: RawTask) {
    if task.header().is_movable() {
        task.header().state().make_ref();
    } else if on_owner(task) {
        task.header().words.owner_ref();
    } else {
        task.header().words.remote_ref();
    }
}
