//! The plan as a table.

use std::fmt;

use super::{Plan, ShardPlan};
use crate::config::{CpuList, Memory};
use crate::topology::cgroup::is_about_quota;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ShardPlan { id, cpus, reason, .. } in &self.shards {
            writeln!(f, "shard {id} → {} ({reason})", bound(cpus))?;
        }
        let mut reasons: Vec<(&str, Vec<u32>)> = Vec::new();
        for (cpu, reason) in &self.left_out {
            match reasons.iter_mut().find(|(seen, _)| seen == reason) {
                Some((_, cpus)) => cpus.push(*cpu),
                None => reasons.push((reason, vec![*cpu])),
            }
        }
        for (reason, left_out) in reasons {
            writeln!(f, "left out: {}: {reason}", bound(&left_out))?;
        }
        match &self.quota {
            Some(quota) => writeln!(f, "quota: {:.2} CPUs ({})", quota.cpus(), quota.file.display())?,
            None if self.warnings.iter().any(|warning| is_about_quota(warning)) => {
                writeln!(f, "quota: unknown")?;
            }
            None => writeln!(f, "quota: none")?,
        }
        if self.memory == Memory::Interleave {
            match self.memory_nodes.as_slice() {
                [] => writeln!(f, "memory: not interleaved")?,
                nodes => {
                    writeln!(
                        f,
                        "memory: interleaved over nodes {}",
                        nodes.iter().copied().collect::<CpuList>()
                    )?;
                }
            }
        }
        if self.incoming_cpus.iter().any(Option::is_some) {
            writeln!(f, "listeners: each takes what comes in on its shard's cpu")?;
        }
        writeln!(f, "blocking pool → {} ({})", bound(&self.blocking_cpus), self.blocking_reason)?;
        self.warnings.iter().try_for_each(|warning| writeln!(f, "warning: {warning}"))
    }
}

/// `cpu 2`, `cpus 0-3,8` or `any cpu`
fn bound(cpus: &[u32]) -> String {
    let list: CpuList = cpus.iter().copied().collect();
    match cpus {
        [] => "any cpu".into(),
        [cpu] => format!("cpu {cpu}"),
        _ => format!("cpus {list}"),
    }
}
