//! What does a task cost in a `JoinSet` of a thousand?

pub(super) const ROWS: &[&str] = &["join_set"];
