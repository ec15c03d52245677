//! What does a value cost that one task sends to each shard in turn?

pub(super) const ROWS: &[&str] = &["one_to_all"];
