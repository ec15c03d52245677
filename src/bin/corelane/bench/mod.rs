//! `corelane bench`: servers under load, each runtime or config file beside the others.
//!
//! - [`schedule`], [`histogram`]: when requests are due, and how late their answers are; no clock, no socket
//! - [`protocol`], [`connection`], [`load`]: the generator
//! - [`serve`]: the servers, each in a process of its own, which [`process`] starts and watches
//! - [`grid`]: which runs there are, and in which order
//! - [`report`], [`html`], [`summary`]: what came of them
//!
//! Here: the command line, and which CPUs are whose.

mod connection;
mod grid;
mod histogram;
mod html;
mod load;
mod process;
mod protocol;
mod report;
mod schedule;
mod serve;
mod summary;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use corelane::config::{Config, CpuList, Flavor};
use corelane::topology::Topology;

use crate::answer::{Answer, Refusal};
use crate::json;
use grid::{Asked, Cell, Column, Grid};
use protocol::Server;
use schedule::{Arrivals, Skew, Work};
use serve::{Runtime, Serve};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Options {
    #[command(subcommand)]
    part: Option<Part>,

    /// What the servers do: echo (64 bytes), work (the same after some
    /// microseconds of computing), http (hyper), kv (SET and GET)
    #[arg(long, value_name = "SERVER", default_value = "work", hide_possible_values = true)]
    #[arg(verbatim_doc_comment, help_heading = "What is compared")]
    server: Server,
    /// sharded and stealing (Corelane), tokio, tokio-local (a LocalRuntime
    /// on each CPU), bare (a loop over mio, echo only). The default is the
    /// first four, or none if there is a --config
    #[arg(long, value_name = "LIST", value_delimiter = ',', hide_possible_values = true)]
    #[arg(verbatim_doc_comment, help_heading = "What is compared")]
    runtimes: Vec<Runtime>,
    /// A config file for Corelane, compared as a runtime of its own; may be
    /// repeated
    #[arg(long = "config", value_name = "FILE", verbatim_doc_comment, help_heading = "What is compared")]
    configs: Vec<PathBuf>,
    /// Workers of each runtime without a config file; as many as there are
    /// server CPUs if not given
    #[arg(long, value_name = "N", value_parser = at_least_one, verbatim_doc_comment)]
    #[arg(help_heading = "What is compared")]
    workers: Option<usize>,

    /// Numbers of connections [default: 1,64,1000]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = at_least_one)]
    #[arg(help_heading = "The load")]
    connections: Vec<usize>,
    /// How requests spread over connections: even, 90/10 (a tenth carries
    /// nine tenths), hot (one carries half)
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "even,90/10,hot")]
    #[arg(hide_possible_values = true, verbatim_doc_comment, help_heading = "The load")]
    skew: Vec<Skew>,
    /// How the computing of the server `work` is distributed, with a mean
    /// of 7.475 µs: constant, exponential, bimodal (99.5% of 5 µs, 0.5% of
    /// 500 µs)
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "constant,exponential,bimodal")]
    #[arg(hide_possible_values = true, verbatim_doc_comment, help_heading = "The load")]
    work: Vec<Work>,
    /// Open loop, at this part of the requests a second that Tokio, or the
    /// first column without Tokio, answers in the closed loop [default: 0.7]
    #[arg(long, value_name = "PART", value_parser = above_zero, verbatim_doc_comment)]
    #[arg(help_heading = "The load", conflicts_with_all = ["rate", "closed"])]
    load: Option<f64>,
    /// Open loop, at this many requests a second
    #[arg(long, value_name = "RATE", value_parser = above_zero, help_heading = "The load")]
    #[arg(conflicts_with = "closed")]
    rate: Option<f64>,
    /// Closed loop: the next request is sent when one is answered
    #[arg(long, help_heading = "The load")]
    closed: bool,
    /// Requests under way on each connection in the closed loop
    #[arg(long, value_name = "N", default_value = "1", value_parser = at_least_one)]
    #[arg(help_heading = "The load")]
    pipeline: usize,
    /// Gaps between requests in the open loop: poisson or fixed
    #[arg(long, value_name = "GAPS", default_value = "poisson", hide_possible_values = true)]
    #[arg(help_heading = "The load")]
    arrivals: Arrivals,
    /// The load is the same for the same seed
    #[arg(long, value_name = "N", default_value = "1", help_heading = "The load")]
    seed: u64,

    /// Times that everything is measured, in turns [default: 3]
    #[arg(long, value_name = "N", value_parser = at_least_one, help_heading = "The runs")]
    rounds: Option<usize>,
    /// How long each time, after a warm-up of a quarter [default: 1]
    #[arg(long, value_name = "SECONDS", value_parser = above_zero, help_heading = "The runs")]
    seconds: Option<f64>,
    /// Tries everything out: a twentieth of a second, once, on 1 and 8
    /// connections
    #[arg(long, verbatim_doc_comment, help_heading = "The runs")]
    quick: bool,
    /// CPUs of the servers, such as 0-3,6 [default: the first half of what
    /// is allowed]
    #[arg(long, value_name = "CPUS", value_parser = cpus, verbatim_doc_comment)]
    #[arg(help_heading = "The runs")]
    server_cpus: Option<CpuList>,
    /// CPUs of the generator, which has a thread on each [default: the
    /// rest, or all if there is only one]
    #[arg(long, value_name = "CPUS", value_parser = cpus, verbatim_doc_comment)]
    #[arg(help_heading = "The runs")]
    load_cpus: Option<CpuList>,

    /// Write all figures there
    #[arg(long, value_name = "FILE", help_heading = "What is written")]
    json: Option<PathBuf>,
    /// Write a page with plots there
    #[arg(long, value_name = "FILE", help_heading = "What is written")]
    html: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// The server's process
    #[command(hide = true)]
    Serve(Serve),
}

fn cpus(text: &str) -> Result<CpuList, String> {
    let list = CpuList::parse(text).filter(|list| !list.is_empty());
    list.ok_or_else(|| "expected CPUs, such as 0-3,6".to_owned())
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "expected a number from 1".to_owned())
}

fn above_zero(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|n: &f64| n.is_finite() && *n > 0.0);
    number.ok_or_else(|| "expected a number above 0".to_owned())
}

/// Runs what the options ask for.
pub fn run(options: Options) -> Result<Answer, Refusal> {
    let failed = |error: String| Refusal::bad(format!("error: {error}"));
    if let Some(Part::Serve(serve)) = &options.part {
        serve::serve(serve).map_err(failed)?;
        return Ok(Answer::default());
    }
    let topology = Topology::discover();
    let grid = grid(&options, &topology)?;
    for file in [&options.json, &options.html].into_iter().flatten() {
        // Not after ten minutes.
        write(file, "")?;
    }
    let summary = summary::Summary::new(&grid, &topology, grid.run().map_err(failed)?);
    if let Some(file) = &options.json {
        write(file, &json::show(&summary)?)?;
    }
    if let Some(file) = &options.html {
        write(file, &html::page(&summary))?;
    }
    let bad = summary.cells.iter().any(|cell| cell.failed());
    Ok(Answer { out: report::text(&summary), err: report::errors(&summary), bad })
}

fn write(file: &Path, text: &str) -> Result<(), Refusal> {
    let written = std::fs::write(file, text);
    written.map_err(|error| Refusal::bad(format!("error: cannot write {}: {error}", file.display())))
}

fn grid(options: &Options, topology: &Topology) -> Result<Grid, Refusal> {
    let wrong = |message: String| Refusal::usage(format!("error: {message}"));
    let (server_cpus, load_cpus) =
        whose(&topology.allowed(), options.server_cpus.clone(), options.load_cpus.clone()).map_err(wrong)?;
    let columns = columns(options)?;
    if options.server != Server::Echo && columns.iter().any(|column| column.runtime == Runtime::Bare) {
        return Err(wrong("--runtimes bare: without a runtime there is only --server echo".into()));
    }
    let or = |list: &[usize], usual: &[usize]| if list.is_empty() { usual.to_vec() } else { list.to_vec() };
    let connections = or(&options.connections, if options.quick { &[1, 8] } else { &[1, 64, 1000] });
    let most = connections.iter().copied().max().unwrap_or(1);
    process::allow_descriptors(most).map_err(wrong)?;
    let window =
        Duration::try_from_secs_f64(options.seconds.unwrap_or(if options.quick { 0.05 } else { 1.0 }))
            .map_err(|error| wrong(format!("--seconds: {error}")))?;
    Ok(Grid {
        server: options.server,
        columns,
        cells: cells(options, &connections),
        asked: match (options.rate, options.closed) {
            (_, true) => Asked::Closed,
            (Some(rate), _) => Asked::Rate(rate),
            _ => Asked::Load(options.load.unwrap_or(0.7)),
        },
        pipeline: options.pipeline,
        arrivals: options.arrivals,
        seed: options.seed,
        rounds: options.rounds.unwrap_or(if options.quick { 1 } else { 3 }),
        window,
        workers: options.workers.unwrap_or(server_cpus.len()),
        server_cpus,
        load_cpus,
        turns: serve::calibrate(),
    })
}

/// The servers' CPUs and the generator's.
fn whose(
    allowed: &CpuList,
    server: Option<CpuList>,
    load: Option<CpuList>,
) -> Result<(CpuList, CpuList), String> {
    for (option, list) in [("--server-cpus", &server), ("--load-cpus", &load)] {
        let strange = list.as_ref().map(|list| list.without(allowed)).unwrap_or_default();
        if !strange.is_empty() {
            return Err(format!("{option}: {strange} may not be used; allowed are {allowed}"));
        }
    }
    let rest = |of: &CpuList| Some(allowed.without(of)).filter(|rest| !rest.is_empty());
    let all = || allowed.clone();
    Ok(match (server, load) {
        (Some(server), Some(load)) => (server, load),
        (Some(server), None) => (server.clone(), rest(&server).unwrap_or_else(all)),
        (None, Some(load)) => (rest(&load).unwrap_or_else(all), load),
        (None, None) => {
            let first: CpuList = allowed.iter().take(allowed.len().div_ceil(2)).collect();
            (first.clone(), rest(&first).unwrap_or_else(all))
        }
    })
}

fn columns(options: &Options) -> Result<Vec<Column>, Refusal> {
    let usual = [Runtime::Sharded, Runtime::Stealing, Runtime::Tokio, Runtime::TokioLocal];
    let runtimes = match (&options.runtimes[..], &options.configs[..]) {
        ([], []) => &usual[..],
        (given, _) => given,
    };
    let mut columns: Vec<Column> = runtimes.iter().map(|&runtime| Column::of(runtime)).collect();
    for file in &options.configs {
        let config = Config::from_file(file).map_err(Refusal::bad)?;
        let runtime = match config.runtime.flavor {
            Flavor::MultiThread => Runtime::Stealing,
            _ => Runtime::Sharded,
        };
        columns.push(Column { name: file.display().to_string(), runtime, config: Some(file.clone()) });
    }
    Ok(columns)
}

/// With one connection there is nothing to skew, and only one of the servers computes.
fn cells(options: &Options, connections: &[usize]) -> Vec<Cell> {
    let work: Vec<Option<Work>> = match options.server {
        Server::Work => options.work.iter().copied().map(Some).collect(),
        _ => vec![None],
    };
    let mut cells = Vec::new();
    for &work in &work {
        for &connections in connections {
            let alone = [Skew::Even];
            let skews = if connections == 1 { &alone[..] } else { &options.skew };
            cells.extend(skews.iter().map(|&skew| Cell { connections, skew, work }));
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_and_generator_share_cpus_only_if_they_must() {
        let list = |text: &str| CpuList::parse(text).unwrap();
        let split = |allowed, server: Option<&str>, load: Option<&str>| {
            let (server, load) = whose(&list(allowed), server.map(list), load.map(list)).unwrap();
            (server.to_string(), load.to_string())
        };
        let owned = |(server, load): (&str, &str)| (server.to_owned(), load.to_owned());
        assert_eq!(split("0-1", None, None), owned(("0", "1")));
        assert_eq!(split("0-4", None, None), owned(("0-2", "3-4")));
        assert_eq!(split("3", None, None), owned(("3", "3")));
        assert_eq!(split("0-3", Some("2"), None), owned(("2", "0-1,3")));
        assert_eq!(split("0-3", None, Some("0")), owned(("1-3", "0")));
        assert_eq!(split("0-1", Some("0-1"), Some("0-1")), owned(("0-1", "0-1")));
        let error = whose(&list("0-1"), None, Some(list("1-2"))).unwrap_err();
        assert_eq!(error, "--load-cpus: 2 may not be used; allowed are 0-1");
    }
}
