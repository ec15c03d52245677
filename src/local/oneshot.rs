//! One value from one task to another on the same shard.
//!
//! As [`sync::oneshot`](crate::sync::oneshot) without a locked instruction; the ends are `!Send`.
//!
//! # Examples
//!
//! ```
//! use std::rc::Rc;
//! use corelane::local::oneshot;
//!
//! # let rt = corelane::runtime::LocalRuntime::new().unwrap();
//! # rt.block_on(async {
//! let (tx, rx) = oneshot::channel();
//! corelane::task::spawn_local(async move { tx.send(Rc::new(42)) });
//! assert_eq!(*rx.await.unwrap(), 42);
//! # });
//! ```

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::sync::kind::OneShard;
use crate::sync::oneshot::core::{self, Rx, TryRecv, Tx};

pub use crate::sync::oneshot::error;
use error::{RecvError, TryRecvError};

/// Makes a channel for one value.
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let (tx, rx) = core::channel();
    (Sender(tx), Receiver(rx))
}

/// The end that sends. Dropping it without sending tells the receiver that nothing will come.
pub struct Sender<T>(Tx<T, OneShard>);

/// The end that waits for the value: a future. Dropping it tells the sender that nobody waits.
///
/// # Panics
///
/// When polled again after it gave its result.
#[must_use = "a receiver does nothing unless it is awaited"]
pub struct Receiver<T>(Rx<T, OneShard>);

impl<T> Sender<T> {
    /// Sends the value and wakes the receiver.
    ///
    /// # Errors
    ///
    /// Gives the value back if the receiver was dropped or closed.
    #[inline]
    pub fn send(self, value: T) -> Result<(), T> {
        self.0.send(value)
    }

    /// Waits until the receiver is dropped or closed.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when this is dropped.
    pub async fn closed(&mut self) {
        poll_fn(|cx| self.0.poll_closed(cx)).await;
    }

    /// Whether the receiver was dropped or closed.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}

impl<T> Receiver<T> {
    /// Makes [`Sender::send`] fail from now on. A value that was sent before can still be received.
    pub fn close(&mut self) {
        self.0.close();
    }

    /// The value, if it is there.
    ///
    /// # Errors
    ///
    /// [`Empty`](TryRecvError::Empty) if it may still come, [`Closed`](TryRecvError::Closed) if it can't.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        match self.0.try_recv() {
            TryRecv::Sent(value) => Ok(value),
            TryRecv::Closed => Err(TryRecvError::Closed),
            TryRecv::Empty => Err(TryRecvError::Empty),
        }
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
        f.debug_struct("Receiver").field("is_terminated", &self.0.is_terminated()).finish_non_exhaustive()
    }
}
