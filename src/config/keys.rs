//! Every key of the config file: type, default, unit, range and reason, in one table.
//!
//! From it follow the section types and their defaults, reading and writing files, what an error says would be
//! accepted, what an unknown key is compared with, and the comments of `config/default.toml`.

use std::ops::Range;

use super::Config;
use super::value::{
    AutoOr, BlockingCpus, Cpus, Domain, Flavor, Limits, OnError, Pin, Place, QuotaPolicy, Setting, Smt,
    Steal, Value,
};

/// A key of the config file.
#[derive(Debug)]
pub struct Key {
    /// The section the key stands in: `placement` for `[placement]`.
    pub section: &'static str,
    /// The key itself.
    pub name: &'static str,
    /// What it does and why the default is what it is, line by line.
    pub doc: &'static [&'static str],
    limits: Limits,
    accepts: fn(&Limits) -> String,
    write: fn(&Config) -> String,
    read: fn(&mut Config, &Value<'_>, &Limits) -> Result<(), Range<usize>>,
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

    /// Sets the key in `config`, or says which part of the text is not acceptable.
    pub(crate) fn read(&self, config: &mut Config, value: &Value<'_>) -> Result<(), Range<usize>> {
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
    placement: PlacementSettings {
        /// How many shards. "auto": one for each CPU that is left after `cpus`, `drop`, `smt` and `quota`. More shards
        /// than CPUs need `pin` "group" or "none".
        shards: AutoOr = AutoOr::Auto, "shards" 1..=1024;
        /// The CPUs to choose from. "allowed": all that the process's affinity mask and cpuset contain.
        cpus: Cpus = Cpus::Allowed;
        /// CPUs that get no shard, by the numbers sysfs gives them; the blocking pool may still use them.
        drop: Vec<Domain> = Vec::new();
        /// Hardware threads of one core share its execution units and first caches: one shard a core is the
        /// steadier choice, "all" may give more throughput.
        smt: Smt = Smt::OnePerCore;
        /// A control group's CPU quota (cpu.max). "cap": no more shards than whole CPUs in the quota, because a
        /// throttled group stands still for tens of milliseconds; a number in `shards` is kept, with a warning.
        quota: QuotaPolicy = QuotaPolicy::Cap;
        /// "core": each shard on its own CPU, so that its caches stay warm and its memory near. "group": on the
        /// CPUs of one last-level cache. "none": not bound; the CPUs only decide how many shards there are.
        pin: Pin = Pin::Core;
        /// When the kernel refuses a pin, or the machine does not tell what a key needs. "degrade": go on with
        /// what works, the plan says why. "warn": the same, and print it. "fail": do not start.
        on_error: OnError = OnError::Degrade;
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
        max_threads: u32 = 512, "threads" 1..=65_535;
        /// How long an idle thread waits for work before it ends. 10 s as in Tokio.
        keep_alive_ms: u32 = 10_000, "milliseconds" 0..=86_400_000;
        /// Where its threads run. "rest": allowed CPUs that no shard is bound to, or all if there are none. "any":
        /// all allowed. "siblings": the idle hardware threads of the shards' cores. Or a list.
        cpus: BlockingCpus = BlockingCpus::Rest;
    }
}

/// Sections that stand in the design and do nothing yet. Accepting them would promise what does not happen.
pub(crate) static SECTIONS_TO_COME: &[&str] = &["listen", "shard"];

/// Keys of the same kind, with their section.
pub(crate) static KEYS_TO_COME: &[(&str, &str)] = &[
    ("placement", "isolated"),
    ("placement", "kind"),
    ("placement", "group_by"),
    ("placement", "order"),
    ("placement", "memory"),
];
