//! How long does one task take to spawn 10,000 others and to join them?

pub(super) const ROWS: &[&str] = &["fan_out"];
