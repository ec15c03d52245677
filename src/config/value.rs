//! The types of the settings, and how each is read from TOML and written back.
//!
//! Here: one `Setting` per type. Not here: which key has which type and range (`keys`).

use std::fmt::Write as _;
use std::ops::{Range, RangeInclusive};

use super::cpu_list::CpuList;

/// A value as it stands in a file.
pub(crate) type Value<'a> = toml::Spanned<toml::de::DeValue<'a>>;

/// Unit and range of a key that takes a number; the other types ignore it.
#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) unit: &'static str,
    pub(crate) range: RangeInclusive<u32>,
}

/// A type a key can have.
pub(crate) trait Setting: Sized {
    /// Reads a value, or says which part of the text is not acceptable.
    fn read(value: &Value<'_>, limits: &Limits) -> Result<Self, Range<usize>>;
    /// The value as TOML that `read` takes.
    fn write(&self) -> String;
    /// What `read` takes, for the end of "expected …".
    fn accepts(limits: &Limits) -> String;
}

/// A type whose values are words.
macro_rules! words {
    ($($(#[$doc:meta])* $Type:ident { $($(#[$variant_doc:meta])* $Variant:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        pub enum $Type { $(
            $(#[$variant_doc])*
            #[cfg_attr(feature = "serde", serde(rename = $word))]
            $Variant,
        )* }

        impl Setting for $Type {
            fn read(value: &Value<'_>, _: &Limits) -> Result<Self, Range<usize>> {
                match value.get_ref().as_str() {
                    $(Some($word) => Ok(Self::$Variant),)*
                    _ => Err(value.span()),
                }
            }

            fn write(&self) -> String {
                match self { $(Self::$Variant => format!("{:?}", $word),)* }
            }

            fn accepts(_: &Limits) -> String {
                one_of(&[$(format!("{:?}", $word)),*])
            }
        }
    )*};
}

words! {
    /// How the shards are driven.
    Flavor {
        /// A thread per core; tasks stay where they are.
        Sharded = "sharded",
        /// Tokio's multi-threaded promise: idle workers take over the tasks of busy ones.
        MultiThread = "multi_thread",
        /// One shard, on the thread that calls `block_on`.
        CurrentThread = "current_thread",
    }
    /// What of the hardware threads of a core is used.
    Smt {
        /// Every hardware thread may have a shard.
        All = "all",
        /// The lowest-numbered hardware thread of each core.
        OnePerCore = "one-per-core",
    }
    /// What becomes of CPUs that were set apart at boot (`isolcpus=`, `nohz_full=`).
    Isolated {
        /// They are like others.
        Ignore = "ignore",
        /// Shards get them first.
        Prefer = "prefer",
        /// Shards get no others.
        Only = "only",
    }
    /// Which kind of core shards get, on machines with more than one.
    Kind {
        /// Any.
        Any = "any",
        /// The fast ones.
        Performance = "performance",
        /// Those that need little power.
        Efficiency = "efficiency",
    }
    /// What makes CPUs a group.
    GroupBy {
        /// Nothing: all are one group.
        None = "none",
        /// A last-level cache.
        Llc = "llc",
        /// A NUMA node.
        Numa = "numa",
        /// A package: the socket.
        Package = "package",
    }
    /// Which groups get the first shards.
    Order {
        /// One after the other.
        Pack = "pack",
        /// All of them in turn.
        Spread = "spread",
    }
    /// Which NUMA node a shard's memory comes from.
    Memory {
        /// That of its CPU.
        Local = "local",
        /// Those of all shards, page by page in turn.
        Interleave = "interleave",
        /// Whatever the process's policy says.
        None = "none",
    }
    /// Which of the listeners of `TcpListener::bind_sharded` gets a connection.
    Steering {
        /// The kernel's choice, evenly.
        Reuseport = "reuseport",
        /// That of the shard whose CPU the packet came in on.
        IncomingCpu = "incoming-cpu",
        /// That with the fewest open connections.
        LeastConnections = "least-connections",
    }
    /// What a CPU quota of a control group does.
    QuotaPolicy {
        /// It bounds the number of shards.
        Cap = "cap",
        /// It gives a warning.
        Warn = "warn",
        /// Nothing.
        Ignore = "ignore",
    }
    /// What a shard's thread is bound to.
    Pin {
        /// Its own CPU.
        Core = "core",
        /// The CPUs of its group.
        Group = "group",
        /// Nothing: the kernel moves it as it likes.
        None = "none",
    }
    /// What happens when the machine cannot do as it is told.
    OnError {
        /// The runtime does not start, and one that runs keeps its placement.
        Fail = "fail",
        /// The runtime starts with what works, and prints a warning.
        Warn = "warn",
        /// The runtime starts with what works; the plan has the reason.
        Degrade = "degrade",
    }
    /// When a runtime reads its config file again.
    Reload {
        /// Never.
        Off = "off",
        /// At each `SIGHUP`.
        Sighup = "sighup",
    }
    /// From where an idle shard takes tasks.
    Steal {
        /// From nowhere.
        Off = "off",
        /// From the shards of its last-level cache.
        Llc = "llc",
        /// From the shards of its NUMA node.
        Numa = "numa",
        /// From all shards, the nearest first.
        All = "all",
    }
    /// Where `spawn` puts a `Send` task that will not move again.
    Place {
        /// On a less loaded shard, once this one is clearly the busier.
        Balanced = "balanced",
        /// Here.
        Local = "local",
    }
}

impl Setting for bool {
    fn read(value: &Value<'_>, _: &Limits) -> Result<Self, Range<usize>> {
        value.get_ref().as_bool().ok_or(value.span())
    }

    fn write(&self) -> String {
        self.to_string()
    }

    fn accepts(_: &Limits) -> String {
        "true or false".into()
    }
}

impl Setting for u32 {
    fn read(value: &Value<'_>, limits: &Limits) -> Result<Self, Range<usize>> {
        let number =
            value.get_ref().as_integer().and_then(|n| u32::from_str_radix(n.as_str(), n.radix()).ok());
        number.filter(|n| limits.range.contains(n)).ok_or(value.span())
    }

    fn write(&self) -> String {
        self.to_string()
    }

    fn accepts(Limits { unit, range }: &Limits) -> String {
        format!("a whole number of {unit} from {} to {}", range.start(), range.end())
    }
}

/// A number, or the runtime's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoOr {
    /// The runtime chooses: `"auto"`.
    Auto,
    /// This many.
    Number(u32),
}

impl Setting for AutoOr {
    fn read(value: &Value<'_>, limits: &Limits) -> Result<Self, Range<usize>> {
        if value.get_ref().as_str() == Some("auto") {
            return Ok(Self::Auto);
        }
        u32::read(value, limits).map(Self::Number)
    }

    fn write(&self) -> String {
        match self {
            Self::Auto => "\"auto\"".into(),
            Self::Number(n) => n.write(),
        }
    }

    fn accepts(limits: &Limits) -> String {
        format!("\"auto\" or {}", u32::accepts(limits))
    }
}

/// The CPUs the shards may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cpus {
    /// All that the process is allowed: `"allowed"`.
    Allowed,
    /// These, each of which must be allowed.
    List(CpuList),
}

impl Setting for Cpus {
    fn read(value: &Value<'_>, _: &Limits) -> Result<Self, Range<usize>> {
        match value.get_ref().as_str() {
            Some("allowed") => Ok(Self::Allowed),
            _ => cpu_list(value).map(Self::List),
        }
    }

    fn write(&self) -> String {
        match self {
            Self::Allowed => "\"allowed\"".into(),
            Self::List(list) => format!("\"{list}\""),
        }
    }

    fn accepts(_: &Limits) -> String {
        one_of(&["\"allowed\"".into(), CPU_LIST.into()])
    }
}

/// The CPUs of the blocking pool's threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockingCpus {
    /// The allowed CPUs that no shard is bound to: `"rest"`. All the allowed ones when nothing is left.
    Rest,
    /// All the allowed CPUs: `"any"`.
    Any,
    /// The idle hardware threads of the shards' cores: `"siblings"`.
    Siblings,
    /// These, each of which must be allowed.
    List(CpuList),
}

impl Setting for BlockingCpus {
    fn read(value: &Value<'_>, _: &Limits) -> Result<Self, Range<usize>> {
        match value.get_ref().as_str() {
            Some("rest") => Ok(Self::Rest),
            Some("any") => Ok(Self::Any),
            Some("siblings") => Ok(Self::Siblings),
            _ => cpu_list(value).map(Self::List),
        }
    }

    fn write(&self) -> String {
        match self {
            Self::Rest => "\"rest\"".into(),
            Self::Any => "\"any\"".into(),
            Self::Siblings => "\"siblings\"".into(),
            Self::List(list) => format!("\"{list}\""),
        }
    }

    fn accepts(_: &Limits) -> String {
        one_of(&["\"rest\"".into(), "\"any\"".into(), "\"siblings\"".into(), CPU_LIST.into()])
    }
}

/// A part of the machine that `drop` names. The numbers are those of sysfs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// One CPU: `"cpu:0"`.
    Cpu(u32),
    /// All the hardware threads of a core: `"core:0"`.
    Core(u32),
    /// The CPUs of a last-level cache: `"llc:0"`.
    Llc(u32),
    /// The CPUs of a NUMA node: `"node:0"`.
    Node(u32),
}

impl std::fmt::Display for Domain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cpu(n) => write!(f, "cpu:{n}"),
            Self::Core(n) => write!(f, "core:{n}"),
            Self::Llc(n) => write!(f, "llc:{n}"),
            Self::Node(n) => write!(f, "node:{n}"),
        }
    }
}

impl Setting for Vec<Domain> {
    fn read(value: &Value<'_>, _: &Limits) -> Result<Self, Range<usize>> {
        let domain = |item: &Value<'_>| {
            let (kind, number) = item.get_ref().as_str()?.split_once(':')?;
            let number = number.bytes().all(|b| b.is_ascii_digit()).then(|| number.parse().ok())??;
            match kind {
                "cpu" => Some(Domain::Cpu(number)),
                "core" => Some(Domain::Core(number)),
                "llc" => Some(Domain::Llc(number)),
                "node" => Some(Domain::Node(number)),
                _ => None,
            }
        };
        let items = value.get_ref().as_array().ok_or(value.span())?;
        items.iter().map(|item| domain(item).ok_or(item.span())).collect()
    }

    fn write(&self) -> String {
        let mut text = String::from("[");
        for (i, domain) in self.iter().enumerate() {
            let _ = write!(text, "{}\"{domain}\"", if i == 0 { "" } else { ", " });
        }
        text + "]"
    }

    fn accepts(_: &Limits) -> String {
        "an array of \"cpu:N\", \"core:N\", \"llc:N\" or \"node:N\"".into()
    }
}

const CPU_LIST: &str = "a list of CPUs such as \"0-7,16\"";

impl Setting for CpuList {
    fn read(value: &Value<'_>, _: &Limits) -> Result<Self, Range<usize>> {
        cpu_list(value)
    }

    fn write(&self) -> String {
        format!("\"{self}\"")
    }

    fn accepts(_: &Limits) -> String {
        CPU_LIST.into()
    }
}

fn cpu_list(value: &Value<'_>) -> Result<CpuList, Range<usize>> {
    let list = value.get_ref().as_str().and_then(CpuList::parse);
    list.filter(|list| !list.is_empty()).ok_or(value.span())
}

/// `a, b or c`
pub(crate) fn one_of(choices: &[String]) -> String {
    match choices {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => choices.concat(),
    }
}
