//! What does it cost to enter the runtime for a future that is ready, and to have a runtime?

pub(super) const ROWS: &[&str] = &["block_on", "build"];
