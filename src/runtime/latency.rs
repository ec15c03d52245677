//! How long a task waited for its poll.
//!
//! Here: a waker that notes when it was woken first. Not here: who asks ([`hooks`](super::hooks)), counting
//! ([`histogram`](super::histogram)). Threads: `wake` any; the rest whichever polls the task.
//!
//! The engine does not date wakes, and a runtime that does not ask pays nothing. One that does wraps each task's waker:
//!
//! ```text
//! woken_ns   0            nobody has woken the task since its poll began
//!            otherwise    when somebody first did
//! ```
//! A wake sets it, if it is zero, before it passes the wake on, so that the poll that follows sees it: waking releases, and polling
//! acquires. The poll takes it and leaves zero. A task that is woken during its poll is queued when that ends, so what counts is the later
//! of the two; and one that gives way without a waker, as `yield_now` does, has only the end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::{Duration, Instant};

use futures_task::ArcWake;

/// A task's waker, with its date.
pub(super) struct DatedWaker {
    /// Zero of all times here.
    spawned: Instant,
    woken_ns: AtomicU64,
    /// The engine's, from the first poll on: a task has one for all its life.
    task: OnceLock<Waker>,
}

impl DatedWaker {
    /// For a task that is spawned now.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { spawned: Instant::now(), woken_ns: AtomicU64::new(1), task: OnceLock::new() })
    }

    /// Nanoseconds since the task was spawned, and never zero.
    pub fn now_ns(&self) -> u64 {
        u64::try_from(self.spawned.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1)
    }

    /// A poll begins, with that waker; the one before ended at that time. Gives how long the task waited.
    pub fn begin_poll(&self, task: &Waker, last_end_ns: u64) -> Duration {
        self.task.get_or_init(|| task.clone());
        // Relaxed: ordered by the wake, see the module's head.
        let queued_ns = self.woken_ns.swap(0, Ordering::Relaxed).max(last_end_ns);
        Duration::from_nanos(self.now_ns().saturating_sub(queued_ns))
    }
}

impl ArcWake for DatedWaker {
    fn wake_by_ref(this: &Arc<Self>) {
        // Relaxed: as above. Of several at once any will do.
        if this.woken_ns.load(Ordering::Relaxed) == 0 {
            this.woken_ns.store(this.now_ns(), Ordering::Relaxed);
        }
        if let Some(task) = this.task.get() {
            task.wake_by_ref();
        }
    }
}
