//! What must not become worse: fails if a bound is not met.
//!
//! ```text
//! gate [--only times,instructions,writes]
//! ```
//!
//! Three kinds of figures, each where it is steady:
//!
//! - *times*: a mode's time in a row as a ratio to one of Tokio's, the fastest of interleaved samples on either side, since all that a
//!   busy machine does is to make some slower; or the median of the rounds' ratios, if that is less: where a host slows its guest
//!   down to half for a while, the fastest sample of one side may be the only one from before. The bounds leave room for noise.
//! - *instructions* an operation in user mode on one shard, by `benches/instructions.sh`, which needs valgrind. They are the same on
//!   every run: the bounds leave less room than taking one more lock needs. A mode whose second worker wakes now and then is none of
//!   this kind.
//! - *writes* an operation: system calls of that kind, counted by the kernel (`/proc/self/io`). The only ones here are wakes of threads
//!   that sleep.
//!
//! What it is there to catch, each tried once by hand: a lock in spawn (`spawn1`, 414 instructions), timers under one lock
//! (`sleep_drop`, 312), a system call for each wake (`cross_64_pairs`, 2.0 writes), a wake for each task that could be stolen
//! (`spawn1`, 0.047 writes).

use std::env;
use std::fs;
use std::process::{Command, ExitCode};
use std::time::Duration;

use corelane_benches::rounds;
use corelane_benches::rows::{self, Row, Size};
use corelane_benches::{process, say};

/// Row, our mode, Tokio's mode, bound.
const TIMES: &[(&str, &str, &str, f64)] = &[
    ("spawn1", "sharded", "tokio-ct", 0.28),
    ("spawn1", "stealing", "tokio-mt", 0.45),
    ("spawn1000", "sharded", "tokio-ct", 0.2),
    ("yield1", "sharded", "tokio-ct", 0.08),
    ("wake1", "sharded", "tokio-ct", 0.55),
    ("fan_out", "stealing", "tokio-mt", 0.45),
    ("skew", "stealing", "tokio-mt", 1.05),
    ("cross_64_pairs", "sharded-2", "tokio-local", 0.45),
    ("timeout_ready", "sharded", "tokio-ct", 0.5),
    ("sleep_drop_100k", "sharded", "tokio-ct", 0.12),
    ("pp_mpsc", "sharded", "tokio-ct", 0.65),
    ("pp_oneshot", "sharded", "tokio-ct", 0.95),
    ("join_set", "sharded", "tokio-ct", 0.75),
];

/// Row and bound, as the script takes them.
const INSTRUCTIONS: &[&str] = &[
    "spawn1=400",
    "spawn1y=530",
    "spawn1000=225",
    "yield1=165",
    "wake1=124",
    "sleep_drop=280",
    "timeout_ready=82",
    "echo=340",
];

/// Row, mode, operations, bound.
const WRITES: &[(&str, &str, u64, f64)] = &[
    ("spawn1", "stealing", 300_000, 0.02),
    ("fan_out", "stealing", 1_000_000, 0.02),
    ("cross_64_pairs", "sharded-2", 200_000, 0.01),
];

const USAGE: &str = "usage: gate [--only times,instructions,writes]";

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let kinds = ["times", "instructions", "writes"];
    let chosen: Vec<_> = match arguments[..] {
        [] => kinds.to_vec(),
        ["--only", list] if list.split(',').all(|kind| kinds.contains(&kind)) => list.split(',').collect(),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    // Before any thread is pinned.
    process::two_cores();
    let mut missed = 0;
    // The exact ones first: who made something worse needs not wait for the others.
    if chosen.contains(&"instructions") {
        if let Err(error) = instructions() {
            say!("instructions: {error}");
            missed += 1;
        }
    }
    let mut report = |what: &str, row: &str, mode: &str, figure: Result<f64, String>, bound: f64| {
        let (figure, met) = match figure {
            Ok(figure) => (format!("{figure:.4}"), figure <= bound),
            Err(error) => (error, false),
        };
        missed += usize::from(!met);
        say!("{what:<13} {row:<16} {mode:<10} {figure:>9} <= {bound:<6} {}", if met { "" } else { "MISSED" });
    };
    if chosen.contains(&"writes") {
        for &(row, mode, operations, bound) in WRITES {
            report("writes", row, mode, writes(row, mode, operations), bound);
        }
    }
    if chosen.contains(&"times") {
        for &(row, mode, tokio, bound) in TIMES {
            report("times", row, mode, time_ratio(row, mode, tokio), bound);
        }
    }
    if missed > 0 {
        say!("{missed} missed");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn find(name: &str) -> Result<Row, String> {
    rows::all().into_iter().find(|row| row.name == name).ok_or_else(|| format!("no row `{name}`"))
}

fn time_ratio(row: &str, mode: &str, tokio: &str) -> Result<f64, String> {
    let mut row = find(row)?;
    row.cells.retain(|cell| cell.mode == mode || cell.mode == tokio);
    let place =
        |mode: &str| row.cells.iter().position(|cell| cell.mode == mode).ok_or(format!("no mode `{mode}`"));
    let (ours, theirs) = (place(mode)?, place(tokio)?);
    let samples = rounds::measure(&row, 21, Duration::from_millis(5));
    let fastest = |of: usize| samples[of].iter().copied().fold(f64::INFINITY, f64::min);
    let [_, median, _] = rounds::ratio(&samples[ours], &samples[theirs]);
    Ok(median.min(fastest(ours) / fastest(theirs)))
}

fn instructions() -> Result<(), String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.sh");
    let status = Command::new(script).args(INSTRUCTIONS).status().map_err(|e| format!("{script}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{script}: {status}")) }
}

/// System calls that write, those that build a runtime among them: the fewest of three samples, since whether a thread falls asleep
/// between two tasks is up to the machine too.
fn writes(row: &str, mode: &str, operations: u64) -> Result<f64, String> {
    let row = find(row)?;
    let cell = row.cell(mode).ok_or_else(|| format!("no mode `{mode}`"))?;
    let size = Size { warm: 0, batches: operations.div_ceil(row.ops) };
    let mut fewest = u64::MAX;
    for _ in 0..3 {
        let before = writes_so_far()?;
        (cell.sample)(size);
        fewest = fewest.min(writes_so_far()? - before);
    }
    Ok(fewest as f64 / operations as f64)
}

fn writes_so_far() -> Result<u64, String> {
    let text = fs::read_to_string("/proc/self/io").map_err(|e| format!("/proc/self/io: {e}"))?;
    let count = text.lines().find_map(|line| line.strip_prefix("syscw: ")?.parse().ok());
    count.ok_or_else(|| "/proc/self/io has no syscw".into())
}
