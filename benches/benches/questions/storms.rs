//! What does it cost to wake a thousand tasks at once?

pub(super) const ROWS: &[&str] = &["storm_notify", "storm_broadcast"];
