//! What is wrong with a config file, and where.

use std::error::Error;
use std::{fmt, io};

/// Why a config file was not accepted.
///
/// Shown as `conf.toml:4:14: [scheduler] quantum_us = -5: expected …`: the place, what stands there, and what
/// would be accepted. That is the topmost error of the file; [`further`](Self::further) has the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    file: String,
    position: Option<Position>,
    message: String,
    further: Vec<ConfigError>,
}

/// A place in a text: line and column, both from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) file: String,
    pub(crate) position: Position,
    /// Where its text begins, after the quotes, if the file has that text as it is.
    pub(crate) text: Option<Position>,
}

/// A text and where its lines begin, as a file may have thousands of places.
pub(crate) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        // A byte order mark is no column.
        let first = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let others = text.match_indices('\n').map(|(newline, _)| newline + 1);
        Self { text, starts: [first].into_iter().chain(others).collect() }
    }

    /// The place of a byte offset.
    pub(crate) fn position(&self, offset: usize) -> Position {
        // A parser may point past the end, or into a character.
        let offset =
            (0..=offset.min(self.text.len())).rev().find(|&i| self.text.is_char_boundary(i)).unwrap_or(0);
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let before = self.text.get(self.starts[line - 1]..offset).unwrap_or_default();
        Position { line, column: before.chars().count() + 1 }
    }
}

impl ConfigError {
    pub(crate) fn new(file: &str, position: Option<Position>, message: String) -> Self {
        Self { file: file.into(), position, message, further: Vec::new() }
    }

    /// Of several, in the order of the file.
    pub(crate) fn of(file: &str, errors: Vec<(Position, String)>) -> Option<Self> {
        let mut errors =
            errors.into_iter().map(|(position, message)| Self::new(file, Some(position), message));
        let first = errors.next()?;
        Some(Self { further: errors.collect(), ..first })
    }

    /// What else is wrong with the file, in its order. Nothing where it is not TOML, since nothing past such a place is sure.
    pub fn further(&self) -> &[ConfigError] {
        &self.further
    }

    /// The file's name, as it was given.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The line, counted from 1. `None` when the file could not be read at all.
    pub fn line(&self) -> Option<usize> {
        self.position.map(|p| p.line)
    }

    /// The column in characters, counted from 1. `None` when the file could not be read at all.
    pub fn column(&self) -> Option<usize> {
        self.position.map(|p| p.column)
    }

    /// The text without the place.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if let Some(Position { line, column }) = self.position {
            write!(f, "{line}:{column}:")?;
        }
        write!(f, " {}", self.message)
    }
}

impl Error for ConfigError {}

impl From<ConfigError> for io::Error {
    fn from(error: ConfigError) -> Self {
        io::Error::new(io::ErrorKind::InvalidInput, error)
    }
}
