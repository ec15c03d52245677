//! [`sync::Semaphore`](crate::sync::Semaphore) for one shard.

use std::fmt;

use crate::sync::batch::{self, Batch};
use crate::sync::domain::OneShard;
use crate::sync::{AcquireError, TryAcquireError};

/// A number of permits that tasks of this shard take, hold and give back; see [`sync::Semaphore`](crate::sync::Semaphore).
///
/// # Examples
///
/// ```
/// # #[corelane::main]
/// # async fn main() {
/// use corelane::local::Semaphore;
///
/// let limit = Semaphore::new(2);
/// let permit = limit.acquire().await.unwrap();
/// assert_eq!(limit.available_permits(), 1);
/// drop(permit);
/// # }
/// ```
pub struct Semaphore {
    batch: Batch<OneShard>,
}

/// Permits of a [`Semaphore`], given back when this drops.
#[must_use = "the permits go back when this drops"]
pub struct SemaphorePermit<'a> {
    semaphore: &'a Semaphore,
    permits: usize,
}

impl Semaphore {
    /// The most permits that there may be: `usize::MAX >> 3`.
    pub const MAX_PERMITS: usize = batch::MAX_PERMITS;

    /// A semaphore with so many permits.
    ///
    /// # Panics
    ///
    /// With more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    #[track_caller]
    pub const fn new(permits: usize) -> Self {
        Self { batch: Batch::<OneShard>::new(permits) }
    }

    /// How many permits could be taken now.
    pub fn available_permits(&self) -> usize {
        self.batch.available()
    }

    /// Adds permits, first of all for those who wait.
    ///
    /// # Panics
    ///
    /// When there would be more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    #[track_caller]
    pub fn add_permits(&self, n: usize) {
        if n > 0 {
            self.batch.release(n);
        }
    }

    /// Takes up to `n` permits away for good and says how many there were to take.
    pub fn forget_permits(&self, n: usize) -> usize {
        self.batch.forget(n)
    }

    /// Waits for a permit.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped leaves its place in the queue; nothing else is lost.
    ///
    /// # Errors
    ///
    /// When the semaphore is or gets closed.
    pub async fn acquire(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.batch.acquire(1).await?;
        Ok(SemaphorePermit { semaphore: self, permits: 1 })
    }

    /// Waits for so many permits, which are handed over all at once.
    ///
    /// # Cancel safety
    ///
    /// As with [`acquire`](Self::acquire).
    ///
    /// # Errors
    ///
    /// When the semaphore is or gets closed.
    pub async fn acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.batch.acquire(n as usize).await?;
        Ok(SemaphorePermit { semaphore: self, permits: n as usize })
    }

    /// Takes a permit if there is one.
    ///
    /// # Errors
    ///
    /// [`NoPermits`](TryAcquireError::NoPermits) and [`Closed`](TryAcquireError::Closed).
    pub fn try_acquire(&self) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// Takes so many permits if they are there.
    ///
    /// # Errors
    ///
    /// [`NoPermits`](TryAcquireError::NoPermits) and [`Closed`](TryAcquireError::Closed).
    pub fn try_acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.batch.try_acquire(n as usize)?;
        Ok(SemaphorePermit { semaphore: self, permits: n as usize })
    }

    /// Refuses everybody from now on, those who wait included.
    pub fn close(&self) {
        self.batch.close();
    }

    /// Whether [`close`](Self::close) was called.
    pub fn is_closed(&self) -> bool {
        self.batch.is_closed()
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.batch.fmt(f)
    }
}

impl SemaphorePermit<'_> {
    /// Drops the permits without giving them back: the semaphore has fewer from now on.
    pub fn forget(mut self) {
        self.permits = 0;
    }

    /// How many permits this holds.
    pub fn num_permits(&self) -> usize {
        self.permits
    }
}

impl fmt::Debug for SemaphorePermit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SemaphorePermit").field("permits", &self.permits).finish_non_exhaustive()
    }
}

impl Drop for SemaphorePermit<'_> {
    #[inline]
    fn drop(&mut self) {
        self.semaphore.add_permits(self.permits);
    }
}
