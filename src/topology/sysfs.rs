//! What `/sys/devices/system` and `/proc/self/status` tell about CPUs.
//!
//! A file that is not there is a fact: kernels and virtual machines differ in what they show. A file that cannot be
//! read or makes no sense gives a warning and is then as good as not there.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{CoreKind, Cpu, Node};
use crate::config::CpuList;

/// Reads files under a root folder and collects what went wrong.
pub(super) struct Reader<'a> {
    root: &'a Path,
    pub(super) warnings: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(root: &'a Path) -> Self {
        Self { root, warnings: Vec::new() }
    }

    /// The file's text without the space around it; `None` when it is not there or cannot be read.
    pub(super) fn text(&mut self, path: &str) -> Option<String> {
        let path = self.path(path);
        match fs::read_to_string(&path) {
            Ok(text) => Some(text.trim().to_owned()),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => None,
            Err(error) => {
                self.warnings.push(format!("{}: {error}", path.display()));
                None
            }
        }
    }

    /// The file's meaning; a text that has none gives a warning.
    pub(super) fn value<T>(
        &mut self,
        path: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(path)?;
        let value = parse(&text);
        if value.is_none() {
            self.nonsense(path, &text, expected);
        }
        value
    }

    pub(super) fn nonsense(&mut self, path: &str, text: &str, expected: &str) {
        let start: String = text.chars().take(40).collect();
        self.warnings.push(format!("{}: {start:?} is not {expected}", self.path(path).display()));
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    fn list(&mut self, path: &str) -> Option<CpuList> {
        self.value(path, "a list of CPUs", CpuList::parse)
    }

    /// A number that is -1 where the firmware does not say.
    fn number(&mut self, path: &str) -> Option<u32> {
        let number = self.value(path, "a number", |text| text.parse::<i64>().ok())?;
        u32::try_from(number).ok()
    }

    /// A set the CPU itself must be in.
    fn set_with(&mut self, path: &str, cpu: u32) -> Option<CpuList> {
        let expected = format!("a list of CPUs with {cpu} in it");
        self.value(path, &expected, |text| CpuList::parse(text).filter(|set| set.contains(cpu)))
    }

    /// The numbers N of the entries `prefix`N in a folder, ascending.
    fn numbered(&mut self, folder: &str, prefix: &str) -> Vec<u32> {
        let number =
            |entry: fs::DirEntry| entry.file_name().to_str()?.strip_prefix(prefix)?.parse::<u32>().ok();
        let mut numbers: Vec<u32> = match fs::read_dir(self.path(folder)) {
            Ok(entries) => entries.flatten().filter_map(number).collect(),
            Err(_) => Vec::new(),
        };
        numbers.sort_unstable();
        numbers
    }
}

const DEVICES: &str = "sys/devices";
const CPU: &str = "sys/devices/system/cpu";
const NODE: &str = "sys/devices/system/node";

pub(super) fn online(reader: &mut Reader<'_>) -> Option<CpuList> {
    let path = format!("{CPU}/online");
    reader.value(&path, "a list of CPUs", |text| CpuList::parse(text).filter(|set| !set.is_empty()))
}

pub(super) fn present(reader: &mut Reader<'_>) -> Option<CpuList> {
    reader.list(&format!("{CPU}/present"))
}

pub(super) fn isolated(reader: &mut Reader<'_>) -> Option<CpuList> {
    reader.list(&format!("{CPU}/isolated"))
}

pub(super) fn nohz_full(reader: &mut Reader<'_>) -> Option<CpuList> {
    // Kernels that could, and were not told to, print an absent mask.
    let path = format!("{CPU}/nohz_full");
    reader.value(&path, "a list of CPUs", |text| CpuList::parse(if text == "(null)" { "" } else { text }))
}

/// The affinity mask of the process's first thread.
pub(super) fn affinity(reader: &mut Reader<'_>) -> Option<CpuList> {
    const STATUS: &str = "proc/self/status";
    let status = reader.text(STATUS)?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    let set = CpuList::parse(list).filter(|set| !set.is_empty());
    if set.is_none() {
        reader.nonsense(STATUS, list.trim(), "a list of CPUs");
    }
    set
}

pub(super) fn nodes(reader: &mut Reader<'_>) -> Vec<Node> {
    // The file lists nodes in the notation of CPUs.
    let with_memory = reader.list(&format!("{NODE}/has_memory"));
    let mut nodes = Vec::new();
    for id in reader.numbered(NODE, "node") {
        let Some(cpus) = reader.list(&format!("{NODE}/node{id}/cpulist")) else { continue };
        let has_memory = match &with_memory {
            Some(nodes) => Some(nodes.contains(id)),
            None => memory_total(reader, id).map(|kilobytes| kilobytes > 0),
        };
        nodes.push(Node { id, cpus, has_memory });
    }
    nodes
}

/// From `Node 0 MemTotal:  16384 kB`.
fn memory_total(reader: &mut Reader<'_>, node: u32) -> Option<u64> {
    reader.value(&format!("{NODE}/node{node}/meminfo"), "a table with MemTotal", |text| {
        let total = text.lines().find_map(|line| line.split_once("MemTotal:"))?.1;
        total.split_whitespace().next()?.parse().ok()
    })
}

pub(super) fn cpus(reader: &mut Reader<'_>, online: &CpuList, nodes: &[Node]) -> Vec<Cpu> {
    // What perf calls the kinds of core of a machine that has several.
    let kinds = [
        ("cpu_core", CoreKind::Performance),
        ("cpu_atom", CoreKind::Efficiency),
        ("cpu_lowpower", CoreKind::Efficiency),
    ];
    let kinds = kinds.map(|(name, kind)| (reader.list(&format!("{DEVICES}/{name}/cpus")), kind));
    let kind = |id| {
        let is_it = |(cpus, _): &&(Option<CpuList>, CoreKind)| cpus.as_ref().is_some_and(|c| c.contains(id));
        kinds.iter().find(is_it).map(|(_, kind)| *kind)
    };
    online.iter().map(|id| Cpu { kind: kind(id), ..cpu(reader, id, nodes) }).collect()
}

fn cpu(reader: &mut Reader<'_>, id: u32, nodes: &[Node]) -> Cpu {
    let topology = format!("{CPU}/cpu{id}/topology");
    let mut siblings = reader.set_with(&format!("{topology}/core_cpus_list"), id);
    if siblings.is_none() {
        // The name before Linux 5.3, kept since.
        siblings = reader.set_with(&format!("{topology}/thread_siblings_list"), id);
    }
    let (llc, llc_cpus) = last_level_cache(reader, id);
    Cpu {
        id,
        core: reader.number(&format!("{topology}/core_id")),
        siblings,
        llc,
        llc_cpus,
        node: nodes.iter().find(|node| node.cpus.contains(id)).map(|node| node.id),
        package: reader.number(&format!("{topology}/physical_package_id")),
        capacity: reader.number(&format!("{CPU}/cpu{id}/cpu_capacity")),
        kind: None,
    }
}

/// Number and CPUs of the CPU's cache of the highest level, if that is the second or above: no two cores share a
/// first-level cache, so one alone means that the others are not shown.
fn last_level_cache(reader: &mut Reader<'_>, cpu: u32) -> (Option<u32>, Option<CpuList>) {
    let caches = format!("{CPU}/cpu{cpu}/cache");
    let mut last: Option<(u32, String)> = None;
    for index in reader.numbered(&caches, "index") {
        let cache = format!("{caches}/index{index}");
        let level = reader.number(&format!("{cache}/level")).unwrap_or(0);
        if level >= 2 && last.as_ref().is_none_or(|(highest, _)| level > *highest) {
            last = Some((level, cache));
        }
    }
    let Some((_, cache)) = last else { return (None, None) };
    let cpus = reader.set_with(&format!("{cache}/shared_cpu_list"), cpu);
    (reader.number(&format!("{cache}/id")), cpus)
}
