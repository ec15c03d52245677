//! The `corelane` command: what the machine has, what a config file makes of it, and why.
//!
//! Here: the command line. Each subcommand has a file of its own, and takes everything it knows from the library.
//!
//! The output is UTF-8 without colours, at most 80 columns wide where the lists of CPUs let it, and the same on a
//! terminal and in a pipe: what is pasted into a ticket is what was seen.

mod answer;
#[cfg(feature = "bench")]
mod bench;
mod check;
mod explain;
mod init;
mod json;
mod machine;
mod parts;
mod show;
mod svg;
mod table;
mod text;
mod tree;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use corelane::config::Config;
use corelane::topology::Plan;

use crate::answer::{Answer, Refusal};
use crate::machine::Source;

/// Tells where Corelane puts its shards on this machine, or on another, and why.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit status: 0 done, 1 a file is bad or something cannot be read, 2 wrong usage."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Draw the machine: packages, nodes, last-level caches, cores, CPUs
    ///
    /// Equal neighbours are folded into one row where the tree would not fit
    /// a screen, and long lists of CPUs are shortened. JSON has everything.
    #[command(verbatim_doc_comment)]
    Topology {
        #[command(flatten)]
        machine: Machine,
        /// How to show it: tree or json
        #[arg(long, value_name = "FORMAT", default_value = "tree", hide_possible_values = true)]
        format: TopologyFormat,
    },
    /// Say which CPU each shard gets, and why every other CPU has none
    ///
    /// Consecutive shards of one cache become one row where the table would
    /// not fit a screen, and long lists of CPUs are shortened. JSON has
    /// everything, and SVG draws the machine with the shards on it.
    #[command(verbatim_doc_comment)]
    Plan {
        /// The config file; without it the one that CORELANE_CONFIG names, or
        /// the defaults
        #[arg(verbatim_doc_comment)]
        file: Option<PathBuf>,
        #[command(flatten)]
        machine: Machine,
        /// How to show it: table, json or svg
        #[arg(long, value_name = "FORMAT", default_value = "table", hide_possible_values = true)]
        format: PlanFormat,
    },
    /// Check config files, for deploy scripts
    ///
    /// Status 0: each file is right and its placement possible on the machine.
    /// Status 1: one is not. Every error of every file has a line, which begins
    /// with file:line:column. Status 2: no file is named, or --topology is wrong.
    #[command(verbatim_doc_comment)]
    Check {
        /// The config files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        machine: Machine,
    },
    /// Explain a key of the config file, or list all of them
    Explain {
        /// A key such as `pin` or `placement.pin`, or a section
        key: Option<String>,
    },
    /// Show where the threads of a running program really are
    Show {
        /// The program's process id
        #[arg(value_parser = pid)]
        pid: u32,
        /// Where proc is, for tests
        #[arg(long, hide = true, default_value = "/")]
        root: PathBuf,
    },
    /// Write a config file that fits the machine
    Init {
        /// Where to write it, if not to stdout. A file that is
        /// there already is kept
        #[arg(long, short, value_name = "FILE", verbatim_doc_comment)]
        output: Option<PathBuf>,
        #[command(flatten)]
        machine: Machine,
    },
    /// Load servers on this machine: runtimes and config files side by side
    ///
    /// Each server is a process of its own on CPUs of its own, and so is the
    /// generator. In the open loop requests are sent when they are due, and
    /// their latency counts from then, whether or not the server keeps up.
    #[cfg(feature = "bench")]
    #[command(verbatim_doc_comment)]
    Bench(Box<bench::Options>),
}

#[derive(Debug, Args)]
struct Machine {
    /// Another machine than this one: sysfs:DIR, with copies
    /// of its proc and sys folders in DIR; json:FILE, from
    /// `corelane topology --format json`; or, with the
    /// feature hwloc, FILE.xml or synthetic:"pack:2 core:4"
    #[arg(long, value_name = "SPEC", verbatim_doc_comment)]
    topology: Option<Source>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TopologyFormat {
    Tree,
    Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PlanFormat {
    Table,
    Json,
    Svg,
}

fn pid(text: &str) -> Result<u32, &'static str> {
    text.parse().map_err(|_| "expected the number of a process, such as 4711")
}

fn main() -> ExitCode {
    answer::give(run(Cli::parse().command))
}

fn run(command: Command) -> Result<Answer, Refusal> {
    match command {
        Command::Topology { machine, format } => {
            let topology = machine::read(machine.topology.as_ref())?;
            Ok(match format {
                TopologyFormat::Tree => tree::draw(&topology),
                TopologyFormat::Json => json::show(&topology)?,
            }
            .into())
        }
        Command::Plan { file, machine, format } => {
            let (config, name) = config(file)?;
            let topology = machine::read(machine.topology.as_ref())?;
            let plan = Plan::new(&topology, &config).map_err(Refusal::bad)?;
            Ok(match format {
                PlanFormat::Table => table::draw(&topology, &plan, config.scheduler.spin_us, &name),
                PlanFormat::Json => json::show(&plan)?,
                PlanFormat::Svg => svg::draw(&topology, &plan, &name),
            }
            .into())
        }
        Command::Check { files, machine } => check::check(&files, &machine::read(machine.topology.as_ref())?),
        Command::Explain { key } => explain::explain(key.as_deref()),
        Command::Show { pid, root } => show::show(&root, pid),
        Command::Init { output, machine } => {
            init::init(output.as_deref(), &machine::read(machine.topology.as_ref())?)
        }
        #[cfg(feature = "bench")]
        Command::Bench(options) => bench::run(*options),
    }
}

/// The config, and where it is from.
fn config(file: Option<PathBuf>) -> Result<(Config, String), Refusal> {
    use corelane::config::CONFIG_VARIABLE;
    if let Some(file) = file {
        return Ok((Config::from_file(&file).map_err(Refusal::bad)?, file.display().to_string()));
    }
    Ok(match Config::from_env().map_err(Refusal::bad)? {
        Some(config) => {
            let file = std::env::var_os(CONFIG_VARIABLE).unwrap_or_default();
            (config, format!("{} (from {CONFIG_VARIABLE})", Path::new(&file).display()))
        }
        None => (Config::default(), "the defaults".into()),
    })
}
