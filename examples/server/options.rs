//! What the command line says.

use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use corelane::config::{Config, Flavor};

/// What is the same for every server here.
pub struct Options {
    /// Where to listen: host and port.
    pub addr: String,
    /// How long open connections may take to end once the server stops.
    pub drain: Duration,
    /// How many bytes one argument of a request may have.
    pub max_bulk: usize,
    config: Option<PathBuf>,
    flavor: Option<Flavor>,
}

/// What came of the command line.
pub enum Parsed {
    Run(Options),
    /// Asked for help, which is this.
    Help(String),
}

/// What an option takes, in words.
const MODES: &str = "sharded (a shard a core, connections stay) or stealing (idle workers take over)";
const DRAIN_MAX_MS: u64 = 86_400_000;
const BULK_MAX: usize = 512 << 20;

impl Options {
    /// Reads arguments, without the program's name. The error is a sentence for the user.
    pub fn parse(
        program: &'static str,
        addr: &str,
        args: impl IntoIterator<Item = String>,
    ) -> Result<Parsed, String> {
        let mut options = Self {
            addr: addr.into(),
            drain: Duration::from_secs(5),
            max_bulk: BULK_MAX,
            config: None,
            flavor: None,
        };
        let takes_bulk = program == "kv";
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let (name, inline) = match arg.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (arg.as_str(), None),
            };
            let mut value = |expected: &str| {
                inline
                    .clone()
                    .or_else(|| args.next())
                    .ok_or(format!("{name}: a value is missing: expected {expected}"))
            };
            match name {
                "--help" | "-h" => return Ok(Parsed::Help(help(program, addr, takes_bulk))),
                "--config" => options.config = Some(value("a file")?.into()),
                "--addr" => {
                    let expected =
                        "HOST:PORT, such as 127.0.0.1:7777 or [::]:7777; port 0 lets the system choose";
                    let addr = value(expected)?;
                    let port = addr.rsplit_once(':').filter(|(host, _)| !host.is_empty());
                    if port.is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
                        return Err(wrong(name, addr, expected));
                    }
                    options.addr = addr;
                }
                "--mode" => {
                    let mode = value(MODES)?;
                    options.flavor = Some(match mode.as_str() {
                        "sharded" => Flavor::Sharded,
                        "stealing" => Flavor::MultiThread,
                        _ => return Err(wrong(name, mode, MODES)),
                    });
                }
                "--drain-ms" => {
                    let expected = format!("a whole number of milliseconds from 0 to {DRAIN_MAX_MS}");
                    let text = value(&expected)?;
                    let ms = text.parse().ok().filter(|ms| *ms <= DRAIN_MAX_MS);
                    options.drain = Duration::from_millis(ms.ok_or(wrong(name, text, &expected))?);
                }
                "--max-bulk" if takes_bulk => {
                    let expected = format!("a whole number of bytes from 1 to {BULK_MAX}");
                    let text = value(&expected)?;
                    let bytes = text.parse().ok().filter(|bytes| (1..=BULK_MAX).contains(bytes));
                    options.max_bulk = bytes.ok_or(wrong(name, text, &expected))?;
                }
                _ => {
                    let more = if takes_bulk { ", --max-bulk" } else { "" };
                    return Err(format!(
                        "{arg}: unknown option: expected --config, --addr, --mode, --drain-ms{more} or --help"
                    ));
                }
            }
        }
        Ok(Parsed::Run(options))
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

fn wrong(name: &str, value: impl Display, expected: &str) -> String {
    format!("{name} {value}: expected {expected}")
}

fn help(program: &str, addr: &str, takes_bulk: bool) -> String {
    let bulk =
        if takes_bulk { "\n  --max-bulk BYTES   longest key or value, in bytes (536870912)" } else { "" };
    format!(
        "Usage: {program} [OPTIONS]

  --config FILE      the runtime's config; without it the file that CORELANE_CONFIG names
  --addr HOST:PORT   where to listen ({addr}); port 0 lets the system choose
  --mode MODE        {MODES};
                     without it as the config says (sharded)
  --drain-ms N       how long connections may take to end after ctrl-c, in milliseconds (5000){bulk}
  --help             this text"
    )
}
