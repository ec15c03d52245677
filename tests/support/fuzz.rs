//! What must hold of any input to the parser and the planner: for seeded tests, and for the fuzzer in `fuzz/`.
#![allow(dead_code, reason = "each user takes its part")]

use corelane::config::{Config, ConfigError, CpuList};
use corelane::topology::{CoreKind, Cpu, Node, Plan, Quota, Topology};

/// A file of any bytes is a config that is shown and read back, or errors in the file's order with places that are in it.
pub fn check_config(bytes: &[u8], read: &Result<Config, ConfigError>) {
    let error = match read {
        Ok(config) => {
            assert_eq!(Config::parse("shown", &config.to_string()).as_ref(), Ok(config));
            return;
        }
        Err(error) => error,
    };
    let mut before = (0, 0);
    for error in [error].into_iter().chain(error.further()) {
        let place = (error.line().unwrap_or(0), error.column().unwrap_or(0));
        let line = bytes.split(|byte| *byte == b'\n').nth(place.0.wrapping_sub(1));
        let columns = line.map_or(0, |line| line.len() + 1);
        assert!((1..=columns).contains(&place.1) && place >= before, "{error}\n{}", bytes.escape_ascii());
        assert!(error.to_string().starts_with(error.file()) && !error.message().is_empty(), "{error}");
        before = place;
    }
}

/// Bytes make up a machine, and after a zero stands a config file: a plan that keeps to what is allowed, or an error in words. Says
/// whether there was a plan, if the file could be read.
pub fn check_plan(bytes: &[u8]) -> Option<bool> {
    let (machine, file) = bytes.split_at(bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()));
    let config = Config::parse("fuzz", std::str::from_utf8(file.get(1..).unwrap_or_default()).ok()?).ok()?;
    let topology = Draw(machine).topology();
    let plan = Plan::new(&topology, &config);
    assert_eq!(plan, Plan::new(&topology, &config));
    let plan = match plan {
        Ok(plan) => plan,
        Err(error) => {
            assert!(!error.message().is_empty() && error.line() != Some(0));
            return Some(false);
        }
    };
    let online: CpuList = topology.cpus.iter().map(|cpu| cpu.id).collect();
    let allowed = topology.allowed().with(&topology.set_apart());
    let used: CpuList = plan.shards.iter().flat_map(|shard| shard.cpus.iter().copied()).collect();
    let pool: CpuList = plan.blocking_cpus.iter().copied().collect();
    assert!(used.with(&pool).without(&allowed.common(&online)).is_empty(), "{plan}");
    assert!(plan.shards.iter().enumerate().all(|(at, shard)| shard.id == at) && !plan.shards.is_empty());
    assert!(plan.left_out.iter().all(|(cpu, why)| !used.contains(*cpu) && !why.is_empty()), "{plan}");
    Some(true)
}

/// Takes decisions out of bytes; none left is zero.
struct Draw<'a>(&'a [u8]);

impl Draw<'_> {
    fn below(&mut self, n: u8) -> u32 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        u32::from(first % n)
    }

    fn some<T>(&mut self, some: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(4) != 0).then(|| some(self))
    }

    fn set(&mut self) -> CpuList {
        let bits = self.below(255) | self.below(255) << 8;
        (0..16).filter(|cpu| bits >> cpu & 1 == 1).collect()
    }

    fn topology(&mut self) -> Topology {
        let cpu = |draw: &mut Self, id: u32| Cpu {
            id,
            core: draw.some(|d| d.below(4)),
            siblings: draw.some(Self::set),
            llc: draw.some(|d| d.below(3)),
            llc_cpus: draw.some(Self::set),
            node: draw.some(|d| d.below(3)),
            package: draw.some(|d| d.below(2)),
            capacity: draw.some(|d| d.below(255)),
            kind: [None, Some(CoreKind::Performance), Some(CoreKind::Efficiency)][draw.below(3) as usize],
        };
        let online = self.set();
        let node =
            |draw: &mut Self, id| Node { id, cpus: draw.set(), has_memory: draw.some(|d| d.below(2) == 0) };
        Topology {
            nodes: (0..self.below(4)).map(|id| node(self, id)).collect(),
            offline: self.set().without(&online),
            isolated: self.some(Self::set),
            nohz_full: self.some(Self::set),
            affinity: self.some(Self::set),
            cpuset: self.some(Self::set),
            quota: self.some(|draw| Quota {
                quota_us: u64::from(draw.below(255)) * 10_000,
                period_us: 100_000,
                file: "cpu.max".into(),
            }),
            cpus: online.iter().map(|id| cpu(self, id)).collect(),
            warnings: Vec::new(),
        }
    }
}
