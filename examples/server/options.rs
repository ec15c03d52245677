//! What the command line of a server says.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use corelane::config::{Config, Flavor};

use super::args::{Args, HostPort, LISTEN, Opt};

/// What is the same for every server here.
pub struct Options {
    /// Where to listen: host and port.
    pub addr: String,
    /// How long open connections may take to end once the server stops.
    pub drain: Duration,
    config: Option<PathBuf>,
    flavor: Option<Flavor>,
    /// All of it, with the program's own options.
    pub args: Args,
}

/// What `--mode` may be.
struct Mode(Flavor);

impl FromStr for Mode {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "sharded" => Ok(Self(Flavor::Sharded)),
            "stealing" => Ok(Self(Flavor::MultiThread)),
            _ => Err(()),
        }
    }
}

const DRAIN_MAX_MS: u64 = 86_400_000;

impl Options {
    /// Reads the command line, which may also have the program's own options. Ends the program if it is wrong, or if it asks for
    /// help.
    pub fn read(program: &'static str, addr: &'static str, own: &[Opt]) -> Self {
        let common = [
            Opt {
                name: "--config",
                expected: "a config file for the runtime; without it the one that CORELANE_CONFIG names",
                default: None,
            },
            Opt { name: "--addr", expected: LISTEN, default: Some(addr) },
            Opt {
                name: "--mode",
                expected: "sharded (a shard a core, connections stay) or stealing (idle workers take over); without it as the \
                           config says",
                default: None,
            },
            Opt {
                name: "--drain-ms",
                expected: "a whole number of milliseconds from 0 to 86400000 that connections have to end after ctrl-c",
                default: Some("5000"),
            },
        ];
        let args = Args::read(program, &[&common, own].concat());
        let HostPort(addr) = args.get("--addr");
        Self {
            addr,
            drain: Duration::from_millis(args.number("--drain-ms", 0..=DRAIN_MAX_MS)),
            config: args.find("--config"),
            flavor: args.find("--mode").map(|Mode(flavor)| flavor),
            args,
        }
    }

    /// The runtime's config: the file named here or by `CORELANE_CONFIG`, and the mode.
    pub fn config(&self) -> Result<Config, String> {
        let config = match &self.config {
            Some(file) => Config::from_file(file),
            None => Config::from_env().map(Option::unwrap_or_default),
        };
        let mut config = config.map_err(|error| error.to_string())?;
        if let Some(flavor) = self.flavor {
            config.runtime.flavor = flavor;
        }
        Ok(config)
    }
}
