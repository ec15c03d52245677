//! What does a task cost from spawn to join: alone, with one yield, and a thousand at a time?

pub(super) const ROWS: &[&str] = &["spawn1", "spawn1y", "spawn1000"];
