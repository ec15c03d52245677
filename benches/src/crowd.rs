//! Waits until all of a crowd have arrived, over and over, with the same parts on every runtime.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::slot::Slot;

/// So many tasks, and one that waits for them.
#[derive(Debug)]
pub struct Crowd {
    size: u64,
    arrived: AtomicU64,
    all: Slot,
}

impl Crowd {
    /// A crowd of that size, of which nobody has arrived.
    pub fn new(size: u64) -> Self {
        Self { size, arrived: AtomicU64::new(0), all: Slot::default() }
    }

    /// One has arrived. The last one of a round starts the next round and tells who waits.
    pub fn arrive(&self) {
        // AcqRel: what each did before it arrived has happened before the last one tells.
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.size {
            // Relaxed: nobody arrives again before who waits has been told, which the slot's lock orders.
            self.arrived.store(0, Ordering::Relaxed);
            self.all.send(self.size);
        }
    }

    /// Waits for the last one of this round.
    pub async fn wait(&self) {
        assert_eq!(self.all.recv().await, self.size);
    }
}
