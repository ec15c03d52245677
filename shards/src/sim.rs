//! A seeded simulation: several shards on one thread, a virtual clock, a reactor that is made up.
//!
//! One step picks one shard that can go on and does the next thing that shard would do: a turn, lying down, getting up.
//! Which one is the seed's choice, and the same seed gives the same choices again. A task may call [`Sim::step`] too: then
//! other shards go on while its own stands in the middle of a turn, with tasks in its queues. So what is within reach is every
//! order of whole polls. What two threads do *inside* of the engine at the same time is not: that is what the models
//! with loom are for.
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
//!
//! A movable task may hold the simulation, so it is `Send`; the shards in it are not. They are behind [`OneThread`], which lets
//! nobody but the thread that built them near.

#![expect(unsafe_code, reason = "keeps what is not Send behind a check of the thread")]

use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};
use std::time::Duration;

use crate::config::Config;
use crate::loom::Mutex;
use crate::mesh::{Mesh, Remote, ShardId};
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

/// See the module's head. A clone is another handle to the same simulation.
#[derive(Clone)]
pub struct Sim(Arc<Inner>);

struct Inner {
    mesh: Arc<Mesh>,
    start_ns: u64,
    trace: Trace,
    /// One for each shard.
    io: Vec<Arc<Io>>,
    state: Mutex<OneThread<State>>,
}

/// A value that only the thread which made it may touch, in a place that others may hold.
struct OneThread<T> {
    thread: ThreadId,
    value: ManuallyDrop<T>,
}

// SAFETY: the value is reached through `get` alone, which checks the thread, and dropped on its thread or not at all.
unsafe impl<T> Send for OneThread<T> {}

impl<T> OneThread<T> {
    fn new(value: T) -> Self {
        Self { thread: thread::current().id(), value: ManuallyDrop::new(value) }
    }

    #[track_caller]
    fn get(&mut self) -> &mut T {
        assert!(self.thread == thread::current().id(), "a simulation stays on the thread that made it");
        &mut self.value
    }
}

/// On another thread the value is leaked: its tasks may hold what is not `Send`, and a panic in a drop would hide the one that
/// usually led here, a simulation given up halfway.
impl<T> Drop for OneThread<T> {
    fn drop(&mut self) {
        if self.thread == thread::current().id() {
            // SAFETY: dropped once, here.
            unsafe { ManuallyDrop::drop(&mut self.value) };
        }
    }
}

struct State {
    rng: Rng,
    /// One for each shard; none for those that do something just now, and those that were closed.
    places: Vec<Option<Place>>,
}

struct Place {
    shard: Shard,
    mood: Mood,
}

#[derive(Debug, Clone, Copy)]
enum Mood {
    Up,
    AboutToSleep,
    Asleep { until_ns: u64 },
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
        let io: Vec<_> = mesh.remotes().iter().map(|_| Arc::new(Io::new(Rng::new(rng.next_u64())))).collect();
        let build = |(remote, io): (&Remote, &Arc<Io>)| {
            let driver = Box::new(FakeDriver(Arc::clone(io)));
            Some(Place { shard: Shard::new(Arc::clone(&mesh), remote.id(), driver), mood: Mood::Up })
        };
        let places = mesh.remotes().iter().zip(&io).map(build).collect();
        let state = Mutex::new(OneThread::new(State { rng, places }));
        Self(Arc::new(Inner { mesh, start_ns, trace: Trace::default(), io, state }))
    }

    /// Never runs foreign code under the lock.
    fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        f(self.0.state.lock().expect("a simulation stays on the thread that made it").get())
    }

    /// The mesh.
    pub fn mesh(&self) -> &Arc<Mesh> {
        &self.0.mesh
    }

    /// What has happened so far, and where tasks add to it.
    pub fn trace(&self) -> &Trace {
        &self.0.trace
    }

    /// A shard's fake I/O.
    pub fn io(&self, id: ShardId) -> &Io {
        &self.0.io[id.index()]
    }

    /// Nanoseconds since the simulation began.
    pub fn now_ns(&self) -> u64 {
        self.0.mesh.clock().now_ns() - self.0.start_ns
    }

    /// Steps one shard: any but those that are in the middle of a step, if a task calls this.
    pub fn step(&self) -> Step {
        let now_ns = self.0.mesh.clock().now_ns();
        let picked = self.with(|state| {
            let can_go_on = |(place, io): &(&mut Option<Place>, &Arc<Io>)| match place {
                Some(Place { mood: Mood::Asleep { until_ns }, .. }) => now_ns >= *until_ns || io.ends_wait(),
                Some(_) => true,
                None => false,
            };
            let mut able: Vec<_> = state.places.iter_mut().zip(&self.0.io).filter(can_go_on).collect();
            let pick = state.rng.below(able.len() as u32) as usize;
            able.get_mut(pick).and_then(|(place, _)| place.take())
        });
        let Some(Place { shard, mood }) = picked else { return Step::Quiet };
        // A panic is a bug found: what is broken must not be closed on the way out, which might be a second panic.
        let mut shard = ManuallyDrop::new(shard);
        self.0.trace.with(|log| log.step += 1);
        let (mood, step) = self.act(&mut shard, mood);
        let place = Place { shard: ManuallyDrop::into_inner(shard), mood };
        let id = place.shard.local().remote().id();
        self.with(|state| state.places[id.index()] = Some(place));
        step
    }

    fn act(&self, shard: &mut Shard, mood: Mood) -> (Mood, Step) {
        let id = shard.local().remote().id();
        let note = |what| self.0.trace.note(what, u64::from(id.0));
        match mood {
            Mood::Up => {
                note("turn");
                let mood = if shard.turn() == Turn::Idle { Mood::AboutToSleep } else { Mood::Up };
                (mood, Step::Turned(id))
            }
            Mood::AboutToSleep => {
                let mood = match shard.lie_down(|| false) {
                    Some(until_ns) => {
                        note("sleep");
                        Mood::Asleep { until_ns }
                    }
                    None => {
                        note("stay up");
                        self.get_up(shard);
                        Mood::Up
                    }
                };
                (mood, Step::LayDown(id))
            }
            Mood::Asleep { .. } => {
                note("get up");
                self.get_up(shard);
                (Mood::Up, Step::GotUp(id))
            }
        }
    }

    fn get_up(&self, shard: &mut Shard) {
        // The end of the wait that a driver would be in.
        shard.enter(|local| self.io(local.remote().id()).deliver());
        shard.get_up();
    }

    /// Until when a shard sleeps, in nanoseconds since the simulation began: `None` if it is up or closed, [`NEVER`] if
    /// it has no deadline.
    pub fn asleep_until_ns(&self, id: ShardId) -> Option<u64> {
        self.with(|state| match state.places[id.index()] {
            Some(Place { mood: Mood::Asleep { until_ns: NEVER }, .. }) => Some(NEVER),
            Some(Place { mood: Mood::Asleep { until_ns }, .. }) => Some(until_ns - self.0.start_ns),
            _ => None,
        })
    }

    /// Moves the clock on to the earliest deadline of a sleeping shard; false if there is none.
    pub fn advance_to_deadline(&self) -> bool {
        let ids = self.0.mesh.remotes().iter().map(Remote::id);
        let next_ns = ids.filter_map(|id| self.asleep_until_ns(id)).min().unwrap_or(NEVER);
        if next_ns != NEVER {
            self.advance(Duration::from_nanos(next_ns.saturating_sub(self.now_ns())));
        }
        next_ns != NEVER
    }

    /// Moves the clock on: time that nobody measured has passed, or a poll takes its time if a task calls this.
    pub fn advance(&self, by: Duration) {
        let moved = self.0.mesh.clock().advance(by);
        assert!(moved, "the clock of a simulation stays paused");
        self.0.trace.note("clock", self.now_ns());
    }

    /// Ends a shard's sleep, or the next one, for no reason.
    pub fn rouse(&self, id: ShardId) {
        self.io(id).unpark();
    }

    /// Closes a shard as its thread would: it gets up, then it is dropped. Does nothing if the shard is closed already or
    /// in the middle of a step.
    pub fn close(&self, id: ShardId) {
        let Some(place) = self.with(|state| state.places[id.index()].take()) else { return };
        self.0.trace.note("close", u64::from(id.0));
        let Place { mut shard, mood } = place;
        if matches!(mood, Mood::Asleep { .. }) {
            self.get_up(&mut shard);
        }
        drop(shard);
        self.io(id).close();
    }

    /// Slots of a shard's arena that are in use; none once the shard is closed.
    pub fn arena_in_use(&self, id: ShardId) -> usize {
        self.with(|state| match &state.places[id.index()] {
            Some(place) => place.shard.local().arena(|arena| arena.live()),
            None => 0,
        })
    }

    /// Closes the shards that are open, in an order of the seed's choice, then what they share.
    pub fn finish(&self) {
        let mut open: Vec<ShardId> = self.0.mesh.remotes().iter().map(Remote::id).collect();
        while !open.is_empty() {
            let pick = self.with(|state| state.rng.below(open.len() as u32)) as usize;
            self.close(open.swap_remove(pick));
        }
        self.0.mesh.finish();
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn another_thread_gets_nowhere_near_the_shards() {
        let sim = Sim::new(0, Config::new(1));
        let kept = std::rc::Rc::new(());
        let task = kept.clone();
        let shard = &sim.mesh().remotes()[0];
        let place = sim.with(|state| state.places[0].take()).unwrap();
        place.shard.enter(|local| drop(shard::spawn_local(local, async move { drop(task) })));
        sim.with(|state| state.places[0] = Some(place));
        let other = sim.clone();
        assert!(
            thread::spawn(move || {
                let _ = other.step();
            })
            .join()
            .is_err(),
            "a step on another thread"
        );
        assert_eq!(shard.load(), 0);
        thread::spawn(move || drop(sim)).join().unwrap();
        assert_eq!(std::rc::Rc::strong_count(&kept), 2, "leaked, since its thread was not there to drop it");
    }
}
