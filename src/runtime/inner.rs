//! What all handles of a runtime share.

use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::thread;
use std::time::{Duration, Instant};

use corelane_shards::loom::atomic::{AtomicBool, Ordering};
use corelane_shards::loom::thread::ThreadId;
use corelane_shards::mesh::{ClockHold, Mesh, ShardId};
use corelane_shards::shard;
use corelane_shards::task::{self, BlockingTask, JoinHandle};

use crate::error;

use super::block_on::Driven;
use super::blocking::{Job, Pool, PoolConfig, SubmitError};
use super::context::{self, Blocking};
use super::drivers::Drivers;
use super::handle::{Handle, Id, RuntimeFlavor};
use super::histogram::Wanted;
use super::hooks::{Around, Hooks, Origin, Times};
use super::seat::{Parker, Seat};
use super::seed::{RngSeed, Row, Seeded};
use super::span;
use super::stall::{self, Stalls};
use super::watch::Placed;
use super::worker::EventLimits;

pub(crate) struct Inner {
    this: Weak<Inner>,
    pub id: Id,
    pub mesh: Arc<Mesh>,
    pub flavor: RuntimeFlavor,
    pub name: Option<String>,
    pub hooks: Hooks,
    /// What is called around tasks, if anything is.
    pub around: Option<Arc<Around>>,
    seeds: Option<Row>,
    pub event_limits: EventLimits,
    /// A task panicked, and the runtime ends because of it.
    panicked: AtomicBool,
    /// Threads in a `block_on` that have to learn of such a panic.
    waiting: Mutex<Vec<Arc<Parker>>>,
    pub io_enabled: bool,
    pub time_enabled: bool,
    /// Told to workers between turns.
    shutdown: AtomicBool,
    /// The shard that no thread of the runtime drives: `block_on` does.
    pub seat: Option<Seat<Driven>>,
    /// The thread that this shard stays on, if its tasks need not be `Send`: the one that built the runtime.
    pub local_thread: Option<ThreadId>,
    /// Where the shards are.
    pub placed: Arc<Placed>,
    /// On which threads.
    pub drivers: Drivers,
    /// See [`Parts`].
    pub evens_out: bool,
    pub pool: Pool<Work>,
    /// Shards that have not ended: those of worker threads, and the seated one.
    alive: Mutex<usize>,
    ended: Condvar,
}

/// What the blocking pool runs.
pub(crate) struct Work {
    task: BlockingTask,
    /// Shutdown waits for it, though it has not started.
    mandatory: bool,
    /// A paused clock stands while somebody works outside of the shards. Dropped last: until who waits for the task was woken, an
    /// idle shard would find nothing to do and move the clock on.
    _hold: Option<ClockHold>,
}

impl Job for Work {
    fn run(self) {
        let Self { task, _hold, .. } = self;
        task.run();
    }

    fn cancel(self) {
        let Self { task, _hold, .. } = self;
        task.cancel();
    }

    fn mandatory(&self) -> bool {
        self.mandatory
    }
}

/// What the builder decided.
pub(crate) struct Parts {
    pub mesh: Arc<Mesh>,
    pub flavor: RuntimeFlavor,
    pub name: Option<String>,
    pub hooks: Hooks,
    pub poll_times: Wanted,
    pub latencies: Wanted,
    pub tells_latency: bool,
    pub stalls: Option<stall::Wanted>,
    pub seed: Option<RngSeed>,
    pub event_limits: EventLimits,
    pub io_enabled: bool,
    pub time_enabled: bool,
    pub seat: Option<Seat<Driven>>,
    pub placed: Arc<Placed>,
    /// Whether a connection goes to the listener with the fewest.
    pub evens_out: bool,
    pub pool: PoolConfig,
}

impl Inner {
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new_cyclic(|this: &Weak<Inner>| {
            let runtime = this.clone();
            parts.mesh.on_lend(move |id| runtime.upgrade().is_some_and(|inner| inner.call_caretaker(id)));
            let runtime = this.clone();
            let pool = PoolConfig {
                // A pool thread is in the runtime's context, and may block.
                enter: Arc::new(move |live| {
                    let inner = runtime.upgrade();
                    let _entered = inner.as_deref().map(|inner| context::enter(inner, Blocking::Allowed));
                    live();
                }),
                ..parts.pool
            };
            let stays = parts.seat.is_some() && parts.mesh.config().local_tasks;
            let shards = parts.mesh.remotes().len();
            let times = Times {
                polls: parts.poll_times.build(shards),
                latencies: parts.latencies.build(shards),
                tells_latency: parts.tells_latency,
            };
            let stalls = parts.stalls.map(|wanted| Stalls::new(wanted, shards));
            let around = Around::new(parts.hooks.task.clone(), times, stalls, this.clone());
            Inner {
                this: this.clone(),
                drivers: Drivers::new(shards),
                local_thread: stays.then(context::thread_id),
                id: Id::next(),
                mesh: parts.mesh,
                flavor: parts.flavor,
                name: parts.name,
                around,
                hooks: parts.hooks,
                seeds: parts.seed.map(RngSeed::into_row),
                event_limits: parts.event_limits,
                panicked: AtomicBool::new(false),
                waiting: Mutex::default(),
                io_enabled: parts.io_enabled,
                time_enabled: parts.time_enabled,
                shutdown: AtomicBool::new(false),
                seat: parts.seat,
                placed: parts.placed,
                evens_out: parts.evens_out,
                pool: Pool::new(pool),
                alive: Mutex::new(shards),
                ended: Condvar::new(),
            }
        })
    }

    pub fn handle(&self) -> Handle {
        Handle::new(self.this.upgrade().expect("a borrowed runtime is alive"))
    }

    /// Where polls are noted that may last too long, if the runtime tells of them.
    pub fn stalls(&self) -> Option<&Arc<Stalls>> {
        self.around.as_ref()?.stalls()
    }

    /// Gives this thread the next of the runtime's seeds, if it has any, until the guard drops.
    pub fn seed_thread(&self) -> Option<Seeded> {
        self.seeds.as_ref().map(Row::enter)
    }

    /// A spawned task panicked where that ends the runtime.
    pub fn task_panicked(&self) {
        // SeqCst: published before those who wait are looked at, and before the sleep words are.
        self.panicked.store(true, Ordering::SeqCst);
        self.begin_shutdown();
        for parker in self.waiting.lock().unwrap_or_else(|poison| poison.into_inner()).iter() {
            parker.unpark();
        }
    }

    /// Whether a panic ended the runtime.
    pub fn has_panicked(&self) -> bool {
        // SeqCst: the second look of a shard about to sleep, and of a thread that has just begun to wait.
        self.panicked.load(Ordering::SeqCst)
    }

    /// Has `task_panicked` unpark a thread, until the guard drops. Nothing where panics do not end the runtime.
    #[inline]
    pub fn wait_as<'a>(&'a self, parker: &'a Arc<Parker>) -> Option<Waiting<'a>> {
        self.hooks.task.shuts_down.then(|| {
            self.waiting.lock().unwrap_or_else(|poison| poison.into_inner()).push(Arc::clone(parker));
            Waiting(self, parker)
        })
    }

    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, f: F, origin: Origin<'_>) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let caller = origin.at;
        self.try_spawn_blocking(f, origin)
            .unwrap_or_else(|error| panic!("{error} (spawn_blocking called at {caller})"))
    }

    /// Runs a closure on a thread that may block. The handle reports a cancellation if the runtime is shut down.
    ///
    /// # Errors
    ///
    /// If the pool has no thread, and the system gives it none; the closure is dropped.
    pub fn try_spawn_blocking<F, R>(&self, f: F, origin: Origin<'_>) -> io::Result<JoinHandle<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        match self.offer(false, f, origin) {
            (handle, Ok(()) | Err(SubmitError::ShutDown)) => Ok(handle),
            (_, Err(SubmitError::NoThread(error))) => Err(error::no_thread(error)),
        }
    }

    /// Runs a closure on a thread that may block, for one that brings back what it does in a way of its own. A mandatory
    /// one runs even if the runtime shuts down before its turn comes.
    ///
    /// # Errors
    ///
    /// If the pool takes nothing; the closure is dropped.
    pub fn spawn_background(&self, mandatory: bool, f: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.offer(mandatory, f, Origin::caller(None)).1.map_err(|error| match error {
            SubmitError::ShutDown => io::Error::other(error::SHUTTING_DOWN),
            SubmitError::NoThread(error) => error::no_thread(error),
        })
    }

    /// Hands a closure to the pool. The handle of one that it refuses reports a cancellation.
    fn offer<F, R>(
        &self,
        mandatory: bool,
        f: F,
        origin: Origin<'_>,
    ) -> (JoinHandle<R>, Result<(), SubmitError>)
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let id = task::next_id();
        let (task, handle) = task::blocking(id, span::of_closure(f, id, &origin));
        let work = Work { task, mandatory, _hold: Some(self.mesh.hold_clock()) };
        let taken = self.pool.submit(work).map_err(|(work, error)| {
            work.cancel();
            error
        });
        (handle, taken)
    }

    /// Has a thread of the pool take care of a shard whose thread blocks. False if there is none to be had.
    fn call_caretaker(&self, id: ShardId) -> bool {
        let handle = self.handle();
        let (task, _) = task::blocking(task::next_id(), move || {
            let inner = handle.inner();
            let _entered = context::enter(inner, Blocking::InPlaceOnly);
            let _caring = inner.drivers.care(id);
            shard::take_care(inner.mesh.remote(id), || inner.is_shutting_down());
        });
        let work = Work { task, mandatory: false, _hold: None };
        match self.pool.submit(work) {
            Ok(()) => true,
            // Who ended the runtime did not wait for the task that blocks. It may wait for one that is to be cancelled.
            Err((work, SubmitError::ShutDown)) => thread::Builder::new().spawn(|| work.run()).is_ok(),
            Err((work, SubmitError::NoThread(_))) => {
                work.cancel();
                false
            }
        }
    }

    /// Whether the runtime is ending.
    pub fn is_shutting_down(&self) -> bool {
        // SeqCst: the second look of a worker about to sleep.
        self.shutdown.load(Ordering::SeqCst)
    }

    /// Tells the workers to end.
    pub fn begin_shutdown(&self) {
        // SeqCst: published before the sleep words are looked at.
        self.shutdown.store(true, Ordering::SeqCst);
        for remote in self.mesh.remotes() {
            remote.wake();
        }
    }

    /// A shard has closed, or will never stand. The last one cancels what is left: as long as one runs, an alien that wakes a task must
    /// not come to drop it, and a task that has found no room in its shard's queue is another's to run.
    pub fn shard_ended(&self) {
        let alive = || self.alive.lock().unwrap_or_else(|poison| poison.into_inner());
        {
            let mut alive = alive();
            if *alive > 1 {
                *alive -= 1;
                return;
            }
        }
        // The last one, which counts until all is finished. Without the lock, for a future that is dropped may own the runtime.
        {
            // Futures are dropped in the runtime's context.
            let _entered = context::enter(self, Blocking::Forbidden);
            self.mesh.finish();
        }
        *alive() = 0;
        self.ended.notify_all();
        self.stalls().inspect(|stalls| stalls.end());
    }

    /// Waits for all shards to end; false if that took longer than the timeout.
    pub fn wait_for_shards(&self, timeout: Option<Duration>) -> bool {
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut alive = self.alive.lock().unwrap_or_else(|poison| poison.into_inner());
        while *alive > 0 {
            alive = match end {
                None => self.ended.wait(alive).unwrap_or_else(|poison| poison.into_inner()),
                Some(end) => {
                    let left = end.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    let waited = self.ended.wait_timeout(alive, left);
                    waited.unwrap_or_else(|poison| poison.into_inner()).0
                }
            };
        }
        true
    }
}

/// See [`Inner::wait_as`].
pub(crate) struct Waiting<'a>(&'a Inner, &'a Arc<Parker>);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting.lock().unwrap_or_else(|poison| poison.into_inner());
        waiting.retain(|other| !Arc::ptr_eq(other, self.1));
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("flavor", &self.flavor)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
