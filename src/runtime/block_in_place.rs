//! Blocking inside of a task.

use crate::error;

use super::context::{self, Blocking};

/// What `task::block_in_place` does.
#[track_caller]
pub(crate) fn block_in_place<R>(f: impl FnOnce() -> R) -> R {
    match context::blocking() {
        Blocking::Allowed => f(),
        Blocking::Forbidden => panic!("{}", error::BLOCK_IN_PLACE),
        Blocking::InPlaceOnly => {
            let _blocking = context::set_blocking(Blocking::Allowed);
            corelane_shards::shard::hand_over();
            corelane_shards::coop::with_budget(corelane_shards::coop::Budget::unconstrained(), f)
        }
    }
}
