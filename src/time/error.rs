//! What can go wrong with time.

use std::{error, fmt, io};

/// The deadline of a [`Timeout`](super::Timeout) passed before its future was done.
#[derive(Debug, PartialEq, Eq)]
pub struct Elapsed(());

impl Elapsed {
    pub(super) fn new() -> Self {
        Self(())
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deadline has elapsed")
    }
}

impl error::Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(_: Elapsed) -> Self {
        io::ErrorKind::TimedOut.into()
    }
}

/// Why a timer could not do its work.
///
/// Nothing in this module returns it today; it is here for those who name it, and for what they build on timers.
#[derive(Debug, Clone, Copy)]
pub struct Error(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Shutdown,
    AtCapacity,
    Invalid,
}

impl Error {
    /// The runtime that drives the timer is gone.
    pub fn shutdown() -> Self {
        Self(Kind::Shutdown)
    }

    /// Whether this is [`shutdown`](Self::shutdown).
    pub fn is_shutdown(&self) -> bool {
        self.0 == Kind::Shutdown
    }

    /// There are as many timers as there can be. Later there may be room.
    pub fn at_capacity() -> Self {
        Self(Kind::AtCapacity)
    }

    /// Whether this is [`at_capacity`](Self::at_capacity).
    pub fn is_at_capacity(&self) -> bool {
        self.0 == Kind::AtCapacity
    }

    /// The duration is longer than timers reach.
    pub fn invalid() -> Self {
        Self(Kind::Invalid)
    }

    /// Whether this is [`invalid`](Self::invalid).
    pub fn is_invalid(&self) -> bool {
        self.0 == Kind::Invalid
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Shutdown => "the timer is shutdown, must be called from the context of Tokio runtime",
            Kind::AtCapacity => "timer is at capacity and cannot create a new entry",
            Kind::Invalid => "timer duration exceeds maximum duration",
        })
    }
}

impl error::Error for Error {}
