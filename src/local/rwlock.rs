//! [`sync::RwLock`](crate::sync::RwLock) for one shard.

#![expect(unsafe_code, reason = "hands the value to who has the permits")]

use std::cell::UnsafeCell;

use crate::sync::TryLockError;
use crate::sync::domain::OneShard;
use crate::sync::guard::{Guarding, Held, Reads, Writes, guard, lock_traits};
use crate::sync::rwlock::Gate;

/// A value for many readers or one writer among the tasks of this shard, held across `await`; see
/// [`sync::RwLock`](crate::sync::RwLock).
///
/// # Examples
///
/// ```
/// # #[corelane::main]
/// # async fn main() {
/// use corelane::local::RwLock;
///
/// let table = RwLock::new(vec![1]);
/// table.write().await.push(2);
/// assert_eq!(table.read().await.len(), 2);
/// # }
/// ```
pub struct RwLock<T: ?Sized> {
    gate: Gate<OneShard>,
    value: UnsafeCell<T>,
}

/// A [`RwLock`] locked for reading; unlocks when dropped.
#[clippy::has_significant_drop]
#[must_use = "if unused the RwLock will immediately unlock"]
pub struct RwLockReadGuard<'a, T: ?Sized>(Held<&'a Gate<OneShard>, Reads<T>>);

/// A [`RwLock`] locked for writing; unlocks when dropped.
#[clippy::has_significant_drop]
#[must_use = "if unused the RwLock will immediately unlock"]
pub struct RwLockWriteGuard<'a, T: ?Sized>(Held<&'a Gate<OneShard>, Writes<T>>);

guard!(['a, T: ?Sized] RwLockReadGuard<'a, T> => T, read);
guard!(['a, T: ?Sized] RwLockWriteGuard<'a, T> => T, write);

impl<T> RwLock<T> {
    /// An unlocked lock.
    pub const fn new(value: T) -> Self {
        Self { gate: Gate::<OneShard>::new(), value: UnsafeCell::new(value) }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Waits until it may read.
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
        self.gate.batch.acquire(self.gate.all()).await.expect("a lock is never closed");
        self.write_guard()
    }

    /// Reads if nobody writes or waits to write.
    ///
    /// # Errors
    ///
    /// When it would have to wait.
    pub fn try_read(&self) -> Result<RwLockReadGuard<'_, T>, TryLockError> {
        self.gate.batch.try_acquire(1).map_err(|_| TryLockError(()))?;
        Ok(self.read_guard())
    }

    /// Writes if nobody reads or writes.
    ///
    /// # Errors
    ///
    /// When it would have to wait.
    pub fn try_write(&self) -> Result<RwLockWriteGuard<'_, T>, TryLockError> {
        self.gate.batch.try_acquire(self.gate.all()).map_err(|_| TryLockError(()))?;
        Ok(self.write_guard())
    }

    /// The value, without locking: whoever borrows the lock exclusively is alone.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    // Called with the permits in hand.

    fn read_guard(&self) -> RwLockReadGuard<'_, T> {
        // SAFETY: one permit is the guard's from here on, and while it is out nobody writes.
        RwLockReadGuard(unsafe { Held::reading(&self.gate, self.value.get()) })
    }

    fn write_guard(&self) -> RwLockWriteGuard<'_, T> {
        // SAFETY: all the permits are the guard's from here on, and nobody else is in.
        RwLockWriteGuard(unsafe { Held::writing(&self.gate, self.value.get()) })
    }
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    /// Reads on without letting a writer in between, and lets other readers in.
    pub fn downgrade(mut self) -> RwLockReadGuard<'a, T> {
        RwLockReadGuard::let_in(RwLockReadGuard(self.0.downgrade(|value| value)))
    }
}

lock_traits!(RwLock, try_read);
