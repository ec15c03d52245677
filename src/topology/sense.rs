//! What the told facts mean together: sets that contradict each other, and kinds of core by their capacity.

use super::{CoreKind, Cpu};
use crate::config::CpuList;

/// Forgets who shares a core or a cache where the CPUs disagree about it, as they do in some virtual machines: it
/// would be a guess which of them is right.
pub(super) fn drop_contradictions(cpus: &mut [Cpu], warnings: &mut Vec<String>) {
    drop_contradicted(cpus, "core", |cpu| &mut cpu.siblings, warnings);
    let no_llc = drop_contradicted(cpus, "last-level cache", |cpu| &mut cpu.llc_cpus, warnings);
    cpus.iter_mut().filter(|cpu| no_llc.contains(cpu.id)).for_each(|cpu| cpu.llc = None);
}

fn drop_contradicted(
    cpus: &mut [Cpu],
    what: &str,
    set: fn(&mut Cpu) -> &mut Option<CpuList>,
    warnings: &mut Vec<String>,
) -> CpuList {
    // By the set, ascending.
    let mut said_by: Vec<(CpuList, CpuList)> = Vec::new();
    let mut speakers = CpuList::default();
    for cpu in cpus.iter_mut() {
        let id = cpu.id;
        let Some(set) = set(cpu) else { continue };
        speakers.insert(id);
        match said_by.binary_search_by(|(seen, _)| seen.cmp(set)) {
            Ok(found) => said_by[found].1.insert(id),
            Err(free) => said_by.insert(free, (set.clone(), CpuList::from_iter([id]))),
        }
    }
    // A set is right when all its CPUs that say anything say the same.
    said_by.retain(|(set, said)| set.common(&speakers) != *said);
    for (set, said) in &said_by {
        warnings.push(format!(
            "cpus {set} share their {what} according to cpus {said}, but not according to others of them"
        ));
    }
    let dropped: CpuList = said_by.iter().flat_map(|(_, said)| said.iter()).collect();
    cpus.iter_mut().filter(|cpu| dropped.contains(cpu.id)).for_each(|cpu| *set(cpu) = None);
    dropped
}

/// Tells the kinds of core apart where the kernel gives their capacities and not their kinds.
///
/// Cores of one kind differ by some percent in what they clock to, kinds by a multiple of each other: below half of
/// the fastest is another kind.
pub(super) fn tell_kinds_by_capacity(cpus: &mut [Cpu]) {
    let fastest = cpus.iter().filter_map(|cpu| cpu.capacity).max().unwrap_or(0);
    let is_slow = |cpu: &Cpu| cpu.capacity.is_some_and(|capacity| capacity < fastest.div_ceil(2));
    if cpus.iter().any(|cpu| cpu.kind.is_some()) || !cpus.iter().any(is_slow) {
        return;
    }
    for cpu in cpus {
        let kind = if is_slow(cpu) { CoreKind::Efficiency } else { CoreKind::Performance };
        cpu.kind = cpu.capacity.map(|_| kind);
    }
}
