//! What was measured, on which machine and when: what the table, the JSON file and the page are made of.

use std::ffi::OsStr;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use corelane::topology::Topology;
use serde::Serialize;

use super::grid::{Asked, CellResult, ColumnResult, Grid, Sample};
use super::protocol::Server;
use super::schedule::Arrivals;
use super::serve::Runtime;
use crate::text::count;
use crate::tree;

#[derive(Debug, Serialize)]
pub struct Summary {
    pub command: String,
    /// In UTC.
    pub date: String,
    pub machine: String,
    pub cpu: String,
    pub kernel: String,
    pub topology: Topology,
    pub server: Server,
    pub server_cpus: String,
    pub load_cpus: String,
    /// Of each runtime that has no config file.
    pub workers: usize,
    pub load: String,
    pub closed: bool,
    pub arrivals: Arrivals,
    pub seed: u64,
    pub rounds: usize,
    pub seconds: f64,
    pub cells: Vec<CellResult>,
}

impl Summary {
    pub fn new(grid: &Grid, topology: &Topology, cells: Vec<CellResult>) -> Self {
        let arrivals = match grid.arrivals {
            Arrivals::Poisson => "poisson gaps",
            Arrivals::Fixed => "even gaps",
        };
        let load = match grid.asked {
            Asked::Closed => format!("closed loop, {} under way on each connection", grid.pipeline),
            Asked::Rate(rate) => format!("open loop, {rate} requests a second, {arrivals}"),
            Asked::Load(part) => {
                let of = cells.iter().find_map(|cell| Some(&cell.saturation.as_ref()?.of));
                let of = of.map_or("Tokio", String::as_str);
                format!("open loop, {part} of what {of} answers in the closed loop, {arrivals}")
            }
        };
        Self {
            command: std::env::args_os()
                .collect::<Vec<_>>()
                .join(OsStr::new(" "))
                .to_string_lossy()
                .into_owned(),
            date: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or_else(|_| "?".into(), |t| date(t.as_secs())),
            machine: tree::headline(topology),
            cpu: cpu_model(),
            kernel: read("/proc/sys/kernel/osrelease"),
            topology: topology.clone(),
            server: grid.server,
            server_cpus: grid.server_cpus.to_string(),
            load_cpus: grid.load_cpus.to_string(),
            workers: grid.workers,
            load,
            closed: matches!(grid.asked, Asked::Closed),
            arrivals: grid.arrivals,
            seed: grid.seed,
            rounds: grid.rounds,
            seconds: grid.window.as_secs_f64(),
            cells,
        }
    }

    /// What stands above the results: names and values.
    pub fn facts(&self) -> [(&'static str, String); 6] {
        let Self { machine, cpu, kernel, server_cpus, load_cpus, workers, .. } = self;
        let workers = count(*workers, "worker");
        [
            ("command", self.command.clone()),
            ("date", self.date.clone()),
            ("machine", format!("{machine}; {cpu}; Linux {kernel}")),
            ("cpus", format!("{server_cpus} for the server ({workers}), {load_cpus} for the generator")),
            ("load", self.load.clone()),
            ("runs", format!("{} of {} s, in turns; seed {}", self.rounds, self.seconds, self.seed)),
        ]
    }
}

impl Summary {
    /// What the others are compared with over all cells: Tokio's multi-thread runtime, or the first column where it is not there.
    pub fn base(&self) -> Option<&str> {
        let columns = &self.cells.first()?.columns;
        let tokio = columns.iter().find(|column| matches!(column.runtime, Runtime::Tokio));
        Some(&tokio.or(columns.first())?.name)
    }

    /// A column's figure as a multiple of the base's: the median over the rounds of each cell, and of these the geometric mean.
    pub fn overall(&self, name: &str, of: impl Fn(&Sample) -> f64) -> Option<f64> {
        let base = self.base()?;
        let medians: Vec<f64> = self.cells.iter().filter_map(|cell| cell.ratio_of(name, base, &of)).collect();
        geometric_mean(&medians)
    }

    /// As `overall` for a quantile of the calmest quarter of the stretches.
    pub fn overall_calm(&self, name: &str, of: Stretches) -> Option<f64> {
        let base = self.base()?;
        let ratios: Vec<f64> =
            self.cells.iter().filter_map(|cell| cell.calm_ratio_of(name, base, of)).collect();
        geometric_mean(&ratios)
    }
}

fn geometric_mean(of: &[f64]) -> Option<f64> {
    let sum: f64 = of.iter().map(|ratio| ratio.ln()).sum();
    (!of.is_empty()).then(|| (sum / of.len() as f64).exp())
}

/// A quantile of each stretch.
pub type Stretches = fn(&Sample) -> &[f64];

/// Of the stretches, the calmest first.
const CALM: f64 = 0.25;

impl CellResult {
    fn ratio_of(&self, name: &str, base: &str, of: impl Fn(&Sample) -> f64) -> Option<f64> {
        let find = |name| self.columns.iter().find(|column| column.name == name);
        let pairs = find(name)?.rounds.iter().zip(&find(base)?.rounds);
        let ratios = pairs.filter_map(|(own, base)| Some(of(own.as_ref()?) / of(base.as_ref()?)));
        Some(Spread::of(ratios.filter(|ratio| ratio.is_normal()).collect())?.median)
    }

    fn calm_ratio_of(&self, name: &str, base: &str, of: Stretches) -> Option<f64> {
        let find = |name| self.columns.iter().find(|column| column.name == name);
        Some(find(name)?.calm(of, CALM)? / find(base)?.calm(of, CALM)?)
    }

    /// The load in words.
    pub fn name(&self) -> String {
        use clap::ValueEnum as _;
        let name = |value: Option<clap::builder::PossibleValue>| {
            value.map(|value| value.get_name().to_owned()).unwrap_or_default()
        };
        let mut text = count(self.cell.connections, "connection");
        if self.cell.connections > 1 {
            text = format!("{text}, {}", name(self.cell.skew.to_possible_value()));
        }
        match self.cell.work {
            Some(work) => format!("{} work, {text}", name(work.to_possible_value())),
            None => text,
        }
    }

    /// How much is asked of the servers.
    pub fn offer(&self) -> String {
        match (&self.offered, &self.saturation) {
            (Some(rate), Some(all)) => {
                format!(
                    "{rate:.0} requests/s offered; {} answers {:.0} in the closed loop",
                    all.of, all.requests_per_s
                )
            }
            (Some(rate), None) => format!("{rate:.0} requests/s offered"),
            _ => "closed loop".into(),
        }
    }

    /// What is to be said of the generator, if it did not keep its schedule.
    pub fn doubt(&self) -> Option<String> {
        let late = self.columns.iter().filter(|column| column.late() > TOO_MANY_LATE).map(|column| {
            let busy = column.mean(|sample| sample.generator_busy).unwrap_or_default();
            format!("{} {:.1}% (busy {:.0}% of the time)", column.name, 100.0 * column.late(), 100.0 * busy)
        });
        let late: Vec<String> = late.collect();
        let text = format!("the generator sent requests more than 0.1 ms late: {}", late.join(", "));
        (!late.is_empty()).then_some(text)
    }

    /// A column's figure over that of the best of Tokio's in the same round, or of the first column where Tokio is not compared.
    pub fn ratio(
        &self,
        column: &ColumnResult,
        of: impl Fn(&Sample) -> f64,
        best: fn(f64, f64) -> f64,
    ) -> Option<Spread> {
        let peers = self.peers();
        let ratios = column.rounds.iter().enumerate().filter_map(|(round, sample)| {
            let base = peers.iter().filter_map(|peer| Some(of(peer.rounds[round].as_ref()?))).reduce(best)?;
            Some(of(sample.as_ref()?) / base)
        });
        Spread::of(ratios.filter(|ratio| ratio.is_finite()).collect())
    }

    /// As `ratio` for a quantile of the calmest quarter of the stretches of all rounds; with what the ratio is at their tenth and at
    /// their half.
    pub fn calm_ratio(&self, column: &ColumnResult, of: Stretches) -> Option<Spread> {
        let at = |part| {
            let base = self.peers().iter().filter_map(|peer| peer.calm(of, part)).reduce(f64::min)?;
            Some(column.calm(of, part)? / base)
        };
        let (median, others) = (at(CALM)?, [at(0.1)?, at(0.5)?]);
        let (least, most) =
            (others.into_iter().fold(median, f64::min), others.into_iter().fold(median, f64::max));
        Some(Spread { median, least, most })
    }

    /// Tokio's columns, or the first where there is none.
    fn peers(&self) -> Vec<&ColumnResult> {
        let is_tokio =
            |column: &&ColumnResult| matches!(column.runtime, Runtime::Tokio | Runtime::TokioLocal);
        let mut peers: Vec<&ColumnResult> = self.columns.iter().filter(is_tokio).collect();
        if peers.is_empty() {
            peers.extend(self.columns.first());
        }
        peers
    }
}

impl ColumnResult {
    /// What this part of the stretches of all rounds stays within.
    fn calm(&self, of: Stretches, part: f64) -> Option<f64> {
        let mut all: Vec<f64> = self.rounds.iter().flatten().flat_map(of).copied().collect();
        all.sort_by(f64::total_cmp);
        let rank = (part * all.len() as f64).ceil() as usize;
        all.get(rank.saturating_sub(1)).copied()
    }

    /// The median over the rounds.
    pub fn median(&self, of: impl Fn(&Sample) -> f64) -> Option<f64> {
        Spread::of(self.rounds.iter().flatten().map(of).collect()).map(|spread| spread.median)
    }

    /// The mean over the rounds, for what the kernel counts too coarsely in one of them.
    pub fn mean(&self, of: impl Fn(&Sample) -> f64) -> Option<f64> {
        let values: Vec<f64> = self.rounds.iter().flatten().map(of).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    }

    /// The part of the requests that the generator sent late.
    pub fn late(&self) -> f64 {
        let sum = |of: fn(&Sample) -> u64| self.rounds.iter().flatten().map(of).sum::<u64>();
        sum(|sample| sample.late) as f64 / sum(|sample| sample.requests).max(1) as f64
    }
}

/// The part of the requests sent late from which on the generator is worth a note: the percentiles are then its own.
const TOO_MANY_LATE: f64 = 0.01;
const _: () = assert!(super::histogram::LATE_NS == 100_000);

/// Figures of several rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (&least, &most) = (values.first()?, values.last()?);
        let half = values.len() / 2;
        let median =
            if values.len() % 2 == 1 { values[half] } else { (values[half - 1] + values[half]) / 2.0 };
        Some(Self { median, least, most })
    }
}

fn read(file: &str) -> String {
    fs::read_to_string(file).map_or_else(|_| "?".into(), |text| text.trim().to_owned())
}

fn cpu_model() -> String {
    let text = read("/proc/cpuinfo");
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or_else(|| std::env::consts::ARCH.into(), |(_, name)| name.into())
}

/// The date and the minute of seconds since 1970, in UTC. Years are counted from March here, so that a leap day is their last.
fn date(seconds: u64) -> String {
    const FOUR_CENTURIES: u64 = 146_097;
    let (days, minutes) = (seconds / 86_400 + 719_468, seconds / 60 % 1440);
    let (era, day) = (days / FOUR_CENTURIES, days % FOUR_CENTURIES);
    let year = (day - day / 1460 + day / 36_524 - day / (FOUR_CENTURIES - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year + next;
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_know_leap_years() {
        assert_eq!(date(0), "1970-01-01 00:00 UTC");
        assert_eq!(date(951_782_399), "2000-02-28 23:59 UTC");
        assert_eq!(date(951_782_400), "2000-02-29 00:00 UTC");
        assert_eq!(date(951_868_800), "2000-03-01 00:00 UTC");
        assert_eq!(date(1_798_761_599), "2026-12-31 23:59 UTC");
        assert_eq!(date(4_107_542_400), "2100-03-01 00:00 UTC");
    }

    #[test]
    fn a_spread_is_median_and_range() {
        assert_eq!(Spread::of(vec![]), None);
        assert_eq!(Spread::of(vec![3.0, 1.0, 2.0]), Some(Spread { median: 2.0, least: 1.0, most: 3.0 }));
        assert_eq!(Spread::of(vec![3.0, 1.0]), Some(Spread { median: 2.0, least: 1.0, most: 3.0 }));
    }
}
