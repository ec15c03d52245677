//! What does a `select!` over four channels cost?

pub(super) const ROWS: &[&str] = &["select4"];
