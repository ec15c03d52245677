//! The machine taken apart: packages, in them nodes, in them last-level caches, in them cores.
//!
//! A level of which the machine tells nothing is left out, so what is drawn is what is known. Levels need not nest: a
//! node that spans two packages is a part of each, with the CPUs it has there.

use corelane::config::CpuList;
use corelane::topology::{CoreKind, Cpu, Topology};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Package,
    Node,
    Llc,
    Core,
}

impl Level {
    pub const ALL: [Level; 4] = [Level::Package, Level::Node, Level::Llc, Level::Core];

    pub fn name(self) -> &'static str {
        match self {
            Self::Package => "package",
            Self::Node => "node",
            Self::Llc => "llc",
            Self::Core => "core",
        }
    }

    pub fn id(self, cpu: &Cpu) -> Option<u32> {
        match self {
            Self::Package => cpu.package,
            Self::Node => cpu.node,
            Self::Llc => cpu.llc,
            Self::Core => cpu.core,
        }
    }

    /// What tells this part from its neighbours. The lowest CPU stands for a cache or a core, because old kernels do
    /// not number caches, and the numbers of cores repeat.
    fn key(self, cpu: &Cpu) -> Option<u32> {
        match self {
            Self::Package | Self::Node => self.id(cpu),
            Self::Llc => cpu.llc_cpus.as_ref().and_then(CpuList::first),
            Self::Core => cpu.siblings.as_ref().and_then(CpuList::first),
        }
    }
}

/// A part of the machine with the parts it has.
#[derive(Debug)]
pub struct Part {
    pub level: Level,
    /// The kernel's number. `None`: it has none, or this is what lies in no such part.
    pub id: Option<u32>,
    pub cpus: CpuList,
    /// The kind of all its cores, if they are of one.
    pub kind: Option<CoreKind>,
    /// Empty: the CPUs are all there is to tell.
    pub parts: Vec<Part>,
}

impl Part {
    /// `core`, or `performance core` where there are others.
    pub fn name(&self) -> String {
        match self.kind.filter(|_| self.level == Level::Core) {
            Some(CoreKind::Performance) => "performance core".into(),
            Some(CoreKind::Efficiency) => "efficiency core".into(),
            None => self.level.name().into(),
        }
    }

    pub fn label(&self) -> String {
        let name = self.level.name();
        self.id.map_or_else(|| format!("{name} ?"), |id| format!("{name} {id}"))
    }
}

/// The parts of the machine. Empty when it tells nothing but the numbers of its CPUs.
pub fn of(topology: &Topology) -> Vec<Part> {
    below(&topology.cpus.iter().collect::<Vec<_>>(), &Level::ALL)
}

/// How many different parts of a level there are.
pub fn how_many(topology: &Topology, level: Level) -> usize {
    let mut keys: Vec<_> = topology.cpus.iter().filter_map(|cpu| level.key(cpu)).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.len()
}

fn below(cpus: &[&Cpu], levels: &[Level]) -> Vec<Part> {
    let Some((&level, rest)) = levels.split_first() else { return Vec::new() };
    if cpus.iter().all(|cpu| level.key(cpu).is_none()) {
        return below(cpus, rest);
    }
    let mut groups: Vec<(Option<u32>, Vec<&Cpu>)> = Vec::new();
    for &cpu in cpus {
        let key = level.key(cpu);
        match groups.iter_mut().find(|(seen, _)| *seen == key) {
            Some((_, members)) => members.push(cpu),
            None => groups.push((key, vec![cpu])),
        }
    }
    let part = |(key, members): (Option<u32>, Vec<&Cpu>)| Part {
        level,
        id: key.and_then(|_| level.id(members[0])),
        cpus: members.iter().map(|cpu| cpu.id).collect(),
        kind: members[0].kind.filter(|kind| members.iter().all(|cpu| cpu.kind == Some(*kind))),
        parts: below(&members, rest),
    };
    groups.into_iter().map(part).collect()
}
