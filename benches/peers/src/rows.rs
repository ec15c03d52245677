//! The micro rows with the peers' cells, and which modes compare.

use corelane_benches::rows::channels::tokios;
use corelane_benches::rows::{Cell, Row, all, cell, cross, cross_cell, tasks, timers};
use corelane_benches::runtimes::{Placed1, Stealing1, TokioMultiThread1};
use corelane_benches::two_cores::Apart;

use crate::one_thread::On;
use crate::own_chan::own_chan;
use crate::peers::compio::Compio;
use crate::peers::glommio::{Glommio, GlommioLooking};
use crate::peers::monoio::{MonoioEpoll, MonoioUring};
use crate::peers::nio::{NioLocal, NioTwo};
use crate::peers::smol::{SmolLocal, SmolTwo};

/// Modes that can stand in for each other, with the one of ours that has to be first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Tasks on one thread.
    OneThread,
    /// Tasks that two workers share.
    TwoWorkers,
    /// Tasks on two pinned cores that talk.
    TwoCores,
}

impl Group {
    /// All, in the order in which they are printed.
    pub const ALL: [Self; 3] = [Self::OneThread, Self::TwoWorkers, Self::TwoCores];

    /// In words, and our mode.
    pub fn title(self) -> (&'static str, &'static str) {
        match self {
            Self::OneThread => ("One thread", "sharded"),
            Self::TwoWorkers => ("Two workers that share tasks", "stealing"),
            Self::TwoCores => ("Two pinned cores", "sharded-2"),
        }
    }

    /// Where a cell belongs.
    pub fn of(row: &str, mode: &str) -> Self {
        if row.starts_with("cross") {
            Self::TwoCores
        } else if matches!(mode, "stealing" | "sharded-2" | "tokio-mt" | "nio-mt" | "smol-mt") {
            Self::TwoWorkers
        } else {
            Self::OneThread
        }
    }
}

/// Whether a mode is Corelane's.
pub fn is_ours(mode: &str) -> bool {
    mode.starts_with("sharded") || mode.starts_with("stealing") || mode == "current_thread"
}

/// The peers' modes that have no `yield_now`.
pub const WITHOUT_YIELD: [&str; 6] =
    ["nio-local", "nio-mt", "monoio-epoll", "monoio-uring", "compio-poll", "compio-uring"];

/// How their modes begin.
const PEERS: [&str; 5] = ["nio", "glommio", "monoio", "compio", "smol"];

/// The rows over bodies of the main package, each with ours and Tokio's modes, and then the peers'.
pub fn rows() -> Vec<Row> {
    let mut rows = all();
    /// Cells of one body in more modes.
    macro_rules! add {
        ($row:literal, $cell:ident($area:ident::$body:ident) in [$($Mode:ty),* $(,)?]) => {
            add_cells(&mut rows, $row, vec![$($cell::<$Mode>($area::$body::<$Mode>)),*])
        };
    }
    /// In all that have a scheduler, thus in all.
    macro_rules! everywhere {
        ($($row:literal: $area:ident::$body:ident),* $(,)?) => {$(
            add!($row, cell($area::$body) in [
                Placed1, Stealing1, TokioMultiThread1, On<NioLocal>, On<Glommio>, On<MonoioEpoll>, On<MonoioUring>,
                On<Compio<false>>, On<Compio<true>>, On<SmolLocal>, NioTwo, SmolTwo
            ]);
        )*};
    }
    /// Movable tasks of nio's have no timers.
    macro_rules! timed {
        ($($row:literal: $area:ident::$body:ident),* $(,)?) => {$(
            add!($row, cell($area::$body) in [
                Placed1, Stealing1, TokioMultiThread1, On<NioLocal>, On<Glommio>, On<MonoioEpoll>, On<MonoioUring>,
                On<Compio<false>>, On<Compio<true>>, On<SmolLocal>, SmolTwo
            ]);
        )*};
    }
    macro_rules! apart {
        ($($row:literal: $area:ident::$body:ident),* $(,)?) => {$(
            add!($row, cross_cell($area::$body) in [
                Apart<On<NioLocal>>, Apart<On<Glommio>>, Apart<On<MonoioEpoll>>, Apart<On<MonoioUring>>,
                Apart<On<Compio<false>>>, Apart<On<Compio<true>>>, Apart<On<SmolLocal>>
            ]);
        )*};
    }
    everywhere! {
        "spawn1": tasks::spawn1,
        "spawn1y": tasks::spawn1y,
        "spawn1000": tasks::spawn_many,
        "yield1": tasks::yield1,
        "yield1000": tasks::yield_many,
        "wake1": tasks::wake1,
        "wake1000": tasks::wake_many,
        "ping_pong": tasks::ping_pong,
        "fan_out": tasks::fan_out,
        "skew": tasks::skew,
        "spawn_blocking": tasks::spawn_blocking,
        "block_on": tasks::block_on,
        "pp_mpsc": tokios::pp_mpsc,
        "pp_oneshot": tokios::pp_oneshot,
    }
    timed! {
        "timeout_ready": timers::timeout_ready,
        "sleep_drop": timers::sleep_drop,
        "sleep_drop_100k": timers::sleep_drop_among_others,
    }
    apart! {
        "cross_pair": cross::one_pair,
        "cross_64_pairs": cross::many_pairs,
    }
    add!("cross_pair_looking", cross_cell(cross::one_pair) in [Apart<On<GlommioLooking>>]);
    let own = |mode, sample: fn(_) -> _| Cell { mode, sample: Box::new(sample) };
    let own = vec![
        own("glommio", own_chan::<Glommio>),
        own("monoio-epoll", own_chan::<MonoioEpoll>),
        own("monoio-uring", own_chan::<MonoioUring>),
        own("smol-local", own_chan::<SmolLocal>),
    ];
    add_cells(&mut rows, "own_chan", own);
    rows.retain(|row| row.cells.iter().any(|cell| is_peer(cell.mode)));
    rows
}

/// Whether a mode is neither ours nor Tokio's.
pub fn is_peer(mode: &str) -> bool {
    PEERS.iter().any(|peer| mode.starts_with(peer))
}

fn add_cells(rows: &mut [Row], name: &str, cells: Vec<Cell>) {
    let row = rows.iter_mut().find(|row| row.name == name).expect("the table has the row");
    row.cells.extend(cells);
    // Ours, then Tokio's, then the peers'.
    row.cells.sort_by_key(|cell| (is_peer(cell.mode), cell.is_tokio()));
}
