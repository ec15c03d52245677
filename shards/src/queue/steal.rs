//! Movable tasks of one shard, within reach of all: a bounded ring, with a slot in front of it.
//!
//! Here: the ring and the next slot. Not here: the overflow, which is one queue for the whole mesh; who steals when
//! (`shard::turn`); the decision to wake somebody (`mesh`). Threads: `push`, `pop`, `set_next` by the owner; `steal_into`
//! by any shard's thread, into its own ring.
//!
//! The ring is that of Go's scheduler (`runtime/proc.go`, runqput and runqgrab). `head` is advanced by whoever takes, with a
//! compare-exchange; `tail` by the owner alone. A thief reads the tasks first and claims them afterwards: if `head` has moved it
//! throws what it read away. That is right because a slot is only overwritten when `tail` is a whole ring ahead of
//! it, which needs `head` to have passed it, and then the claim fails. Both indices count up in 64 bits and do not come round.
//!
//! The next slot holds the task that the running one woke last: it runs next, on a warm cache. A thief takes it only when the
//! ring is empty.

use std::ptr::{self, NonNull};

use crate::loom::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use crate::loom::atomic::{AtomicPtr, AtomicU64};

/// A power of two. 1,024 pointers are two pages; fewer made a burst of wakes overflow.
#[cfg(not(loom))]
const CAPACITY: u64 = 1024;
#[cfg(loom)]
const CAPACITY: u64 = 2;

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Ring<N> {
    head: AtomicU64,
    tail: AtomicU64,
    next: AtomicPtr<N>,
    slots: Box<[AtomicPtr<N>]>,
}

impl<N> Ring<N> {
    pub fn new() -> Self {
        let slots = (0..CAPACITY).map(|_| AtomicPtr::new(ptr::null_mut())).collect();
        Self { slots, ..Self::without_places() }
    }

    /// A ring without places, for a shard that never has a movable task: into this one nothing may be pushed.
    pub fn without_places() -> Self {
        let (head, tail) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { head, tail, next: AtomicPtr::new(ptr::null_mut()), slots: Box::new([]) }
    }

    fn slot(&self, index: u64) -> &AtomicPtr<N> {
        &self.slots[(index & (CAPACITY - 1)) as usize]
    }

    /// The owner puts a task at the end; a full ring gives it back.
    pub fn push(&self, task: NonNull<N>) -> Result<(), NonNull<N>> {
        // Relaxed: only the owner stores it.
        let tail = self.tail.load(Relaxed);
        // Acquire: pairs with the claim of a thief, whose reading of the slot precedes our overwriting it.
        if tail - self.head.load(Acquire) == CAPACITY {
            return Err(task);
        }
        // Relaxed: published by the store to `tail`.
        self.slot(tail).store(task.as_ptr(), Relaxed);
        // Release: pairs with the Acquire of thieves.
        self.tail.store(tail + 1, Release);
        Ok(())
    }

    /// The owner takes the oldest.
    pub fn pop(&self) -> Option<NonNull<N>> {
        let mut head = self.head.load(Relaxed);
        loop {
            // Relaxed: only the owner stores it.
            if head == self.tail.load(Relaxed) {
                return None;
            }
            let task = self.slot(head).load(Relaxed);
            // Release: our reading of the slot precedes its reuse. Relaxed on failure: nothing was read that is used.
            match self.head.compare_exchange_weak(head, head + 1, Release, Relaxed) {
                Ok(_) => return NonNull::new(task),
                Err(now) => head = now,
            }
        }
    }

    /// The owner puts a task into the next slot; what was there comes back.
    pub fn set_next(&self, task: NonNull<N>) -> Option<NonNull<N>> {
        // Relaxed: only the owner fills the slot, so one that is empty stays so.
        if self.next.load(Relaxed).is_null() {
            // Release: publishes the task to a thief.
            self.next.store(task.as_ptr(), Release);
            return None;
        }
        // AcqRel: Release as above, Acquire takes what was there.
        NonNull::new(self.next.swap(task.as_ptr(), AcqRel))
    }

    /// Takes the task in the next slot.
    pub fn take_next(&self) -> Option<NonNull<N>> {
        // Relaxed: a look that saves the swap.
        if self.next.load(Relaxed).is_null() {
            return None;
        }
        // Acquire: pairs with `set_next`.
        NonNull::new(self.next.swap(ptr::null_mut(), AcqRel))
    }

    /// How many tasks are queued, in the ring and in the next slot; a moment's impression, since thieves may take them.
    #[inline]
    pub fn queued(&self) -> u64 {
        self.len() as u64 + u64::from(!self.next.load(Relaxed).is_null())
    }

    /// Takes half of the tasks, or the next slot's if that is all there is: one is returned, the others go into the
    /// thief's own ring, which must have room for half a ring.
    pub fn steal_into(&self, own: &Self) -> Option<NonNull<N>> {
        // Acquire: pairs with other claims, so that `tail` is read no older than `head`.
        let mut head = self.head.load(Acquire);
        loop {
            // Acquire: pairs with `push`; the slots below `tail` are readable.
            let tail = self.tail.load(Acquire);
            let there = tail.saturating_sub(head);
            if there == 0 {
                return self.take_next();
            }
            if there > CAPACITY {
                // `head` was read long before `tail`.
                head = self.head.load(Acquire);
                continue;
            }
            let take = there - there / 2;
            // Relaxed: only the owner, that is this thread, stores it.
            let own_tail = own.tail.load(Relaxed);
            // Acquire: as in `push`; a thief's reading of our slots precedes our overwriting them.
            assert!(own_tail - own.head.load(Acquire) <= CAPACITY / 2, "the thief's ring has room");
            let first = self.slot(head).load(Relaxed);
            for i in 1..take {
                own.slot(own_tail + i - 1).store(self.slot(head + i).load(Relaxed), Relaxed);
            }
            // AcqRel: Release lets the owner reuse the slots; Acquire as above.
            match self.head.compare_exchange(head, head + take, AcqRel, Acquire) {
                Ok(_) => {
                    // Release: as in `push`.
                    own.tail.store(own_tail + take - 1, Release);
                    return NonNull::new(first);
                }
                Err(now) => head = now,
            }
        }
    }

    /// How many tasks wait in the ring; a moment's impression for other threads.
    #[inline]
    pub fn len(&self) -> usize {
        // Saturating: a thread that is not the owner's may read a `tail` that is older than the `head`.
        let head = self.head.load(Relaxed);
        self.tail.load(Relaxed).saturating_sub(head) as usize
    }

    /// Whether nothing can be taken; a moment's impression for other threads.
    pub fn is_empty(&self) -> bool {
        self.len() == 0 && self.next.load(Relaxed).is_null()
    }

    /// How many more tasks `push` takes.
    pub fn room(&self) -> usize {
        CAPACITY as usize - self.len()
    }
}

const _: () = assert!(CAPACITY.is_power_of_two());
