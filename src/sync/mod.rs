//! Ways for tasks to wait for each other.
//!
//! - [`mpsc`], [`oneshot`], [`broadcast`], [`watch`]: channels for many values, for one, for every receiver, for the latest.
//! - [`Mutex`], [`RwLock`], [`Semaphore`]: locks that may be held across an `await`. For one that never is, take the
//!   standard library's.
//! - [`Notify`], [`Barrier`], [`OnceCell`], [`SetOnce`]: that something happened, that all have come, that a value is there.
//!
//! For the tasks of one shard [`local`](crate::local) has most of them without atomics.
//!
//! All but [`oneshot`] rest on one mechanism, the [wait list](wait_list): a first-come, first-served queue whose nodes live inside
//! the futures that wait. What is given back is handed to whoever has waited longest, never put up for whoever is fastest.

pub(crate) mod domain;
mod error;

#[cfg(all(test, loom))]
mod loom_tests;

pub(crate) mod wait_list;

pub mod broadcast;
pub(crate) mod kind;
pub mod mpsc;
pub mod oneshot;
pub mod watch;

#[cfg(all(test, loom))]
pub(crate) mod loom_support;

pub(crate) mod batch;
pub(crate) mod guard;

mod barrier;
mod mutex;
pub(crate) mod notify;
mod once_cell;
pub(crate) mod rwlock;
pub(crate) mod semaphore;
mod set_once;

/// Futures that have a name.
pub mod futures {
    pub use super::notify::{Notified, OwnedNotified};
}

pub use barrier::{Barrier, BarrierWaitResult};
pub use error::{AcquireError, SetError, SetOnceError, TryAcquireError, TryLockError};
pub use mutex::{MappedMutexGuard, Mutex, MutexGuard, OwnedMappedMutexGuard, OwnedMutexGuard};
pub use notify::Notify;
pub use once_cell::OnceCell;
pub use rwlock::{
    OwnedRwLockMappedWriteGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock, RwLockMappedWriteGuard,
    RwLockReadGuard, RwLockWriteGuard,
};
pub use semaphore::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
pub use set_once::SetOnce;
