//! A shard's own run queue, touched by its thread only: two rings, each first in, first out, taken in turn.
//!
//! One ring holds what the world woke: an event, a timer, mail. The other holds what tasks spawned, woke or yielded. In one ring a
//! timer that fires would wait behind all tasks that another has just spawned: 100,000 sleeps of 1 to 100 ms, spawned at once, were
//! up to 10 ms late. Taken in turn, neither can keep the other waiting for more than its own length.
//!
//! Beside them are tasks that gave way while somebody was waiting who is not in the queue: a root future that was woken, or who polls a
//! guest. They are held until the end of the turn, so that his turn comes before theirs.
//!
//! A ring has a power of two of places, so that an index is a mask away. The standard ring, whose size may be anything, took 18
//! instructions where this takes 8; an intrusive list would touch the cold tail task at each push.

#![expect(unsafe_code, reason = "indexes without a bounds check")]

use std::mem::{self, MaybeUninit};

use crate::task::RawTask;

/// See the module's head.
pub(crate) struct RunQueue {
    by_tasks: Ring,
    by_world: Ring,
    held: Vec<RawTask>,
    /// Who gives way now is held.
    holds: bool,
    /// What is pushed now was woken by the world.
    world_wakes: bool,
    world_was_last: bool,
}

impl RunQueue {
    pub fn new() -> Self {
        Self {
            by_tasks: Ring::new(),
            by_world: Ring::new(),
            held: Vec::new(),
            holds: false,
            world_wakes: false,
            world_was_last: false,
        }
    }

    /// Says whether what is pushed from now on was woken by the world.
    #[inline(always)]
    pub fn set_world_wakes(&mut self, world_wakes: bool) {
        self.world_wakes = world_wakes;
    }

    #[inline(always)]
    pub fn push_back(&mut self, task: RawTask) {
        if self.world_wakes {
            self.by_world.push_back(task);
        } else {
            self.by_tasks.push_back(task);
        }
    }

    /// As `push_back`, for what the world can't have woken.
    #[inline(always)]
    pub fn push_new(&mut self, task: RawTask) {
        self.by_tasks.push_back(task);
    }

    /// For a task that gave way: behind all that are queued, so at the end of the longer ring, unless it is held.
    #[inline(always)]
    pub fn push_last(&mut self, task: RawTask) {
        if self.by_world.is_empty() && !self.holds {
            self.by_tasks.push_back(task);
        } else {
            self.push_behind_both(task);
        }
    }

    #[cold]
    #[inline(never)]
    fn push_behind_both(&mut self, task: RawTask) {
        if self.holds {
            self.held.push(task);
        } else if self.by_world.len() <= self.by_tasks.len() {
            self.by_tasks.push_back(task);
        } else {
            self.by_world.push_back(task);
        }
    }

    /// Holds those that give way from now on to the end of the turn.
    pub fn hold(&mut self) {
        self.holds = true;
    }

    #[inline(always)]
    pub fn push_back_for_world(&mut self, task: RawTask) {
        self.by_world.push_back(task);
    }

    #[inline(always)]
    pub fn pop_front(&mut self) -> Option<RawTask> {
        if self.by_world.is_empty() {
            return self.by_tasks.pop_front();
        }
        if self.by_tasks.is_empty() {
            self.world_was_last = true;
            return self.by_world.pop_front();
        }
        self.world_was_last = !self.world_was_last;
        if self.world_was_last { self.by_world.pop_front() } else { self.by_tasks.pop_front() }
    }

    #[inline(always)]
    pub fn len(&self) -> usize {
        self.by_tasks.len() + self.by_world.len()
    }

    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.by_tasks.is_empty() && self.by_world.is_empty()
    }

    /// The end of a turn: queues those that are held, and gives memory back that only a burst needed, once it is over.
    #[inline]
    pub fn rest(&mut self) {
        self.holds = false;
        if !self.held.is_empty() {
            let mut held = mem::take(&mut self.held);
            held.drain(..).for_each(|task| self.push_last(task));
            // With its memory: a set whose tasks give way does so each turn.
            self.held = held;
        }
        self.by_tasks.rest();
        self.by_world.rest();
    }

    pub fn clear(&mut self) {
        self.by_tasks.clear();
        self.by_world.clear();
    }
}

struct Ring {
    /// A power of two of them. Those from `head` to `tail` are written.
    places: Box<[MaybeUninit<RawTask>]>,
    /// Their number less one.
    mask: usize,
    /// Both count up and wrap; a place is an index modulo the size.
    head: usize,
    tail: usize,
}

const START: usize = 256;
/// A ring that is nearly empty keeps half a megabyte: enough for a fan-out that comes again and again, little beside the tasks.
const KEPT: usize = 64 * 1024;

impl Ring {
    fn new() -> Self {
        Self::with_places(START)
    }

    fn with_places(places: usize) -> Self {
        assert!(places.is_power_of_two());
        Self { places: Box::new_uninit_slice(places), mask: places - 1, head: 0, tail: 0 }
    }

    #[inline(always)]
    fn push_back(&mut self, task: RawTask) {
        if self.len() > self.mask {
            self.resize(self.places.len() * 2);
        }
        self.place(self.tail).write(task);
        self.tail = self.tail.wrapping_add(1);
    }

    #[inline(always)]
    fn place(&mut self, index: usize) -> &mut MaybeUninit<RawTask> {
        // SAFETY: the length is a power of two, so what its mask leaves is below it.
        unsafe { self.places.get_unchecked_mut(index & self.mask) }
    }

    #[inline(always)]
    fn pop_front(&mut self) -> Option<RawTask> {
        if self.head == self.tail {
            return None;
        }
        // SAFETY: between `head` and `tail`.
        let task = unsafe { self.place(self.head).assume_init() };
        self.head = self.head.wrapping_add(1);
        Some(task)
    }

    #[inline(always)]
    fn len(&self) -> usize {
        self.tail.wrapping_sub(self.head)
    }

    #[inline(always)]
    fn is_empty(&self) -> bool {
        self.head == self.tail
    }

    fn clear(&mut self) {
        self.head = self.tail;
    }

    #[cold]
    fn resize(&mut self, places: usize) {
        let mut other = Self::with_places(places);
        while let Some(task) = self.pop_front() {
            other.push_back(task);
        }
        *self = other;
    }

    /// Gives memory back that only a burst needed, once it is over.
    #[inline]
    fn rest(&mut self) {
        if self.mask >= KEPT && self.len() < START {
            self.resize(START);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::ptr::NonNull;

    fn task(n: usize) -> RawTask {
        RawTask(NonNull::new(std::ptr::without_provenance_mut((n + 1) * 64)).unwrap())
    }

    #[test]
    fn the_two_rings_are_taken_in_turn() {
        let mut queue = RunQueue::new();
        (0..6).for_each(|n| queue.push_back(task(n)));
        queue.set_world_wakes(true);
        (10..12).for_each(|n| queue.push_back(task(n)));
        queue.set_world_wakes(false);
        assert_eq!(queue.len(), 8);
        let order: Vec<_> = std::iter::from_fn(|| queue.pop_front()).collect();
        assert_eq!(order, [10, 0, 11, 1, 2, 3, 4, 5].map(task));
        assert!(queue.is_empty());
    }

    #[test]
    fn who_gives_way_comes_after_all_that_are_queued() {
        for (by_tasks, by_world) in [(0, 0), (0, 9), (9, 0), (3, 9), (9, 3), (4, 4)] {
            let mut queue = RunQueue::new();
            (0..by_tasks).for_each(|n| queue.push_back(task(n)));
            queue.set_world_wakes(true);
            (10..10 + by_world).for_each(|n| queue.push_back(task(n)));
            queue.set_world_wakes(false);
            queue.push_last(task(99));
            let order: Vec<_> = std::iter::from_fn(|| queue.pop_front()).collect();
            assert_eq!(order.len(), by_tasks + by_world + 1);
            assert_eq!(order.last(), Some(&task(99)), "{by_tasks} and {by_world} were queued");
        }
    }

    #[test]
    fn who_gives_way_to_somebody_else_waits_for_the_end_of_the_turn() {
        let mut queue = RunQueue::new();
        queue.hold();
        queue.push_last(task(1));
        queue.push_back(task(0));
        queue.push_last(task(2));
        assert_eq!((queue.len(), queue.pop_front(), queue.pop_front()), (1, Some(task(0)), None));
        queue.rest();
        queue.push_last(task(3));
        let order: Vec<_> = std::iter::from_fn(|| queue.pop_front()).collect();
        assert_eq!(order, [1, 2, 3].map(task));
    }

    #[test]
    #[cfg_attr(miri, ignore = "a burst has too many tasks to be interpreted")]
    fn a_burst_gives_its_memory_back_and_keeps_its_order() {
        let mut ring = Ring::new();
        (0..2 * KEPT).for_each(|n| ring.push_back(task(n)));
        ring.rest();
        assert_eq!(ring.places.len(), 2 * KEPT, "in use");
        let left = 2 * KEPT - 10;
        (0..left).for_each(|n| assert_eq!(ring.pop_front(), Some(task(n))));
        ring.rest();
        assert_eq!(ring.places.len(), START);
        (left..2 * KEPT).for_each(|n| assert_eq!(ring.pop_front(), Some(task(n))));
        assert!(ring.is_empty());
    }

    #[test]
    fn agrees_with_the_standard_queue_while_growing_and_wrapping() {
        let mut ours = Ring::new();
        let mut theirs = VecDeque::new();
        for n in 0..10_000 {
            ours.push_back(task(n));
            theirs.push_back(task(n));
            for _ in 0..(n % 7) / 4 {
                assert_eq!(ours.pop_front(), theirs.pop_front());
            }
            assert_eq!(ours.len(), theirs.len());
        }
        while let Some(task) = theirs.pop_front() {
            assert_eq!(ours.pop_front(), Some(task));
        }
        assert!(ours.is_empty() && ours.pop_front().is_none());
    }
}
