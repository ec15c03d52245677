//! What does it cost to run an empty closure on the blocking pool and to get its answer?

pub(super) const ROWS: &[&str] = &["spawn_blocking"];
