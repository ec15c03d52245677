//! `split`: one stream as two halves that may live in different tasks.
//!
//! The stream stands behind a lock that each half holds while it polls. The stream is boxed so that it stays
//! where it is pinned: what the lock hands out may be moved, the box may not.
//!
//! A poll wakes other tasks with the lock held. That is safe for wakers that only schedule, as a runtime's do;
//! one that polls the other half at once would meet its own lock.

use std::fmt;
use std::pin::Pin;
use std::sync::PoisonError;

use corelane_shards::loom::{Arc, Mutex, MutexGuard};

use super::traits::delegate;
use super::{AsyncRead, AsyncWrite};

/// The reading half of a stream. Made by [`split`].
pub struct ReadHalf<T> {
    shared: Arc<Mutex<Pin<Box<T>>>>,
}

/// The writing half of a stream. Made by [`split`].
///
/// Dropping it does not shut the stream down: the stream lives as long as either half.
pub struct WriteHalf<T> {
    shared: Arc<Mutex<Pin<Box<T>>>>,
}

/// Splits a stream into a half that reads and one that writes, each usable without the other.
///
/// [`ReadHalf::unsplit`] puts them together again. Streams that can be split without a lock, such as
/// `TcpStream`, have methods of their own for it.
pub fn split<T>(stream: T) -> (ReadHalf<T>, WriteHalf<T>)
where
    T: AsyncRead + AsyncWrite,
{
    let shared = Arc::new(Mutex::new(Box::pin(stream)));
    (ReadHalf { shared: Arc::clone(&shared) }, WriteHalf { shared })
}

/// Locks, whoever panicked before: a stream that panicked in one half answers for itself in the other.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> ReadHalf<T> {
    /// Whether the two are halves of one stream.
    pub fn is_pair_of(&self, other: &WriteHalf<T>) -> bool {
        other.is_pair_of(self)
    }

    /// Puts the two halves together again.
    ///
    /// # Panics
    ///
    /// When they are not [halves of one stream](Self::is_pair_of).
    #[track_caller]
    pub fn unsplit(self, wr: WriteHalf<T>) -> T
    where
        T: Unpin,
    {
        assert!(self.is_pair_of(&wr), "Unrelated `split::Write` passed to `split::Read::unsplit`.");
        drop(wr);
        let mutex = Arc::try_unwrap(self.shared).ok().expect("a stream has two halves");
        *Pin::into_inner(mutex.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T> WriteHalf<T> {
    /// Whether the two are halves of one stream.
    pub fn is_pair_of(&self, other: &ReadHalf<T>) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl<T: AsyncRead> AsyncRead for ReadHalf<T> {
    delegate!(AsyncRead, self => lock(&self.shared).as_mut());
}

impl<T: AsyncWrite> AsyncWrite for WriteHalf<T> {
    delegate!(AsyncWrite, self => lock(&self.shared).as_mut(), &*lock(&self.shared));
}

impl<T: fmt::Debug> fmt::Debug for ReadHalf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("split::ReadHalf").finish()
    }
}

impl<T: fmt::Debug> fmt::Debug for WriteHalf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("split::WriteHalf").finish()
    }
}
