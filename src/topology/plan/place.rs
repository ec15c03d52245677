//! How many shards, and what each and the blocking pool are bound to.

use super::order::group;
use super::{Plan, PlanError, Planner, ShardPlan};
use crate::config::{
    AutoOr, BlockingCpus, CPUS_MAX, Config, CpuList, Flavor, GroupBy, Memory, Pin, QuotaPolicy, Reload,
    ShardSettings, Steering,
};
use crate::topology::{Cpu, Quota};

impl Planner<'_> {
    pub(super) fn place(mut self) -> Result<Plan, PlanError> {
        let Config { runtime, placement, shard: told, .. } = self.config;
        let quota = self.topology.quota.clone().filter(|_| placement.quota != QuotaPolicy::Ignore);
        let cpus = self.candidates.len() + told.len();
        if cpus == 0 {
            let message = "the CPUs of this machine are not known; no shard is bound".into();
            self.unmet("placement", "pin", message)?;
        }
        let (count, why) = self.count(quota.as_ref())?;
        // The thread of a current_thread runtime is its caller's, and there may be many: it stays as it is.
        let unbound = cpus == 0 || runtime.flavor == Flavor::CurrentThread;
        let pin = if unbound { Pin::None } else { placement.pin };
        let shards = self.shards(count, pin);
        if pin != Pin::None && count > cpus && self.running.is_some() {
            let left = self.remaining().with(&self.told);
            let message = format!("{count} shards run and cpus {left} are left for them");
            if placement.reserve > 0 {
                return Err(self.error("placement", "reserve", message));
            }
            self.warnings.push(format!("{message}: some share a CPU"));
        }
        let used: CpuList = shards.iter().flat_map(|shard| shard.cpus.iter().copied()).collect();
        if pin != Pin::None {
            self.leave_out(|cpu| (!used.contains(cpu.id)).then(|| why.clone()));
        }
        self.left_out.sort_unstable_by_key(|(cpu, _)| *cpu);
        let within_quota = quota.as_ref().is_none_or(|quota| count as f64 <= quota.cpus());
        if let Some(quota) = quota.as_ref().filter(|_| !within_quota) {
            let (file, cpus) = (quota.file.display(), quota.cpus());
            let warning =
                format!("{file} allows {cpus:.2} CPUs; with shards = {count} they are throttled when busy");
            self.warnings.push(warning);
        }
        let incoming_cpus = self.incoming_cpus(&shards)?;
        let memory_nodes = self.memory_nodes(&used)?;
        let (blocking_cpus, blocking_reason) = self.blocking(&used)?;
        let told_once = self.told_each.iter().map(CpuList::len).sum::<usize>() == self.told.len();
        Ok(Plan {
            may_spin: count <= cpus && told_once && within_quota,
            shards,
            pin,
            left_out: self.left_out,
            blocking_cpus: blocking_cpus.iter().collect(),
            blocking_reason,
            quota,
            incoming_cpus,
            memory: placement.memory,
            memory_nodes,
            warnings: self.warnings,
        })
    }

    /// How many shards, and why a CPU beyond them is left out.
    fn count(&self, quota: Option<&Quota>) -> Result<(usize, String), PlanError> {
        let Config { runtime, placement, shard: told, .. } = self.config;
        let one = runtime.flavor == Flavor::CurrentThread;
        let have = self.candidates.len() + told.len();
        if let Some(running) = self.running {
            let count = running.shards.len();
            return Ok((count, format!("not needed: {count} shards run")));
        }
        if one && placement.reload == Reload::Sighup {
            let message = "flavor = \"current_thread\" places nothing anew; expected \"off\"".into();
            return Err(self.error("placement", "reload", message));
        }
        let (count, why) = match placement.shards {
            AutoOr::Number(n) if one && n != 1 => {
                let message = "flavor = \"current_thread\" has one shard; expected 1 or \"auto\"".into();
                return Err(self.error("placement", "shards", message));
            }
            // Of a program that has filled in the config itself: a file may not say so.
            AutoOr::Number(n) if n > CPUS_MAX => {
                return Err(self.error("placement", "shards", format!("expected at most {CPUS_MAX}")));
            }
            AutoOr::Number(n) if placement.pin == Pin::Core && have > 0 && n as usize > have => {
                let cpus = self.remaining().with(&self.told);
                let message = format!(
                    "with pin = \"core\" each shard has a CPU, and cpus {cpus} are left; expected at most {have}, \
                     or pin = \"group\" or \"none\""
                );
                return Err(self.error("placement", "shards", message));
            }
            AutoOr::Number(n)
                if placement.pin == Pin::Group
                    && self.candidates.is_empty()
                    && have > 0
                    && n as usize > have =>
            {
                let message = format!(
                    "each [[shard]] has its CPUs, and no other is left; expected at most {have}, or pin = \"none\""
                );
                return Err(self.error("placement", "shards", message));
            }
            AutoOr::Number(n) => {
                let count = n.max(1) as usize;
                (count, format!("not needed: shards = {count}"))
            }
            AutoOr::Auto if one => (1, "not needed: flavor = \"current_thread\"".into()),
            AutoOr::Auto => {
                let cap = quota.and_then(|quota| match placement.quota {
                    QuotaPolicy::Cap => Some((quota.cpus().floor(), quota)),
                    QuotaPolicy::CapUp => Some((quota.cpus().ceil(), quota)),
                    QuotaPolicy::Warn | QuotaPolicy::Ignore => None,
                });
                match cap {
                    Some((cap, quota)) if cap < have as f64 => {
                        (cap as usize, format!("beyond the quota of {:.2} CPUs", quota.cpus()))
                    }
                    _ => (have, "not needed".into()),
                }
            }
        };
        let count = count.max(1);
        let is_none = |shard: &ShardSettings| shard.id as usize >= count;
        match told.iter().position(is_none) {
            _ if one && !told.is_empty() => {
                let message = "flavor = \"current_thread\" binds no thread; expected no [[shard]]".into();
                Err(self.shard_error(0, "id", message))
            }
            Some(index) => {
                let message = format!("the plan has shards = {count}; expected an id below that");
                Err(self.shard_error(index, "id", message))
            }
            None => Ok((count, why)),
        }
    }

    fn shards(&self, count: usize, pin: Pin) -> Vec<ShardPlan> {
        let (level, preferred) = (self.config.placement.group_by, self.preferred());
        // The kernel balances no load between CPUs that are set apart and others: they make no group.
        let group = |cpu: &Cpu| (preferred.contains(cpu.id), group(cpu, level));
        let mates = |cpu: &Cpu| -> CpuList {
            let all = self.candidates.iter();
            all.filter(|other| group(other) == group(cpu)).map(|other| other.id).collect()
        };
        let told = |id: usize| self.config.shard.iter().find(|told| told.id as usize == id);
        let mut seats = match self.running {
            Some(running) => self.seats_of(running, (0..count).filter(|&id| told(id).is_none())),
            // More shards than CPUs share them evenly.
            None => self.candidates.iter().copied().cycle().take(count).collect(),
        }
        .into_iter();
        let mut shard = |id| {
            let is_this = |told: &(&ShardSettings, _)| told.0.id as usize == id;
            if let Some((_, told)) = self.config.shard.iter().zip(&self.told_each).find(is_this) {
                let first = self.topology.cpus.iter().find(|cpu| told.first() == Some(cpu.id));
                let near = first.map(mates).unwrap_or_default();
                let reason = match first {
                    Some(cpu) if told.len() == 1 => format!("as told; {}", describe(cpu)),
                    _ => "as told".into(),
                };
                let group = told.with(&near).iter().collect();
                return ShardPlan { id, cpus: told.iter().collect(), group, reason };
            }
            match seats.next() {
                Some(cpu) if pin != Pin::None => {
                    let group: Vec<u32> = mates(cpu).iter().collect();
                    let (cpus, reason) = match pin {
                        Pin::Core => (vec![cpu.id], describe(cpu)),
                        _ => (group.clone(), describe_group(cpu, level)),
                    };
                    ShardPlan { id, cpus, group, reason }
                }
                _ => ShardPlan { id, reason: "not bound".into(), ..ShardPlan::default() },
            }
        };
        (0..count).map(&mut shard).collect()
    }

    fn incoming_cpus(&mut self, shards: &[ShardPlan]) -> Result<Vec<Option<u32>>, PlanError> {
        if self.config.listen.steering != Steering::IncomingCpu {
            return Ok(Vec::new());
        }
        let own = |shard: &ShardPlan| match *shard.cpus {
            [cpu] => Some(cpu),
            _ => None,
        };
        if shards.iter().any(|shard| own(shard).is_none()) {
            let message =
                "a shard that is not bound to one CPU takes packets of any; expected pin = \"core\"";
            self.unmet("listen", "steering", message.into())?;
        }
        Ok(shards.iter().map(own).collect())
    }

    /// The nodes to interleave over; for "local" a word about shards whose node has no memory.
    fn memory_nodes(&mut self, used: &CpuList) -> Result<Vec<u32>, PlanError> {
        let bare: CpuList = self
            .topology
            .nodes
            .iter()
            .filter(|node| node.has_memory == Some(false))
            .map(|node| node.id)
            .collect();
        let cpus = self.topology.cpus.iter().filter(|cpu| used.contains(cpu.id)).collect::<Vec<_>>();
        let nodes = |cpus: &[&Cpu]| cpus.iter().filter_map(|cpu| cpu.node).collect::<CpuList>();
        match self.config.placement.memory {
            // The thread of a current_thread runtime is its caller's, and so is its memory.
            _ if self.config.runtime.flavor == Flavor::CurrentThread => Ok(Vec::new()),
            Memory::None => Ok(Vec::new()),
            Memory::Local => {
                let without = nodes(&cpus).common(&bare);
                if !without.is_empty() {
                    let message =
                        format!("no memory on nodes {without}; that of their shards is on other nodes");
                    self.warnings.push(self.error("placement", "memory", message).to_string());
                }
                Ok(Vec::new())
            }
            Memory::Interleave => {
                // Shards that are not bound may be anywhere they could have been bound to.
                let cpus = if cpus.is_empty() { self.candidates.clone() } else { cpus };
                let unknown: CpuList =
                    cpus.iter().filter(|cpu| cpu.node.is_none()).map(|cpu| cpu.id).collect();
                if !unknown.is_empty() {
                    let message = format!(
                        "the machine does not tell the NUMA node of cpus {unknown}; memory is not interleaved"
                    );
                    self.unmet("placement", "memory", message)?;
                    return Ok(Vec::new());
                }
                // One node leaves nothing to interleave.
                Ok(Some(nodes(&cpus).without(&bare))
                    .filter(|n| n.len() > 1)
                    .iter()
                    .flat_map(CpuList::iter)
                    .collect())
            }
        }
    }

    fn blocking(&mut self, used: &CpuList) -> Result<(CpuList, String), PlanError> {
        match &self.config.blocking.cpus {
            BlockingCpus::List(cpus) => {
                return Ok((self.named_and_allowed("blocking", cpus)?, "as listed".into()));
            }
            BlockingCpus::Any => return Ok((self.topology.allowed(), "all that are allowed".into())),
            BlockingCpus::Rest => {}
            BlockingCpus::Siblings => {
                let of_shards = self.topology.cpus.iter().filter(|cpu| used.contains(cpu.id));
                let siblings: CpuList =
                    of_shards.filter_map(|c| c.siblings.as_ref()).flat_map(|s| s.iter()).collect();
                let idle = siblings.common(&self.allowed).without(used);
                if !idle.is_empty() {
                    return Ok((idle, "idle hardware threads of the shards' cores".into()));
                }
                let message =
                    "no shard's core is known to have an idle hardware thread; taken as \"rest\"".into();
                self.unmet("blocking", "cpus", message)?;
            }
        }
        let rest = self.pool.without(used);
        if !rest.is_empty() {
            return Ok((rest, "no shard is bound here".into()));
        }
        let all = self.topology.allowed();
        if self.pool.is_empty() || self.pool == all {
            return Ok((all, "shared with the shards, which have every allowed CPU".into()));
        }
        Ok((self.pool.clone(), "shared with the shards; what they leave is reserved or set apart".into()))
    }
}

fn describe(cpu: &Cpu) -> String {
    format!("core {}, {}", number(cpu.core), describe_group(cpu, GroupBy::Llc))
}

fn describe_group(cpu: &Cpu, level: GroupBy) -> String {
    match level {
        GroupBy::None => "all that are left".into(),
        GroupBy::Llc => format!("llc {}, node {}", number(cpu.llc), number(cpu.node)),
        GroupBy::Numa => format!("node {}", number(cpu.node)),
        GroupBy::Package => format!("package {}", number(cpu.package)),
    }
}

fn number(id: Option<u32>) -> String {
    id.map_or("unknown".into(), |id| id.to_string())
}
