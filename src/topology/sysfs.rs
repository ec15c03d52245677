//! What `/sys/devices/system` and `/proc/self/status` tell about CPUs.
//!
//! A file that is not there is a fact: kernels and virtual machines differ in what they show. A file that cannot be
//! read or makes no sense gives a warning and is then as good as not there.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::{CoreKind, Cpu, Node};
use crate::config::CpuList;

/// Reads files under a root folder and collects what went wrong.
pub(super) struct Reader<'a> {
    root: &'a Path,
    open: Option<&'a mut Open>,
    pub(super) warnings: Vec<String>,
    /// A file is there and could not be read.
    pub(super) failed: bool,
    /// The system had no descriptor or no memory for reading one, which may be otherwise in a moment.
    pub(super) starved: Option<io::Error>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(root: &'a Path) -> Self {
        Self { root, open: None, warnings: Vec::new(), failed: false, starved: None }
    }

    /// One that leaves its files open, for the next one.
    pub(super) fn again(root: &'a Path, open: &'a mut Open) -> Self {
        Self { root, open: Some(open), ..Self::new(root) }
    }

    /// What `read` gives, or what it gave before if it gives nothing because a file can't be read.
    pub(super) fn or_before<T: Clone>(
        &mut self,
        before: &Option<T>,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        self.failed = false;
        let now = read(self);
        if self.failed { now.or_else(|| before.clone()) } else { now }
    }

    /// The file's text without the space around it; `None` when it is not there or cannot be read.
    pub(super) fn text(&mut self, path: &str) -> Option<String> {
        let path = self.path(path);
        let bytes = match &mut self.open {
            Some(open) => open.read(&path),
            None => fs::read(&path),
        };
        match bytes {
            // Names of mounts and of programs are bytes. One that is not UTF-8 is no reason to lose the rest.
            Ok(bytes) => Some(String::from_utf8_lossy(&bytes).trim().to_owned()),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => None,
            Err(error) => {
                self.failed = true;
                self.warnings.push(format!("{}: {error}", path.display()));
                self.note(error);
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
            Err(error) => {
                self.note(error);
                Vec::new()
            }
        };
        numbers.sort_unstable();
        numbers
    }

    fn note(&mut self, error: io::Error) {
        if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM)) {
            self.starved = Some(error);
        }
    }
}

/// Files that are read again and again. The kernel makes up the text of each anew when it is read from the start.
#[derive(Default)]
pub(super) struct Open(Vec<(PathBuf, File)>);

impl Open {
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        if let Some(at) = self.0.iter().position(|(other, _)| other == path) {
            if let Ok(bytes) = from_the_start(&self.0[at].1) {
                return Ok(bytes);
            }
            // Its control group is gone, or has lost the controller. There may be another one.
            self.0.swap_remove(at);
        }
        let file = File::open(path)?;
        let bytes = from_the_start(&file)?;
        self.0.push((path.to_owned(), file));
        Ok(bytes)
    }
}

fn from_the_start(file: &File) -> io::Result<Vec<u8>> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 1024]);
    loop {
        match file.read_at(&mut piece, bytes.len() as u64)? {
            0 => return Ok(bytes),
            read => bytes.extend_from_slice(&piece[..read]),
        }
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

#[cfg(test)]
mod tests {
    use std::{env, process};

    use super::*;

    #[test]
    fn a_file_stays_open_until_it_is_gone() {
        let path = env::temp_dir().join(format!("corelane-open-{}", process::id()));
        fs::write(&path, "0-3\n").unwrap();
        let mut open = Open::default();
        assert_eq!(open.read(&path).unwrap(), b"0-3\n");
        // Its text is the one of now, longer or shorter, also if it comes in pieces.
        for text in ["0\n", "", &"5,".repeat(2_000)] {
            fs::write(&path, text).unwrap();
            assert_eq!(open.read(&path).unwrap(), text.as_bytes());
        }
        assert_eq!(open.0.len(), 1);
        // As the file of a group that was removed: it is open, and can't be read.
        open.0[0].1 = File::options().write(true).open(&path).unwrap();
        fs::write(&path, "7").unwrap();
        assert_eq!((open.read(&path).unwrap(), open.0.len()), (b"7".to_vec(), 1));
        fs::remove_file(&path).unwrap();
        open.0.clear();
        assert_eq!(open.read(&path).unwrap_err().kind(), ErrorKind::NotFound);
        assert!(open.0.is_empty());
    }
}
