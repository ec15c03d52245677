//! The machine as this process sees it, and which part of it the runtime takes.
//!
//! [`Topology`] is what is there, [`Plan`] what is made of it and why, [`pin`] and
//! [`memory`] do it. A topology is plain data, so a plan can be made, tested and explained for a machine that is not at
//! hand. With the feature `serde` both can be written and read again.
//!
//! Here: which CPUs there are, which of them this process may use, what they share, and how much CPU time it may
//! take. Not here: anything about other processes or devices, or how much memory there is.

mod cgroup;
#[cfg(feature = "hwloc")]
mod hwloc;
pub mod memory;
mod parts;
pub mod pin;
mod plan;
mod pulse;
mod sense;
mod sysfs;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

pub use self::plan::{Plan, PlanError, ShardPlan};
pub(crate) use self::pulse::{Pulse, Vitals};
use self::sysfs::Reader;
use crate::config::CpuList;

/// The CPUs of the machine and what this process may use of them.
///
/// What the system does not tell is `None`: nothing is guessed.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct Topology {
    /// The CPUs that are online, in ascending order. Numbers may have holes.
    pub cpus: Vec<Cpu>,
    /// The CPUs that are there but switched off.
    pub offline: CpuList,
    /// The NUMA nodes, in ascending order: those without CPUs and those without memory, too.
    pub nodes: Vec<Node>,
    /// The CPUs the kernel was told to keep its scheduler away from (`isolcpus=`).
    pub isolated: Option<CpuList>,
    /// The CPUs the kernel was told to spare its clock ticks (`nohz_full=`).
    pub nohz_full: Option<CpuList>,
    /// The affinity mask the process was started with.
    pub affinity: Option<CpuList>,
    /// The CPUs of the control group.
    pub cpuset: Option<CpuList>,
    /// The tightest CPU quota of the control group and its ancestors.
    pub quota: Option<Quota>,
    /// What could not be read or made no sense. It is missing above.
    pub warnings: Vec<String>,
}

/// One CPU as the kernel counts them: a hardware thread.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct Cpu {
    /// The kernel's number.
    pub id: u32,
    /// The number of its core. Numbers may repeat in each package.
    pub core: Option<u32>,
    /// The hardware threads of its core, itself included.
    pub siblings: Option<CpuList>,
    /// The number of its last-level cache. Old kernels do not number caches.
    pub llc: Option<u32>,
    /// The CPUs that share its last-level cache, itself included.
    pub llc_cpus: Option<CpuList>,
    /// Its NUMA node.
    pub node: Option<u32>,
    /// Its package: the socket.
    pub package: Option<u32>,
    /// How much it gets done compared with the fastest of the machine, which has 1024.
    pub capacity: Option<u32>,
    /// What kind of core it is on, where the machine has more than one kind.
    pub kind: Option<CoreKind>,
}

/// What a core is built for, on machines with more than one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum CoreKind {
    /// Speed.
    Performance,
    /// Little power.
    Efficiency,
}

/// A NUMA node: CPUs and memory that are near each other.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct Node {
    /// The kernel's number.
    pub id: u32,
    /// Its CPUs. Empty for memory alone.
    pub cpus: CpuList,
    /// Whether it has memory.
    pub has_memory: Option<bool>,
}

/// How much CPU time a control group may take: `quota_us` in every `period_us`.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Quota {
    /// Microseconds of CPU time in each period.
    pub quota_us: u64,
    /// Length of a period in microseconds. Never 0.
    pub period_us: u64,
    /// The file that says so.
    pub file: PathBuf,
}

impl Quota {
    /// The quota in CPUs: 2.5 when two and a half may be busy all the time.
    pub fn cpus(&self) -> f64 {
        self.quota_us as f64 / self.period_us as f64
    }

    /// The process's, as it was when this was first called: for what it decides roughly, and too often to read files for.
    pub(crate) fn remembered() -> Option<&'static Self> {
        static REMEMBERED: OnceLock<Option<Quota>> = OnceLock::new();
        let read = || {
            let mut reader = Reader::new(Path::new("/"));
            cgroup::Groups::find(&mut reader).quota(&mut reader)
        };
        REMEMBERED.get_or_init(read).as_ref()
    }
}

impl Topology {
    /// Reads the running machine, as far as it tells.
    ///
    /// The affinity mask is the one [`pin::allowed`] remembers, so a call after threads were pinned sees what was
    /// there before.
    pub fn discover() -> Self {
        Self::assemble(Path::new("/"), pin::allowed().cloned())
    }

    /// Reads a machine from the `proc` and `sys` folders under `root`: a recorded one, or `/`.
    pub fn read(root: &Path) -> Self {
        Self::assemble(root, None)
    }

    /// The CPUs this process may use: online, in the affinity mask, and in the cpuset.
    pub fn allowed(&self) -> CpuList {
        let may = |set: &Option<CpuList>, cpu| set.as_ref().is_none_or(|set| set.contains(cpu));
        let ids = self.cpus.iter().map(|cpu| cpu.id);
        ids.filter(|&cpu| may(&self.affinity, cpu) && may(&self.cpuset, cpu)).collect()
    }

    /// The CPUs that are online and set apart from the rest at boot, by `isolcpus=` or `nohz_full=`.
    pub fn set_apart(&self) -> CpuList {
        let is_in = |set: &Option<CpuList>, cpu| set.as_ref().is_some_and(|set| set.contains(cpu));
        let ids = self.cpus.iter().map(|cpu| cpu.id);
        ids.filter(|&cpu| is_in(&self.isolated, cpu) || is_in(&self.nohz_full, cpu)).collect()
    }

    /// Reads the machine under `root` for a process with this mask; without one for the mask that is recorded there.
    pub(crate) fn assemble(root: &Path, affinity: Option<CpuList>) -> Self {
        Self::look(root, affinity).0
    }

    /// The same.
    ///
    /// # Errors
    ///
    /// If less was read than the machine tells, since the system had no descriptor or no memory for it.
    pub(crate) fn try_assemble(root: &Path, affinity: Option<CpuList>) -> io::Result<Self> {
        let (topology, starved) = Self::look(root, affinity);
        starved.map_or(Ok(topology), Err)
    }

    fn look(root: &Path, affinity: Option<CpuList>) -> (Self, Option<io::Error>) {
        let mut reader = Reader::new(root);
        let affinity = affinity.or_else(|| sysfs::affinity(&mut reader));
        let online = sysfs::online(&mut reader);
        let present = sysfs::present(&mut reader);
        let offline = present.zip(online.as_ref()).map(|(present, online)| present.without(online));
        let online = online.or_else(|| affinity.clone()).unwrap_or_default();
        let nodes = sysfs::nodes(&mut reader);
        let mut cpus = sysfs::cpus(&mut reader, &online, &nodes);
        sense::drop_contradictions(&mut cpus, &mut reader.warnings);
        sense::tell_kinds_by_capacity(&mut cpus);
        let groups = cgroup::Groups::find(&mut reader);
        let (cpuset, quota) = (groups.cpuset(&mut reader), groups.quota(&mut reader));
        if affinity.is_none() {
            reader.warnings.push("the affinity mask of this process is unknown".into());
        }
        let mut topology = Self {
            cpus,
            offline: offline.unwrap_or_default(),
            nodes,
            isolated: sysfs::isolated(&mut reader),
            nohz_full: sysfs::nohz_full(&mut reader),
            affinity,
            cpuset,
            quota,
            warnings: reader.warnings,
        };
        // This process runs somewhere, so a set that excludes every CPU is wrong and says nothing.
        for (name, set) in [("cpuset", &mut topology.cpuset), ("affinity mask", &mut topology.affinity)] {
            if let Some(cpus) = set.take_if(|set| set.common(&online).is_empty() && !online.is_empty()) {
                topology.warnings.push(format!("the {name} ({cpus}) has no CPU that is online ({online})"));
            }
        }
        if topology.allowed().is_empty() && !online.is_empty() {
            topology.warnings.push("the affinity mask and the cpuset have no CPU in common".into());
            topology.cpuset = None;
        }
        (topology, reader.starved)
    }
}
