//! Threads that clone, wake, abort, join and drop at random, against shards that other threads drive.
//!
//! The threads share through the house lock and atomics. `.ci/sanitize` runs it under both sanitizers.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread, ThreadId};
use std::time::Duration;

use super::{AbortHandle, JoinHandle};
use crate::config::{Config, Reach};
use crate::mesh::{Mesh, ShardId};
use crate::park::Unpark;
use crate::shard::{self, Driver, Shard, Turn};
use crate::timer::Clock;
use crate::util::Rng;
use crate::util::lock::Lock;

const MEDDLERS: u64 = 3;
const STEPS: usize = if cfg!(miri) { 100 } else { 20_000 };

/// A wait that ends by an unpark alone, so that a lost wake hangs instead of passing late.
struct Bell {
    rung: AtomicBool,
    waits: Thread,
}

impl Unpark for Bell {
    fn unpark(&self) {
        self.rung.store(true, Release);
        self.waits.unpark();
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.unpark();
    }
}

impl Bell {
    /// For this thread.
    fn new() -> Arc<Self> {
        Arc::new(Self { rung: AtomicBool::new(false), waits: thread::current() })
    }

    fn wait(&self) {
        while !self.rung.swap(false, Acquire) {
            thread::park();
        }
    }
}

struct Waits(Arc<Bell>);

impl Driver for Waits {
    fn wait(&mut self, timeout: Option<Duration>) -> usize {
        match timeout {
            None => self.0.wait(),
            // That of a shard that watches the others. Too early is as good.
            Some(timeout) => {
                if !self.0.rung.swap(false, Acquire) {
                    thread::park_timeout(timeout);
                }
            }
        }
        0
    }

    fn unparker(&self) -> Arc<dyn Unpark> {
        self.0.clone()
    }
}

#[derive(Default)]
struct Counts {
    futures: AtomicUsize,
    futures_gone: AtomicUsize,
    outputs: AtomicUsize,
    outputs_gone: AtomicUsize,
}

/// Lives in a future; must go on the owner's thread, if the task is pinned.
struct InFuture(Arc<Counts>, Option<ThreadId>);

impl Drop for InFuture {
    fn drop(&mut self) {
        assert!(self.1.is_none_or(|owner| owner == thread::current().id()), "a future was dropped elsewhere");
        self.0.futures_gone.fetch_add(1, Relaxed);
    }
}

struct Output(Arc<Counts>);

impl Drop for Output {
    fn drop(&mut self) {
        self.0.outputs_gone.fetch_add(1, Relaxed);
    }
}

type Wakers = Arc<Lock<Vec<Waker>>>;
type Shared = Arc<Lock<Vec<JoinHandle<Output>>>>;

/// A task that leaves two wakers behind at each of some polls.
fn task(
    counts: &Arc<Counts>,
    wakers: &Wakers,
    owner: Option<ThreadId>,
    polls: u32,
) -> impl Future<Output = Output> + use<> {
    counts.futures.fetch_add(1, Relaxed);
    let (guard, counts, wakers) = (InFuture(counts.clone(), owner), counts.clone(), wakers.clone());
    let mut left = polls;
    poll_fn(move |cx| {
        let _ = &guard;
        if left == 0 {
            counts.outputs.fetch_add(1, Relaxed);
            return Poll::Ready(Output(counts.clone()));
        }
        left -= 1;
        let two = [cx.waker().clone(), cx.waker().clone()];
        wakers.with(|wakers| wakers.extend(two));
        Poll::Pending
    })
}

struct Meddler {
    rng: Rng,
    mesh: Arc<Mesh>,
    owner: Option<ThreadId>,
    counts: Arc<Counts>,
    wakers: Wakers,
    handles: Vec<JoinHandle<Output>>,
    aborts: Vec<AbortHandle>,
    mine: Vec<Waker>,
    bell: Arc<Bell>,
    /// Handles that threads pass on.
    shared: Shared,
}

impl Meddler {
    fn any<T>(rng: &mut Rng, list: &mut Vec<T>) -> Option<T> {
        (!list.is_empty()).then(|| list.swap_remove(rng.below(list.len() as u32) as usize))
    }

    fn poll(handle: &mut JoinHandle<Output>, waker: &Waker) -> bool {
        let mut cx = Context::from_waker(waker);
        match Pin::new(handle).poll(&mut cx) {
            Poll::Ready(result) => {
                assert!(result.is_ok() || result.is_err_and(|error| error.is_cancelled()));
                true
            }
            Poll::Pending => false,
        }
    }

    fn step(&mut self) {
        match self.rng.below(12) {
            0 | 1 if self.handles.len() < 64 => {
                let polls = self.rng.below(3);
                let future = task(&self.counts, &self.wakers, self.owner, polls);
                self.handles.push(shard::spawn(&self.mesh, future));
            }
            2 | 3 => {
                let took = self.wakers.with(|wakers| Self::any(&mut self.rng, wakers));
                self.mine.extend(took);
            }
            4 => self.mine.extend(self.mine.last().cloned()),
            5 => drop(Self::any(&mut self.rng, &mut self.mine)),
            6 => {
                if let Some(waker) = Self::any(&mut self.rng, &mut self.mine) {
                    waker.wake();
                }
            }
            7 => self.mine.iter().for_each(Waker::wake_by_ref),
            8 => {
                if let Some(handle) = self.handles.last() {
                    self.aborts.push(handle.abort_handle());
                }
                if self.aborts.len() > 8 {
                    self.aborts.swap_remove(0).abort();
                }
            }
            9 => {
                // Sometimes another task's waker, sometimes one that wakes this thread.
                let waker = match self.mine.last() {
                    Some(waker) if self.rng.below(2) == 0 => waker.clone(),
                    _ => Waker::from(self.bell.clone()),
                };
                if let Some(mut handle) = Self::any(&mut self.rng, &mut self.handles) {
                    if !Self::poll(&mut handle, &waker) {
                        self.shared.with(|shared| shared.push(handle));
                    }
                }
            }
            10 => drop(Self::any(&mut self.rng, &mut self.handles)),
            _ => {
                let took = self.shared.with(|shared| Self::any(&mut self.rng, shared));
                self.handles.extend(took);
            }
        }
    }

    /// Joins what is left, of which nobody may be able to wake some.
    fn join(mut self) {
        let waker = Waker::from(self.bell.clone());
        for mut handle in std::mem::take(&mut self.handles) {
            handle.abort();
            while !Self::poll(&mut handle, &waker) {
                self.bell.wait();
            }
        }
    }
}

/// What a shard's thread does meanwhile: spawns into its arena what others join, wakes and drops what was made anywhere. Gives what
/// is left in the arena before it closes.
fn drive(
    mesh: &Arc<Mesh>,
    id: ShardId,
    (counts, wakers, shared): (&Arc<Counts>, &Wakers, &Shared),
    (ready, stop): (&Barrier, &AtomicBool),
) -> usize {
    let owner = (!mesh.steals()).then(|| thread::current().id());
    let mut shard = Shard::new(mesh.clone(), id, Box::new(Waits(Bell::new())));
    ready.wait();
    let mut rng = Rng::new(99 + u64::from(id.0));
    while !stop.load(SeqCst) {
        shard.enter(|local| {
            if shared.with(|shared| shared.len()) < 64 {
                let future = task(counts, wakers, owner, rng.below(3));
                let handle = if mesh.steals() {
                    shard::spawn(mesh, future)
                } else {
                    shard::spawn_local(local, future)
                };
                shared.with(|shared| shared.push(handle));
            }
            drop(if rng.below(4) == 0 { shared.with(Vec::pop) } else { None });
            let waker = wakers.with(Vec::pop);
            match rng.below(3) {
                0 => drop(waker),
                1 => waker.into_iter().for_each(Waker::wake),
                _ => wakers.with(|wakers| wakers.extend(waker)),
            }
        });
        if shard.turn() == Turn::Idle {
            shard.park(|| stop.load(SeqCst));
        }
    }
    // What is left are tasks that nobody can wake, and mail.
    drop(wakers.with(std::mem::take));
    drop(shared.with(std::mem::take));
    while shard.turn() == Turn::Again {}
    if mesh.steals() {
        return 0;
    }
    shard.enter(|local| local.pinned_tasks()).len() - shard.local().live()
}

/// Shards, and threads that meddle.
fn meddle(shards: usize, steal: Reach) {
    let mut config = Config::new(shards);
    config.steal = steal;
    // Pinned tasks that are `Send` all the same.
    config.local_tasks = steal == Reach::Off;
    let mesh = Mesh::new(config, Clock::new());
    let (counts, wakers, shared) =
        (Arc::<Counts>::default(), Wakers::new(Lock::new(Vec::new())), Shared::new(Lock::new(Vec::new())));
    let stop = Arc::new(AtomicBool::new(false));
    let ready = Arc::new(Barrier::new(shards + 1));
    let drivers: Vec<_> = (0..shards as u32)
        .map(|id| {
            let (mesh, counts, wakers) = (mesh.clone(), counts.clone(), wakers.clone());
            let (shared, ready, stop) = (shared.clone(), ready.clone(), stop.clone());
            thread::spawn(move || drive(&mesh, ShardId(id), (&counts, &wakers, &shared), (&ready, &stop)))
        })
        .collect();
    ready.wait();
    let owner = (steal == Reach::Off).then(|| drivers[0].thread().id());
    let meddlers: Vec<_> = (0..MEDDLERS)
        .map(|seed| {
            let (mesh, shared) = (mesh.clone(), shared.clone());
            let (counts, wakers) = (counts.clone(), wakers.clone());
            thread::spawn(move || {
                let mut meddler = Meddler {
                    rng: Rng::new(seed),
                    mesh,
                    owner,
                    counts,
                    wakers,
                    handles: Vec::new(),
                    aborts: Vec::new(),
                    mine: Vec::new(),
                    bell: Bell::new(),
                    shared,
                };
                for _ in 0..STEPS {
                    meddler.step();
                }
                meddler.join();
            })
        })
        .collect();
    for meddler in meddlers {
        meddler.join().unwrap();
    }
    stop.store(true, SeqCst);
    mesh.remotes().iter().for_each(|remote| remote.wake());
    for driver in drivers {
        assert_eq!(driver.join().unwrap(), 0, "the memory of all others came back");
    }
    mesh.finish();
    let count = |counter: &AtomicUsize| counter.load(Relaxed);
    assert_eq!(count(&counts.futures), count(&counts.futures_gone));
    assert_eq!(count(&counts.outputs), count(&counts.outputs_gone));
    assert!(count(&counts.outputs) > 0);
    assert_eq!(mesh.alive_tasks(), 0);
    // What a driver that closed first put there after the other had looked.
    drop(wakers.with(std::mem::take));
    drop(shared.with(std::mem::take));
    assert_eq!(Arc::strong_count(&mesh), 1, "no orphan is left");
}

#[test]
fn a_pinned_task_survives_meddling_threads() {
    meddle(1, Reach::Off);
}

#[test]
fn a_movable_task_survives_meddling_threads_and_goes_home() {
    meddle(2, Reach::All);
}
