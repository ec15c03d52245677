//! What does a round trip between two cores cost: one pair, one pair with both sides looking, 64 pairs?

pub(super) const ROWS: &[&str] = &["cross_pair", "cross_pair_looking", "cross_64_pairs"];
