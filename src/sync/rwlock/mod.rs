//! A lock for many readers or one writer.
//!
//! A [batch semaphore](super::batch) with one permit a reader: who reads takes one, who writes takes all. The queue's order makes
//! it fair without further rules: a writer who waits takes the permits that come back, so no later reader gets past it.
//! Threads: any. `blocking_*` parks the calling thread and is the one thing that is taken from `runtime`.

#![expect(unsafe_code, reason = "hands the value to who has the permits")]

mod guards;

pub use guards::{
    OwnedRwLockMappedWriteGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLockMappedWriteGuard,
    RwLockReadGuard, RwLockWriteGuard,
};

use std::sync::Arc;

use corelane_shards::loom::cell::UnsafeCell;

use super::batch::{self, Batch};
use super::domain::{Domain, OneShard, Threads};
use super::error::TryLockError;
use super::guard::{Guarding, Held, lock_traits};
use crate::runtime::block_thread_on;

/// Readers at a time unless another number is asked for, and the most that may be asked for.
pub(crate) const MAX_READERS: u32 = u32::MAX >> 3;
const _: () = assert!(MAX_READERS == 536_870_911 && MAX_READERS as usize <= batch::MAX_PERMITS);

/// A lock without its value.
pub(crate) struct Gate<D: Domain> {
    pub batch: Batch<D>,
    pub max_readers: u32,
}

impl Gate<Threads> {
    corelane_shards::const_fn! {
        #[track_caller]
        pub fn new(max_readers: u32) -> Self {
            assert!(max_readers <= MAX_READERS, "a RwLock may not be created with more than 536870911 readers");
            assert!(max_readers != 0, "a RwLock may not be created with 0 readers");
            Self { batch: Batch::<Threads>::new(max_readers as usize), max_readers }
        }
    }
}

impl Gate<OneShard> {
    pub const fn new() -> Self {
        Self { batch: Batch::<OneShard>::new(MAX_READERS as usize), max_readers: MAX_READERS }
    }
}

impl<D: Domain> Guarding for Gate<D> {
    type Domain = D;

    #[inline]
    fn batch(&self) -> &Batch<D> {
        &self.batch
    }

    #[inline]
    fn all(&self) -> usize {
        self.max_readers as usize
    }
}

/// A value for many readers or one writer at a time, held across `await`.
///
/// First come, first served: a writer who waits lets no later reader pass. So a task that holds a read guard and asks for
/// another one may wait for ever, with a writer between the two.
///
/// A guard that a panic drops unlocks; there is no poisoning.
///
/// # Examples
///
/// ```
/// # #[corelane::main]
/// # async fn main() {
/// use corelane::sync::RwLock;
///
/// let table = RwLock::new(vec![1]);
/// {
///     let (a, b) = (table.read().await, table.read().await);
///     assert_eq!(a[0], b[0]);
/// }
/// table.write().await.push(2);
/// assert_eq!(table.read().await.len(), 2);
/// # }
/// ```
pub struct RwLock<T: ?Sized> {
    gate: Gate<Threads>,
    value: UnsafeCell<T>,
}

// SAFETY: readers share the value among threads, and one writer at a time has it for itself.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

impl<T: ?Sized> Guarding for RwLock<T> {
    type Domain = Threads;

    #[inline]
    fn batch(&self) -> &Batch<Threads> {
        &self.gate.batch
    }

    #[inline]
    fn all(&self) -> usize {
        self.gate.all()
    }
}

impl<T> RwLock<T> {
    /// An unlocked lock.
    pub fn new(value: T) -> Self {
        Self::with_max_readers(value, MAX_READERS)
    }

    /// An unlocked lock that lets in so many readers at a time.
    ///
    /// # Panics
    ///
    /// With none, and with more than `u32::MAX >> 3`.
    ///
    /// # Examples
    ///
    /// ```
    /// use corelane::sync::RwLock;
    ///
    /// let lock = RwLock::with_max_readers((), 2);
    /// let readers = (lock.try_read().unwrap(), lock.try_read().unwrap());
    /// assert!(lock.try_read().is_err());
    /// # drop(readers);
    /// ```
    #[track_caller]
    pub fn with_max_readers(value: T, max_reads: u32) -> Self {
        Self { gate: Gate::<Threads>::new(max_reads), value: UnsafeCell::new(value) }
    }

    corelane_shards::const_fn! {
        /// An unlocked lock, made at compile time.
        pub fn const_new(value: T) -> Self {
            Self { gate: Gate::<Threads>::new(MAX_READERS), value: UnsafeCell::new(value) }
        }
    }

    corelane_shards::const_fn! {
        /// An unlocked lock that lets in so many readers at a time, made at compile time.
        ///
        /// # Panics
        ///
        /// With none, and with more than `u32::MAX >> 3`.
        #[track_caller]
        pub fn const_with_max_readers(value: T, max_reads: u32) -> Self {
            Self { gate: Gate::<Threads>::new(max_reads), value: UnsafeCell::new(value) }
        }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Waits until it may read: until who writes, and who came before to write, has left.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped leaves its place in the queue; nothing else is lost.
    pub async fn read(&self) -> RwLockReadGuard<'_, T> {
        self.gate.batch.acquire(1).await.expect("a lock is never closed");
        self.read_guard()
    }

    /// Waits until it is alone and may write.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped leaves its place in the queue; nothing else is lost.
    pub async fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.gate.batch.acquire(self.all()).await.expect("a lock is never closed");
        self.write_guard()
    }

    /// Reads if nobody writes or waits to write.
    ///
    /// # Errors
    ///
    /// When it would have to wait.
    pub fn try_read(&self) -> Result<RwLockReadGuard<'_, T>, TryLockError> {
        self.try_permits(1)?;
        Ok(self.read_guard())
    }

    /// Writes if nobody reads or writes.
    ///
    /// # Errors
    ///
    /// When it would have to wait.
    pub fn try_write(&self) -> Result<RwLockWriteGuard<'_, T>, TryLockError> {
        self.try_permits(self.all())?;
        Ok(self.write_guard())
    }

    /// [`read`](Self::read) with a guard that keeps the lock alive and may go where a borrow can't.
    ///
    /// # Cancel safety
    ///
    /// As with [`read`](Self::read).
    pub async fn read_owned(self: Arc<Self>) -> OwnedRwLockReadGuard<T> {
        self.gate.batch.acquire(1).await.expect("a lock is never closed");
        self.owned_read_guard()
    }

    /// [`write`](Self::write) with a guard that keeps the lock alive and may go where a borrow can't.
    ///
    /// # Cancel safety
    ///
    /// As with [`write`](Self::write).
    pub async fn write_owned(self: Arc<Self>) -> OwnedRwLockWriteGuard<T> {
        self.gate.batch.acquire(self.all()).await.expect("a lock is never closed");
        self.owned_write_guard()
    }

    /// [`try_read`](Self::try_read) with a guard that keeps the lock alive.
    ///
    /// # Errors
    ///
    /// When it would have to wait.
    pub fn try_read_owned(self: Arc<Self>) -> Result<OwnedRwLockReadGuard<T>, TryLockError> {
        self.try_permits(1)?;
        Ok(self.owned_read_guard())
    }

    /// [`try_write`](Self::try_write) with a guard that keeps the lock alive.
    ///
    /// # Errors
    ///
    /// When it would have to wait.
    pub fn try_write_owned(self: Arc<Self>) -> Result<OwnedRwLockWriteGuard<T>, TryLockError> {
        self.try_permits(self.all())?;
        Ok(self.owned_write_guard())
    }

    /// [`read`](Self::read) for code that is not async: blocks the thread.
    ///
    /// # Panics
    ///
    /// On a thread that drives tasks.
    #[track_caller]
    pub fn blocking_read(&self) -> RwLockReadGuard<'_, T> {
        block_thread_on(self.read())
    }

    /// [`write`](Self::write) for code that is not async: blocks the thread.
    ///
    /// # Panics
    ///
    /// On a thread that drives tasks.
    #[track_caller]
    pub fn blocking_write(&self) -> RwLockWriteGuard<'_, T> {
        block_thread_on(self.write())
    }

    /// The value, without locking: whoever borrows the lock exclusively is alone.
    pub fn get_mut(&mut self) -> &mut T {
        // SAFETY: borrowed exclusively.
        self.value.with_mut(|value| unsafe { &mut *value })
    }

    fn try_permits(&self, n: usize) -> Result<(), TryLockError> {
        self.gate.batch.try_acquire(n).map_err(|_| TryLockError(()))
    }

    // Called with the permits in hand.

    fn read_guard(&self) -> RwLockReadGuard<'_, T> {
        // SAFETY: one permit is the guard's from here on, and while it is out nobody writes.
        RwLockReadGuard(unsafe { Held::reading(&self.gate, self.value.with(|value| value)) })
    }

    fn write_guard(&self) -> RwLockWriteGuard<'_, T> {
        // SAFETY: all the permits are the guard's from here on, and nobody else is in.
        RwLockWriteGuard(unsafe { Held::writing(&self.gate, self.value.with_mut(|value| value)) })
    }

    fn owned_read_guard(self: Arc<Self>) -> OwnedRwLockReadGuard<T> {
        let value = self.value.with(|value| value);
        // SAFETY: as in `read_guard`, and the `Arc` keeps the value in its place.
        OwnedRwLockReadGuard(unsafe { Held::reading(self, value) })
    }

    fn owned_write_guard(self: Arc<Self>) -> OwnedRwLockWriteGuard<T> {
        let value = self.value.with_mut(|value| value);
        // SAFETY: as in `write_guard`, and the `Arc` keeps the value in its place.
        OwnedRwLockWriteGuard(unsafe { Held::writing(self, value) })
    }
}

lock_traits!(RwLock, try_read);
