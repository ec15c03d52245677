//! A runtime's counters, without a cfg flag.

use std::ops::Range;
use std::time::Duration;

use corelane_shards::loom::thread::ThreadId;
use corelane_shards::metrics::Counters;
use corelane_shards::reactor::Registry;
use corelane_shards::shard;

use super::handle::Handle;
use super::histogram::Histogram;

/// The counters of a runtime. Each is read by itself and changes meanwhile, so two of them need not agree.
///
/// # Examples
///
/// ```
/// # corelane::runtime::Builder::new_sharded().worker_threads(1).build().unwrap().block_on(async {
/// let metrics = corelane::runtime::Handle::current().metrics();
/// for shard in 0..metrics.num_workers() {
///     println!("shard {shard}: {:?} busy", metrics.worker_total_busy_duration(shard));
/// }
/// # });
/// ```
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

    /// The old name of [`num_alive_tasks`](Self::num_alive_tasks).
    #[deprecated(note = "renamed to `num_alive_tasks`")]
    pub fn active_tasks_count(&self) -> usize {
        self.num_alive_tasks()
    }

    /// Tasks that were spawned, ever. As with the task hooks, a `spawn_blocking`, the future in `block_on` and what a `LocalSet` runs
    /// are none.
    pub fn spawned_tasks_count(&self) -> u64 {
        self.0.inner().mesh.spawned_tasks()
    }

    /// New tasks that no worker has taken yet: those in the queue that all workers share, and those on the way to one worker.
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
        self.of(worker).parks.get()
    }

    /// How often a worker has gone to wait and come back, together: odd while it waits.
    ///
    /// # Panics
    ///
    /// If there is no such worker.
    #[track_caller]
    pub fn worker_park_unpark_count(&self, worker: usize) -> u64 {
        let counters = self.of(worker);
        counters.parks.get() + counters.unparks.get()
    }

    /// The thread that a worker is on: for a current-thread runtime the one that called `block_on` last, if any has; for others none
    /// before the thread runs. While a task of a multi-thread runtime blocks in place, it is the one that stands in for the worker.
    ///
    /// # Panics
    ///
    /// If there is no such worker.
    #[track_caller]
    pub fn worker_thread_id(&self, worker: usize) -> Option<ThreadId> {
        self.0.inner().drivers.thread(worker)
    }

    /// How long a worker's thread was busy, as of the last time that it began to wait in the kernel: all the time that it did
    /// not wait there. Time between two `block_on`s is not counted.
    ///
    /// # Panics
    ///
    /// If there is no such worker.
    #[track_caller]
    pub fn worker_total_busy_duration(&self, worker: usize) -> Duration {
        Duration::from_nanos(self.of(worker).busy_ns.get())
    }

    /// How many task polls a worker has done.
    ///
    /// # Panics
    ///
    /// If there is no such worker.
    #[track_caller]
    pub fn worker_poll_count(&self, worker: usize) -> u64 {
        self.of(worker).polls.get()
    }

    /// How many tasks a worker has taken from others.
    ///
    /// # Panics
    ///
    /// If there is no such worker.
    #[track_caller]
    pub fn worker_steal_count(&self, worker: usize) -> u64 {
        self.of(worker).steals.get()
    }

    /// How often a worker took tasks from another one, one or more each time.
    ///
    /// # Panics
    ///
    /// If there is no such worker.
    #[track_caller]
    pub fn worker_steal_operations(&self, worker: usize) -> u64 {
        self.of(worker).steal_operations.get()
    }

    /// How often a worker went to wait in the kernel without having polled a task since the time before.
    ///
    /// # Panics
    ///
    /// If there is no such worker.
    #[track_caller]
    pub fn worker_noop_count(&self, worker: usize) -> u64 {
        self.of(worker).idle_parks.get()
    }

    /// How often a worker's own queue of tasks that others may take was full, so that half of them went to the queue of all workers.
    ///
    /// # Panics
    ///
    /// If there is no such worker.
    #[track_caller]
    pub fn worker_overflow_count(&self, worker: usize) -> u64 {
        self.of(worker).spills.get()
    }

    /// How many task polls a worker has done for which a worker had queued the task: this one, or the one that it took the task
    /// from.
    ///
    /// # Panics
    ///
    /// If there is no such worker.
    #[track_caller]
    pub fn worker_local_schedule_count(&self, worker: usize) -> u64 {
        let counters = self.of(worker);
        // What has gone through the queue of all workers comes from elsewhere, but for what a worker's own could not hold.
        let from_elsewhere = counters.mailed.get() + counters.shared.get();
        (counters.polls.get() + counters.spilled.get()).saturating_sub(from_elsewhere)
    }

    /// How many tasks wait in a worker's own queues. It counts in each turn, so that others may see an older number.
    ///
    /// # Panics
    ///
    /// If there is no such worker.
    #[track_caller]
    pub fn worker_local_queue_depth(&self, worker: usize) -> usize {
        shard::queue_depth(&self.0.inner().mesh.remotes()[worker])
    }

    /// How long a worker's task polls took lately, on average, with all that the worker did besides. Zero as long as it has not
    /// polled enough of them.
    ///
    /// # Panics
    ///
    /// If there is no such worker.
    #[track_caller]
    pub fn worker_mean_poll_time(&self, worker: usize) -> Duration {
        Duration::from_nanos(self.of(worker).poll_ns.get())
    }

    /// How many wakes and new tasks have reached the workers from other threads, through their mail or the queue of all
    /// workers.
    ///
    /// # On shards
    ///
    /// In a sharded runtime what shards send each other counts, too.
    pub fn remote_schedule_count(&self) -> u64 {
        let received = self.sum(|counters| counters.mailed.get() + counters.shared.get());
        received.saturating_sub(self.sum(|counters| counters.spilled.get()))
    }

    /// How often a task had to give way because its budget was used up. The future of a `block_on` counts only where its thread is
    /// the worker.
    pub fn budget_forced_yield_count(&self) -> u64 {
        self.sum(|counters| counters.forced_yields.get())
    }

    /// How many events the kernel has reported to the workers, wakes from other threads included.
    pub fn io_driver_ready_count(&self) -> u64 {
        self.sum(|counters| counters.events.get())
    }

    /// How many sockets, pipes and other resources were given to the kernel to watch.
    ///
    /// # On shards
    ///
    /// That happens when a resource first has to be waited for, and not when it is made. One whose task has moved is given to
    /// another worker's list, and counts once more; it also counts in
    /// [`io_driver_fd_deregistered_count`](Self::io_driver_fd_deregistered_count) then. The difference is how many are watched now.
    pub fn io_driver_fd_registered_count(&self) -> u64 {
        self.sum_of_reactors(Registry::num_added)
    }

    /// How many of them were taken back. See [`io_driver_fd_registered_count`](Self::io_driver_fd_registered_count).
    pub fn io_driver_fd_deregistered_count(&self) -> u64 {
        self.sum_of_reactors(Registry::num_removed)
    }

    fn sum_of_reactors(&self, number: impl Fn(&Registry) -> u64) -> u64 {
        let reactors = self.0.inner().mesh.remotes().iter().filter_map(|remote| remote.registry());
        reactors.map(|registry| number(registry)).sum()
    }

    #[track_caller]
    fn of(&self, worker: usize) -> &Counters {
        self.0.inner().mesh.remotes()[worker].counters()
    }

    fn sum(&self, number: impl Fn(&Counters) -> u64) -> u64 {
        self.0.inner().mesh.remotes().iter().map(|remote| number(remote.counters())).sum()
    }

    /// Whether polls of tasks are timed: see
    /// [`Builder::enable_metrics_poll_time_histogram`](super::Builder::enable_metrics_poll_time_histogram).
    pub fn poll_time_histogram_enabled(&self) -> bool {
        self.poll_times().is_some()
    }

    /// In how many buckets polls are counted; 0 if they are not.
    pub fn poll_time_histogram_num_buckets(&self) -> usize {
        self.poll_times().map_or(0, Histogram::len)
    }

    /// How long the polls of a bucket took; nothing if they are not counted. The end is excluded, but for that of the last bucket,
    /// which has all that are longer.
    ///
    /// # Panics
    ///
    /// If polls are counted and there is no such bucket.
    #[track_caller]
    pub fn poll_time_histogram_bucket_range(&self, bucket: usize) -> Range<Duration> {
        self.poll_times().map_or(Duration::ZERO..Duration::ZERO, |times| times.range(bucket))
    }

    /// How many polls of a worker were in a bucket; 0 if they are not counted.
    ///
    /// # Panics
    ///
    /// If polls are counted and there is no such worker or bucket.
    #[track_caller]
    pub fn poll_time_histogram_bucket_count(&self, worker: usize, bucket: usize) -> u64 {
        self.poll_times().map_or(0, |times| times.count(worker, bucket))
    }

    fn poll_times(&self) -> Option<&Histogram> {
        self.0.inner().around.as_ref().and_then(|around| around.times().polls.as_ref())
    }

    /// Whether it is counted how long tasks wait for their polls: see
    /// [`Builder::enable_metrics_schedule_latency_histogram`](super::Builder::enable_metrics_schedule_latency_histogram).
    pub fn schedule_latency_histogram_enabled(&self) -> bool {
        self.latencies().is_some()
    }

    /// In how many buckets waits are counted; 0 if they are not.
    pub fn schedule_latency_histogram_num_buckets(&self) -> usize {
        self.latencies().map_or(0, Histogram::len)
    }

    /// How long the waits of a bucket took; nothing if they are not counted. The end is excluded, but for that of the last bucket,
    /// which has all that are longer.
    ///
    /// # Panics
    ///
    /// If waits are counted and there is no such bucket.
    #[track_caller]
    pub fn schedule_latency_histogram_bucket_range(&self, bucket: usize) -> Range<Duration> {
        self.latencies().map_or(Duration::ZERO..Duration::ZERO, |times| times.range(bucket))
    }

    /// How many polls of a worker were waited for as long as a bucket says; 0 if waits are not counted.
    ///
    /// # Panics
    ///
    /// If waits are counted and there is no such worker or bucket.
    #[track_caller]
    pub fn schedule_latency_histogram_bucket_count(&self, worker: usize, bucket: usize) -> u64 {
        self.latencies().map_or(0, |times| times.count(worker, bucket))
    }

    fn latencies(&self) -> Option<&Histogram> {
        self.0.inner().around.as_ref().and_then(|around| around.times().latencies.as_ref())
    }
}
