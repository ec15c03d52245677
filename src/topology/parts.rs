//! Which CPUs the words of [`Parts`] mean on a machine.
//!
//! A part of a part is what both have in common, so levels need not nest: of a cache over two nodes, each node has a part.
//! Pure: it looks at nothing but its arguments.

use super::{Cpu, Topology};
use crate::config::{CpuList, Level, Parts, Step, WrongPart};

/// The CPUs, or which step names something that is not there. Of several parents it is enough if one has a child: where cores
/// have one or two hardware threads, `core:all.pu:1` are the second ones.
pub(super) fn cpus(topology: &Topology, parts: &Parts) -> Result<CpuList, WrongPart> {
    let mut all = CpuList::default();
    for path in &parts.paths {
        let mut found = vec![topology.cpus.iter().collect::<Vec<_>>()];
        for (depth, step) in path.iter().enumerate() {
            found = within(&found, step, &path[..depth])?;
        }
        all = all.with(&found.iter().flatten().map(|cpu| cpu.id).collect());
    }
    Ok(all)
}

fn within<'a>(parents: &[Vec<&'a Cpu>], step: &Step, path: &[Step]) -> Result<Vec<Vec<&'a Cpu>>, WrongPart> {
    let name = step.level.name();
    let wrong = |message| WrongPart { offset: step.offset, message };
    let families: Vec<_> = parents.iter().map(|parent| children(parent, step.level)).collect();
    let most = families.iter().map(Vec::len).max().unwrap_or(0) as u32;
    if most == 0 {
        return Err(wrong(format!(
            "the machine does not tell its {}; expected another level",
            plural(step.level)
        )));
    }
    let there: CpuList = (0..most).collect();
    let beyond = step.indexes.as_ref().map(|indexes| indexes.without(&there)).unwrap_or_default();
    if !beyond.is_empty() {
        let path: Vec<String> = path.iter().map(Step::to_string).collect();
        let place = if path.is_empty() { String::new() } else { format!(" in {}", path.join(".")) };
        return Err(wrong(format!("there is no {name}:{beyond}{place}; expected {name}:{there}")));
    }
    let is_meant = |index| step.indexes.as_ref().is_none_or(|indexes| indexes.contains(index));
    let meant = |family: Vec<Vec<&'a Cpu>>| {
        (0..).zip(family).filter(|(index, _)| is_meant(*index)).map(|(_, part)| part)
    };
    Ok(families.into_iter().flat_map(|family| meant(family).collect::<Vec<_>>()).collect())
}

/// The parts of a level that some CPUs are in, in the order of their lowest CPUs. A CPU of which the level is not known is in
/// none.
fn children<'a>(cpus: &[&'a Cpu], level: Level) -> Vec<Vec<&'a Cpu>> {
    // The lowest CPU stands for a cache or a core: old kernels number no caches, and the numbers of cores repeat.
    let lowest = |set: &Option<CpuList>| set.as_ref().and_then(CpuList::first);
    let key = |cpu: &Cpu| match level {
        Level::Package => cpu.package,
        Level::Numa => cpu.node,
        Level::Llc => lowest(&cpu.llc_cpus),
        Level::Core => lowest(&cpu.siblings),
        Level::Pu => Some(cpu.id),
    };
    let mut keyed: Vec<_> = cpus.iter().filter_map(|cpu| Some((key(cpu)?, *cpu))).collect();
    keyed.sort_unstable_by_key(|(key, cpu)| (*key, cpu.id));
    let same = |(a, _): &(u32, _), (b, _): &(u32, _)| a == b;
    let mut parts: Vec<Vec<_>> =
        keyed.chunk_by(same).map(|part| part.iter().map(|(_, cpu)| *cpu).collect()).collect();
    parts.sort_unstable_by_key(|part| part[0].id);
    parts
}

fn plural(level: Level) -> &'static str {
    match level {
        Level::Package => "packages",
        Level::Numa => "NUMA nodes",
        Level::Llc => "last-level caches",
        Level::Core => "cores",
        Level::Pu => "CPUs",
    }
}
