//! From a machine and a config to a CPU for each shard: a pure function that keeps its reasons.
//!
//! The order is fixed. CPUs are taken away, each with its reason: online → affinity mask and cpuset, where `isolated`
//! may reach beyond the mask → `[[shard]]` → `cpus` → `isolated` → `drop` → `reserve` → `kind` → `smt` (`filter`).
//! What is left is put in order by `group_by` and `order` (`order`), and gets as many shards as `shards` and the quota
//! say, with what their threads are bound to; the others are not needed (`place`). For shards that run already the same
//! steps are taken with their number given, and each stays where it is if that is still among what is left (`replan`).
//!
//! Here: the decision and its explanation. Not here: reading the machine (`sysfs`, `cgroup`) and binding threads
//! (`pin`).

mod error;
mod filter;
mod order;
mod place;
mod replan;
mod show;

use self::error::About;
pub use self::error::PlanError;
use super::{Cpu, Quota, Topology, parts};
use crate::config::{Config, CpuList, CpuSelection, Memory, OnError, Pin, WrongPart};

/// Which shard runs where, and why every other CPU has none.
///
/// The same topology and config always give the same plan. [`Display`](std::fmt::Display) prints it as a table.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Plan {
    /// The shards in order; there is at least one.
    pub shards: Vec<ShardPlan>,
    /// What the shards' threads are bound to, but for those that a `[[shard]]` binds.
    pub pin: Pin,
    /// The CPUs that no shard uses, ascending, each with the reason.
    pub left_out: Vec<(u32, String)>,
    /// The CPUs of the blocking pool's threads. Empty: not bound.
    pub blocking_cpus: Vec<u32>,
    /// Why it is these.
    pub blocking_reason: String,
    /// The quota that counts. `None` with `quota = "ignore"`.
    pub quota: Option<Quota>,
    /// For each shard the CPU whose packets its listener wants. Empty: the kernel chooses a listener.
    pub incoming_cpus: Vec<Option<u32>>,
    /// Where the shards' memory comes from.
    pub memory: Memory,
    /// The NUMA nodes their memory is taken from in turn. Empty: it is not interleaved.
    pub memory_nodes: Vec<u32>,
    /// Whether an idle shard may look for work for a while before it sleeps: there is a CPU for each, and all of them together
    /// stay within the quota. Otherwise looking takes the time of a shard that has work.
    pub may_spin: bool,
    /// What could not be read or done; printed at the start with `on_error = "warn"`.
    pub warnings: Vec<String>,
}

/// One shard's place.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct ShardPlan {
    /// The shard's number, from 0.
    pub id: usize,
    /// The CPUs its thread is bound to, ascending. Empty: not bound.
    pub cpus: Vec<u32>,
    /// The CPUs of its group, ascending, its own among them: the second choice if the kernel refuses these. Empty:
    /// not bound.
    pub group: Vec<u32>,
    /// What that place is: `core 1, llc 0, node 0`.
    pub reason: String,
}

impl Plan {
    /// Makes the plan. It looks at nothing but its arguments.
    ///
    /// # Errors
    ///
    /// When the machine cannot do what the config says: CPUs outside of the allowed ones, more shards than CPUs
    /// with `pin = "core"`, no CPU left, more than one shard with `flavor = "current_thread"`, a `[[shard]]` that is
    /// not among the shards. With `on_error = "fail"` also when the machine does not tell what a key needs to know.
    pub fn new(topology: &Topology, config: &Config) -> Result<Self, PlanError> {
        Planner::new(None, topology, config).plan()
    }
}

impl Plan {
    /// So many shards that nobody placed: threads that the kernel moves as it likes.
    pub(crate) fn unplaced(shards: usize) -> Self {
        let reason = || "not placed".to_owned();
        Self {
            shards: (0..shards)
                .map(|id| ShardPlan { id, reason: reason(), ..ShardPlan::default() })
                .collect(),
            pin: Pin::None,
            left_out: Vec::new(),
            blocking_cpus: Vec::new(),
            blocking_reason: reason(),
            quota: None,
            incoming_cpus: Vec::new(),
            memory: Memory::None,
            memory_nodes: Vec::new(),
            may_spin: false,
            warnings: Vec::new(),
        }
    }
}

struct Planner<'a> {
    topology: &'a Topology,
    config: &'a Config,
    /// The plan of the shards that run already.
    running: Option<&'a Plan>,
    /// What shards may be bound to.
    allowed: CpuList,
    /// What the blocking pool may use when it is to keep away from what is set apart or reserved.
    pool: CpuList,
    /// The CPUs of every `[[shard]]`: no candidates any more, and used.
    told: CpuList,
    /// Those of each `[[shard]]`, in the order of the file.
    told_each: Vec<CpuList>,
    /// What may still get a shard.
    candidates: Vec<&'a Cpu>,
    left_out: Vec<(u32, String)>,
    warnings: Vec<String>,
}

impl<'a> Planner<'a> {
    fn new(running: Option<&'a Plan>, topology: &'a Topology, config: &'a Config) -> Self {
        let mut planner = Self {
            topology,
            config,
            running,
            allowed: topology.allowed(),
            pool: CpuList::default(),
            told: CpuList::default(),
            told_each: Vec::new(),
            candidates: topology.cpus.iter().collect(),
            left_out: topology.offline.iter().map(|cpu| (cpu, "offline".into())).collect(),
            warnings: topology.warnings.clone(),
        };
        planner.keep_allowed();
        planner
    }

    fn plan(mut self) -> Result<Plan, PlanError> {
        self.take_told()?;
        self.keep_listed()?;
        self.keep_isolated()?;
        self.drop_domains()?;
        self.reserve_cores()?;
        self.keep_kind()?;
        self.one_per_core()?;
        self.keep_preferred();
        self.put_in_order()?;
        self.place()
    }

    fn leave_out(&mut self, mut why: impl FnMut(&'a Cpu) -> Option<String>) {
        self.sort_out(&mut why);
    }

    fn sort_out(&mut self, why: &mut dyn FnMut(&'a Cpu) -> Option<String>) {
        let left_out = &mut self.left_out;
        self.candidates.retain(|cpu| match why(cpu) {
            Some(reason) => {
                left_out.push((cpu.id, reason));
                false
            }
            None => true,
        });
    }

    fn remaining(&self) -> CpuList {
        self.candidates.iter().map(|cpu| cpu.id).collect()
    }

    /// A step that took every CPU away is what is wrong, unless each shard is told its own.
    fn must_leave_some(&self, before: &CpuList, key: &'static str) -> Result<(), PlanError> {
        if !self.candidates.is_empty() || before.is_empty() || !self.told.is_empty() {
            return Ok(());
        }
        let message = format!("no CPU is left for a shard; expected to keep at least one of {before}");
        Err(self.error("placement", key, message))
    }

    /// What the machine does not tell or have: an error with `on_error = "fail"`, otherwise a warning.
    fn unmet(&mut self, section: &'static str, key: &'static str, message: String) -> Result<(), PlanError> {
        let mut error = self.error(section, key, message);
        if self.config.placement.on_error == OnError::Fail {
            // A default that cannot be met stands nowhere in the file; what makes it an error does.
            if error.place.is_none() {
                error.place = self.error("placement", "on_error", String::new()).place;
            }
            return Err(error);
        }
        self.warnings.push(error.to_string());
        Ok(())
    }

    /// The CPUs that a key names. `error` makes one about the key's value; it is shown at the part that is wrong.
    fn named(
        &self,
        cpus: &CpuSelection,
        error: impl FnOnce(String) -> PlanError,
    ) -> Result<CpuList, PlanError> {
        self.cpus_of(cpus).map_err(|wrong| error(wrong.message).at(wrong.offset))
    }

    fn cpus_of(&self, cpus: &CpuSelection) -> Result<CpuList, WrongPart> {
        match cpus {
            CpuSelection::List(list) => Ok(list.clone()),
            CpuSelection::Parts(parts) => parts::cpus(self.topology, parts),
        }
    }

    fn error(&self, section: &'static str, key: &'static str, message: String) -> PlanError {
        let (value, place) = self.config.written(section, key);
        PlanError::new(place, About::Key(section, key), format!("[{section}] {key} = {value}: {message}"))
    }

    fn shard_error(&self, index: usize, key: &str, message: String) -> PlanError {
        let (value, place) = self.config.written_shard(index, key);
        PlanError::new(place, About::Shard(index), format!("[[shard]] {key} = {value}: {message}"))
    }
}

/// The numbers, or what to say when the machine tells none.
fn shown(ids: &CpuList) -> String {
    if ids.is_empty() { "those the machine tells, which are none".into() } else { ids.to_string() }
}
