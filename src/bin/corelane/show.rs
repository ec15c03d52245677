//! `corelane show`: where the threads of a running program are, from `/proc/PID/task`.
//!
//! Threads start and end while this looks. One that is gone by the time its files are read is left out.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use corelane::config::CpuList;

use crate::answer::{Answer, Refusal};
use crate::text::{COLUMNS, count, elided, pad, width, wrap};

struct Thread {
    id: u32,
    name: String,
    shard: Option<u32>,
    allowed: Option<CpuList>,
    last_cpu: Option<u32>,
    /// How often it gave the CPU away, and how often it was taken.
    voluntary: Option<u64>,
    forced: Option<u64>,
}

pub fn show(root: &Path, pid: u32) -> Result<Answer, Refusal> {
    let process = root.join("proc").join(pid.to_string());
    let read = |path: &Path| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let folder = process.join("task");
    let refused = |path: &Path, error: io::Error| {
        Refusal::bad(match error.kind() {
            _ if is_gone(&error) => format!("error: there is no process {pid}"),
            ErrorKind::PermissionDenied => format!(
                "error: cannot read {}: {error}; expected to be run by the user of process {pid}, or by root",
                path.display()
            ),
            _ => format!("error: cannot read {}: {error}", path.display()),
        })
    };
    let mut threads = Vec::new();
    for entry in fs::read_dir(&folder).map_err(|error| refused(&folder, error))? {
        let entry = entry.map_err(|error| refused(&folder, error))?;
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        match thread(id, |name| read(&entry.path().join(name))) {
            Ok(thread) => threads.push(thread),
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(refused(&entry.path(), error)),
        }
    }
    if threads.is_empty() {
        return Err(Refusal::bad(format!("error: process {pid} ended while it was looked at")));
    }
    threads.sort_by_key(|thread| (thread.shard.is_none(), thread.shard, thread.id));
    let main = threads.iter().find(|thread| thread.id == pid);
    let name = main.map_or(String::new(), |thread| format!(" ({})", thread.name));
    Ok(draw(&format!("process {pid}{name}"), pid, &threads).into())
}

/// The kernel says ESRCH when a thread ends between opening and reading its file.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
        || error.raw_os_error() == Some(libc::ESRCH)
}

fn thread(id: u32, read: impl Fn(&str) -> io::Result<String>) -> io::Result<Thread> {
    let (name, status, stat) = (read("comm")?, read("status")?, read("stat")?);
    let name: String = name.trim_end().chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    let field =
        |key: &str| status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).map(str::trim);
    // The name stands in parentheses and may have spaces and parentheses of its own. What follows the last one begins
    // with field 3; the CPU is field 39.
    let last_cpu = stat.rsplit_once(')').and_then(|(_, fields)| fields.split_whitespace().nth(39 - 3));
    Ok(Thread {
        id,
        shard: name.strip_prefix("corelane-").and_then(|number| number.parse().ok()),
        name,
        allowed: field("Cpus_allowed_list").and_then(CpuList::parse),
        last_cpu: last_cpu.and_then(|cpu| cpu.parse().ok()),
        voluntary: field("voluntary_ctxt_switches").and_then(|n| n.parse().ok()),
        forced: field("nonvoluntary_ctxt_switches").and_then(|n| n.parse().ok()),
    })
}

fn draw(process: &str, pid: u32, threads: &[Thread]) -> String {
    let shards = threads.iter().filter(|thread| thread.shard.is_some()).count();
    let mut out =
        format!("{process}: {}, {} with a shard's name\n\n", count(threads.len(), "thread"), shards);
    let known = |n: Option<u64>| n.map_or("?".into(), |n| n.to_string());
    let mut table = vec![["shard", "thread", "name", "last cpu", "slept", "preempted"].map(str::to_owned)];
    table.extend(threads.iter().map(|thread| {
        [
            thread.shard.map_or("-".into(), |shard| shard.to_string()),
            thread.id.to_string(),
            thread.name.clone(),
            known(thread.last_cpu.map(u64::from)),
            known(thread.voluntary),
            known(thread.forced),
        ]
    }));
    let columns: Vec<usize> =
        (0..6).map(|i| table.iter().map(|cells| width(&cells[i])).max().unwrap_or(0)).collect();
    let left = columns.iter().map(|column| column + 2).sum::<usize>();
    let lists = threads.iter().map(|thread| match &thread.allowed {
        Some(cpus) => elided(cpus, COLUMNS.saturating_sub(left).max(12)),
        None => "?".into(),
    });
    for (cells, list) in table.iter().zip(["may use".to_owned()].into_iter().chain(lists)) {
        for (cell, column) in cells.iter().zip(&columns) {
            out += &(pad(cell, *column) + "  ");
        }
        let _ = writeln!(out, "{list}");
    }
    notes(&mut out, pid, threads);
    out
}

/// What a reader would otherwise have to find out by comparing rows.
fn notes(out: &mut String, pid: u32, threads: &[Thread]) {
    let shards = || threads.iter().filter_map(|thread| Some((thread.shard?, thread.allowed.as_ref()?)));
    let mut text = Vec::new();
    let loose: CpuList = shards().filter(|(_, cpus)| cpus.len() > 1).map(|(shard, _)| shard).collect();
    if !loose.is_empty() {
        let plural = if loose.len() == 1 { "" } else { "s" };
        text.push(format!("Not bound to one CPU: shard{plural} {loose}."));
    }
    let mut by_cpu: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (shard, cpus) in shards().filter(|(_, cpus)| cpus.len() == 1) {
        by_cpu.entry(cpus.first().unwrap_or_default()).or_default().push(shard);
    }
    for (cpu, shards) in by_cpu.iter().filter(|(_, shards)| shards.len() > 1) {
        let shards: CpuList = shards.iter().copied().collect();
        text.push(format!("On one CPU, cpu {cpu}: shards {shards}. Are there two runtimes?"));
    }
    if shards().next().is_none() {
        text.push(
            "No thread has the name of a shard, which is corelane-0, corelane-1 and so on. A program may name its \
             threads otherwise (Builder::thread_name)."
                .into(),
        );
    } else if !shards().any(|(shard, _)| shard == 0) && threads.iter().any(|thread| thread.id == pid) {
        text.push(format!("Shard 0 is on a thread of the program: thread {pid} with #[corelane::main]."));
    }
    for note in text {
        out.push('\n');
        wrap(out, "", 0, &note);
    }
}
