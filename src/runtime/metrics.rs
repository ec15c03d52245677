//! A runtime's numbers, without a cfg flag.

use std::time::Duration;

use super::handle::Handle;

/// Reads a runtime's numbers. Each is a moment's impression; together they need not fit.
#[derive(Debug, Clone)]
pub struct RuntimeMetrics(Handle);

impl RuntimeMetrics {
    pub(super) fn new(handle: Handle) -> Self {
        Self(handle)
    }

    /// Shards, each with a worker of its own, or driven by `block_on`.
    pub fn num_workers(&self) -> usize {
        self.0.inner().mesh.remotes().len()
    }

    /// Tasks that have not completed, as of each shard's last turn.
    pub fn num_alive_tasks(&self) -> usize {
        self.0.inner().mesh.alive_tasks()
    }

    /// New tasks that no worker has met yet: those in the queue of all workers, and those sent to a worker of their own.
    pub fn global_queue_depth(&self) -> usize {
        let mesh = &self.0.inner().mesh;
        mesh.overflow_len() + mesh.mailed_tasks()
    }

    /// Threads of the blocking pool.
    pub fn num_blocking_threads(&self) -> usize {
        self.0.inner().pool.num_threads()
    }

    /// Threads of the blocking pool that have nothing to do.
    pub fn num_idle_blocking_threads(&self) -> usize {
        self.0.inner().pool.num_idle_threads()
    }

    /// Closures that wait for a thread of the blocking pool.
    pub fn blocking_queue_depth(&self) -> usize {
        self.0.inner().pool.queue_depth()
    }

    /// How often a worker went to wait in the kernel for something to do.
    ///
    /// # Panics
    ///
    /// If there is no such worker.
    #[track_caller]
    pub fn worker_park_count(&self, worker: usize) -> u64 {
        self.0.inner().mesh.remotes()[worker].counters().parks.get()
    }

    /// How often a worker has gone to wait and come back, together: odd while it waits.
    ///
    /// # Panics
    ///
    /// If there is no such worker.
    #[track_caller]
    pub fn worker_park_unpark_count(&self, worker: usize) -> u64 {
        let counters = self.0.inner().mesh.remotes()[worker].counters();
        counters.parks.get() + counters.unparks.get()
    }

    /// How long a worker's thread did something else than wait in the kernel, as of the last time that it began to wait. Time
    /// between two `block_on`s is not counted.
    ///
    /// # Panics
    ///
    /// If there is no such worker.
    #[track_caller]
    pub fn worker_total_busy_duration(&self, worker: usize) -> Duration {
        Duration::from_nanos(self.0.inner().mesh.remotes()[worker].counters().busy_ns.get())
    }

    /// How many task polls a worker has done.
    ///
    /// # Panics
    ///
    /// If there is no such worker.
    #[track_caller]
    pub fn worker_poll_count(&self, worker: usize) -> u64 {
        self.0.inner().mesh.remotes()[worker].counters().polls.get()
    }

    /// How many tasks a worker has taken from others.
    ///
    /// # Panics
    ///
    /// If there is no such worker.
    #[track_caller]
    pub fn worker_steal_count(&self, worker: usize) -> u64 {
        self.0.inner().mesh.remotes()[worker].counters().steals.get()
    }
}
