//! `corelane init`: a config file that fits the machine.
//!
//! A value differs from its default only where the machine gives a reason, and the reason stands above it. What only
//! a measurement can decide stays as it is.

use std::fs::{OpenOptions, remove_file};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use corelane::config::{AutoOr, Config, Isolated, Kind, Pin, Smt, keys, shard_keys};
use corelane::topology::{CoreKind, Topology};

use crate::answer::{Answer, Refusal};
use crate::parts::{self, Level};
use crate::text::wrap_lines;
use crate::tree;

/// As wide as the comments of the table of keys.
const LINE: usize = 106;

pub fn init(output: Option<&Path>, topology: &Topology) -> Result<Answer, Refusal> {
    let text = file(topology);
    let Some(path) = output else { return Ok(text.into()) };
    let shown = path.display();
    // `create_new` leaves no moment in which somebody else's file could appear and be lost.
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(|error| {
        Refusal::bad(match error.kind() {
            ErrorKind::AlreadyExists => {
                format!("error: {shown} is there already, and is kept; name another file or remove it")
            }
            _ => format!("error: cannot write {shown}: {error}"),
        })
    })?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| {
        // Half a file would be read as a whole one, and be in the way of the next try.
        let _ = remove_file(path);
        Refusal::bad(format!("error: cannot write {shown}: {error}"))
    })?;
    Ok(format!("{shown} is written; `corelane plan {shown}` shows what comes of it\n").into())
}

/// What this machine asks for: the config, and why each of these keys is not at its default.
fn fitting(topology: &Topology) -> (Config, Vec<(&'static str, &'static str, String)>) {
    let mut config = Config::default();
    let mut reasons = Vec::new();
    let mut reason = |section, name, why: String| reasons.push((section, name, why));
    let usable = topology.allowed().len();
    let quota = topology.quota.as_ref().filter(|quota| quota.cpus() < usable as f64);
    if let Some(quota) = quota {
        let cpus = quota.cpus();
        config.placement.pin = Pin::None;
        reason(
            "placement",
            "pin",
            format!(
                "The quota is {cpus:.2} of {usable} CPUs, which others use too: a shard bound to a CPU that is busy \
                 waits while another is idle."
            ),
        );
        config.scheduler.spin_us = AutoOr::Number(0);
        reason("scheduler", "spin_us", "Looking for work would use up the quota.".into());
    }
    let cores = parts::how_many(topology, Level::Core);
    if topology.cpus.iter().all(|cpu| cpu.siblings.is_none()) {
        config.placement.smt = Smt::All;
        reason("placement", "smt", "The machine does not tell which CPUs share a core.".into());
    } else if quota.is_some_and(|quota| quota.cpus() > cores as f64) {
        config.placement.smt = Smt::All;
        reason(
            "placement",
            "smt",
            format!(
                "A quota counts hardware threads, and this one is more than the {cores} cores: one shard a core \
                 would leave some of it unused."
            ),
        );
    }
    let apart = topology.set_apart();
    if !apart.is_empty() {
        config.placement.isolated = Isolated::Prefer;
        reason(
            "placement",
            "isolated",
            format!(
                "CPUs {apart} were set apart at boot, so nothing else disturbs a shard there. Take this line away if \
                 they are another program's."
            ),
        );
    }
    if topology.cpus.iter().any(|cpu| cpu.kind == Some(CoreKind::Performance)) {
        config.placement.kind = Kind::Performance;
        reason(
            "placement",
            "kind",
            "There are efficiency cores too, and a shard on one is a slower shard.".into(),
        );
    }
    (config, reasons)
}

fn file(topology: &Topology) -> String {
    let (config, reasons) = fitting(topology);
    let default = Config::default();
    let mut text = format!(
        "# For a machine with {}.\n\
         # A key behind a # has its default. `corelane plan FILE` shows what comes of this, `corelane check FILE`\n\
         # whether a machine can do it.\n",
        tree::headline(topology)
    );
    let mut section = "";
    for key in keys() {
        if key.section != section {
            section = key.section;
            text += &format!("\n[{section}]\n");
        } else {
            text.push('\n');
        }
        for line in key.doc {
            text += &format!("#{line}\n");
        }
        text += &format!("# Takes {}.\n", key.accepts());
        let why = reasons.iter().find(|(section, name, _)| (*section, *name) == (key.section, key.name));
        match why {
            Some((.., why)) => {
                let why = format!("Default: {}. Here: {why}", key.value(&default));
                for line in wrap_lines(&why, LINE) {
                    text += &format!("# {line}\n");
                }
                text += &format!("{} = {}\n", key.name, key.value(&config));
            }
            None => text += &format!("#{} = {}\n", key.name, key.value(&default)),
        }
    }
    text += "\n# What is told for a single shard, as often as needed.\n#[[shard]]\n";
    for key in shard_keys() {
        for line in key.doc {
            text += &format!("#{line}\n");
        }
        text += &format!("# Takes {}.\n#{} = {}\n", key.accepts(), key.name, key.value(&default));
    }
    text
}
