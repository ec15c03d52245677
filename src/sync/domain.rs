//! Who may meet at a primitive: tasks of all threads, or those of one shard.
//!
//! Here: the two kinds of word and of lock that the [wait list](super::wait_list) and what rests on it are written against,
//! so that `sync` and `local` are one code. For one shard a word is a plain cell and the lock is a borrow check.
//! Threads: [`Threads`] any, [`OneShard`] the one that the shard is on: what it makes is not `Send`.

use std::cell::{Cell, RefCell};

use corelane_shards::loom::atomic::{AtomicUsize, Ordering};
use corelane_shards::util::lock::Lock;

/// A choice of word and lock.
pub(crate) trait Domain: Sized {
    /// A number that changes in one step.
    type Word: Word;
    /// A value that one at a time may touch.
    type Lock<T>: Exclusive<T>;
}

/// Tasks of all threads.
#[derive(Debug)]
pub(crate) struct Threads;

/// Tasks of one shard.
#[derive(Debug)]
pub(crate) struct OneShard;

impl Domain for Threads {
    type Word = AtomicUsize;
    type Lock<T> = Lock<T>;
}

impl Domain for OneShard {
    type Word = Cell<usize>;
    type Lock<T> = RefCell<T>;
}

/// What the primitives need of an atomic word.
pub(crate) trait Word {
    fn make(value: usize) -> Self;
    fn load(&self, order: Ordering) -> usize;
    fn store(&self, value: usize, order: Ordering);
    /// Replaces `old` by `new`, or tells what is there. May fail for no reason.
    fn replace_if(&self, old: usize, new: usize, success: Ordering) -> Result<usize, usize>;
}

impl Word for AtomicUsize {
    fn make(value: usize) -> Self {
        Self::new(value)
    }

    #[inline(always)]
    fn load(&self, order: Ordering) -> usize {
        self.load(order)
    }

    #[inline(always)]
    fn store(&self, value: usize, order: Ordering) {
        self.store(value, order);
    }

    #[inline(always)]
    fn replace_if(&self, old: usize, new: usize, success: Ordering) -> Result<usize, usize> {
        // Acquire on failure: what is found may be the answer, such as that a semaphore was closed.
        self.compare_exchange_weak(old, new, success, Ordering::Acquire)
    }
}

impl Word for Cell<usize> {
    fn make(value: usize) -> Self {
        Self::new(value)
    }

    #[inline(always)]
    fn load(&self, _: Ordering) -> usize {
        self.get()
    }

    #[inline(always)]
    fn store(&self, value: usize, _: Ordering) {
        self.set(value);
    }

    #[inline(always)]
    fn replace_if(&self, old: usize, new: usize, _: Ordering) -> Result<usize, usize> {
        let found = self.get();
        if found != old {
            return Err(found);
        }
        self.set(new);
        Ok(old)
    }
}

/// What the primitives need of a lock. The closure runs no foreign code: no waker is made, dropped or woken in it.
pub(crate) trait Exclusive<T> {
    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R;
}

impl<T> Exclusive<T> for Lock<T> {
    #[inline(always)]
    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        self.with(f)
    }
}

impl<T> Exclusive<T> for RefCell<T> {
    #[inline(always)]
    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.borrow_mut())
    }
}
