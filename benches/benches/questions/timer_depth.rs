//! What does it cost to give one of a million armed timers a later deadline?

pub(super) const ROWS: &[&str] = &["reset_1m"];
