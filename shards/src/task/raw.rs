//! Making tasks, and what can be done to one without knowing its type.

#![expect(unsafe_code, reason = "allocates tasks and calls through their vtables")]

use std::alloc::{alloc, dealloc, handle_alloc_error};
use std::future::Future;
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::task::{Context, Poll};

use crate::context;
use crate::loom::atomic::AtomicPtr;
use crate::mesh::{Mesh, Remote};
use crate::shard::Local;

use super::cell::Cell;
use super::header::{Front, Header, Home, Kind, Links, Vtable, front, heap_layout, heap_offset};
use super::join::Place;
use super::movable::State;
use super::pinned::{Orphan, Unmail, Words};
use super::slot::JoinSlot;
use super::{Id, JoinHandle, arena, harness, homing, waker};

/// A pointer to a task, with whatever reference the holder's role gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RawTask(pub NonNull<Header>);

// SAFETY: who may do what from which thread is the protocols' business, not the pointer's.
unsafe impl Send for RawTask {}

impl RawTask {
    #[inline(always)]
    pub fn header(&self) -> &Header {
        // SAFETY: whoever holds a `RawTask` holds a reference to the task.
        unsafe { self.0.as_ref() }
    }

    /// The remote half of the owner (pinned) or of the shard that lists the task (movable).
    #[inline(always)]
    pub fn shard(&self) -> &Remote {
        let remote = self.shard_ptr();
        debug_assert!(!remote.is_null(), "a blocking task has no shard");
        // SAFETY: valid for as long as the task is: an orphan keeps its mesh alive.
        unsafe { &*remote }
    }

    /// As `shard`. Null for blocking tasks.
    #[inline(always)]
    pub fn shard_ptr(&self) -> *const Remote {
        match self.header().vtable.home {
            Home::Arena => self.arena_owner(),
            // SAFETY: written when the task was made, and not again.
            Home::Heap => unsafe { (*front(self.0).as_ptr()).shard },
        }
    }

    /// As `shard_ptr` for a task in an arena.
    #[inline(always)]
    pub fn arena_owner(&self) -> *const Remote {
        debug_assert_eq!(self.header().vtable.home, Home::Arena);
        // SAFETY: the task's slot.
        unsafe { arena::owner(self.0.cast()) }
    }
}

#[inline(always)]
fn header(vtable: &'static Vtable, words: Words, id: Id) -> Header {
    Header {
        vtable,
        link: AtomicPtr::new(ptr::null_mut()),
        words,
        id,
        join_local: JoinSlot::new(),
        join_remote: JoinSlot::new(),
    }
}

fn on_heap<F: Future>(header: Header, shard: *const Remote, future: F) -> RawTask {
    let layout = header.vtable.layout;
    let whole = heap_layout(layout);
    // SAFETY: the layout's size is not zero.
    let memory = unsafe { alloc(whole) };
    if memory.is_null() {
        handle_alloc_error(whole);
    }
    // SAFETY: within the allocation.
    let cell = unsafe { memory.add(heap_offset(layout)) }.cast::<Cell<F>>();
    // SAFETY: sized and aligned for the cell.
    unsafe { Cell::write(cell, header, future) };
    let task = NonNull::new(cell).expect("not null").cast::<Header>();
    // SAFETY: within the allocation.
    unsafe { front(task).write(Front { shard, links: Links::NEW }) };
    RawTask(task)
}

/// A task of the shard this thread is inside. The caller puts it into the run queue.
#[inline(always)]
pub(crate) fn pinned_here<F: Future>(local: &Local, id: Id, future: F) -> (RawTask, JoinHandle<F::Output>) {
    let (task, place) = if Cell::<F>::FITS_ARENA {
        let cell = local.arena(|arena| arena.alloc(Cell::<F>::SIZE)).cast::<Cell<F>>();
        let header = header(&Cell::<F>::PINNED_ARENA, Words::owner_new(), id);
        // SAFETY: the slot is large enough and aligned.
        unsafe { Cell::write(cell.as_ptr(), header, future) };
        (RawTask(cell.cast()), Place::pinned_in_arena(local.remote()))
    } else {
        let header = header(&Cell::<F>::PINNED_HEAP, Words::owner_new(), id);
        let task = on_heap(header, local.remote_ptr(), future);
        local.list_heap_task(task);
        (task, Place::HEAP)
    };
    // SAFETY: the new words count the handle.
    (task, unsafe { JoinHandle::new(task, place) })
}

/// A pinned task of another shard. The caller puts it into that shard's mailbox.
///
/// # Safety
/// The future is `Send` for as long as it has not been polled.
pub(crate) unsafe fn pinned_there<F: Future>(
    remote: &Remote,
    id: Id,
    future: F,
) -> (RawTask, JoinHandle<F::Output>) {
    let task = on_heap(header(&Cell::<F>::PINNED_HEAP, Words::remote_new(), id), remote, future);
    // SAFETY: the new words count the handle.
    (task, unsafe { JoinHandle::new(task, Place::HEAP) })
}

/// Whether a task with such a future may be in an arena.
pub(crate) const fn fits_arena<F: Future>() -> bool {
    Cell::<F>::FITS_ARENA
}

/// A movable task in the arena of the shard this thread is inside or at home in. The caller puts it into a queue.
#[inline(always)]
pub(crate) fn movable_here<F>(local: &Local, id: Id, future: F) -> (RawTask, JoinHandle<F::Output>)
where
    F: Future + Send,
    F::Output: Send,
{
    debug_assert!(fits_arena::<F>());
    let cell = local.arena(|arena| arena.alloc(Cell::<F>::SIZE)).cast::<Cell<F>>();
    let header = header(&Cell::<F>::MOVABLE_ARENA, Words::with_state(State::new()), id);
    // SAFETY: the slot is large enough and aligned.
    unsafe { Cell::write(cell.as_ptr(), header, future) };
    let task = RawTask(cell.cast());
    // SAFETY: the new state counts the handle.
    (task, unsafe { JoinHandle::new(task, Place::movable_in_arena(local.remote())) })
}

/// A movable task on the heap, listed by `remote`. The caller lists it and puts it into a queue.
pub(crate) fn movable_on_heap<F>(remote: &Remote, id: Id, future: F) -> (RawTask, JoinHandle<F::Output>)
where
    F: Future + Send,
    F::Output: Send,
{
    remote.mesh().retain();
    let words = Words::with_state(State::new());
    let task = on_heap(header(&Cell::<F>::MOVABLE_HEAP, words, id), remote, future);
    // SAFETY: the new state counts the handle.
    (task, unsafe { JoinHandle::new(task, Place::HEAP) })
}

/// A closure on its way to a thread that may block, with the handle's other end.
#[derive(Debug)]
#[must_use = "dropping it cancels the closure"]
pub struct BlockingTask(RawTask);

// SAFETY: the closure and its output are `Send`, by the bounds of `blocking`.
unsafe impl Send for BlockingTask {}

impl BlockingTask {
    /// Runs the closure on this thread, unless it was aborted. A panic becomes the handle's error.
    pub fn run(self) {
        harness::run_blocking(self.into_raw());
    }

    /// Drops the closure; the handle reports a cancellation.
    pub fn cancel(self) {
        drop(self);
    }

    fn into_raw(self) -> RawTask {
        std::mem::ManuallyDrop::new(self).0
    }
}

impl Drop for BlockingTask {
    fn drop(&mut self) {
        let _ = self.0.header().state().abort();
        harness::run_blocking(self.0);
    }
}

struct Closure<F>(Option<F>);

impl<F> Unpin for Closure<F> {}

impl<F: FnOnce() -> R, R> Future for Closure<F> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<R> {
        let closure = self.0.take().expect("a blocking task is polled once");
        Poll::Ready(closure())
    }
}

/// Wraps a closure for the blocking pool.
pub fn blocking<F, R>(id: Id, f: F) -> (BlockingTask, JoinHandle<R>)
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let words = Words::with_state(State::new_unowned());
    let task = on_heap(header(&Cell::<Closure<F>>::BLOCKING, words, id), ptr::null(), Closure(Some(f)));
    // SAFETY: the new state counts the handle.
    (BlockingTask(task), unsafe { JoinHandle::new(task, Place::HEAP) })
}

/// The handle of a task that is cancelled instead of being spawned, for a runtime that is shutting down. The future drops
/// here.
pub fn cancelled<F: Future>(id: Id, future: F) -> JoinHandle<F::Output> {
    let words = Words::with_state(State::new_unowned());
    let task = on_heap(header(&Cell::<F>::BLOCKING, words, id), ptr::null(), future);
    let _ = task.header().state().abort();
    harness::run_blocking(task);
    // SAFETY: the new state counts the handle.
    unsafe { JoinHandle::new(task, Place::HEAP) }
}

/// Cancels a new movable task that its list refused; nobody but its handle knows of it.
pub(crate) fn refuse(task: RawTask) {
    let _ = task.header().state().abort();
    // Consumes the queue entry's reference.
    harness::run_movable(task);
    unref_listed(task);
}

/// Cancels a new pinned task that its mailbox refused; nobody but its handle knows of it.
pub(crate) fn refuse_pinned(task: RawTask) {
    let header = task.header();
    // Before the future drops, which may give up whatever else keeps the mesh.
    task.shard().mesh().retain();
    // SAFETY: the task was never handed over, so the right to the future is still the spawner's.
    unsafe { (header.vtable.cancel)(task.0) };
    let _ = header.words.owner_complete(true);
    orphan_mailed(task);
}

fn orphan_mailed(task: RawTask) {
    let words = &task.header().words;
    words.owner_forget();
    let step = words.orphan();
    debug_assert_eq!(step, Orphan::Done { last: false }, "a new task has MAILED set");
    match words.unmail() {
        Unmail::Done { last: true } => {
            // SAFETY: the words said so.
            unsafe { free(task, None) };
        }
        step => debug_assert_eq!(step, Unmail::Done { last: false }),
    }
}

/// Gives the reference up that a list of tasks held.
pub(crate) fn unref_listed(task: RawTask) {
    // SAFETY: the caller made the reference, or found it in a list that owned it.
    unsafe { waker::unref(task) };
}

/// Hands a task of a closing shard to the other threads; a pinned one has completed.
pub(crate) fn orphan(task: RawTask, mesh: &Mesh) {
    if task.header().is_movable() {
        return homing::orphan(task, mesh);
    }
    mesh.retain();
    let header = task.header();
    loop {
        match header.words.orphan() {
            // SAFETY: the JoinHandle gave its claim up, and JOIN is clear now. This is the owner's thread, where the output
            // of a task that is not `Send` belongs.
            Orphan::DropOutput => unsafe { (header.vtable.drop_output)(task.0, header.words.is_failed()) },
            Orphan::Done { last: false } => return,
            // SAFETY: the words said so, and the owner has given its arena up.
            Orphan::Done { last: true } => return unsafe { free(task, None) },
        }
    }
}

/// Frees a task whose last reference is gone. `local` is the owner half if this is the owner's thread and the task is
/// pinned.
///
/// # Safety
/// A protocol said `Free` to the caller.
#[inline]
pub(crate) unsafe fn free(task: RawTask, local: Option<&Local>) {
    let header = task.header();
    match local {
        Some(_) if header.vtable.home == Home::Arena && !header.words.has_output() => {
            // SAFETY: an arena task of this shard, unreachable; the output is gone.
            unsafe { free_here(task) };
        }
        // SAFETY: by contract.
        _ => unsafe { free_slow(task, local) },
    }
}

/// Frees a movable or blocking task.
///
/// # Safety
/// The last reference is gone, and it was the caller's.
#[inline]
pub(crate) unsafe fn free_movable(task: RawTask) {
    if task.header().vtable.home == Home::Arena {
        // SAFETY: by contract.
        unsafe { homing::free(task) };
    } else {
        // SAFETY: by contract.
        unsafe { free_slow(task, None) };
    }
}

/// Frees a task of the arena of the shard that this thread is inside, whose future and output are gone.
///
/// # Safety
/// Nobody else can reach the task.
#[inline]
pub(crate) unsafe fn free_here(task: RawTask) {
    let header = task.header();
    debug_assert_eq!(task.arena_owner(), context::remote());
    // Nothing else in the header has something to drop.
    if !(header.join_local.is_empty() && header.join_remote.is_empty()) {
        header.join_local.discard();
        header.join_remote.discard();
    }
    // SAFETY: by contract the thread is inside a shard, and the task is one of its arena's.
    unsafe { (*context::local()).arena(|arena| arena.free(task.0.cast())) };
}

#[cold]
#[inline(never)]
unsafe fn free_slow(task: RawTask, local: Option<&Local>) {
    let header = task.header();
    let (vtable, shard) = (header.vtable, task.shard_ptr());
    let movable = header.is_movable();
    let retains = if movable { vtable.kind == Kind::Movable } else { header.words.is_orphan() };
    if !movable && header.words.has_output() {
        // SAFETY: nobody else can reach the task.
        unsafe { (vtable.drop_output)(task.0, header.words.is_failed()) };
    }
    if let (Home::Heap, Some(local)) = (vtable.home, local) {
        local.unlist_heap_task(task);
    }
    // SAFETY: nobody else can reach the task; the future and the output are gone.
    unsafe { ptr::drop_in_place(task.0.as_ptr()) };
    match (vtable.home, local) {
        (Home::Arena, Some(local)) => {
            // SAFETY: an arena task of this shard, unreachable.
            local.arena(|arena| unsafe { arena.free(task.0.cast()) });
        }
        (Home::Arena, None) => {
            // SAFETY: freed off the owner's thread means that the arena was abandoned with this slot in use.
            unsafe { arena::free_orphan(task.0.cast()) };
        }
        (Home::Heap, _) => {
            // SAFETY: the start of the allocation.
            let memory = unsafe { task.0.cast::<u8>().sub(heap_offset(vtable.layout)) };
            // SAFETY: allocated with this layout.
            unsafe { dealloc(memory.as_ptr(), heap_layout(vtable.layout)) };
        }
    }
    if retains {
        // SAFETY: movable tasks retain their mesh when made, pinned ones when orphaned; this gives that back. Nothing of the
        // mesh is used after it.
        unsafe { Mesh::release(shard) };
    }
}
