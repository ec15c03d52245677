//! Where tasks wait to be run.
//!
//! - [`run_queue`]: a shard's own, touched by its thread only.
//! - [`mailbox`]: how other threads hand pinned tasks to their shard.
//! - [`steal`]: movable tasks, within reach of every shard.

pub(crate) mod mailbox;
pub(crate) mod run_queue;
pub(crate) mod steal;

#[cfg(all(test, loom))]
mod loom_tests;
