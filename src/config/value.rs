//! The types of the settings, and how each is read from TOML and written back.
//!
//! Here: one `Setting` per type. Not here: which key has which type and range (`keys`).

use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::{Range, RangeInclusive};

use toml::de::DeValue;

use super::cpu_list::CpuList;
use super::parts::{Parts, WrongPart};

/// A value as it stands in a file.
pub(crate) type Value<'a> = toml::Spanned<toml::de::DeValue<'a>>;

/// Unit and range of a key that takes a number; the other types ignore it.
#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) unit: &'static str,
    pub(crate) range: RangeInclusive<u32>,
}

/// What of a value is not acceptable.
pub(crate) struct Wrong {
    /// The part of the file's text.
    pub(crate) span: Range<usize>,
    /// What is wrong with it and what would be accepted, where there is more to say than `accepts`.
    pub(crate) message: Option<String>,
}

impl From<Range<usize>> for Wrong {
    fn from(span: Range<usize>) -> Self {
        Self { span, message: None }
    }
}

/// Where the text of a string begins in the file, if it stands there as it is: without escapes.
pub(super) fn start_of_text(value: &Value<'_>) -> Option<usize> {
    let DeValue::String(text @ Cow::Borrowed(_)) = value.get_ref() else { return None };
    let span = value.span();
    // A quote at each end, or three, and then a line break may follow the first ones that is not part of the text.
    let quotes = if span.len() == text.len() + 2 { 1 } else { 3 };
    Some(span.end - quotes - text.len())
}

/// A type a key can have.
pub(crate) trait Setting: Sized {
    /// Reads a value, or says which part of the text is not acceptable.
    fn read(value: &Value<'_>, limits: &Limits) -> Result<Self, Wrong>;
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
            fn read(value: &Value<'_>, _: &Limits) -> Result<Self, Wrong> {
                match value.get_ref().as_str() {
                    $(Some($word) => Ok(Self::$Variant),)*
                    _ => Err(value.span().into()),
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
        /// It bounds the number of shards, rounded down to whole CPUs.
        Cap = "cap",
        /// It bounds the number of shards, rounded up to whole CPUs.
        CapUp = "cap-up",
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
    fn read(value: &Value<'_>, _: &Limits) -> Result<Self, Wrong> {
        value.get_ref().as_bool().ok_or(value.span().into())
    }

    fn write(&self) -> String {
        self.to_string()
    }

    fn accepts(_: &Limits) -> String {
        "true or false".into()
    }
}

impl Setting for u32 {
    fn read(value: &Value<'_>, limits: &Limits) -> Result<Self, Wrong> {
        let number =
            value.get_ref().as_integer().and_then(|n| u32::from_str_radix(n.as_str(), n.radix()).ok());
        number.filter(|n| limits.range.contains(n)).ok_or(value.span().into())
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
    fn read(value: &Value<'_>, limits: &Limits) -> Result<Self, Wrong> {
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
    List(CpuSelection),
}

impl Setting for Cpus {
    fn read(value: &Value<'_>, limits: &Limits) -> Result<Self, Wrong> {
        match value.get_ref().as_str() {
            Some("allowed") => Ok(Self::Allowed),
            _ => CpuSelection::read(value, limits).map(Self::List),
        }
    }

    fn write(&self) -> String {
        match self {
            Self::Allowed => "\"allowed\"".into(),
            Self::List(cpus) => cpus.write(),
        }
    }

    fn accepts(_: &Limits) -> String {
        one_of(&["\"allowed\"".into(), CPUS.into()])
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
    List(CpuSelection),
}

impl Setting for BlockingCpus {
    fn read(value: &Value<'_>, limits: &Limits) -> Result<Self, Wrong> {
        match value.get_ref().as_str() {
            Some("rest") => Ok(Self::Rest),
            Some("any") => Ok(Self::Any),
            Some("siblings") => Ok(Self::Siblings),
            _ => CpuSelection::read(value, limits).map(Self::List),
        }
    }

    fn write(&self) -> String {
        match self {
            Self::Rest => "\"rest\"".into(),
            Self::Any => "\"any\"".into(),
            Self::Siblings => "\"siblings\"".into(),
            Self::List(cpus) => cpus.write(),
        }
    }

    fn accepts(_: &Limits) -> String {
        one_of(&["\"rest\"".into(), "\"any\"".into(), "\"siblings\"".into(), CPUS.into()])
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
    fn read(value: &Value<'_>, _: &Limits) -> Result<Self, Wrong> {
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
        items.iter().map(|item| domain(item).ok_or(item.span().into())).collect()
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

/// CPUs that are named: by their numbers, or by the parts of the machine they are in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CpuSelection {
    /// By the kernel's numbers: `"0-7,16"`.
    List(CpuList),
    /// By parts: `"numa:0.core:0-3"`.
    Parts(Parts),
}

impl From<CpuList> for CpuSelection {
    fn from(list: CpuList) -> Self {
        Self::List(list)
    }
}

const CPUS: &str = "a list of CPUs such as \"0-7,16\" or \"core:0-3\"";

impl Setting for CpuSelection {
    fn read(value: &Value<'_>, _: &Limits) -> Result<Self, Wrong> {
        let text = value.get_ref().as_str().ok_or(value.span())?;
        if !text.contains(':') {
            let list = CpuList::parse(text).filter(|list| !list.is_empty());
            return list.map(Self::List).ok_or(value.span().into());
        }
        Parts::read(text).map(Self::Parts).map_err(|WrongPart { offset, message }| {
            let span = value.span();
            let start = start_of_text(value).map_or(span.start, |start| start + offset);
            Wrong { span: start..span.end, message: Some(message) }
        })
    }

    fn write(&self) -> String {
        match self {
            Self::List(list) => format!("\"{list}\""),
            Self::Parts(parts) => format!("\"{parts}\""),
        }
    }

    fn accepts(_: &Limits) -> String {
        CPUS.into()
    }
}

/// `a, b or c`
pub(crate) fn one_of(choices: &[String]) -> String {
    match choices {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => choices.concat(),
    }
}
