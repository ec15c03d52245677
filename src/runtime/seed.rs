//! Seeds for what a runtime does by chance: which branch `select!` polls first.
//!
//! A runtime with a seed gives each thread that enters it, worker or `block_on`, the next of a row of states, and the thread its own
//! back when it leaves. So the same program with the same seed gets the same row, as far as its threads enter in the
//! same order.
//!
//! Threads: any.

use std::hash::{DefaultHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::macros::support;

/// The seed of a runtime's random choices: see [`Builder::rng_seed`](super::Builder::rng_seed).
#[derive(Debug, Clone)]
pub struct RngSeed(u64);

impl RngSeed {
    /// A seed from any bytes. The same bytes give the same seed, with this version of the standard library.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(bytes);
        Self(hasher.finish())
    }

    pub(super) fn into_row(self) -> Row {
        Row(AtomicU64::new(self.0))
    }
}

/// The states that follow from a seed.
#[derive(Debug)]
pub(crate) struct Row(AtomicU64);

/// Gives the thread its own state back.
pub(crate) struct Seeded(u64);

impl Row {
    /// Gives this thread the next state.
    pub fn enter(&self) -> Seeded {
        // SplitMix64 (Steele, Lea, Flood 2014): a counter whose steps are mixed, so each thread can take the next.
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut word = self.0.fetch_add(STEP, Relaxed).wrapping_add(STEP);
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Seeded(support::replace_rng((word ^ (word >> 31)) | 1))
    }
}

impl Drop for Seeded {
    fn drop(&mut self) {
        support::replace_rng(self.0);
    }
}
