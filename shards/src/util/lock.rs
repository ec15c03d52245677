//! A lock for critical sections of a few nanoseconds.
//!
//! Here: one flag and the value it guards. Taking it uncontended is one compare-exchange and giving it back is
//! one store, where the standard mutex needs a read-modify-write for both.
//! Not here: waiters that are woken. Who meets a held lock looks for some microseconds and then sleeps between looks ([`Wait`]), so
//! a holder that lost its CPU gets it back. Nothing that can block or run foreign code belongs inside.
//! Threads: any.
//!
//! Giving the lock back touches its memory once and for the last time: a thread that takes the lock afterwards
//! may free it.

#![expect(unsafe_code, reason = "the flag turns a shared reference into an exclusive one")]

#[cfg(all(test, loom))]
mod loom_tests;

use crate::loom::atomic::{AtomicBool, Ordering};
use crate::loom::cell::UnsafeCell;
use crate::loom::{hint, thread};

/// log2 of the most pauses between two looks: together about as long as a few critical sections.
const LONGEST: u32 = 6;

/// Waits before the first nap: some 10 µs, many times a critical section, since a holder that takes longer has been preempted.
const NAPS_AFTER: u32 = 20;

/// About as long as the kernel lets a thread sleep at least.
#[cfg(not(loom))]
const NAP: std::time::Duration = std::time::Duration::from_micros(50);

/// A value that one thread at a time may touch.
#[derive(Debug)]
pub struct Lock<T> {
    held: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: `with` hands the value to one thread at a time, and `T: Send` lets it be a different one each time.
unsafe impl<T: Send> Sync for Lock<T> {}

impl<T> Lock<T> {
    crate::const_fn! {
        /// Wraps a value.
        pub fn new(value: T) -> Self {
            Self { held: AtomicBool::new(false), value: UnsafeCell::new(value) }
        }
    }

    /// Runs the closure on the value while no other thread may.
    ///
    /// Not reentrant: a closure that takes the same lock waits for ever.
    #[inline]
    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        if !self.try_acquire() {
            self.acquire_contended();
        }
        let _release = Release(&self.held);
        self.value.with_mut(|value| {
            // SAFETY: the flag is ours until `_release` drops, and everyone else's access is behind it.
            f(unsafe { &mut *value })
        })
    }

    /// Sees all that was done with the lock before, without taking it: for who has learned by other means that something was.
    #[inline(always)]
    pub fn acquire_past(&self) {
        // Acquire: pairs with the Release in `Release::drop`. A holder's own step on the flag does not hide that one.
        let _ = self.held.load(Ordering::Acquire);
    }

    #[inline]
    fn try_acquire(&self) -> bool {
        // Acquire: pairs with the Release in `Release::drop`.
        self.held.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    #[cold]
    #[inline(never)]
    fn acquire_contended(&self) {
        let mut wait = Wait::new();
        loop {
            // Relaxed: only a hint that trying is worth taking the cache line from the holder.
            while self.held.load(Ordering::Relaxed) {
                wait.wait();
            }
            if self.try_acquire() {
                return;
            }
        }
    }
}

/// The wait for another thread that is in the middle of something short.
///
/// It does not yield. Whoever computes on this CPU takes it up for a slice, which is milliseconds, and to a thread of lower priority,
/// which may be the very one that is waited for, a real-time thread yields nothing at all.
#[derive(Debug)]
pub struct Wait {
    waits: u32,
}

impl Wait {
    /// It has not waited yet.
    #[expect(clippy::new_without_default, reason = "there is nothing to leave out")]
    pub const fn new() -> Self {
        Self { waits: 0 }
    }

    /// Waits a little between two looks, longer each time.
    pub fn wait(&mut self) {
        if self.waits == NAPS_AFTER {
            return nap();
        }
        // Looks take the line away from who is about to write it.
        for _ in 0..if cfg!(loom) { 1 } else { 1 << self.waits.min(LONGEST) } {
            hint::spin_loop();
        }
        self.waits += 1;
    }
}

#[cfg(not(loom))]
#[cold]
fn nap() {
    thread::sleep(NAP);
}

/// No time passes in a model.
#[cfg(loom)]
fn nap() {
    thread::yield_now();
}

/// Gives the lock back, also when the closure panics.
struct Release<'a>(&'a AtomicBool);

impl Drop for Release<'_> {
    #[inline]
    fn drop(&mut self) {
        // Release: pairs with the Acquire in `try_acquire`.
        self.0.store(false, Ordering::Release);
    }
}
