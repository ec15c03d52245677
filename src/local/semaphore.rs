//! [`sync::Semaphore`](crate::sync::Semaphore) for one shard.

use crate::sync::batch::{self, Batch};
use crate::sync::domain::OneShard;
use crate::sync::semaphore::semaphore;
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
    /// A semaphore with so many permits.
    ///
    /// # Panics
    ///
    /// With more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    #[track_caller]
    pub const fn new(permits: usize) -> Self {
        Self { batch: Batch::<OneShard>::new(permits) }
    }
}

semaphore!("local");
