//! Why a call gave no result.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use corelane_shards::task::JoinError;

/// A closure that was sent to a shard gave no result: it panicked, the shard is closed, or the service that it was meant for
/// has been stopped.
pub struct CallError(Kind);

enum Kind {
    Closed,
    Stopped,
    // A mutex only to be `Sync` for payloads that are not; it is never contended.
    Panicked(Mutex<Box<dyn Any + Send>>),
}

impl CallError {
    pub(super) fn stopped() -> Self {
        Self(Kind::Stopped)
    }

    pub(super) fn panicked(payload: Box<dyn Any + Send>) -> Self {
        Self(Kind::Panicked(Mutex::new(payload)))
    }

    pub(super) fn from_join(error: JoinError) -> Self {
        match error.try_into_panic() {
            Ok(payload) => Self::panicked(payload),
            Err(_) => Self(Kind::Closed),
        }
    }

    /// Whether the shard was closed, its runtime ending, before the closure had run to its end.
    pub fn is_closed(&self) -> bool {
        matches!(self.0, Kind::Closed)
    }

    /// Whether the [`Sharded`](super::Sharded) had been stopped, so that there was no instance.
    pub fn is_stopped(&self) -> bool {
        matches!(self.0, Kind::Stopped)
    }

    /// Whether the closure panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self.0, Kind::Panicked(_))
    }

    /// The payload of the panic, for `std::panic::resume_unwind`, or the error itself if there was none.
    ///
    /// # Errors
    ///
    /// Gives `self` back if the closure did not panic.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send + 'static>, Self> {
        match self.0 {
            Kind::Panicked(payload) => Ok(payload.into_inner().unwrap_or_else(PoisonError::into_inner)),
            _ => Err(self),
        }
    }

    /// The payload of the panic, for `std::panic::resume_unwind`.
    ///
    /// # Panics
    ///
    /// If the closure did not panic. [`try_into_panic`](Self::try_into_panic) does not.
    #[track_caller]
    pub fn into_panic(self) -> Box<dyn Any + Send + 'static> {
        match self.try_into_panic() {
            Ok(payload) => payload,
            Err(error) => panic!("the call did not panic: {error}"),
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let payload = match &self.0 {
            Kind::Closed => return f.write_str("the shard is closed"),
            Kind::Stopped => return f.write_str("the sharded service is stopped"),
            Kind::Panicked(payload) => payload.lock().unwrap_or_else(PoisonError::into_inner),
        };
        let text = payload.downcast_ref::<&'static str>().copied();
        match text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)) {
            Some(text) => write!(f, "the call panicked with message {text:?}"),
            None => f.write_str("the call panicked"),
        }
    }
}

impl fmt::Debug for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallError({self})")
    }
}

impl Error for CallError {}
