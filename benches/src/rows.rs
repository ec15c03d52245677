//! The rows: each a question, a body over all modes, and the targets it has to meet.
//!
//! Here: the table. The bodies, by what they exercise:
//!
//! - [`tasks`]: within one runtime
//! - [`cross`]: between cores
//! - [`timers`]: timers that don't fire
//! - [`channels`]: the runtimes' own channels and sockets
//! - [`crowds`]: one task that wakes, joins or chooses from many
//! - [`contention`]: channels and locks between cores
//! - [`memory`]: what a task weighs, which is no row: it takes a process a mode

pub mod channels;
pub mod contention;
pub mod cross;
pub mod crowds;
pub mod memory;
pub mod tasks;
pub mod timers;

use std::time::Duration;

use crate::runtimes::{
    CurrentThread, Placed, Rt, Sharded, Stealing, TokioCurrentThread, TokioLocal, TokioMultiThread,
};
use crate::two_cores::{Apart, Looking, Shared, Together, TwoCores};

/// How much work a sample does. A batch is what a row's body does at once.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Batches before the clock starts.
    pub warm: u64,
    /// Batches that are timed.
    pub batches: u64,
}

/// A row in one mode.
pub struct Cell {
    /// The mode's name.
    pub mode: &'static str,
    /// Builds a runtime, does the work in it and says how long the timed part took.
    pub sample: Box<dyn Fn(Size) -> Duration>,
}

impl Cell {
    /// Whether the cell is a peer's and not ours.
    pub fn is_tokio(&self) -> bool {
        self.mode.starts_with("tokio")
    }
}

/// What a mode of ours has to reach in a row.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// At most so many times what Tokio's fastest mode takes.
    OfBest(&'static str, f64),
    /// At most so many times what that mode of Tokio takes.
    Of(&'static str, &'static str, f64),
    /// At most so many nanoseconds an operation.
    Ns(&'static str, f64),
}

impl Target {
    /// The mode that has to reach it.
    pub fn mode(&self) -> &'static str {
        match self {
            Self::OfBest(mode, _) | Self::Of(mode, ..) | Self::Ns(mode, _) => mode,
        }
    }
}

/// A question.
pub struct Row {
    /// Its name in tables and arguments.
    pub name: &'static str,
    /// Operations in a batch.
    pub ops: u64,
    /// The modes, ours first.
    pub cells: Vec<Cell>,
    /// What ours have to reach.
    pub targets: Vec<Target>,
}

impl Row {
    /// The cell of a mode.
    pub fn cell(&self, mode: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.mode == mode)
    }
}

/// A row's body in the runtime of a mode.
pub fn cell<R: Rt>(body: fn(&R, Size) -> Duration) -> Cell {
    Cell { mode: R::MODE, sample: Box::new(move |size| body(&R::new(), size)) }
}

/// A row's body in a mode of two cores.
pub fn cross_cell<T: TwoCores>(body: fn(Size) -> Duration) -> Cell {
    Cell { mode: T::MODE, sample: Box::new(body) }
}

/// A row in each mode, all with one generic body.
macro_rules! row {
    ($name:literal, $ops:expr, $cell:ident($area:ident::$body:ident) in [$($Mode:ty),*], targets [$($target:expr),*]) => {
        Row {
            name: $name,
            ops: $ops,
            cells: vec![$($cell::<$Mode>($area::$body::<$Mode>)),*],
            targets: vec![$($target),*],
        }
    };
}

/// A row in the modes of one thread and in those of two workers.
macro_rules! plain {
    ($name:literal, $ops:expr, $area:ident::$body:ident, targets[$($target:expr),*]) => {
        row!($name, $ops, cell($area::$body) in [
            Sharded, CurrentThread, Stealing, TokioCurrentThread, TokioLocal, TokioMultiThread
        ], targets [$($target),*])
    };
}

/// A row over each runtime's own types, in the modes of one thread and in those of two workers.
macro_rules! each_its_own {
    ($name:literal, $ops:expr, $area:ident::$body:ident, targets[$($target:expr),*]) => {
        Row {
            name: $name,
            ops: $ops,
            cells: vec![
                cell::<Sharded>($area::ours::$body::<Sharded>),
                cell::<CurrentThread>($area::ours::$body::<CurrentThread>),
                cell::<Stealing>($area::ours::$body::<Stealing>),
                cell::<TokioCurrentThread>($area::tokios::$body::<TokioCurrentThread>),
                cell::<TokioLocal>($area::tokios::$body::<TokioLocal>),
                cell::<TokioMultiThread>($area::tokios::$body::<TokioMultiThread>),
            ],
            targets: vec![$($target),*],
        }
    };
}

/// The same on two cores.
macro_rules! contended {
    ($name:literal, $ops:expr, $body:ident, targets[$($target:expr),*]) => {
        Row {
            name: $name,
            ops: $ops,
            cells: vec![
                cross_cell::<Together>(contention::ours::$body::<Together>),
                cross_cell::<Apart<Sharded>>(contention::ours::$body::<Apart<Sharded>>),
                cross_cell::<Apart<CurrentThread>>(contention::ours::$body::<Apart<CurrentThread>>),
                cross_cell::<Shared<Stealing>>(contention::ours::$body::<Shared<Stealing>>),
                cross_cell::<Apart<TokioCurrentThread>>(contention::tokios::$body::<Apart<TokioCurrentThread>>),
                cross_cell::<Apart<TokioLocal>>(contention::tokios::$body::<Apart<TokioLocal>>),
                cross_cell::<Shared<TokioMultiThread>>(contention::tokios::$body::<Shared<TokioMultiThread>>),
            ],
            targets: vec![$($target),*],
        }
    };
}

/// A row over each runtime's own types that builds what it runs in.
macro_rules! own {
    ($name:literal, $body:ident, $ours:literal, $tokios:literal, targets[$($target:expr),*]) => {
        Row {
            name: $name,
            ops: 1,
            cells: vec![
                Cell { mode: $ours, sample: Box::new(channels::ours::$body) },
                Cell { mode: $tokios, sample: Box::new(channels::tokios::$body) },
            ],
            targets: vec![$($target),*],
        }
    };
}

/// Number of tasks in the rows that have many.
pub const MANY: u64 = 1_000;
/// Number of tasks in the fan-out and the skew.
pub const FAN: u64 = 10_000;
/// Number of pairs that talk across cores at once.
pub const PAIRS: u64 = 64;
/// Number of timers that are armed besides.
pub const OTHERS: u64 = 100_000;
/// Number of timers that are armed and reset.
pub const MILLION: u64 = 1_000_000;
/// Number of tasks on a core that contend with those on another.
pub const CROWD: u64 = 16;
/// Number of threads outside of the runtime that use its blocking pool at once.
pub const THREADS: u64 = 4;

/// All rows, in the order in which they are printed.
pub fn all() -> Vec<Row> {
    use Target::{Ns, Of, OfBest};
    vec![
        plain!("spawn1", 1, tasks::spawn1, targets [OfBest("sharded", 0.25), Of("stealing", "tokio-mt", 0.3)]),
        plain!("spawn1y", 1, tasks::spawn1y, targets[OfBest("sharded", 0.35)]),
        plain!("spawn1000", MANY, tasks::spawn_many, targets[OfBest("sharded", 0.25)]),
        plain!("yield1", 1, tasks::yield1, targets[OfBest("sharded", 0.06)]),
        plain!("yield1000", MANY, tasks::yield_many, targets []),
        plain!("wake1", 1, tasks::wake1, targets[OfBest("sharded", 0.5)]),
        plain!("wake1000", MANY, tasks::wake_many, targets []),
        plain!("ping_pong", 1, tasks::ping_pong, targets []),
        row!("fan_out", FAN, cell(tasks::fan_out) in [
            Sharded, CurrentThread, Stealing, Placed, TokioCurrentThread, TokioLocal, TokioMultiThread
        ], targets [Of("stealing", "tokio-mt", 0.4)]),
        row!("skew", FAN, cell(tasks::skew) in [
            Sharded, Stealing, Placed, TokioCurrentThread, TokioMultiThread
        ], targets [Of("stealing", "tokio-mt", 0.95)]),
        plain!("spawn_blocking", 1, tasks::spawn_blocking, targets []),
        plain!("block_on", 1, tasks::block_on, targets[OfBest("sharded", 0.5)]),
        plain!("build", 1, tasks::build, targets[]),
        row!("outside1", 1, cell(cross::outside1) in [
            Sharded, CurrentThread, Stealing, Placed, TokioCurrentThread, TokioMultiThread
        ], targets []),
        row!("outside1000", MANY, cell(cross::outside_many) in [
            Sharded, CurrentThread, Stealing, Placed, TokioCurrentThread, TokioMultiThread
        ], targets []),
        row!("outside_abort", MANY, cell(cross::outside_abort) in [
            Sharded, CurrentThread, Stealing, Placed, TokioCurrentThread, TokioMultiThread
        ], targets [Of("sharded", "tokio-ct", 0.5), Of("stealing", "tokio-mt", 1.2)]),
        row!("outside_blocking", THREADS, cell(cross::outside_blocking) in [
            Sharded, CurrentThread, Stealing, Placed, TokioCurrentThread, TokioMultiThread
        ], targets [Of("stealing", "tokio-mt", 1.0)]),
        row!("cross_pair", 1, cross_cell(cross::one_pair) in [
            Together, Apart<Sharded>, Apart<CurrentThread>, Apart<TokioCurrentThread>, Apart<TokioLocal>
        ], targets []),
        row!("cross_pair_looking", 1, cross_cell(cross::one_pair) in [
            Looking, Apart<TokioCurrentThread>, Apart<TokioLocal>
        ], targets [Ns("sharded-2", 1_000.0)]),
        row!("cross_64_pairs", PAIRS, cross_cell(cross::many_pairs) in [
            Together, Apart<Sharded>, Apart<CurrentThread>, Apart<TokioCurrentThread>, Apart<TokioLocal>
        ], targets [Of("sharded-2", "tokio-local", 0.4)]),
        plain!("timeout_ready", 1, timers::timeout_ready, targets[OfBest("sharded", 0.3)]),
        plain!("sleep_drop", 1, timers::sleep_drop, targets[OfBest("sharded", 0.35)]),
        plain!("sleep_drop_100k", 1, timers::sleep_drop_among_others, targets[OfBest("sharded", 0.1)]),
        plain!("reset_1m", 1, timers::reset_among_million, targets[OfBest("sharded", 1.25)]),
        each_its_own!("pp_mpsc", 1, channels::pp_mpsc, targets[Of("sharded", "tokio-ct", 0.5)]),
        each_its_own!("pp_socket", 1, channels::pp_socket, targets[
            Of("sharded", "tokio-ct", 1.1),
            Of("stealing", "tokio-mt", 1.1)
        ]),
        each_its_own!("pp_oneshot", 1, channels::pp_oneshot, targets[Of("sharded", "tokio-ct", 0.85)]),
        own!("own_chan", own_chan, "sharded", "tokio-local", targets[Of("sharded", "tokio-local", 0.34)]),
        each_its_own!("mpsc_ready", 1, channels::mpsc_ready, targets[OfBest("sharded", 1.0)]),
        each_its_own!("watch_ready", 1, channels::watch_ready, targets[OfBest("sharded", 1.0)]),
        each_its_own!("broadcast_ready", 1, channels::broadcast_ready, targets[OfBest("sharded", 1.0)]),
        each_its_own!("pp_watch", 1, channels::pp_watch, targets[OfBest("sharded", 1.0)]),
        each_its_own!("pp_broadcast", 1, channels::pp_broadcast, targets[OfBest("sharded", 1.0)]),
        own!("mpsc_threads", mpsc_threads, "threads", "tokio", targets[OfBest("threads", 1.0)]),
        own!("mpsc_senders", mpsc_senders_threads, "threads", "tokio", targets[OfBest("threads", 1.0)]),
        own!("watch_threads", watch_threads, "threads", "tokio", targets[OfBest("threads", 1.0)]),
        own!("broadcast_threads", broadcast_threads, "threads", "tokio", targets[OfBest("threads", 1.0)]),
        each_its_own!("storm_notify", MANY, crowds::storm_notify, targets[OfBest("sharded", 0.8)]),
        each_its_own!("storm_broadcast", MANY, crowds::storm_broadcast, targets[OfBest("sharded", 0.75)]),
        each_its_own!("join_set", MANY, crowds::join_set, targets[OfBest("sharded", 0.6)]),
        each_its_own!("select4", 1, crowds::select4, targets[OfBest("sharded", 1.0)]),
        each_its_own!("notify_ready", 1, crowds::notify_ready, targets[OfBest("sharded", 1.1)]),
        each_its_own!("semaphore_ready", 1, crowds::semaphore_ready, targets[OfBest("sharded", 0.5)]),
        contended!("cross_mpsc", CROWD, mpsc, targets[Of("sharded-2", "tokio-local", 0.5)]),
        contended!("cross_broadcast", contention::ROOM, broadcast, targets[Of("stealing", "tokio-mt", 1.0)]),
        contended!("cross_watch", contention::ROOM, watch, targets[Of("sharded-2", "tokio-local", 0.5)]),
        contended!("cross_notify", CROWD, notify, targets[Of("sharded-2", "tokio-local", 0.6)]),
        contended!("cross_semaphore", CROWD, semaphore, targets[Of("sharded-2", "tokio-local", 0.5)]),
        contended!("one_to_all", 2, one_to_all, targets[Of("sharded-2", "tokio-local", 0.6)]),
    ]
}
