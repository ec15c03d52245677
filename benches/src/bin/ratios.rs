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
use std::time::Duration;

use corelane_benches::process;
use corelane_benches::rows::{self, Cell, Row, Size, Target};

struct Options {
    rows: Option<Vec<String>>,
    rounds: usize,
    sample: Duration,
    check: bool,
    json: Option<String>,
}

const USAGE: &str = "usage: ratios [--rows a,b] [--rounds N] [--quick] [--check] [--json FILE]";

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    // Before any thread is pinned.
    process::two_cores();
    let mut rows = rows::all();
    if let Some(names) = &options.rows {
        if let Some(name) = names.iter().find(|name| !rows.iter().any(|row| row.name == **name)) {
            let names: Vec<_> = rows.iter().map(|row| row.name).collect();
            eprintln!("no row `{name}`; there are {}", names.join(", "));
            return ExitCode::from(2);
        }
        rows.retain(|row| names.iter().any(|name| name == row.name));
    }
    println!("{:<19} {:<15} {:>10} {:>7}  {:<15}", "row", "mode", "ns", "ratio", "p25 to p75");
    let mut missed = false;
    let mut json = Vec::new();
    for row in &rows {
        let results = measure(row, &options);
        for result in &results {
            let [low, ratio, high] = result.ratio;
            let targets: String = row
                .targets
                .iter()
                .filter(|target| options.check && target.mode() == result.mode)
                .filter_map(|target| check(target, &results))
                .map(|(text, met)| {
                    missed |= !met;
                    format!("  {} {text}", if met { "ok" } else { "MISSED" })
                })
                .collect();
            let (name, mode, ns) = (row.name, result.mode, result.ns);
            println!("{name:<19} {mode:<15} {ns:>10.1} {ratio:>7.3}  {low:>6.3} {high:>6.3}{targets}");
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

fn options() -> Result<Options, String> {
    let mut options = Options {
        rows: None,
        rounds: 15, // Short, so that most samples are not interrupted by whatever else runs.
        sample: Duration::from_millis(5),
        check: false,
        json: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--rows" => options.rows = Some(value()?.split(',').map(String::from).collect()),
            "--rounds" => {
                options.rounds =
                    value()?.parse().ok().filter(|n| *n > 0).ok_or("--rounds takes a number from 1")?;
            }
            "--quick" => (options.rounds, options.sample) = (3, Duration::from_millis(1)),
            "--check" => options.check = true,
            "--json" => options.json = Some(value()?),
            _ => return Err(format!("unknown option {argument}")),
        }
    }
    Ok(options)
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

fn measure(row: &Row, options: &Options) -> Vec<Outcome> {
    let sizes: Vec<_> = row.cells.iter().map(|cell| calibrate(cell, options.sample)).collect();
    let mut samples = vec![Vec::with_capacity(options.rounds); row.cells.len()];
    for _ in 0..options.rounds {
        for ((cell, size), samples) in row.cells.iter().zip(&sizes).zip(&mut samples) {
            samples.push((cell.sample)(*size).as_nanos() as f64 / (size.batches * row.ops) as f64);
        }
    }
    let medians: Vec<_> = samples.iter().map(|samples| quartiles(samples.clone())[1]).collect();
    let tokio = (0..row.cells.len()).filter(|i| row.cells[*i].is_tokio());
    let best =
        tokio.min_by(|a, b| medians[*a].total_cmp(&medians[*b])).expect("every row has a mode of Tokio's");
    let best = samples[best].clone();
    let outcome = |((cell, samples_ns), ns): ((&Cell, Vec<f64>), f64)| Outcome {
        mode: cell.mode,
        ratio: ratio(&samples_ns, &best),
        samples_ns,
        ns,
    };
    row.cells.iter().zip(samples).zip(medians).map(outcome).collect()
}

/// How many batches take about as long as a sample is to take.
fn calibrate(cell: &Cell, sample: Duration) -> Size {
    let mut batches = 1_u64;
    loop {
        let time = (cell.sample)(Size { warm: batches.div_ceil(10), batches });
        if time * 4 >= sample {
            let batches =
                (batches as f64 * (sample.as_secs_f64() / time.as_secs_f64()).min(4.0)).ceil() as u64;
            return Size { warm: batches.div_ceil(10), batches };
        }
        batches *= 3;
    }
}

fn ratio(ours: &[f64], theirs: &[f64]) -> [f64; 3] {
    quartiles(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect())
}

fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}

/// The target in words and whether it is met; `None` if one of its modes does not run yet.
fn check(target: &Target, results: &[Outcome]) -> Option<(String, bool)> {
    let find = |mode: &str| results.iter().find(|result| result.mode == mode);
    let ours = find(target.mode())?;
    Some(match *target {
        Target::OfBest(_, bound) => (format!("<= {bound} of Tokio's best"), ours.ratio[1] <= bound),
        Target::Of(_, mode, bound) => {
            let [_, ratio, _] = ratio(&ours.samples_ns, &find(mode)?.samples_ns);
            (format!("{ratio:.3} <= {bound} of {mode}"), ratio <= bound)
        }
        Target::Ns(_, bound) => (format!("<= {bound} ns"), ours.ns <= bound),
    })
}
