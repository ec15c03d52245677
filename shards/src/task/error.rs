//! Why a task gave no output.

#![expect(
    unsafe_code,
    reason = "shares a payload that may not be Sync, of which only strings are ever looked at"
)]

use std::any::Any;
use std::{fmt, io};

use super::Id;

/// What a failed task leaves in place of its output: the payload of its panic, or nothing when it was cancelled.
pub(crate) type Failure = Option<Box<dyn Any + Send>>;

/// A task did not run to its end: it was cancelled or it panicked.
pub struct JoinError {
    id: Id,
    payload: Failure,
}

// SAFETY: through a shared reference only the payload's type is asked for and, if it is a string, read. Strings are `Sync`.
unsafe impl Sync for JoinError {}

impl JoinError {
    pub(crate) fn new(id: Id, failure: Failure) -> Self {
        Self { id, payload: failure }
    }

    /// Whether the task was cancelled: aborted, or dropped with its runtime.
    pub fn is_cancelled(&self) -> bool {
        self.payload.is_none()
    }

    /// Whether the task panicked.
    pub fn is_panic(&self) -> bool {
        self.payload.is_some()
    }

    /// The payload of the panic, for `std::panic::resume_unwind`.
    ///
    /// # Panics
    ///
    /// If the task did not panic. [`try_into_panic`](Self::try_into_panic) does not.
    #[track_caller]
    pub fn into_panic(self) -> Box<dyn Any + Send + 'static> {
        self.try_into_panic().expect("`JoinError` reason is not a panic.")
    }

    /// The payload of the panic, or the error itself if the task was cancelled.
    ///
    /// # Errors
    ///
    /// Gives `self` back if the task did not panic.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send + 'static>, Self> {
        match self.payload {
            Some(payload) => Ok(payload),
            None => Err(Self { id: self.id, payload: None }),
        }
    }

    /// Which task it was.
    pub fn id(&self) -> Id {
        self.id
    }

    /// The panic's message, if it has one.
    fn message(&self) -> Option<&str> {
        let payload = self.payload.as_ref()?;
        let message = payload.downcast_ref::<&'static str>().copied();
        message.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_cancelled() {
            return write!(f, "task {} was cancelled", self.id);
        }
        match self.message() {
            Some(message) => write!(f, "task {} panicked with message {message:?}", self.id),
            None => write!(f, "task {} panicked", self.id),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_cancelled() {
            return write!(f, "JoinError::Cancelled({:?})", self.id);
        }
        match self.message() {
            Some(message) => write!(f, "JoinError::Panic({:?}, {message:?}, ...)", self.id),
            None => write!(f, "JoinError::Panic({:?}, ...)", self.id),
        }
    }
}

impl std::error::Error for JoinError {}

impl From<JoinError> for io::Error {
    fn from(error: JoinError) -> Self {
        io::Error::other(if error.is_cancelled() { "task was cancelled" } else { "task panicked" })
    }
}
