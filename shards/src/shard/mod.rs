//! A shard: its own scheduler and reactor, as a value. [`Shard::turn`] is its verb.
//!
//! The engine owns no thread: a worker thread, a `block_on`, a simulation drive a shard by calling `turn`, and `park`
//! when a turn says that nothing is left to do. While a thread is inside one of these it is the shard's owner, and what tasks
//! do there reaches the owner half directly; see [`crate::context`].
//!
//! - [`local`]: the owner half, reached from inside polls.
//! - `turn`: one turn, in order.
//! - [`schedule`]: a wake, a spawn or an abort finds its way to the owner or into the mailbox.
//! - [`ShardBuilder`]: what there is of a shard before its thread runs.
//! - [`Guest`]: a shard that is polled as a future is, inside whatever thread polls it.
//! - `lend`: what goes on while a task blocks the shard's thread, and `care` who sees to it.
//! - `shutdown`: closing order, and why no task is left behind.

mod builder;
mod care;
mod guest;
pub(crate) mod lend;
mod local;
mod placement;
mod rest;
pub(crate) mod schedule;
mod shutdown;
mod spawn;
mod turn;

#[cfg(all(test, loom))]
mod loom_tests;

pub use builder::ShardBuilder;
pub use care::take_care;
pub use guest::Guest;
pub use local::{Local, current, home, queue_depth};
pub use schedule::{cared_for, lend};
pub use spawn::{
    spawn, spawn_as, spawn_at, spawn_at_as, spawn_local, spawn_local_as, spawn_local_if_trusted, spawn_to,
};
pub use turn::{Driver, Shard, Turn};
