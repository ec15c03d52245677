//! `corelane plan --format svg`: the machine drawn as boxes in boxes, with the shards on it.
//!
//! Packages hold nodes, nodes last-level caches, these cores, and cores their hardware threads. A CPU without a shard
//! has the letter under which the legend gives the reason. Nothing in it runs or is loaded from elsewhere, so it can
//! be put on any page.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::iter::once;

use corelane::config::CpuList;
use corelane::topology::{CoreKind, Plan, Topology};

use crate::parts::{self, Level, Part};
use crate::table;
use crate::text::{quota, width, wrap_lines};
use crate::tree;

const CELL: (u32, u32) = (40, 32);
const PAD: u32 = 6;
/// Height of a box's label, and of a line of the legend.
const LABEL: u32 = 15;
const LINE: u32 = 20;
const MARGIN: u32 = 20;
/// Boxes are arranged so that the whole is about this much wider than high, as screens and pages are.
const RATIO: f64 = 1.6;
/// Room for the legend's longest line.
const WIDTH_MIN: u32 = 720;

const STYLE: &str = "\
text{font:11px system-ui,sans-serif;fill:#1b1f24}\
.title{font-size:17px;font-weight:600}\
.label{font-size:10px;fill:#57606a}\
.cpu{font-size:9px}\
.mark{font-size:12px;font-weight:600}\
.package{fill:#f6f8fa;stroke:#57606a}\
.node{fill:#eaeef2;stroke:#8c959f}\
.llc{fill:#fff;stroke:#8c959f}\
.core{fill:#f6f8fa;stroke:#d0d7de}\
.shard{fill:#0b63ce}\
.on{fill:#fff}\
.free{fill:#cfe5ff}\
.pool{fill:#ffe2a8}\
.idle{fill:#d8dee4}\
.offline{fill:#fff;stroke:#8c959f;stroke-dasharray:3 2}";

pub fn draw(topology: &Topology, plan: &Plan, config: &str) -> String {
    let marks = Marks::new(topology, plan);
    let mut blocks: Vec<Block> = parts::of(topology).iter().map(block).collect();
    if blocks.is_empty() {
        blocks.push(cells("machine", "cpus", &topology.cpus.iter().map(|cpu| cpu.id).collect()));
    }
    if !topology.offline.is_empty() {
        blocks.push(cells("core", "offline", &topology.offline));
    }
    let machine = arrange("machine", String::new(), blocks);
    let legend = marks.legend(plan);
    let top = MARGIN + 2 * LINE;
    let size = (
        machine.size.0.max(WIDTH_MIN) + 2 * MARGIN,
        top + machine.size.1 + LINE + legend.len() as u32 * LINE + MARGIN,
    );
    let mut out = String::new();
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" role=\"img\">",
        size.0, size.1
    );
    let title = format!("Corelane: {}", table::summary(plan));
    let _ = writeln!(out, "<title>{}</title>\n<style>{STYLE}</style>", escaped(&title));
    let _ = writeln!(out, "<rect width=\"{}\" height=\"{}\" fill=\"#fff\"/>", size.0, size.1);
    text(&mut out, "title", (MARGIN, MARGIN + 14), &title);
    text(&mut out, "label", (MARGIN, MARGIN + 14 + LINE), &format!("{}; {config}", tree::headline(topology)));
    machine.draw(&mut out, (MARGIN, top), &marks);
    let mut y = top + machine.size.1 + LINE;
    for (class, mark, line) in legend {
        if !class.is_empty() {
            rect(&mut out, class, (MARGIN, y), (30, LINE - 5));
            text(&mut out, &format!("mark{}", on(class)), (MARGIN + 6, y + 12), &mark);
        }
        text(&mut out, "line", (MARGIN + 40, y + 12), &line);
        y += LINE;
    }
    out + "</svg>\n"
}

/// What is written on each CPU.
struct Marks {
    shards: BTreeMap<u32, CpuList>,
    reasons: BTreeMap<u32, (String, String)>,
    legend: Vec<(String, CpuList, String)>,
    /// The CPUs of the blocking pool. Empty if it may run everywhere, as that would colour everything and tell nothing.
    pool: CpuList,
    offline: CpuList,
}

impl Marks {
    fn new(topology: &Topology, plan: &Plan) -> Self {
        let mut shards: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for shard in &plan.shards {
            shard.cpus.iter().for_each(|cpu| shards.entry(*cpu).or_default().push(shard.id as u32));
        }
        let pool: CpuList = plan.blocking_cpus.iter().copied().collect();
        let legend: Vec<_> = table::left_out(plan)
            .into_iter()
            .enumerate()
            .map(|(i, (cpus, reason))| (letter(i), cpus, reason))
            .collect();
        let own: BTreeMap<u32, &str> = plan.left_out.iter().map(|(cpu, why)| (*cpu, why.as_str())).collect();
        let with_reason = |(letter, cpus, _): &(String, CpuList, String)| {
            let reason = |cpu| own.get(&cpu).copied().unwrap_or_default().to_owned();
            cpus.iter().map(|cpu| (cpu, (letter.clone(), reason(cpu)))).collect::<Vec<_>>()
        };
        Self {
            shards: shards.into_iter().map(|(cpu, ids)| (cpu, ids.into_iter().collect())).collect(),
            reasons: legend.iter().flat_map(with_reason).collect(),
            legend,
            pool: if topology.allowed().without(&pool).is_empty() { CpuList::default() } else { pool },
            offline: topology.offline.clone(),
        }
    }

    /// The class of a CPU's rectangle, what stands in it, and what a pointer that rests on it is told.
    fn of(&self, cpu: u32) -> (&'static str, String, String) {
        let pool = self.pool.contains(cpu);
        let also = if pool { "; blocking pool" } else { "" };
        if let Some(shards) = self.shards.get(&cpu) {
            let plural = if shards.len() > 1 { "s" } else { "" };
            return ("shard", format!("s{shards}"), format!("cpu {cpu}: shard{plural} {shards}{also}"));
        }
        let (letter, reason) = self.reasons.get(&cpu).cloned().unwrap_or_default();
        let class = match () {
            () if self.offline.contains(cpu) => "offline",
            () if pool => "pool",
            () if letter.is_empty() => "free",
            () => "idle",
        };
        let reason = if reason.is_empty() { "shards may run here" } else { &reason };
        (class, letter, format!("cpu {cpu}: {reason}{also}"))
    }

    /// Class, mark and text of each line; a line without a class goes on with the one above.
    fn legend(&self, plan: &Plan) -> Vec<(&'static str, String, String)> {
        let mut entries = Vec::new();
        if !self.shards.is_empty() {
            entries.push(("shard", "s0".into(), "a shard's number on the CPU it is bound to".to_owned()));
        }
        if plan.shards.iter().any(|shard| shard.cpus.is_empty()) {
            entries.push(("free", String::new(), "shards that are not bound run on any of these".into()));
        }
        let (class, pool) = match self.pool.len() {
            0 => ("", "any cpu that the process may use".into()),
            _ => ("pool", named(&self.pool)),
        };
        entries.push((class, String::new(), format!("blocking pool on {pool}: {}", plan.blocking_reason)));
        for (letter, cpus, reason) in &self.legend {
            let class = if cpus.common(&self.offline).is_empty() { "idle" } else { "offline" };
            entries.push((class, letter.clone(), format!("{}: {reason}", named(cpus))));
        }
        let quota = format!("quota: {}", quota(&plan.quota, &plan.warnings));
        let warnings = plan.warnings.iter().map(|warning| format!("warning: {warning}"));
        entries.extend(once(quota).chain(warnings).map(|line| ("", String::new(), line)));
        let mut lines = Vec::new();
        for (class, mark, text) in entries {
            for (i, line) in wrap_lines(&text, 110).into_iter().enumerate() {
                lines.push(if i == 0 { (class, mark.clone(), line) } else { ("", String::new(), line) });
            }
        }
        lines
    }
}

/// `cpu 2` or `cpus 0-3`
fn named(cpus: &CpuList) -> String {
    format!("cpu{} {cpus}", if cpus.len() == 1 { "" } else { "s" })
}

/// What text on this ground is drawn with.
fn on(class: &str) -> &'static str {
    if class == "shard" { " on" } else { "" }
}

/// A, B, … Z, AA, AB, …
fn letter(i: usize) -> String {
    let last = char::from(b'A' + (i % 26) as u8);
    if i < 26 { last.into() } else { format!("{}{last}", letter(i / 26 - 1)) }
}

/// A box with its size, and where in it the others are.
struct Block {
    class: &'static str,
    label: String,
    size: (u32, u32),
    inner: Vec<(u32, u32, Block)>,
    cpu: Option<u32>,
}

fn block(part: &Part) -> Block {
    if part.parts.is_empty() {
        let kind = match part.kind {
            Some(CoreKind::Performance) => "P-",
            Some(CoreKind::Efficiency) => "E-",
            None => "",
        };
        return cells(part.level.name(), &format!("{kind}{}", part.label()), &part.cpus);
    }
    arrange(part.level.name(), part.label(), part.parts.iter().map(block).collect())
}

fn cells(class: &'static str, label: &str, cpus: &CpuList) -> Block {
    let cell = |cpu| Block { class: "", label: String::new(), size: CELL, inner: Vec::new(), cpu: Some(cpu) };
    let cells: Vec<Block> = cpus.iter().map(cell).collect();
    // The hardware threads of a core are few, and look like one core only side by side.
    let columns = (class == Level::Core.name() && cells.len() <= 8).then_some(cells.len());
    in_rows(class, label.to_owned(), cells, columns)
}

fn arrange(class: &'static str, label: String, blocks: Vec<Block>) -> Block {
    in_rows(class, label, blocks, None)
}

fn in_rows(class: &'static str, label: String, blocks: Vec<Block>, columns: Option<usize>) -> Block {
    let sizes: Vec<(u32, u32)> = blocks.iter().map(|block| block.size).collect();
    let off = |columns: &usize| {
        let (_, (w, h)) = places(&sizes, *columns);
        (f64::from(w) / f64::from(h) / RATIO).ln().abs()
    };
    let best = || (1..=sizes.len()).min_by(|a, b| off(a).total_cmp(&off(b))).unwrap_or(1);
    let (places, (w, h)) = places(&sizes, columns.unwrap_or_else(best));
    let least = width(&label) as u32 * 6 + 2 * PAD;
    let inner = places.into_iter().zip(blocks).map(|((x, y), block)| (x, y, block)).collect();
    Block { class, label, size: (w.max(least), h), inner, cpu: None }
}

/// Where boxes of these sizes go, so many in a row, and the size of all.
fn places(sizes: &[(u32, u32)], columns: usize) -> (Vec<(u32, u32)>, (u32, u32)) {
    let (mut places, mut right, mut y) = (Vec::new(), 0, LABEL + PAD / 2);
    for row in sizes.chunks(columns.max(1)) {
        let mut x = PAD;
        for (w, _) in row {
            places.push((x, y));
            x += w + PAD;
        }
        right = right.max(x);
        y += row.iter().map(|(_, h)| h + PAD).max().unwrap_or(0);
    }
    (places, (right, y))
}

impl Block {
    fn draw(&self, out: &mut String, at: (u32, u32), marks: &Marks) {
        if let Some(cpu) = self.cpu {
            let (class, mark, tip) = marks.of(cpu);
            let _ = writeln!(out, "<g><title>{}</title>", escaped(&tip));
            rect(out, class, at, self.size);
            text(out, &format!("cpu{}", on(class)), (at.0 + 4, at.1 + 11), &cpu.to_string());
            text(out, &format!("mark{}", on(class)), (at.0 + 4, at.1 + 26), &mark);
            out.push_str("</g>\n");
            return;
        }
        if self.class != "machine" {
            rect(out, self.class, at, self.size);
        }
        text(out, "label", (at.0 + PAD, at.1 + 12), &self.label);
        for (x, y, block) in &self.inner {
            block.draw(out, (at.0 + x, at.1 + y), marks);
        }
    }
}

fn rect(out: &mut String, class: &str, (x, y): (u32, u32), (w, h): (u32, u32)) {
    let _ =
        writeln!(out, "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" rx=\"3\"/>");
}

fn text(out: &mut String, class: &str, (x, y): (u32, u32), text: &str) {
    if !text.is_empty() {
        let _ = writeln!(out, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{}</text>", escaped(text));
    }
}

/// XML has no way at all to write most control characters, and the name of a file may have some.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
