//! The guards of [`RwLock`]: [`Held`] with a name.

#![expect(unsafe_code, reason = "says which threads a guard may go to")]

use std::sync::Arc;

use super::super::domain::Threads;
use super::super::guard::{Held, guard};
use super::{Gate, RwLock};

/// A [`RwLock`] locked for reading; unlocks when dropped.
#[clippy::has_significant_drop]
#[must_use = "if unused the RwLock will immediately unlock"]
pub struct RwLockReadGuard<'a, T: ?Sized>(pub(super) Held<&'a Gate<Threads>, *const T>);

/// A [`RwLock`] locked for writing; unlocks when dropped.
#[clippy::has_significant_drop]
#[must_use = "if unused the RwLock will immediately unlock"]
pub struct RwLockWriteGuard<'a, T: ?Sized>(pub(super) Held<&'a Gate<Threads>, *mut T>);

/// A part of what a [`RwLock`] locked for writing holds; unlocks when dropped. Made by [`RwLockWriteGuard::map`].
#[clippy::has_significant_drop]
#[must_use = "if unused the RwLock will immediately unlock"]
pub struct RwLockMappedWriteGuard<'a, T: ?Sized>(Held<&'a Gate<Threads>, *mut T>);

/// A [`RwLock`] that this keeps alive, locked for reading, or a part of it; unlocks when dropped.
#[clippy::has_significant_drop]
#[must_use = "if unused the RwLock will immediately unlock"]
pub struct OwnedRwLockReadGuard<T: ?Sized, U: ?Sized = T>(pub(super) Held<Arc<RwLock<T>>, *const U>);

/// A [`RwLock`] that this keeps alive, locked for writing; unlocks when dropped.
#[clippy::has_significant_drop]
#[must_use = "if unused the RwLock will immediately unlock"]
pub struct OwnedRwLockWriteGuard<T: ?Sized>(pub(super) Held<Arc<RwLock<T>>, *mut T>);

/// A part of what a [`RwLock`] locked for writing holds, which this keeps alive; unlocks when dropped. Made by
/// [`OwnedRwLockWriteGuard::map`].
#[clippy::has_significant_drop]
#[must_use = "if unused the RwLock will immediately unlock"]
pub struct OwnedRwLockMappedWriteGuard<T: ?Sized, U: ?Sized = T>(Held<Arc<RwLock<T>>, *mut U>);

guard!(['a, T: ?Sized] RwLockReadGuard<'a, T> => T, read);
guard!(['a, T: ?Sized] RwLockWriteGuard<'a, T> => T, write);
guard!(['a, T: ?Sized] RwLockMappedWriteGuard<'a, T> => T, write);
guard!([T: ?Sized, U: ?Sized] OwnedRwLockReadGuard<T, U> => U, read);
guard!([T: ?Sized] OwnedRwLockWriteGuard<T> => T, write);
guard!([T: ?Sized, U: ?Sized] OwnedRwLockMappedWriteGuard<T, U> => U, write);

// SAFETY: it is a `&T` and the right to unlock, which any thread may do.
unsafe impl<T: ?Sized + Sync> Send for RwLockReadGuard<'_, T> {}
// SAFETY: shared, it gives `&T`.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLockReadGuard<'_, T> {}
// SAFETY: it is a `&mut T`, which becomes a `&T` on that thread when it downgrades.
unsafe impl<T: ?Sized + Send + Sync> Send for RwLockWriteGuard<'_, T> {}
// SAFETY: shared, it gives `&T`.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLockWriteGuard<'_, T> {}
// SAFETY: as for `RwLockWriteGuard`.
unsafe impl<T: ?Sized + Send + Sync> Send for RwLockMappedWriteGuard<'_, T> {}
// SAFETY: as for `RwLockWriteGuard`.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLockMappedWriteGuard<'_, T> {}
// SAFETY: it is a `&U`, gives `Arc<RwLock<T>>` and may drop the `T`.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Sync> Send for OwnedRwLockReadGuard<T, U> {}
// SAFETY: shared, it gives `&U` and `&Arc<RwLock<T>>`.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Send + Sync> Sync for OwnedRwLockReadGuard<T, U> {}
// SAFETY: it is a `&mut T`, gives `Arc<RwLock<T>>` and may drop the `T`.
unsafe impl<T: ?Sized + Send + Sync> Send for OwnedRwLockWriteGuard<T> {}
// SAFETY: shared, it gives `&T` and `&Arc<RwLock<T>>`.
unsafe impl<T: ?Sized + Send + Sync> Sync for OwnedRwLockWriteGuard<T> {}
// SAFETY: it is a `&mut U`, gives `Arc<RwLock<T>>` and may drop the `T`.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Send + Sync> Send for OwnedRwLockMappedWriteGuard<T, U> {}
// SAFETY: shared, it gives `&U` and `&Arc<RwLock<T>>`.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Send + Sync> Sync for OwnedRwLockMappedWriteGuard<T, U> {}

impl<'a, T: ?Sized> RwLockReadGuard<'a, T> {
    /// Keeps the lock and leads to a part of the value. Called as a function, so that it hides no method of the value.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[corelane::main]
    /// # async fn main() {
    /// use corelane::sync::{RwLock, RwLockReadGuard};
    ///
    /// let pair = RwLock::new((1, 2));
    /// let second = RwLockReadGuard::map(pair.read().await, |pair| &pair.1);
    /// assert_eq!(*second, 2);
    /// # }
    /// ```
    pub fn map<F, U: ?Sized>(mut this: Self, f: F) -> RwLockReadGuard<'a, U>
    where
        F: FnOnce(&T) -> &U,
    {
        RwLockReadGuard(this.0.map(f))
    }

    /// [`map`](Self::map) that may decline.
    ///
    /// # Errors
    ///
    /// The guard as it was, when `f` returns `None`.
    pub fn try_map<F, U: ?Sized>(mut this: Self, f: F) -> Result<RwLockReadGuard<'a, U>, Self>
    where
        F: FnOnce(&T) -> Option<&U>,
    {
        this.0.try_map(f).map(RwLockReadGuard).ok_or(this)
    }
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    /// Keeps the lock and leads to a part of the value.
    pub fn map<F, U: ?Sized>(mut this: Self, f: F) -> RwLockMappedWriteGuard<'a, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        RwLockMappedWriteGuard(this.0.map(f))
    }

    /// [`map`](Self::map) that may decline.
    ///
    /// # Errors
    ///
    /// The guard as it was, when `f` returns `None`.
    pub fn try_map<F, U: ?Sized>(mut this: Self, f: F) -> Result<RwLockMappedWriteGuard<'a, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        this.0.try_map(f).map(RwLockMappedWriteGuard).ok_or(this)
    }

    /// Reads on without letting a writer in between, and leads to a part of the value.
    ///
    /// Inside of `f` the lock is still held for writing.
    pub fn downgrade_map<F, U: ?Sized>(mut this: Self, f: F) -> RwLockReadGuard<'a, U>
    where
        F: FnOnce(&T) -> &U,
    {
        RwLockReadGuard::let_in(RwLockReadGuard(this.0.downgrade(f)))
    }

    /// [`downgrade_map`](Self::downgrade_map) that may decline.
    ///
    /// # Errors
    ///
    /// The guard as it was, when `f` returns `None`.
    pub fn try_downgrade_map<F, U: ?Sized>(mut this: Self, f: F) -> Result<RwLockReadGuard<'a, U>, Self>
    where
        F: FnOnce(&T) -> Option<&U>,
    {
        this.0.try_downgrade(f).map(|held| RwLockReadGuard::let_in(RwLockReadGuard(held))).ok_or(this)
    }

    /// The same guard by the name that a mapped one has.
    pub fn into_mapped(mut this: Self) -> RwLockMappedWriteGuard<'a, T> {
        RwLockMappedWriteGuard(this.0.take())
    }

    /// Reads on without letting a writer in between, and lets other readers in.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[corelane::main]
    /// # async fn main() {
    /// use corelane::sync::RwLock;
    ///
    /// let lock = RwLock::new(1);
    /// let mut writing = lock.write().await;
    /// *writing += 1;
    /// let reading = writing.downgrade();
    /// assert_eq!(*lock.read().await, *reading);
    /// # }
    /// ```
    pub fn downgrade(self) -> RwLockReadGuard<'a, T> {
        Self::downgrade_map(self, |value| value)
    }
}

impl<'a, T: ?Sized> RwLockMappedWriteGuard<'a, T> {
    /// Keeps the lock and leads to a part of the part.
    pub fn map<F, U: ?Sized>(mut this: Self, f: F) -> RwLockMappedWriteGuard<'a, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        RwLockMappedWriteGuard(this.0.map(f))
    }

    /// [`map`](Self::map) that may decline.
    ///
    /// # Errors
    ///
    /// The guard as it was, when `f` returns `None`.
    pub fn try_map<F, U: ?Sized>(mut this: Self, f: F) -> Result<RwLockMappedWriteGuard<'a, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        this.0.try_map(f).map(RwLockMappedWriteGuard).ok_or(this)
    }
}

impl<T: ?Sized, U: ?Sized> OwnedRwLockReadGuard<T, U> {
    /// Keeps the lock and leads to a part of the value.
    pub fn map<F, V: ?Sized>(mut this: Self, f: F) -> OwnedRwLockReadGuard<T, V>
    where
        F: FnOnce(&U) -> &V,
    {
        OwnedRwLockReadGuard(this.0.map(f))
    }

    /// [`map`](Self::map) that may decline.
    ///
    /// # Errors
    ///
    /// The guard as it was, when `f` returns `None`.
    pub fn try_map<F, V: ?Sized>(mut this: Self, f: F) -> Result<OwnedRwLockReadGuard<T, V>, Self>
    where
        F: FnOnce(&U) -> Option<&V>,
    {
        this.0.try_map(f).map(OwnedRwLockReadGuard).ok_or(this)
    }

    /// The lock.
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        this.0.lock()
    }
}

impl<T: ?Sized> OwnedRwLockWriteGuard<T> {
    /// Keeps the lock and leads to a part of the value.
    pub fn map<F, U: ?Sized>(mut this: Self, f: F) -> OwnedRwLockMappedWriteGuard<T, U>
    where
        F: FnOnce(&mut T) -> &mut U,
    {
        OwnedRwLockMappedWriteGuard(this.0.map(f))
    }

    /// [`map`](Self::map) that may decline.
    ///
    /// # Errors
    ///
    /// The guard as it was, when `f` returns `None`.
    pub fn try_map<F, U: ?Sized>(mut this: Self, f: F) -> Result<OwnedRwLockMappedWriteGuard<T, U>, Self>
    where
        F: FnOnce(&mut T) -> Option<&mut U>,
    {
        this.0.try_map(f).map(OwnedRwLockMappedWriteGuard).ok_or(this)
    }

    /// Reads on without letting a writer in between, and leads to a part of the value.
    ///
    /// Inside of `f` the lock is still held for writing.
    pub fn downgrade_map<F, U: ?Sized>(mut this: Self, f: F) -> OwnedRwLockReadGuard<T, U>
    where
        F: FnOnce(&T) -> &U,
    {
        OwnedRwLockReadGuard::let_in(OwnedRwLockReadGuard(this.0.downgrade(f)))
    }

    /// [`downgrade_map`](Self::downgrade_map) that may decline.
    ///
    /// # Errors
    ///
    /// The guard as it was, when `f` returns `None`.
    pub fn try_downgrade_map<F, U: ?Sized>(mut this: Self, f: F) -> Result<OwnedRwLockReadGuard<T, U>, Self>
    where
        F: FnOnce(&T) -> Option<&U>,
    {
        this.0
            .try_downgrade(f)
            .map(|held| OwnedRwLockReadGuard::let_in(OwnedRwLockReadGuard(held)))
            .ok_or(this)
    }

    /// The same guard by the name that a mapped one has.
    pub fn into_mapped(mut this: Self) -> OwnedRwLockMappedWriteGuard<T> {
        OwnedRwLockMappedWriteGuard(this.0.take())
    }

    /// Reads on without letting a writer in between, and lets other readers in.
    pub fn downgrade(self) -> OwnedRwLockReadGuard<T> {
        Self::downgrade_map(self, |value| value)
    }

    /// The lock.
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        this.0.lock()
    }
}

impl<T: ?Sized, U: ?Sized> OwnedRwLockMappedWriteGuard<T, U> {
    /// Keeps the lock and leads to a part of the part.
    pub fn map<F, V: ?Sized>(mut this: Self, f: F) -> OwnedRwLockMappedWriteGuard<T, V>
    where
        F: FnOnce(&mut U) -> &mut V,
    {
        OwnedRwLockMappedWriteGuard(this.0.map(f))
    }

    /// [`map`](Self::map) that may decline.
    ///
    /// # Errors
    ///
    /// The guard as it was, when `f` returns `None`.
    pub fn try_map<F, V: ?Sized>(mut this: Self, f: F) -> Result<OwnedRwLockMappedWriteGuard<T, V>, Self>
    where
        F: FnOnce(&mut U) -> Option<&mut V>,
    {
        this.0.try_map(f).map(OwnedRwLockMappedWriteGuard).ok_or(this)
    }

    /// The lock.
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        this.0.lock()
    }
}
