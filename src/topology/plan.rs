//! From a machine and a config to a CPU for each shard: a pure function that keeps its reasons.
//!
//! The order is fixed: online → affinity → cpuset → `cpus` → `drop` → `smt` → near to far → number of shards,
//! capped by the quota → `pin`. Each step takes CPUs away and says why; what is left has the shards.
//!
//! Here: the decision and its explanation. Not here: reading the machine (`sysfs`, `cgroup`) and binding threads
//! (`pin`).

use std::collections::BTreeMap;
use std::error::Error;
use std::{fmt, io};

use super::{Cpu, Quota, Topology};
use crate::config::{
    AutoOr, BlockingCpus, Config, CpuList, Cpus, Domain, Flavor, OnError, Pin, Position, QuotaPolicy, Smt,
};

/// Which shard runs where, and why every other CPU has none.
///
/// The same topology and config always give the same plan. [`Display`](fmt::Display) prints it as a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The shards in order; there is at least one.
    pub shards: Vec<ShardPlan>,
    /// What the shards' threads are bound to.
    pub pin: Pin,
    /// The CPUs that no shard uses, ascending, each with the reason.
    pub left_out: Vec<(u32, String)>,
    /// The CPUs of the blocking pool's threads. Empty: not bound.
    pub blocking_cpus: Vec<u32>,
    /// Why it is these.
    pub blocking_reason: String,
    /// The quota that counts. `None` with `quota = "ignore"`.
    pub quota: Option<Quota>,
    /// Whether an idle shard may look for work for a while before it sleeps: each shard is bound, has a CPU, and
    /// all of them together stay within the quota. Otherwise looking takes the time of somebody who has work.
    pub may_spin: bool,
    /// What could not be read or done; printed at the start with `on_error = "warn"`.
    pub warnings: Vec<String>,
}

/// One shard's place.
#[derive(Clone, Debug, PartialEq)]
pub struct ShardPlan {
    /// The shard's number, from 0.
    pub id: usize,
    /// The CPUs its thread is bound to, ascending. Empty: not bound.
    pub cpus: Vec<u32>,
    /// What that place is: `core 1, llc 0, node 0`.
    pub reason: String,
}

/// A placement this machine cannot do.
///
/// Shown as `conf.toml:2:10: [placement] shards = 64: expected …`; the place is missing when the value is not from
/// a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError {
    place: Option<(String, Position)>,
    message: String,
}

impl Plan {
    /// Makes the plan. It looks at nothing but its arguments.
    ///
    /// # Errors
    ///
    /// When the machine cannot do what the config says: CPUs outside of the allowed ones, more shards than CPUs
    /// with `pin = "core"`, no CPU left, more than one shard with `flavor = "current_thread"`. With
    /// `on_error = "fail"` also when the machine does not tell what a key needs to know.
    pub fn new(topology: &Topology, config: &Config) -> Result<Self, PlanError> {
        let mut planner = Planner {
            config,
            allowed: topology.allowed(),
            candidates: topology.cpus.iter().collect(),
            left_out: topology.offline.iter().map(|cpu| (cpu, "offline".into())).collect(),
            warnings: topology.warnings.clone(),
        };
        planner.keep_allowed(topology);
        planner.keep_listed()?;
        planner.drop_domains(topology)?;
        planner.one_per_core()?;
        planner.near_to_far();
        planner.place(topology)
    }
}

struct Planner<'a> {
    config: &'a Config,
    allowed: CpuList,
    /// What may still get a shard.
    candidates: Vec<&'a Cpu>,
    left_out: BTreeMap<u32, String>,
    warnings: Vec<String>,
}

impl<'a> Planner<'a> {
    fn keep_allowed(&mut self, topology: &Topology) {
        let allowed = self.allowed.clone();
        self.leave_out(|cpu| match &topology.cpuset {
            _ if allowed.contains(cpu.id) => None,
            Some(set) if !set.contains(cpu.id) => {
                Some(format!("outside of the control group's cpuset ({set})"))
            }
            _ => Some("outside of the process's affinity mask".into()),
        });
    }

    fn keep_listed(&mut self) -> Result<(), PlanError> {
        let Cpus::List(list) = &self.config.placement.cpus else { return Ok(()) };
        self.must_be_allowed("placement", list)?;
        self.leave_out(|cpu| (!list.contains(cpu.id)).then(|| "not in `cpus`".into()));
        Ok(())
    }

    fn drop_domains(&mut self, topology: &Topology) -> Result<(), PlanError> {
        let before = self.remaining();
        for &domain in &self.config.placement.drop {
            let in_domain = |cpu: &Cpu| match domain {
                Domain::Cpu(n) => cpu.id == n,
                Domain::Core(n) => cpu.core == Some(n),
                Domain::Llc(n) => cpu.llc == Some(n),
                Domain::Node(n) => cpu.node == Some(n),
            };
            let members: Vec<&Cpu> = topology.cpus.iter().filter(|cpu| in_domain(cpu)).collect();
            if members.is_empty() {
                let ids: CpuList = topology.cpus.iter().filter_map(|cpu| id_like(cpu, domain)).collect();
                let message = format!("nothing here is \"{domain}\"; expected a number from {}", shown(&ids));
                self.unmet("placement", "drop", message)?;
            }
            // sysfs starts the numbers of cores, and on some machines of caches, again in each package: then a
            // number does not say which one is meant.
            if members.iter().any(|cpu| !same(members[0], cpu, domain)) {
                let cpus: CpuList = members.iter().map(|cpu| cpu.id).collect();
                let message =
                    format!("\"{domain}\" is the number of several, on cpus {cpus}; expected \"cpu:N\"");
                return Err(self.error("placement", "drop", message));
            }
            self.leave_out(|cpu| in_domain(cpu).then(|| format!("dropped: \"{domain}\"")));
        }
        if self.candidates.is_empty() && !before.is_empty() {
            let message = format!("no CPU is left for a shard; expected to keep at least one of {before}");
            return Err(self.error("placement", "drop", message));
        }
        Ok(())
    }

    fn one_per_core(&mut self) -> Result<(), PlanError> {
        if self.config.placement.smt == Smt::All {
            return Ok(());
        }
        let unknown: CpuList =
            self.candidates.iter().filter(|c| c.siblings.is_none()).map(|c| c.id).collect();
        if !unknown.is_empty() {
            let message =
                format!("the machine does not tell which cores cpus {unknown} are on; all of them are used");
            self.unmet("placement", "smt", message)?;
        }
        let mut kept: Vec<&Cpu> = Vec::new();
        self.leave_out(|cpu| {
            let twin = kept.iter().copied().find(|k| shares(&k.siblings, cpu) || shares(&cpu.siblings, k));
            if twin.is_none() {
                kept.push(cpu);
            }
            twin.map(|twin| format!("on the core of cpu {}", twin.id))
        });
        Ok(())
    }

    /// Neighbours first, so that fewer shards than CPUs end up close together. The sort is stable: CPUs of which
    /// nothing is known stay in the order of their numbers.
    fn near_to_far(&mut self) {
        self.candidates.sort_by_key(|cpu| group(cpu));
    }

    fn place(mut self, topology: &Topology) -> Result<Plan, PlanError> {
        let placement = &self.config.placement;
        let quota = topology.quota.clone().filter(|_| placement.quota != QuotaPolicy::Ignore);
        if self.candidates.is_empty() {
            self.unmet(
                "placement",
                "pin",
                "the CPUs of this machine are not known; no shard is bound".into(),
            )?;
        }
        let count = self.count(quota.as_ref())?;
        // The thread of a current_thread runtime is its caller's, and there may be many: it stays as it is.
        let unbound = self.candidates.is_empty() || self.config.runtime.flavor == Flavor::CurrentThread;
        let pin = if unbound { Pin::None } else { placement.pin };
        let shards = (0..count).map(|id| self.shard(id, pin)).collect::<Vec<_>>();

        let why = match (placement.shards, &quota) {
            (AutoOr::Auto, Some(quota)) => format!("beyond the quota of {:.2} CPUs", quota.cpus()),
            _ => format!("not needed: shards = {count}"),
        };
        let used: CpuList = shards.iter().flat_map(|shard| shard.cpus.iter().copied()).collect();
        let cpus = self.candidates.len();
        if pin != Pin::None {
            self.leave_out(|cpu| (!used.contains(cpu.id)).then(|| why.clone()));
        }
        let within_quota = quota.as_ref().is_none_or(|quota| count as f64 <= quota.cpus());
        if let Some(quota) = quota.as_ref().filter(|_| !within_quota) {
            let (file, cpus) = (quota.file.display(), quota.cpus());
            let warning =
                format!("{file} allows {cpus:.2} CPUs; with shards = {count} they are throttled when busy");
            self.warnings.push(warning);
        }
        let (blocking_cpus, blocking_reason) = self.blocking(topology, &used)?;
        Ok(Plan {
            may_spin: pin != Pin::None && count <= cpus && within_quota,
            shards,
            pin,
            left_out: self.left_out.into_iter().collect(),
            blocking_cpus: blocking_cpus.iter().collect(),
            blocking_reason,
            quota,
            warnings: self.warnings,
        })
    }

    fn count(&self, quota: Option<&Quota>) -> Result<usize, PlanError> {
        let Config { runtime, placement, .. } = self.config;
        let one = runtime.flavor == Flavor::CurrentThread;
        let have = self.candidates.len();
        match placement.shards {
            AutoOr::Number(n) if one && n != 1 => {
                let message = "flavor = \"current_thread\" has one shard; expected 1 or \"auto\"".into();
                Err(self.error("placement", "shards", message))
            }
            AutoOr::Number(n) if placement.pin == Pin::Core && have > 0 && n as usize > have => {
                let cpus = self.remaining();
                let message = format!(
                    "with pin = \"core\" each shard has a CPU, and cpus {cpus} are left; expected at most {have}, \
                     or pin = \"group\" or \"none\""
                );
                Err(self.error("placement", "shards", message))
            }
            AutoOr::Number(n) => Ok(n.max(1) as usize),
            AutoOr::Auto if one => Ok(1),
            AutoOr::Auto => {
                let cap = quota.filter(|_| placement.quota == QuotaPolicy::Cap);
                let cap = cap.map_or(usize::MAX, |quota| quota.cpus() as usize);
                Ok(have.min(cap).max(1))
            }
        }
    }

    fn shard(&self, id: usize, pin: Pin) -> ShardPlan {
        // More shards than CPUs share them evenly.
        let cpu = self.candidates.get(id % self.candidates.len().max(1));
        let (cpus, reason) = match cpu {
            Some(cpu) if pin == Pin::Core => (vec![cpu.id], describe(cpu)),
            Some(cpu) if pin == Pin::Group => {
                let mates = self.candidates.iter().filter(|mate| group(mate) == group(cpu));
                (mates.map(|mate| mate.id).collect(), describe_group(cpu))
            }
            _ => (Vec::new(), "not bound".into()),
        };
        ShardPlan { id, cpus, reason }
    }

    fn blocking(&mut self, topology: &Topology, used: &CpuList) -> Result<(CpuList, String), PlanError> {
        let allowed = self.allowed.clone();
        let rest = allowed.without(used);
        match &self.config.blocking.cpus {
            BlockingCpus::List(list) => {
                self.must_be_allowed("blocking", list)?;
                return Ok((list.clone(), "as listed".into()));
            }
            BlockingCpus::Any => return Ok((allowed, "all that are allowed".into())),
            BlockingCpus::Rest => {}
            BlockingCpus::Siblings => {
                let of_shards = topology.cpus.iter().filter(|cpu| used.contains(cpu.id));
                let siblings: CpuList =
                    of_shards.filter_map(|c| c.siblings.as_ref()).flat_map(|s| s.iter()).collect();
                let idle = siblings.common(&rest);
                if !idle.is_empty() {
                    return Ok((idle, "idle hardware threads of the shards' cores".into()));
                }
                let message =
                    "no shard's core is known to have an idle hardware thread; taken as \"rest\"".into();
                self.unmet("blocking", "cpus", message)?;
            }
        }
        if rest.is_empty() {
            return Ok((allowed, "shared with the shards, which have every allowed CPU".into()));
        }
        Ok((rest, "no shard is bound here".into()))
    }

    fn leave_out(&mut self, mut why: impl FnMut(&'a Cpu) -> Option<String>) {
        let left_out = &mut self.left_out;
        self.candidates.retain(|cpu| match why(cpu) {
            Some(reason) => {
                left_out.insert(cpu.id, reason);
                false
            }
            None => true,
        });
    }

    fn remaining(&self) -> CpuList {
        self.candidates.iter().map(|cpu| cpu.id).collect()
    }

    fn must_be_allowed(&self, section: &str, list: &CpuList) -> Result<(), PlanError> {
        let beyond = list.without(&self.allowed);
        if beyond.is_empty() {
            return Ok(());
        }
        let message = format!(
            "this process may not use cpus {beyond}; expected a list within {}",
            shown(&self.allowed)
        );
        Err(self.error(section, "cpus", message))
    }

    /// What the machine does not tell or have: an error with `on_error = "fail"`, otherwise a warning.
    fn unmet(&mut self, section: &str, key: &str, message: String) -> Result<(), PlanError> {
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

    fn error(&self, section: &str, key: &str, message: String) -> PlanError {
        let (value, place) = self.config.written(section, key);
        PlanError {
            place: place.map(|(file, position)| (file.to_owned(), position)),
            message: format!("[{section}] {key} = {value}: {message}"),
        }
    }
}

/// What is near each other: node and last-level cache, the latter named by its lowest CPU because old kernels do
/// not number caches. CPUs of which nothing is known are one group.
fn group(cpu: &Cpu) -> (Option<u32>, Option<u32>) {
    (cpu.node, cpu.llc_cpus.as_ref().and_then(CpuList::first))
}

/// Whether two CPUs that have the same number of the domain's kind are in the same one.
fn same(a: &Cpu, b: &Cpu, domain: Domain) -> bool {
    match domain {
        Domain::Core(_) => a.package == b.package && a.siblings.as_ref().is_none_or(|set| set.contains(b.id)),
        Domain::Llc(_) => a.llc_cpus.as_ref().is_none_or(|set| set.contains(b.id)),
        Domain::Cpu(_) | Domain::Node(_) => true,
    }
}

fn shares(siblings: &Option<CpuList>, cpu: &Cpu) -> bool {
    siblings.as_ref().is_some_and(|siblings| siblings.contains(cpu.id))
}

/// The CPU's number of the kind the domain has.
fn id_like(cpu: &Cpu, domain: Domain) -> Option<u32> {
    match domain {
        Domain::Cpu(_) => Some(cpu.id),
        Domain::Core(_) => cpu.core,
        Domain::Llc(_) => cpu.llc,
        Domain::Node(_) => cpu.node,
    }
}

fn describe(cpu: &Cpu) -> String {
    format!("core {}, {}", number(cpu.core), describe_group(cpu))
}

fn describe_group(cpu: &Cpu) -> String {
    format!("llc {}, node {}", number(cpu.llc), number(cpu.node))
}

fn number(id: Option<u32>) -> String {
    id.map_or("unknown".into(), |id| id.to_string())
}

fn shown(ids: &CpuList) -> String {
    if ids.is_empty() { "those the machine tells, which are none".into() } else { ids.to_string() }
}

/// `cpu 2` or `cpus 0-3,8`
fn cpus(cpus: &CpuList) -> String {
    format!("cpu{} {cpus}", if cpus.len() == 1 { "" } else { "s" })
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ShardPlan { id, cpus: bound, reason } in &self.shards {
            match bound.as_slice() {
                [] => writeln!(f, "shard {id} → any cpu ({reason})")?,
                bound => writeln!(f, "shard {id} → {} ({reason})", cpus(&bound.iter().copied().collect()))?,
            }
        }
        let mut reasons: Vec<(&str, Vec<u32>)> = Vec::new();
        for (cpu, reason) in &self.left_out {
            match reasons.iter_mut().find(|(seen, _)| seen == reason) {
                Some((_, cpus)) => cpus.push(*cpu),
                None => reasons.push((reason, vec![*cpu])),
            }
        }
        for (reason, left_out) in reasons {
            writeln!(f, "left out: {}: {reason}", cpus(&left_out.into_iter().collect()))?;
        }
        match &self.quota {
            Some(quota) => writeln!(f, "quota: {:.2} CPUs ({})", quota.cpus(), quota.file.display())?,
            None => writeln!(f, "quota: none")?,
        }
        match self.blocking_cpus.as_slice() {
            [] => writeln!(f, "blocking pool → any cpu ({})", self.blocking_reason)?,
            bound => {
                writeln!(
                    f,
                    "blocking pool → {} ({})",
                    cpus(&bound.iter().copied().collect()),
                    self.blocking_reason
                )?;
            }
        }
        self.warnings.iter().try_for_each(|warning| writeln!(f, "warning: {warning}"))
    }
}

impl PlanError {
    /// The config file's name. `None` when the value is not from a file.
    pub fn file(&self) -> Option<&str> {
        self.place.as_ref().map(|(file, _)| file.as_str())
    }

    /// The line of the value, counted from 1.
    pub fn line(&self) -> Option<usize> {
        self.place.as_ref().map(|(_, position)| position.line)
    }

    /// The column of the value in characters, counted from 1.
    pub fn column(&self) -> Option<usize> {
        self.place.as_ref().map(|(_, position)| position.column)
    }

    /// The text without the place.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((file, Position { line, column })) = &self.place {
            write!(f, "{file}:{line}:{column}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl Error for PlanError {}

impl From<PlanError> for io::Error {
    fn from(error: PlanError) -> Self {
        io::Error::new(io::ErrorKind::InvalidInput, error)
    }
}
