//! Groups of CPUs, and in which order they get shards.

use super::{PlanError, Planner};
use crate::config::{CpuList, GroupBy, Order, Pin};
use crate::topology::Cpu;

/// A group's name within its level. Caches are told by number and lowest CPU: old kernels number none, and some
/// number them again in each package. What is unknown is one group.
type Group = (Option<u32>, Option<u32>, Option<u32>);

/// The group of a CPU. That of a cache is its part in one node.
pub(super) fn group(cpu: &Cpu, level: GroupBy) -> Group {
    match level {
        GroupBy::None => (None, None, None),
        GroupBy::Llc => (cpu.node, cpu.llc, cpu.llc_cpus.as_ref().and_then(CpuList::first)),
        GroupBy::Numa => (cpu.node, None, None),
        GroupBy::Package => (cpu.package, None, None),
    }
}

impl<'a> Planner<'a> {
    /// Puts those first that shall have the first shards.
    ///
    /// The order of CPUs within a group is that of their numbers, so that what the machine does not tell changes
    /// nothing.
    pub(super) fn put_in_order(&mut self) -> Result<(), PlanError> {
        let placement = &self.config.placement;
        let level = placement.group_by;
        let is_known = |cpu: &&Cpu| match level {
            GroupBy::None => true,
            GroupBy::Llc => cpu.llc_cpus.is_some(),
            GroupBy::Numa => cpu.node.is_some(),
            GroupBy::Package => cpu.package.is_some(),
        };
        let unknown: CpuList =
            self.candidates.iter().filter(|cpu| !is_known(cpu)).map(|cpu| cpu.id).collect();
        let matters = placement.order == Order::Spread || placement.pin == Pin::Group;
        if matters && !unknown.is_empty() {
            let what = match level {
                GroupBy::Llc => "last-level cache",
                GroupBy::Numa => "NUMA node",
                _ => "package",
            };
            let message =
                format!("the machine does not tell the {what} of cpus {unknown}; they are one group");
            self.unmet("placement", "group_by", message)?;
        }
        let levels: &[GroupBy] = match level {
            GroupBy::None => &[],
            GroupBy::Llc => &[GroupBy::Package, GroupBy::Numa, GroupBy::Llc],
            GroupBy::Numa => &[GroupBy::Package, GroupBy::Numa],
            GroupBy::Package => &[GroupBy::Package],
        };
        let in_order = |mut cpus: Vec<&'a Cpu>| match placement.order {
            Order::Pack => {
                by_group(&mut cpus, level);
                cpus
            }
            Order::Spread => spread(cpus, levels),
        };
        let preferred = self.preferred();
        let candidates = std::mem::take(&mut self.candidates).into_iter();
        let (first, rest) = candidates.partition(|cpu| preferred.contains(cpu.id));
        self.candidates = in_order(first);
        self.candidates.extend(in_order(rest));
        Ok(())
    }
}

/// Within a group the order stays.
fn by_group(cpus: &mut [&Cpu], level: GroupBy) {
    cpus.sort_by_key(|cpu| group(cpu, level));
}

/// Takes from the groups of the first level in turn, and within each from those of the next: two neighbours in the
/// result are as far apart as can be.
fn spread<'a>(mut cpus: Vec<&'a Cpu>, levels: &[GroupBy]) -> Vec<&'a Cpu> {
    let [level, below @ ..] = levels else { return cpus };
    by_group(&mut cpus, *level);
    let groups = cpus.chunk_by(|a, b| group(a, *level) == group(b, *level));
    let mut groups: Vec<_> = groups.map(|group| spread(group.to_vec(), below).into_iter()).collect();
    let mut spread = Vec::with_capacity(cpus.len());
    while spread.len() < cpus.len() {
        spread.extend(groups.iter_mut().filter_map(Iterator::next));
    }
    spread
}
