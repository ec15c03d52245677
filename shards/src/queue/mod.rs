//! Where tasks wait to be run.
//!
//! - `run_queue`: a shard's own, touched by its thread only.
//! - [`mailbox`]: how other threads hand pinned tasks to their shard.
//! - [`steal`]: movable tasks, within reach of every shard.

pub(crate) mod mailbox;
pub(crate) mod steal;

#[cfg(all(test, loom))]
mod loom_tests;

use std::collections::VecDeque;

use crate::task::RawTask;

/// A shard's own run queue: first in, first out. The standard ring of pointers; an intrusive list would touch the
/// cold tail task at each push.
pub(crate) type RunQueue = VecDeque<RawTask>;
