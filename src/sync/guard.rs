//! What a guard is: a lock that it holds, and a pointer into what the lock protects.
//!
//! Here: that pair, once for all guards of `Mutex` and `RwLock`, and the macro that gives their public types the traits.
//! Not here: the public types, which are this with a name.
//! Threads: any, or those of one shard.
//!
//! The kind of the pointer says what the guard may do: `*const U` reads and holds one permit, `*mut U` writes and holds
//! all. It also gives the variance that goes with it.

#![expect(unsafe_code, reason = "follows the pointer into the lock's value")]

use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr;

use super::batch::Batch;
use super::domain::Domain;

/// A semaphore whose permits guard a value.
pub(crate) trait Guarding {
    type Domain: Domain;

    fn batch(&self) -> &Batch<Self::Domain>;

    /// The permits of who writes.
    fn all(&self) -> usize;
}

/// A mutex without its value.
impl<D: Domain> Guarding for Batch<D> {
    type Domain = D;

    fn batch(&self) -> &Batch<D> {
        self
    }

    fn all(&self) -> usize {
        1
    }
}

/// The pointer of a guard.
pub(crate) trait Access: Copy {
    const WRITES: bool;
}

impl<U: ?Sized> Access for *const U {
    const WRITES: bool = false;
}

impl<U: ?Sized> Access for *mut U {
    const WRITES: bool = true;
}

/// Holds the permits that its access needs, and gives them back.
pub(crate) struct Held<L: Deref<Target: Guarding>, A: Access> {
    lock: L,
    data: A,
}

impl<L: Deref<Target: Guarding>, A: Access> Held<L, A> {
    /// # Safety
    ///
    /// The permits were taken and are this guard's now; `data` points into what they protect, and stays valid while
    /// `lock` lives.
    #[inline]
    pub unsafe fn new(lock: L, data: A) -> Self {
        Self { lock, data }
    }

    pub fn lock(&self) -> &L {
        &self.lock
    }

    /// Without the drop.
    fn into_parts(self) -> (L, A) {
        let this = ManuallyDrop::new(self);
        // SAFETY: read once, and not dropped.
        (unsafe { ptr::read(&this.lock) }, this.data)
    }

    /// Holds it by another handle, which leads to the same permits.
    pub fn by<M: Deref<Target: Guarding>>(self, other: impl FnOnce(L) -> M) -> Held<M, A> {
        let (lock, data) = self.into_parts();
        Held { lock: other(lock), data }
    }
}

impl<L: Deref<Target: Guarding>, A: Access> Drop for Held<L, A> {
    #[inline]
    fn drop(&mut self) {
        let permits = if A::WRITES { self.lock.all() } else { 1 };
        self.lock.batch().release(permits);
    }
}

impl<L: Deref<Target: Guarding>, U: ?Sized> Held<L, *const U> {
    #[inline]
    pub fn get(&self) -> &U {
        // SAFETY: valid as `new` asks for, and nobody writes while a reader has its permit.
        unsafe { &*self.data }
    }

    pub fn map<V: ?Sized>(self, f: impl FnOnce(&U) -> &V) -> Held<L, *const V> {
        let data: *const V = f(self.get());
        Held { lock: self.into_parts().0, data }
    }

    pub fn try_map<V: ?Sized>(self, f: impl FnOnce(&U) -> Option<&V>) -> Result<Held<L, *const V>, Self> {
        match f(self.get()).map(ptr::from_ref) {
            Some(data) => Ok(Held { lock: self.into_parts().0, data }),
            None => Err(self),
        }
    }
}

impl<L: Deref<Target: Guarding>, U: ?Sized> Held<L, *mut U> {
    #[inline]
    pub fn get(&self) -> &U {
        // SAFETY: valid as `new` asks for, and nobody else is in while a writer has all the permits.
        unsafe { &*self.data }
    }

    #[inline]
    pub fn get_mut(&mut self) -> &mut U {
        // SAFETY: as above, and this guard is borrowed exclusively.
        unsafe { &mut *self.data }
    }

    pub fn map<V: ?Sized>(mut self, f: impl FnOnce(&mut U) -> &mut V) -> Held<L, *mut V> {
        let data: *mut V = f(self.get_mut());
        Held { lock: self.into_parts().0, data }
    }

    pub fn try_map<V: ?Sized>(
        mut self,
        f: impl FnOnce(&mut U) -> Option<&mut V>,
    ) -> Result<Held<L, *mut V>, Self> {
        match f(self.get_mut()).map(ptr::from_mut) {
            Some(data) => Ok(Held { lock: self.into_parts().0, data }),
            None => Err(self),
        }
    }

    /// Reads on, and lets others read as well.
    pub fn downgrade<V: ?Sized>(self, f: impl FnOnce(&U) -> &V) -> Held<L, *const V> {
        let data: *const V = f(self.get());
        self.share(data)
    }

    pub fn try_downgrade<V: ?Sized>(
        self,
        f: impl FnOnce(&U) -> Option<&V>,
    ) -> Result<Held<L, *const V>, Self> {
        match f(self.get()).map(ptr::from_ref) {
            Some(data) => Ok(self.share(data)),
            None => Err(self),
        }
    }

    fn share<V: ?Sized>(self, data: *const V) -> Held<L, *const V> {
        let (lock, _) = self.into_parts();
        let surplus = lock.all() - 1;
        let held = Held { lock, data };
        if surplus > 0 {
            held.lock.batch().release(surplus);
        }
        held
    }
}

/// Gives a guard the traits of what it leads to: `guard!(['a, T: ?Sized] MutexGuard<'a, T> => T, write)`.
macro_rules! guard {
    ([$($generics:tt)*] $guard:ty => $target:ident, read) => {
        impl<$($generics)*> std::ops::Deref for $guard {
            type Target = $target;

            #[inline]
            fn deref(&self) -> &$target {
                self.0.get()
            }
        }

        impl<$($generics)*> std::fmt::Debug for $guard
        where
            $target: std::fmt::Debug,
        {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                (**self).fmt(f)
            }
        }

        impl<$($generics)*> std::fmt::Display for $guard
        where
            $target: std::fmt::Display,
        {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                (**self).fmt(f)
            }
        }
    };
    ([$($generics:tt)*] $guard:ty => $target:ident, write) => {
        guard!([$($generics)*] $guard => $target, read);

        impl<$($generics)*> std::ops::DerefMut for $guard {
            #[inline]
            fn deref_mut(&mut self) -> &mut $target {
                self.0.get_mut()
            }
        }
    };
}

pub(crate) use guard;
