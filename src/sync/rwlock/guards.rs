//! The guards of [`RwLock`]: [`Held`] with a name.

#![expect(unsafe_code, reason = "says which threads a guard may go to")]

use std::sync::Arc;

use super::super::domain::Threads;
use super::super::guard::{Held, Reads, Writes, guard, maps};
use super::{Gate, RwLock};

/// A [`RwLock`] locked for reading; unlocks when dropped.
#[clippy::has_significant_drop]
#[must_use = "if unused the RwLock will immediately unlock"]
pub struct RwLockReadGuard<'a, T: ?Sized>(pub(super) Held<&'a Gate<Threads>, Reads<T>>);

/// A [`RwLock`] locked for writing; unlocks when dropped.
#[clippy::has_significant_drop]
#[must_use = "if unused the RwLock will immediately unlock"]
pub struct RwLockWriteGuard<'a, T: ?Sized>(pub(super) Held<&'a Gate<Threads>, Writes<T>>);

/// A part of what a [`RwLock`] locked for writing holds; unlocks when dropped. Made by [`RwLockWriteGuard::map`].
#[clippy::has_significant_drop]
#[must_use = "if unused the RwLock will immediately unlock"]
pub struct RwLockMappedWriteGuard<'a, T: ?Sized>(Held<&'a Gate<Threads>, Writes<T>>);

/// A [`RwLock`] that this keeps alive, locked for reading, or a part of it; unlocks when dropped.
#[clippy::has_significant_drop]
#[must_use = "if unused the RwLock will immediately unlock"]
pub struct OwnedRwLockReadGuard<T: ?Sized, U: ?Sized = T>(pub(super) Held<Arc<RwLock<T>>, Reads<U>>);

/// A [`RwLock`] that this keeps alive, locked for writing; unlocks when dropped.
#[clippy::has_significant_drop]
#[must_use = "if unused the RwLock will immediately unlock"]
pub struct OwnedRwLockWriteGuard<T: ?Sized>(pub(super) Held<Arc<RwLock<T>>, Writes<T>>);

/// A part of what a [`RwLock`] locked for writing holds, which this keeps alive; unlocks when dropped. Made by
/// [`OwnedRwLockWriteGuard::map`].
#[clippy::has_significant_drop]
#[must_use = "if unused the RwLock will immediately unlock"]
pub struct OwnedRwLockMappedWriteGuard<T: ?Sized, U: ?Sized = T>(Held<Arc<RwLock<T>>, Writes<U>>);

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

maps! {
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
    ['a, T: ?Sized] RwLockReadGuard<'a, T>, &T => [F, V: ?Sized] &V, RwLockReadGuard['a, V]
}
maps!(['a, T: ?Sized] RwLockWriteGuard<'a, T>, &mut T => [F, V: ?Sized] &mut V, RwLockMappedWriteGuard['a, V]);
maps!(['a, T: ?Sized] RwLockMappedWriteGuard<'a, T>, &mut T => [F, V: ?Sized] &mut V, RwLockMappedWriteGuard['a, V]);
maps!([T: ?Sized, U: ?Sized] OwnedRwLockReadGuard<T, U>, &U => [F, V: ?Sized] &V, OwnedRwLockReadGuard[T, V]);
maps!([T: ?Sized] OwnedRwLockWriteGuard<T>, &mut T => [F, V: ?Sized] &mut V, OwnedRwLockMappedWriteGuard[T, V]);
maps! {
    [T: ?Sized, U: ?Sized] OwnedRwLockMappedWriteGuard<T, U>, &mut U => [F, V: ?Sized] &mut V,
    OwnedRwLockMappedWriteGuard[T, V]
}

/// Gives a writing guard the ways to a reading one, and to a mapped one.
macro_rules! downgrades {
    ([$($generics:tt)*] $guard:ty, $write:literal, $Read:ident, $Mapped:ident, $first:tt) => {
        impl<$($generics)*> $guard {
            /// Reads on without letting a writer in between, and leads to a part of the value.
            ///
            /// Inside of `f` the lock is still held for writing.
            pub fn downgrade_map<F, V: ?Sized>(mut this: Self, f: F) -> $Read<$first, V>
            where
                F: FnOnce(&T) -> &V,
            {
                $Read::let_in($Read(this.0.downgrade(f)))
            }

            /// [`downgrade_map`](Self::downgrade_map) that may decline.
            ///
            /// # Errors
            ///
            /// The guard as it was, when `f` returns `None`.
            pub fn try_downgrade_map<F, V: ?Sized>(mut this: Self, f: F) -> Result<$Read<$first, V>, Self>
            where
                F: FnOnce(&T) -> Option<&V>,
            {
                this.0.try_downgrade(f).map(|held| $Read::let_in($Read(held))).ok_or(this)
            }

            /// The same guard by the name that a mapped one has.
            pub fn into_mapped(mut this: Self) -> $Mapped<$first, T> {
                $Mapped(this.0.map(|value| value))
            }

            /// Reads on without letting a writer in between, and lets other readers in.
            ///
            /// # Examples
            ///
            /// ```
            /// # #[corelane::main]
            /// # async fn main() {
            /// use corelane::sync::RwLock;
            /// use std::sync::Arc;
            ///
            /// let lock = Arc::new(RwLock::new(1));
            #[doc = concat!("let mut writing = lock.", $write, ".await;")]
            /// *writing += 1;
            /// let reading = writing.downgrade();
            /// assert_eq!(*lock.read().await, *reading);
            /// # }
            /// ```
            pub fn downgrade(self) -> $Read<$first, T> {
                Self::downgrade_map(self, |value| value)
            }
        }
    };
}
downgrades!(['a, T: ?Sized] RwLockWriteGuard<'a, T>, "write()", RwLockReadGuard, RwLockMappedWriteGuard, 'a);
downgrades! {
    [T: ?Sized] OwnedRwLockWriteGuard<T>, "clone().write_owned()",
    OwnedRwLockReadGuard, OwnedRwLockMappedWriteGuard, T
}

impl<T: ?Sized, U: ?Sized> OwnedRwLockReadGuard<T, U> {
    /// The lock.
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        this.0.lock()
    }
}

impl<T: ?Sized> OwnedRwLockWriteGuard<T> {
    /// The lock.
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        this.0.lock()
    }
}

impl<T: ?Sized, U: ?Sized> OwnedRwLockMappedWriteGuard<T, U> {
    /// The lock.
    pub fn rwlock(this: &Self) -> &Arc<RwLock<T>> {
        this.0.lock()
    }
}
