//! How the memory of a movable task gets home.
//!
//! A movable task lies in the arena of the shard that spawned it, its *home*: no allocator is asked, and the arena doubles as the
//! list by which the shard cancels at its end what it has spawned. (Tasks that come from outside of all shards, and large ones, are on
//! the heap and in a list with a lock, see [`Remote`](crate::mesh::Remote).) The last reference may be given up on any thread, but
//! an arena is its thread's alone. So the memory
//!
//! - is freed at once, if that thread is inside the home;
//! - else is mailed home, where the next drain of the mailbox frees it. Nobody is woken for that;
//! - if the mailbox is closed, is freed by whichever comes second of the two below, since the home gives its arena up task by task.
//!
//! ```text
//!  giver of the last reference           home that closes
//!                                        H1  close the mailbox
//!  L1  push: refused                     H2  for each task in the arena: retain the mesh
//!  L2  remote word |= DEAD    AcqRel     H3  remote word |= ORPHAN    AcqRel
//!  L3  was ORPHAN: free, release         H4  was DEAD: free, release
//! ```
//! Until L2 the giver may touch the mesh, in which the mailbox is: it is kept by the home until H1 and by the count of H2
//! from then on. A task that is queued or polled elsewhere while its home closes is found by H3 with references left, and comes
//! to L1 later.
//!
//! Threads: any.

#![expect(unsafe_code, reason = "frees slots of arenas")]

use crate::context;
use crate::loom::atomic::AtomicU32;
use crate::loom::atomic::Ordering::AcqRel;
use crate::mesh::{Mesh, Remote};

use super::arena;
use super::raw::{self, RawTask};

/// The last reference is gone, and the mailbox was closed.
const DEAD: u32 = 1;
/// The home has given the task's memory up.
const ORPHAN: u32 = 1 << 1;

/// The remote word of a movable task: see the module's head.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Fate(AtomicU32);

impl Fate {
    /// Views the word as a fate.
    pub fn from_word(word: &AtomicU32) -> &Self {
        // SAFETY: `Fate` is a transparent wrapper.
        unsafe { &*std::ptr::from_ref(word).cast::<Fate>() }
    }

    /// L2: true if the caller frees.
    #[must_use]
    pub fn die(&self) -> bool {
        // AcqRel: whoever comes second sees all that the other did to the task and to its chunk.
        self.0.fetch_or(DEAD, AcqRel) & ORPHAN != 0
    }

    /// H3: true if the caller frees.
    #[must_use]
    pub fn orphan(&self) -> bool {
        // AcqRel: as above.
        self.0.fetch_or(ORPHAN, AcqRel) & DEAD != 0
    }
}

/// Frees a movable task of an arena.
///
/// # Safety
/// The last reference is gone, and it was the caller's.
#[inline]
pub(crate) unsafe fn free(task: RawTask) {
    if task.arena_owner() == context::remote() {
        // SAFETY: by contract.
        return unsafe { raw::free_here(task) };
    }
    // SAFETY: by contract.
    unsafe { free_elsewhere(task) };
}

#[cold]
#[inline(never)]
unsafe fn free_elsewhere(task: RawTask) {
    let header = task.header();
    let home: *const Remote = task.arena_owner();
    header.join_local.discard();
    // SAFETY: the caller is the only one who knows the task, so nobody else pushes it; the home keeps it until it is drained.
    if unsafe { task.shard().mailbox.push(task.0) }.is_err() && header.words.fate().die() {
        // SAFETY: L3.
        unsafe { free_orphan(task, home) };
    }
}

/// The home gives a movable task's memory up: H2 to H4.
pub(crate) fn orphan(task: RawTask, mesh: &Mesh) {
    let home: *const Remote = task.arena_owner();
    mesh.retain();
    if task.header().words.fate().orphan() {
        // SAFETY: H4.
        unsafe { free_orphan(task, home) };
    }
}

/// # Safety
/// The caller came second, see the module's head; the mesh was retained for the task.
unsafe fn free_orphan(task: RawTask, home: *const Remote) {
    // SAFETY: a slot of an arena that was given up, and nobody knows it any more.
    unsafe { arena::free_orphan(task.0.cast()) };
    // SAFETY: gives back what H2 took. Nothing of the mesh is used after it.
    unsafe { Mesh::release(home) };
}
