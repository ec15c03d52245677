//! What a guard is: a lock that it holds, and a pointer into what the lock protects.
//!
//! Here: that pair, once for all guards of `Mutex` and `RwLock`, and the macro that gives their public types the drop and
//! the traits.
//! Not here: the public types, which are this with a name.
//! Threads: any, or those of one shard.
//!
//! The kind of the pointer says what the guard may do: [`Reads`] goes with one permit, [`Writes`] with all. It also gives
//! the variance that goes with it.
//!
//! The public types drop, as Tokio's do, so nothing can be moved out of them: a guard that becomes another one gives its lock
//! away and drops without.

#![expect(unsafe_code, reason = "follows the pointer into the lock's value")]

use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::NonNull;

use super::batch::Batch;
use super::domain::{Domain, Threads};

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

/// The pointer of a guard. It is never null, which is where an `Option` of a guard has its `None`.
pub(crate) trait Access {
    const WRITES: bool;
}

/// Into what one permit lets read.
pub(crate) struct Reads<U: ?Sized>(NonNull<U>);

/// Into what all permits let write.
pub(crate) struct Writes<U: ?Sized>(NonNull<U>, PhantomData<*mut U>);

impl<U: ?Sized> Access for Reads<U> {
    const WRITES: bool = false;
}

impl<U: ?Sized> Access for Writes<U> {
    const WRITES: bool = true;
}

/// Holds the permits that its access needs, until it releases them or gives them to another.
///
/// After that nobody may look at the value by it: the public types release when they drop and give away where they are
/// consumed.
pub(crate) struct Held<L: Deref<Target: Guarding>, A: Access> {
    /// There while the permits are.
    lock: Option<L>,
    data: A,
}

const _: () = assert!(size_of::<Option<Held<&Batch<Threads>, Reads<u8>>>>() == 2 * size_of::<usize>());

impl<L: Deref<Target: Guarding>, A: Access> Held<L, A> {
    pub fn lock(&self) -> &L {
        self.lock.as_ref().expect("a guard has its lock until it is consumed")
    }

    /// Gives the permits back if they are still here. For the drop.
    ///
    /// An owned guard's handle goes before the next is woken: some wait for a lock only to see its holder gone, and then take
    /// the `Arc` apart.
    #[inline]
    pub fn release(&mut self) {
        if let Some(lock) = self.lock.take() {
            let next = lock.batch().give_back(if A::WRITES { lock.all() } else { 1 });
            drop(lock);
            if let Some(next) = next {
                next.wake();
            }
        }
    }

    /// Holds it by another handle, which leads to the same permits.
    pub fn by<M: Deref<Target: Guarding>>(self, other: impl FnOnce(L) -> M) -> Held<M, A> {
        Held { lock: self.lock.map(other), data: self.data }
    }

    /// Gives the permits to another guard.
    #[inline]
    fn lead_to<B: Access>(&mut self, data: B) -> Held<L, B> {
        Held { lock: self.lock.take(), data }
    }
}

impl<L: Deref<Target: Guarding>, U: ?Sized> Held<L, Reads<U>> {
    /// # Safety
    ///
    /// A permit was taken and is this guard's now; `data` points into what it protects, and stays valid while `lock` lives.
    #[inline]
    pub unsafe fn reading(lock: L, data: *const U) -> Self {
        // SAFETY: valid, by contract.
        Self { lock: Some(lock), data: Reads(unsafe { NonNull::new_unchecked(data.cast_mut()) }) }
    }

    #[inline]
    pub fn get(&self) -> &U {
        // SAFETY: valid as `reading` asks for, and nobody writes while a reader has its permit.
        unsafe { self.data.0.as_ref() }
    }

    pub fn map<V: ?Sized>(&mut self, f: impl FnOnce(&U) -> &V) -> Held<L, Reads<V>> {
        let data = NonNull::from(f(self.get()));
        self.lead_to(Reads(data))
    }

    pub fn try_map<V: ?Sized>(&mut self, f: impl FnOnce(&U) -> Option<&V>) -> Option<Held<L, Reads<V>>> {
        let data = NonNull::from(f(self.get())?);
        Some(self.lead_to(Reads(data)))
    }

    /// Gives back what a writer had beyond the permit of a reader.
    #[inline]
    pub fn let_in(&self) {
        let lock = self.lock();
        let surplus = lock.all() - 1;
        if surplus > 0 {
            lock.batch().release(surplus);
        }
    }
}

impl<L: Deref<Target: Guarding>, U: ?Sized> Held<L, Writes<U>> {
    /// # Safety
    ///
    /// As for `reading`, with all the permits.
    #[inline]
    pub unsafe fn writing(lock: L, data: *mut U) -> Self {
        // SAFETY: valid, by contract.
        Self { lock: Some(lock), data: Writes(unsafe { NonNull::new_unchecked(data) }, PhantomData) }
    }

    #[inline]
    pub fn get(&self) -> &U {
        // SAFETY: valid as `writing` asks for, and nobody else is in while a writer has all the permits.
        unsafe { self.data.0.as_ref() }
    }

    #[inline]
    pub fn get_mut(&mut self) -> &mut U {
        // SAFETY: as above, and this guard is borrowed exclusively.
        unsafe { self.data.0.as_mut() }
    }

    pub fn map<V: ?Sized>(&mut self, f: impl FnOnce(&mut U) -> &mut V) -> Held<L, Writes<V>> {
        let data = NonNull::from(f(self.get_mut()));
        self.lead_to(Writes(data, PhantomData))
    }

    pub fn try_map<V: ?Sized>(
        &mut self,
        f: impl FnOnce(&mut U) -> Option<&mut V>,
    ) -> Option<Held<L, Writes<V>>> {
        let data = NonNull::from(f(self.get_mut())?);
        Some(self.lead_to(Writes(data, PhantomData)))
    }

    /// Reads on; [`let_in`](Held::let_in) has to follow.
    pub fn downgrade<V: ?Sized>(&mut self, f: impl FnOnce(&U) -> &V) -> Held<L, Reads<V>> {
        let data = NonNull::from(f(self.get()));
        self.lead_to(Reads(data))
    }

    pub fn try_downgrade<V: ?Sized>(
        &mut self,
        f: impl FnOnce(&U) -> Option<&V>,
    ) -> Option<Held<L, Reads<V>>> {
        let data = NonNull::from(f(self.get())?);
        Some(self.lead_to(Reads(data)))
    }
}

/// Gives a guard its drop and the traits of what it leads to: `guard!(['a, T: ?Sized] MutexGuard<'a, T> => T, write)`.
macro_rules! guard {
    ([$($generics:tt)*] $guard:ty => $target:ident, read) => {
        guard!(@both [$($generics)*] $guard => $target);

        impl<$($generics)*> $guard {
            /// After a downgrade, and as a guard: a waker that panics then leaves no permit behind.
            fn let_in(this: Self) -> Self {
                this.0.let_in();
                this
            }
        }
    };
    (@both [$($generics:tt)*] $guard:ty => $target:ident) => {
        impl<$($generics)*> Drop for $guard {
            #[inline]
            fn drop(&mut self) {
                self.0.release();
            }
        }

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
        guard!(@both [$($generics)*] $guard => $target);

        impl<$($generics)*> std::ops::DerefMut for $guard {
            #[inline]
            fn deref_mut(&mut self) -> &mut $target {
                self.0.get_mut()
            }
        }
    };
}

/// Gives a guard the ways to one of a part: `maps!([T: ?Sized] OwnedMutexGuard<T>, &mut T => [V: ?Sized, F] &mut V,
/// OwnedMappedMutexGuard[T, V])`. The order of the parameters is Tokio's, for who names them.
macro_rules! maps {
    (
        $(#[$example:meta])*
        [$($generics:tt)*] $guard:ty, $from:ty => [$($params:tt)*] $to:ty, $Mapped:ident[$($args:tt)*]
        $(, by $by:expr)?
    ) => {
        impl<$($generics)*> $guard {
            /// Keeps the lock and leads to a part of what this leads to. Called as a function, so that it hides no method of
            /// the value.
            $(#[$example])*
            pub fn map<$($params)*>(mut this: Self, f: F) -> $Mapped<$($args)*>
            where
                F: FnOnce($from) -> $to,
            {
                $Mapped(this.0.map(f)$(.by($by))?)
            }

            /// [`map`](Self::map) that may decline.
            ///
            /// # Errors
            ///
            /// The guard as it was, when `f` returns `None`.
            pub fn try_map<$($params)*>(mut this: Self, f: F) -> Result<$Mapped<$($args)*>, Self>
            where
                F: FnOnce($from) -> Option<$to>,
            {
                this.0.try_map(f).map(|held| $Mapped(held$(.by($by))?)).ok_or(this)
            }
        }
    };
}

/// Gives a lock the traits of its kind: `lock_traits!(Mutex, try_lock)`.
macro_rules! lock_traits {
    ($Lock:ident, $try_look:ident) => {
        impl<T: Default> Default for $Lock<T> {
            fn default() -> Self {
                Self::new(T::default())
            }
        }

        impl<T> From<T> for $Lock<T> {
            fn from(value: T) -> Self {
                Self::new(value)
            }
        }

        impl<T: ?Sized + std::fmt::Debug> std::fmt::Debug for $Lock<T> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let mut f = f.debug_struct(stringify!($Lock));
                match self.$try_look() {
                    Ok(value) => f.field("data", &&*value),
                    Err(_) => f.field("data", &format_args!("<locked>")),
                };
                f.finish()
            }
        }
    };
}

pub(crate) use {guard, lock_traits, maps};
