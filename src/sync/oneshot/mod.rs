//! One value from one task to another.
//!
//! [`channel`] makes the two ends. [`Sender::send`] needs no `await`: the channel always has room for its one value. The
//! [`Receiver`] is a future of that value, or of an error if the sender was dropped without sending.
//!
//! A value costs one locked instruction to send, one to wait for and none to take. Between tasks of one shard
//! [`local::oneshot`](crate::local::oneshot) executes none at all.
//!
//! # Examples
//!
//! ```
//! use corelane::sync::oneshot;
//!
//! # let rt = corelane::runtime::LocalRuntime::new().unwrap();
//! # rt.block_on(async {
//! let (tx, rx) = oneshot::channel();
//! corelane::spawn(async move {
//!     // Fails only if the receiver is gone.
//!     tx.send(42).unwrap();
//! });
//! assert_eq!(rx.await, Ok(42));
//! # });
//! ```

pub(crate) mod core;
pub mod error;

#[cfg(all(test, loom))]
mod loom_tests;

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use self::core::{Rx, TryRecv, Tx};
use self::error::{RecvError, TryRecvError};
use super::kind::Threads;

/// Makes a channel for one value.
///
/// # Examples
///
/// ```
/// let (tx, mut rx) = corelane::sync::oneshot::channel();
/// tx.send("hello").unwrap();
/// assert_eq!(rx.try_recv(), Ok("hello"));
/// ```
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let (tx, rx) = core::channel();
    (Sender(tx), Receiver(rx))
}

/// The end that sends. Dropping it without sending tells the receiver that nothing will come.
pub struct Sender<T>(Tx<T, Threads>);

/// The end that waits for the value: a future. Dropping it tells the sender that nobody waits.
///
/// # Cancel safety
///
/// Await `&mut receiver` in a `select!` or under a timeout, and the value that comes later is still there for the next
/// await.
///
/// # Panics
///
/// When polled again after it gave its result.
#[must_use = "a receiver does nothing unless it is awaited"]
pub struct Receiver<T>(Rx<T, Threads>);

impl<T> Sender<T> {
    /// Sends the value and wakes the receiver.
    ///
    /// `Ok` does not mean that the receiver will take it: it may be dropped a moment later.
    ///
    /// # Errors
    ///
    /// Gives the value back if the receiver was dropped or closed.
    #[inline]
    pub fn send(self, value: T) -> Result<(), T> {
        self.0.send(value)
    }

    /// Waits until the receiver is dropped or closed, for work that is worth doing only while somebody waits for it.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when this is dropped.
    pub async fn closed(&mut self) {
        poll_fn(|cx| self.poll_closed(cx)).await;
    }

    /// Whether the receiver was dropped or closed. If so, [`send`](Self::send) fails.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Ready once the receiver was dropped or closed; leaves the waker until then. Only the waker of the latest call
    /// is woken.
    pub fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll_closed(cx)
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}

impl<T> Receiver<T> {
    /// Tells the sender that nobody waits, so that [`Sender::send`] fails from now on. A value that was sent before can
    /// still be received.
    pub fn close(&mut self) {
        self.0.close();
    }

    /// Whether the result was received, by `await` or by [`try_recv`](Self::try_recv). Polling then panics.
    pub fn is_terminated(&self) -> bool {
        self.0.is_terminated()
    }

    /// Whether no value waits to be received: none was sent yet, or it was received, or none will ever come.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value, if it is there.
    ///
    /// # Errors
    ///
    /// [`Empty`](TryRecvError::Empty) if it may still come, [`Closed`](TryRecvError::Closed) if it can't: the sender was
    /// dropped, or this end was closed, or the value was received before.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        match self.0.try_recv() {
            TryRecv::Sent(value) => Ok(value),
            TryRecv::Closed => Err(TryRecvError::Closed),
            TryRecv::Empty => Err(TryRecvError::Empty),
        }
    }

    /// Waits for the value on a thread that drives no tasks.
    ///
    /// # Panics
    ///
    /// On a thread that does.
    ///
    /// # Errors
    ///
    /// If the sender was dropped without sending.
    ///
    /// # Examples
    ///
    /// ```
    /// let (tx, rx) = corelane::sync::oneshot::channel();
    /// let thread = std::thread::spawn(move || rx.blocking_recv());
    /// tx.send(7).unwrap();
    /// assert_eq!(thread.join().unwrap(), Ok(7));
    /// ```
    #[track_caller]
    pub fn blocking_recv(self) -> Result<T, RecvError> {
        crate::runtime::block_thread_on(self)
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_recv(cx).map(|value| value.ok_or(RecvError(())))
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("is_terminated", &self.is_terminated()).finish_non_exhaustive()
    }
}
