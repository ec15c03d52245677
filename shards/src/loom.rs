//! The only door to atomics, cells, locks, threads, their locals and the queue that many share.
//!
//! A normal build gets the standard library's types. A build with `--cfg loom` gets loom's, so that the
//! protocols written against this module are the ones that are model-checked. The runtime's other crates use
//! this door too.
//!
//! Not here: counters that no protocol depends on, such as process-wide ids. They live in `static`s, which
//! loom's types cannot, and take the standard library's atomics directly.

#![cfg_attr(loom, expect(unsafe_code, reason = "the models' queue is of boxes in atomic pointers"))]

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

    pub(crate) use crossbeam_queue::SegQueue;
    pub use std::sync::{Arc, Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard};
    pub(crate) use std::thread_local;
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
    use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

    /// See the other build's: loom knows the single order of SeqCst for fences only.
    pub fn seq_cst() {
        loom::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
    }

    pub use loom::sync::{Arc, Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard};
    pub use loom::{hint, thread};

    /// The standard macro's form for one local, which loom's does not know.
    macro_rules! model_thread_local {
        (static $name:ident: $type:ty = const $init:block;) => {
            ::loom::thread_local! { static $name: $type = $init; }
        };
    }
    pub(crate) use model_thread_local as thread_local;

    /// Stands in for crossbeam's queue, whose atomics loom does not see: what is pushed is published to who pops it, and nothing else
    /// is promised, neither an order nor the fences that crossbeam happens to have.
    pub(crate) struct SegQueue<T>([atomic::AtomicPtr<T>; 2]);

    // SAFETY: each value is handed from one thread to one other.
    unsafe impl<T: Send> Sync for SegQueue<T> {}

    impl<T> SegQueue<T> {
        pub fn new() -> Self {
            Self(std::array::from_fn(|_| atomic::AtomicPtr::new(std::ptr::null_mut())))
        }

        pub fn push(&self, value: T) {
            let value = Box::into_raw(Box::new(value));
            let put = |slot: &atomic::AtomicPtr<T>| {
                slot.compare_exchange(std::ptr::null_mut(), value, AcqRel, Relaxed).is_ok()
            };
            assert!(self.0.iter().any(put), "a model queues no more than this");
        }

        pub fn pop(&self) -> Option<T> {
            let taken = |slot: &atomic::AtomicPtr<T>| {
                let full = !slot.load(Relaxed).is_null();
                std::ptr::NonNull::new(if full {
                    slot.swap(std::ptr::null_mut(), AcqRel)
                } else {
                    std::ptr::null_mut()
                })
            };
            // SAFETY: what was pushed came from a box, and the swap makes it ours alone.
            self.0.iter().find_map(taken).map(|value| *unsafe { Box::from_raw(value.as_ptr()) })
        }

        pub fn len(&self) -> usize {
            self.0.iter().filter(|slot| !slot.load(Acquire).is_null()).count()
        }

        pub fn is_empty(&self) -> bool {
            self.len() == 0
        }
    }

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
