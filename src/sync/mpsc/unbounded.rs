//! The channel without a limit.

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

use super::bounded::from_no_value;
use super::chan::{self, LIMIT, Rx, Tx, Weak};
use super::error::{SendError, TryRecvError};
use crate::sync::kind::Threads;

/// Makes a channel where sending never waits.
///
/// If values come faster than they are received, the queue grows until memory is used up; [`channel`](super::channel)
/// makes senders wait instead.
///
/// # Examples
///
/// ```
/// let (tx, mut rx) = corelane::sync::mpsc::unbounded_channel();
/// tx.send("hello").unwrap();
/// drop(tx);
/// assert_eq!(rx.blocking_recv(), Some("hello"));
/// assert_eq!(rx.blocking_recv(), None);
/// ```
pub fn unbounded_channel<T>() -> (UnboundedSender<T>, UnboundedReceiver<T>) {
    let (tx, rx) = chan::channel(LIMIT);
    (UnboundedSender { tx }, UnboundedReceiver { rx })
}

/// Sends into an unbounded channel. Clones send into the same.
///
/// The channel ends for its receiver when all senders are dropped.
pub struct UnboundedSender<T> {
    tx: Tx<T, Threads>,
}

/// Receives from an unbounded channel.
pub struct UnboundedReceiver<T> {
    rx: Rx<T, Threads>,
}

/// Leads to an [`UnboundedSender`] without keeping the channel open.
pub struct WeakUnboundedSender<T> {
    weak: Weak<T, Threads>,
}

impl<T> UnboundedSender<T> {
    /// Sends a value. Needs no `await` and no runtime.
    ///
    /// # Errors
    ///
    /// Gives the value back if the receiver was dropped or closed.
    #[inline]
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        self.tx.try_send(value).map_err(|(_, value)| SendError(value))
    }

    /// Waits until the receiver is dropped or closed.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when this is dropped.
    pub async fn closed(&self) {
        self.tx.closed().await;
    }

    /// Whether the receiver was dropped or closed.
    pub fn is_closed(&self) -> bool {
        self.tx.is_closed()
    }

    /// Whether both are of the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        self.tx.same(&other.tx)
    }

    /// A way to this channel that doesn't keep it open.
    #[must_use = "a weak sender that is dropped leads nowhere"]
    pub fn downgrade(&self) -> WeakUnboundedSender<T> {
        WeakUnboundedSender { weak: self.tx.downgrade() }
    }

    /// Number of [`UnboundedSender`]s.
    pub fn strong_count(&self) -> usize {
        self.tx.counts().0
    }

    /// Number of [`WeakUnboundedSender`]s.
    pub fn weak_count(&self) -> usize {
        self.tx.counts().1
    }
}

impl<T> Clone for UnboundedSender<T> {
    fn clone(&self) -> Self {
        Self { tx: self.tx.clone() }
    }
}

impl<T> fmt::Debug for UnboundedSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnboundedSender").finish_non_exhaustive()
    }
}

impl<T> UnboundedReceiver<T> {
    /// The next value, waiting for one while nothing is queued. `None` when nothing will come: all senders are dropped, or
    /// this end was [closed](Self::close).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, no value was taken.
    #[inline]
    pub async fn recv(&mut self) -> Option<T> {
        poll_fn(|cx| self.rx.poll_recv(cx)).await
    }

    /// Waits for values and appends up to `limit` to the vector. How many; 0 when nothing will come, or if `limit` is 0.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, no value was taken.
    pub async fn recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        poll_fn(|cx| self.rx.poll_recv_many(cx, buffer, limit)).await
    }

    /// The next value, if one is queued.
    ///
    /// # Errors
    ///
    /// [`Empty`](TryRecvError::Empty) if none is, [`Disconnected`](TryRecvError::Disconnected) if none will be either.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.rx.try_recv().map_err(from_no_value)
    }

    /// As [`recv`](Self::recv) on a thread that drives no tasks, which sleeps meanwhile.
    ///
    /// # Panics
    ///
    /// On a thread that drives tasks.
    #[track_caller]
    pub fn blocking_recv(&mut self) -> Option<T> {
        crate::runtime::block_thread_on(self.recv())
    }

    /// As [`recv_many`](Self::recv_many) on a thread that drives no tasks, which sleeps meanwhile.
    ///
    /// # Panics
    ///
    /// On a thread that drives tasks.
    #[track_caller]
    pub fn blocking_recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        crate::runtime::block_thread_on(self.recv_many(buffer, limit))
    }

    /// Refuses new values: sending fails from now on. What is queued can be received.
    pub fn close(&mut self) {
        self.rx.close();
    }

    /// Whether this end was closed or all senders are dropped. Values may still be queued.
    pub fn is_closed(&self) -> bool {
        self.rx.is_closed()
    }

    /// Whether nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of queued values.
    pub fn len(&self) -> usize {
        self.rx.len()
    }

    /// The next value. Leaves the waker while there is none; only the waker of the latest call is woken.
    ///
    /// `Pending` also when the task has used up its budget; it is woken then.
    #[inline]
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.rx.poll_recv(cx)
    }

    /// Appends up to `limit` values to the vector; how many. Otherwise as [`poll_recv`](Self::poll_recv).
    pub fn poll_recv_many(&mut self, cx: &mut Context<'_>, buffer: &mut Vec<T>, limit: usize) -> Poll<usize> {
        self.rx.poll_recv_many(cx, buffer, limit)
    }

    /// Number of [`UnboundedSender`]s.
    pub fn sender_strong_count(&self) -> usize {
        self.rx.counts().0
    }

    /// Number of [`WeakUnboundedSender`]s.
    pub fn sender_weak_count(&self) -> usize {
        self.rx.counts().1
    }
}

impl<T> fmt::Debug for UnboundedReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnboundedReceiver").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<T> WeakUnboundedSender<T> {
    /// A sender, unless all are dropped.
    pub fn upgrade(&self) -> Option<UnboundedSender<T>> {
        self.weak.upgrade().map(|tx| UnboundedSender { tx })
    }

    /// Number of [`UnboundedSender`]s.
    pub fn strong_count(&self) -> usize {
        self.weak.counts().0
    }

    /// Number of [`WeakUnboundedSender`]s.
    pub fn weak_count(&self) -> usize {
        self.weak.counts().1
    }
}

impl<T> Clone for WeakUnboundedSender<T> {
    fn clone(&self) -> Self {
        Self { weak: self.weak.clone() }
    }
}

impl<T> fmt::Debug for WeakUnboundedSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakUnboundedSender")
    }
}
