//! A cell that is filled once and can be waited for.
//!
//! The value is written under the [wait list's](super::wait_list) lock, so that one of two who set it at a time wins
//! and nobody enqueues in between; `set` says that it is there, and is all that readers look at.
//! Threads: any.

#![expect(unsafe_code, reason = "reads the value that the flag stands for")]

use std::fmt;
use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::ops::ControlFlow;
use std::panic::UnwindSafe;
use std::pin::pin;
use std::task::Poll;

use corelane_shards::loom::atomic::{AtomicBool, Ordering};
use corelane_shards::loom::cell::UnsafeCell;

use super::domain::Threads;
use super::error::SetOnceError;
use super::wait_list::{Queued, Status, WaitQueue, Waiter};

/// A value that is set once, by anybody, and that others wait for.
///
/// # Examples
///
/// ```
/// # #[corelane::main]
/// # async fn main() {
/// use corelane::sync::SetOnce;
///
/// static ADDRESS: SetOnce<&str> = SetOnce::const_new();
///
/// let server = corelane::spawn(async { ADDRESS.set("127.0.0.1:4040") });
/// assert_eq!(*ADDRESS.wait().await, "127.0.0.1:4040");
/// server.await.unwrap().unwrap();
/// # }
/// ```
pub struct SetOnce<T> {
    set: AtomicBool,
    queue: WaitQueue<Threads, (), ()>,
    /// Holds a value once the flag is set.
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: shared, it gives `&T` to any thread, and takes a `T` from one to drop it in another.
unsafe impl<T: Send + Sync> Sync for SetOnce<T> {}

// A panic leaves it as it was: the value is put in whole, and no foreign code runs in between.
impl<T: UnwindSafe> UnwindSafe for SetOnce<T> {}

// SAFETY: always that field.
unsafe impl<T> Queued for SetOnce<T> {
    type Domain = Threads;
    type State = ();
    type Payload = ();

    fn queue(&self) -> &WaitQueue<Threads, (), ()> {
        &self.queue
    }
}

impl<T> SetOnce<T> {
    /// An empty cell.
    pub fn new() -> Self {
        Self::new_with(None)
    }

    corelane_shards::const_fn! {
        /// An empty cell, made at compile time.
        pub fn const_new() -> Self {
            Self {
                set: AtomicBool::new(false),
                queue: WaitQueue::<Threads, _, _>::new(()),
                value: UnsafeCell::new(MaybeUninit::uninit()),
            }
        }
    }

    /// A cell with this value, or an empty one.
    pub fn new_with(value: Option<T>) -> Self {
        Self {
            set: AtomicBool::new(value.is_some()),
            queue: WaitQueue::<Threads, _, _>::new(()),
            value: UnsafeCell::new(value.map_or_else(MaybeUninit::uninit, MaybeUninit::new)),
        }
    }

    corelane_shards::const_fn! {
        /// A cell with this value, made at compile time.
        pub fn const_new_with(value: T) -> Self {
            Self {
                set: AtomicBool::new(true),
                queue: WaitQueue::<Threads, _, _>::new(()),
                value: UnsafeCell::new(MaybeUninit::new(value)),
            }
        }
    }

    /// Whether there is a value.
    pub fn initialized(&self) -> bool {
        // Acquire: pairs with the Release in `set`.
        self.set.load(Ordering::Acquire)
    }

    /// The value, if there is one.
    pub fn get(&self) -> Option<&T> {
        if !self.initialized() {
            return None;
        }
        // SAFETY: written before the flag was set, and not since.
        Some(self.value.with(|value| unsafe { (*value).assume_init_ref() }))
    }

    /// Fills the cell if it is empty, and wakes all who wait for that.
    ///
    /// # Errors
    ///
    /// When there is a value. The new one comes back.
    pub fn set(&self, value: T) -> Result<(), SetOnceError<T>> {
        if self.initialized() {
            return Err(SetOnceError(value));
        }
        let mut value = Some(value);
        self.queue.wake_all(|()| {
            // Relaxed: set under this lock.
            if self.set.load(Ordering::Relaxed) {
                return;
            }
            if let Some(value) = value.take() {
                // SAFETY: nobody reads before the flag is set, and nobody else writes under the lock.
                self.value.with_mut(|place| unsafe { (*place).write(value) });
                // Release: pairs with the Acquire in `initialized`.
                self.set.store(true, Ordering::Release);
            }
        });
        value.map_or(Ok(()), |value| Err(SetOnceError(value)))
    }

    /// Waits for the value.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropped, it only stops waiting.
    pub async fn wait(&self) -> &T {
        let mut waiter = pin!(Waiter::new(self, ()));
        poll_fn(|cx| {
            if let Some(value) = self.get() {
                return Poll::Ready(value);
            }
            if waiter.status() == Status::Idle {
                waiter.as_mut().enqueue(Some(cx.waker()), |_, _| ControlFlow::Continue::<()>(()));
            } else {
                waiter.as_mut().refresh(Some(cx.waker()));
            }
            // Set before it was in the queue, or a wake will come.
            self.get().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// The value, if there is one.
    pub fn into_inner(self) -> Option<T> {
        if !self.initialized() {
            return None;
        }
        // Relaxed: nobody else has it. It counts as empty from here on.
        self.set.store(false, Ordering::Relaxed);
        // SAFETY: written before the flag was set.
        Some(self.value.with_mut(|value| unsafe { (*value).assume_init_read() }))
    }
}

impl<T> Drop for SetOnce<T> {
    fn drop(&mut self) {
        if self.initialized() {
            // SAFETY: written before the flag was set, and nobody comes after this.
            self.value.with_mut(|value| unsafe { (*value).assume_init_drop() });
        }
    }
}

impl<T> Default for SetOnce<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> From<T> for SetOnce<T> {
    fn from(value: T) -> Self {
        Self::new_with(Some(value))
    }
}

impl<T: Clone> Clone for SetOnce<T> {
    fn clone(&self) -> Self {
        Self::new_with(self.get().cloned())
    }
}

impl<T: PartialEq> PartialEq for SetOnce<T> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for SetOnce<T> {}

impl<T: fmt::Debug> fmt::Debug for SetOnce<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetOnce").field("value", &self.get()).finish()
    }
}
