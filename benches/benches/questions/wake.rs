//! What does it cost a task to wake itself, alone and among a thousand?

pub(super) const ROWS: &[&str] = &["wake1", "wake1000"];
