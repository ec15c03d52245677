//! The channel without a limit.

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

use super::chan::{self, LIMIT, NoValue, Rx, Tx, Weak};
use super::ends::{receiver, sender};
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
}

impl<T> fmt::Debug for UnboundedSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnboundedSender").finish_non_exhaustive()
    }
}

sender!(UnboundedSender, WeakUnboundedSender, "[`UnboundedSender`]s", "[`WeakUnboundedSender`]s");
receiver!(UnboundedReceiver, "[`UnboundedSender`]s", "[`WeakUnboundedSender`]s");
