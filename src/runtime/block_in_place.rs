//! Blocking inside of a task.
//!
//! A worker's thread that blocks lends its shard to a caretaker, a thread of the blocking pool; the protocol is the engine's
//! (`corelane_shards::shard::lend`). Here: when that is needed. Where the thread drives no shard, in a `block_on` of a runtime whose
//! shards have threads, nobody waits for it and the closure is just called.

use corelane_shards::coop::{self, Budget};
use corelane_shards::shard;

use crate::error;

use super::context::{self, Blocking};
use super::stall;

/// What `task::block_in_place` does.
#[track_caller]
pub(crate) fn block_in_place<R>(f: impl FnOnce() -> R) -> R {
    match context::blocking() {
        Blocking::Allowed => f(),
        Blocking::Forbidden => panic!("{}", error::BLOCK_IN_PLACE),
        Blocking::InPlaceOnly => {
            let _aside = stall::step_aside();
            let _blocking = context::set_blocking(Blocking::Allowed);
            coop::with_budget(Budget::unconstrained(), || shard::lend(f))
        }
    }
}
