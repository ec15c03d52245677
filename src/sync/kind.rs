//! Two ways to share a channel's state: between threads, and between the tasks of one shard.
//!
//! The channels are written once over a [`Kind`], which adds to a [`Domain`]'s word and lock the pointer that the ends share
//! and the lock for values that callers look at. For one shard these are `Rc` and `RefCell`: the ends become `!Send` by
//! themselves and no locked instruction is executed.
//!
//! Here: the parts. Not here: any protocol. Threads: each part's own.

use std::cell::{Ref, RefCell};
use std::ops::{Deref, DerefMut};
use std::rc::Rc;
use std::sync::{Arc, PoisonError};

use corelane_shards::loom::atomic::Ordering;
use corelane_shards::loom::{RwLock, RwLockReadGuard};
use corelane_shards::util::lock::Wait;

pub(crate) use super::domain::{Domain, OneShard, Threads, Word};
use super::wait_list::WaitQueue;

/// What a channel is made of.
pub(crate) trait Kind: Domain + 'static {
    /// Counts the ends.
    type Shared<T>: Deref<Target = T> + Clone;
    /// Guards a value that callers look at for as long as they like.
    type Value<T>: Value<T>;

    fn share<T>(value: T) -> Self::Shared<T>;
    fn queue<S, T>(state: S) -> WaitQueue<Self, S, T>;
}

impl Kind for Threads {
    type Shared<T> = Arc<T>;
    type Value<T> = RwLock<T>;

    fn share<T>(value: T) -> Arc<T> {
        Arc::new(value)
    }

    fn queue<S, T>(state: S) -> WaitQueue<Self, S, T> {
        WaitQueue::<Threads, S, T>::new(state)
    }
}

impl Kind for OneShard {
    type Shared<T> = Rc<T>;
    type Value<T> = RefCell<T>;

    fn share<T>(value: T) -> Rc<T> {
        Rc::new(value)
    }

    fn queue<S, T>(state: S) -> WaitQueue<Self, S, T> {
        WaitQueue::<OneShard, S, T>::new(state)
    }
}

/// Whether two references are to the same state.
pub(crate) fn same<T>(a: &impl Deref<Target = T>, b: &impl Deref<Target = T>) -> bool {
    std::ptr::eq::<T>(&**a, &**b)
}

/// The bit of a word of flags that says that somebody has it.
pub(crate) const LOCKED: usize = 1;

/// A word of flags that is also the lock of what stands beside it: changed only between `acquire` and `release`, read by
/// anyone, so that a look at the flags costs no read-modify-write.
pub(crate) struct Flags<K: Domain>(K::Word);

impl<K: Domain> Flags<K> {
    pub fn new() -> Self {
        Self(K::Word::make(0))
    }

    /// The flags now. What was written before they were released is visible.
    #[inline(always)]
    pub fn look(&self) -> usize {
        // Acquire: pairs with the Release in `release`.
        self.0.load(Ordering::Acquire)
    }

    /// Takes the lock; the flags without [`LOCKED`].
    #[inline]
    pub fn acquire(&self) -> usize {
        // Relaxed: a guess, which the compare-exchange confirms.
        let flags = self.0.load(Ordering::Relaxed) & !LOCKED;
        // Acquire: pairs with the Release in `release`.
        match self.0.replace_if(flags, flags | LOCKED, Ordering::Acquire) {
            Ok(_) => flags,
            Err(_) => self.acquire_contended(),
        }
    }

    #[cold]
    #[inline(never)]
    fn acquire_contended(&self) -> usize {
        let mut wait = Wait::new();
        loop {
            let seen = self.0.load(Ordering::Relaxed);
            if seen & LOCKED == 0 {
                if self.0.replace_if(seen, seen | LOCKED, Ordering::Acquire).is_ok() {
                    return seen;
                }
            } else {
                wait.wait();
            }
        }
    }

    /// Gives the lock back. Who sees the new flags may free them, so nothing here is touched afterwards.
    #[inline(always)]
    pub fn release(&self, flags: usize) {
        debug_assert_eq!(flags & LOCKED, 0);
        // Release: pairs with the Acquires in `look` and `acquire`.
        self.0.store(flags, Ordering::Release);
    }
}

/// Lets many look at a value or one change it.
pub(crate) trait Value<T> {
    type Read<'a>: Deref<Target = T>
    where
        Self: 'a;

    fn make(value: T) -> Self;
    fn read(&self) -> Self::Read<'_>;
    fn write(&self) -> impl DerefMut<Target = T>;
}

impl<T> Value<T> for RwLock<T> {
    type Read<'a>
        = RwLockReadGuard<'a, T>
    where
        Self: 'a;

    fn make(value: T) -> Self {
        RwLock::new(value)
    }

    // A panic of foreign code inside leaves the value as that code left it, so poison says nothing.
    #[inline(always)]
    fn read(&self) -> RwLockReadGuard<'_, T> {
        RwLock::read(self).unwrap_or_else(PoisonError::into_inner)
    }

    #[inline(always)]
    fn write(&self) -> impl DerefMut<Target = T> {
        RwLock::write(self).unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Value<T> for RefCell<T> {
    type Read<'a>
        = Ref<'a, T>
    where
        Self: 'a;

    fn make(value: T) -> Self {
        RefCell::new(value)
    }

    #[inline(always)]
    fn read(&self) -> Ref<'_, T> {
        self.borrow()
    }

    #[inline(always)]
    fn write(&self) -> impl DerefMut<Target = T> {
        self.borrow_mut()
    }
}
