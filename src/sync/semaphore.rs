//! Permits, for a limit on how many do something at a time.
//!
//! Here: the public type and its permits; as macros, what they share with `local`'s.
//! Not here: how permits are handed out ([`batch`](super::batch)).
//! Threads: any. `blocking_*` parks the calling thread and is the one thing that is taken from `runtime`.

use std::sync::Arc;

use super::batch::{self, Batch};
use super::domain::Threads;
use super::error::{AcquireError, TryAcquireError};
use crate::runtime::block_thread_on;

/// What the semaphores of `sync` and `local` have in common, for `semaphore!("sync")`.
macro_rules! semaphore {
    ($module:literal) => {
        impl Semaphore {
            /// The most permits that there may be: `usize::MAX >> 3`.
            pub const MAX_PERMITS: usize = batch::MAX_PERMITS;

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

            /// Refuses everybody from now on, those who wait included. Permits that are out stay out.
            ///
            /// # Examples
            ///
            /// ```
            /// # #[corelane::main]
            /// # async fn main() {
            #[doc = concat!("use corelane::", $module, "::Semaphore;")]
            ///
            /// let semaphore = Semaphore::new(1);
            /// semaphore.close();
            /// assert!(semaphore.acquire().await.is_err());
            /// # }
            /// ```
            pub fn close(&self) {
                self.batch.close();
            }

            /// Whether [`close`](Self::close) was called.
            pub fn is_closed(&self) -> bool {
                self.batch.is_closed()
            }
        }

        impl std::fmt::Debug for Semaphore {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.batch.fmt(f)
            }
        }

        $crate::sync::semaphore::permit!(['a] SemaphorePermit<'a>, Semaphore, $module);
    };
}

/// What a permit can do, by whatever it holds its semaphore: `permit!([] OwnedSemaphorePermit, Arc<Semaphore>, "sync")`.
macro_rules! permit {
    ([$($life:lifetime)?] $Permit:ident$(<$arg:lifetime>)?, $semaphore:ty, $module:literal) => {
        impl$(<$life>)? $Permit$(<$arg>)? {
            /// Drops the permits without giving them back: the semaphore has fewer from now on.
            pub fn forget(mut self) {
                self.permits = 0;
            }

            /// Makes one of two.
            ///
            /// # Panics
            ///
            /// When they are not of the same semaphore.
            #[track_caller]
            pub fn merge(&mut self, mut other: Self) {
                assert!(
                    std::ptr::eq::<Semaphore>(&*self.semaphore, &*other.semaphore),
                    "merging permits from different semaphore instances"
                );
                self.permits += std::mem::take(&mut other.permits);
            }

            /// Takes `n` permits out into another one, unless there are fewer.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = concat!("use corelane::", $module, "::Semaphore;")]
            ///
            /// let semaphore = Semaphore::new(3);
            /// let mut all = semaphore.try_acquire_many(3).unwrap();
            /// let two = all.split(2).unwrap();
            /// drop(two);
            /// assert_eq!((all.num_permits(), semaphore.available_permits()), (1, 2));
            /// ```
            pub fn split(&mut self, n: usize) -> Option<Self> {
                self.permits = self.permits.checked_sub(n)?;
                Some(Self { semaphore: self.semaphore.clone(), permits: n })
            }

            /// How many permits this holds.
            pub fn num_permits(&self) -> usize {
                self.permits
            }

            /// Whose they are.
            pub fn semaphore(&self) -> &$semaphore {
                &self.semaphore
            }
        }

        impl$(<$life>)? std::fmt::Debug for $Permit$(<$arg>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($Permit)).field("permits", &self.permits).finish_non_exhaustive()
            }
        }

        impl$(<$life>)? Drop for $Permit$(<$arg>)? {
            #[inline]
            fn drop(&mut self) {
                self.semaphore.add_permits(self.permits);
            }
        }
    };
}

pub(crate) use {permit, semaphore};

semaphore!("sync");
permit!([] OwnedSemaphorePermit, Arc<Semaphore>, "sync");

/// A number of permits that tasks take, hold and give back.
///
/// First come, first served: who asks for many permits is not overtaken by others who ask for few, and permits that come
/// back go to those who wait without being put up for grabs in between. Permits may be added and forgotten, so their number
/// is not fixed. Closed, the semaphore refuses everybody.
///
/// # Examples
///
/// At most two downloads at a time:
///
/// ```
/// # #[corelane::main]
/// # async fn main() {
/// use corelane::sync::Semaphore;
/// use std::sync::Arc;
///
/// let limit = Arc::new(Semaphore::new(2));
/// let downloads: Vec<_> = (0..8)
///     .map(|_| {
///         let limit = limit.clone();
///         corelane::spawn(async move {
///             let _permit = limit.acquire().await.expect("never closed");
///             // … download …
///         })
///     })
///     .collect();
/// for download in downloads {
///     download.await.unwrap();
/// }
/// assert_eq!(limit.available_permits(), 2);
/// # }
/// ```
pub struct Semaphore {
    batch: Batch<Threads>,
}

/// Permits of a [`Semaphore`], given back when this drops.
#[must_use = "the permits go back when this drops"]
pub struct SemaphorePermit<'a> {
    semaphore: &'a Semaphore,
    permits: usize,
}

/// Permits of a [`Semaphore`] that this keeps alive, given back when this drops.
#[must_use = "the permits go back when this drops"]
pub struct OwnedSemaphorePermit {
    semaphore: Arc<Semaphore>,
    permits: usize,
}

impl Semaphore {
    /// A semaphore with so many permits.
    ///
    /// # Panics
    ///
    /// With more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    #[track_caller]
    pub fn new(permits: usize) -> Self {
        if permits > Self::MAX_PERMITS {
            panic!("a semaphore may not have more than MAX_PERMITS permits ({})", Self::MAX_PERMITS);
        }
        Self { batch: Batch::<Threads>::new(permits) }
    }

    corelane_shards::const_fn! {
        /// A semaphore with so many permits, made at compile time.
        ///
        /// # Panics
        ///
        /// With more than [`MAX_PERMITS`](Self::MAX_PERMITS).
        #[track_caller]
        pub fn const_new(permits: usize) -> Self {
            Self { batch: Batch::<Threads>::new(permits) }
        }
    }

    /// [`acquire`](Self::acquire) with a permit that keeps the semaphore alive and may go where a borrow can't.
    ///
    /// # Cancel safety
    ///
    /// As with [`acquire`](Self::acquire).
    ///
    /// # Errors
    ///
    /// When the semaphore is or gets closed.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[corelane::main]
    /// # async fn main() {
    /// use corelane::sync::Semaphore;
    /// use std::sync::Arc;
    ///
    /// let semaphore = Arc::new(Semaphore::new(1));
    /// let permit = semaphore.clone().acquire_owned().await.unwrap();
    /// let task = corelane::spawn(async move { drop(permit) });
    /// let _next = semaphore.acquire().await.unwrap();
    /// task.await.unwrap();
    /// # }
    /// ```
    pub async fn acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.batch.acquire(1).await?;
        Ok(OwnedSemaphorePermit { semaphore: self, permits: 1 })
    }

    /// [`acquire_many`](Self::acquire_many) with a permit that keeps the semaphore alive.
    ///
    /// # Cancel safety
    ///
    /// As with [`acquire`](Self::acquire).
    ///
    /// # Errors
    ///
    /// When the semaphore is or gets closed.
    pub async fn acquire_many_owned(self: Arc<Self>, n: u32) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.batch.acquire(n as usize).await?;
        Ok(OwnedSemaphorePermit { semaphore: self, permits: n as usize })
    }

    /// [`try_acquire`](Self::try_acquire) with a permit that keeps the semaphore alive.
    ///
    /// # Errors
    ///
    /// [`NoPermits`](TryAcquireError::NoPermits) and [`Closed`](TryAcquireError::Closed).
    pub fn try_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.try_acquire_many_owned(1)
    }

    /// [`try_acquire_many`](Self::try_acquire_many) with a permit that keeps the semaphore alive.
    ///
    /// # Errors
    ///
    /// [`NoPermits`](TryAcquireError::NoPermits) and [`Closed`](TryAcquireError::Closed).
    pub fn try_acquire_many_owned(self: Arc<Self>, n: u32) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.batch.try_acquire(n as usize)?;
        Ok(OwnedSemaphorePermit { semaphore: self, permits: n as usize })
    }

    /// [`acquire`](Self::acquire) for code that is not async: blocks the thread.
    ///
    /// # Panics
    ///
    /// On a thread that drives tasks.
    ///
    /// # Errors
    ///
    /// When the semaphore is or gets closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use corelane::sync::Semaphore;
    /// use std::sync::Arc;
    ///
    /// let semaphore = Arc::new(Semaphore::new(0));
    /// let other = std::thread::spawn({
    ///     let semaphore = semaphore.clone();
    ///     move || drop(semaphore.blocking_acquire().unwrap())
    /// });
    /// semaphore.add_permits(1);
    /// other.join().unwrap();
    /// ```
    #[track_caller]
    pub fn blocking_acquire(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.blocking_acquire_many(1)
    }

    /// [`acquire_many`](Self::acquire_many) for code that is not async: blocks the thread.
    ///
    /// # Panics
    ///
    /// On a thread that drives tasks.
    ///
    /// # Errors
    ///
    /// When the semaphore is or gets closed.
    #[track_caller]
    pub fn blocking_acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, AcquireError> {
        block_thread_on(self.acquire_many(n))
    }

    /// [`acquire_owned`](Self::acquire_owned) for code that is not async: blocks the thread.
    ///
    /// # Panics
    ///
    /// On a thread that drives tasks.
    ///
    /// # Errors
    ///
    /// When the semaphore is or gets closed.
    #[track_caller]
    pub fn blocking_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.blocking_acquire_many_owned(1)
    }

    /// [`acquire_many_owned`](Self::acquire_many_owned) for code that is not async: blocks the thread.
    ///
    /// # Panics
    ///
    /// On a thread that drives tasks.
    ///
    /// # Errors
    ///
    /// When the semaphore is or gets closed.
    #[track_caller]
    pub fn blocking_acquire_many_owned(
        self: Arc<Self>,
        n: u32,
    ) -> Result<OwnedSemaphorePermit, AcquireError> {
        block_thread_on(self.acquire_many_owned(n))
    }
}
