//! What every task begins with.

#![expect(unsafe_code, reason = "the address arithmetic of what lies in front of a heap task")]

use std::alloc::Layout;
use std::ptr::{self, NonNull};
use std::task::{Context, RawWakerVTable};

use crate::loom::atomic::AtomicPtr;
use crate::mesh::Remote;

use super::Id;
use super::movable::State;
use super::pinned::Words;
use super::slot::JoinSlot;

/// Type-erased task. Who may touch which field stands in the table of [`super`].
#[repr(C)]
pub(crate) struct Header {
    /// Never null: [`arena`](super::arena) tells slots in use by this word.
    pub vtable: &'static Vtable,
    /// The next task in the queue that this one is in.
    pub link: AtomicPtr<Header>,
    pub words: Words,
    pub id: Id,
    pub join_local: JoinSlot,
    pub join_remote: JoinSlot,
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<Header>() == 48);

/// Which protocol a task follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Pinned,
    Movable,
    /// Movable, but run once by a thread of the blocking pool and known to no shard.
    Blocking,
}

/// Where a task's memory comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Home {
    Arena,
    /// The heap, with [`Front`] before the header.
    Heap,
}

/// How a poll ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Polled {
    Pending,
    Ready,
    Failed,
}

/// What depends on the future's type. All of them need the exclusive right to the future or output, which the
/// protocols give.
pub(crate) struct Vtable {
    /// Polls; on `Ready` and `Failed` the future is dropped and the output or failure is in its place.
    pub poll: unsafe fn(NonNull<Header>, &mut Context<'_>) -> Polled,
    /// Drops the future and puts a failure in its place.
    pub cancel: unsafe fn(NonNull<Header>),
    /// Moves the output or failure out, into the `Result<T, JoinError>` at the pointer.
    pub take: unsafe fn(NonNull<Header>, failed: bool, *mut ()),
    /// Drops the output or failure.
    pub drop_output: unsafe fn(NonNull<Header>, failed: bool),
    /// Of its wakers.
    pub waker: &'static RawWakerVTable,
    pub kind: Kind,
    pub home: Home,
    /// Of header and future, without what lies in front of them.
    pub layout: Layout,
}

/// What lies in front of a heap task's header.
#[repr(C)]
pub(crate) struct Front {
    /// The remote half of the owner (pinned) or of the shard that lists the task (movable). Null for blocking tasks. It is
    /// read by any thread, so it is no part of the links, to which who may change them has references.
    pub shard: *const Remote,
    pub links: Links,
}

/// A heap task's place in a shard's list of heap tasks.
pub(crate) struct Links {
    /// Null also for the first in the list.
    pub prev: *const Header,
    pub next: *const Header,
    pub listed: bool,
}

impl Links {
    pub const NEW: Links = Links { prev: ptr::null(), next: ptr::null(), listed: false };
}

impl Header {
    #[inline(always)]
    pub fn is_movable(&self) -> bool {
        self.vtable.kind != Kind::Pinned
    }

    /// The state word of a movable or blocking task.
    pub fn state(&self) -> &State {
        debug_assert!(self.is_movable());
        self.words.as_state()
    }

    pub fn is_complete(&self) -> bool {
        if self.is_movable() { self.state().is_complete() } else { self.words.is_complete() }
    }
}

/// Distance from a heap task's allocation to its header.
pub(crate) fn heap_offset(layout: Layout) -> usize {
    size_of::<Front>().next_multiple_of(layout.align())
}

/// The allocation of a heap task.
pub(crate) fn heap_layout(layout: Layout) -> Layout {
    let size = heap_offset(layout) + layout.size();
    Layout::from_size_align(size, layout.align()).expect("a task fits the address space")
}

/// What lies in front of a heap task.
pub(crate) fn front(task: NonNull<Header>) -> NonNull<Front> {
    // SAFETY: heap tasks have at least that much in front of the header.
    unsafe { task.cast::<Front>().sub(1) }
}

/// The links of a heap task.
pub(crate) fn links(task: NonNull<Header>) -> NonNull<Links> {
    // SAFETY: a field of what `front` points to.
    unsafe { NonNull::new_unchecked(&raw mut (*front(task).as_ptr()).links) }
}
