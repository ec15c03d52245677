//! How a runtime is described.
//!
//! Not here: what is made of it (`build`).

mod build;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{Config, Flavor};
use crate::topology::pin;

use super::histogram::{HistogramConfiguration, HistogramScale, Legacy, Wanted};
use super::hooks::{Hooks, TaskMeta, UnhandledPanic};
use super::local_runtime::{LocalOptions, LocalRuntime};
use super::runtime::Runtime;
use super::seed::RngSeed;
use super::stall::{self, Stall};
use super::watch::{ChangeCallback, MainBound, PlacementChange};
use super::worker::EventLimits;

pub(super) use build::spin;

type NameFn = Arc<dyn Fn() -> String + Send + Sync>;

/// Describes a runtime, then builds it.
///
/// What is set here overrides the config file, which overrides the defaults. The file is the one given to
/// [`config_file`](Self::config_file), or else the one that `CORELANE_CONFIG` names.
///
/// # Examples
///
/// ```
/// let runtime = corelane::runtime::Builder::new_sharded().worker_threads(1).enable_all().build()?;
/// assert_eq!(runtime.block_on(async { 1 + 1 }), 2);
/// # std::io::Result::Ok(())
/// ```
pub struct Builder {
    flavor: Flavor,
    /// The environment may change the flavor and the number of threads.
    from_environment: bool,
    source: Source,
    worker_threads: Option<usize>,
    max_blocking_threads: Option<usize>,
    keep_alive: Option<Duration>,
    /// `None`: a shard's thread has the shard's number in its name, so that `corelane show` and top can tell.
    thread_name: Option<NameFn>,
    stack_size: Option<usize>,
    hooks: Hooks,
    poll_times: Wanted,
    latencies: Wanted,
    tells_latency: bool,
    stalls: Option<stall::Wanted>,
    enable_io: bool,
    enable_time: bool,
    start_paused: bool,
    name: Option<String>,
    seed: Option<RngSeed>,
    event_limits: EventLimits,
    event_interval: Option<u32>,
    global_queue_interval: Option<u32>,
    next_slot: bool,
    on_placement_change: Option<ChangeCallback>,
}

/// Where settings come from that the builder was not told.
enum Source {
    Environment,
    File(PathBuf),
    Given(Box<Config>),
}

/// The names of threads unless the builder was told another. Flavors that Tokio has keep Tokio's, which tools look for. The
/// kernel keeps 15 bytes of a name.
const SHARD_THREAD_NAME: &str = "corelane-";
const POOL_THREAD_NAME: &str = "corelane-pool";
const TOKIO_THREAD_NAME: &str = "tokio-rt-worker";

impl Builder {
    fn new(flavor: Flavor) -> Self {
        let tokio_name = || -> NameFn { Arc::new(|| TOKIO_THREAD_NAME.into()) };
        Self {
            flavor,
            from_environment: false,
            source: Source::Environment,
            worker_threads: None,
            max_blocking_threads: None,
            keep_alive: None,
            thread_name: (flavor != Flavor::Sharded).then(tokio_name),
            stack_size: None,
            hooks: Hooks::default(),
            poll_times: Wanted::default(),
            latencies: Wanted::default(),
            tells_latency: false,
            stalls: None,
            enable_io: false,
            enable_time: false,
            start_paused: false,
            name: None,
            seed: None,
            event_limits: EventLimits::default(),
            event_interval: None,
            global_queue_interval: None,
            next_slot: true,
            on_placement_change: None,
        }
    }

    /// One pinned shard for each core that the process may use; tasks stay on the shard they were put on.
    pub fn new_sharded() -> Self {
        Self::new(Flavor::Sharded)
    }

    /// Shards whose tasks go to idle workers, on threads that are pinned only if a config says where.
    ///
    /// As in Tokio, `TOKIO_WORKER_THREADS` in the environment says how many, unless
    /// [`worker_threads`](Self::worker_threads) does. `CORELANE_FLAVOR=sharded` makes it what
    /// [`new_sharded`](Self::new_sharded) describes, so that one binary can be measured both ways.
    pub fn new_multi_thread() -> Self {
        Self { from_environment: true, ..Self::new(Flavor::MultiThread) }
    }

    /// One shard, on the thread that calls `block_on`.
    pub fn new_current_thread() -> Self {
        Self::new(Flavor::CurrentThread)
    }

    /// Reads settings from this file, relative to the current directory. The file's `flavor` does not count: the constructor
    /// chose. Errors are reported by [`build`](Self::build).
    pub fn config_file(&mut self, path: impl Into<PathBuf>) -> &mut Self {
        self.source = Source::File(path.into());
        self
    }

    /// Takes settings from a config that was read or made before.
    pub fn config(&mut self, config: Config) -> &mut Self {
        self.source = Source::Given(Box::new(config));
        self
    }

    /// The kind of runtime that a config asks for, with its settings.
    ///
    /// A program that has set the flavor to [`MultiThread`](Flavor::MultiThread) itself sets `scheduler.steal` too: that it is
    /// [`All`](crate::config::Steal::All) follows from the flavor only in a file.
    pub fn from_config(config: Config) -> Self {
        let mut builder = Self::new(config.runtime.flavor);
        builder.config(config);
        builder
    }

    /// How many shards with threads of their own. The default is what the placement gives, or
    /// [`available_parallelism`](std::thread::available_parallelism) for a multi-thread runtime without a config. A current-thread
    /// runtime has none and ignores it.
    ///
    /// # Panics
    ///
    /// If zero.
    #[track_caller]
    pub fn worker_threads(&mut self, val: usize) -> &mut Self {
        assert!(val > 0, "Worker threads cannot be set to 0");
        self.worker_threads = Some(val);
        self
    }

    /// How many threads the blocking pool may have; 512 by default.
    ///
    /// # Panics
    ///
    /// If zero.
    #[track_caller]
    pub fn max_blocking_threads(&mut self, val: usize) -> &mut Self {
        assert!(val > 0, "Max blocking threads cannot be set to 0");
        self.max_blocking_threads = Some(val);
        self
    }

    /// How long an idle thread of the blocking pool waits for work; 10 s by default.
    pub fn thread_keep_alive(&mut self, duration: Duration) -> &mut Self {
        self.keep_alive = Some(duration);
        self
    }

    /// The name of the runtime's threads.
    ///
    /// Without one the threads of a sharded runtime are named after their shard, `corelane-0` and so on, and those of
    /// its blocking pool `corelane-pool`. Those of other flavors are named as Tokio names them.
    pub fn thread_name(&mut self, val: impl Into<String>) -> &mut Self {
        let name = val.into();
        self.thread_name_fn(move || name.clone())
    }

    /// A function that names each thread.
    pub fn thread_name_fn<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn() -> String + Send + Sync + 'static,
    {
        self.thread_name = Some(Arc::new(f));
        self
    }

    /// The name of the runtime, for its handles to tell.
    ///
    /// # Panics
    ///
    /// If it is blank.
    #[track_caller]
    pub fn name(&mut self, val: impl Into<String>) -> &mut Self {
        let name = val.into();
        assert!(!name.trim().is_empty(), "runtime name shouldn't be empty");
        self.name = Some(name);
        self
    }

    /// The stack size of the runtime's threads in bytes.
    pub fn thread_stack_size(&mut self, val: usize) -> &mut Self {
        self.stack_size = Some(val);
        self
    }

    /// Called on each thread when it starts, blocking threads included, before it takes work.
    pub fn on_thread_start<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.hooks.start = Some(Arc::new(f));
        self
    }

    /// Called on each thread before it ends, blocking threads included.
    pub fn on_thread_stop<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.hooks.stop = Some(Arc::new(f));
        self
    }

    /// Called by a worker that has nothing to do, in the runtime's context. If it spawns or wakes something, the worker
    /// goes on instead of sleeping.
    pub fn on_thread_park<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.hooks.park = Some(Arc::new(f));
        self
    }

    /// Called by a worker that has slept and woken up.
    pub fn on_thread_unpark<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.hooks.unpark = Some(Arc::new(f));
        self
    }

    /// Called when the placement of the running shards has changed, or could not be changed as a file said: see
    /// [`watch`](crate::config::Placement::watch) and [`reload`](crate::config::Placement::reload), without which it is
    /// never called.
    ///
    /// It is called after the threads were bound anew, by the thread that watches, in the runtime's context. That thread does nothing
    /// else: what comes meanwhile is seen afterwards, and the drop of the runtime waits for the callback.
    ///
    /// With the feature `tracing` the same is told as events with the target `corelane::placement`.
    ///
    /// # Examples
    ///
    /// ```
    /// use corelane::config::Config;
    /// use corelane::runtime::Builder;
    ///
    /// let config = Config::parse("app.toml", "[placement]\nwatch = true\n").unwrap();
    /// let mut builder = Builder::from_config(config);
    /// builder.on_placement_change(|change| {
    ///     println!("{change}");
    ///     change.warnings().for_each(|warning| println!("warning: {warning}"));
    /// });
    /// let runtime = builder.build()?;
    /// println!("{}", runtime.handle().plan());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn on_placement_change<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn(&PlacementChange) + Send + Sync + 'static,
    {
        self.on_placement_change = Some(Arc::new(f));
        self
    }

    /// Called by whoever spawns a task, just before it is spawned.
    ///
    /// Like the other task hooks it should not block. They see what is spawned as a future; a
    /// [`spawn_blocking`](crate::task::spawn_blocking) and the future in `block_on` are no tasks to them. A runtime with a task hook
    /// boxes each future.
    pub fn on_task_spawn<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn(&TaskMeta<'_>) + Send + Sync + 'static,
    {
        self.hooks.task.spawn = Some(Arc::new(f));
        self
    }

    /// Called before each poll of a task, on the thread that polls. See [`on_task_spawn`](Self::on_task_spawn).
    pub fn on_before_task_poll<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn(&TaskMeta<'_>) + Send + Sync + 'static,
    {
        self.hooks.task.before_poll = Some(Arc::new(f));
        self
    }

    /// Called after each poll of a task, also one that panicked. See [`on_task_spawn`](Self::on_task_spawn).
    pub fn on_after_task_poll<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn(&TaskMeta<'_>) + Send + Sync + 'static,
    {
        self.hooks.task.after_poll = Some(Arc::new(f));
        self
    }

    /// Called once for each task when its future is gone: it completed, panicked, was aborted, or the runtime ended. See
    /// [`on_task_spawn`](Self::on_task_spawn).
    pub fn on_task_terminate<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn(&TaskMeta<'_>) + Send + Sync + 'static,
    {
        self.hooks.task.terminate = Some(Arc::new(f));
        self
    }

    /// What happens when a spawned task panics. By default whoever awaits its handle is told. With
    /// [`ShutdownRuntime`](UnhandledPanic::ShutdownRuntime) the runtime ends, on every flavor, and a `block_on` of it panics; then
    /// it boxes each future that is spawned.
    pub fn unhandled_panic(&mut self, behavior: UnhandledPanic) -> &mut Self {
        self.hooks.task.shuts_down = behavior == UnhandledPanic::ShutdownRuntime;
        self
    }

    /// Called for each poll that has lasted `limit` and goes on: its shard serves nobody else meanwhile. Once for a poll, within half of
    /// `limit` afterwards, and also for one that never ends.
    ///
    /// A thread that the runtime starts for it looks twice in each `limit`, calls back, and ends when all shards have. A callback that
    /// takes long keeps it from telling of others, and the drop of the runtime waits for it. A panic in it is for the hook of panics.
    ///
    /// It is a poll of a task or, where the thread in `block_on` drives a shard, of that future. In a
    /// [`LocalSet`](crate::task::LocalSet) it is that of the set's task, and not of what polls the set, if the set was made inside of the
    /// runtime or runs by [`run_until`](crate::task::LocalSet::run_until). What keeps no shard is not told of: what blocks in
    /// [`block_in_place`](crate::task::block_in_place), and a `block_on` beside the threads that drive the shards. The time is real,
    /// whether or not the runtime's clock is paused.
    ///
    /// A poll then reads the clock once and takes a lock of its worker's own twice, and each future that is spawned is boxed. A runtime
    /// that was not asked pays nothing.
    ///
    /// # Panics
    ///
    /// If `limit` is less than a millisecond.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use corelane::runtime::Builder;
    ///
    /// let runtime = Builder::new_sharded()
    ///     .enable_all()
    ///     .on_stall(Duration::from_millis(50), |stall| eprintln!("{stall}"))
    ///     .build()?;
    /// # drop(runtime);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn on_stall<F>(&mut self, limit: Duration, f: F) -> &mut Self
    where
        F: Fn(&Stall) + Send + Sync + 'static,
    {
        assert!(limit >= Duration::from_millis(1), "a stall lasts a millisecond at least");
        self.stalls = Some(stall::Wanted { limit, callback: Arc::new(f) });
        self
    }

    /// Counts how long polls of tasks take, in the buckets that
    /// [`metrics_poll_time_histogram_configuration`](Self::metrics_poll_time_histogram_configuration) says, ten of 100 µs by default. Read
    /// them by [`RuntimeMetrics`](super::RuntimeMetrics).
    ///
    /// A poll then reads the clock twice, and each future that is spawned is boxed. A runtime that does not count pays nothing.
    pub fn enable_metrics_poll_time_histogram(&mut self) -> &mut Self {
        self.poll_times.enabled = true;
        self
    }

    /// In which buckets polls are counted, if they are: see
    /// [`enable_metrics_poll_time_histogram`](Self::enable_metrics_poll_time_histogram).
    pub fn metrics_poll_time_histogram_configuration(
        &mut self,
        configuration: HistogramConfiguration,
    ) -> &mut Self {
        self.poll_times.configuration = configuration;
        self
    }

    /// Counts how long tasks wait for each poll, from when they are spawned or woken, in the buckets that
    /// [`metrics_schedule_latency_histogram_configuration`](Self::metrics_schedule_latency_histogram_configuration) says, ten of 100 µs
    /// by default. Task hooks are told, too: see [`track_task_schedule_latency`](Self::track_task_schedule_latency), which also says
    /// what it costs.
    pub fn enable_metrics_schedule_latency_histogram(&mut self) -> &mut Self {
        self.latencies.enabled = true;
        self
    }

    /// In which buckets it is counted how long tasks wait, if it is: see
    /// [`enable_metrics_schedule_latency_histogram`](Self::enable_metrics_schedule_latency_histogram).
    pub fn metrics_schedule_latency_histogram_configuration(
        &mut self,
        configuration: HistogramConfiguration,
    ) -> &mut Self {
        self.latencies.configuration = configuration;
        self
    }

    /// Tells the hooks around a poll how long the task has waited for it: see
    /// [`TaskMeta::schedule_latency`](super::TaskMeta::schedule_latency).
    ///
    /// The first wake of a task that waits then reads the clock, and so does a poll, twice; each future that is spawned is boxed and gets
    /// a waker of its own, whose clones are counted by locked instructions. A runtime that does not track it pays nothing.
    pub fn track_task_schedule_latency(&mut self) -> &mut Self {
        self.tells_latency = true;
        self
    }

    /// How the buckets grow.
    #[deprecated(note = "use `metrics_poll_time_histogram_configuration`")]
    pub fn metrics_poll_count_histogram_scale(&mut self, histogram_scale: HistogramScale) -> &mut Self {
        self.legacy_poll_times().scale = histogram_scale;
        self
    }

    /// How wide the first bucket is.
    ///
    /// # Panics
    ///
    /// If zero.
    #[track_caller]
    #[deprecated(note = "use `metrics_poll_time_histogram_configuration`")]
    pub fn metrics_poll_count_histogram_resolution(&mut self, resolution: Duration) -> &mut Self {
        assert!(!resolution.is_zero(), "the buckets of a histogram have a width");
        self.legacy_poll_times().resolution = resolution;
        self
    }

    /// How many buckets there are.
    ///
    /// # Panics
    ///
    /// If zero.
    #[track_caller]
    #[deprecated(note = "use `metrics_poll_time_histogram_configuration`")]
    pub fn metrics_poll_count_histogram_buckets(&mut self, buckets: usize) -> &mut Self {
        assert!(buckets > 0, "a histogram has buckets");
        self.legacy_poll_times().buckets = buckets;
        self
    }

    fn legacy_poll_times(&mut self) -> &mut Legacy {
        self.poll_times.legacy.get_or_insert_default()
    }

    /// How many tasks a shard runs at most before it looks for I/O and timers. It also looks when the quantum (`quantum_us`,
    /// 100 µs) is over; by default only then, however many tasks that are.
    ///
    /// # Panics
    ///
    /// If zero.
    #[track_caller]
    pub fn event_interval(&mut self, val: u32) -> &mut Self {
        assert!(val > 0, "event_interval must be greater than 0");
        self.event_interval = Some(val);
        self
    }

    /// How many tasks a shard runs before it looks for tasks from elsewhere: in its mailbox, and where tasks move in the queue
    /// that all shards share. 16 by default, for both.
    ///
    /// # Panics
    ///
    /// If zero.
    #[track_caller]
    pub fn global_queue_interval(&mut self, val: u32) -> &mut Self {
        assert!(val > 0, "global_queue_interval must be greater than 0");
        self.global_queue_interval = Some(val);
        self
    }

    /// How many I/O events a shard takes from the kernel at once, 65,536 at most. By default up to 1,024, and up to four times in a row
    /// while there are that many.
    ///
    /// # Panics
    ///
    /// If zero.
    #[track_caller]
    pub fn max_io_events_per_tick(&mut self, capacity: usize) -> &mut Self {
        assert!(capacity > 0, "max_io_events_per_tick must be non-zero");
        self.event_limits.per_tick = Some(capacity);
        self
    }

    /// As [`max_io_events_per_tick`](Self::max_io_events_per_tick), for a shard that has tasks to run and looks without waiting.
    ///
    /// # Panics
    ///
    /// If zero.
    #[track_caller]
    pub fn max_io_events_per_busy_tick(&mut self, capacity: usize) -> &mut Self {
        assert!(capacity > 0, "max_io_events_per_busy_tick must be non-zero");
        self.event_limits.per_busy_tick = Some(capacity);
        self
    }

    /// Makes a task that is woken wait for its turn. By default, where tasks move, the task that was woken last runs next.
    pub fn disable_lifo_slot(&mut self) -> &mut Self {
        self.next_slot = false;
        self
    }

    /// The seed of the runtime's random choices, so that `select!` takes the same branches in each run of a program that does
    /// the same otherwise. By default each thread has another seed each time.
    pub fn rng_seed(&mut self, seed: RngSeed) -> &mut Self {
        self.seed = Some(seed);
        self
    }

    /// Enables I/O and timers.
    pub fn enable_all(&mut self) -> &mut Self {
        self.enable_io().enable_time()
    }

    /// Enables sockets and signals. Without it making one panics.
    pub fn enable_io(&mut self) -> &mut Self {
        self.enable_io = true;
        self
    }

    /// Enables timers. Without it making one panics.
    pub fn enable_time(&mut self) -> &mut Self {
        self.enable_time = true;
        self
    }

    /// Enables I/O, as [`enable_io`](Self::enable_io) does. In Tokio it has files go through io_uring where the kernel lets it; here they
    /// go to the blocking pool.
    pub fn enable_io_uring(&mut self) -> &mut Self {
        self.enable_io()
    }

    /// Enables timers, as [`enable_time`](Self::enable_time) does. In Tokio it chooses a second kind of timers, which each worker has
    /// for itself; here there is only that kind.
    pub fn enable_alt_timer(&mut self) -> &mut Self {
        self.enable_time()
    }

    /// Has no effect. In Tokio one worker waits for the I/O of all, and this has another take over before it runs tasks; here each
    /// shard waits for its own, and nobody does so for a shard while a task keeps its thread.
    pub fn enable_eager_driver_handoff(&mut self) -> &mut Self {
        self
    }

    /// Has no effect: threads that have something for the blocking pool do not wait for a lock of its queue. In Tokio it splits that queue.
    pub fn enable_sharded_blocking_queue(&mut self) -> &mut Self {
        self
    }

    /// Starts with a paused clock, for tests; see [`time::pause`](crate::time::pause).
    ///
    /// # Panics
    ///
    /// [`build`](Self::build) does, unless the runtime is a current-thread one.
    pub fn start_paused(&mut self, start_paused: bool) -> &mut Self {
        self.start_paused = start_paused;
        self
    }

    /// Builds the runtime and starts its threads. No task runs on a thread that is to be bound before it is.
    ///
    /// Where the config's `on_error` is `"fail"` or `"warn"`, or `watch` is on, all threads are where they should be when this returns.
    /// Otherwise some may still be on their way, and what is spawned onto their shards waits for them.
    ///
    /// # Errors
    ///
    /// A config that is wrong, a placement that this machine cannot do, a thread or file descriptor that the
    /// system refuses. Then none is left, and no hook of a thread was called.
    ///
    /// # Panics
    ///
    /// With [`start_paused`](Self::start_paused) unless the runtime is a current-thread one; and if `TOKIO_WORKER_THREADS` counts and
    /// is not a number from 1.
    #[track_caller]
    pub fn build(&mut self) -> io::Result<Runtime> {
        if self.from_environment {
            self.read_environment()?;
            self.from_environment = false;
        }
        match self.flavor {
            Flavor::CurrentThread => self.build_current(false),
            _ => self.build_threads(false),
        }
    }

    /// Builds a runtime that stays on this thread, which becomes its shard 0 and is driven by `block_on`. A sharded runtime's
    /// other shards get threads of their own; this thread is pinned as the placement says until the runtime is dropped. Where its
    /// memory comes from stays its own affair: `memory` is for threads that the runtime starts.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    ///
    /// # Panics
    ///
    /// For a multi-thread runtime.
    #[track_caller]
    pub fn build_local(&mut self, options: LocalOptions) -> io::Result<LocalRuntime> {
        let _ = options;
        match self.flavor {
            Flavor::CurrentThread => Ok(LocalRuntime::new_here(self.build_current(true)?, None, None)),
            Flavor::Sharded => {
                let (before, bound) = (pin::current(), MainBound::here());
                match self.build_threads(true) {
                    Ok(runtime) => Ok(LocalRuntime::new_here(runtime, before, bound)),
                    Err(error) => {
                        // This thread may be bound already.
                        let _ = before.map(|cpus| pin::pin(&cpus.iter().collect::<Vec<_>>()));
                        Err(error)
                    }
                }
            }
            Flavor::MultiThread => panic!("multi_thread is not supported for LocalRuntime"),
        }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("flavor", &self.flavor)
            .field("worker_threads", &self.worker_threads)
            .field("max_blocking_threads", &self.max_blocking_threads)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
