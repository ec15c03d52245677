//! Lines that fit a terminal.
//!
//! Here: breaking and shortening. Not here: what is said.

use std::fmt::Write as _;

use corelane::config::CpuList;
use corelane::topology::Quota;

/// What every terminal has. A wider one gains nothing: the long parts are lists of numbers.
pub const COLUMNS: usize = 80;

pub fn width(text: &str) -> usize {
    text.chars().count()
}

/// The list if it fits, otherwise its start, its end, and how many there are: `0,2,4,…,254 (128)`.
pub fn elided(cpus: &CpuList, columns: usize) -> String {
    let whole = cpus.to_string();
    if width(&whole) <= columns {
        return whole;
    }
    let last = whole.rsplit(',').next().unwrap_or_default();
    let end = format!("…,{last} ({})", cpus.len());
    let mut start = String::new();
    for range in whole.split(',') {
        if width(&start) + range.len() + 1 + width(&end) > columns && !start.is_empty() {
            break;
        }
        let _ = write!(start, "{range},");
    }
    start + &end
}

/// Appends the text, broken after spaces and commas; the lines after the first begin with the indent.
pub fn wrap(out: &mut String, first: &str, indent: usize, text: &str) {
    let mut start = first.to_owned();
    for line in wrap_lines(text, COLUMNS.saturating_sub(indent)) {
        let _ = writeln!(out, "{}", (start + &line).trim_end());
        start = " ".repeat(indent);
    }
}

/// The text in lines of at most so many columns, if its words are no longer; at least one line.
pub fn wrap_lines(text: &str, columns: usize) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split_inclusive([' ', ',']) {
        if !line.is_empty() && width(&line) + width(word.trim_end()) > columns {
            lines.push(line.trim_end().to_owned());
            line.clear();
        }
        line += word;
    }
    lines.push(line.trim_end().to_owned());
    lines
}

/// `1 shard`, `2 shards`
pub fn count(n: usize, one: &str) -> String {
    match (n, one) {
        (1, _) => format!("1 {one}"),
        (_, "last-level cache") => format!("{n} last-level caches"),
        _ => format!("{n} {one}s"),
    }
}

/// The files that say in which control group the process is, and where that can be seen.
const GROUP: [&str; 2] = ["proc/self/cgroup", "proc/self/mountinfo"];

/// The bound, or that there is none, or why that is not known.
pub fn quota(quota: &Option<Quota>, warnings: &[String]) -> String {
    let shown = |quota: &Quota| format!("{:.2} CPUs ({})", quota.cpus(), quota.file.display());
    let missing = || unknown(warnings, &["/cpu.max:", "/cpu.cfs_", GROUP[0], GROUP[1]]);
    quota.as_ref().map(shown).or_else(missing).unwrap_or("none".into())
}

/// As [`quota`].
pub fn cpuset(cpuset: &Option<CpuList>, warnings: &[String]) -> String {
    let missing = || unknown(warnings, &["/cpuset.", "the cpuset", GROUP[0], GROUP[1]]);
    cpuset.as_ref().map(CpuList::to_string).or_else(missing).unwrap_or("none".into())
}

/// What could not be read, or made no sense, where a warning is about one of these: `unknown (…: Permission denied)`.
pub fn unknown(warnings: &[String], about: &[&str]) -> Option<String> {
    let warning = warnings.iter().find(|warning| about.iter().any(|name| warning.contains(name)))?;
    Some(format!("unknown ({warning})"))
}

pub fn pad(text: &str, columns: usize) -> String {
    format!("{text:<columns$}")
}
