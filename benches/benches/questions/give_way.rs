//! What does giving way cost, alone and among a thousand?

pub(super) const ROWS: &[&str] = &["yield1", "yield1000"];
