//! All rows in interleaved rounds: each round takes a short sample of every mode, so that what the machine does meanwhile falls on
//! all of them, and a ratio compares samples that were taken next to each other.
//!
//! ```text
//! ratios [--rows a,b] [--rounds N] [--quick] [--check] [--json FILE]
//! ```
//!
//! For each mode: the median over the rounds in nanoseconds an operation, its ratio to Tokio's fastest mode in that row (the median
//! of each round's ratio), and the middle half of these ratios. `--check` adds the targets, and fails if one is missed. Targets of modes that a row lacks
//! are not checked.

use std::process::ExitCode;

use corelane_benches::rounds::{self, Options};
use corelane_benches::rows::{self, Cell, Row, Target};
use corelane_benches::{process, say};

const USAGE: &str = "usage: ratios [--rows a,b] [--rounds N] [--quick] [--check] [--json FILE]";

fn main() -> ExitCode {
    let (options, rest) = match Options::from_args(std::env::args().skip(1)) {
        Ok(parsed) => parsed,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let rest: Vec<_> = rest.iter().map(String::as_str).collect();
    let checked = match rest[..] {
        [] => false,
        ["--check"] => true,
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    // Before any thread is pinned.
    process::two_cores();
    let rows = match options.choose(rows::all()) {
        Ok(rows) => rows,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    say!("{:<19} {:<15} {:>10} {:>7}  {:<15}", "row", "mode", "ns", "ratio", "p25 to p75");
    let mut missed = false;
    let mut json = Vec::new();
    for row in &rows {
        let results = outcomes(row, &options);
        for result in &results {
            let [low, ratio, high] = result.ratio;
            let targets: String = row
                .targets
                .iter()
                .filter(|target| checked && target.mode() == result.mode)
                .filter_map(|target| check(target, &results))
                .map(|(text, met)| {
                    missed |= !met;
                    format!("  {} {text}", if met { "ok" } else { "MISSED" })
                })
                .collect();
            let (name, mode, ns) = (row.name, result.mode, result.ns);
            say!("{name:<19} {mode:<15} {ns:>10.1} {ratio:>7.3}  {low:>6.3} {high:>6.3}{targets}");
            json.push(format!(
                r#"  {{"row": "{name}", "mode": "{mode}", "ns": {ns:.2}, "ratio": {ratio:.4}, "p25": {low:.4}, "p75": {high:.4}}}"#
            ));
        }
    }
    if let Some(file) = &options.json {
        if let Err(error) = std::fs::write(file, format!("[\n{}\n]\n", json.join(",\n"))) {
            eprintln!("{file}: {error}");
            return ExitCode::FAILURE;
        }
    }
    if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// A mode in a row.
struct Outcome {
    mode: &'static str,
    /// Each round's time of an operation.
    samples_ns: Vec<f64>,
    /// Their median.
    ns: f64,
    /// The quartiles of each round's ratio to Tokio's fastest mode.
    ratio: [f64; 3],
}

fn outcomes(row: &Row, options: &Options) -> Vec<Outcome> {
    let samples = rounds::measure(row, options.rounds, options.sample);
    let medians: Vec<_> = samples.iter().map(|samples| rounds::quartiles(samples.clone())[1]).collect();
    let tokio = (0..row.cells.len()).filter(|i| row.cells[*i].is_tokio());
    let best =
        tokio.min_by(|a, b| medians[*a].total_cmp(&medians[*b])).expect("every row has a mode of Tokio's");
    let best = samples[best].clone();
    let outcome = |((cell, samples_ns), ns): ((&Cell, Vec<f64>), f64)| Outcome {
        mode: cell.mode,
        ratio: rounds::ratio(&samples_ns, &best),
        samples_ns,
        ns,
    };
    row.cells.iter().zip(samples).zip(medians).map(outcome).collect()
}

/// The target in words and whether it is met; `None` if one of its modes does not run yet.
fn check(target: &Target, results: &[Outcome]) -> Option<(String, bool)> {
    let find = |mode: &str| results.iter().find(|result| result.mode == mode);
    let ours = find(target.mode())?;
    Some(match *target {
        Target::OfBest(_, bound) => (format!("<= {bound} of Tokio's best"), ours.ratio[1] <= bound),
        Target::Of(_, mode, bound) => {
            let [_, ratio, _] = rounds::ratio(&ours.samples_ns, &find(mode)?.samples_ns);
            (format!("{ratio:.3} <= {bound} of {mode}"), ratio <= bound)
        }
        Target::Ns(_, bound) => (format!("<= {bound} ns"), ours.ns <= bound),
    })
}
