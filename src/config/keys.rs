//! Every key of the config file: type, default, unit, range and reason, in one table.
//!
//! From it follow the section types and their defaults, reading and writing files, what an error says would be
//! accepted, what an unknown key is compared with, and the comments of `config/default.toml`.

use super::CPUS_MAX;
use super::Config;
use super::value::{
    AutoOr, BlockingCpus, CpuSelection, Cpus, Domain, Flavor, GroupBy, Isolated, Kind, Limits, Memory,
    OnError, Order, Pin, Place, QuotaPolicy, Reload, Setting, Smt, Steal, Steering, Value, Wrong,
};

/// A key of the config file.
#[derive(Debug)]
pub struct Key {
    /// The section the key is in: `placement` for `[placement]`.
    pub section: &'static str,
    /// The key itself.
    pub name: &'static str,
    /// What it does and why the default is what it is, line by line.
    pub doc: &'static [&'static str],
    limits: Limits,
    accepts: fn(&Limits) -> String,
    write: fn(&Config) -> String,
    read: fn(&mut Config, &Value<'_>, &Limits) -> Result<(), Wrong>,
}

impl Key {
    /// What the key takes, in words: "a whole number of microseconds from 10 to 100000".
    pub fn accepts(&self) -> String {
        (self.accepts)(&self.limits)
    }

    /// The key's value in `config`, as TOML.
    pub fn value(&self, config: &Config) -> String {
        (self.write)(config)
    }

    /// Whether a runtime that reads its file again ([`Placement::reload`]) takes a new value while it runs. Other
    /// keys are read once, when it starts. Those of `[[shard]]` are taken.
    pub fn is_live(&self) -> bool {
        const NOT_LIVE: &[&str] = &["shards", "memory", "reload"];
        match self.section {
            "placement" => !NOT_LIVE.contains(&self.name),
            "scheduler" => self.name == "spin_us",
            "blocking" => self.name == "cpus",
            section => section == "shard",
        }
    }

    /// Sets the key in `config`, or says which part of the text is not acceptable.
    pub(crate) fn read(&self, config: &mut Config, value: &Value<'_>) -> Result<(), Wrong> {
        (self.read)(config, value, &self.limits)
    }
}

/// Writes the section types, their defaults, and the table of keys.
macro_rules! settings {
    ($($(#[$section_doc:meta])* $section:ident: $Section:ident { $(
        $(#[doc = $doc:literal])* $key:ident: $Type:ty = $default:expr $(, $unit:literal $range:expr)?;
    )* })*) => {
        $(
            $(#[$section_doc])*
            #[derive(Clone, Debug, PartialEq)]
            pub struct $Section { $(
                $(#[doc = $doc])*
                ///
                #[doc = concat!("Default: `", stringify!($default), "`.", $(" Range: ", stringify!($range), " ", $unit, ".")?)]
                pub $key: $Type,
            )* }

            impl Default for $Section {
                fn default() -> Self {
                    Self { $($key: $default,)* }
                }
            }
        )*

        pub(crate) static KEYS: &[Key] = &[$($(Key {
            section: stringify!($section),
            name: stringify!($key),
            doc: &[$($doc),*],
            limits: limits!($($unit $range)?),
            accepts: <$Type as Setting>::accepts,
            write: |config| config.$section.$key.write(),
            read: |config, value, limits| {
                config.$section.$key = Setting::read(value, limits)?;
                Ok(())
            },
        },)*)*];
    };
}

macro_rules! limits {
    () => {
        Limits { unit: "", range: 0..=0 }
    };
    ($unit:literal $range:expr) => {
        Limits { unit: $unit, range: $range }
    };
}

settings! {
    /// `[runtime]`: what kind of runtime it is.
    runtime: RuntimeSettings {
        /// "sharded": a thread per core, tasks stay where they are. "multi_thread": idle workers take over tasks
        /// of busy ones; `steal` is then "all" unless the file says otherwise. "current_thread": one shard, on the
        /// thread that calls `block_on`; that thread is not ours to bind, so `pin` does not apply.
        flavor: Flavor = Flavor::Sharded;
    }

    /// `[placement]`: which CPUs the shards get.
    placement: Placement {
        /// How many shards. "auto": one for each CPU that is left after `cpus`, `isolated`, `drop`, `reserve`, `kind`,
        /// `smt` and `quota`. More shards than CPUs need `pin` "group" or "none".
        shards: AutoOr = AutoOr::Auto, "shards" 1..=8192;
        /// The CPUs to choose from. "allowed": all that the process's affinity mask and cpuset contain. A list has the
        /// kernel's numbers, or parts of the machine: "numa:0.core:0-3.pu:0" are the first hardware threads of the first
        /// four cores of the first node. The levels are package, numa, llc, core and pu; each counts from 0 in the one
        /// before, as hwloc-calc does, or is "all"; several such go with a comma or a space between them.
        cpus: Cpus = Cpus::Allowed;
        /// CPUs set apart at boot (isolcpus=, nohz_full=), where nothing runs unless it is bound there. "ignore": they
        /// are like others. "prefer": they come first, and if there are any, `shards` "auto" takes no others. "only":
        /// no others. The last two reach them also where the process's mask is the boot's own, which leaves them out.
        isolated: Isolated = Isolated::Ignore;
        /// CPUs that get no shard, by the numbers sysfs gives them; the blocking pool may still use them.
        drop: Vec<Domain> = Vec::new();
        /// How many cores stay free for interrupts and the system, of shards and of a blocking pool on the "rest": the
        /// lowest-numbered of those that are allowed, where most kernels begin. 0: a small machine has none to spare.
        reserve: u32 = 0, "cores" 0..=1024;
        /// Which kind of core, where a machine has more than one. "any" uses all of them; a shard on a slow core is
        /// a slow shard, so steady answers want one kind.
        kind: Kind = Kind::Any;
        /// Hardware threads of one core share its execution units and first caches: one shard a core is the
        /// steadier choice, "all" may give more throughput.
        smt: Smt = Smt::OnePerCore;
        /// What makes CPUs a group, for `order` and `pin`: a last-level cache, a NUMA node, a package, or nothing.
        /// What cores of one cache exchange does not leave it. Where the machine does not tell, all are one group.
        group_by: GroupBy = GroupBy::Llc;
        /// Where the first shards go when there are more CPUs than shards. "pack": group by group, so that shards are
        /// near each other. "spread": to the groups in turn, so that each shard has more cache and memory bandwidth.
        order: Order = Order::Pack;
        /// A control group's CPU quota (cpu.max). "cap": no more shards than whole CPUs in the quota, because a
        /// throttled group stands still for tens of milliseconds; a number in `shards` is kept, with a warning.
        /// "cap-up": a part of a CPU is a shard too, for load that seldom keeps all of them busy.
        quota: QuotaPolicy = QuotaPolicy::Cap;
        /// "core": each shard on its own CPU, so that its caches stay warm and its memory near. "group": on the
        /// CPUs of its group, see `group_by`. "none": not bound; the CPUs only decide how many shards there are.
        pin: Pin = Pin::Core;
        /// When the kernel refuses a pin, or the machine does not tell what a key needs. "degrade": go on with
        /// what works, for a pin first its group, then nothing; the plan says why. "warn": the same, and print it.
        /// "fail": do not start, and once it runs leave the placement as it is.
        on_error: OnError = OnError::Degrade;
        /// Which NUMA node a shard's memory comes from. "local": that of its CPU, as the shard is built after its
        /// thread is bound. "interleave": those of all shards in turn, for data that all of them use. "none": what
        /// the process was started with, as by numactl.
        memory: Memory = Memory::Local;
        /// Whether the runtime looks once a second if the process's affinity mask, its cpuset, its quota or the CPUs that
        /// are online have changed, and then moves shards whose CPU went away. Their number stays. Off, as most programs
        /// are placed once; see `Builder::on_placement_change` for being told. Not for "current_thread".
        watch: bool = false;
        /// "sighup": at a SIGHUP the file is read again, and what can change while shards run is changed: where they run,
        /// `watch`, `on_error`, `spin_us` and the blocking pool's `cpus`. The rest is named and needs a restart; a file with
        /// an error changes nothing. "off", as SIGHUP may mean something else to the program. Not for "current_thread".
        reload: Reload = Reload::Off;
    }

    /// `[scheduler]`: how a shard divides its time.
    scheduler: SchedulerSettings {
        /// From which shards an idle one takes tasks: none, those of its last-level cache, its NUMA node, or all.
        steal: Steal = Steal::Off;
        /// Where `spawn` puts a task that will not move again. "balanced": here, until this shard is clearly busier
        /// than the least loaded one. "local": here.
        place: Place = Place::Balanced;
        /// How long tasks run before I/O and timers are looked at. Shorter answers sooner; longer polls less.
        quantum_us: u32 = 100, "microseconds" 10..=100_000;
        /// How long a shard looks for work before it sleeps; waking a sleeping core costs tens of microseconds.
        /// "auto": grows while that pays, to 50 at most, and shrinks to nothing while it does not. 0: sleep at once.
        spin_us: AutoOr = AutoOr::Auto, "microseconds" 0..=1_000_000;
    }

    /// `[timer]`: the timer wheel.
    timer: TimerSettings {
        /// Length of a tick: deadlines are rounded up to it, so that no timer fires early. 1000 as in Tokio; less
        /// costs more wake-ups.
        resolution_us: u32 = 1000, "microseconds" 50..=1000;
    }

    /// `[blocking]`: the threads behind `spawn_blocking`.
    blocking: BlockingSettings {
        /// How many threads the pool may have; they start when needed. 512 as in Tokio.
        max_threads: u32 = 512, "threads" 1..=32_767;
        /// How long an idle thread waits for work before it ends. 10 s as in Tokio.
        keep_alive_ms: u32 = 10_000, "milliseconds" 0..=86_400_000;
        /// Where its threads run. "rest": allowed CPUs that no shard is bound to, or all if there are none. "any":
        /// all allowed. "siblings": the idle hardware threads of the shards' cores. Or a list, as for `placement.cpus`.
        cpus: BlockingCpus = BlockingCpus::Rest;
    }

    /// `[listen]`: the listeners of `TcpListener::bind_sharded`.
    listen: ListenSettings {
        /// Which listener of `bind_sharded` gets a connection. "reuseport": one that the kernel draws, which evens out over
        /// many. "least-connections": that with the fewest open, for few connections that stay long; who accepted hands it
        /// over. "incoming-cpu": that of the shard whose CPU took the packet (SO_INCOMING_CPU), so that a connection is served
        /// where the network card brings it in; needs interrupts on all of the shards' CPUs, `pin` "core", Linux 6.2.
        steering: Steering = Steering::Reuseport;
    }
}

/// One `[[shard]]`: what is told for a single shard.
#[derive(Clone, Debug, PartialEq)]
pub struct ShardSettings {
    /// Which shard, counted from 0.
    pub id: u32,
    /// The CPUs its thread is bound to.
    pub cpus: CpuSelection,
}

impl Default for ShardSettings {
    /// The example of `config/default.toml`.
    fn default() -> Self {
        Self { id: 0, cpus: CpuSelection::List([2].into_iter().collect()) }
    }
}

/// The keys of each `[[shard]]`. Both must be there; their `write` shows the last `[[shard]]`, or the example.
pub(crate) static SHARD_KEYS: &[Key] = &[
    Key {
        section: "shard",
        name: "id",
        doc: &[" Which shard, counted from 0."],
        limits: limits!("" 0..=CPUS_MAX - 1),
        accepts: |limits| format!("the number of a shard, from 0 to {}", limits.range.end()),
        write: |config| config.shard.last().cloned().unwrap_or_default().id.write(),
        read: |config, value, limits| {
            let id = Setting::read(value, limits)?;
            config.shard.last_mut().into_iter().for_each(|shard| shard.id = id);
            Ok(())
        },
    },
    Key {
        section: "shard",
        name: "cpus",
        doc: &[
            " The CPUs its thread is bound to, whatever `pin` says. The process must be allowed to use them; `drop`,",
            " `reserve`, `kind` and the like do not apply. Other shards get them only if they are told, too. A list as for",
            " `placement.cpus`.",
        ],
        limits: limits!(),
        accepts: CpuSelection::accepts,
        write: |config| config.shard.last().cloned().unwrap_or_default().cpus.write(),
        read: |config, value, limits| {
            let cpus: CpuSelection = Setting::read(value, limits)?;
            config.shard.last_mut().into_iter().for_each(|shard| shard.cpus = cpus.clone());
            Ok(())
        },
    },
];
