//! What does a task cost that a thread outside of the runtime spawns and joins?

pub(super) const ROWS: &[&str] = &["outside1", "outside1000"];
