//! Tasks: spawning, joining, aborting, yielding.
//!
//! - [`spawn()`], [`spawn_local`], [`spawn_blocking`], [`block_in_place`]: from a future or a closure to a task.
//! - [`JoinHandle`], [`AbortHandle`], [`JoinSet`]: waiting for tasks and ending them.
//! - [`LocalSet`]: tasks that need not be `Send`, on threads that are no shards.
//! - [`LocalKey`] and [`task_local!`](crate::task_local): values that travel with a task.
//! - [`coop`]: how a task that always finds something to do is made to give way.

mod blocking;
mod builder;
pub mod coop;
pub mod join_set;
mod local_key;
mod local_set;
mod spawn;
mod yield_now;

pub use blocking::{block_in_place, spawn_blocking};
pub use builder::Builder;
#[doc(hidden)]
pub use coop::Unconstrained;
pub use coop::{consume_budget, unconstrained};
pub use corelane_shards::task::{AbortHandle, Id, JoinError, JoinHandle};
#[doc(inline)]
pub use join_set::JoinSet;
pub use local_key::{AccessError, LocalKey};
pub use local_set::{LocalEnterGuard, LocalSet};
pub use spawn::{id, spawn, spawn_local, try_id};
pub use yield_now::yield_now;

/// Futures with names of their own.
pub mod futures {
    pub use super::local_key::TaskLocalFuture;
}
