//! [`sync::Mutex`](crate::sync::Mutex) for one shard.

#![expect(unsafe_code, reason = "hands the value to who has the permit")]

use std::cell::UnsafeCell;

use crate::sync::TryLockError;
use crate::sync::batch::Batch;
use crate::sync::domain::OneShard;
use crate::sync::guard::{Held, Writes, guard, lock_traits};

/// A value for one task of this shard at a time, held across `await`; see [`sync::Mutex`](crate::sync::Mutex).
///
/// # Examples
///
/// ```
/// # #[corelane::main]
/// # async fn main() {
/// use corelane::local::Mutex;
///
/// let total = Mutex::new(1);
/// *total.lock().await += 1;
/// assert_eq!(total.into_inner(), 2);
/// # }
/// ```
pub struct Mutex<T: ?Sized> {
    batch: Batch<OneShard>,
    value: UnsafeCell<T>,
}

/// A locked [`Mutex`]; unlocks when dropped.
#[clippy::has_significant_drop]
#[must_use = "if unused the Mutex will immediately unlock"]
pub struct MutexGuard<'a, T: ?Sized>(Held<&'a Batch<OneShard>, Writes<T>>);

guard!(['a, T: ?Sized] MutexGuard<'a, T> => T, write);

impl<T> Mutex<T> {
    /// An unlocked mutex.
    pub const fn new(value: T) -> Self {
        Self { batch: Batch::<OneShard>::new(1), value: UnsafeCell::new(value) }
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
    pub fn try_lock(&self) -> Result<MutexGuard<'_, T>, TryLockError> {
        self.batch.try_acquire(1).map_err(|_| TryLockError(()))?;
        Ok(self.guard())
    }

    /// The value, without locking: whoever borrows the mutex exclusively is alone.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// Called with the permit in hand.
    fn guard(&self) -> MutexGuard<'_, T> {
        // SAFETY: the permit is the guard's from here on, and protects the value.
        MutexGuard(unsafe { Held::writing(&self.batch, self.value.get()) })
    }
}

lock_traits!(Mutex, try_lock);
