//! The plan for shards that run already.
//!
//! Their number is given: a shard has tasks that live and die on it, so none is ever taken away. And there is no way back
//! to a program that was never started, so what would be an error for a new runtime is a warning here: the key that
//! cannot be met is done without, one at a time, until there is a plan. The defaults can always be met.

use super::error::About;
use super::{Plan, Planner};
use crate::config::{BlockingCpus, Config, CpuList, Cpus, Flavor, Isolated, Kind, OnError};
use crate::topology::{Cpu, Topology};

impl Plan {
    /// The plan for the shards of this one, after the machine or the config has changed. It looks at nothing but its arguments.
    ///
    /// Each shard stays where it is if that CPU is still allowed and is what the config asks for. The others get free CPUs in the
    /// order of the config, and if there are too few, they share; then a warning says so. Keys that this machine cannot
    /// meet for so many shards are done without, each with a warning.
    ///
    /// # Examples
    ///
    /// ```
    /// use corelane::config::{Config, CpuList};
    /// use corelane::topology::{Cpu, Plan, Topology};
    ///
    /// let mut machine = Topology { cpus: (0..4).map(|id| Cpu { id, ..Cpu::default() }).collect(), ..Topology::default() };
    /// machine.affinity = CpuList::parse("0-2");
    /// let before = Plan::new(&machine, &Config::default())?;
    /// machine.affinity = CpuList::parse("0,2-3");
    /// let after = before.replan(&machine, &Config::default());
    /// let cpus: Vec<u32> = after.shards.iter().flat_map(|shard| shard.cpus.clone()).collect();
    /// assert_eq!(cpus, [0, 3, 2]);
    /// # Ok::<(), corelane::topology::PlanError>(())
    /// ```
    pub fn replan(&self, topology: &Topology, config: &Config) -> Plan {
        let mut config = config.clone();
        config.placement.on_error = OnError::Degrade;
        let mut warnings = self.narrow_told(topology, &mut config);
        loop {
            let error = match Planner::new(Some(self), topology, &config).plan() {
                Ok(mut plan) => {
                    plan.warnings.append(&mut warnings);
                    return plan;
                }
                Err(error) => error,
            };
            warnings.push(format!("{error}; done without, as the shards run already"));
            if !waive(&mut config, error.about) {
                // No plan fails at a default. If one did, the shards would stay where they are.
                return Plan { warnings, ..self.clone() };
            }
        }
    }

    /// Leaves of each `[[shard]]` what is allowed. Who has nothing left is placed as others are.
    fn narrow_told(&self, topology: &Topology, config: &mut Config) -> Vec<String> {
        let told = std::mem::take(&mut config.shard);
        let planner = Planner::new(Some(self), topology, config);
        let one = config.runtime.flavor == Flavor::CurrentThread;
        let mut warnings = Vec::new();
        let mut kept = Vec::new();
        for mut shard in told.into_iter().filter(|shard| !one && (shard.id as usize) < self.shards.len()) {
            let named = planner.cpus_of(&shard.cpus);
            let (left, gone) = match &named {
                Ok(cpus) => (cpus.common(&planner.allowed), cpus.without(&planner.allowed)),
                Err(_) => (CpuList::default(), CpuList::default()),
            };
            let placed = if left.is_empty() { "; it is placed as others are" } else { "" };
            let id = shard.id;
            match named {
                Ok(_) if gone.is_empty() => {}
                Ok(_) => warnings.push(format!(
                    "[[shard]] id = {id}: this process may not use cpus {gone} any more{placed}"
                )),
                Err(wrong) => warnings.push(format!("[[shard]] id = {id}: {}{placed}", wrong.message)),
            }
            if !left.is_empty() {
                shard.cpus = left.into();
                kept.push(shard);
            }
        }
        config.shard = kept;
        warnings
    }
}

/// Sets what a plan fails at to what no plan fails at. False if it is that already.
fn waive(config: &mut Config, about: About) -> bool {
    let before = config.clone();
    match about {
        About::Key("placement", "cpus") => config.placement.cpus = Cpus::Allowed,
        About::Key("placement", "isolated") => config.placement.isolated = Isolated::Ignore,
        About::Key("placement", "drop") => config.placement.drop.clear(),
        About::Key("placement", "reserve") => config.placement.reserve = 0,
        About::Key("placement", "kind") => config.placement.kind = Kind::Any,
        About::Key("blocking", "cpus") => config.blocking.cpus = BlockingCpus::Rest,
        About::Key(..) => {}
        About::Shard(index) => drop(config.shard.remove(index)),
    }
    *config != before
}

impl<'a> Planner<'a> {
    /// A candidate for each of these shards: one that it is on already, as far as they stay evenly spread, else the first of those
    /// with the fewest shards.
    pub(super) fn seats_of(&self, running: &Plan, ids: impl Iterator<Item = usize>) -> Vec<&'a Cpu> {
        let mut seats: Vec<(usize, Option<usize>)> = ids.map(|id| (id, None)).collect();
        let places = self.candidates.len();
        if places == 0 {
            return Vec::new();
        }
        // Each CPU has this many shards, and some have one more.
        let (each, mut more) = (seats.len() / places, seats.len() % places);
        let mut shards_on = vec![0; places];
        for one_more in [false, true] {
            for (id, seat) in seats.iter_mut().filter(|(_, seat)| seat.is_none()) {
                let has_room = |at: &usize| match one_more {
                    false => shards_on[*at] < each,
                    true => shards_on[*at] == each && more > 0,
                };
                let is_own = |at: &usize| running.shards[*id].cpus.contains(&self.candidates[*at].id);
                *seat = (0..places).filter(has_room).find(is_own);
                if let Some(at) = *seat {
                    shards_on[at] += 1;
                    more -= usize::from(one_more);
                }
            }
        }
        for (_, seat) in seats.iter_mut().filter(|(_, seat)| seat.is_none()) {
            let fewest = (0..places).min_by_key(|&at| shards_on[at]).unwrap_or_default();
            shards_on[fewest] += 1;
            *seat = Some(fewest);
        }
        seats.into_iter().filter_map(|(_, seat)| Some(self.candidates[seat?])).collect()
    }
}
