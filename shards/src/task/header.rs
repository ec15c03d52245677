//! What every task begins with.

#![expect(unsafe_code, reason = "the address arithmetic of a heap task's links")]

use std::alloc::Layout;
use std::ptr::{self, NonNull};
use std::task::Context;

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
    pub shard: Shard,
    /// The next task in the queue that this one is in.
    pub link: AtomicPtr<Header>,
    pub words: Words,
    pub id: Id,
    pub join_local: JoinSlot,
    pub join_remote: JoinSlot,
}

const _: () = assert!(size_of::<Header>() <= 64);
#[cfg(not(loom))]
const _: () = assert!(size_of::<Header>() == 56);

/// The remote half of a task's shard, with what is asked most often about the task in its low bits: one compare with the
/// thread's shard says that a task is pinned and that this is its owner's thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shard(*const Remote);

/// The task is not pinned.
const MOVES: usize = 1;
/// The task's memory is not an arena's.
const ON_HEAP: usize = 2;

const _: () = assert!(align_of::<Remote>() > MOVES | ON_HEAP);

impl Shard {
    /// Of a pinned task in the arena: its owner.
    #[inline(always)]
    pub fn of_arena(owner: *const Remote) -> Self {
        Self(owner)
    }

    /// Of a pinned task on the heap: its owner.
    pub fn of_heap(owner: *const Remote) -> Self {
        Self(owner.map_addr(|addr| addr | ON_HEAP))
    }

    /// Of a movable task in an arena: the shard whose arena it is.
    #[inline(always)]
    pub fn of_movable_in_arena(home: *const Remote) -> Self {
        Self(home.map_addr(|addr| addr | MOVES))
    }

    /// Of a movable task on the heap: the shard in whose list it is. Null for blocking tasks.
    pub fn of_movable_on_heap(lister: *const Remote) -> Self {
        Self(lister.map_addr(|addr| addr | MOVES | ON_HEAP))
    }

    /// Valid for as long as the task is: an orphan keeps its mesh alive.
    #[inline(always)]
    pub fn remote(self) -> *const Remote {
        self.0.map_addr(|addr| addr & !(MOVES | ON_HEAP))
    }

    #[inline(always)]
    pub fn is_movable(self) -> bool {
        self.0.addr() & MOVES != 0
    }

    /// Whether the task is pinned to that shard.
    #[inline(always)]
    pub fn owns(self, remote: *const Remote) -> bool {
        self.0.addr() & !ON_HEAP == remote.addr()
    }

    #[inline(always)]
    pub fn is_in_arena(self) -> bool {
        self.0.addr() & ON_HEAP == 0
    }

    /// Whether the task, of either kind, is in the arena of that shard.
    #[inline(always)]
    pub fn is_arena_of(self, remote: *const Remote) -> bool {
        self.0.addr() & !MOVES == remote.addr()
    }

    /// Whether the task is pinned to that shard and in its arena.
    #[inline(always)]
    pub fn owns_in_arena(self, remote: *const Remote) -> bool {
        self.0.addr() == remote.addr()
    }
}

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
    /// The heap, with [`Links`] in front of the header.
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
    pub kind: Kind,
    pub home: Home,
    /// Of header and future, without links.
    pub layout: Layout,
}

/// In front of a heap task's header: its place in a shard's list of heap tasks.
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
        self.shard.is_movable()
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
    size_of::<Links>().next_multiple_of(layout.align())
}

/// The allocation of a heap task.
pub(crate) fn heap_layout(layout: Layout) -> Layout {
    let size = heap_offset(layout) + layout.size();
    Layout::from_size_align(size, layout.align()).expect("a task fits the address space")
}

/// The links of a heap task.
pub(crate) fn links(task: NonNull<Header>) -> NonNull<Links> {
    // SAFETY: heap tasks have at least that much in front of the header.
    unsafe { task.cast::<Links>().sub(1) }
}
