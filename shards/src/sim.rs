//! A seeded simulation: several shards on one thread, a virtual clock, a reactor that is made up.
//!
//! One step picks one shard that can go on and does the next thing that shard would do: a turn, lying down, getting up.
//! Which one is the seed's choice, so all orders in which whole turns of shards can follow each other are within its
//! reach, and the same seed gives the same order again. What two threads do *inside* of a turn at the same time is not: that is
//! what the models with loom are for.
//!
//! ```text
//!            turn says Again                      lie_down: something came
//!             ┌────┐                            ┌──────────────────────┐
//!             ▼    │   turn says Idle           ▼                      │
//!             up ──┴─────────────────────▶ about to sleep ─────────────┴──▶ asleep
//!             ▲                                                                │
//!             └──── get_up: woken through its unparker, I/O, or its deadline ──┘
//! ```
//! A sleeping shard is left alone until one of the three happens, so a lost wake shows: everybody sleeps, no deadline is
//! ahead ([`Step::Quiet`]), and a task that was woken has not run. Between two steps the caller is an alien: it may spawn, wake,
//! abort, move the clock on, close a shard.
//!
//! For the same seed to give the same run, nothing may depend on addresses, on the machine's clock or on task ids; the
//! [`Trace`] makes that testable. The clock is paused before anything looks at it, and time counts from there.
//!
//! Not here: what to run and what to check; see `tests/sim.rs`.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::config::Config;
use crate::loom::Mutex;
use crate::mesh::{Mesh, ShardId};
use crate::park::{Spin, Unpark};
use crate::shard::{self, Driver, Shard, Turn};
use crate::timer::{Clock, NEVER};
use crate::util::Rng;

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A shard had a turn.
    Turned(ShardId),
    /// A shard announced its sleep; perhaps it got up again at once.
    LayDown(ShardId),
    /// A sleeping shard got up.
    GotUp(ShardId),
    /// All shards sleep, until the next deadline if there is one.
    Quiet,
}

/// See the module's head.
pub struct Sim {
    mesh: Arc<Mesh>,
    places: Vec<Place>,
    rng: Rng,
    trace: Trace,
    start_ns: u64,
}

/// A shard, or where it was before it was closed.
struct Place {
    shard: Option<Shard>,
    mood: Mood,
    io: Arc<Io>,
}

#[derive(Debug, Clone, Copy)]
enum Mood {
    Up,
    AboutToSleep,
    Asleep { until_ns: u64 },
}

impl Place {
    fn can_go_on(&self, now_ns: u64) -> bool {
        self.shard.is_some()
            && match self.mood {
                Mood::Asleep { until_ns } => now_ns >= until_ns || self.io.ends_wait(),
                _ => true,
            }
    }

    fn get_up(&mut self) -> ShardId {
        let shard = self.shard.as_mut().expect("only open shards are stepped");
        // The wait that a driver would be in.
        shard.enter(|_| self.io.deliver());
        shard.get_up();
        self.mood = Mood::Up;
        shard.local().remote().id()
    }
}

impl Sim {
    /// Builds the mesh and all its shards. The config's spin is set to never.
    pub fn new(seed: u64, mut config: Config) -> Self {
        config.spin = Spin::Fixed(Duration::ZERO);
        let clock = Clock::new();
        let paused = clock.pause();
        debug_assert!(paused, "a new clock runs");
        let start_ns = clock.now_ns();
        let mesh = Mesh::new(config, clock);
        let mut rng = Rng::new(seed);
        let places = (0..mesh.remotes().len() as u32).map(|id| {
            let io = Arc::new(Io::new(Rng::new(rng.next_u64())));
            let driver = Box::new(FakeDriver(Arc::clone(&io)));
            Place { shard: Some(Shard::new(Arc::clone(&mesh), ShardId(id), driver)), mood: Mood::Up, io }
        });
        let places = places.collect();
        Self { mesh, places, rng, trace: Trace::default(), start_ns }
    }

    /// The mesh.
    pub fn mesh(&self) -> &Arc<Mesh> {
        &self.mesh
    }

    /// What has happened so far, and where tasks add to it.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// A shard's fake I/O.
    pub fn io(&self, id: ShardId) -> &Arc<Io> {
        &self.places[id.index()].io
    }

    /// A shard, unless it was closed.
    pub fn shard(&self, id: ShardId) -> Option<&Shard> {
        self.places[id.index()].shard.as_ref()
    }

    /// Nanoseconds since the simulation began.
    pub fn now_ns(&self) -> u64 {
        self.mesh.clock().now_ns() - self.start_ns
    }

    /// Steps one shard.
    pub fn step(&mut self) -> Step {
        let now_ns = self.mesh.clock().now_ns();
        let able = self.places.iter().filter(|place| place.can_go_on(now_ns)).count();
        if able == 0 {
            return Step::Quiet;
        }
        let pick = self.rng.below(able as u32) as usize;
        let place = self.places.iter_mut().filter(|place| place.can_go_on(now_ns)).nth(pick);
        let place = place.expect("picked among those counted");
        let shard = place.shard.as_mut().expect("closed shards can't go on");
        let id = shard.local().remote().id();
        self.trace.next_step();
        match place.mood {
            Mood::Up => {
                self.trace.note("turn", u64::from(id.0));
                if shard.turn() == Turn::Idle {
                    place.mood = Mood::AboutToSleep;
                }
                Step::Turned(id)
            }
            Mood::AboutToSleep => {
                match shard.lie_down(|| false) {
                    Some(until_ns) => {
                        self.trace.note("sleep", u64::from(id.0));
                        place.mood = Mood::Asleep { until_ns };
                    }
                    None => {
                        self.trace.note("stay up", u64::from(id.0));
                        place.get_up();
                    }
                }
                Step::LayDown(id)
            }
            Mood::Asleep { .. } => {
                self.trace.note("get up", u64::from(id.0));
                Step::GotUp(place.get_up())
            }
        }
    }

    /// Until when a shard sleeps, in nanoseconds since the simulation began: `None` if it is up or closed, [`NEVER`] if
    /// it has no deadline.
    pub fn asleep_until_ns(&self, id: ShardId) -> Option<u64> {
        let place = &self.places[id.index()];
        match place.mood {
            Mood::Asleep { until_ns: NEVER } if place.shard.is_some() => Some(NEVER),
            Mood::Asleep { until_ns } if place.shard.is_some() => Some(until_ns - self.start_ns),
            _ => None,
        }
    }

    /// Moves the clock on to the earliest deadline of a sleeping shard; false if there is none.
    pub fn advance_to_deadline(&mut self) -> bool {
        let ids = self.mesh.remotes().iter().map(|remote| remote.id());
        let next_ns = ids.filter_map(|id| self.asleep_until_ns(id)).min().unwrap_or(NEVER);
        if next_ns != NEVER {
            self.advance(Duration::from_nanos(next_ns.saturating_sub(self.now_ns())));
        }
        next_ns != NEVER
    }

    /// Moves the clock on: time that nobody measured has passed.
    pub fn advance(&mut self, by: Duration) {
        let moved = self.mesh.clock().advance(by);
        assert!(moved, "the clock of a simulation stays paused");
        self.trace.note("clock", self.now_ns());
    }

    /// Ends a shard's sleep, or the next one, for no reason.
    pub fn rouse(&mut self, id: ShardId) {
        self.places[id.index()].io.unpark();
    }

    /// Closes a shard as its thread would: it gets up, then it is dropped.
    pub fn close(&mut self, id: ShardId) {
        let place = &mut self.places[id.index()];
        if place.shard.is_none() {
            return;
        }
        self.trace.note("close", u64::from(id.0));
        if matches!(place.mood, Mood::Asleep { .. }) {
            place.get_up();
        }
        place.shard = None;
        place.io.close();
    }

    /// Slots of a shard's arena that are in use; none once the shard is closed.
    pub fn arena_in_use(&self, id: ShardId) -> usize {
        self.shard(id).map_or(0, |shard| shard.local().arena(|arena| arena.live()))
    }

    /// Closes the shards that are open, in an order of the seed's choice, then what they share.
    pub fn finish(&mut self) {
        let mut open: Vec<ShardId> = self.mesh.remotes().iter().map(|remote| remote.id()).collect();
        while !open.is_empty() {
            let pick = self.rng.below(open.len() as u32) as usize;
            self.close(open.swap_remove(pick));
        }
        self.mesh.finish();
    }
}

/// Events of one shard's made-up reactor: raised by anybody, delivered when the shard looks, in an order of the seed's
/// choice.
pub struct Io(Mutex<Events>);

struct Events {
    rng: Rng,
    /// The eventfd.
    unparked: bool,
    closed: bool,
    raised: Vec<u64>,
    ready: Vec<u64>,
    waiting: Vec<(u64, Waker)>,
}

/// The shard of an event that was waited for is closed.
#[derive(Debug)]
pub struct Closed;

impl Io {
    fn new(rng: Rng) -> Self {
        let (raised, ready, waiting) = (Vec::new(), Vec::new(), Vec::new());
        Self(Mutex::new(Events { rng, unparked: false, closed: false, raised, ready, waiting }))
    }

    /// Never runs foreign code under the lock.
    fn with<R>(&self, f: impl FnOnce(&mut Events) -> R) -> R {
        f(&mut self.0.lock().expect("no code that can panic runs under this lock"))
    }

    /// Says that an event has come. The shard learns of it when it looks next; if it sleeps, that ends its sleep.
    pub fn raise(&self, key: u64) {
        self.with(|events| {
            if !events.closed {
                events.raised.push(key);
            }
        });
    }

    /// Waits for the event to be delivered, once for each time it is raised.
    pub fn poll_event(&self, key: u64, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        let waker = cx.waker().clone();
        let (answer, old) = self.with(|events| {
            let old = take_waker(&mut events.waiting, key);
            if let Some(at) = events.ready.iter().position(|ready| *ready == key) {
                events.ready.swap_remove(at);
                return (Poll::Ready(Ok(())), (old, Some(waker)));
            }
            if events.closed {
                return (Poll::Ready(Err(Closed)), (old, Some(waker)));
            }
            events.waiting.push((key, waker));
            (Poll::Pending, (old, None))
        });
        drop(old);
        answer
    }

    /// Gives up waiting for an event.
    pub fn forget(&self, key: u64) {
        drop(self.with(|events| take_waker(&mut events.waiting, key)));
    }

    fn ends_wait(&self) -> bool {
        self.with(|events| events.unparked || !events.raised.is_empty())
    }

    fn deliver(&self) -> usize {
        self.with(|events| events.unparked = false);
        let mut delivered = 0;
        // One at a time, since a wake is foreign code.
        while let Some(waker) = self.with(|events| {
            let n = events.raised.len();
            (n > 0).then(|| {
                let key = events.raised.swap_remove(events.rng.below(n as u32) as usize);
                events.ready.push(key);
                take_waker(&mut events.waiting, key)
            })
        }) {
            delivered += 1;
            if let Some(waker) = waker {
                waker.wake();
            }
        }
        delivered
    }

    fn close(&self) {
        let waiting = self.with(|events| {
            events.closed = true;
            std::mem::take(&mut events.waiting)
        });
        for (_, waker) in waiting {
            waker.wake();
        }
    }
}

fn take_waker(waiting: &mut Vec<(u64, Waker)>, key: u64) -> Option<Waker> {
    let at = waiting.iter().position(|(waits, _)| *waits == key)?;
    Some(waiting.swap_remove(at).1)
}

impl Unpark for Io {
    fn unpark(&self) {
        self.with(|events| events.unparked = true);
    }
}

struct FakeDriver(Arc<Io>);

impl Driver for FakeDriver {
    fn wait(&mut self, timeout: Option<Duration>) -> usize {
        debug_assert_eq!(timeout, Some(Duration::ZERO), "the simulation does the sleeping");
        self.0.deliver()
    }

    fn unparker(&self) -> Arc<dyn Unpark> {
        Arc::<Io>::clone(&self.0)
    }
}

/// One thing that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// In which step, counted from one.
    pub step: u64,
    /// Inside which shard, if any.
    pub shard: Option<ShardId>,
    /// What.
    pub what: &'static str,
    /// With whom or how much.
    pub arg: u64,
}

/// What happened in a simulation, in order. A clone is another handle to the same trace.
#[derive(Clone, Default)]
pub struct Trace(Arc<Mutex<Log>>);

#[derive(Default)]
struct Log {
    step: u64,
    events: Vec<Event>,
}

impl Trace {
    fn with<R>(&self, f: impl FnOnce(&mut Log) -> R) -> R {
        f(&mut self.0.lock().expect("no code that can panic runs under this lock"))
    }

    fn next_step(&self) {
        self.with(|log| log.step += 1);
    }

    /// Adds an event.
    pub fn note(&self, what: &'static str, arg: u64) {
        let shard = shard::current(|local| local.map(|local| local.remote().id()));
        self.with(|log| log.events.push(Event { step: log.step, shard, what, arg }));
    }

    /// All events.
    pub fn events(&self) -> Vec<Event> {
        self.with(|log| log.events.clone())
    }

    /// A number that equal traces have in common: FNV-1a (Fowler, Noll, Vo) over the events.
    pub fn hash(&self) -> u64 {
        self.with(|log| {
            let mut hash = 0xcbf2_9ce4_8422_2325u64;
            let mut add = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
            for event in &log.events {
                let shard = event.shard.map_or(u64::MAX, |id| u64::from(id.0));
                for number in [event.step, shard, event.arg] {
                    number.to_le_bytes().into_iter().for_each(&mut add);
                }
                event.what.bytes().for_each(&mut add);
            }
            hash
        })
    }
}
