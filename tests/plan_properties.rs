//! What holds of every plan, for machines and configs from seeds.

use std::collections::BTreeSet;
use std::path::Path;

use corelane::config::{
    AutoOr, BlockingCpus, Config, CpuList, CpuSelection, Cpus, Domain, Flavor, GroupBy, Isolated, Kind,
    Memory, OnError, Order, Pin, QuotaPolicy, ShardSettings, Smt, keys, shard_keys,
};
use corelane::topology::{CoreKind, Cpu, Node, Plan, Quota, Topology};

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

    fn kind(&mut self) -> CoreKind {
        if self.one_in(2) { CoreKind::Performance } else { CoreKind::Efficiency }
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u32) as usize].clone()
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
            capacity: None,
            kind: (!self.one_in(3)).then(|| self.kind()),
        });
        let cpus = cpus.collect();
        let nodes = (0..self.below(4)).map(|id| Node {
            id,
            cpus: self.some_of(&ids),
            has_memory: (!self.one_in(3)).then(|| !self.one_in(3)),
        });
        let nodes = nodes.collect();
        let isolated = self.one_in(2).then(|| self.some_of(&ids));
        // The mask that the kernel gives every process when it sets CPUs apart, or another one.
        let housekeeping =
            isolated.as_ref().map(|isolated| CpuList::from_iter(ids.clone()).without(isolated));
        Topology {
            cpus,
            nodes,
            nohz_full: self.one_in(4).then(|| self.some_of(&ids)),
            affinity: if self.one_in(3) {
                housekeeping
            } else {
                (!self.one_in(3)).then(|| self.some_of(&ids))
            },
            isolated,
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
            0 => Cpus::List(self.some_of(&allowed).into()),
            1 => Cpus::List(self.some_of(&ids).into()),
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
        placement.quota = [QuotaPolicy::Cap, QuotaPolicy::CapUp, QuotaPolicy::Warn, QuotaPolicy::Ignore]
            [self.below(4) as usize];
        self.new_keys(&mut config.placement);
        for id in 0..6 {
            if self.one_in(10) {
                config.shard.push(ShardSettings { id, cpus: self.some_of(&allowed).into() });
            }
        }
        let placement = &mut config.placement;
        placement.on_error = if self.one_in(8) { OnError::Fail } else { OnError::Degrade };
        config.blocking.cpus = match self.below(4) {
            0 => BlockingCpus::Rest,
            1 => BlockingCpus::Any,
            2 => BlockingCpus::Siblings,
            _ => BlockingCpus::List(self.some_of(&allowed).into()),
        };
        config
    }

    fn new_keys(&mut self, placement: &mut corelane::config::Placement) {
        placement.isolated = self.of(&[Isolated::Ignore, Isolated::Ignore, Isolated::Prefer, Isolated::Only]);
        placement.kind = self.of(&[Kind::Any, Kind::Any, Kind::Performance, Kind::Efficiency]);
        placement.group_by = self.of(&[GroupBy::None, GroupBy::Llc, GroupBy::Numa, GroupBy::Package]);
        placement.order = self.of(&[Order::Pack, Order::Spread]);
        placement.memory = self.of(&[Memory::Local, Memory::Interleave, Memory::None]);
        placement.reserve = if self.one_in(3) { self.below(4) } else { 0 };
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

/// These configs name CPUs by their numbers.
fn list(cpus: &CpuSelection) -> &CpuList {
    match cpus {
        CpuSelection::List(list) => list,
        CpuSelection::Parts(parts) => panic!("{parts}"),
    }
}

/// Each level divides the CPUs of which it is known: its parts have nothing in common, `all` is all of them, and the next index is
/// an error that says which ones there are.
#[test]
fn parts_of_every_machine() {
    let mut some = 0;
    for seed in 1..=500_u64 {
        let topology = Rng(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15)).topology();
        let topology = Topology { affinity: None, cpuset: None, ..topology };
        let cpus = |text: &str| {
            let config = Config::parse("c", &format!("[blocking]\ncpus = \"{text}\"\n")).unwrap();
            let plan = Plan::new(&topology, &config);
            plan.map(|plan| plan.blocking_cpus.into_iter().collect::<CpuList>())
                .map_err(|error| error.to_string())
        };
        for level in ["package", "numa", "llc", "core", "pu"] {
            let Ok(all) = cpus(&format!("{level}:all")) else { continue };
            let mut seen = CpuList::default();
            let mut lowest = None;
            let mut next = 0;
            while let Ok(part) = cpus(&format!("{level}:{next}")) {
                assert!(
                    part.common(&seen).is_empty() && part.first() > lowest,
                    "seed {seed}: {level}:{next}"
                );
                (seen, lowest, next) = (seen.with(&part), part.first(), next + 1);
            }
            assert_eq!(seen, all, "seed {seed}: {level}");
            if level != "pu" {
                assert_eq!(cpus(&format!("{level}:all.pu:all")), Ok(all), "seed {seed}: {level}");
            }
            let there: CpuList = (0..next).collect();
            let error = cpus(&format!("{level}:0,{next}")).unwrap_err();
            assert!(
                error.ends_with(&format!("there is no {level}:{next}; expected {level}:{there}")),
                "{error}"
            );
            some += next;
        }
    }
    assert!(some > 2_000, "{some} parts: the seeds test little");
}

fn check(plan: &Plan, topology: &Topology, config: &Config) -> Result<(), &'static str> {
    let ensure = |holds: bool, rule: &'static str| if holds { Ok(()) } else { Err(rule) };
    let placement = &config.placement;
    let online: CpuList = topology.cpus.iter().map(|cpu| cpu.id).collect();
    let mut allowed = topology.allowed();
    if placement.isolated != Isolated::Ignore {
        let isolated = topology.isolated.clone().unwrap_or_default().common(&online);
        let may = |cpu: &u32| topology.cpuset.as_ref().is_none_or(|set| set.contains(*cpu));
        allowed = allowed.with(&isolated.iter().filter(may).collect());
    }
    let told: CpuList = config.shard.iter().flat_map(|shard| list(&shard.cpus).iter()).collect();
    let is_told = |id: usize| config.shard.iter().any(|shard| shard.id as usize == id);
    let bound: Vec<u32> = plan.shards.iter().flat_map(|shard| shard.cpus.clone()).collect();
    let used: CpuList = bound.iter().copied().collect();
    // Those that the steps of the pipeline chose.
    let chosen: Vec<_> = plan.shards.iter().filter(|shard| !is_told(shard.id)).collect();
    let chosen_cpus: CpuList = chosen.iter().flat_map(|shard| shard.cpus.iter().copied()).collect();
    let cpus = || topology.cpus.iter().filter(|cpu| chosen_cpus.contains(cpu.id));
    let left_out: CpuList = plan.left_out.iter().map(|(cpu, _)| *cpu).collect();
    let blocking: CpuList = plan.blocking_cpus.iter().copied().collect();
    ensure(!plan.shards.is_empty(), "no shard")?;
    ensure(plan.shards.iter().enumerate().all(|(i, shard)| shard.id == i), "numbers are not in order")?;
    ensure(used.without(&allowed).is_empty(), "a shard outside of the allowed CPUs")?;
    ensure(blocking.without(&allowed).is_empty(), "the blocking pool outside of the allowed CPUs")?;
    ensure(used.common(&left_out).is_empty(), "a CPU is used and left out")?;
    ensure(
        plan.left_out.is_sorted() && left_out.len() == plan.left_out.len(),
        "left out twice or out of order",
    )?;
    ensure(plan.left_out.iter().all(|(_, reason)| !reason.is_empty()), "no reason")?;
    ensure(
        plan.shards.iter().all(|shard| shard.cpus.iter().all(|cpu| shard.group.contains(cpu))),
        "a shard outside of its group",
    )?;
    for shard in &config.shard {
        let there = &plan.shards[shard.id as usize];
        ensure(list(&shard.cpus).iter().eq(there.cpus.iter().copied()), "a shard is not where it was told")?;
    }
    ensure(chosen_cpus.common(&told).is_empty(), "a shard on a CPU that another one was told")?;
    if plan.pin != Pin::None {
        ensure(used.with(&left_out) == online, "a CPU is neither used nor left out")?;
        ensure(chosen.iter().all(|shard| !shard.cpus.is_empty()), "a bound shard without a CPU")?;
    }
    if plan.pin == Pin::Core {
        ensure(chosen_cpus.len() == chosen.len(), "two shards on a CPU")?;
    }
    if let AutoOr::Number(n) = placement.shards {
        ensure(plan.shards.len() == n as usize, "not as many shards as the config says")?;
    } else if let Some(quota) = &plan.quota {
        let cap = match placement.quota {
            QuotaPolicy::Cap => quota.cpus().max(1.0),
            QuotaPolicy::CapUp => quota.cpus().ceil(),
            QuotaPolicy::Warn | QuotaPolicy::Ignore => f64::INFINITY,
        };
        ensure(plan.shards.len() as f64 <= cap, "more shards than the quota")?;
    }
    if plan.pin == Pin::Core && placement.smt == Smt::OnePerCore {
        let has_mate = |cpu: &Cpu| {
            used.iter()
                .any(|other| other != cpu.id && cpu.siblings.as_ref().is_some_and(|s| s.contains(other)))
        };
        ensure(!cpus().any(has_mate), "two shards on a core")?;
    }
    if placement.kind != Kind::Any && topology.cpus.iter().any(|cpu| cpu.kind.is_some()) {
        let kind =
            if placement.kind == Kind::Performance { CoreKind::Performance } else { CoreKind::Efficiency };
        ensure(cpus().all(|cpu| cpu.kind == Some(kind)), "a shard on the other kind of core")?;
    }
    if placement.isolated == Isolated::Only && (topology.isolated.is_some() || topology.nohz_full.is_some()) {
        ensure(
            chosen_cpus.without(&topology.set_apart()).is_empty(),
            "a shard on a CPU that is not set apart",
        )?;
    }
    if placement.reserve > 0 {
        let first = allowed.first().unwrap_or(u32::MAX);
        ensure(!chosen_cpus.contains(first), "a shard on a reserved CPU")?;
    }
    let nodes: Vec<u32> = topology.cpus.iter().filter_map(|cpu| cpu.node).collect();
    ensure(plan.memory_nodes.iter().all(|node| nodes.contains(node)), "memory of a node without CPUs")?;
    ensure(plan.memory_nodes.len() != 1, "interleaved over one node")?;
    if config.blocking.cpus == BlockingCpus::Rest
        && (placement.reserve, placement.isolated) == (0, Isolated::Ignore)
        && !blocking.common(&used).is_empty()
    {
        ensure(allowed.without(&used).is_empty(), "the blocking pool on a shard's CPU without need")?;
    }
    Ok(())
}

/// What holds of every plan for shards that run: they are as many, on allowed CPUs, each where it was if that is still one the
/// config gives, and none shares a CPU while another is free.
#[test]
fn properties_of_every_replan() {
    const SEEDS: u64 = 5_000;
    let (mut stayed, mut moved, mut shared) = (0, 0, 0);
    for seed in 1..=SEEDS {
        let mut rng = Rng(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let topology = if rng.one_in(2) { regular(&mut rng) } else { rng.topology() };
        let config = rng.config(&topology);
        let Ok(before) = Plan::new(&topology, &config) else { continue };
        let ids: Vec<u32> = topology.cpus.iter().map(|cpu| cpu.id).collect();
        let mut machine = if rng.one_in(3) { switched_off(&topology, rng.of(&ids)) } else { topology };
        match rng.below(4) {
            0 => machine.affinity = Some(rng.some_of(&ids)),
            1 => machine.cpuset = Some(rng.some_of(&ids)),
            2 => machine.cpuset = Some([rng.of(&ids), rng.of(&ids)].into_iter().collect()),
            _ => (machine.affinity, machine.cpuset) = (None, None),
        }
        let config = if rng.one_in(3) { rng.config(&machine) } else { config };
        let after = before.replan(&machine, &config);
        let shown = || format!("seed {seed}\n{config}\n{before}\n{after}\n{machine:?}");
        assert_eq!(after, before.replan(&machine.clone(), &config.clone()), "not deterministic: {}", shown());
        let cpus = |plan: &Plan| plan.shards.iter().map(|shard| shard.cpus.clone()).collect::<Vec<_>>();
        assert_eq!(cpus(&after.replan(&machine, &config)), cpus(&after), "moves again: {}", shown());
        assert_eq!(after.shards.len(), before.shards.len(), "{}", shown());
        assert!(after.shards.iter().enumerate().all(|(i, shard)| shard.id == i), "{}", shown());
        let used: CpuList = after.shards.iter().flat_map(|shard| shard.cpus.iter().copied()).collect();
        let mut allowed = machine.allowed();
        if config.placement.isolated != Isolated::Ignore {
            let may = |cpu: &u32| machine.cpuset.as_ref().is_none_or(|set| set.contains(*cpu));
            let isolated = machine.isolated.iter().flat_map(CpuList::iter).filter(may);
            allowed = allowed.with(&isolated.filter(|cpu| ids.contains(cpu)).collect());
        }
        assert!(used.without(&allowed).is_empty(), "outside of {allowed}: {}", shown());
        let online: CpuList = machine.cpus.iter().map(|cpu| cpu.id).collect();
        assert!(used.without(&online).is_empty(), "off: {}", shown());
        if after.pin != Pin::Core || before.pin != Pin::Core {
            continue;
        }
        // Every CPU that the config gives has a shard or is not needed.
        let free: CpuList = after
            .left_out
            .iter()
            .filter(|(_, why)| why.starts_with("not needed"))
            .map(|(cpu, _)| *cpu)
            .collect();
        let told = |id: usize| config.shard.iter().any(|shard| shard.id as usize == id);
        let others: Vec<_> = after.shards.iter().filter(|shard| !told(shard.id)).collect();
        let chosen: CpuList = others.iter().flat_map(|shard| shard.cpus.iter().copied()).collect();
        let bound = others.iter().filter(|shard| !shard.cpus.is_empty()).count();
        if chosen.len() < bound {
            shared += 1;
            assert!(free.is_empty(), "shares a CPU while {free} are free: {}", shown());
        }
        let mut seen = CpuList::default();
        for (before, after) in before.shards.iter().zip(&after.shards).filter(|(shard, _)| !told(shard.id)) {
            let &[cpu] = &*before.cpus else { continue };
            let first = !seen.contains(cpu);
            seen.insert(cpu);
            if first && (chosen.contains(cpu) || free.contains(cpu)) {
                stayed += 1;
                assert_eq!(after.cpus, before.cpus, "shard {} moved: {}", before.id, shown());
            } else {
                moved += 1;
            }
        }
    }
    assert!(
        stayed > 1_000 && moved > 500 && shared > 100,
        "{stayed} stayed, {moved} moved, {shared} plans with shared CPUs: the seeds test little"
    );
}

/// A machine without contradictions, whose caches are numbered.
fn regular(rng: &mut Rng) -> Topology {
    let [packages, nodes, llcs, cores, threads] = [2, 2, 2, 3, 2].map(|most| 1 + rng.below(most));
    let llc_count = packages * nodes * llcs;
    let all_cores = llc_count * cores;
    let all = |of: &dyn Fn(u32) -> bool| -> CpuList {
        (0..all_cores * threads).filter(|cpu| of(cpu % all_cores)).collect()
    };
    let slow = rng.below(3);
    let cpu = |id: u32| {
        let core = id % all_cores;
        // Half of the machines have the cores of their caches and nodes in turn, half next to each other.
        let llc = if slow == 2 { core % llc_count } else { core / cores };
        let node = llc / llcs;
        Cpu {
            id,
            core: Some(core),
            siblings: Some(all(&|other| other == core)),
            llc: Some(llc),
            llc_cpus: Some(all(&|other| (if slow == 2 { other % llc_count } else { other / cores }) == llc)),
            node: Some(node),
            package: Some(node / nodes),
            capacity: None,
            kind: (slow > 0).then_some(if core % 3 == 0 {
                CoreKind::Efficiency
            } else {
                CoreKind::Performance
            }),
        }
    };
    let cpus: Vec<Cpu> = (0..all_cores * threads).map(cpu).collect();
    let ids: Vec<u32> = cpus.iter().map(|cpu| cpu.id).collect();
    let isolated = rng.one_in(2).then(|| rng.some_of(&ids));
    Topology { cpus, isolated, ..Topology::default() }
}

/// The machine after this CPU was switched off.
fn switched_off(topology: &Topology, cpu: u32) -> Topology {
    let mut topology = topology.clone();
    let gone = CpuList::from_iter([cpu]);
    topology.cpus.retain(|other| other.id != cpu);
    for other in &mut topology.cpus {
        for set in [&mut other.siblings, &mut other.llc_cpus] {
            *set = set.as_ref().map(|set| set.without(&gone));
        }
    }
    topology.offline.insert(cpu);
    topology
}

/// One CPU less moves at most one shard to another CPU, where the machine makes sense, every shard has a CPU, and no
/// step counts from the first CPU (`reserve`) or from nothing at all (the last isolated CPU).
#[test]
fn one_cpu_less_changes_little() {
    let (mut moved, mut kept) = (0, 0);
    for seed in 1..=1_000_u64 {
        let mut rng = Rng(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let topology = regular(&mut rng);
        let mut config = Config::default();
        rng.new_keys(&mut config.placement);
        config.placement.reserve = 0;
        config.placement.smt = rng.of(&[Smt::All, Smt::OnePerCore]);
        if config.placement.isolated == Isolated::Prefer || rng.one_in(2) {
            config.placement.shards = AutoOr::Number(1 + rng.below(topology.cpus.len() as u32));
        }
        let less = switched_off(&topology, rng.of(&topology.cpus).id);
        let (Ok(before), Ok(after)) = (Plan::new(&topology, &config), Plan::new(&less, &config)) else {
            continue;
        };
        let used = |plan: &Plan| plan.shards.iter().flat_map(|shard| shard.cpus.clone()).collect::<CpuList>();
        let (before, after) = (used(&before), used(&after));
        let (left, came) = (before.without(&after), after.without(&before));
        assert!(left.without(&less.offline).is_empty(), "seed {seed}: cpus {left} were left\n{config}");
        assert!(came.len() <= 1, "seed {seed}: cpus {came} are new\n{config}");
        if came.is_empty() { kept += 1 } else { moved += 1 }
    }
    assert!(moved > 100 && kept > 100, "{moved} moved, {kept} did not: the seeds test little");
}

/// Files of any keys with any words, on any machine: a plan that holds what every plan does, or an error with a place.
#[test]
fn any_file_on_any_machine() {
    const WORDS: &[&str] = &[
        "\"auto\"",
        "\"allowed\"",
        "\"ignore\"",
        "\"prefer\"",
        "\"only\"",
        "\"any\"",
        "\"performance\"",
        "\"efficiency\"",
        "\"all\"",
        "\"one-per-core\"",
        "\"none\"",
        "\"llc\"",
        "\"numa\"",
        "\"package\"",
        "\"pack\"",
        "\"spread\"",
        "\"cap\"",
        "\"warn\"",
        "\"core\"",
        "\"group\"",
        "\"fail\"",
        "\"degrade\"",
        "\"local\"",
        "\"interleave\"",
        "\"rest\"",
        "\"siblings\"",
        "\"sharded\"",
        "\"incoming-cpu\"",
        "\"current_thread\"",
        "[]",
        "[\"cpu:3\"]",
        "[\"llc:1\", \"node:0\"]",
        "\"0-20\"",
        "\"3,5,9\"",
        "0",
        "1",
        "2",
        "3",
        "7",
        "100",
        "true",
    ];
    let (mut plans, mut impossible, mut broken) = (0, 0, 0);
    // Mostly a word the key takes, so that most files get as far as a plan.
    let fitting: Vec<Vec<&str>> = keys()
        .iter()
        .map(|key| key.accepts())
        .map(|accepts| WORDS.iter().copied().filter(|word| accepts.contains(word)).collect())
        .collect();
    // Reading is most of the time, so each file meets several machines.
    for seed in 1..=3_000_u64 {
        let mut rng = Rng(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut text = String::new();
        for section in ["runtime", "placement", "blocking", "listen"] {
            let here = keys().iter().zip(&fitting).filter(|(key, _)| key.section == section);
            text += &format!("[{section}]\n");
            for (key, fitting) in here.filter(|(key, _)| {
                section == "placement" || ["cpus", "flavor", "steering"].contains(&key.name)
            }) {
                match rng.below(12) {
                    0..=2 if !fitting.is_empty() => text += &format!("{} = {}\n", key.name, rng.of(fitting)),
                    3 if !rng.one_in(8) => {
                        text += &format!("{} = {}\n", key.name, key.value(&Config::default()))
                    }
                    3 => text += &format!("{} = {}\n", key.name, rng.of(WORDS)),
                    4 if key.name == "shards" || key.name == "reserve" => {
                        text += &format!("{} = {}\n", key.name, rng.below(9));
                    }
                    _ => {}
                }
            }
        }
        for id in 0..rng.below(3) * rng.below(2) {
            text += "[[shard]]\n";
            for key in shard_keys() {
                if rng.one_in(30) {
                    continue;
                }
                let value = if key.name == "id" { id.to_string() } else { format!("\"{}\"", rng.below(40)) };
                text += &format!("{} = {value}\n", key.name);
            }
        }
        let place = |line: Option<usize>, column: Option<usize>, error: &dyn std::fmt::Display| {
            let line = line.and_then(|line| text.lines().nth(line.wrapping_sub(1)));
            let inside =
                line.zip(column).is_some_and(|(line, column)| (1..=line.len() + 1).contains(&column));
            assert!(inside, "seed {seed}: no such place: {error}\n{text}");
        };
        let config = match Config::parse("conf.toml", &text) {
            Ok(config) => config,
            Err(error) => {
                place(error.line(), error.column(), &error);
                broken += 1;
                continue;
            }
        };
        if seed % 8 == 0 {
            assert_eq!(Config::parse("again", &config.to_string()).as_ref(), Ok(&config), "seed {seed}");
        }
        for _ in 0..5 {
            let topology = rng.topology();
            match Plan::new(&topology, &config) {
                Ok(plan) => {
                    let rule = check(&plan, &topology, &config);
                    rule.unwrap_or_else(|rule| panic!("seed {seed}: {rule}\n{text}\n{plan}"));
                    plans += 1;
                }
                Err(error) => {
                    place(error.line(), error.column(), &error);
                    impossible += 1;
                }
            }
        }
    }
    assert!(
        plans > 3_000 && impossible > 1_000 && broken > 100,
        "{plans} plans, {impossible} impossible, {broken} broken: the seeds test little"
    );
}
