//! What is wrong with a placement, and where the file says it.

use std::error::Error;
use std::{fmt, io};

use crate::config::Position;

/// A placement this machine cannot do.
///
/// Shown as `conf.toml:2:10: [placement] shards = 64: expected …`; the place is missing when the value is not from
/// a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError {
    pub(super) place: Option<(String, Position)>,
    pub(super) about: About,
    message: String,
}

/// Which part of the config a placement fails at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    Key(&'static str, &'static str),
    /// The `[[shard]]` with this index.
    Shard(usize),
}

impl PlanError {
    pub(super) fn new(place: Option<(&str, Position)>, about: About, message: String) -> Self {
        Self { place: place.map(|(file, position)| (file.to_owned(), position)), about, message }
    }

    /// The config file's name. `None` when the value is not from a file.
    pub fn file(&self) -> Option<&str> {
        self.place.as_ref().map(|(file, _)| file.as_str())
    }

    /// The line of the value, counted from 1.
    pub fn line(&self) -> Option<usize> {
        self.place.as_ref().map(|(_, position)| position.line)
    }

    /// The column of the value in characters, counted from 1.
    pub fn column(&self) -> Option<usize> {
        self.place.as_ref().map(|(_, position)| position.column)
    }

    /// Whether it is this key that the placement fails at.
    pub(crate) fn is_about(&self, section: &str, name: &str) -> bool {
        matches!(self.about, About::Key(s, n) if (s, n) == (section, name))
    }

    /// The text without the place.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((file, Position { line, column })) = &self.place {
            write!(f, "{file}:{line}:{column}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl Error for PlanError {}

impl From<PlanError> for io::Error {
    fn from(error: PlanError) -> Self {
        io::Error::new(io::ErrorKind::InvalidInput, error)
    }
}
