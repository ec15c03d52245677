//! What the command line of a server says.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use corelane::config::{Config, Flavor};
use corelane::runtime::Builder;

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
                expected: "a whole number of milliseconds from 0 to 86400000 that connections have to end after ctrl-c or SIGTERM",
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

    /// The runtime that the config file asks for, the one named here or by `CORELANE_CONFIG`, with the mode if one is given.
    pub fn builder(&self) -> Result<(Flavor, Builder), String> {
        let config = match &self.config {
            Some(file) => Config::from_file(file).map(Some),
            None => Config::from_env(),
        };
        let config = config.map_err(|error| error.to_string())?;
        let asked = config.as_ref().map(|config| config.runtime.flavor);
        let flavor = self.flavor.or(asked).unwrap_or(Flavor::Sharded);
        let mut builder = match flavor {
            Flavor::Sharded => Builder::new_sharded(),
            Flavor::MultiThread => Builder::new_multi_thread(),
            Flavor::CurrentThread => Builder::new_current_thread(),
        };
        // A multi-thread runtime that is given no config is not bound to CPUs.
        if let Some(config) = config {
            builder.config(config);
        }
        Ok((flavor, builder))
    }
}
