//! The blocking pool: threads for what would block a shard.
//!
//! Here: jobs, the threads that run them, when a thread starts, sleeps and ends, and the shutdown.
//! Not here: tasks, handles and catching a closure's panic; a [`Job`] brings those along.
//! Threads: every method of [`Pool`] from any thread, the pool's own included.
//!
//! In reading order:
//! - `queue`: who takes which job, who is woken, who may end. One atomic word decides, the protocol is in its head,
//!   and it starts no thread itself, so `loom_tests` can run it.
//! - `submitter`: on which CPU jobs are submitted, and so which thread may look for one before it sleeps.
//! - `pool`: thread names, hooks, keeping the roll of living threads, joining them.

mod pool;
mod queue;
mod submitter;

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;

use std::io;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use pool::Pool;

/// What the pool runs. Exactly one of `run` and `cancel` is called, once, for each job the pool accepted.
pub(crate) trait Job: Send + 'static {
    /// Does the work, on a pool thread. It should not unwind; if it does, the thread drops the panic and goes on.
    fn run(self);

    /// Called in place of `run` for a job that still waited for a thread at shutdown, on the thread that shuts down.
    fn cancel(self);

    /// Whether shutdown runs the job even though it has not started, where others are cancelled.
    fn mandatory(&self) -> bool {
        false
    }
}

/// Why a job was handed back.
#[derive(Debug)]
pub(crate) enum SubmitError {
    /// The pool is shut down.
    ShutDown,
    /// The pool has no thread, and the system gave it none.
    NoThread(io::Error),
}

/// A callback without arguments.
pub(crate) type Hook = Arc<dyn Fn() + Send + Sync>;

/// About as long as it takes to wake a thread whose CPU sleeps. On two cores an empty job is there and back within 1 to 4 µs if both
/// sides look, and within 15 to 35 µs if they sleep.
const SPIN: Duration = Duration::from_micros(50);

/// Calls what it is given, in a context of its own.
pub(crate) type Enter = Arc<dyn Fn(&mut dyn FnMut()) + Send + Sync>;

/// How a pool treats its threads.
#[derive(Clone)]
pub(crate) struct PoolConfig {
    /// How many threads may serve at once; at least 1, and at most 32,767.
    pub(crate) max_threads: usize,
    /// How long an idle thread sleeps before it ends.
    pub(crate) keep_alive: Duration,
    /// How long one idle thread looks for the next job before it sleeps, if there is one that often; zero turns looking off.
    pub(crate) spin: Duration,
    /// The threads' stack size in bytes; the system's default if `None`.
    pub(crate) stack_size: Option<usize>,
    /// Names a thread that is about to start. It is called with the pool locked and must not use the pool.
    pub(crate) thread_name: Arc<dyn Fn() -> String + Send + Sync>,
    /// Called on each thread before its first job.
    pub(crate) on_start: Option<Hook>,
    /// Called on each thread after its last job.
    pub(crate) on_stop: Option<Hook>,
    /// Wraps a thread's life, hooks included. It must call what it is given once, and may not unwind.
    pub(crate) enter: Enter,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            max_threads: 512,
            keep_alive: Duration::from_secs(10),
            spin: SPIN,
            stack_size: None,
            thread_name: Arc::new(|| "corelane-blocking".into()),
            on_start: None,
            on_stop: None,
            enter: Arc::new(|live| live()),
        }
    }
}
