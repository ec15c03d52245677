//! Which runs there are, and in which order.
//!
//! A cell is a load. In each round every column (a runtime or a config file) gets it in turn, from a server that was just
//! started, so that whatever changes on the machine meanwhile changes all columns. Each round begins with another column.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use corelane::config::CpuList;
use serde::Serialize;

use super::histogram::{Point, Record};
use super::load::{self, Load, Moment, Pace};
use super::process::{ServerProcess, Usage};
use super::protocol::Server;
use super::schedule::{Arrivals, Skew, Work};
use super::serve::Runtime;

#[derive(Debug)]
pub struct Grid {
    pub server: Server,
    pub columns: Vec<Column>,
    pub cells: Vec<Cell>,
    pub asked: Asked,
    pub pipeline: usize,
    pub arrivals: Arrivals,
    pub seed: u64,
    pub rounds: usize,
    pub window: Duration,
    pub workers: usize,
    pub server_cpus: CpuList,
    pub load_cpus: CpuList,
    pub turns: f64,
}

/// What is compared.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    pub runtime: Runtime,
    pub config: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug)]
pub enum Asked {
    Closed,
    /// Requests a second.
    Rate(f64),
    /// Of what [`Grid::saturation`] finds.
    Load(f64),
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Cell {
    pub connections: usize,
    pub skew: Skew,
    pub work: Option<Work>,
}

/// What came of a cell.
#[derive(Debug, Serialize)]
pub struct CellResult {
    #[serde(flatten)]
    pub cell: Cell,
    /// What the load is a part of.
    pub saturation: Option<Saturation>,
    /// Requests a second, in the open loop.
    pub offered: Option<f64>,
    pub columns: Vec<ColumnResult>,
    /// Why there is no load.
    pub error: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct Saturation {
    pub of: String,
    pub requests_per_s: f64,
}

#[derive(Debug, Serialize)]
pub struct ColumnResult {
    pub name: String,
    pub runtime: Runtime,
    /// `None` for a round that failed.
    pub rounds: Vec<Option<Sample>>,
    pub errors: Vec<String>,
    /// The distribution of latencies, all rounds together.
    pub points: Vec<Point>,
    #[serde(skip)]
    record: Option<Record>,
}

/// What one run showed.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// Requests that were due within the window.
    pub requests: u64,
    /// Those of them whose latency is in the histogram.
    pub answered: u64,
    pub requests_per_s: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub max_us: f64,
    /// Of each stretch of the window.
    pub p99_stretches_us: Vec<f64>,
    pub p999_stretches_us: Vec<f64>,
    /// Requests that the generator sent late.
    pub late: u64,
    pub latest_us: f64,
    /// The part of its time that the generator had something to do.
    pub generator_busy: f64,
    /// What a request costs the server's process.
    pub user_ns: f64,
    pub system_ns: f64,
    /// What its memory grew by for a connection.
    pub connection_bytes: u64,
}

impl Column {
    pub fn of(runtime: Runtime) -> Self {
        use clap::ValueEnum as _;
        let name = runtime.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        Self { name, runtime, config: None }
    }
}

impl CellResult {
    pub fn failed(&self) -> bool {
        self.error.is_some() || self.columns.iter().any(|column| !column.errors.is_empty())
    }
}

impl Grid {
    pub fn run(&self) -> Result<Vec<CellResult>, String> {
        // This thread would disturb the servers.
        super::process::bind(&self.load_cpus.iter().collect::<Vec<_>>())?;
        Ok((0..self.cells.len()).map(|index| self.cell(index)).collect())
    }

    fn cell(&self, index: usize) -> CellResult {
        let cell = self.cells[index];
        let column = |column: &Column| ColumnResult {
            name: column.name.clone(),
            runtime: column.runtime,
            rounds: vec![None; self.rounds],
            errors: Vec::new(),
            points: Vec::new(),
            record: None,
        };
        let columns = self.columns.iter().map(column).collect();
        let mut result = CellResult { cell, saturation: None, offered: None, columns, error: None };
        let pace = match self.asked {
            Asked::Closed => Pace::Closed { pipeline: self.pipeline },
            Asked::Rate(rate) => self.open(rate),
            Asked::Load(part) => match self.saturation(index) {
                Ok(saturation) => {
                    let rate = part * saturation.requests_per_s;
                    result.saturation = Some(saturation);
                    self.open(rate)
                }
                Err(error) => {
                    result.error = Some(error);
                    return result;
                }
            },
        };
        if let Pace::Open { rate, .. } = pace {
            result.offered = Some(rate);
        }
        for round in 0..self.rounds {
            for turn in 0..self.columns.len() {
                let at = (round + turn) % self.columns.len();
                let into = &mut result.columns[at];
                match self.measure(index, &self.columns[at], pace, &format!("round {}", round + 1), round) {
                    Ok((sample, record)) => {
                        into.rounds[round] = Some(sample);
                        match &mut into.record {
                            Some(all) => all.add(&record),
                            none => *none = Some(record),
                        }
                    }
                    Err(error) => into.errors.push(format!("round {}: {error}", round + 1)),
                }
            }
        }
        for column in &mut result.columns {
            column.points = column.record.as_ref().map(Record::points).unwrap_or_default();
        }
        result
    }

    fn open(&self, rate: f64) -> Pace {
        Pace::Open { rate, arrivals: self.arrivals }
    }

    /// What Tokio can do at most, or, if it is not compared, the first column.
    fn saturation(&self, cell: usize) -> Result<Saturation, String> {
        let tokio = self.columns.iter().find(|column| column.runtime == Runtime::Tokio);
        let of = tokio.unwrap_or(&self.columns[0]);
        let pace = Pace::Closed { pipeline: self.pipeline };
        let (sample, _) = self.measure(cell, of, pace, "closed loop", 0)?;
        match sample.requests_per_s {
            0.0 => Err(format!("{} answers nothing", of.name)),
            requests_per_s => Ok(Saturation { of: of.name.clone(), requests_per_s }),
        }
    }

    fn measure(
        &self,
        cell: usize,
        column: &Column,
        pace: Pace,
        what: &str,
        round: usize,
    ) -> Result<(Sample, Record), String> {
        let Cell { connections, skew, work } = self.cells[cell];
        let mut server = ServerProcess::start(&self.arguments(column))?;
        let [mut fresh, mut begin, mut end] = [server.usage(), Usage::default(), Usage::default()];
        let load = Load {
            to: server.port,
            server: self.server,
            connections,
            skew,
            work,
            pace,
            warm_up: self.window / 4,
            window: self.window,
            // The same in each column.
            seed: self.seed.wrapping_mul(1_000_003).wrapping_add((cell * self.rounds + round) as u64),
            cpus: self.load_cpus.iter().collect(),
            alone: self.server_cpus.common(&self.load_cpus).is_empty(),
        };
        let seen = load::run(&load, |moment| match moment {
            Moment::Connected => {
                let (cell, cells, name, pid) = (cell + 1, self.cells.len(), &column.name, server.id());
                // That nobody reads it is no reason to end, as `eprintln` would.
                let _ = writeln!(
                    io::stderr(),
                    "cell {cell}/{cells}: {connections} connections, {what}, {name} (pid {pid})"
                );
            }
            Moment::WindowBegins => begin = server.usage(),
            Moment::WindowEnds => end = server.usage(),
        });
        let seen = seen.map_err(|error| match server.ended() {
            Some(status) => format!("the server has ended during the run ({status}): {error}"),
            None => error,
        })?;
        // Memory that was given back since is none of the connections'.
        fresh.resident_bytes = fresh.resident_bytes.min(end.resident_bytes);
        let record = seen.record;
        let a_request = |time: Duration| time.as_nanos() as f64 / record.answers.max(1) as f64;
        let sample = Sample {
            requests: record.requests,
            answered: record.answered_requests(),
            requests_per_s: record.answers as f64 / self.window.as_secs_f64(),
            p50_us: record.within_us(0.5),
            p99_us: record.within_us(0.99),
            p999_us: record.within_us(0.999),
            max_us: record.within_us(1.0),
            p99_stretches_us: record.within_us_by_stretch(0.99),
            p999_stretches_us: record.within_us_by_stretch(0.999),
            late: record.late,
            latest_us: record.latest_ns as f64 / 1e3,
            generator_busy: seen.busy,
            user_ns: a_request(end.user.saturating_sub(begin.user)),
            system_ns: a_request(end.system.saturating_sub(begin.system)),
            connection_bytes: (end.resident_bytes - fresh.resident_bytes) / connections as u64,
        };
        Ok((sample, record))
    }

    fn arguments(&self, column: &Column) -> Vec<String> {
        use clap::ValueEnum as _;
        let name = |value: Option<clap::builder::PossibleValue>| {
            value.map(|value| value.get_name().to_owned()).unwrap_or_default()
        };
        let mut arguments = vec![
            format!("--runtime={}", name(column.runtime.to_possible_value())),
            format!("--server={}", name(self.server.to_possible_value())),
            format!("--workers={}", self.workers),
            format!("--cpus={}", self.server_cpus),
            format!("--turns={}", self.turns),
        ];
        arguments.extend(column.config.iter().map(|file| format!("--config={}", file.display())));
        arguments
    }
}
