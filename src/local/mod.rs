//! Ways for tasks of one shard to wait for each other: no atomics, no locks.
//!
//! - [`mpsc`], [`oneshot`], [`watch`]: channels for many values, for one, for the latest.
//! - [`Mutex`], [`RwLock`], [`Semaphore`], [`Notify`]: what may be held, and waited for, across an `await`.
//!
//! The same code as [`sync`](crate::sync), over plain cells. What is made here stays on its thread, and the compiler sees
//! to that. It is for tasks spawned with `spawn_local`, `spawn_on` and in a sharded service; a waker may still be used from anywhere.
//!
//! The coop budget is counted as in `sync`.

pub mod mpsc;
mod mutex;
mod notify;
pub mod oneshot;
mod rwlock;
mod semaphore;
pub mod watch;

pub use mutex::{Mutex, MutexGuard};
pub use notify::{Notified, Notify};
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use semaphore::{Semaphore, SemaphorePermit};
