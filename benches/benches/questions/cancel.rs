//! What does a task cost that another thread spawns and cancels?

pub(super) const ROWS: &[&str] = &["outside_abort"];
