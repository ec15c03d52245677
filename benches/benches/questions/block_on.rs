//! What does it cost to enter the runtime for a future that is ready?

pub(super) const ROWS: &[&str] = &["block_on"];
