//! Whole shards: real meshes, tasks and handles, with a driver that has no kernel behind it.
//!
//! The other models take one part each, and repeat the glue around it so that every access can be tracked. Here the glue itself
//! runs: `schedule`, `harness`, `waker`, `join`, `raw`, `turn`, `shutdown` and the mesh. What is checked is what a user sees: no
//! wake is lost, futures and outputs go once, nobody waits for ever, nothing is left behind. What the tasks' memory goes through
//! meanwhile is the other models' business, except for what a task holds, which is tracked here too.
//!
//! Each model names what it fails without.

#![expect(unsafe_code, reason = "shares tracked cells, reads them")]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc as StdArc;
use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed as Counted};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::{Driver, Shard, Turn, spawn, spawn_local};
use crate::config::{Config, Reach};
use crate::loom::atomic::Ordering::{AcqRel, Acquire, Release};
use crate::loom::atomic::{AtomicBool, AtomicUsize};
use crate::loom::cell::UnsafeCell;
use crate::loom::{Condvar, Mutex, thread};
use crate::mesh::{Away, Mesh, ShardId, WATCH};
use crate::park::{Spin, Unpark};
use crate::task::{JoinHandle, arena};
use crate::timer::{Clock, Entry, Filed, NEVER};

fn bounded(preemptions: usize, f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(f);
}

/// Counts: writes to an eventfd, or wakes of a joiner.
struct Bell(AtomicUsize);

impl Bell {
    fn new() -> StdArc<Self> {
        StdArc::new(Self(AtomicUsize::new(0)))
    }

    fn rung(&self) -> bool {
        self.0.load(Acquire) > 0
    }
}

impl Unpark for Bell {
    fn unpark(&self) {
        self.0.fetch_add(1, AcqRel);
    }
}

impl Wake for Bell {
    fn wake(self: StdArc<Self>) {
        self.unpark();
    }
}

/// Waits for nothing.
struct Still(StdArc<Bell>);

impl Driver for Still {
    fn wait(&mut self, _: Option<Duration>) -> usize {
        0
    }

    fn unparker(&self) -> StdArc<dyn Unpark> {
        self.0.clone()
    }
}

fn mesh(shards: usize, steal: Reach) -> StdArc<Mesh> {
    // A running clock would make each execution another one.
    let clock = Clock::new();
    assert!(clock.pause());
    Mesh::new(Config { steal, spin: Spin::Fixed(Duration::ZERO), ..Config::new(shards) }, clock)
}

/// A shard, and what its thread knows.
struct Driven {
    shard: Shard,
    eventfd: StdArc<Bell>,
    asleep: bool,
}

impl Driven {
    fn new(mesh: &StdArc<Mesh>, id: u32) -> Self {
        let eventfd = Bell::new();
        let shard = Shard::new(mesh.clone(), ShardId(id), Box::new(Still(eventfd.clone())));
        Self { shard, eventfd, asleep: false }
    }

    /// What a worker does until it waits in the kernel.
    fn work(&mut self) {
        loop {
            while self.shard.turn() == Turn::Again {}
            if self.lie_down() {
                return;
            }
        }
    }

    /// Lies down, or gets up again if there is something to do.
    fn lie_down(&mut self) -> bool {
        self.asleep = self.shard.lie_down(|| false).is_some();
        if !self.asleep {
            self.shard.get_up();
        }
        self.asleep
    }

    /// If something ended its wait, the shard goes on.
    fn wake_up(&mut self) {
        if self.asleep && self.eventfd.rung() {
            self.asleep = false;
            self.shard.get_up();
            self.work();
        }
    }
}

/// What became of a task.
struct Seen {
    /// Touched by every poll and by the drop of the future: one at a time, each after the one before.
    future: UnsafeCell<()>,
    /// Written before the output is there, touched when it goes.
    output: UnsafeCell<()>,
    waker: Mutex<Option<Waker>>,
    futures_gone: Count,
    outputs: Count,
    outputs_gone: Count,
}

// SAFETY: loom checks every access to the cells.
unsafe impl Sync for Seen {}
// SAFETY: as above.
unsafe impl Send for Seen {}

impl Seen {
    fn new() -> StdArc<Self> {
        StdArc::new(Self {
            future: UnsafeCell::new(()),
            output: UnsafeCell::new(()),
            waker: Mutex::new(None),
            futures_gone: Count::new(0),
            outputs: Count::new(0),
            outputs_gone: Count::new(0),
        })
    }

    fn take_waker(&self) -> Waker {
        self.waker.lock().unwrap().take().expect("the task was polled and left one")
    }

    /// All is over: whatever there was has gone, once.
    fn check(&self) {
        assert_eq!(self.futures_gone.load(Counted), 1, "futures dropped");
        assert_eq!(self.outputs.load(Counted), self.outputs_gone.load(Counted), "outputs dropped");
    }
}

/// Waits for as many wakes as it is told, then gives an output.
struct Task {
    seen: StdArc<Seen>,
    waits: usize,
}

struct Output(StdArc<Seen>);

impl Drop for Output {
    fn drop(&mut self) {
        self.0.output.with_mut(|_| ());
        self.0.outputs_gone.fetch_add(1, Counted);
    }
}

impl Future for Task {
    type Output = Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Output> {
        self.seen.future.with_mut(|_| ());
        if self.waits > 0 {
            self.waits -= 1;
            *self.seen.waker.lock().unwrap() = Some(cx.waker().clone());
            return Poll::Pending;
        }
        self.seen.output.with_mut(|_| ());
        self.seen.outputs.fetch_add(1, Counted);
        Poll::Ready(Output(self.seen.clone()))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.seen.future.with_mut(|_| ());
        self.seen.futures_gone.fetch_add(1, Counted);
    }
}

type Handle = JoinHandle<Output>;

/// Polls a handle; it comes back with the bell of its waker if it has to wait.
fn join(mut handle: Handle) -> Option<(Handle, StdArc<Bell>)> {
    // Twice, since the second waker replaces the first.
    for last in [false, true] {
        let bell = Bell::new();
        if Pin::new(&mut handle).poll(&mut Context::from_waker(&Waker::from(bell.clone()))).is_ready() {
            return None;
        }
        if last {
            return Some((handle, bell));
        }
    }
    None
}

/// Whoever had to wait has been woken, and is answered.
fn answered(waiting: Option<(Handle, StdArc<Bell>)>) {
    if let Some((handle, bell)) = waiting {
        assert!(bell.rung(), "the joiner was not woken");
        assert!(join(handle).is_none(), "woken for nothing");
    }
}

/// A pinned task that has been polled once, and its waker.
fn waiting_task(here: &mut Driven, seen: &StdArc<Seen>) -> (Handle, Waker) {
    let task = Task { seen: seen.clone(), waits: 1 };
    let handle = here.shard.enter(|local| spawn_local(local, task));
    let _ = here.shard.turn();
    (handle, seen.take_waker())
}

/// Closes the shard and what all share; nothing is left.
fn end(mesh: &StdArc<Mesh>, here: Driven) {
    drop(here);
    mesh.finish();
    assert_eq!(StdArc::strong_count(mesh), 1, "a task is left behind");
}

/// A wake meets a shard that goes to sleep. Fails if `wake_elsewhere` wakes the shard before it mails the task, or not at all,
/// and if `lie_down` does not look at the mail.
#[test]
fn loom_shard_wake_against_sleep() {
    bounded(3, || {
        let (mesh, seen) = (mesh(1, Reach::Off), Seen::new());
        let mut here = Driven::new(&mesh, 0);
        let (handle, waker) = waiting_task(&mut here, &seen);
        let other = thread::spawn(move || waker.wake_by_ref());
        here.work();
        other.join().unwrap();
        here.wake_up();
        assert!(handle.is_finished(), "a wake was lost");
        drop(handle);
        end(&mesh, here);
        seen.check();
    });
}

/// The same with the waker's only reference: it goes while the task completes and its memory goes too. Fails if the reference
/// is given up before the shard was woken, and without the AcqRel of the counts.
#[test]
fn loom_shard_wake_by_value() {
    bounded(2, || {
        let (mesh, seen) = (mesh(1, Reach::Off), Seen::new());
        let mut here = Driven::new(&mesh, 0);
        let (handle, waker) = waiting_task(&mut here, &seen);
        drop(handle);
        let other = thread::spawn(move || waker.wake());
        here.work();
        other.join().unwrap();
        here.wake_up();
        // What is left is mail that nobody was woken for: memory.
        let _ = here.shard.turn();
        assert!(here.shard.local().pinned_tasks().is_empty(), "leaked");
        seen.check();
        end(&mesh, here);
    });
}

/// A joiner elsewhere, which changes its waker, against completion. Fails if the slot is filled after the post, if the
/// drain forgets JOIN_REMOTE, and if completing does not look at it.
#[test]
fn loom_shard_join() {
    bounded(2, || {
        let (mesh, seen) = (mesh(1, Reach::Off), Seen::new());
        let mut here = Driven::new(&mesh, 0);
        let task = Task { seen: seen.clone(), waits: 0 };
        let handle = here.shard.enter(|local| spawn_local(local, task));
        let other = thread::spawn(move || join(handle));
        here.work();
        let waiting = other.join().unwrap();
        here.wake_up();
        answered(waiting);
        end(&mesh, here);
        seen.check();
    });
}

/// As above for a task that waits: the joiner is there before the task completes.
#[test]
fn loom_shard_join_before_completion() {
    bounded(2, || {
        let (mesh, seen) = (mesh(1, Reach::Off), Seen::new());
        let mut here = Driven::new(&mesh, 0);
        let (handle, waker) = waiting_task(&mut here, &seen);
        let other = thread::spawn(move || {
            let waiting = join(handle);
            waker.wake();
            waiting
        });
        here.work();
        let waiting = other.join().unwrap();
        here.wake_up();
        answered(waiting);
        end(&mesh, here);
        seen.check();
    });
}

/// A handle is dropped elsewhere while its task completes. Fails if the output is left in the mail of a shard that sleeps.
#[test]
fn loom_shard_unjoin() {
    bounded(3, || {
        let (mesh, seen) = (mesh(1, Reach::Off), Seen::new());
        let mut here = Driven::new(&mesh, 0);
        let task = Task { seen: seen.clone(), waits: 0 };
        let handle = here.shard.enter(|local| spawn_local(local, task));
        let other = thread::spawn(move || drop(handle));
        here.work();
        other.join().unwrap();
        here.wake_up();
        seen.check();
        let _ = here.shard.turn();
        assert!(here.shard.local().pinned_tasks().is_empty(), "leaked");
        end(&mesh, here);
    });
}

/// An alien spawns, joins and leaves while the shard runs. Fails if OWNER_ZERO is not set.
#[test]
fn loom_shard_spawn_from_outside() {
    bounded(2, || {
        let (mesh, seen) = (mesh(1, Reach::Off), Seen::new());
        let mut here = Driven::new(&mesh, 0);
        let other = thread::spawn({
            let (mesh, seen) = (mesh.clone(), seen.clone());
            move || join(spawn(&mesh, Task { seen, waits: 0 }))
        });
        here.work();
        let waiting = other.join().unwrap();
        here.wake_up();
        answered(waiting);
        seen.check();
        let _ = here.shard.turn();
        assert!(here.shard.local().pinned_tasks().is_empty(), "leaked");
        end(&mesh, here);
    });
}

/// An abort from elsewhere: of a task that waits, it ends it; of one that completes, it changes nothing.
#[test]
fn loom_shard_abort() {
    bounded(2, || {
        let (mesh, seen) = (mesh(1, Reach::Off), Seen::new());
        let mut here = Driven::new(&mesh, 0);
        let (handle, waker) = waiting_task(&mut here, &seen);
        let abort = handle.abort_handle();
        let other = thread::spawn(move || abort.abort());
        here.work();
        other.join().unwrap();
        here.wake_up();
        assert!(handle.is_finished(), "an abort was lost");
        drop((handle, waker));
        end(&mesh, here);
        seen.check();
    });
}

/// The shard closes; another thread wakes, then joins or leaves. Fails if the mailbox is closed before the tasks are
/// cancelled, and if orphaning forgets the remote count.
#[test]
fn loom_shard_close() {
    for joins in [true, false] {
        bounded(2, move || {
            let (mesh, seen) = (mesh(1, Reach::Off), Seen::new());
            let mut here = Driven::new(&mesh, 0);
            let (handle, waker) = waiting_task(&mut here, &seen);
            let other = thread::spawn(move || {
                waker.wake();
                if joins { join(handle) } else { None }
            });
            drop(here);
            answered(other.join().unwrap());
            seen.check();
            assert_eq!(StdArc::strong_count(&mesh), 1, "a task is left behind");
        });
    }
}

/// As above with three threads, of which one may have set MAILED and not pushed yet when another posts its waker and the shard
/// closes. With one preemption it does not yet fail without `Unmail::WakeJoiner`.
#[test]
fn loom_shard_close_between_mailed_and_push() {
    bounded(1, || {
        let (mesh, seen) = (mesh(1, Reach::Off), Seen::new());
        let mut here = Driven::new(&mesh, 0);
        let (handle, waker) = waiting_task(&mut here, &seen);
        let joiner = thread::spawn(move || join(handle));
        let closer = thread::spawn(move || drop(here));
        waker.wake();
        closer.join().unwrap();
        answered(joiner.join().unwrap());
        seen.check();
        assert_eq!(StdArc::strong_count(&mesh), 1, "a task is left behind");
    });
}

/// A spawn from elsewhere meets a shard that closes: it is run, cancelled there or refused here. Fails if the mailbox does
/// not refuse, and if the refused task is not cancelled.
#[test]
fn loom_shard_spawn_against_close() {
    bounded(3, || {
        let (mesh, seen) = (mesh(1, Reach::Off), Seen::new());
        let here = Driven::new(&mesh, 0);
        let other = thread::spawn({
            let (mesh, seen) = (mesh.clone(), seen.clone());
            move || join(spawn(&mesh, Task { seen, waits: 0 }))
        });
        drop(here);
        answered(other.join().unwrap());
        seen.check();
        assert_eq!(StdArc::strong_count(&mesh), 1, "a task is left behind");
    });
}

/// Tasks of a closed shard, all in one chunk of its arena, go on two other threads while the shard closes. The last unmaps
/// the chunk. Fails if the count is not AcqRel, or is one off.
#[test]
fn loom_shard_orphans() {
    bounded(2, || {
        let mesh = mesh(1, Reach::Off);
        let mut here = Driven::new(&mesh, 0);
        let aborts: [_; 2] =
            std::array::from_fn(|_| here.shard.enter(|local| spawn_local(local, async {}).abort_handle()));
        let _ = here.shard.turn();
        let others = aborts.map(|abort| thread::spawn(move || drop(abort)));
        drop(here);
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(StdArc::strong_count(&mesh), 1, "a task is left behind");
        assert_eq!(arena::mapped(), 0, "a chunk is left behind");
    });
}

/// The load is read while a task arrives and completes: it may be old, but it is a number of tasks. Fails (far above one) if a load
/// below zero is taken for what it is.
#[test]
fn loom_mesh_load_against_arrival() {
    bounded(2, || {
        let mesh = mesh(1, Reach::Off);
        let mut here = Driven::new(&mesh, 0);
        let sender = thread::spawn({
            let mesh = mesh.clone();
            move || spawn(&mesh, async {})
        });
        let reader = thread::spawn({
            let mesh = mesh.clone();
            move || assert!(mesh.alive_tasks() <= 1, "{} tasks", mesh.alive_tasks())
        });
        here.work();
        reader.join().unwrap();
        drop(sender.join().unwrap());
        here.wake_up();
        let _ = here.shard.turn();
        end(&mesh, here);
    });
}

/// A movable task is spawned from elsewhere while the only shard closes: listed or refused, run or cancelled, by whoever has it.
/// Fails if `share` does not look whether all is over, and without the fence of `finish`.
#[test]
fn loom_mesh_spawn_against_close() {
    bounded(3, || {
        let (mesh, seen) = (mesh(1, Reach::All), Seen::new());
        let here = Driven::new(&mesh, 0);
        let other = thread::spawn({
            let (mesh, seen) = (mesh.clone(), seen.clone());
            move || join(spawn(&mesh, Task { seen, waits: 0 }))
        });
        drop(here);
        mesh.finish();
        answered(other.join().unwrap());
        seen.check();
        assert_eq!(StdArc::strong_count(&mesh), 1, "a task is left behind");
    });
}

/// The shard that would list a new task closes, and another one runs on. A task that it listed would wait for ever: fails if a
/// closed list takes tasks.
#[test]
fn loom_mesh_list_against_close() {
    bounded(2, || {
        let (mesh, seen) = (mesh(2, Reach::All), Seen::new());
        let (here, mut there) = (Driven::new(&mesh, 0), Driven::new(&mesh, 1));
        let other = thread::spawn({
            let (mesh, seen) = (mesh.clone(), seen.clone());
            move || spawn(&mesh, Task { seen, waits: 1 })
        });
        drop(here);
        let handle = other.join().unwrap();
        let _ = there.shard.turn();
        drop(there);
        mesh.finish();
        assert!(handle.is_finished(), "left in a list");
        drop(handle);
        // The task's own waker.
        drop(seen.waker.lock().unwrap().take());
        seen.check();
        assert_eq!(StdArc::strong_count(&mesh), 1, "a task is left behind");
    });
}

/// A movable task that waits is woken from elsewhere while the only shard closes. Fails if shutdown takes a queued
/// task, if `share` does not look whether all is over, and without the fence of `finish`.
#[test]
fn loom_mesh_wake_against_close() {
    bounded(3, || {
        let (mesh, seen) = (mesh(1, Reach::All), Seen::new());
        let mut here = Driven::new(&mesh, 0);
        let handle = spawn(&mesh, Task { seen: seen.clone(), waits: 1 });
        let _ = here.shard.turn();
        let waker = seen.take_waker();
        let other = thread::spawn(move || waker.wake());
        drop(here);
        mesh.finish();
        other.join().unwrap();
        assert!(handle.is_finished(), "left in the queue");
        drop(handle);
        seen.check();
        assert_eq!(StdArc::strong_count(&mesh), 1, "a task is left behind");
    });
}

/// One shard runs a movable task that another lists, while that one closes. Fails if `close_list` makes no references, and if
/// completing gives the list's up twice.
#[test]
fn loom_mesh_run_against_close() {
    bounded(2, || {
        let (mesh, seen) = (mesh(2, Reach::All), Seen::new());
        let here = Driven::new(&mesh, 0);
        let handle = spawn(&mesh, Task { seen: seen.clone(), waits: 0 });
        let other = thread::spawn({
            let mesh = mesh.clone();
            move || {
                let mut there = Driven::new(&mesh, 1);
                let _ = there.shard.turn();
                drop(there);
            }
        });
        drop(here);
        other.join().unwrap();
        mesh.finish();
        assert!(join(handle).is_none(), "left behind");
        seen.check();
        assert_eq!(StdArc::strong_count(&mesh), 1, "a task is left behind");
    });
}

/// A movable task is pushed from elsewhere while the only shard goes to sleep. Fails if `lie_down` does not look at the overflow
/// again, and without the wake of `notify`.
#[test]
fn loom_mesh_push_against_sleep() {
    bounded(2, || {
        let (mesh, seen) = (mesh(1, Reach::All), Seen::new());
        let mut here = Driven::new(&mesh, 0);
        let other = thread::spawn({
            let (mesh, seen) = (mesh.clone(), seen.clone());
            move || spawn(&mesh, Task { seen, waits: 0 })
        });
        here.work();
        let handle = other.join().unwrap();
        here.wake_up();
        assert!(handle.is_finished(), "sleeps on a task");
        drop(handle);
        seen.check();
        end(&mesh, here);
    });
}

/// As above while one shard looks, which counts as searching, and another sleeps: the one finds the task, or the other is called. Fails
/// if a look that found nothing goes on counting as a search.
#[test]
fn loom_mesh_push_against_look() {
    bounded(2, || {
        let (mesh, seen) = (mesh(2, Reach::All), Seen::new());
        let (mut here, mut there) = (Driven::new(&mesh, 0), Driven::new(&mesh, 1));
        there.work();
        let other = thread::spawn({
            let (mesh, seen) = (mesh.clone(), seen.clone());
            move || spawn(&mesh, Task { seen, waits: 0 })
        });
        if here.shard.look(&|| false, 0) || !here.lie_down() {
            here.work();
        }
        let handle = other.join().unwrap();
        here.wake_up();
        there.wake_up();
        assert!(handle.is_finished(), "sleeps on a task");
        drop((handle, here, there));
        seen.check();
        mesh.finish();
        assert_eq!(StdArc::strong_count(&mesh), 1, "a task is left behind");
    });
}

/// The last reference to a movable task in an arena is dropped elsewhere while its home closes: its memory and the mesh go once.
/// Fails if L2 or H3 (see `homing`) does not look at what was there, and if H2 is left out.
#[test]
fn loom_mesh_memory_against_home_close() {
    bounded(3, || {
        let (mesh, seen) = (mesh(1, Reach::All), Seen::new());
        let mut here = Driven::new(&mesh, 0);
        let handle = here.shard.enter(|_| spawn(&mesh, Task { seen: seen.clone(), waits: 1 }));
        let _ = here.shard.turn();
        let waker = seen.take_waker();
        drop(handle);
        let other = thread::spawn(move || drop(waker));
        drop(here);
        other.join().unwrap();
        mesh.finish();
        seen.check();
        assert_eq!(StdArc::strong_count(&mesh), 1, "a task is left behind");
        assert_eq!(arena::mapped(), 0, "a chunk is left behind");
    });
}

/// As above for a task that has completed. Fails if `make_ref_unless_complete` makes one always.
#[test]
fn loom_mesh_output_against_home_close() {
    bounded(3, || {
        let (mesh, seen) = (mesh(1, Reach::All), Seen::new());
        let mut here = Driven::new(&mesh, 0);
        let handle = here.shard.enter(|_| spawn(&mesh, Task { seen: seen.clone(), waits: 1 }));
        let _ = here.shard.turn();
        let waker = seen.take_waker();
        waker.wake_by_ref();
        let _ = here.shard.turn();
        let other = thread::spawn(move || {
            drop(handle);
            drop(waker);
        });
        drop(here);
        other.join().unwrap();
        mesh.finish();
        seen.check();
        assert_eq!(StdArc::strong_count(&mesh), 1, "a task is left behind");
        assert_eq!(arena::mapped(), 0, "a chunk is left behind");
    });
}

/// A movable task is stolen and run while its home closes, and its handle is answered at the end. Fails if shutdown takes no
/// reference to what it found in the arena.
#[test]
fn loom_mesh_run_against_home_close() {
    bounded(2, || {
        let (mesh, seen) = (mesh(2, Reach::All), Seen::new());
        let here = Driven::new(&mesh, 0);
        let handle = here.shard.enter(|_| spawn(&mesh, Task { seen: seen.clone(), waits: 0 }));
        let other = thread::spawn({
            let mesh = mesh.clone();
            move || {
                let mut there = Driven::new(&mesh, 1);
                let _ = there.shard.turn();
                drop(there);
            }
        });
        drop(here);
        other.join().unwrap();
        mesh.finish();
        assert!(join(handle).is_none(), "left behind");
        seen.check();
        assert_eq!(StdArc::strong_count(&mesh), 1, "a task is left behind");
        assert_eq!(arena::mapped(), 0, "a chunk is left behind");
    });
}

/// A task whose memory is mailed home is freed by the home's next drain, and the home goes on. Fails if the drain takes it for a
/// pinned one.
#[test]
fn loom_mesh_memory_comes_home() {
    bounded(2, || {
        let (mesh, seen) = (mesh(1, Reach::All), Seen::new());
        let mut here = Driven::new(&mesh, 0);
        let handle = here.shard.enter(|_| spawn(&mesh, Task { seen: seen.clone(), waits: 0 }));
        let other = thread::spawn(move || join(handle));
        here.work();
        answered(other.join().unwrap());
        here.work();
        let live = here.shard.enter(|local| local.arena(|arena| arena.live()));
        assert_eq!(live, 0, "the memory did not come home");
        seen.check();
        end(&mesh, here);
    });
}

/// A movable task waits for another one, which a second shard steals and completes. Fails if the one that waits does not look once
/// more after it has announced its waker.
#[test]
fn loom_mesh_task_joins_task() {
    bounded(2, || {
        let (mesh, seen) = (mesh(2, Reach::All), Seen::new());
        let mut here = Driven::new(&mesh, 0);
        let joiner = here.shard.enter(|_| {
            let handle = spawn(&mesh, Task { seen: seen.clone(), waits: 0 });
            spawn(&mesh, async move { assert!(handle.await.is_ok()) })
        });
        let other = thread::spawn({
            let mesh = mesh.clone();
            move || {
                let mut there = Driven::new(&mesh, 1);
                while there.shard.turn() == Turn::Again {}
                drop(there);
            }
        });
        while here.shard.turn() == Turn::Again {}
        other.join().unwrap();
        while here.shard.turn() == Turn::Again {}
        assert!(joiner.is_finished(), "waits for ever");
        drop(joiner);
        seen.check();
        end(&mesh, here);
        assert_eq!(arena::mapped(), 0, "a chunk is left behind");
    });
}

/// A shard that another watches is left with a timer in its lane. Either the other one is called, or it finds the timer's deadline
/// when it lies down again, or it still watches. Fails without L4 of [`mesh`](crate::mesh), and without L3.
#[test]
fn loom_shard_left_with_a_timer() {
    bounded(3, || {
        let mesh = mesh(2, Reach::All);
        let mut timer = Box::pin(Entry::new());
        let deadline_ns = mesh.clock().now_ns() + 1_000_000_000;
        let _ = timer.as_mut().arm(mesh.remote(ShardId(0)).lane(), deadline_ns, Waker::noop().clone());
        let mut other = Driven::new(&mesh, 1);
        let leaves = {
            let mesh = mesh.clone();
            thread::spawn(move || mesh.remote(ShardId(0)).leave(Away::ForNow))
        };
        let lie_down = |other: &mut Driven| {
            let mut until = None;
            if other.shard.lie_down(|| false).is_some() {
                let local = &other.shard.local;
                local.rest.sleep(local.remote(), NEVER, |timeout| {
                    until = timeout;
                    0
                });
                return until;
            }
            Some(Duration::ZERO)
        };
        let mut until = lie_down(&mut other);
        if until == Some(WATCH) {
            other.shard.get_up();
            until = lie_down(&mut other);
        }
        leaves.join().unwrap();
        assert!(until.is_some() || other.eventfd.rung(), "nobody sees to the timer");
        other.shard.get_up();
        drop(timer);
    });
}

/// A shard is left while a thread outside arms a timer in its lane. Another is called. Fails without A2 of [`mesh`](crate::mesh), and without
/// L4.
#[test]
fn loom_shard_left_while_a_timer_is_armed() {
    bounded(3, || {
        let mesh = mesh(2, Reach::All);
        let mut other = Driven::new(&mesh, 1);
        assert!(other.shard.lie_down(|| false).is_some());
        let deadline_ns = mesh.clock().now_ns() + 1_000_000_000;
        let arms = {
            let mesh = mesh.clone();
            thread::spawn(move || {
                let (mut timer, left) = (Box::pin(Entry::new()), mesh.remote(ShardId(0)));
                if timer.as_mut().arm(left.lane(), deadline_ns, Waker::noop().clone()) == Filed::Earliest {
                    left.wake_for_timer();
                }
                timer
            })
        };
        mesh.remote(ShardId(0)).leave(Away::ForNow);
        let timer = arms.join().unwrap();
        assert!(other.eventfd.rung(), "nobody sees to the timer");
        other.shard.get_up();
        drop(timer);
    });
}

/// What a thread sleeps in.
struct Bed {
    rung: Mutex<bool>,
    bell: Condvar,
}

impl Unpark for Bed {
    fn unpark(&self) {
        *self.rung.lock().unwrap() = true;
        self.bell.notify_one();
    }
}

/// Waits for the bell alone, and really.
struct Sleeps(StdArc<Bed>);

impl Driver for Sleeps {
    fn wait(&mut self, timeout: Option<Duration>) -> usize {
        let mut rung = self.0.rung.lock().unwrap();
        while timeout.is_none() && !*rung {
            rung = self.0.bell.wait(rung).unwrap();
        }
        *rung = false;
        0
    }

    fn unparker(&self) -> StdArc<dyn Unpark> {
        self.0.clone()
    }
}

/// A shard whose clock stands, with a timer.
fn paused_shard(mesh: &StdArc<Mesh>) -> (Shard, Pin<Box<Entry>>) {
    let bed = StdArc::new(Bed { rung: Mutex::new(false), bell: Condvar::new() });
    let shard = Shard::new(mesh.clone(), ShardId(0), Box::new(Sleeps(bed)));
    let mut timer = Box::pin(Entry::new());
    let deadline_ns = mesh.clock().now_ns() + 1_000_000;
    let _ = timer.as_mut().arm(mesh.remote(ShardId(0)).lane(), deadline_ns, Waker::noop().clone());
    (shard, timer)
}

/// Somebody outside works for a task while the clock stands, wakes it, and lets go of the clock. The task finds the clock where it was.
/// Fails if `park_paused` does not ask before its look whether the clock is held.
#[test]
fn loom_shard_clock_held_for_a_task() {
    bounded(2, || {
        let mesh = mesh(1, Reach::Off);
        let start_ns = mesh.clock().now_ns();
        let (mut shard, timer) = paused_shard(&mesh);
        let worked = StdArc::new(AtomicBool::new(false));
        let left = StdArc::new(std::sync::Mutex::new(None));
        let task = {
            let (worked, left, mesh) = (worked.clone(), left.clone(), mesh.clone());
            std::future::poll_fn(move |cx| {
                if worked.load(Acquire) {
                    return Poll::Ready(mesh.clock().now_ns());
                }
                *left.lock().unwrap() = Some(cx.waker().clone());
                Poll::Pending
            })
        };
        let mut task = shard.enter(|local| spawn_local(local, task));
        while shard.turn() == Turn::Again {}
        let waker = left.lock().unwrap().take().unwrap();
        let hold = mesh.hold_clock();
        let outside = thread::spawn(move || {
            worked.store(true, Release);
            waker.wake();
            drop(hold);
        });
        loop {
            while shard.turn() == Turn::Again {}
            if task.is_finished() {
                break;
            }
            shard.park(|| {
                // Loom by itself puts no store of another thread between a load and the load before it.
                thread::yield_now();
                false
            });
        }
        let polled = Pin::new(&mut task).poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Ready(Ok(now_ns)) if now_ns == start_ns), "the clock was moved on");
        outside.join().unwrap();
        drop(timer);
    });
}

/// Whoever holds the clock lets go of it without waking anybody. The clock moves on to the next timer. Fails if letting go does not
/// wake the shards.
#[test]
fn loom_shard_clock_let_go() {
    bounded(3, || {
        let mesh = mesh(1, Reach::Off);
        let (mut shard, timer) = paused_shard(&mesh);
        let hold = mesh.hold_clock();
        let outside = thread::spawn(move || drop(hold));
        while !timer.is_fired() {
            while shard.turn() == Turn::Again {}
            shard.park(|| false);
        }
        outside.join().unwrap();
    });
}
