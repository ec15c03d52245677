//! What is wrong with a placement, and where the file says it.

use std::error::Error;
use std::{fmt, io};

use crate::config::{Position, Spot};

/// A placement this machine cannot do.
///
/// Shown as `conf.toml:2:10: [placement] shards = 64: expected …`; the place is missing when the value is not from
/// a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError {
    pub(super) place: Option<Spot>,
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
    pub(super) fn new(place: Option<Spot>, about: About, message: String) -> Self {
        Self { place, about, message }
    }

    /// About a part of the value, so many bytes into its text.
    pub(super) fn at(mut self, offset: usize) -> Self {
        if let Some(Spot { position, text: Some(text), .. }) = &mut self.place {
            *position = Position { column: text.column + offset, ..*text };
        }
        self
    }

    /// The config file's name. `None` when the value is not from a file.
    pub fn file(&self) -> Option<&str> {
        self.place.as_ref().map(|place| place.file.as_str())
    }

    /// The line of the value, counted from 1.
    pub fn line(&self) -> Option<usize> {
        self.place.as_ref().map(|place| place.position.line)
    }

    /// The column of the value in characters, counted from 1.
    pub fn column(&self) -> Option<usize> {
        self.place.as_ref().map(|place| place.position.column)
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
        if let Some(Spot { file, position: Position { line, column }, .. }) = &self.place {
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
