//! `corelane plan` as a table.

use std::fmt::Write as _;

use corelane::config::{AutoOr, CpuList};
use corelane::topology::{Cpu, Plan, ShardPlan, Topology};

use crate::parts::Level;
use crate::text::{count, elided, pad, quota, width, wrap};
use crate::tree;

/// A table of more rows is folded: consecutive shards of one cache become one row, or else those of one node.
const ROWS: usize = 32;

/// The facts below the table begin here.
const INDENT: usize = 16;

/// `spin_us` is the config's, which the plan does not have.
pub fn draw(topology: &Topology, plan: &Plan, spin_us: AutoOr, config: &str) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "machine   {}", tree::headline(topology));
    let _ = writeln!(out, "config    {config}");
    let _ = writeln!(out, "plan      {}\n", summary(plan));
    if plan.shards.iter().any(|shard| !shard.cpus.is_empty()) {
        shards(&mut out, topology, plan);
    }
    let left_out = left_out(plan);
    if !left_out.is_empty() {
        let _ = writeln!(out, "no shard on");
        let column = left_out.iter().map(|(cpus, _)| elided(cpus, 28)).map(|l| width(&l)).max().unwrap_or(0);
        for (cpus, reason) in &left_out {
            let first = format!("  {}   ", pad(&elided(cpus, 28), column));
            wrap(&mut out, &first, column + 5, reason);
        }
        out.push('\n');
    }
    let pool: CpuList = plan.blocking_cpus.iter().copied().collect();
    let pool = if pool.is_empty() { "any cpu".into() } else { pool.to_string() };
    let idle = match spin_us {
        AutoOr::Number(0) => "sleep at once (`spin_us`)".into(),
        AutoOr::Number(us) => format!("look for work for up to {us} µs before they sleep (`spin_us`)"),
        AutoOr::Auto if plan.may_spin => "may look for work for a while before they sleep".into(),
        AutoOr::Auto => "sleep at once, as looking would take the time of others".to_owned(),
    };
    wrap(&mut out, &pad("blocking pool", INDENT), INDENT, &format!("{pool} ({})", plan.blocking_reason));
    wrap(&mut out, &pad("quota", INDENT), INDENT, &quota(&plan.quota, &plan.warnings));
    if !plan.memory_nodes.is_empty() {
        let nodes: CpuList = plan.memory_nodes.iter().copied().collect();
        wrap(&mut out, &pad("memory", INDENT), INDENT, &format!("interleaved over nodes {nodes}"));
    }
    wrap(&mut out, &pad("idle shards", INDENT), INDENT, &idle);
    for warning in &plan.warnings {
        wrap(&mut out, &pad("warning", INDENT), INDENT, warning);
    }
    out
}

/// How many shards there are, and what they are bound to.
pub fn summary(plan: &Plan) -> String {
    let all = plan.shards.len();
    let bound = plan.shards.iter().filter(|shard| !shard.cpus.is_empty()).count();
    let cpus: CpuList = plan.shards.iter().flat_map(|shard| shard.cpus.iter().copied()).collect();
    let own = cpus.len() == all && plan.shards.iter().all(|shard| shard.cpus.len() == 1);
    let how = match bound {
        0 => "not bound to CPUs".into(),
        n if n < all => format!("{n} of them bound to CPUs"),
        1 if own => "bound to a CPU of its own".into(),
        _ if own => "each bound to a CPU of its own".into(),
        _ => "bound to groups of CPUs".to_owned(),
    };
    format!("{}, {how}", count(all, "shard"))
}

/// The CPUs without a shard by reason. "On the core of cpu 3" and "on the core of cpu 4" are one reason.
pub fn left_out(plan: &Plan) -> Vec<(CpuList, String)> {
    let mut groups: Vec<(&str, Vec<u32>, Vec<u32>)> = Vec::new();
    for (cpu, reason) in &plan.left_out {
        let (stem, other) = match reason.rsplit_once("cpu ").map(|(stem, n)| (stem, n.parse())) {
            Some((stem, Ok(other))) => (stem, Some(other)),
            _ => (reason.as_str(), None),
        };
        match groups
            .iter_mut()
            .find(|(seen, _, others)| *seen == stem && others.is_empty() == other.is_none())
        {
            Some((_, cpus, others)) => {
                cpus.push(*cpu);
                others.extend(other);
            }
            None => groups.push((stem, vec![*cpu], other.into_iter().collect())),
        }
    }
    let reason = |(stem, cpus, others): (&str, Vec<u32>, Vec<u32>)| {
        let others: CpuList = others.into_iter().collect();
        let reason = match others.len() {
            0 => stem.to_owned(),
            1 => format!("{stem}cpu {others}"),
            _ => format!("{stem}cpus {}", elided(&others, 24)),
        };
        (cpus.into_iter().collect(), reason)
    };
    groups.into_iter().map(reason).collect()
}

struct Row {
    shards: CpuList,
    cpus: Vec<u32>,
    /// Core, LLC, node, package.
    ids: [CpuList; 4],
}

fn shards(out: &mut String, topology: &Topology, plan: &Plan) {
    let levels = [Level::Core, Level::Llc, Level::Node, Level::Package];
    let cells = |shard: &ShardPlan| {
        let is_its = |cpu: &&Cpu| shard.cpus.binary_search(&cpu.id).is_ok();
        let cpus: Vec<&Cpu> = topology.cpus.iter().filter(is_its).collect();
        Row {
            shards: [shard.id as u32].into_iter().collect(),
            cpus: shard.cpus.clone(),
            ids: levels.map(|level| cpus.iter().filter_map(|cpu| level.id(cpu)).collect()),
        }
    };
    let mut rows: Vec<Row> = plan.shards.iter().map(cells).collect();
    for level in 1..levels.len() {
        if rows.len() > ROWS {
            rows = fold(rows, level);
        }
    }
    let known: Vec<usize> = (0..4).filter(|&i| rows.iter().any(|row| !row.ids[i].is_empty())).collect();
    let mut table = vec![vec!["shard".to_owned(), "cpu".to_owned()]];
    table[0].extend(known.iter().map(|&i| levels[i].name().to_owned()));
    for row in rows {
        let cpus: CpuList = row.cpus.into_iter().collect();
        let mut cells = vec![row.shards.to_string(), elided(&cpus, 24)];
        cells.extend(known.iter().map(|&i| match &row.ids[i] {
            ids if ids.is_empty() => "?".into(),
            ids => elided(ids, 12),
        }));
        table.push(cells);
    }
    let columns: Vec<usize> =
        (0..table[0].len()).map(|i| table.iter().map(|cells| width(&cells[i])).max().unwrap_or(0)).collect();
    for cells in table {
        let line: Vec<String> = cells.iter().zip(&columns).map(|(cell, &n)| pad(cell, n)).collect();
        let _ = writeln!(out, "  {}", line.join("   ").trim_end());
    }
    out.push('\n');
}

/// Consecutive shards that share a part of this level become one row, if it still says which of them has which CPU:
/// shards and CPUs ascend together, or all have the same CPUs.
fn fold(rows: Vec<Row>, level: usize) -> Vec<Row> {
    let mut folded: Vec<Row> = Vec::new();
    for row in rows {
        let own = row.cpus.len() == 1;
        let one_more = folded.last_mut().filter(|last| {
            let goes_on = last.cpus.len() == last.shards.len() && last.cpus.last() < row.cpus.first();
            last.ids[level..] == row.ids[level..] && if own { goes_on } else { last.cpus == row.cpus }
        });
        let Some(last) = one_more else {
            folded.push(row);
            continue;
        };
        last.shards = last.shards.with(&row.shards);
        (0..level).for_each(|i| last.ids[i] = last.ids[i].with(&row.ids[i]));
        if own {
            last.cpus.extend(row.cpus);
        }
    }
    folded
}
