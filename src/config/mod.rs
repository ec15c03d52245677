//! Config files: which kind of runtime, on which CPUs, with which times.
//!
//! A [`Config`] is plain data: the runtime's own defaults, or what a file says, or what a program writes into its
//! fields. Each key, with its range, default and reason, is in one table ([`keys()`]); the files in the
//! repository's `config/` folder are what to start from.
//!
//! Here: file → values, and errors that say where. Not here: what the machine can do ([`topology`](crate::topology)).

mod error;
mod find;
mod keys;
mod parts;
mod read;
mod value;

mod cpu_list;

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::{env, fmt, io};

pub use self::cpu_list::CpuList;
pub use self::error::ConfigError;
pub use self::find::find_keys;
pub use self::keys::{
    BlockingSettings, Key, ListenSettings, Placement, RuntimeSettings, SchedulerSettings, ShardSettings,
    TimerSettings,
};
pub use self::parts::Parts;
pub use self::value::{
    AutoOr, BlockingCpus, CpuSelection, Cpus, Domain, Flavor, GroupBy, Isolated, Kind, Memory, OnError,
    Order, Pin, Place, QuotaPolicy, Reload, Smt, Steal, Steering,
};

pub(crate) use self::cpu_list::CPUS_MAX;
use self::error::Lines;
pub(crate) use self::error::{Position, Spot};
pub(crate) use self::parts::{Level, Step, WrongPart};
use self::value::Setting as _;

/// Names the config file when the program does not.
pub const CONFIG_VARIABLE: &str = "CORELANE_CONFIG";

/// Makes runtimes sharded that would steal: see [`Builder::new_multi_thread`](crate::runtime::Builder::new_multi_thread).
pub const FLAVOR_VARIABLE: &str = "CORELANE_FLAVOR";

/// What a config file says: plain data, which a program may also fill in itself. A value that no file may have is an error of
/// [`build`](crate::runtime::Builder::build).
///
/// [`Default`] are the runtime's own defaults, which `config/default.toml` lists. [`Display`](fmt::Display) writes
/// a file with every key, which [`parse`](Config::parse) reads back to an equal value. Two configs are equal when
/// their values are, wherever they come from.
///
/// # Examples
///
/// ```
/// use corelane::config::{AutoOr, Config};
///
/// let config = Config::parse("app.toml", "[placement]\nshards = 4\n").unwrap();
/// assert_eq!(config.placement.shards, AutoOr::Number(4));
///
/// let error = Config::parse("app.toml", "[placement]\nshard = 4\n").unwrap_err();
/// assert!(error.to_string().starts_with("app.toml:2:1: unknown key `shard` in [placement]; did you mean `shards`?"));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// What kind of runtime it is.
    pub runtime: RuntimeSettings,
    /// Which CPUs the shards get.
    pub placement: Placement,
    /// How a shard divides its time.
    pub scheduler: SchedulerSettings,
    /// The timer wheel.
    pub timer: TimerSettings,
    /// The threads behind `spawn_blocking`.
    pub blocking: BlockingSettings,
    /// The listeners of [`bind_sharded`](crate::net::TcpListener::bind_sharded).
    pub listen: ListenSettings,
    /// What is told for single shards, in the order of the file.
    pub shard: Vec<ShardSettings>,
    origin: Origin,
}

/// Where values came from, so that a placement the machine cannot do is reported at its line of the file.
#[derive(Clone, Debug, Default)]
struct Origin {
    file: String,
    /// Where the file is, whatever the current directory becomes. `None` for a text.
    path: Option<PathBuf>,
    written: Vec<Written>,
}

#[derive(Clone, Debug)]
struct Written {
    key: &'static Key,
    place: Spot,
    value: String,
}

impl PartialEq for Origin {
    /// Always: two files that say the same in different places are the same config.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Config {
    /// Reads a config file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is not TOML, has a key or section this version does not know, or a value
    /// outside of what its key accepts. The error shows the topmost such place, and has the
    /// [others](ConfigError::further).
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let bytes = File::open(path).and_then(read_all).map_err(|error| unreadable(&name, &error))?;
        Self::parse_bytes(&name, path, &bytes)
    }

    /// Reads the text of a config file; `name` is what errors call it.
    ///
    /// # Errors
    ///
    /// As for [`from_file`](Config::from_file).
    pub fn parse(name: &str, text: &str) -> Result<Self, ConfigError> {
        read::parse(name, text)
    }

    /// Reads the file that the environment variable `CORELANE_CONFIG` names; `None` when it is not set.
    ///
    /// # Errors
    ///
    /// As for [`from_file`](Config::from_file). A file that cannot be read is an error that names the variable, so
    /// that a misspelt path does not quietly mean the defaults.
    pub fn from_env() -> Result<Option<Self>, ConfigError> {
        let Some(path) = env::var_os(CONFIG_VARIABLE) else { return Ok(None) };
        let name = Path::new(&path).display().to_string();
        let bytes = File::open(&path).and_then(read_all).map_err(|error| {
            let message =
                format!("cannot read the file: {error}; name a readable file or unset {CONFIG_VARIABLE}");
            ConfigError::new(&format!("{CONFIG_VARIABLE}={name}"), None, message)
        })?;
        Self::parse_bytes(&name, Path::new(&path), &bytes).map(Some)
    }

    /// What the file that this was read from says now. `None` if it was made in another way.
    pub(crate) fn read_again(&self) -> Option<Result<Self, ConfigError>> {
        let (path, name) = (self.origin.path.as_deref()?, &self.origin.file);
        let bytes = open_again(path).and_then(read_all).map_err(|error| unreadable(name, &error));
        Some(bytes.and_then(|bytes| Self::parse_bytes(name, path, &bytes)))
    }

    /// Whether [`read_again`](Self::read_again) can do so.
    pub(crate) fn is_from_file(&self) -> bool {
        self.origin.path.is_some()
    }

    fn parse_bytes(name: &str, path: &Path, bytes: &[u8]) -> Result<Self, ConfigError> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let position = Lines::of(&valid).position(valid.len());
            ConfigError::new(name, Some(position), "not valid TOML: expected UTF-8 text".into())
        })?;
        let mut config = Self::parse(name, text)?;
        config.origin.path = Some(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
        Ok(config)
    }

    /// Refuses what no file may say. A program may have filled in such values.
    pub(crate) fn check(&self) -> io::Result<()> {
        // A file with all of them, which nobody has: no place in it would help.
        let read = Self::parse("", &self.to_string()).map(drop);
        read.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.message()))
    }

    /// Whether it is a file for `multi_thread` that says nothing of `steal`: it has another default then.
    pub(crate) fn has_default_steal(&self) -> bool {
        let is_written = |name| self.origin.written.iter().any(|written| written.key.name == name);
        self.runtime.flavor == Flavor::MultiThread && is_written("flavor") && !is_written("steal")
    }

    /// The key's value as TOML, and its place if it still has the value it got in the file.
    pub(crate) fn written(&self, section: &str, name: &str) -> (String, Option<Spot>) {
        let value = keys().iter().find(|k| k.section == section && k.name == name).map(|k| k.value(self));
        let value = value.unwrap_or_default();
        let place = self.place_of(section, name, 0, &value);
        (value, place)
    }

    /// As [`written`](Self::written), of the `[[shard]]` with this index.
    pub(crate) fn written_shard(&self, index: usize, name: &str) -> (String, Option<Spot>) {
        let Some(ShardSettings { id, cpus }) = self.shard.get(index) else { return (String::new(), None) };
        let value = if name == "id" { id.write() } else { cpus.write() };
        let place = self.place_of("shard", name, index, &value);
        (value, place)
    }

    fn place_of(&self, section: &str, name: &str, index: usize, value: &str) -> Option<Spot> {
        let is_it = |w: &&Written| w.key.section == section && w.key.name == name;
        let written = self.origin.written.iter().filter(is_it).nth(index).filter(|w| w.value == value)?;
        Some(written.place.clone())
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut section = "";
        for key in keys() {
            if key.section != section {
                writeln!(f, "{}[{}]", if section.is_empty() { "" } else { "\n" }, key.section)?;
                section = key.section;
            }
            writeln!(f, "{} = {}", key.name, key.value(self))?;
        }
        for ShardSettings { id, cpus } in &self.shard {
            writeln!(f, "\n[[shard]]\nid = {}\ncpus = {}", id.write(), cpus.write())?;
        }
        Ok(())
    }
}

/// The keys of each `[[shard]]`, which are not in [`keys()`]: a file may have many of these, and there is no default.
/// [`Key::value`] shows the last one, or an example.
pub fn shard_keys() -> &'static [Key] {
    keys::SHARD_KEYS
}

/// Every key of the config file's sections, in the order of `config/default.toml`.
pub fn keys() -> &'static [Key] {
    keys::KEYS
}

/// A path such as `/dev/zero` has no end.
fn read_all(file: File) -> io::Result<Vec<u8>> {
    const BYTES_MAX: u64 = 1 << 24;
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(io::Error::other(format!("it has more than {BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

/// A runtime that runs does not wait for whoever writes a pipe: its end would wait for that, too. And an empty device is not to be
/// taken for a file that asks for the defaults.
fn open_again(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a regular file")) }
}

fn unreadable(name: &str, error: &io::Error) -> ConfigError {
    ConfigError::new(name, None, format!("cannot read the file: {error}; expected a readable TOML file"))
}
