//! The command line of the examples: `--name VALUE` or `--name=VALUE`, and an error that says what is accepted.

#![allow(dead_code, reason = "each example uses its part")]

use std::env;
use std::ffi::OsString;
use std::fmt::{self, Display};
use std::io::{self, Write as _};
use std::ops::RangeInclusive;
use std::process::{self, ExitCode};
use std::str::FromStr;

use corelane::net::TcpListener;

/// What is expected of the address of a server.
pub const LISTEN: &str = "HOST:PORT to listen at; port 0 lets the system choose";

/// An option of the program.
#[derive(Clone, Copy)]
pub struct Opt {
    pub name: &'static str,
    /// What it may be, in words.
    pub expected: &'static str,
    /// What it is if it is not given, if anything.
    pub default: Option<&'static str>,
}

/// What the command line says.
pub struct Args {
    program: &'static str,
    options: Vec<Opt>,
    given: Vec<(&'static str, String)>,
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
    pub fn read(program: &'static str, options: &[Opt]) -> Self {
        words()
            .and_then(|words| Self::parse(program, options, words.into_iter()))
            .unwrap_or_else(|error| fail(program, &error))
    }

    fn parse(
        program: &'static str,
        options: &[Opt],
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
            given.push((option.name, value.or_else(|| words.next()).ok_or_else(|| missing(option))?));
        }
        Ok(Self { program, options: options.into(), given })
    }

    /// The value of one of the program's options, the last one given. Ends the program if it is not what is expected, or
    /// missing.
    pub fn get<T: FromStr>(&self, name: &str) -> T {
        self.find(name).unwrap_or_else(|| fail(self.program, &missing(self.option(name))))
    }

    /// The same for an option that need not be given.
    pub fn find<T: FromStr>(&self, name: &str) -> Option<T> {
        let given = self.given.iter().rev().find(|(other, _)| *other == name);
        let value = given.map(|(_, value)| value.as_str()).or(self.option(name).default)?;
        Some(value.parse().unwrap_or_else(|_| self.refuse(name, value)))
    }

    /// The same for a number that has to be one of these.
    pub fn number(&self, name: &str, range: RangeInclusive<u64>) -> u64 {
        let number = self.get(name);
        if range.contains(&number) { number } else { self.refuse(name, number) }
    }

    fn refuse(&self, name: &str, value: impl Display) -> ! {
        fail(self.program, &format!("{name} {value}: expected {}", self.option(name).expected))
    }

    fn option(&self, name: &str) -> &Opt {
        let option = self.options.iter().find(|option| option.name == name);
        option.expect("the program asks for options that it has")
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
fn words() -> Result<Vec<String>, String> {
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
    let width = options.iter().map(|option| option.name.len()).max().unwrap_or(0).max("--help".len());
    for Opt { name, expected, default } in options {
        let default = default.map(|default| format!(" ({default})")).unwrap_or_default();
        say(format_args!("  {name:<width$}  {expected}{default}"));
    }
    say(format_args!("  {:<width$}  this text", "--help"));
    process::exit(0)
}

/// Nothing has started yet, so there is nothing to end in order.
fn fail(program: &str, error: &str) -> ! {
    warn(format_args!("{program}: {error}"));
    process::exit(2)
}
