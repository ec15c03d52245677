//! The cooperative budget, from the engine.

pub(crate) use corelane_shards::coop::{Proceed, poll_proceed};
