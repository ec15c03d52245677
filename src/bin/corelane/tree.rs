//! `corelane topology`: the machine as a tree.
//!
//! Equal neighbours are folded into one row, from the cores upwards, until the tree fits a screen; what is folded
//! away stands at the end of the row, in words.

use std::fmt::Write as _;

use corelane::config::CpuList;
use corelane::topology::{Node, Topology};

use crate::parts::{self, Level, Part};
use crate::text::{COLUMNS, count, cpuset, elided, pad, quota, unknown, width, wrap};

/// A tree of more rows is folded.
const ROWS: usize = 32;

pub fn draw(topology: &Topology) -> String {
    let parts = parts::of(topology);
    let (allowed, apart) = (topology.allowed(), topology.set_apart());
    let folds = [None].into_iter().chain(Level::ALL.into_iter().rev().map(Some));
    let mut rows = Vec::new();
    for fold in folds {
        let tree = Tree { allowed: &allowed, apart: &apart, fold };
        rows = tree.rows(&parts, None);
        if rows.len() <= ROWS {
            break;
        }
    }
    let mut out = headline(topology) + "\n\n";
    print(&mut out, &rows);
    facts(&mut out, topology);
    out
}

pub fn headline(topology: &Topology) -> String {
    let mut text = count(topology.cpus.len(), "CPU");
    for (level, name) in [
        (Level::Core, "core"),
        (Level::Llc, "last-level cache"),
        (Level::Node, "node"),
        (Level::Package, "package"),
    ] {
        let n = parts::how_many(topology, level);
        if n > 0 {
            let _ = write!(text, ", {}", count(n, name));
        }
    }
    text
}

struct Row {
    label: String,
    cpus: CpuList,
    note: String,
}

struct Tree<'a> {
    allowed: &'a CpuList,
    apart: &'a CpuList,
    /// Equal neighbours of this level and those within it are folded.
    fold: Option<Level>,
}

impl Tree<'_> {
    /// The rows of these parts; `guide` is what the rows of their parent's children begin with.
    fn rows(&self, parts: &[Part], guide: Option<&str>) -> Vec<Row> {
        let groups: Vec<&[Part]> = parts.chunk_by(|a, b| self.fold(a, b)).collect();
        let mut rows = Vec::new();
        for (i, group) in groups.iter().enumerate() {
            let last = i + 1 == groups.len();
            let (branch, below) = match guide {
                None => (String::new(), String::new()),
                Some(guide) if last => (format!("{guide}└─ "), format!("{guide}   ")),
                Some(guide) => (format!("{guide}├─ "), format!("{guide}│  ")),
            };
            let inner = &group[0].parts;
            let inside = inner.is_empty() || group.len() > 1 || self.is_one_group(inner);
            let mut notes = Vec::new();
            // Of a single core the list of CPUs says it all.
            if inside && (group.len() > 1 || !inner.is_empty()) {
                notes.push(shape(&group[0]) + if group.len() > 1 { " each" } else { "" });
            }
            let cpus: CpuList = group.iter().flat_map(|part| part.cpus.iter()).collect();
            notes.extend(group[0].kind.filter(|_| group[0].level == Level::Core).map(|_| kind(&group[0])));
            notes.extend(some("set apart", &cpus, self.apart));
            if !cpus.without(self.allowed).is_empty() {
                notes.push(some("usable", &cpus, self.allowed).unwrap_or("not usable".into()));
            }
            rows.push(Row { label: branch + &label(group), cpus, note: notes.join("; ") });
            if !inside {
                rows.extend(self.rows(inner, Some(&below)));
            }
        }
        rows
    }

    fn is_one_group(&self, parts: &[Part]) -> bool {
        parts.len() > 1 && parts.windows(2).all(|pair| self.fold(&pair[0], &pair[1]))
    }

    /// Whether two neighbours are the same but for their numbers.
    fn fold(&self, a: &Part, b: &Part) -> bool {
        let members = |part: &Part, set: &CpuList| -> Vec<usize> {
            let is_in = part.cpus.iter().map(|cpu| set.contains(cpu));
            is_in.enumerate().filter(|(_, is_in)| *is_in).map(|(i, _)| i).collect()
        };
        let same = |set: &CpuList| members(a, set) == members(b, set);
        self.fold.is_some_and(|level| a.level >= level)
            && same(self.allowed)
            && same(self.apart)
            && a.name() == b.name()
            && shape(a) == shape(b)
    }
}

/// Which of a part's CPUs are in a set, and which these are if they are not all.
fn some(what: &str, cpus: &CpuList, set: &CpuList) -> Option<String> {
    let common = cpus.common(set);
    match common.len() {
        0 => None,
        n if n == cpus.len() => Some(what.into()),
        _ => Some(format!("{what}: {}", elided(&common, 20))),
    }
}

fn kind(core: &Part) -> String {
    core.name().trim_end_matches(" core").into()
}

/// `core 3`, or `cores 0-7 ×8`
fn label(group: &[Part]) -> String {
    let [first, _, ..] = group else { return group[0].label() };
    let ids: Option<CpuList> = group.iter().map(|part| part.id).collect();
    // Numbers that repeat do not say which ones are meant.
    let ids = ids.filter(|ids| ids.len() == group.len()).map(|ids| format!(" {}", elided(&ids, 16)));
    format!("{}s{} ×{}", first.level.name(), ids.unwrap_or_default(), group.len())
}

/// What is in a part, in words: `2 llcs of 8 cores of 2 threads`.
fn shape(part: &Part) -> String {
    if part.parts.is_empty() {
        return count(part.cpus.len(), if part.level == Level::Core { "thread" } else { "CPU" });
    }
    let shapes: Vec<(String, String)> = part.parts.iter().map(|part| (part.name(), shape(part))).collect();
    let groups = shapes.chunk_by(|a, b| a == b).map(|group| {
        let (name, inner) = &group[0];
        let many = count(group.len(), name);
        match inner.as_str() {
            "1 thread" => many,
            inner if inner.contains(" + ") => format!("{many} of ({inner})"),
            inner => format!("{many} of {inner}"),
        }
    });
    groups.collect::<Vec<_>>().join(" + ")
}

fn print(out: &mut String, rows: &[Row]) {
    const GAP: usize = 3;
    let labels = rows.iter().map(|row| width(&row.label)).max().unwrap_or(0) + GAP;
    let notes = rows.iter().map(|row| width(&row.note)).max().unwrap_or(0);
    let most = COLUMNS.saturating_sub(labels + notes + GAP).max(16);
    let lists: Vec<String> = rows.iter().map(|row| elided(&row.cpus, most)).collect();
    let column = lists.iter().map(|list| width(list)).max().unwrap_or(0) + GAP;
    if !rows.is_empty() {
        let _ = writeln!(out, "{}cpus", " ".repeat(labels));
    }
    for (row, list) in rows.iter().zip(&lists) {
        let first = pad(&row.label, labels) + &pad(list, column);
        wrap(out, &first, labels + column, &row.note);
    }
    if !rows.is_empty() {
        out.push('\n');
    }
}

/// What bounds the process, and what is not in the tree.
fn facts(out: &mut String, topology: &Topology) {
    let warnings = &topology.warnings;
    let none_if_empty = |list: &CpuList| if list.is_empty() { "none".into() } else { list.to_string() };
    let affinity = || unknown(warnings, &["the affinity mask (", "/status:"]).unwrap_or("unknown".into());
    for (name, fact) in [
        ("usable", none_if_empty(&topology.allowed())),
        ("affinity mask", topology.affinity.as_ref().map_or_else(affinity, CpuList::to_string)),
        ("cpuset", cpuset(&topology.cpuset, warnings)),
        ("quota", quota(&topology.quota, warnings)),
        (
            "offline",
            unknown(warnings, &["cpu/online:", "cpu/present:"])
                .unwrap_or_else(|| none_if_empty(&topology.offline)),
        ),
    ] {
        wrap(out, &pad(name, 16), 16, &fact);
    }
    let nodes = |has: &dyn Fn(&Node) -> bool| {
        topology.nodes.iter().filter(|node| has(node)).map(|node| node.id).collect()
    };
    for (name, list) in [
        ("isolcpus", topology.isolated.clone().unwrap_or_default()),
        ("nohz_full", topology.nohz_full.clone().unwrap_or_default()),
        ("without memory", nodes(&|node| node.has_memory == Some(false))),
        ("without CPUs", nodes(&|node| node.cpus.is_empty())),
    ] {
        let of = match (name.starts_with("without"), list.len()) {
            (false, _) => "",
            (true, 1) => "node ",
            (true, _) => "nodes ",
        };
        if !list.is_empty() {
            wrap(out, &pad(name, 16), 16, &format!("{of}{list}"));
        }
    }
    for warning in warnings {
        wrap(out, &pad("warning", 16), 16, warning);
    }
}
