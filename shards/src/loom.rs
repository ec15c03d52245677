//! The only door to atomics, cells, locks and threads.
//!
//! A normal build gets the standard library's types. A build with `--cfg loom` gets loom's, so that the
//! protocols written against this module are the ones that are model-checked. The runtime's other crates use
//! this door too.
//!
//! Not here: counters that no protocol depends on, such as process-wide ids. They live in `static`s, which
//! loom's types cannot, and take the standard library's atomics directly.

/// Defines a function that is `const`, except in loom's builds: their types can't be made at compile time.
#[macro_export]
macro_rules! const_fn {
    ($(#[$meta:meta])* $vis:vis fn $($rest:tt)*) => {
        #[cfg(not(loom))]
        $(#[$meta])* $vis const fn $($rest)*
        #[cfg(loom)]
        $(#[$meta])* $vis fn $($rest)*
    };
}

#[cfg(not(loom))]
mod real {
    /// Stands before a SeqCst load that a protocol needs in the single order of SeqCst accesses. loom takes such
    /// accesses as AcqRel and knows that order for fences only, so its builds put one here. Others have nothing to add.
    #[inline(always)]
    pub fn seq_cst() {}

    pub use std::sync::{Arc, Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard};
    pub use std::{hint, thread};

    /// Atomic types.
    pub mod atomic {
        pub use std::sync::atomic::*;
    }

    /// Cells that are written through shared references.
    pub mod cell {
        /// The standard `UnsafeCell` with loom's closure interface, so that loom can see every access.
        #[derive(Debug, Default)]
        #[repr(transparent)]
        pub struct UnsafeCell<T: ?Sized>(std::cell::UnsafeCell<T>);

        impl<T> UnsafeCell<T> {
            /// Wraps a value.
            pub const fn new(value: T) -> Self {
                Self(std::cell::UnsafeCell::new(value))
            }

            /// Unwraps the value.
            pub fn into_inner(self) -> T {
                self.0.into_inner()
            }
        }

        impl<T: ?Sized> UnsafeCell<T> {
            /// Hands the closure a pointer for reading.
            #[inline(always)]
            pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
                f(self.0.get())
            }

            /// Hands the closure a pointer for writing.
            #[inline(always)]
            pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
                f(self.0.get())
            }
        }
    }
}

#[cfg(loom)]
mod model {
    /// See the other build's: loom knows the single order of SeqCst for fences only.
    pub fn seq_cst() {
        loom::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
    }

    pub use loom::sync::{Arc, Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard};
    pub use loom::{hint, thread};

    /// Atomic types.
    pub mod atomic {
        pub use loom::sync::atomic::*;
    }

    /// Cells that are written through shared references.
    pub mod cell {
        pub use loom::cell::UnsafeCell;
    }
}

#[cfg(loom)]
pub use model::*;
#[cfg(not(loom))]
pub use real::*;
