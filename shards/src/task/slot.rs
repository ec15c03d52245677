//! Where a JoinHandle leaves its waker: a waker in one word.
//!
//! Our own wakers are a pointer to a task, at least 8-aligned, and one of three vtables; the low bits tell which. Any
//! other waker is boxed. Zero is empty.
//!
//! Threads: `holds`, `swap`, `wake` and `clear` from any; the others only where one thread has the slot to itself.

#![expect(unsafe_code, reason = "packs and unpacks wakers")]

use std::task::{RawWakerVTable, Waker};

use crate::loom::atomic::AtomicUsize;
use crate::loom::atomic::Ordering::{AcqRel, Relaxed};
use crate::shard::Local;
use crate::util::swallow::swallow;

use super::waker::{self, MOVABLE, PINNED, PINNED_ON_HEAP};

const TAG: usize = 0b111;
const TAG_PINNED: usize = 1;
const TAG_MOVABLE: usize = 2;
const TAG_PINNED_ON_HEAP: usize = 3;
const TAG_BOXED: usize = 4;

#[inline]
fn tag_of(vtable: &'static RawWakerVTable) -> usize {
    if std::ptr::eq(vtable, &PINNED) {
        TAG_PINNED
    } else if std::ptr::eq(vtable, &MOVABLE) {
        TAG_MOVABLE
    } else if std::ptr::eq(vtable, &PINNED_ON_HEAP) {
        TAG_PINNED_ON_HEAP
    } else {
        TAG_BOXED
    }
}

#[inline]
fn pack(waker: Waker) -> usize {
    let tag = tag_of(waker.vtable());
    let ptr = if tag == TAG_BOXED {
        Box::into_raw(Box::new(waker)).expose_provenance()
    } else {
        let data = waker.data().expose_provenance();
        std::mem::forget(waker);
        data
    };
    debug_assert!(ptr & TAG == 0);
    ptr | tag
}

#[inline]
fn unpack(word: usize) -> Option<Waker> {
    let ptr = std::ptr::with_exposed_provenance::<()>(word & !TAG);
    let vtable = match word & TAG {
        TAG_PINNED => &PINNED,
        TAG_MOVABLE => &MOVABLE,
        TAG_PINNED_ON_HEAP => &PINNED_ON_HEAP,
        // SAFETY: a word with this tag is a box that `pack` leaked, and each packed word is unpacked once.
        TAG_BOXED => return Some(*unsafe { Box::from_raw(ptr.cast::<Waker>().cast_mut()) }),
        _ => return None,
    };
    // SAFETY: the data pointer and the vtable of a waker that `pack` forgot.
    Some(unsafe { Waker::new(ptr, vtable) })
}

#[cold]
fn drop_other(word: usize) {
    swallow(|| drop(unpack(word)));
}

#[cold]
fn wake_other(word: usize) {
    if let Some(waker) = unpack(word) {
        swallow(|| waker.wake());
    }
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct JoinSlot(AtomicUsize);

impl JoinSlot {
    pub fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// Whether the slot holds just this waker and filling it again can be left out. A boxed waker is never
    /// recognised.
    #[inline]
    pub fn holds(&self, waker: &Waker) -> bool {
        let tag = tag_of(waker.vtable());
        // Relaxed: only compared. If the waker is being taken out now, it is being woken.
        tag != TAG_BOXED && self.0.load(Relaxed) == waker.data().addr() | tag
    }

    /// Puts a waker in, takes the old one out.
    pub fn swap(&self, waker: Option<Waker>) -> Option<Waker> {
        // AcqRel: the waker's own memory (a box) goes from thread to thread through this word.
        unpack(self.0.swap(waker.map_or(0, pack), AcqRel))
    }

    /// Takes the waker out, if there is one, and wakes it. Lets no panic out, as all that wakes here.
    pub fn wake(&self) {
        // AcqRel: as in `swap`.
        wake_other(self.0.swap(0, AcqRel));
    }

    /// Takes the waker out of a slot that only this thread uses and wakes it. A task of this very shard, the usual joiner,
    /// is woken without going through its vtable.
    #[inline(always)]
    pub fn wake_local(&self, local: &Local) {
        // Relaxed: one thread.
        let word = self.0.load(Relaxed);
        self.0.store(0, Relaxed);
        if word & TAG == TAG_PINNED {
            // SAFETY: the data pointer of a waker that `pack` forgot, with the waker's reference.
            return unsafe { waker::wake_here(std::ptr::with_exposed_provenance(word & !TAG), local) };
        }
        wake_other(word);
    }

    /// As `wake_local`, where the usual joiner is a movable task.
    #[inline(always)]
    pub fn wake_alone(&self) {
        // Relaxed: one thread.
        let word = self.0.load(Relaxed);
        self.0.store(0, Relaxed);
        if word & TAG == TAG_MOVABLE {
            // SAFETY: the data pointer of a waker that `pack` forgot, with the waker's reference.
            return unsafe { waker::wake_movable(std::ptr::with_exposed_provenance(word & !TAG)) };
        }
        wake_other(word);
    }

    /// The JoinHandle goes away: takes out what it may have left. Lets no panic out, for the handle's reference is still to be given up.
    #[inline]
    pub fn clear(&self) {
        // Relaxed: only the JoinHandle fills the slot, so it knows of its own filling.
        if self.0.load(Relaxed) != 0 {
            // AcqRel: as in `swap`.
            drop_other(self.0.swap(0, AcqRel));
        }
    }

    /// Puts a clone of the waker into an empty slot that only this thread uses, if it is that of a task of this very shard:
    /// the usual joiner, cloned without going through its vtable. If false, nothing was done.
    #[inline(always)]
    pub fn set_first(&self, waker: &Waker) -> bool {
        // Relaxed: one thread.
        if self.0.load(Relaxed) != 0 {
            return false;
        }
        let Some(data) = waker::referenced_here(waker) else { return false };
        self.0.store(data.expose_provenance() | TAG_PINNED, Relaxed);
        true
    }

    /// As `set_first` for the waker of a movable task.
    #[inline(always)]
    pub fn set_first_movable(&self, waker: &Waker) -> bool {
        // Relaxed: one thread.
        if self.0.load(Relaxed) != 0 {
            return false;
        }
        let Some(data) = waker::referenced_movable(waker) else { return false };
        self.0.store(data.expose_provenance() | TAG_MOVABLE, Relaxed);
        true
    }

    /// Whether there is no waker, asked by whoever has the slot to itself.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        // Relaxed: one thread.
        self.0.load(Relaxed) == 0
    }

    /// Drops the waker in a slot that only this thread uses, if there is one.
    #[inline(always)]
    pub fn discard(&self) {
        // Relaxed: one thread.
        let word = self.0.load(Relaxed);
        if word != 0 {
            self.0.store(0, Relaxed);
            drop_other(word);
        }
    }

    /// As `swap` for a slot that only this thread uses.
    #[inline]
    pub fn swap_local(&self, waker: Option<Waker>) -> Option<Waker> {
        // Relaxed: one thread.
        let old = self.0.load(Relaxed);
        self.0.store(waker.map_or(0, pack), Relaxed);
        unpack(old)
    }
}

impl Drop for JoinSlot {
    #[inline]
    fn drop(&mut self) {
        // Whoever drops the slot has it to itself.
        self.discard();
    }
}
