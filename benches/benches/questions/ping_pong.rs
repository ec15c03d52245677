//! What does a round trip between two tasks of one runtime cost, over the same one-slot channel everywhere?

pub(super) const ROWS: &[&str] = &["ping_pong"];
