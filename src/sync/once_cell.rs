//! A cell that is filled once, by a future that one task at a time runs.
//!
//! A [batch semaphore](super::batch) with one permit is all there is besides the value. The permit is the right to fill
//! the cell. Who has filled it keeps the permit and closes the semaphore, so *closed* means *there is a value*: looking
//! is one Acquire load of that word, and all who wait for the permit are told at once.
//! Threads: any.

#![expect(unsafe_code, reason = "reads the value that the closed semaphore stands for")]

use std::fmt;
use std::mem::{self, MaybeUninit};

use corelane_shards::loom::cell::UnsafeCell;

use super::batch::Batch;
use super::domain::Threads;
use super::error::{SetError, TryAcquireError};

/// A value that the first who needs it makes, asynchronously; everybody else waits for it.
///
/// # Examples
///
/// ```
/// # #[corelane::main]
/// # async fn main() {
/// use corelane::sync::OnceCell;
///
/// static LIMIT: OnceCell<usize> = OnceCell::const_new();
///
/// async fn limit() -> usize {
///     *LIMIT.get_or_init(|| async { 40 + 2 }).await
/// }
///
/// assert_eq!((limit().await, limit().await), (42, 42));
/// # }
/// ```
pub struct OnceCell<T> {
    right: Batch<Threads>,
    /// Holds a value when the semaphore is closed.
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: shared, it gives `&T` to any thread, and takes a `T` from one to drop it in another.
unsafe impl<T: Send + Sync> Sync for OnceCell<T> {}

impl<T> OnceCell<T> {
    /// An empty cell.
    pub fn new() -> Self {
        Self { right: Batch::<Threads>::new(1), value: UnsafeCell::new(MaybeUninit::uninit()) }
    }

    corelane_shards::const_fn! {
        /// An empty cell, made at compile time.
        pub fn const_new() -> Self {
            Self { right: Batch::<Threads>::new(1), value: UnsafeCell::new(MaybeUninit::uninit()) }
        }
    }

    /// A cell with this value, or an empty one.
    pub fn new_with(value: Option<T>) -> Self {
        value.map_or_else(Self::new, Self::from)
    }

    corelane_shards::const_fn! {
        /// A cell with this value, made at compile time.
        pub fn const_new_with(value: T) -> Self {
            Self { right: Batch::<Threads>::closed(), value: UnsafeCell::new(MaybeUninit::new(value)) }
        }
    }

    /// Whether there is a value.
    pub fn initialized(&self) -> bool {
        self.right.is_closed()
    }

    /// The value, if there is one.
    pub fn get(&self) -> Option<&T> {
        if !self.initialized() {
            return None;
        }
        // SAFETY: written before the semaphore was closed, and not through a shared reference since.
        Some(self.value.with(|value| unsafe { (*value).assume_init_ref() }))
    }

    /// The value, if there is one, for changing it.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        if !self.initialized() {
            return None;
        }
        // SAFETY: borrowed exclusively, and filled before the semaphore was closed.
        Some(self.value.with_mut(|value| unsafe { (*value).assume_init_mut() }))
    }

    /// Fills the cell if it is empty.
    ///
    /// # Errors
    ///
    /// When there is a value, or somebody is making one in [`get_or_init`](Self::get_or_init). The new value comes back.
    pub fn set(&self, value: T) -> Result<(), SetError<T>> {
        match self.right.try_acquire(1) {
            Ok(()) => {
                Right(self).fill(value);
                Ok(())
            }
            Err(TryAcquireError::Closed) => Err(SetError::AlreadyInitializedError(value)),
            Err(TryAcquireError::NoPermits) => Err(SetError::InitializingError(value)),
        }
    }

    /// The value; if there is none, makes it by `f`, or waits for who is making it.
    ///
    /// When the future of `f` panics or is dropped, the next who waits makes the value instead.
    ///
    /// A future of `f` that waits for the same cell waits for ever.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it makes the value, it drops the future of `f`, and somebody else starts from the beginning.
    pub async fn get_or_init<F, Fut>(&self, f: F) -> &T
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = T>,
    {
        enum Never {}
        // Asked here, so that the usual answer needs no inner future.
        if let Some(value) = self.get() {
            return value;
        }
        match self.get_or_try_init(|| async { Ok::<T, Never>(f().await) }).await {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }

    /// The value; if there is none, makes it by `f`, which may fail, or waits for who is making it.
    ///
    /// # Cancel safety
    ///
    /// As with [`get_or_init`](Self::get_or_init).
    ///
    /// # Errors
    ///
    /// What `f` failed with. The cell stays empty, and the next who waits tries.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[corelane::main]
    /// # async fn main() {
    /// use corelane::sync::OnceCell;
    ///
    /// let cell = OnceCell::new();
    /// assert_eq!(cell.get_or_try_init(|| async { Err::<u8, _>("down") }).await, Err("down"));
    /// assert_eq!(cell.get_or_try_init(|| async { Ok::<u8, &str>(7) }).await, Ok(&7));
    /// # }
    /// ```
    pub async fn get_or_try_init<E, F, Fut>(&self, f: F) -> Result<&T, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        if self.get().is_none() && self.right.acquire(1).await.is_ok() {
            let right = Right(self);
            right.fill(f().await?);
        }
        Ok(self.get().expect("who closed the semaphore has filled the cell"))
    }

    /// The value, if there is one.
    pub fn into_inner(mut self) -> Option<T> {
        self.take()
    }

    /// Takes the value out and leaves an empty cell.
    pub fn take(&mut self) -> Option<T> {
        if !self.initialized() {
            return None;
        }
        self.right = Batch::<Threads>::new(1);
        // SAFETY: it was filled, and counts as empty from here on.
        Some(self.value.with_mut(|value| unsafe { (*value).assume_init_read() }))
    }
}

impl<T> Drop for OnceCell<T> {
    fn drop(&mut self) {
        if self.initialized() {
            // SAFETY: filled, and nobody comes after this.
            self.value.with_mut(|value| unsafe { (*value).assume_init_drop() });
        }
    }
}

/// The permit. Dropped, it goes to the next.
struct Right<'a, T>(&'a OnceCell<T>);

impl<T> Right<'_, T> {
    fn fill(self, value: T) {
        // SAFETY: who has the permit is alone, and readers come when the semaphore is closed.
        self.0.value.with_mut(|place| unsafe { (*place).write(value) });
        self.0.right.close();
        mem::forget(self);
    }
}

impl<T> Drop for Right<'_, T> {
    fn drop(&mut self) {
        self.0.right.release(1);
    }
}

impl<T> Default for OnceCell<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> From<T> for OnceCell<T> {
    fn from(value: T) -> Self {
        Self { right: Batch::<Threads>::closed(), value: UnsafeCell::new(MaybeUninit::new(value)) }
    }
}

impl<T: Clone> Clone for OnceCell<T> {
    fn clone(&self) -> Self {
        Self::new_with(self.get().cloned())
    }
}

impl<T: PartialEq> PartialEq for OnceCell<T> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for OnceCell<T> {}

impl<T: fmt::Debug> fmt::Debug for OnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnceCell").field("value", &self.get()).finish()
    }
}
