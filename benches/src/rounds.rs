//! Rows in interleaved rounds: each round takes a short sample of every mode, so that what the machine does meanwhile falls on
//! all of them, and a ratio compares samples that were taken next to each other.

use std::time::Duration;

use crate::rows::{Cell, Row, Size};

/// What a program that runs rows is told.
#[derive(Debug)]
pub struct Options {
    /// The rows to run; all if there is no list.
    pub rows: Option<Vec<String>>,
    /// How often each mode is sampled.
    pub rounds: usize,
    /// How long a sample is to take.
    pub sample: Duration,
    /// Where the figures go besides.
    pub json: Option<String>,
}

impl Options {
    /// Takes `--rows a,b`, `--rounds N`, `--quick` and `--json FILE` from the arguments, and gives the others back.
    ///
    /// # Errors
    ///
    /// What is wrong with an argument.
    pub fn from_args(mut arguments: impl Iterator<Item = String>) -> Result<(Self, Vec<String>), String> {
        // Short, so that most samples are not interrupted by whatever else runs.
        let mut options = Self { rows: None, rounds: 15, sample: Duration::from_millis(5), json: None };
        let mut rest = Vec::new();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--rows" => options.rows = Some(value()?.split(',').map(String::from).collect()),
                "--rounds" => {
                    options.rounds =
                        value()?.parse().ok().filter(|n| *n > 0).ok_or("--rounds takes a number from 1")?;
                }
                "--quick" => (options.rounds, options.sample) = (3, Duration::from_millis(1)),
                "--json" => options.json = Some(value()?),
                _ => rest.push(argument),
            }
        }
        Ok((options, rest))
    }

    /// The rows that are asked for.
    ///
    /// # Errors
    ///
    /// If there is no such row.
    pub fn choose(&self, mut rows: Vec<Row>) -> Result<Vec<Row>, String> {
        let Some(names) = &self.rows else { return Ok(rows) };
        if let Some(name) = names.iter().find(|name| !rows.iter().any(|row| row.name == **name)) {
            let names: Vec<_> = rows.iter().map(|row| row.name).collect();
            return Err(format!("no row `{name}`; there are {}", names.join(", ")));
        }
        rows.retain(|row| names.iter().any(|name| name == row.name));
        Ok(rows)
    }
}

/// For each cell of the row, in nanoseconds an operation: its samples, a round each.
pub fn measure(row: &Row, rounds: usize, sample: Duration) -> Vec<Vec<f64>> {
    let sizes: Vec<_> = row.cells.iter().map(|cell| calibrate(cell, sample)).collect();
    let mut samples = vec![Vec::with_capacity(rounds); row.cells.len()];
    for _ in 0..rounds {
        for ((cell, size), samples) in row.cells.iter().zip(&sizes).zip(&mut samples) {
            samples.push((cell.sample)(*size).as_nanos() as f64 / (size.batches * row.ops) as f64);
        }
    }
    samples
}

/// The quartiles of each round's ratio.
pub fn ratio(ours: &[f64], theirs: &[f64]) -> [f64; 3] {
    quartiles(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect())
}

/// The first quartile, the median, the third.
pub fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
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
