//! How well is work balanced that one task spawns: 10,000 tasks of 3.6 µs of arithmetic?

pub(super) const ROWS: &[&str] = &["skew"];
