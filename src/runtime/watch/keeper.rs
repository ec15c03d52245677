//! What has changed, and what becomes of it.
//!
//! Here: comparing what is read with what was read, the new plan, and which keys of a file that is read again count. Not here: when
//! (`mod`), and binding (`placed`).
//! Threads: the watcher's, which must not have been bound by us: its mask is read.
//!
//! *Whose mask is the process's.* Every thread has its own, and those of shards and of the pool are ours. The main thread's is what
//! `taskset -p` sets and shows. Where the main thread is a shard's, only `taskset -a` reaches the whole process, and the watcher's
//! mask is what it leaves. A mask counts when it *changes*: what it was when the watch began is what the plan was made for, or
//! somebody's affair that was his own before.
//!
//! *What the kernel does on its own.* A thread whose CPUs have all left the cpuset gets the whole cpuset, and so
//! a shard may be on another one's CPU before anybody has looked. When the cpuset grows again, Linux from 6.2 on gives a thread the CPUs
//! that it asked for, and older kernels the whole cpuset. Whatever came of that, all threads are bound anew after each change;
//! and a shard's thread that has another mask than we left it with is a change. What the kernel left it with after a
//! refusal is remembered, so that one refusal is told once.

use std::io;
use std::path::Path;
use std::sync::Arc;

use corelane_shards::mesh::Mesh;

use crate::config::{
    AutoOr, BlockingSettings, Config, CpuList, Flavor, OnError, Pin, Reload, SchedulerSettings, Steal, keys,
};
use crate::topology::pin::Tid;
use crate::topology::{Plan, Pulse, Topology, Vitals};

use super::super::builder::spin;
use super::change::{PlacementCause, PlacementChange};
use super::placed::{MainBound, Placed};

/// What binds threads and knows their masks.
pub(crate) trait Kernel: Send {
    fn cpus(&mut self, thread: Tid) -> Option<CpuList>;
    fn pin(&mut self, thread: Tid, cpus: &[u32]) -> io::Result<()>;
}

/// The one that this runs on.
pub(crate) struct Live;

impl Kernel for Live {
    fn cpus(&mut self, thread: Tid) -> Option<CpuList> {
        thread.cpus()
    }

    fn pin(&mut self, thread: Tid, cpus: &[u32]) -> io::Result<()> {
        thread.pin(cpus)
    }
}

/// What a builder was told that a file does not change.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub flavor: Flavor,
    /// Whether the file says so too. Otherwise its flavor does not count.
    pub is_files_flavor: bool,
    pub workers: Option<usize>,
    /// More workers than CPUs: none has a CPU of its own.
    pub unpinned: bool,
}

impl Told {
    pub fn apply(&self, config: &mut Config) {
        // A file for this flavor may say "off", and means it.
        if self.flavor == Flavor::MultiThread && config.runtime.flavor != Flavor::MultiThread {
            config.scheduler.steal = Steal::All;
        }
        if self.flavor == Flavor::Sharded && config.has_default_steal() {
            config.scheduler.steal = Steal::Off;
        }
        if !self.is_files_flavor {
            config.runtime.flavor = self.flavor;
        }
        if let Some(workers) = self.workers {
            config.placement.shards = AutoOr::Number(workers as u32);
        }
        if self.unpinned {
            config.placement.pin = Pin::None;
        }
    }
}

/// See the module's head.
pub(crate) struct Keeper {
    kernel: Box<dyn Kernel>,
    pulse: Pulse,
    seen: Vitals,
    mask: Option<Mask>,
    /// The process's, as far as we know.
    affinity: Option<CpuList>,
    /// What the shards run with.
    config: Config,
    told: Told,
    mesh: Arc<Mesh>,
    placed: Arc<Placed>,
}

/// What a [`Keeper`] has seen of the machine, whose mask that was, and the process's.
type Known = (Vitals, Option<Mask>, Option<CpuList>);

/// A mask that was read, and whose it is.
#[derive(Clone)]
struct Mask {
    of_main: bool,
    cpus: CpuList,
}

impl Mask {
    fn read(kernel: &mut dyn Kernel) -> Option<Self> {
        let of_main = !MainBound::is_so();
        let cpus = kernel.cpus(if of_main { Tid::main() } else { Tid::current() })?;
        // A main thread that becomes a shard's meanwhile may have been bound already.
        (of_main != MainBound::is_so()).then_some(Self { of_main, cpus })
    }
}

impl Keeper {
    /// Keeps shards where the plan says, which was made of this config for the machine under `root` and a process with this mask.
    pub fn new(
        kernel: Box<dyn Kernel>,
        (root, affinity): (&Path, Option<CpuList>),
        (config, told): (Config, Told),
        mesh: Arc<Mesh>,
        placed: Arc<Placed>,
    ) -> Self {
        // What changes from now on is seen by the first look. The watcher's thread begins with the mask of this one.
        let (mut pulse, mut kernel) = (Pulse::new(root), kernel);
        let (seen, mask) = (pulse.read(), Mask::read(&mut *kernel));
        Self { kernel, pulse, seen, mask, affinity, config, told, mesh, placed }
    }

    /// Whether it acts on a signal.
    pub fn reloads(&self) -> bool {
        self.config.placement.reload == Reload::Sighup
    }

    /// Whether there is something to see without being told.
    pub fn watches(&self) -> bool {
        self.config.placement.watch
    }

    pub fn on_error(&self) -> OnError {
        self.config.placement.on_error
    }

    /// Looks once, and does what has to be done.
    pub fn look(&mut self) -> Option<PlacementChange> {
        if !self.watches() {
            return None;
        }
        let before = self.known();
        let mut causes = self.read();
        if causes.is_empty() && self.placed.is_disturbed(&mut *self.kernel) {
            causes.push(PlacementCause::Threads);
        }
        if causes.is_empty() {
            return None;
        }
        let Ok(topology) = self.topology() else {
            // No plan is made from less than was known: the next look is to see the change.
            self.forget(before);
            return None;
        };
        Some(self.adopt(&topology, self.config.clone(), causes, Vec::new()))
    }

    /// Reads the file again, and does what it says as far as that can be done now.
    pub fn reload(&mut self) -> PlacementChange {
        let before = self.known();
        let mut causes = vec![PlacementCause::Config];
        causes.extend(self.read());
        let (new, shards, topology) = match self.read_file() {
            Ok(read) => read,
            Err(error) => {
                // What of the machine has changed is not the file's fault: the next look is to see it.
                self.forget(before);
                return self.stays(vec![PlacementCause::Config], error);
            }
        };
        let mut needs_restart = Vec::new();
        let mut differs = |section: &str, name: &str, old: String, new: String| {
            if old != new {
                needs_restart.push(format!("[{section}] {name}: {old} -> {new} needs a restart"));
            }
        };
        for key in keys().iter().filter(|key| !key.is_live()) {
            match key.name {
                // "auto" may be the same number or another one.
                "shards" => {
                    let run = self.placed.plan().shards.len();
                    differs(key.section, key.name, run.to_string(), shards.unwrap_or(run).to_string());
                }
                name => differs(key.section, name, key.value(&self.config), key.value(&new)),
            }
        }
        self.adopt(&topology, live_part(&self.config, new), causes, needs_restart)
    }

    /// What `read` changes.
    fn known(&self) -> Known {
        (self.seen.clone(), self.mask.clone(), self.affinity.clone())
    }

    /// As if nothing had been read since.
    fn forget(&mut self, before: Known) {
        (self.seen, self.mask, self.affinity) = before;
    }

    /// What the file says now, with how many shards a runtime would start, and on what machine.
    fn read_file(&self) -> Result<(Config, Option<usize>, Topology), String> {
        let read = self.config.read_again().ok_or("the config is not from a file")?;
        let mut config = read.map_err(|error| error.to_string())?;
        self.told.apply(&mut config);
        let here = self.placed.plan().shards.len();
        let topology = self.topology().map_err(|error| format!("the machine cannot be read: {error}"))?;
        match Plan::new(&topology, &config) {
            Ok(plan) => Ok((config, Some(plan.shards.len()), topology)),
            // They run already, on CPUs that were more when they started.
            Err(error)
                if error.is_about("placement", "shards")
                    && config.placement.shards == AutoOr::Number(here as u32) =>
            {
                Ok((config, None, topology))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// What has changed since it was last read.
    fn read(&mut self) -> Vec<PlacementCause> {
        let now = self.pulse.read();
        let before = std::mem::replace(&mut self.seen, now.clone());
        let mut causes = Vec::new();
        for (differs, cause) in [
            (now.cpuset != before.cpuset, PlacementCause::Cpuset),
            (now.online != before.online, PlacementCause::Online),
            (now.quota != before.quota, PlacementCause::Quota),
        ] {
            causes.extend(differs.then_some(cause));
        }
        let Some(mask) = Mask::read(&mut *self.kernel) else { return causes };
        let (of_main, cpus) = (mask.of_main, mask.cpus.clone());
        let before = self.mask.replace(mask);
        if let Some(before) = before.filter(|before| before.of_main == of_main && before.cpus != cpus) {
            // The kernel cuts masks to the cpuset, and gives back what it cut.
            let kernels = [&now.cpuset, &now.online].into_iter().flatten().fold(None, |all, set| match all {
                None => Some(set.clone()),
                Some(all) => Some(set.common(&all)),
            });
            let by_kernel = kernels.is_some_and(|set| cpus == set || cpus == before.cpus.common(&set));
            let follows = causes.iter().any(|cause| *cause != PlacementCause::Quota);
            if !(by_kernel && follows) {
                causes.push(PlacementCause::Affinity);
            }
            self.affinity = Some(cpus);
        }
        causes
    }

    /// Places the shards anew, on the machine as it is now.
    fn adopt(
        &mut self,
        topology: &Topology,
        config: Config,
        causes: Vec<PlacementCause>,
        needs_restart: Vec<String>,
    ) -> PlacementChange {
        if topology.cpus.is_empty() {
            return self.stays(causes, "the machine does not tell its CPUs any more".into());
        }
        let (before, on_error) = (self.placed.plan(), config.placement.on_error);
        let after = Arc::new(before.replan(topology, &config));
        let bound = self.placed.adopt(&mut *self.kernel, after.clone(), &topology.allowed(), on_error);
        let refusals = match bound {
            Ok(refusals) => refusals,
            Err(error) => return self.stays(causes, error.to_string()),
        };
        self.mesh.set_spin(spin(&config, after.may_spin));
        self.config = config;
        let is_moved = |id: &usize| before.shards[*id].cpus != after.shards[*id].cpus;
        let moved = (0..after.shards.len()).filter(is_moved).collect();
        PlacementChange { causes, before, after, moved, refusals, needs_restart, error: None }
    }

    fn stays(&self, causes: Vec<PlacementCause>, error: String) -> PlacementChange {
        let before = self.placed.plan();
        PlacementChange {
            causes,
            after: before.clone(),
            before,
            moved: Vec::new(),
            refusals: Vec::new(),
            needs_restart: Vec::new(),
            error: Some(error),
        }
    }

    fn topology(&self) -> io::Result<Topology> {
        Topology::try_assemble(self.pulse.root(), self.affinity.clone())
    }
}

/// The config that a runtime goes on with: of the new one the keys that are taken while it runs ([`Key::is_live`](crate::config::Key::is_live)),
/// of the old one the others.
pub(super) fn live_part(old: &Config, mut new: Config) -> Config {
    let Config { runtime, placement, scheduler, timer, blocking, listen, .. } = old.clone();
    let (spin_us, cpus) = (new.scheduler.spin_us, new.blocking.cpus);
    new.placement.shards = placement.shards;
    new.placement.memory = placement.memory;
    new.placement.reload = placement.reload;
    new.scheduler = SchedulerSettings { spin_us, ..scheduler };
    new.blocking = BlockingSettings { cpus, ..blocking };
    (new.runtime, new.timer, new.listen) = (runtime, timer, listen);
    new
}
