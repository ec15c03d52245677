//! The steps that take CPUs away, in their order.

use super::{PlanError, Planner, shown};
use crate::config::{AutoOr, CpuList, CpuSelection, Cpus, Domain, Isolated, Kind, ShardSettings, Smt};
use crate::topology::{CoreKind, Cpu};

impl Planner<'_> {
    /// Online, in the affinity mask and in the cpuset.
    ///
    /// A kernel that sets CPUs apart starts every process with a mask of all the others. Nobody chose that mask, and
    /// any process may leave it, so `isolated` "prefer" and "only" do. A mask that is anything else was chosen and
    /// holds.
    pub(super) fn keep_allowed(&mut self) {
        let topology = self.topology;
        let online: CpuList = topology.cpus.iter().map(|cpu| cpu.id).collect();
        let in_cpuset = |cpu: &u32| topology.cpuset.as_ref().is_none_or(|set| set.contains(*cpu));
        let isolated: CpuList = topology.isolated.iter().flat_map(CpuList::iter).filter(in_cpuset).collect();
        let isolated = isolated.common(&online);
        let boots_mask = |mask: &CpuList| mask.common(&online) == online.without(&isolated);
        let outside = if topology.affinity.as_ref().is_some_and(boots_mask) {
            isolated.without(&self.allowed)
        } else {
            CpuList::default()
        };
        if self.config.placement.isolated == Isolated::Ignore {
            self.pool = self.allowed.clone();
        } else {
            self.pool = self.allowed.without(&topology.set_apart());
            self.allowed = self.allowed.with(&outside);
        }
        let allowed = self.allowed.clone();
        self.leave_out(|cpu| match &topology.cpuset {
            _ if allowed.contains(cpu.id) => None,
            Some(set) if !set.contains(cpu.id) => {
                Some(format!("outside of the control group's cpuset ({set})"))
            }
            _ if outside.contains(cpu.id) => {
                Some("isolated, and outside of the mask of every process".into())
            }
            _ => Some("outside of the process's affinity mask".into()),
        });
    }

    /// What a `[[shard]]` names is its own.
    pub(super) fn take_told(&mut self) -> Result<(), PlanError> {
        for (index, ShardSettings { cpus, .. }) in self.config.shard.iter().enumerate() {
            let error = |message| self.shard_error(index, "cpus", message);
            let cpus = self.named(cpus, error)?;
            if let Some(message) = self.not_allowed(&cpus) {
                return Err(error(message));
            }
            self.told = self.told.with(&cpus);
            self.told_each.push(cpus);
        }
        let told = &self.told;
        self.candidates.retain(|cpu| !told.contains(cpu.id));
        Ok(())
    }

    pub(super) fn keep_listed(&mut self) -> Result<(), PlanError> {
        let Cpus::List(cpus) = &self.config.placement.cpus else { return Ok(()) };
        let before = self.remaining();
        let list = self.named_and_allowed("placement", cpus)?;
        self.leave_out(|cpu| (!list.contains(cpu.id)).then(|| "not in `cpus`".into()));
        self.must_leave_some(&before, "cpus")
    }

    pub(super) fn keep_isolated(&mut self) -> Result<(), PlanError> {
        if self.config.placement.isolated == Isolated::Ignore {
            return Ok(());
        }
        let (before, isolated) = (self.remaining(), self.topology.set_apart());
        if self.topology.isolated.is_none() && self.topology.nohz_full.is_none() {
            let message = "the machine does not tell which CPUs are set apart; all of them are used".into();
            return self.unmet("placement", "isolated", message);
        }
        if self.config.placement.isolated == Isolated::Prefer {
            return Ok(());
        }
        if before.common(&isolated).is_empty() && !before.is_empty() && self.told.is_empty() {
            let message = format!(
                "none of cpus {before} is set apart at boot; expected \"prefer\" or \"ignore\", or a machine with \
                 isolcpus= or nohz_full="
            );
            return Err(self.error("placement", "isolated", message));
        }
        self.leave_out(|cpu| (!isolated.contains(cpu.id)).then(|| "not isolated".into()));
        Ok(())
    }

    /// The CPUs that come before others, whatever the order is otherwise.
    pub(super) fn preferred(&self) -> CpuList {
        match self.config.placement.isolated {
            Isolated::Prefer => self.topology.set_apart(),
            _ => CpuList::default(),
        }
    }

    /// The CPUs of shards that run already.
    fn held(&self) -> CpuList {
        let shards = self.running.iter().flat_map(|plan| &plan.shards);
        shards.flat_map(|shard| shard.cpus.iter().copied()).collect()
    }

    /// Where the number of shards is not told, those that are preferred are enough.
    pub(super) fn keep_preferred(&mut self) {
        let preferred = self.preferred();
        let finds_some = self.candidates.iter().any(|cpu| preferred.contains(cpu.id));
        if finds_some && self.running.is_none() && self.config.placement.shards == AutoOr::Auto {
            let why = "not isolated, and isolated = \"prefer\" finds others";
            self.leave_out(|cpu| (!preferred.contains(cpu.id)).then(|| why.into()));
        }
    }

    pub(super) fn drop_domains(&mut self) -> Result<(), PlanError> {
        let before = self.remaining();
        for &domain in &self.config.placement.drop {
            let in_domain = |cpu: &Cpu| match domain {
                Domain::Cpu(n) => cpu.id == n,
                Domain::Core(n) => cpu.core == Some(n),
                Domain::Llc(n) => cpu.llc == Some(n),
                Domain::Node(n) => cpu.node == Some(n),
            };
            let cpus = &self.topology.cpus;
            let members: Vec<&Cpu> = cpus.iter().filter(|cpu| in_domain(cpu)).collect();
            if members.is_empty() {
                let ids: CpuList = cpus.iter().filter_map(|cpu| id_like(cpu, domain)).collect();
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
        self.must_leave_some(&before, "drop")
    }

    /// Frees the lowest-numbered of the allowed cores, with all their hardware threads. A CPU whose core is not known
    /// is a core.
    pub(super) fn reserve_cores(&mut self) -> Result<(), PlanError> {
        let before = self.remaining();
        let reserve = self.config.placement.reserve as usize;
        let (mut cores, mut count, mut reserved) = (Cores::default(), 0, CpuList::default());
        for cpu in self.topology.cpus.iter().filter(|cpu| self.allowed.contains(cpu.id)) {
            let is_twin = cores.first_of(cpu).is_some();
            if !is_twin && count < reserve {
                cores.add(cpu);
                count += 1;
                reserved.insert(cpu.id);
            } else if is_twin {
                reserved.insert(cpu.id);
            }
        }
        if count < reserve && count > 0 {
            let message = format!("there are {count} cores; expected fewer than that");
            return Err(self.error("placement", "reserve", message));
        }
        self.pool = self.pool.without(&reserved);
        self.leave_out(|cpu| {
            reserved.contains(cpu.id).then(|| "reserved for interrupts and the system".into())
        });
        self.must_leave_some(&before, "reserve")
    }

    pub(super) fn keep_kind(&mut self) -> Result<(), PlanError> {
        let (wanted, why) = match self.config.placement.kind {
            Kind::Any => return Ok(()),
            Kind::Performance => (CoreKind::Performance, "not a performance core"),
            Kind::Efficiency => (CoreKind::Efficiency, "not an efficiency core"),
        };
        if self.topology.cpus.iter().all(|cpu| cpu.kind.is_none()) {
            let message = "the machine does not tell different kinds of core; all of them are used".into();
            return self.unmet("placement", "kind", message);
        }
        let before = self.remaining();
        self.leave_out(|cpu| (cpu.kind != Some(wanted)).then(|| why.into()));
        self.must_leave_some(&before, "kind")
    }

    pub(super) fn one_per_core(&mut self) -> Result<(), PlanError> {
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
        // Of a core with one hardware thread that is set apart and one that is not, the one that comes first stays; before
        // both comes the one that has a shard already.
        let (preferred, held) = (self.preferred(), self.held());
        self.candidates.sort_by_key(|cpu| (!held.contains(cpu.id), !preferred.contains(cpu.id)));
        let mut cores = Cores::default();
        self.topology.cpus.iter().filter(|cpu| self.told.contains(cpu.id)).for_each(|cpu| cores.add(cpu));
        self.leave_out(|cpu| {
            let twin = cores.first_of(cpu);
            if twin.is_none() {
                cores.add(cpu);
            }
            twin.map(|twin| format!("on the core of cpu {twin}"))
        });
        Ok(())
    }

    /// The CPUs of a section's `cpus`. Of those for shards that run already, what is left is enough.
    pub(super) fn named_and_allowed(
        &mut self,
        section: &'static str,
        cpus: &CpuSelection,
    ) -> Result<CpuList, PlanError> {
        let list = self.named(cpus, |message| self.error(section, "cpus", message))?;
        let Some(message) = self.not_allowed(&list) else { return Ok(list) };
        let error = self.error(section, "cpus", message);
        if self.running.is_none() || list.common(&self.allowed).is_empty() {
            return Err(error);
        }
        self.warnings.push(error.to_string());
        Ok(list.common(&self.allowed))
    }

    fn not_allowed(&self, list: &CpuList) -> Option<String> {
        let beyond = list.without(&self.allowed);
        let within = || shown(&self.allowed);
        (!beyond.is_empty())
            .then(|| format!("this process may not use cpus {beyond}; expected a list within {}", within()))
    }
}

/// Cores, each by the CPU of it that came first.
#[derive(Default)]
struct Cores<'a>(Vec<&'a Cpu>);

impl<'a> Cores<'a> {
    fn add(&mut self, first: &'a Cpu) {
        self.0.push(first);
    }

    /// The CPU that came first on this one's core, if there is one. It is enough if one of the two tells.
    fn first_of(&self, cpu: &Cpu) -> Option<u32> {
        let names = |a: &Cpu, b: &Cpu| a.siblings.as_ref().is_some_and(|set| set.contains(b.id));
        let mut firsts = self.0.iter();
        firsts
            .find(|first| first.id == cpu.id || names(first, cpu) || names(cpu, first))
            .map(|first| first.id)
    }
}

/// Whether two CPUs that have the same number of the domain's kind are in the same one.
fn same(a: &Cpu, b: &Cpu, domain: Domain) -> bool {
    match domain {
        Domain::Core(_) => a.package == b.package && a.siblings.as_ref().is_none_or(|set| set.contains(b.id)),
        Domain::Llc(_) => a.llc_cpus.as_ref().is_none_or(|set| set.contains(b.id)),
        Domain::Cpu(_) | Domain::Node(_) => true,
    }
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
