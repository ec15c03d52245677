//! Some thousand seeds of several shards under a random load, checked for lost wakes, leaks and wrong results.
//!
//! A seed stands for a mesh, up to a few hundred tasks that do random things to each other, and an alien that interferes
//! between two steps. Among the random things is to let other shards go on in the middle of a poll.
//! `CORELANE_SIM_SEEDS=100000` tries more seeds, `CORELANE_SIM_SEED=123` one of them, and prints its trace:
//!
//! ```text
//! CORELANE_SIM_SEED=123 cargo test -p corelane-shards --test sim
//! ```
//!
//! What is checked, and where:
//! - *No wake is lost*: each wake is counted before it is made and each poll writes down what it can have seen; when all
//!   shards sleep the two agree. What a task waits for cannot have come while it still waits (`World::check_quiet`).
//! - *Once*: a future is dropped once, inside its own shard if it is pinned and was ever polled (`gone`), an output once
//!   (`Out`), and a handle resolves with what the task really did (`World::check_result`).
//! - *Timers* fire neither before their deadline (`Alarm`) nor after the turn that follows it (`World::check_late`).
//! - *Nothing is left*: arenas, mailboxes and the overflow are empty, the mesh's last references are the test's.
//!
//! Whatever a task waits for comes in the end: tokens and events from the alien once all is quiet, and a task joins only
//! newer ones, so that there is no circle.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use corelane_shards::config::{Config, Place, Reach, Site};
use corelane_shards::mesh::{Mesh, ShardId};
use corelane_shards::shard;
use corelane_shards::sim::{Io, Sim, Step, Trace};
use corelane_shards::task::{AbortHandle, JoinError, JoinHandle};
use corelane_shards::timer::{Entry, Filed, Status};
use corelane_shards::util::Rng;

/// Seeds of an ordinary run.
const SEEDS: u64 = 2_000;
/// One in so many seeds is run twice, to compare the traces.
const TWICE: u64 = 8;
/// One in so many has enough tasks to fill a ring of movable ones.
const MANY: u32 = 200;

// ---- what a run knows ----

struct World {
    sim: Sim,
    mesh: Arc<Mesh>,
    trace: Trace,
    start_ns: u64,
    tick_ns: u64,
    most_tasks: usize,
    most_ops: u32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tasks: Vec<Task>,
    /// Timers that are armed: lane and deadline.
    timers: BTreeMap<u64, (usize, u64)>,
    next_key: u64,
    closed: Vec<bool>,
    /// Steps that stand in the middle of a turn, one inside another.
    depth: u32,
    failure: Option<String>,
}

/// What a task waits for.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum On {
    /// Its first poll, or the next after a yield.
    #[default]
    Run,
    Token,
    Join(usize),
    Timer(u64),
    Io {
        shard: usize,
        key: u64,
        raised: bool,
    },
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum End {
    #[default]
    None,
    Finished,
    Panicked,
}

#[derive(Default)]
struct Task {
    pinned: bool,
    /// Its shard, once that is known.
    home: Option<usize>,
    on: On,
    end: End,
    polls: u64,
    /// The future was dropped.
    gone: bool,
    aborted: bool,
    /// Wakes that were made, and how many of them the last poll can have seen.
    woken: u64,
    seen: u64,
    outputs: i32,
    wakers: Vec<Waker>,
    abort: Option<AbortHandle>,
    handle: Option<JoinHandle<Out>>,
    /// An alien waits for the task with this.
    alien: Option<Arc<AlienWaker>>,
}

#[derive(Default)]
struct AlienWaker(AtomicBool);

impl Wake for AlienWaker {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

/// The shard this thread is inside.
fn here() -> Option<usize> {
    shard::current(|local| local.map(|local| local.remote().id().index()))
}

impl World {
    /// `f` runs nothing that may come back here.
    fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn task<R>(&self, n: usize, f: impl FnOnce(&mut Task) -> R) -> R {
        self.with(|state| f(&mut state.tasks[n]))
    }

    fn is_closed(&self, shard: usize) -> bool {
        self.with(|state| state.closed[shard])
    }

    /// Lanes are closed with the last shard.
    fn lanes_are_closed(&self) -> bool {
        self.with(|state| state.lanes_are_closed())
    }

    fn sleeps_without_a_shard(&self, timer: u64) -> bool {
        self.with(|state| state.timers.get(&timer).is_some_and(|(lane, _)| state.closed[*lane]))
    }

    fn io(&self, shard: usize) -> &Io {
        self.sim.io(ShardId(shard as u32))
    }

    /// Fails the run after the step.
    fn fail(&self, text: String) {
        self.with(|state| {
            state.failure.get_or_insert(text);
        });
    }

    fn now_ns(&self) -> u64 {
        self.mesh.clock().now_ns() - self.start_ns
    }

    fn pick(&self, rng: &mut Rng) -> usize {
        self.with(|state| rng.below(state.tasks.len() as u32) as usize)
    }

    fn pick_shard(&self, rng: &mut Rng) -> usize {
        rng.below(self.mesh.remotes().len() as u32) as usize
    }

    // ---- what tasks and aliens do ----

    fn spawn(self: &Arc<Self>, rng: &mut Rng) {
        let (kind, target, large, detach) =
            (rng.below(4), self.pick_shard(rng), rng.below(8) == 0, rng.below(6) == 0);
        let seed = rng.next_u64();
        let (pinned, home) = match (kind, here()) {
            (0, Some(own)) => (true, Some(own)),
            (0 | 1, _) => (true, Some(target)),
            _ => (!self.mesh.steals(), None),
        };
        let n = self.with(|state| {
            state.tasks.push(Task { pinned, home, ..Task::default() });
            state.tasks.len() - 1
        });
        if n >= self.most_tasks {
            self.with(|state| state.tasks.pop());
            return;
        }
        self.trace.note("spawn", n as u64);
        let handle = match (kind, here()) {
            (0, Some(_)) => shard::current(|local| {
                let local = local.expect("inside a shard");
                if large {
                    shard::spawn_local(local, Probe::new(self, n, seed, (Rc::new(()), [0u8; 4096])))
                } else {
                    shard::spawn_local(local, Probe::new(self, n, seed, Rc::new(())))
                }
            }),
            (0 | 1, _) => {
                let claim = Claim { world: Some(Arc::clone(self)), n };
                shard::spawn_at(&self.mesh.remotes()[target], move || claim.redeem(seed))
            }
            _ if large => shard::spawn(&self.mesh, Probe::new(self, n, seed, [0u8; 4096])),
            _ => shard::spawn(&self.mesh, Probe::new(self, n, seed, ())),
        };
        let abort = handle.abort_handle();
        let detached = self.task(n, |task| {
            task.abort = Some(abort);
            if detach {
                return Some(handle);
            }
            task.handle = Some(handle);
            None
        });
        drop(detached);
    }

    /// Wakes a task, or now and then only drops one of its wakers; false if it has none.
    fn wake(&self, n: usize, rng: &mut Rng) -> bool {
        self.trace.note("wake", n as u64);
        let how = rng.below(8);
        let waker = self.task(n, |task| {
            let at = rng.below(task.wakers.len() as u32) as usize;
            let there = task.wakers.get(at)?;
            task.woken += u64::from(how < 7);
            Some(if how == 0 || how == 7 { task.wakers.swap_remove(at) } else { there.clone() })
        });
        let Some(waker) = waker else { return false };
        match how {
            0..4 => waker.wake(),
            4..7 => waker.wake_by_ref(),
            _ => drop(waker),
        }
        true
    }

    fn abort(&self, n: usize, times: u32) {
        self.trace.note("abort", n as u64);
        let handle = self.task(n, |task| {
            task.aborted |= !task.gone && task.abort.is_some();
            task.abort.clone()
        });
        let Some(handle) = handle else { return };
        for _ in 0..times {
            handle.abort();
        }
        if handle.is_finished() && !self.task(n, |task| task.gone) {
            self.fail(format!("task {n} is finished before its future is gone"));
        }
    }

    fn take_handle(&self, n: usize) -> Option<JoinHandle<Out>> {
        self.task(n, |task| {
            task.alien = None;
            task.handle.take()
        })
    }

    fn check_result(&self, n: usize, result: Result<Out, JoinError>) {
        self.trace.note("joined", n as u64);
        let wrong = self.with(|state| {
            let task = &state.tasks[n];
            let closed = match task.home {
                Some(home) => state.closed[home],
                None => state.closed.contains(&true),
            };
            let right = match &result {
                Ok(out) => task.end == End::Finished && out.n == n,
                Err(error) if error.is_panic() => task.end == End::Panicked,
                Err(_) => task.end == End::None && (task.aborted || closed),
            };
            (!right || !task.gone).then(|| {
                let got = result.as_ref().map(|out| out.n).map_err(JoinError::to_string);
                format!("task {n} gave {got:?}, but ended with {:?}, gone {}", task.end, task.gone)
            })
        });
        if let Some(text) = wrong {
            self.fail(text);
        }
    }

    /// Polls a handle as an alien; true if it was there and is ready.
    fn join_from_outside(&self, n: usize) -> bool {
        let Some(mut handle) = self.take_handle(n) else { return false };
        let alien = Arc::new(AlienWaker::default());
        let polled = Pin::new(&mut handle).poll(&mut Context::from_waker(&alien.clone().into()));
        let Poll::Ready(result) = polled else {
            self.task(n, |task| (task.handle, task.alien) = (Some(handle), Some(alien)));
            return false;
        };
        self.check_result(n, result);
        true
    }

    fn raise(&self, n: usize) {
        let event = self.task(n, |task| match &mut task.on {
            On::Io { shard, key, raised } => (!std::mem::replace(raised, true)).then_some((*shard, *key)),
            _ => None,
        });
        if let Some((shard, key)) = event {
            self.io(shard).raise(key);
        }
    }

    fn wait_on(&self, n: usize, on: On) {
        self.task(n, |task| task.on = on);
    }

    /// Steps some shard; inside of a poll, some other one.
    fn step(&self) -> Step {
        let began_ns = self.now_ns();
        self.with(|state| state.depth += 1);
        let step = self.sim.step();
        self.with(|state| state.depth -= 1);
        if let Step::Turned(id) = step {
            self.check_late(id.index(), began_ns);
        }
        step
    }

    // ---- what is checked while it runs ----

    /// When the tick of a deadline begins.
    fn due_ns(&self, deadline_ns: u64) -> u64 {
        deadline_ns.next_multiple_of(self.tick_ns)
    }

    /// A turn of the shard that began at that time is over.
    fn check_late(&self, shard: usize, began_ns: u64) {
        let late = self.with(|state| {
            let mut timers = state.timers.iter();
            timers.find(|(_, (lane, at))| *lane == shard && self.due_ns(*at) <= began_ns).map(|(key, _)| *key)
        });
        if let Some(key) = late {
            self.fail(format!("timer {key} did not fire in the turn after its deadline"));
        }
    }

    /// All shards sleep.
    fn check_quiet(&self) {
        let wrong = self.with(|state| {
            let lost = state.tasks.iter().enumerate().find_map(|(n, task)| state.why_lost(n, task));
            let slept_over = state.timers.iter().find(|(_, (lane, at))| {
                self.sim.asleep_until_ns(ShardId(*lane as u32)).is_some_and(|until| until > self.due_ns(*at))
            });
            lost.or(slept_over.map(|(key, _)| format!("a shard sleeps beyond the deadline of timer {key}")))
        });
        if let Some(text) = wrong {
            self.fail(text);
        }
    }
}

impl State {
    fn lanes_are_closed(&self) -> bool {
        self.closed.iter().all(|closed| *closed)
    }

    /// Why a task should not be as it is while all shards sleep.
    fn why_lost(&self, n: usize, task: &Task) -> Option<String> {
        if task.gone {
            let waits = task.alien.as_ref().is_some_and(|alien| !alien.0.load(Relaxed));
            return waits.then(|| format!("the alien that joins task {n} was not woken"));
        }
        let come = match task.on {
            On::Run => true,
            On::Token => false,
            On::Join(other) => self.tasks[other].gone,
            On::Timer(key) => !self.timers.contains_key(&key),
            On::Io { shard, raised, .. } => raised || self.closed[shard],
        };
        if come || task.woken != task.seen {
            let (woken, seen, on) = (task.woken, task.seen, task.on);
            return Some(format!("task {n} was not run: woken {woken} times, saw {seen}, waits for {on:?}"));
        }
        let orphaned = task.home.is_some_and(|home| self.closed[home]);
        (task.aborted || orphaned)
            .then(|| format!("task {n} lives, aborted ({}) or without a shard ({orphaned})", task.aborted))
    }
}

// ---- tasks ----

/// A task's output, counted.
struct Out {
    world: Arc<World>,
    n: usize,
}

impl Drop for Out {
    fn drop(&mut self) {
        self.world.task(self.n, |task| task.outputs -= 1);
    }
}

/// Stands for a future until the closure that makes it has run on its shard.
struct Claim {
    world: Option<Arc<World>>,
    n: usize,
}

impl Claim {
    fn redeem(mut self, seed: u64) -> Probe<Rc<()>> {
        Probe::new(&self.world.take().expect("redeemed once"), self.n, seed, Rc::new(()))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(world) = &self.world {
            gone(world, self.n);
        }
    }
}

/// A task's future has been dropped.
fn gone(world: &World, n: usize) {
    world.trace.note("gone", n as u64);
    let wrong = world.with(|state| {
        let task = &mut state.tasks[n];
        let twice = std::mem::replace(&mut task.gone, true);
        let misplaced = match task.home {
            // A closed shard refuses what is sent to it, wherever that was tried.
            Some(home) => task.pinned && here() != Some(home) && (task.polls > 0 || !state.closed[home]),
            None => false,
        };
        (twice || misplaced).then(|| format!("task {n} was dropped twice ({twice}) or outside ({misplaced})"))
    });
    if let Some(text) = wrong {
        world.fail(text);
    }
}

/// A task's future, watched. The last field makes it large or `!Send`.
struct Probe<P> {
    world: Arc<World>,
    n: usize,
    rng: Rng,
    body: Option<Pin<Box<dyn Future<Output = Out> + Send>>>,
    _pad: P,
}

impl<P> Unpin for Probe<P> {}

impl<P> Probe<P> {
    fn new(world: &Arc<World>, n: usize, seed: u64, pad: P) -> Self {
        let body = Box::pin(body(Arc::clone(world), n, Rng::new(seed)));
        Self { world: Arc::clone(world), n, rng: Rng::new(!seed), body: Some(body), _pad: pad }
    }
}

impl<P> Future for Probe<P> {
    type Output = Out;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Out> {
        let this = &mut *self;
        let (world, n) = (&this.world, this.n);
        world.trace.note("poll", n as u64);
        let keep = this.rng.below(3) == 0;
        let (stray, old) = world.task(n, |task| {
            task.polls += 1;
            task.seen = task.woken;
            let mut old = None;
            if keep || task.wakers.is_empty() {
                old = (task.wakers.len() == 4).then(|| task.wakers.swap_remove(0));
                task.wakers.push(cx.waker().clone());
            }
            if task.pinned {
                task.home = task.home.or(here());
            }
            (here().is_none() || (task.pinned && here() != task.home), old)
        });
        drop(old);
        if stray {
            world.fail(format!("task {n} was polled outside of its shard"));
        }
        let _watch = Watch { world, n };
        this.body.as_mut().expect("not polled after its drop").as_mut().poll(cx)
    }
}

impl<P> Drop for Probe<P> {
    fn drop(&mut self) {
        self.body = None;
        gone(&self.world, self.n);
        match self.rng.below(16) {
            0 => self.world.spawn(&mut self.rng),
            1..4 => {
                self.world.wake(self.world.pick(&mut self.rng), &mut self.rng);
            }
            4 => self.world.abort(self.world.pick(&mut self.rng), 1),
            _ => {}
        }
    }
}

/// Tells planned panics from others, which a detached task would keep to itself.
struct Watch<'a> {
    world: &'a World,
    n: usize,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() && self.world.task(self.n, |task| task.end) != End::Panicked {
            self.world.fail(format!("task {} panicked", self.n));
        }
    }
}

async fn body(world: Arc<World>, me: usize, mut rng: Rng) -> Out {
    for _ in 0..=rng.below(world.most_ops) {
        op(&world, me, &mut rng).await;
    }
    world.task(me, |task| {
        task.end = End::Finished;
        task.outputs += 1;
    });
    Out { world, n: me }
}

async fn op(world: &Arc<World>, me: usize, rng: &mut Rng) {
    match rng.below(36) {
        0..4 => yield_now(world, me, rng.below(3)).await,
        4..8 => token(world, me, rng).await,
        8..13 => {
            world.wake(world.pick(rng), rng);
        }
        13 => {
            // A storm, mostly on one.
            let first = world.pick(rng);
            for _ in 0..20 {
                let n = if rng.below(4) == 0 { world.pick(rng) } else { first };
                world.wake(n, rng);
            }
        }
        14 if world.most_tasks > 1_000 => (0..1_500).for_each(|_| world.spawn(rng)),
        14..18 => world.spawn(rng),
        18 => world.abort(world.pick(rng), 1 + rng.below(2)),
        19..23 => join(world, me, rng).await,
        23 => drop(world.take_handle(world.pick(rng))),
        24..28 => nap(world, me, rng).await,
        28..30 => event(world, me, rng).await,
        30 if rng.below(4) == 0 => {
            world.task(me, |task| task.end = End::Panicked);
            // Past the panic hook, which would print.
            resume_unwind(Box::new(()));
        }
        30 => shard::lend(|| ()),
        31 => world.sim.advance(Duration::from_nanos(u64::from(rng.below(300_000)))),
        _ => {
            // Other shards go on while this one stands here.
            for _ in 0..=rng.below(8) {
                if world.with(|state| state.depth < 3) {
                    world.step();
                }
            }
        }
    }
}

async fn yield_now(world: &World, me: usize, how: u32) {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        world.wait_on(me, On::Run);
        match how {
            0 => {
                let waker = cx.waker().clone();
                waker.wake();
            }
            _ => (0..how).for_each(|_| cx.waker().wake_by_ref()),
        }
        Poll::Pending
    })
    .await;
}

/// Waits for anybody to wake this task.
async fn token(world: &World, me: usize, rng: &mut Rng) {
    let before = world.task(me, |task| {
        task.on = On::Token;
        task.woken
    });
    // One more waker, which is dropped with the future.
    let (mut own, keep) = (None, rng.below(2) == 0);
    poll_fn(|cx| {
        own = keep.then(|| cx.waker().clone());
        if world.task(me, |task| task.woken > before) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    drop(own);
}

/// Joins a newer task, or gives up and puts the handle back or drops it.
async fn join(world: &World, me: usize, rng: &mut Rng) {
    let newer = world.with(|state| state.tasks.len() - me - 1) as u32;
    let other = me + 1 + rng.below(newer) as usize;
    if newer == 0 {
        return;
    }
    let Some(mut handle) = world.take_handle(other) else { return };
    world.wait_on(me, On::Join(other));
    let mut patience = (rng.below(3) == 0).then(|| rng.below(3));
    let result = poll_fn(|cx| match (Pin::new(&mut handle).poll(cx), &mut patience) {
        (Poll::Ready(result), _) => Poll::Ready(Some(result)),
        (Poll::Pending, None) => Poll::Pending,
        (Poll::Pending, Some(0)) => Poll::Ready(None),
        (Poll::Pending, Some(left)) => {
            *left -= 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
    match result {
        Some(result) => world.check_result(other, result),
        None if rng.below(2) == 0 => world.task(other, |task| task.handle = Some(handle)),
        None => drop(handle),
    }
}

/// Waits for an event of any shard's fake reactor.
async fn event(world: &World, me: usize, rng: &mut Rng) {
    struct Forget<'a>(&'a Io, u64);
    impl Drop for Forget<'_> {
        fn drop(&mut self) {
            self.0.forget(self.1);
        }
    }
    let shard = world.pick_shard(rng);
    let forget = Forget(world.io(shard), me as u64);
    world.wait_on(me, On::Io { shard, key: forget.1, raised: false });
    let result = poll_fn(|cx| forget.0.poll_event(forget.1, cx)).await;
    if result.is_err() && !world.is_closed(shard) {
        world.fail(format!("task {me} was told that shard {shard} is closed"));
    }
    world.wait_on(me, On::Run);
}

/// What a lane wakes: looks at the time, then wakes the task.
struct Alarm {
    world: Arc<World>,
    key: u64,
    waker: Waker,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        let now_ns = self.world.now_ns();
        self.world.trace.note("fired", self.key);
        let wrong = self.world.with(|state| {
            let armed = state.timers.remove(&self.key);
            armed.is_none_or(|(_, at)| now_ns < at && !state.lanes_are_closed())
        });
        if wrong {
            self.world.fail(format!("timer {} fired early, or twice, at {now_ns} ns", self.key));
        }
        self.waker.wake_by_ref();
    }
}

/// An entry with its record.
struct Nap<'a> {
    world: &'a Arc<World>,
    lane: usize,
    key: u64,
    entry: Pin<Box<Entry>>,
}

impl Nap<'_> {
    fn alarm(&self, cx: &Context<'_>) -> Waker {
        Arc::new(Alarm { world: Arc::clone(self.world), key: self.key, waker: cx.waker().clone() }).into()
    }

    /// Arms the entry, or resets it if it is armed, to any deadline from now on.
    fn arm(&mut self, cx: &Context<'_>, rng: &mut Rng) -> Filed {
        let reach = [2_000, 200_000, 3_000_000, 200_000_000][rng.below(4) as usize];
        let deadline_ns = self.world.now_ns() + u64::from(rng.below(reach));
        self.world.with(|state| state.timers.insert(self.key, (self.lane, deadline_ns)));
        let (at_ns, remote) = (self.world.start_ns + deadline_ns, &self.world.mesh.remotes()[self.lane]);
        let mut filed = self.entry.as_mut().reset(at_ns);
        if filed == Filed::Refused {
            let alarm = self.alarm(cx);
            filed = self.entry.as_mut().arm(remote.lane(), at_ns, alarm);
        }
        // What the engine asks of whoever arms.
        if filed == Filed::Earliest && here() != Some(self.lane) {
            remote.wake();
        }
        filed
    }
}

impl Drop for Nap<'_> {
    fn drop(&mut self) {
        self.entry.as_mut().cancel();
        self.world.with(|state| state.timers.remove(&self.key));
    }
}

/// Sleeps on any shard's lane. May change its mind about the deadline, or give up.
async fn nap(world: &Arc<World>, me: usize, rng: &mut Rng) {
    let lane = here().filter(|_| rng.below(3) > 0).unwrap_or_else(|| world.pick_shard(rng));
    let key = world.with(|state| {
        state.next_key += 1;
        state.next_key
    });
    let mut nap = Nap { world, lane, key, entry: Box::pin(Entry::new()) };
    poll_fn(|cx| {
        let status = nap.entry.status();
        let closed = match (status, rng.below(4)) {
            (Status::Fired, _) | (Status::Armed, 0) => return Poll::Ready(()),
            (Status::Armed, 1) => {
                let alarm = nap.alarm(cx);
                nap.entry.as_mut().set_waker(&alarm) == Status::Closed
            }
            (Status::Armed | Status::Idle, _) => nap.arm(cx, rng) == Filed::Refused,
            (Status::Closed, _) => true,
        };
        if closed {
            if !world.lanes_are_closed() {
                world.fail(format!("timer {key} was told that lane {lane} is closed"));
            }
            return Poll::Ready(());
        }
        world.wait_on(me, On::Timer(key));
        if rng.below(4) == 0 {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await;
    world.wait_on(me, On::Run);
}

// ---- one run ----

struct Run {
    sim: Sim,
    world: Arc<World>,
    rng: Rng,
    closes: bool,
}

fn config(rng: &mut Rng) -> Config {
    let mut config = Config::new(1 + rng.below(5) as usize);
    for site in &mut config.sites {
        *site = Site { llc: rng.below(2), node: rng.below(2) };
    }
    let reaches = [Reach::Off, Reach::Off, Reach::Llc, Reach::Numa, Reach::All, Reach::All];
    config.steal = reaches[rng.below(6) as usize];
    config.place = [Place::Balanced, Place::Local][rng.below(2) as usize];
    config.timer_resolution_us = [50, 1_000][rng.below(2) as usize];
    config
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let config = config(&mut rng);
        let (shards, tick_ns) = (config.sites.len(), u64::from(config.timer_resolution_us) * 1_000);
        let sim = Sim::new(rng.next_u64(), config);
        let mesh = Arc::clone(sim.mesh());
        let world = World {
            sim: sim.clone(),
            trace: sim.trace().clone(),
            start_ns: mesh.clock().now_ns(),
            mesh,
            tick_ns,
            most_tasks: if rng.below(MANY) == 0 { 3_000 } else { 20 + rng.below(200) as usize },
            most_ops: 4 + rng.below(12),
            state: Mutex::new(State { closed: vec![false; shards], ..State::default() }),
        };
        Self { sim, world: Arc::new(world), closes: rng.below(4) == 0, rng }
    }

    fn check(&self) {
        if let Some(text) = self.world.with(|state| state.failure.take()) {
            panic!("{text}");
        }
    }

    fn step(&mut self) -> Step {
        let step = self.world.step();
        if step == Step::Quiet {
            self.world.check_quiet();
        }
        self.check();
        step
    }

    /// Something from outside of the shards.
    fn alien(&mut self) {
        let (world, rng) = (&self.world, &mut self.rng);
        match rng.below(16) {
            0..4 => world.spawn(rng),
            4..8 => {
                world.wake(world.pick(rng), rng);
            }
            8 => world.abort(world.pick(rng), 1 + rng.below(2)),
            9 => drop(world.take_handle(world.pick(rng))),
            10..12 => {
                world.join_from_outside(world.pick(rng));
            }
            12 => world.raise(world.pick(rng)),
            13 => self.sim.advance(Duration::from_nanos(u64::from(rng.below(10_000_000)))),
            14 => self.sim.rouse(ShardId(world.pick_shard(rng) as u32)),
            _ if self.closes && rng.below(12) == 0 => {
                let id = world.pick_shard(rng);
                // The last one stays, to run what may move.
                if world.with(|state| state.closed.iter().filter(|closed| !**closed).count() > 1) {
                    world.with(|state| state.closed[id] = true);
                    self.sim.close(ShardId(id as u32));
                }
            }
            _ => {}
        }
        self.check();
    }

    /// Gives every task what it waits for, if that is the alien's to give; false if there was nothing to give.
    fn nudge(&mut self) -> bool {
        let waiting: Vec<(usize, On)> = self.world.with(|state| {
            let tasks = state.tasks.iter().enumerate();
            tasks.filter(|(_, task)| !task.gone).map(|(n, task)| (n, task.on)).collect()
        });
        let mut given = false;
        for (n, on) in waiting {
            match on {
                On::Token => {
                    if !self.world.wake(n, &mut self.rng) {
                        self.world.abort(n, 1);
                    }
                }
                On::Io { .. } => self.world.raise(n),
                // Nobody turns the lane any more, and it is not closed before the last one.
                On::Timer(key) if self.world.sleeps_without_a_shard(key) => self.world.abort(n, 1),
                _ => continue,
            }
            given = true;
        }
        given
    }

    /// Runs until no task is left.
    fn settle(&mut self) {
        for _ in 0..1_000_000 {
            if self.step() == Step::Quiet && !self.sim.advance_to_deadline() && !self.nudge() {
                let gone = self.world.with(|state| state.tasks.iter().all(|task| task.gone));
                assert!(gone, "tasks are left that nothing will ever wake");
                return;
            }
        }
        panic!("the shards do not come to rest");
    }

    /// Drops all wakers and handles, after looking at what the handles say.
    fn let_go(&mut self, all_gone: bool) {
        for n in 0..self.world.with(|state| state.tasks.len()) {
            let there = self.world.task(n, |task| task.handle.is_some());
            if there && !self.world.join_from_outside(n) && all_gone {
                self.world.fail(format!("the handle of task {n} does not resolve"));
            }
            self.world.wake(n, &mut self.rng);
            drop(self.world.task(n, |task| {
                task.alien = None;
                (std::mem::take(&mut task.wakers), task.abort.take(), task.handle.take())
            }));
            self.check();
        }
    }

    /// No task is left, and nobody refers to one.
    fn check_empty(&mut self) {
        let ids: Vec<ShardId> = self.world.mesh.remotes().iter().map(|remote| remote.id()).collect();
        // Memory that was given up elsewhere comes back in its shard's next turn, for which nobody is woken.
        ids.iter().for_each(|id| self.sim.rouse(*id));
        self.settle();
        for id in ids {
            assert_eq!(self.sim.arena_in_use(id), 0, "slots in use on {id:?}");
        }
        assert_eq!(self.world.mesh.alive_tasks(), 0, "tasks alive");
        assert_eq!(self.world.mesh.overflow_len(), 0, "tasks in the overflow");
    }

    fn go(&mut self) {
        for _ in 0..=self.rng.below(10) {
            self.world.spawn(&mut self.rng);
        }
        for _ in 0..20 + self.rng.below(400) {
            if self.rng.below(3) == 0 {
                self.alien();
            }
            if self.step() == Step::Quiet && self.rng.below(2) == 0 {
                self.sim.advance_to_deadline();
            }
        }
        // To the end, or into the shutdown with live tasks; with or without handles that outlive the shards.
        let to_the_end = self.rng.below(3) > 0;
        if to_the_end {
            self.settle();
        }
        if self.rng.below(2) == 0 {
            self.let_go(to_the_end);
            if to_the_end {
                self.check_empty();
            }
        }
        for _ in 0..self.rng.below(4) {
            self.world.spawn(&mut self.rng);
        }
        self.world.with(|state| state.closed.fill(true));
        self.sim.finish();
        self.world.spawn(&mut self.rng);
        self.let_go(true);
        self.world.with(|state| {
            for (n, task) in state.tasks.iter().enumerate() {
                assert!(task.gone, "the future of task {n} was not dropped");
                assert_eq!(task.outputs, 0, "outputs of task {n} that were not dropped");
            }
            assert!(state.timers.is_empty(), "timers are left");
        });
        let mesh = &self.world.mesh;
        assert_eq!(mesh.overflow_len(), 0, "tasks in the overflow after the end");
        assert_eq!(Arc::strong_count(&self.world), 1, "futures or outputs are left");
        assert_eq!(Arc::strong_count(mesh), 2, "the simulation and the world keep the mesh, nobody else");
    }
}

/// Runs a seed: the hash of its trace, or why it fails.
fn run(seed: u64, show: bool) -> Result<u64, String> {
    let mut run = Run::new(seed);
    let trace = run.world.trace.clone();
    let result = catch_unwind(AssertUnwindSafe(|| run.go()));
    if show {
        println!("{:?}", run.world.mesh.config());
        for event in trace.events() {
            let place = event.shard.map_or("alien".to_owned(), |id| format!("shard {}", id.0));
            println!("{:>6} {place:<8} {} {}", event.step, event.what, event.arg);
        }
    }
    result.map(|()| trace.hash()).map_err(|panic| {
        // What is broken might panic again if it were dropped.
        std::mem::forget(run);
        let text = panic.downcast_ref::<String>().cloned();
        text.or(panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    })
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

fn run_and_compare(seed: u64) -> Result<(), String> {
    let hash = run(seed, false)?;
    if seed % TWICE == 0 && run(seed, false)? != hash {
        return Err("two runs of the seed gave different traces".to_owned());
    }
    Ok(())
}

// ---- what the seeds found first, by hand ----

/// Steps until all shards sleep, and lets no time pass.
fn quiet(sim: &Sim) {
    while sim.step() != Step::Quiet {}
}

fn is_done<T>(handle: &mut JoinHandle<T>) -> bool {
    Pin::new(handle).poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

#[test]
fn a_wake_finds_its_way_after_another_waker_was_dropped_elsewhere() {
    let sim = Sim::new(0, Config::new(1));
    let wakers = Arc::new(Mutex::new(Vec::new()));
    let mut handle = shard::spawn_at(&sim.mesh().remotes()[0], {
        let wakers = Arc::clone(&wakers);
        move || {
            let mut polls = 0;
            poll_fn(move |cx| {
                polls += 1;
                wakers.lock().unwrap().extend([cx.waker().clone(), cx.waker().clone()]);
                if polls == 2 { Poll::Ready(()) } else { Poll::Pending }
            })
        }
    });
    quiet(&sim);
    let [first, second] = <[Waker; 2]>::try_from(std::mem::take(&mut *wakers.lock().unwrap())).unwrap();
    // The count of other threads falls below zero: the task goes into the mailbox.
    drop(first);
    // It is there already; who put it there had to wake the shard.
    second.wake();
    quiet(&sim);
    assert!(is_done(&mut handle));
}

#[test]
fn a_claimed_shard_that_reaches_no_other_stops_searching() {
    for seed in 0..20 {
        let mut config = Config::new(2);
        config.steal = Reach::Llc;
        config.sites = vec![Site { llc: 0, node: 0 }, Site { llc: 1, node: 0 }];
        let sim = Sim::new(seed, config);
        for round in 0..3 {
            quiet(&sim);
            let mut handle = shard::spawn(sim.mesh(), async {});
            // Now and then the other shard is there first.
            sim.rouse(ShardId(1));
            quiet(&sim);
            assert!(is_done(&mut handle), "seed {seed}, round {round}");
        }
    }
}

#[test]
fn a_pinned_task_woken_by_turning_a_late_lane_is_run() {
    for seed in 0..20 {
        let mut config = Config::new(2);
        config.steal = Reach::All;
        let sim = Sim::new(seed, config);
        let mesh = Arc::clone(sim.mesh());
        let at_ns = mesh.clock().now_ns() + 1_000_000;
        let mut handle = shard::spawn_at(&sim.mesh().remotes()[0], move || async move {
            let mut entry = Box::pin(Entry::new());
            poll_fn(|cx| {
                if entry.is_fired() {
                    return Poll::Ready(());
                }
                let other = &mesh.remotes()[1];
                if entry.as_mut().arm(other.lane(), at_ns, cx.waker().clone()) == Filed::Earliest {
                    other.wake();
                }
                Poll::Pending
            })
            .await;
        });
        quiet(&sim);
        // The other shard is late.
        sim.advance(Duration::from_millis(100));
        sim.rouse(ShardId(0));
        quiet(&sim);
        assert!(is_done(&mut handle), "seed {seed}");
    }
}

#[test]
fn a_claimed_shard_that_closes_leaves_the_work_to_another() {
    let mut config = Config::new(3);
    config.steal = Reach::All;
    let sim = Sim::new(0, config);
    quiet(&sim);
    // The second alien's task is listed by the second shard, and the first shard is claimed for both.
    let mut handles = [(); 2].map(|()| shard::spawn(sim.mesh(), async {}));
    sim.close(ShardId(0));
    quiet(&sim);
    assert!(handles.iter_mut().all(is_done));
}

#[test]
fn a_task_is_aborted_by_its_shard_before_its_mail_is_read() {
    for seed in 0..20 {
        let sim = Sim::new(seed, Config::new(2));
        let mesh = Arc::clone(sim.mesh());
        let sent = Arc::new(Mutex::new(None));
        let sender = shard::spawn_at(&mesh.remotes()[1], {
            let (sent, mesh) = (Arc::clone(&sent), Arc::clone(&mesh));
            move || async move {
                let handle = shard::spawn_at(&mesh.remotes()[0], std::future::pending::<()>);
                *sent.lock().unwrap() = Some(handle);
            }
        });
        let mut aborts = shard::spawn_at(&mesh.remotes()[0], {
            let sim = sim.clone();
            move || async move {
                while sent.lock().unwrap().is_none() {
                    sim.step();
                }
                let handle = sent.lock().unwrap().take().expect("seen above");
                handle.abort();
                handle.await.expect_err("aborted").is_cancelled()
            }
        });
        quiet(&sim);
        assert!(sender.is_finished() && is_done(&mut aborts), "seed {seed}");
        assert_eq!(mesh.alive_tasks(), 0);
    }
}

#[test]
fn what_a_closed_shard_refused_is_not_alive() {
    let sim = Sim::new(0, Config::new(2));
    sim.close(ShardId(0));
    let mut handle = shard::spawn_at(&sim.mesh().remotes()[0], || async {});
    assert!(is_done(&mut handle));
    assert_eq!(sim.mesh().alive_tasks(), 0);
}

#[test]
fn seeds() {
    if let Some(seed) = number("CORELANE_SIM_SEED") {
        let first = run(seed, true).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        assert_eq!(run(seed, false), Ok(first), "seed {seed}: two runs of the seed gave different traces");
        return;
    }
    let seeds = number("CORELANE_SIM_SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(0);
    let failed = Mutex::new(BTreeMap::new());
    // Each simulation is on one thread; several of them need not be.
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while failed.lock().unwrap().is_empty() {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed >= seeds {
                        break;
                    }
                    if let Err(why) = run_and_compare(seed) {
                        failed.lock().unwrap().insert(seed, why);
                    }
                }
            });
        }
    });
    if let Some((seed, why)) = failed.into_inner().unwrap().pop_first() {
        panic!(
            "seed {seed}: {why}\nrerun: CORELANE_SIM_SEED={seed} cargo test -p corelane-shards --test sim"
        );
    }
}
