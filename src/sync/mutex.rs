//! A mutex whose guard may be held while a task waits.
//!
//! A [batch semaphore](super::batch) with one permit and a value. The guards are [`Held`] with a name.
//! Threads: any. `blocking_*` parks the calling thread and is the one thing that is taken from `runtime`.

#![expect(unsafe_code, reason = "hands the value to who has the permit")]

use std::sync::Arc;

use corelane_shards::loom::cell::UnsafeCell;

use super::batch::Batch;
use super::domain::Threads;
use super::error::TryLockError;
use super::guard::{Guarding, Held, Writes, guard, lock_traits, maps};
use crate::runtime::block_thread_on;

/// A value for one task at a time, held across `await`.
///
/// First come, first served: the lock is handed to who has waited longest. A guard that a panic drops unlocks; there
/// is no poisoning. For data that is only touched between two `await`s the standard library's mutex is faster; so is a
/// task that owns the data and is sent messages, where others would wait long.
///
/// # Examples
///
/// ```
/// # #[corelane::main]
/// # async fn main() {
/// use corelane::sync::Mutex;
/// use std::sync::Arc;
///
/// let total = Arc::new(Mutex::new(0));
/// let tasks: Vec<_> = (1..=4)
///     .map(|n| {
///         let total = total.clone();
///         corelane::spawn(async move {
///             let mut total = total.lock().await;
///             corelane::task::yield_now().await;
///             *total += n;
///         })
///     })
///     .collect();
/// for task in tasks {
///     task.await.unwrap();
/// }
/// assert_eq!(*total.lock().await, 10);
/// # }
/// ```
pub struct Mutex<T: ?Sized> {
    batch: Batch<Threads>,
    value: UnsafeCell<T>,
}

// SAFETY: the permit lets one thread at a time touch the value, and `T: Send` lets it be a different one each time.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

impl<T: ?Sized> Guarding for Mutex<T> {
    type Domain = Threads;

    #[inline]
    fn batch(&self) -> &Batch<Threads> {
        &self.batch
    }

    #[inline]
    fn all(&self) -> usize {
        1
    }
}

/// A locked [`Mutex`]; unlocks when dropped.
#[clippy::has_significant_drop]
#[must_use = "if unused the Mutex will immediately unlock"]
pub struct MutexGuard<'a, T: ?Sized>(Held<&'a Mutex<T>, Writes<T>>);

/// A part of what a locked [`Mutex`] holds; unlocks when dropped. Made by [`MutexGuard::map`].
#[clippy::has_significant_drop]
#[must_use = "if unused the Mutex will immediately unlock"]
pub struct MappedMutexGuard<'a, T: ?Sized>(Held<&'a Batch<Threads>, Writes<T>>);

/// A locked [`Mutex`] that this keeps alive; unlocks when dropped.
#[clippy::has_significant_drop]
#[must_use = "if unused the Mutex will immediately unlock"]
pub struct OwnedMutexGuard<T: ?Sized>(Held<Arc<Mutex<T>>, Writes<T>>);

/// A part of what a locked [`Mutex`] holds, which this keeps alive; unlocks when dropped. Made by [`OwnedMutexGuard::map`].
#[clippy::has_significant_drop]
#[must_use = "if unused the Mutex will immediately unlock"]
pub struct OwnedMappedMutexGuard<T: ?Sized, U: ?Sized>(Held<Arc<Mutex<T>>, Writes<U>>);

guard!(['a, T: ?Sized] MutexGuard<'a, T> => T, write);
guard!(['a, T: ?Sized] MappedMutexGuard<'a, T> => T, write);
guard!([T: ?Sized] OwnedMutexGuard<T> => T, write);
guard!([T: ?Sized, U: ?Sized] OwnedMappedMutexGuard<T, U> => U, write);

// SAFETY: it is a `&mut T` and the right to unlock, which any thread may do.
unsafe impl<T: ?Sized + Send> Send for MutexGuard<'_, T> {}
// SAFETY: shared, it gives `&T`, and `&Mutex<T>`.
unsafe impl<T: ?Sized + Send + Sync> Sync for MutexGuard<'_, T> {}
// SAFETY: as for `MutexGuard`.
unsafe impl<T: ?Sized + Send> Send for MappedMutexGuard<'_, T> {}
// SAFETY: shared, it gives `&T` and nothing else.
unsafe impl<T: ?Sized + Sync> Sync for MappedMutexGuard<'_, T> {}
// SAFETY: as for `MutexGuard`; it may drop the mutex with its value.
unsafe impl<T: ?Sized + Send> Send for OwnedMutexGuard<T> {}
// SAFETY: as for `MutexGuard`.
unsafe impl<T: ?Sized + Send + Sync> Sync for OwnedMutexGuard<T> {}
// SAFETY: it is a `&mut U` and may drop the `T`.
unsafe impl<T: ?Sized + Send, U: ?Sized + Send> Send for OwnedMappedMutexGuard<T, U> {}
// SAFETY: shared, it gives `&U`.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Send + Sync> Sync for OwnedMappedMutexGuard<T, U> {}

impl<T> Mutex<T> {
    /// An unlocked mutex.
    pub fn new(value: T) -> Self {
        Self { batch: Batch::<Threads>::new(1), value: UnsafeCell::new(value) }
    }

    corelane_shards::const_fn! {
        /// An unlocked mutex, made at compile time.
        ///
        /// # Examples
        ///
        /// ```
        /// use corelane::sync::Mutex;
        ///
        /// static NAMES: Mutex<Vec<String>> = Mutex::const_new(Vec::new());
        /// # NAMES.blocking_lock().push(String::new());
        /// ```
        pub fn const_new(value: T) -> Self {
            Self { batch: Batch::<Threads>::new(1), value: UnsafeCell::new(value) }
        }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits for the lock.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped leaves its place in the queue; nothing else is lost.
    pub async fn lock(&self) -> MutexGuard<'_, T> {
        self.batch.acquire(1).await.expect("a mutex is never closed");
        self.guard()
    }

    /// Locks if nobody has.
    ///
    /// # Errors
    ///
    /// When it is locked.
    ///
    /// # Examples
    ///
    /// ```
    /// use corelane::sync::Mutex;
    ///
    /// let mutex = Mutex::new(1);
    /// let guard = mutex.try_lock().unwrap();
    /// assert!(mutex.try_lock().is_err());
    /// # drop(guard);
    /// ```
    pub fn try_lock(&self) -> Result<MutexGuard<'_, T>, TryLockError> {
        self.batch.try_acquire(1).map_err(|_| TryLockError(()))?;
        Ok(self.guard())
    }

    /// [`lock`](Self::lock) with a guard that keeps the mutex alive and may go where a borrow can't.
    ///
    /// # Cancel safety
    ///
    /// As with [`lock`](Self::lock).
    pub async fn lock_owned(self: Arc<Self>) -> OwnedMutexGuard<T> {
        self.batch.acquire(1).await.expect("a mutex is never closed");
        self.owned_guard()
    }

    /// [`try_lock`](Self::try_lock) with a guard that keeps the mutex alive.
    ///
    /// # Errors
    ///
    /// When it is locked.
    pub fn try_lock_owned(self: Arc<Self>) -> Result<OwnedMutexGuard<T>, TryLockError> {
        self.batch.try_acquire(1).map_err(|_| TryLockError(()))?;
        Ok(self.owned_guard())
    }

    /// [`lock`](Self::lock) for code that is not async: blocks the thread.
    ///
    /// # Panics
    ///
    /// On a thread that drives tasks.
    ///
    /// # Examples
    ///
    /// ```
    /// use corelane::sync::Mutex;
    ///
    /// let mutex = Mutex::new(1);
    /// *mutex.blocking_lock() += 1;
    /// assert_eq!(mutex.into_inner(), 2);
    /// ```
    #[track_caller]
    pub fn blocking_lock(&self) -> MutexGuard<'_, T> {
        block_thread_on(self.lock())
    }

    /// [`lock_owned`](Self::lock_owned) for code that is not async: blocks the thread.
    ///
    /// # Panics
    ///
    /// On a thread that drives tasks.
    #[track_caller]
    pub fn blocking_lock_owned(self: Arc<Self>) -> OwnedMutexGuard<T> {
        block_thread_on(self.lock_owned())
    }

    /// The value, without locking: whoever borrows the mutex exclusively is alone.
    pub fn get_mut(&mut self) -> &mut T {
        // SAFETY: borrowed exclusively.
        self.value.with_mut(|value| unsafe { &mut *value })
    }

    /// Called with the permit in hand.
    #[inline]
    fn guard(&self) -> MutexGuard<'_, T> {
        // SAFETY: the permit is the guard's from here on, and protects the value.
        MutexGuard(unsafe { Held::writing(self, self.value.with_mut(|value| value)) })
    }

    /// Called with the permit in hand.
    fn owned_guard(self: Arc<Self>) -> OwnedMutexGuard<T> {
        let value = self.value.with_mut(|value| value);
        // SAFETY: the permit is the guard's from here on, and protects the value, which the `Arc` keeps in its place.
        OwnedMutexGuard(unsafe { Held::writing(self, value) })
    }
}

lock_traits!(Mutex, try_lock);

maps! {
    ///
    /// # Examples
    ///
    /// ```
    /// # #[corelane::main]
    /// # async fn main() {
    /// use corelane::sync::{Mutex, MutexGuard};
    ///
    /// let pair = Mutex::new((1, 2));
    /// let mut second = MutexGuard::map(pair.lock().await, |pair| &mut pair.1);
    /// *second = 3;
    /// drop(second);
    /// assert_eq!(pair.into_inner(), (1, 3));
    /// # }
    /// ```
    ['a, T: ?Sized] MutexGuard<'a, T>, &mut T => [V: ?Sized, F] &mut V, MappedMutexGuard['a, V],
    by |mutex| &mutex.batch
}
maps!(['a, T: ?Sized] MappedMutexGuard<'a, T>, &mut T => [V: ?Sized, F] &mut V, MappedMutexGuard['a, V]);
maps!([T: ?Sized] OwnedMutexGuard<T>, &mut T => [V: ?Sized, F] &mut V, OwnedMappedMutexGuard[T, V]);
maps!([T: ?Sized, U: ?Sized] OwnedMappedMutexGuard<T, U>, &mut U => [V: ?Sized, F] &mut V, OwnedMappedMutexGuard[T, V]);

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// The mutex.
    pub fn mutex(this: &Self) -> &'a Mutex<T> {
        this.0.lock()
    }
}

impl<T: ?Sized> OwnedMutexGuard<T> {
    /// The mutex.
    pub fn mutex(this: &Self) -> &Arc<Mutex<T>> {
        this.0.lock()
    }
}
