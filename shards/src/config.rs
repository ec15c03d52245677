//! Every engine knob with its unit, default and reason.

use crate::park::Spin;

/// How far an idle shard reaches for movable tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Nowhere: every task stays where it was spawned.
    Off,
    /// Shards behind the same last-level cache.
    Llc,
    /// Shards of the same NUMA node.
    Numa,
    /// All shards.
    All,
}

/// Where a `Send` task that will not move again is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Here, until this shard holds clearly more tasks than the least loaded one.
    Balanced,
    /// Here.
    Local,
}

/// Where a shard is in the machine, as far as stealing cares. Plain numbers; equal means shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Site {
    /// Last-level cache.
    pub llc: u32,
    /// NUMA node.
    pub node: u32,
}

/// The engine's knobs.
#[derive(Debug, Clone)]
pub struct Config {
    /// One shard for each.
    pub sites: Vec<Site>,
    /// Stealing. Off by default: movable tasks pay for being reachable with atomics.
    pub steal: Reach,
    /// Placement while stealing is off.
    pub place: Place,
    /// How long a shard runs tasks before it serves I/O and timers again, in microseconds. 100 by default: a look at the
    /// reactor costs about 1 µs, so that is one percent.
    pub quantum_us: u32,
    /// How long a shard looks before it sleeps.
    pub spin: Spin,
    /// Whether `spawn_local` and `spawn_at` may put tasks here that are not `Send`; without it they panic, and a shard may be moved
    /// to another thread by an embedder's `unsafe`.
    pub local_tasks: bool,
    /// Timer tick in microseconds. 1,000 by default, as in Tokio.
    pub timer_resolution_us: u32,
    /// Tasks run between two looks at the reactor at most. 65,536 by default: the quantum comes first unless the clock stands
    /// still, since a poll takes 10 ns or more.
    pub polls_per_event: u32,
    /// Tasks run between two looks at the mailbox, one relaxed load each. 16 by default, as often as at the clock.
    pub polls_per_mail: u32,
    /// Movable tasks run between two looks at the overflow while the shard's own ring is not empty. 16 by default.
    pub polls_per_overflow: u32,
    /// Whether the movable task that was woken last runs next. On by default: what it waits for is in this core's cache.
    pub next_slot: bool,
}

impl Config {
    /// Defaults for `shards` shards.
    pub fn new(shards: usize) -> Self {
        Self {
            sites: vec![Site::default(); shards],
            steal: Reach::Off,
            place: Place::Balanced,
            quantum_us: 100,
            spin: Spin::Auto,
            local_tasks: true,
            timer_resolution_us: 1_000,
            polls_per_event: 1 << 16,
            polls_per_mail: 16,
            polls_per_overflow: 16,
            next_slot: true,
        }
    }
}

/// Tasks run between two looks at the clock: at 27 ns a look this adds less than 2 ns to a task.
pub(crate) const POLLS_PER_CLOCK: u32 = 16;
/// Turns without a look at the reactor after which the clock is asked whether one is due.
pub(crate) const TURNS_UNSERVED: u32 = 8;
/// Looks at the mailbox between two looks at the reactor while a shard spins and mail was what it found last: less than two
/// microseconds. A look at the reactor is a system call, during which mail waits.
pub(crate) const LOOKS_PER_EVENT: u32 = if cfg!(loom) { 1 } else { 64 };
/// The same if it was an event: then the first look is at the reactor, where one between two tasks of the same shard is already.
pub(crate) const LOOKS_AFTER_EVENT: u32 = if cfg!(loom) { 1 } else { 8 };
/// How often the task woken last may overtake the queue before the queue is served.
pub(crate) const NEXT_IN_A_ROW: u32 = 3;
/// How many more live tasks than the least loaded shard make a spawn go there: short fan-outs stay local, an accept
/// loop spreads its connections.
pub(crate) const PLACE_MARGIN: usize = 4;
