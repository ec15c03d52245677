//! Telling of tasks that keep their shard.
//!
//! A runtime that is asked to wraps its tasks ([`hooks`](super::hooks)), and each poll is noted for as long as it lasts. A thread
//! looks at the notes every so often, and calls back for a poll that has lasted too long, while it lasts: also for one that never ends.
//!
//! A worker may have several polls at once: one that blocks in place goes on while another thread takes care of the shard. So a note
//! is found by its thread. What blocks in place keeps no shard and is passed over meanwhile.
//!
//! Threads: each notes its own polls, under a lock for each worker that only the watching thread takes besides. That thread holds no
//! lock while it calls back. It ends with the last shard, and not before: a poll that keeps a runtime from ending is told as well.

use std::fmt;
use std::io;
use std::panic::Location;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use corelane_shards::loom::thread::ThreadId;
use corelane_shards::task::Id;
use corelane_shards::util::swallow::swallow;

use crate::error;

use super::{context, worker_index};

const THREAD_NAME: &str = "corelane-stalls";

/// What a builder was asked to tell of.
#[derive(Clone)]
pub(crate) struct Wanted {
    pub limit: Duration,
    pub callback: Arc<dyn Fn(&Stall) + Send + Sync>,
}

/// A poll that keeps its shard: what [`Builder::on_stall`](super::Builder::on_stall) is called with.
#[derive(Debug, Clone)]
pub struct Stall {
    worker: usize,
    task: Id,
    spawned_at: &'static Location<'static>,
    lasted: Duration,
}

impl Stall {
    /// The worker whose shard waits, as the metrics count it; in a sharded runtime the shard's number.
    pub fn worker(&self) -> usize {
        self.worker
    }

    /// The task that is polled.
    pub fn task_id(&self) -> Id {
        self.task
    }

    /// Where in the source it was spawned.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.spawned_at
    }

    /// How long the poll has lasted so far.
    pub fn lasted(&self) -> Duration {
        self.lasted
    }
}

/// For instance `task 17, spawned at src/main.rs:31:5, has kept worker 2 for 132 ms`.
impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { worker, task, spawned_at, lasted } = self;
        write!(
            f,
            "task {task}, spawned at {spawned_at}, has kept worker {worker} for {} ms",
            lasted.as_millis()
        )
    }
}

/// See the module's head.
pub(crate) struct Stalls {
    wanted: Wanted,
    workers: Box<[Polls]>,
    has_ended: Mutex<bool>,
    end: Condvar,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// A worker's, on cache lines of its own: x86 fetches them in pairs.
#[derive(Default)]
#[repr(align(128))]
struct Polls(Mutex<Vec<Poll>>);

/// A note of a poll.
struct Poll {
    thread: ThreadId,
    task: Id,
    spawned_at: &'static Location<'static>,
    since: Instant,
    blocks_in_place: bool,
    is_told: bool,
}

impl Stalls {
    pub fn new(wanted: Wanted, workers: usize) -> Arc<Self> {
        Arc::new(Self {
            wanted,
            workers: (0..workers).map(|_| Polls::default()).collect(),
            has_ended: Mutex::new(false),
            end: Condvar::new(),
            thread: Mutex::new(None),
        })
    }

    /// Starts the thread that watches, with the CPUs that the calling thread has.
    ///
    /// # Errors
    ///
    /// When the system refuses the thread.
    pub fn start(self: &Arc<Self>) -> io::Result<()> {
        let stalls = Arc::clone(self);
        let thread = thread::Builder::new().name(THREAD_NAME.into()).spawn(move || stalls.watch());
        *locked(&self.thread) = Some(thread.map_err(error::no_thread)?);
        Ok(())
    }

    /// No shard is left.
    pub fn end(&self) {
        *locked(&self.has_ended) = true;
        self.end.notify_all();
    }

    /// Waits for the thread that watches, unless this is the thread.
    pub fn join(&self) {
        let thread = locked(&self.thread).take();
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != thread::current().id()) {
            let _ = thread.join();
        }
    }

    fn watch(&self) {
        let mut has_ended = locked(&self.has_ended);
        while !*has_ended {
            let waited = self.end.wait_timeout(has_ended, self.wanted.limit / 2);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
            (0..self.workers.len()).for_each(|worker| self.look_at(worker));
            has_ended = locked(&self.has_ended);
        }
    }

    fn look_at(&self, worker: usize) {
        let mut stalls = Vec::new();
        for poll in locked(&self.workers[worker].0).iter_mut() {
            let lasted = poll.since.elapsed();
            if lasted >= self.wanted.limit && !poll.blocks_in_place && !poll.is_told {
                poll.is_told = true;
                stalls.push(Stall { worker, task: poll.task, spawned_at: poll.spawned_at, lasted });
            }
        }
        for stall in stalls {
            // The hook of panics has told of it, and there may be more to tell.
            swallow(|| (self.wanted.callback)(&stall));
        }
    }

    /// Notes a poll by this thread until the guard drops.
    pub fn note(&self, task: Id, spawned_at: &'static Location<'static>) -> Option<Noted<'_>> {
        let Polls(worker) = &self.workers[worker_index()?];
        locked(worker).push(Poll {
            thread: context::thread_id(),
            task,
            spawned_at,
            since: Instant::now(),
            blocks_in_place: false,
            is_told: false,
        });
        Some(Noted { worker })
    }

    /// This thread's poll starts or ends to block in place.
    fn set_blocking(&self, worker: usize, blocks: bool) {
        let here = context::thread_id();
        // The thread may have entered another runtime than that of its shard.
        let Some(Polls(polls)) = self.workers.get(worker) else { return };
        if let Some(poll) = locked(polls).iter_mut().rfind(|poll| poll.thread == here) {
            poll.blocks_in_place = blocks;
            poll.since = Instant::now();
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// See [`Stalls::note`].
pub(crate) struct Noted<'a> {
    worker: &'a Mutex<Vec<Poll>>,
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        let here = context::thread_id();
        let mut polls = locked(self.worker);
        if let Some(at) = polls.iter().rposition(|poll| poll.thread == here) {
            polls.remove(at);
        }
    }
}

/// This thread's poll blocks in place until this drops.
pub(crate) struct Aside {
    stalls: Arc<Stalls>,
    worker: usize,
}

/// See [`Aside`]. `None` where nobody looks.
pub(crate) fn step_aside() -> Option<Aside> {
    let stalls = context::with(|inner| inner?.stalls().cloned())?;
    let worker = worker_index()?;
    stalls.set_blocking(worker, true);
    Some(Aside { stalls, worker })
}

impl Drop for Aside {
    fn drop(&mut self) {
        self.stalls.set_blocking(self.worker, false);
    }
}
