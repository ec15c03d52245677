//! What does a closure on the blocking pool cost when four threads ask at once?

pub(super) const ROWS: &[&str] = &["outside_blocking"];
