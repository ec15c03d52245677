//! What the primitives answer when they can't give what was asked for.

use std::error::Error;
use std::fmt;

/// The [`Semaphore`](super::Semaphore) was closed, so there will never be a permit.
#[derive(Debug)]
pub struct AcquireError(());

impl AcquireError {
    pub(crate) const fn closed() -> Self {
        Self(())
    }
}

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("semaphore closed")
    }
}

impl Error for AcquireError {}

/// Why a [`Semaphore`](super::Semaphore) gave no permit at once.
#[derive(Debug, PartialEq, Eq)]
pub enum TryAcquireError {
    /// It was closed: there will never be one.
    Closed,
    /// There are not enough at the moment.
    NoPermits,
}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "semaphore closed",
            Self::NoPermits => "no permits available",
        })
    }
}

impl Error for TryAcquireError {}

/// The lock is held, and waiting for it was not asked for.
#[derive(Debug)]
pub struct TryLockError(pub(crate) ());

impl fmt::Display for TryLockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("operation would block")
    }
}

impl Error for TryLockError {}

/// Why a [`OnceCell`](super::OnceCell) did not take a value, which comes back with it.
#[derive(Debug, PartialEq, Eq)]
pub enum SetError<T> {
    /// The cell has one.
    AlreadyInitializedError(T),
    /// Somebody is making one.
    InitializingError(T),
}

impl<T> SetError<T> {
    /// Whether the cell had a value.
    pub fn is_already_init_err(&self) -> bool {
        matches!(self, Self::AlreadyInitializedError(_))
    }

    /// Whether somebody was making one.
    pub fn is_initializing_err(&self) -> bool {
        matches!(self, Self::InitializingError(_))
    }
}

impl<T> fmt::Display for SetError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyInitializedError(_) => "AlreadyInitializedError",
            Self::InitializingError(_) => "InitializingError",
        })
    }
}

impl<T: fmt::Debug> Error for SetError<T> {}

/// A [`SetOnce`](super::SetOnce) has a value already; the new one comes back.
#[derive(Debug, PartialEq, Eq)]
pub struct SetOnceError<T>(
    /// The value that was not taken.
    pub T,
);

impl<T> fmt::Display for SetOnceError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SetOnceError")
    }
}

impl<T: fmt::Debug> Error for SetOnceError<T> {}
