//! Telling of polls that keep their shard.
//!
//! A runtime that is asked to wraps its tasks ([`hooks`](super::hooks)), those of a `LocalSet`, and the future of a `block_on` that
//! drives a shard ([`block_on`](super::block_on)), and each poll is noted for as long as it lasts. A thread looks at the notes every so
//! often, and calls back for a poll that has lasted too long, while it lasts: also for one that never ends.
//!
//! A worker may have several polls at once. One that blocks in place goes on while another thread takes care of the shard. So a note
//! is found by its thread. What blocks in place keeps no shard and is passed over meanwhile. And a poll of a `LocalSet` has those of
//! the set's tasks in it. Of polls within one another the innermost is told, and once it was, the others count anew when it ends.
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
    polled: Polled,
    lasted: Duration,
}

/// What is polled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Polled {
    /// `None` for the future of a `block_on`.
    pub task: Option<Id>,
    /// Where it was spawned, or `block_on` was called.
    pub at: &'static Location<'static>,
}

impl Stall {
    /// The worker whose shard waits, as the metrics count it; in a sharded runtime the shard's number.
    pub fn worker(&self) -> usize {
        self.worker
    }

    /// The task that is polled; `None` if it is the future of a `block_on`.
    pub fn task_id(&self) -> Option<Id> {
        self.polled.task
    }

    /// Where in the source the task was spawned, or `block_on` was called.
    pub fn location(&self) -> &'static Location<'static> {
        self.polled.at
    }

    /// How long the poll has lasted so far.
    pub fn lasted(&self) -> Duration {
        self.lasted
    }
}

/// For instance `task 17, spawned at src/main.rs:31:5, has kept worker 2 for 132 ms`, or `block_on, called at …`.
impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { worker, polled: Polled { task, at }, lasted } = self;
        match task {
            Some(task) => write!(f, "task {task}, spawned at {at}")?,
            None => write!(f, "block_on, called at {at}")?,
        }
        write!(f, ", has kept worker {worker} for {} ms", lasted.as_millis())
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
    polled: Polled,
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
        let mut polls = locked(&self.workers[worker].0);
        let mut rest = &mut polls[..];
        while let Some((poll, later)) = rest.split_first_mut() {
            let is_innermost = later.iter().all(|inner| inner.thread != poll.thread);
            let lasted = poll.since.elapsed();
            if is_innermost && lasted >= self.wanted.limit && !poll.blocks_in_place && !poll.is_told {
                poll.is_told = true;
                stalls.push(Stall { worker, polled: poll.polled, lasted });
            }
            rest = later;
        }
        drop(polls);
        for stall in stalls {
            // The hook of panics has told of it, and there may be more to tell.
            swallow(|| (self.wanted.callback)(&stall));
        }
    }

    /// Notes a poll by this thread until the guard drops, if the thread is a worker.
    pub fn note(&self, polled: Polled) -> Option<Noted<'_>> {
        // The thread may have entered another runtime than that of its shard.
        let Polls(worker) = self.workers.get(worker_index()?)?;
        locked(worker).push(Poll {
            thread: context::thread_id(),
            polled,
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
        let Some(at) = polls.iter().rposition(|poll| poll.thread == here) else { return };
        if polls.remove(at).is_told {
            let outer = polls.iter_mut().filter(|poll| poll.thread == here);
            outer.for_each(|poll| poll.since = Instant::now());
        }
    }
}

/// Where this thread's runtime notes polls, if it tells of them.
pub(crate) fn here() -> Option<Arc<Stalls>> {
    context::with(|inner| inner?.stalls().cloned())
}

/// This thread's poll blocks in place until this drops.
pub(crate) struct Aside {
    stalls: Arc<Stalls>,
    worker: usize,
}

/// See [`Aside`]. `None` where nobody looks.
pub(crate) fn step_aside() -> Option<Aside> {
    let stalls = here()?;
    let worker = worker_index()?;
    stalls.set_blocking(worker, true);
    Some(Aside { stalls, worker })
}

impl Drop for Aside {
    fn drop(&mut self) {
        self.stalls.set_blocking(self.worker, false);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::runtime::Builder;

    #[test]
    fn of_polls_within_one_another_the_innermost_is_told() {
        const HOUR: Duration = Duration::from_secs(3600);
        let told = Arc::new(Mutex::new(Vec::new()));
        let tell = Arc::clone(&told);
        let callback = Arc::new(move |stall: &Stall| locked(&tell).push(stall.task_id()));
        let stalls = Stalls::new(Wanted { limit: HOUR, callback }, 1);
        let (outer, inner) = (None, Some(corelane_shards::task::next_id()));
        let note = |task| stalls.note(Polled { task, at: Location::caller() }).expect("on a worker");
        // As if two hours had passed.
        let wait = || locked(&stalls.workers[0].0).iter_mut().for_each(|poll| poll.since -= 2 * HOUR);
        let look = || {
            stalls.look_at(0);
            std::mem::take(&mut *locked(&told))
        };
        Builder::new_current_thread().build().unwrap().block_on(async {
            let _outer = note(outer);
            let short = note(inner);
            drop(short);
            let long = note(inner);
            wait();
            assert_eq!(look(), [inner]);
            assert_eq!(look(), []);
            drop(long);
            // It counts anew: those two hours were told.
            assert_eq!(look(), []);
            let _short = note(inner);
            wait();
            drop(_short);
            assert_eq!(look(), [outer]);
        });
    }
}
