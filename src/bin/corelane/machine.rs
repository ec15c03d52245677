//! The machine a command is about: this one, or a recorded or described one.

use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use corelane::topology::Topology;

use crate::answer::Refusal;

/// What `--topology` names.
#[derive(Clone, Debug)]
pub enum Source {
    /// A folder with the `proc` and `sys` folders of a machine.
    Sysfs(PathBuf),
    /// What `corelane topology --format json` printed.
    Json(PathBuf),
    /// What `lstopo` wrote.
    Xml(PathBuf),
    /// A machine in hwloc's words.
    Synthetic(String),
}

impl FromStr for Source {
    type Err = String;

    fn from_str(spec: &str) -> Result<Self, String> {
        const EXPECTED: &str =
            "expected sysfs:DIR, json:FILE, a file that ends in .xml, or synthetic:\"DESCRIPTION\"";
        match spec.split_once(':') {
            Some(("sysfs", dir)) if Path::new(dir).join("sys").is_dir() => Ok(Self::Sysfs(dir.into())),
            Some(("sysfs", dir)) => Err(format!(
                "there is no folder \"sys\" in {dir:?}; expected the machine's proc and sys folders there"
            )),
            Some(("json", file)) => Ok(Self::Json(file.into())),
            Some(("synthetic", words)) => Ok(Self::Synthetic(words.trim_matches('"').into())),
            _ if spec.ends_with(".xml") => Ok(Self::Xml(spec.into())),
            _ => Err(EXPECTED.into()),
        }
    }
}

/// Reads the machine.
///
/// One of which no CPU is known is refused when it was asked for: a plan for it would say nothing.
pub fn read(source: Option<&Source>) -> Result<Topology, Refusal> {
    let Some(source) = source else { return Ok(Topology::discover()) };
    let (topology, name) = match source {
        Source::Sysfs(root) => (Ok(recorded(root)), root.join("sys/devices/system/cpu/online")),
        Source::Json(file) => (json(file), file.clone()),
        Source::Xml(file) => (hwloc::xml(file), file.clone()),
        Source::Synthetic(words) => (hwloc::synthetic(words), words.into()),
    };
    let topology = topology.map_err(|error| Refusal::usage(format!("error: {error}")))?;
    if topology.cpus.is_empty() {
        let name = name.display();
        return Err(Refusal::usage(format!(
            "error: no CPU is known of this machine: there is none in {name}"
        )));
    }
    Ok(topology)
}

/// A machine in a folder. The file with the quota is named as that machine names it.
fn recorded(root: &Path) -> Topology {
    let mut topology = Topology::read(root);
    if let Some(quota) = &mut topology.quota {
        if let Ok(file) = quota.file.strip_prefix(root) {
            quota.file = Path::new("/").join(file);
        }
    }
    topology
}

fn json(file: &Path) -> io::Result<Topology> {
    let named = |error: &dyn std::fmt::Display| io::Error::other(format!("{}: {error}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| named(&error))?;
    serde_json::from_str(&text).map_err(|error| named(&error))
}

#[cfg(feature = "hwloc")]
mod hwloc {
    use std::io;
    use std::path::Path;

    use corelane::topology::Topology;

    pub fn xml(file: &Path) -> io::Result<Topology> {
        Topology::from_hwloc_xml(file)
    }

    pub fn synthetic(words: &str) -> io::Result<Topology> {
        Topology::from_hwloc_synthetic(words)
    }
}

#[cfg(not(feature = "hwloc"))]
mod hwloc {
    use std::io;
    use std::path::Path;

    use corelane::topology::Topology;

    pub fn xml(_: &Path) -> io::Result<Topology> {
        Err(missing("XML files"))
    }

    pub fn synthetic(_: &str) -> io::Result<Topology> {
        Err(missing("descriptions"))
    }

    fn missing(what: &str) -> io::Error {
        io::Error::other(format!(
            "{what} are read by hwloc; this command was built without it: cargo install --path . --features cli,hwloc"
        ))
    }
}
