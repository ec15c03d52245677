//! The micro rows on Corelane, on Tokio and on the other runtimes of the field, in interleaved rounds in one process.
//!
//! ```text
//! peers [--rows a,b] [--rounds N] [--quick] [--json FILE] [--svg FILE]
//! ```
//!
//! From the repository's root: `cargo run --release --manifest-path benches/peers/Cargo.toml -- --quick`.
//!
//! The bodies are those of `corelane-benches`, so each runtime executes the same; only how it spawns, sleeps and gives way is its own. A
//! channel is Corelane's on Corelane and Tokio's elsewhere, except in `own_chan`, where it is the runtime's own. What the rows ask:
//!
//! | row | a batch |
//! |---|---|
//! | `spawn1`, `spawn1y`, `spawn1000` | spawn an empty task and await it; one that wakes itself once; a thousand, then join them |
//! | `yield1`, `yield1000`, `wake1`, `wake1000` | give way, or wake itself and return `Pending`, in one task or in a thousand |
//! | `ping_pong`, `pp_mpsc`, `pp_oneshot`, `own_chan` | a number there and back between two tasks, over one slot and over channels |
//! | `fan_out`, `skew` | 10,000 tasks that one spawns: next to no work, and 3.6 µs each |
//! | `timeout_ready`, `sleep_drop`, `sleep_drop_100k` | timers that don't fire, alone and beside 100,000 |
//! | `spawn_blocking`, `block_on` | an empty closure on another thread; a ready future |
//! | `cross_pair`, `cross_pair_looking`, `cross_64_pairs` | ping-pong between two pinned threads: asleep, awake, 64 at once |
//! | `task_bytes` | resident memory of a task that holds its own waker |
//!
//! First each peer runs each row for a moment in a process of its own: what panics or hangs there is left out, and said. Every mode is
//! also asked whether its sleeps end early, whether `spawn` polls, whether a task that gives way lets the others run, and whether a
//! task may start another runtime on its thread. A figure behind which such a promise is broken is marked, and is nobody's target.
//!
//! Printed as it goes: the median of the rounds, the quartiles, and the median of each round's ratio to the fastest unmarked mode of
//! the group. Then a table for each group (one thread, two workers, two cores), the notes, and where Corelane stands.

mod one_thread;
mod own_chan;
mod peers;
mod plot;
mod probes;
mod report;
mod rows;

use std::process::ExitCode;
use std::time::Duration;

use corelane_benches::rounds::{self, Options};
use corelane_benches::rows::Row;
use corelane_benches::{process, say};

use report::{Figure, Report};
use rows::Group;

const USAGE: &str = "usage: peers [--rows a,b] [--rounds N] [--quick] [--json FILE] [--svg FILE]";
/// Long enough for any row that runs.
const PATIENCE: Duration = Duration::from_secs(20);
/// The row that is no row of the main package's table.
const BYTES: &str = "task_bytes";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    // Before any thread is pinned.
    process::two_cores();
    let (mut options, rest) = Options::from_args(std::env::args().skip(1))?;
    let rest: Vec<_> = rest.iter().map(String::as_str).collect();
    let mut svg = None;
    match rest[..] {
        [] => {}
        ["--svg", file] => svg = Some(file),
        // The program calls itself so.
        ["--probe", row, mode] => return probe(row, mode),
        ["--early", mode] => return answer(mode, |mode| (mode.early_us)().to_string()),
        ["--nests", mode] => return answer(mode, |mode| (mode.nests)().to_string()),
        ["--starves", mode] => return answer(mode, |mode| (mode.starves)().to_string()),
        ["--polls-at-spawn", mode] => return answer(mode, |mode| (mode.polls_at_spawn)().to_string()),
        ["--bytes", mode, tasks] => {
            let tasks = tasks.parse().map_err(|_| format!("{tasks} is no number"))?;
            return answer(mode, |mode| (mode.bytes_a_task)(tasks).to_string());
        }
        [argument, ..] => return Err(format!("unknown argument {argument}")),
    }
    let bytes = match &mut options.rows {
        None => true,
        Some(names) => {
            let all = names.len();
            names.retain(|name| name != BYTES);
            names.len() < all
        }
    };
    let mut report = Report::default();
    for mode in rows::WITHOUT_YIELD {
        report.note(
            mode,
            report::YIELDS,
            "has no `yield_now`; it wakes itself, which promises no look at the drivers".into(),
        );
    }
    note_promises(&mut report);
    for row in options.choose(rows::rows())? {
        let row = without_broken(row, &mut report);
        measure(&row, &options, &mut report);
    }
    if bytes {
        let tasks = if options.rounds < 10 { "100000" } else { "1000000" };
        for mode in probes::modes() {
            match probes::run(&["--bytes", mode.name, tasks], PATIENCE) {
                Ok(bytes) => {
                    let bytes = bytes.trim().parse().map_err(|_| format!("{bytes} is no number"))?;
                    report.add(vec![Figure::new(BYTES, mode.name, [bytes; 3])]);
                }
                Err(what) => report.broken(BYTES, mode.name, &what),
            }
        }
    }
    report.print();
    if let Some(file) = &options.json {
        std::fs::write(file, report.json()).map_err(|error| format!("{file}: {error}"))?;
    }
    if let Some(file) = svg {
        std::fs::write(file, plot::draw(&report)).map_err(|error| format!("{file}: {error}"))?;
    }
    Ok(())
}

fn answer(mode: &str, ask: impl Fn(&probes::Mode) -> String) -> Result<(), String> {
    let mode = probes::modes().into_iter().find(|known| known.name == mode).ok_or("no such mode")?;
    say!("{}", ask(&mode));
    Ok(())
}

/// One row in one mode, shortly.
fn probe(row: &str, mode: &str) -> Result<(), String> {
    let mut row = rows::rows().into_iter().find(|known| known.name == row).ok_or("no such row")?;
    row.cells.retain(|cell| cell.mode == mode);
    rounds::measure(&row, 2, Duration::from_millis(2));
    Ok(())
}

/// Takes out what does not run.
fn without_broken(mut row: Row, report: &mut Report) -> Row {
    row.cells.retain(|cell| {
        if !rows::is_peer(cell.mode) {
            return true;
        }
        match probes::run(&["--probe", row.name, cell.mode], PATIENCE) {
            Ok(_) => true,
            Err(what) => {
                report.broken(row.name, cell.mode, &what);
                false
            }
        }
    });
    row
}

/// Asks each mode what it does with timers and new tasks.
fn note_promises(report: &mut Report) {
    for mode in probes::modes() {
        match probes::run(&["--early", mode.name], PATIENCE) {
            Ok(early) if early.trim() == "0" => {}
            Ok(early) => {
                report.note(mode.name, report::TIMERS, format!("ends sleeps up to {} µs early", early.trim()))
            }
            Err(what) => report.note(mode.name, report::TIMERS, format!("with 20,000 sleeps: {what}")),
        }
        // A refusal is a panic.
        if probes::run(&["--nests", mode.name], PATIENCE).is_ok() {
            let text = "lets a task start a runtime on its thread, which stops the thread's other tasks";
            report.note(mode.name, report::NESTING, text.into());
        }
        // Where another worker may have run it, that it ran says nothing.
        if Group::of("", mode.name) == Group::OneThread {
            match probes::run(&["--polls-at-spawn", mode.name], PATIENCE) {
                Ok(polls) if polls.trim() == "false" => {}
                Ok(_) => report.note(mode.name, report::SPAWNS, "polls the task within `spawn`".into()),
                Err(what) => report.note(mode.name, report::SPAWNS, format!("one task: {what}")),
            }
            match probes::run(&["--starves", mode.name], PATIENCE) {
                Ok(starves) if starves.trim() == "false" => {}
                Ok(_) => report.note(
                    mode.name,
                    report::FAIRNESS,
                    "polls a task that gives way again before the others".into(),
                ),
                Err(what) => report.note(mode.name, report::FAIRNESS, format!("two tasks: {what}")),
            }
        }
    }
}

fn measure(row: &Row, options: &Options, report: &mut Report) {
    let samples = rounds::measure(row, options.rounds, options.sample);
    for group in Group::ALL {
        let cells = row.cells.iter().zip(&samples);
        let cells: Vec<_> = cells.filter(|(cell, _)| Group::of(row.name, cell.mode) == group).collect();
        let figures = cells
            .iter()
            .map(|(cell, samples)| Figure::new(row.name, cell.mode, rounds::quartiles((*samples).clone())));
        let mut figures: Vec<_> = figures.collect();
        let best = (0..cells.len())
            .filter(|i| report.keeps_promises(row.name, cells[*i].0.mode))
            .min_by(|a, b| figures[*a].quartiles[1].total_cmp(&figures[*b].quartiles[1]));
        let Some(best) = best else { continue };
        for (figure, (_, samples)) in figures.iter_mut().zip(&cells) {
            [figure.low, figure.ratio, figure.high] = rounds::ratio(samples, cells[best].1);
        }
        report.add(figures);
    }
}
