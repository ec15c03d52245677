//! What a shard counts. One writer, the owner's thread; anybody reads.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only its owner's thread changes: a load and a store, no read-modify-write.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds, on the owner's thread.
    #[inline(always)]
    pub(crate) fn add(&self, n: u64) {
        // Relaxed: a count; publishes nothing.
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// Sets, on the owner's thread.
    #[inline(always)]
    pub(crate) fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// The number, a moment's impression for other threads.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that any thread adds to, beside a system call that costs far more.
#[derive(Debug, Default)]
pub(crate) struct Tally(AtomicU64);

impl Tally {
    pub fn add(&self, n: u64) {
        // Relaxed: a count; publishes nothing.
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A shard's counters.
#[derive(Debug, Default)]
pub struct Counters {
    /// Task polls.
    pub polls: Counter,
    /// Turns.
    pub turns: Counter,
    /// Times the shard went to wait in the kernel.
    pub parks: Counter,
    /// Times it did so without having polled a task since the time before.
    pub idle_parks: Counter,
    /// Times it came back.
    pub unparks: Counter,
    /// Nanoseconds that the shard's thread did not wait in the kernel, as of its last wait.
    pub busy_ns: Counter,
    /// Tasks taken from other shards.
    pub steals: Counter,
    /// Times it took some, one or more.
    pub steal_operations: Counter,
    /// Tasks taken out of the queue that all shards share.
    pub shared: Counter,
    /// Times its own queue of movable tasks was full.
    pub spills: Counter,
    /// Tasks that went from there to the queue that all shards share.
    pub spilled: Counter,
    /// Messages that came out of the mail: new tasks, wakes, and what else concerns a pinned task.
    pub mailed: Counter,
    /// Pinned tasks that others sent and that have come out of the mail.
    pub received: Counter,
    /// Pinned tasks that were spawned here, or that others sent and that have come out of the mail.
    pub spawned: Counter,
    /// Events that the kernel reported.
    pub events: Counter,
    /// Times a task had to give way because its budget was used up.
    pub forced_yields: Counter,
    /// Nanoseconds that a poll took lately, with all that the shard does besides; 0 if not known yet.
    pub poll_ns: Counter,
    /// Pinned tasks alive.
    pub live: Counter,
    /// Tasks in the shard's own run queue, as of its last turn.
    pub queued: Counter,
}
