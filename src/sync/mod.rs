//! Ways for tasks to wait for each other.
//!
//! All of them rest on one mechanism, the [wait list](wait_list): a first-come, first-served queue whose nodes live inside
//! the futures that wait. What is given back is handed to whoever has waited longest, never put up for whoever is fastest.

mod domain;
mod error;

pub(crate) mod wait_list;

pub(crate) mod batch;
mod semaphore;

pub use error::{AcquireError, SetError, SetOnceError, TryAcquireError, TryLockError};
pub use semaphore::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
