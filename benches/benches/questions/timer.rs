//! What do timers cost that never fire: a timeout on a ready future, a sleep armed and dropped?

pub(super) const ROWS: &[&str] = &["timeout_ready", "sleep_drop", "sleep_drop_100k"];
