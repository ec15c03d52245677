//! What is told of a change.

use std::fmt;
use std::sync::Arc;

use crate::config::CpuList;
use crate::topology::Plan;

/// A change of a running runtime's placement, or what kept it from changing: what
/// [`Builder::on_placement_change`](super::super::Builder::on_placement_change) is called with.
///
/// [`Display`](fmt::Display) says in a line what became of the shards.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlacementChange {
    /// What has changed; at least one.
    pub causes: Vec<PlacementCause>,
    /// The plan before.
    pub before: Arc<Plan>,
    /// The plan from now on. It is the one before if there is an [`error`](Self::error).
    pub after: Arc<Plan>,
    /// The shards that are bound to other CPUs than before.
    pub moved: Vec<usize>,
    /// What the kernel refused, and what was done instead.
    pub refusals: Vec<String>,
    /// What a file that was read again says and a running runtime can't do: `[scheduler] quantum_us: 100 -> 50 needs a restart`.
    pub needs_restart: Vec<String>,
    /// Why everything stays as it was: a file with an error, or a refusal with `on_error = "fail"`.
    pub error: Option<String>,
}

/// What made a runtime place its shards anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlacementCause {
    /// The process's affinity mask.
    Affinity,
    /// The cpuset of its control group.
    Cpuset,
    /// The CPU quota of its control group or of one above.
    Quota,
    /// The CPUs that are online.
    Online,
    /// The mask of a shard's thread, which somebody else has set.
    Threads,
    /// The config file, which was read again.
    Config,
}

impl PlacementChange {
    /// What somebody should look at, in words: the new plan's warnings that the one before had not, then refusals, then what needs a
    /// restart, then the error.
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        let new = self.after.warnings.iter().filter(|warning| !self.before.warnings.contains(warning));
        let all = new.chain(&self.refusals).chain(&self.needs_restart).chain(&self.error);
        all.map(String::as_str)
    }

    #[cfg(feature = "tracing")]
    pub(super) fn trace(&self) {
        tracing::info!(target: "corelane::placement", moved = ?self.moved, "{self}");
        self.warnings().for_each(|warning| tracing::warn!(target: "corelane::placement", "{warning}"));
    }
}

impl fmt::Display for PlacementChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let causes: Vec<String> = self.causes.iter().map(PlacementCause::to_string).collect();
        let what = if self.error.is_some() { "placement stays" } else { "placement changed" };
        write!(f, "{what} ({})", causes.join(", "))?;
        let bound = |cpus: &[u32]| match cpus {
            [] => "any cpu".into(),
            _ => format!("cpu {}", cpus.iter().copied().collect::<CpuList>()),
        };
        for (i, &id) in self.moved.iter().enumerate() {
            let [before, after] = [&self.before, &self.after].map(|plan| bound(&plan.shards[id].cpus));
            write!(f, "{}shard {id}: {before} -> {after}", if i == 0 { ": " } else { ", " })?;
        }
        Ok(())
    }
}

impl fmt::Display for PlacementCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Affinity => "affinity",
            Self::Cpuset => "cpuset",
            Self::Quota => "quota",
            Self::Online => "online",
            Self::Threads => "threads",
            Self::Config => "config",
        })
    }
}
