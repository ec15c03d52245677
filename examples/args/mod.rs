//! The command line of the small examples: `--name VALUE` or `--name=VALUE`, and an error that says what is accepted.

#![allow(dead_code, reason = "each example uses its part")]

use std::env;
use std::ffi::OsString;
use std::fmt::{self, Display};
use std::io::{self, Write as _};
use std::process::{self, ExitCode};
use std::str::FromStr;

use corelane::net::TcpListener;

/// An option of the program.
pub struct Opt {
    pub name: &'static str,
    /// What it may be, in words.
    pub expected: &'static str,
    /// What it is if it is not given; `None` if it has to be.
    pub default: Option<&'static str>,
}

/// What the command line says.
pub struct Args {
    program: &'static str,
    values: Vec<(&'static Opt, String)>,
}

/// A host and a port. Whether there is such a host shows when it is looked up.
pub struct HostPort(pub String);

impl FromStr for HostPort {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(Self(text.into())),
            _ => Err(()),
        }
    }
}

impl Args {
    /// Reads the command line. Ends the program if it is wrong, or if it asks for help.
    pub fn read(program: &'static str, options: &'static [Opt]) -> Self {
        words()
            .and_then(|words| Self::parse(program, options, words.into_iter()))
            .unwrap_or_else(|error| fail(program, &error))
    }

    fn parse(
        program: &'static str,
        options: &'static [Opt],
        mut words: impl Iterator<Item = String>,
    ) -> Result<Self, String> {
        let mut given = Vec::new();
        while let Some(word) = words.next() {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (word.as_str(), None),
            };
            if let "--help" | "-h" = name {
                help(program, options);
            }
            let Some(option) = options.iter().find(|option| option.name == name) else {
                let names: Vec<_> = options.iter().map(|option| option.name).collect();
                return Err(format!("{word}: unknown option: expected {} or --help", names.join(", ")));
            };
            let value = value.or_else(|| words.next()).ok_or_else(|| missing(option))?;
            given.push((option, value));
        }
        for option in options {
            if !given.iter().any(|(other, _)| other.name == option.name) {
                given.push((option, option.default.ok_or_else(|| missing(option))?.into()));
            }
        }
        Ok(Self { program, values: given })
    }

    /// The value of one of the program's options, the last one given. Ends the program if it is not what is expected.
    pub fn get<T: FromStr>(&self, name: &str) -> T {
        let found = self.values.iter().rev().find(|(option, _)| option.name == name);
        let (option, value) = found.expect("the program asks for an option that it did not list");
        value
            .parse()
            .unwrap_or_else(|_| fail(self.program, &format!("{name} {value}: expected {}", option.expected)))
    }

    /// Says what went wrong, if anything did, and what the program ends with.
    pub fn end(&self, result: Result<(), impl Display>) -> ExitCode {
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                warn(format_args!("{}: {error}", self.program));
                ExitCode::FAILURE
            }
        }
    }
}

/// Listens, or says where it could not.
pub async fn listen(addr: &str) -> io::Result<TcpListener> {
    let bound = TcpListener::bind(addr).await;
    bound.map_err(|error| io::Error::new(error.kind(), format!("cannot listen at {addr}: {error}")))
}

/// The words of the command line, without the program's name.
pub fn words() -> Result<Vec<String>, String> {
    let words = env::args_os().skip(1).map(OsString::into_string);
    words.collect::<Result<_, _>>().map_err(|word| format!("{word:?}: expected UTF-8 text"))
}

/// A line for the user. That nobody reads it is no reason to stop a server, which `println` would.
pub fn say(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// A line for who looks after the program.
pub fn warn(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn missing(option: &Opt) -> String {
    format!("{}: a value is missing: expected {}", option.name, option.expected)
}

fn help(program: &str, options: &[Opt]) -> ! {
    say(format_args!("Usage: {program} [OPTIONS]\n"));
    for Opt { name, expected, default } in options {
        say(format_args!("  {name:<18} {expected} ({})", default.unwrap_or("has to be given")));
    }
    say(format_args!("  {:<18} this text", "--help"));
    process::exit(0)
}

/// Nothing has started yet, so there is nothing to end in order.
fn fail(program: &str, error: &str) -> ! {
    warn(format_args!("{program}: {error}"));
    process::exit(2)
}
