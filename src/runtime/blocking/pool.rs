//! The pool's threads: how they start, live, end and are joined.
//!
//! Here: names, hooks, the roll of living threads, shutdown.
//! Not here: who takes which job (`queue`).
//! Threads: `Pool` from any; `live` is what a pool thread does.
//!
//! The roll holds the handle of every thread that has not ended. A thread that ends moves its own handle to `last` and
//! joins the one it finds there, so each is joined by the next and the shutdown joins the last. The roll's lock
//! comes after the queue's and is held across no foreign code; a new thread's handle is on it before the thread can
//! look for it. One that has ended but for its thread-locals, one of which may own the pool and shut it down, joins nobody: the next to
//! end may be waiting for it.
//!
//! A panic that leaves a job or a hook ends there: the thread goes on, so that the counts stay true.

use std::cell::Cell;
use std::io;
use std::ptr;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use corelane_shards::loom::thread::{self, JoinHandle};
use corelane_shards::loom::{Arc, Condvar, Mutex, MutexGuard};
use corelane_shards::util::swallow::swallow;

use super::queue::{Idler, Limits, NEVER_POISONED, Queue, SEARCHERS};
use super::{Hook, Job, PoolConfig, SubmitError};

/// Threads that start on demand, run jobs, and end when there are none for a while.
///
/// Dropping the pool shuts it down without waiting.
pub(crate) struct Pool<J: Job> {
    shared: Arc<Shared<J>>,
}

struct Shared<J: Job> {
    queue: Queue<J>,
    config: PoolConfig,
    roll: Mutex<Roll>,
    /// Rings when the condition a shutdown waits for may have come true.
    changed: Condvar,
}

std::thread_local! {
    /// The pool that this thread was of and that it has left. Only compared.
    static ENDED: Cell<*const ()> = const { Cell::new(ptr::null()) };
}

#[derive(Default)]
struct Roll {
    alive: Vec<JoinHandle<()>>,
    /// The thread that ended last, not joined yet.
    last: Option<JoinHandle<()>>,
    /// How many of `alive` are waiting for the others in a shutdown of their own.
    waiting_inside: usize,
}

impl<J: Job> Pool<J> {
    pub(crate) fn new(config: PoolConfig) -> Self {
        let limits = Limits {
            max_threads: config.max_threads,
            keep_alive: config.keep_alive,
            spin: config.spin,
            cpus: LazyLock::new(|| std::thread::available_parallelism().map_or(1, usize::from)),
            searchers: SEARCHERS,
        };
        let queue = Queue::new(limits);
        let (roll, changed) = (Mutex::default(), Condvar::new());
        Self { shared: Arc::new(Shared { queue, config, roll, changed }) }
    }

    /// Queues a job. Starts a thread if none is idle and the limit allows it.
    ///
    /// # Errors
    ///
    /// The job comes back if the pool is shut down, or if it has no thread and the system refuses one. If the system
    /// refuses while at least one thread lives, the job stays queued.
    pub(crate) fn submit(&self, job: J) -> Result<(), (J, SubmitError)> {
        self.shared.queue.submit(job, &|| Shared::start(&self.shared))
    }

    /// Threads that serve, idle ones included.
    pub(crate) fn num_threads(&self) -> usize {
        self.shared.queue.num_threads()
    }

    /// Threads that sleep.
    pub(crate) fn num_idle_threads(&self) -> usize {
        self.shared.queue.num_idle_threads()
    }

    /// Jobs that no thread has taken yet.
    pub(crate) fn queue_depth(&self) -> usize {
        self.shared.queue.depth()
    }

    /// Accepts nothing more, cancels what no thread was free for and is not mandatory, and waits for the rest and for the threads to
    /// end: for `timeout`, or for ever. Returns whether they all ended.
    ///
    /// A pool thread may call it; it waits for the others, not for itself and not for those that wait here too.
    pub(crate) fn shutdown(&self, timeout: Option<Duration>) -> bool {
        for job in self.shared.queue.close(&|| Shared::start(&self.shared)) {
            swallow(|| job.cancel());
        }
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let me = thread::current().id();

        let mut roll = self.shared.roll();
        let inside = usize::from(roll.alive.iter().any(|other| other.thread().id() == me));
        roll.waiting_inside += inside;
        if inside > 0 {
            self.shared.changed.notify_all();
        }
        while roll.alive.len() > roll.waiting_inside {
            let left = deadline.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                break;
            }
            roll = self.shared.changed.wait_timeout(roll, left).expect(NEVER_POISONED).0;
        }
        let ended = roll.alive.len() <= roll.waiting_inside;
        roll.waiting_inside -= inside;
        let last = if ended && !self.shared.is_ended_here() { roll.last.take() } else { None };
        drop(roll);
        join(last);
        ended
    }
}

impl<J: Job> Drop for Pool<J> {
    fn drop(&mut self) {
        self.shutdown(Some(Duration::ZERO));
    }
}

impl<J: Job> Shared<J> {
    fn start(this: &Arc<Self>) -> io::Result<()> {
        let PoolConfig { thread_name, stack_size, .. } = &this.config;
        let shared = this.clone();
        // A name that panics, or that the system cannot take, must not unwind through the queue's lock.
        let mut name = None;
        swallow(|| name = Some(thread_name()));
        let name = name.ok_or_else(|| io::Error::other("the thread name function panicked"))?;
        if name.contains('\0') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the thread name contains a null byte"));
        }
        let mut builder = thread::Builder::new().name(name);
        if let Some(stack_size) = *stack_size {
            builder = builder.stack_size(stack_size);
        }
        let mut roll = this.roll();
        roll.alive.push(builder.spawn(move || Self::live(&shared))?);
        Ok(())
    }

    /// A thread's whole life.
    fn live(this: &Arc<Self>) {
        let PoolConfig { enter, on_start, on_stop, .. } = &this.config;
        let start = || Self::start(this);
        let mut idler = Idler::default();
        let mut job = this.queue.arrive(&start);
        enter(&mut || {
            call(on_start);
            while let Some(job) = job.take().or_else(|| this.queue.next(&mut idler, &start)) {
                swallow(|| job.run());
            }
            call(on_stop);
        });
        this.end();
    }

    /// Whether this is a thread of this pool that has ended, all but its thread-locals.
    fn is_ended_here(&self) -> bool {
        ptr::eq(ENDED.get(), ptr::from_ref(self).cast())
    }

    fn end(&self) {
        ENDED.set(ptr::from_ref(self).cast());
        let me = thread::current().id();
        let mut roll = self.roll();
        let place = roll.alive.iter().position(|other| other.thread().id() == me);
        let own = roll.alive.swap_remove(place.expect("put on the roll when it started"));
        let before = roll.last.replace(own);
        self.changed.notify_all();
        drop(roll);
        join(before);
    }

    fn roll(&self) -> MutexGuard<'_, Roll> {
        self.roll.lock().expect(NEVER_POISONED)
    }
}

fn call(hook: &Option<Hook>) {
    if let Some(hook) = hook {
        swallow(|| hook());
    }
}

fn join(thread: Option<JoinHandle<()>>) {
    if let Some(thread) = thread {
        // It ended normally: nothing unwinds out of `live`.
        let _ = thread.join();
    }
}
