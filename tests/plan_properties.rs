//! What holds of every plan, for machines and configs from seeds.

use std::collections::BTreeSet;
use std::path::Path;

use corelane::config::{
    AutoOr, BlockingCpus, Config, CpuList, Cpus, Domain, Flavor, OnError, Pin, QuotaPolicy, Smt,
};
use corelane::topology::{Cpu, Plan, Quota, Topology};

/// xorshift64*: enough for tests, and the seed says it all.
struct Rng(u64);

impl Rng {
    fn below(&mut self, n: u32) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % u64::from(n)) as u32
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }

    fn some_of(&mut self, cpus: &[u32]) -> CpuList {
        cpus.iter().copied().filter(|_| self.below(3) > 0).collect()
    }

    fn topology(&mut self) -> Topology {
        let mut ids: BTreeSet<u32> = BTreeSet::new();
        for _ in 0..=self.below(24) {
            ids.insert(self.below(40));
        }
        let ids: Vec<u32> = ids.into_iter().collect();
        let cpus = ids.iter().map(|&id| Cpu {
            id,
            core: (!self.one_in(4)).then(|| self.below(8)),
            // Sets that contradict each other, too: the kernel does not promise to make sense.
            siblings: (!self.one_in(3))
                .then(|| [id, ids[self.below(ids.len() as u32) as usize]].into_iter().collect()),
            llc: (!self.one_in(4)).then(|| self.below(3)),
            llc_cpus: (!self.one_in(4)).then(|| self.some_of(&ids)),
            node: (!self.one_in(4)).then(|| self.below(3)),
            package: (!self.one_in(4)).then(|| self.below(2)),
            ..Cpu::default()
        });
        let cpus = cpus.collect();
        Topology {
            cpus,
            affinity: (!self.one_in(3)).then(|| self.some_of(&ids)),
            cpuset: self.one_in(2).then(|| self.some_of(&ids)),
            quota: self.one_in(2).then(|| Quota {
                quota_us: u64::from(self.below(800_000)),
                period_us: 100_000,
                file: Path::new("/cpu.max").into(),
            }),
            ..Topology::default()
        }
    }

    fn config(&mut self, topology: &Topology) -> Config {
        let mut config = Config::default();
        let ids: Vec<u32> = topology.cpus.iter().map(|cpu| cpu.id).collect();
        config.runtime.flavor = if self.one_in(8) { Flavor::CurrentThread } else { Flavor::Sharded };
        let placement = &mut config.placement;
        placement.shards = if self.one_in(2) { AutoOr::Auto } else { AutoOr::Number(1 + self.below(12)) };
        let allowed: Vec<u32> = topology.allowed().iter().collect();
        placement.cpus = match self.below(4) {
            0 => Cpus::List(self.some_of(&allowed)),
            1 => Cpus::List(self.some_of(&ids)),
            _ => Cpus::Allowed,
        };
        for _ in 0..self.below(3) {
            let n = self.below(6);
            placement.drop.push(
                [Domain::Cpu(n), Domain::Core(n), Domain::Llc(n), Domain::Node(n)][self.below(4) as usize],
            );
        }
        placement.smt = if self.one_in(2) { Smt::All } else { Smt::OnePerCore };
        placement.pin = [Pin::Core, Pin::Core, Pin::Group, Pin::None][self.below(4) as usize];
        placement.quota = [QuotaPolicy::Cap, QuotaPolicy::Warn, QuotaPolicy::Ignore][self.below(3) as usize];
        placement.on_error = if self.one_in(8) { OnError::Fail } else { OnError::Degrade };
        config.blocking.cpus = match self.below(4) {
            0 => BlockingCpus::Rest,
            1 => BlockingCpus::Any,
            2 => BlockingCpus::Siblings,
            _ => BlockingCpus::List(self.some_of(&allowed)),
        };
        config
    }
}

#[test]
fn properties_of_every_plan() {
    const SEEDS: u64 = 5_000;
    let (mut plans, mut errors) = (0, 0);
    for seed in 1..=SEEDS {
        let mut rng = Rng(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let topology = rng.topology();
        let config = rng.config(&topology);
        let result = Plan::new(&topology, &config);
        assert_eq!(result, Plan::new(&topology.clone(), &config.clone()), "seed {seed}: not deterministic");
        let Ok(plan) = result else {
            errors += 1;
            continue;
        };
        plans += 1;
        check(&plan, &topology, &config)
            .unwrap_or_else(|broken| panic!("seed {seed}: {broken}\n{config}\n{plan}"));
    }
    assert!(
        plans > SEEDS / 4 && errors > SEEDS / 20,
        "{plans} plans, {errors} errors: the seeds test little"
    );
}

fn check(plan: &Plan, topology: &Topology, config: &Config) -> Result<(), &'static str> {
    let ensure = |holds: bool, rule: &'static str| if holds { Ok(()) } else { Err(rule) };
    let allowed = topology.allowed();
    let bound: Vec<u32> = plan.shards.iter().flat_map(|shard| shard.cpus.clone()).collect();
    let used: BTreeSet<u32> = bound.iter().copied().collect();
    let left_out: BTreeSet<u32> = plan.left_out.iter().map(|(cpu, _)| *cpu).collect();
    let blocking = &plan.blocking_cpus;
    ensure(!plan.shards.is_empty(), "no shard")?;
    ensure(plan.shards.iter().enumerate().all(|(i, shard)| shard.id == i), "numbers are not in order")?;
    ensure(used.iter().all(|&cpu| allowed.contains(cpu)), "a shard outside of the allowed CPUs")?;
    ensure(
        blocking.iter().all(|&cpu| allowed.contains(cpu)),
        "the blocking pool outside of the allowed CPUs",
    )?;
    ensure(used.is_disjoint(&left_out), "a CPU is used and left out")?;
    ensure(
        plan.left_out.is_sorted() && left_out.len() == plan.left_out.len(),
        "left out twice or out of order",
    )?;
    ensure(plan.left_out.iter().all(|(_, reason)| !reason.is_empty()), "no reason")?;
    if plan.pin != Pin::None {
        let online: BTreeSet<u32> = topology.cpus.iter().map(|cpu| cpu.id).collect();
        ensure(used.union(&left_out).eq(online.iter()), "a CPU is neither used nor left out")?;
        ensure(plan.shards.iter().all(|shard| !shard.cpus.is_empty()), "a bound shard without a CPU")?;
    }
    if plan.pin == Pin::Core {
        ensure(bound.len() == used.len() && bound.len() == plan.shards.len(), "two shards on a CPU")?;
    }
    if let AutoOr::Number(n) = config.placement.shards {
        ensure(plan.shards.len() == n as usize, "not as many shards as the config says")?;
    } else if let Some(quota) = plan.quota.as_ref().filter(|_| config.placement.quota == QuotaPolicy::Cap) {
        ensure(plan.shards.len() as f64 <= quota.cpus().max(1.0), "more shards than the quota")?;
    }
    if plan.pin == Pin::Core && config.placement.smt == Smt::OnePerCore {
        let on_one_core = |cpu: &Cpu| {
            used.iter()
                .any(|&other| other != cpu.id && cpu.siblings.as_ref().is_some_and(|s| s.contains(other)))
        };
        ensure(
            !topology.cpus.iter().any(|cpu| used.contains(&cpu.id) && on_one_core(cpu)),
            "two shards on a core",
        )?;
    }
    if config.blocking.cpus == BlockingCpus::Rest && blocking.iter().any(|cpu| used.contains(cpu)) {
        ensure(
            allowed.iter().all(|cpu| used.contains(&cpu)),
            "the blocking pool on a shard's CPU without need",
        )?;
    }
    Ok(())
}
