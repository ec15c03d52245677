//! Values from many tasks to one on the same shard.
//!
//! As [`sync::mpsc`](crate::sync::mpsc) without a locked instruction; the ends are `!Send`.
//!
//! # Examples
//!
//! ```
//! use std::rc::Rc;
//! use corelane::local::mpsc;
//!
//! # let rt = corelane::runtime::LocalRuntime::new().unwrap();
//! # rt.block_on(async {
//! let (tx, mut rx) = mpsc::channel(1);
//! corelane::task::spawn_local(async move {
//!     for i in 0..3 {
//!         tx.send(Rc::new(i)).await.unwrap();
//!     }
//! });
//! let mut sum = 0;
//! while let Some(i) = rx.recv().await {
//!     sum += *i;
//! }
//! assert_eq!(sum, 3);
//! # });
//! ```

use std::fmt;
use std::future::{Future, poll_fn};
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::sync::kind::OneShard;
use crate::sync::mpsc::acquire::Acquire;
use crate::sync::mpsc::chan::{self, LIMIT, NoPlace, NoValue, Rx, Tx, Weak};

pub use crate::sync::mpsc::error;
use error::{SendError, TryRecvError, TrySendError};

/// Makes a channel with room for `buffer` values.
///
/// # Panics
///
/// If `buffer` is 0 or more than `usize::MAX >> 3`.
#[track_caller]
pub fn channel<T>(buffer: usize) -> (Sender<T>, Receiver<T>) {
    assert!(buffer > 0 && buffer <= LIMIT, "a channel has room for 1 to {LIMIT} values, not {buffer}");
    let (tx, rx) = chan::channel(buffer);
    (Sender { tx }, Receiver { rx })
}

/// Makes a channel where sending never waits: [`Sender::try_send`] fails only when the receiver is gone.
pub fn unbounded_channel<T>() -> (Sender<T>, Receiver<T>) {
    let (tx, rx) = chan::channel(LIMIT);
    (Sender { tx }, Receiver { rx })
}

/// Sends into a channel of this shard. Clones send into the same.
pub struct Sender<T> {
    tx: Tx<T, OneShard>,
}

/// Receives from a channel of this shard.
pub struct Receiver<T> {
    rx: Rx<T, OneShard>,
}

/// Leads to a [`Sender`] without keeping the channel open.
pub struct WeakSender<T> {
    weak: Weak<T, OneShard>,
}

impl<T> Sender<T> {
    /// Sends a value, waiting for a place while the channel is full.
    ///
    /// # Errors
    ///
    /// Gives the value back if the receiver was dropped or closed.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, the value was not sent; it is dropped with the future.
    #[inline]
    pub fn send(&self, value: T) -> Sending<'_, T> {
        Sending { tx: &self.tx, value: Some(value), wait: None }
    }

    /// Sends a value if there is a place.
    ///
    /// # Errors
    ///
    /// [`Full`](TrySendError::Full) if there is none, [`Closed`](TrySendError::Closed) if the receiver was dropped or
    /// closed; both with the value.
    #[inline]
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        self.tx.try_send(value).map_err(|(why, value)| match why {
            NoPlace::Full => TrySendError::Full(value),
            NoPlace::Closed => TrySendError::Closed(value),
        })
    }

    /// Waits for a place and holds it.
    ///
    /// # Errors
    ///
    /// If the receiver was dropped or closed.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, the place in the queue is lost and nothing else.
    pub async fn reserve(&self) -> Result<Permit<'_, T>, SendError<()>> {
        Acquire::reserve(self.tx.chan(), 1).await.map_err(|_| SendError(()))?;
        Ok(Permit { tx: &self.tx })
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

    /// Free places.
    pub fn capacity(&self) -> usize {
        self.tx.free()
    }

    /// The limit that the channel was made with.
    pub fn max_capacity(&self) -> usize {
        self.tx.limit()
    }

    /// A way to this channel that doesn't keep it open.
    #[must_use = "a weak sender that is dropped leads nowhere"]
    pub fn downgrade(&self) -> WeakSender<T> {
        WeakSender { weak: self.tx.downgrade() }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self { tx: self.tx.clone() }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("capacity", &self.capacity()).finish_non_exhaustive()
    }
}

impl<T> WeakSender<T> {
    /// A sender, unless all are dropped.
    pub fn upgrade(&self) -> Option<Sender<T>> {
        self.weak.upgrade().map(|tx| Sender { tx })
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        Self { weak: self.weak.clone() }
    }
}

impl<T> Drop for WeakSender<T> {
    fn drop(&mut self) {
        self.weak.leave();
    }
}

impl<T> fmt::Debug for WeakSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakSender")
    }
}

/// One place in a channel. Dropped without [`send`](Self::send), it gives the place back.
#[must_use = "a permit that is dropped gives its place back"]
pub struct Permit<'a, T> {
    tx: &'a Tx<T, OneShard>,
}

impl<T> Permit<'_, T> {
    /// Sends into the place. Never waits and never fails; if the receiver was dropped, so is the value.
    pub fn send(self, value: T) {
        ManuallyDrop::new(self).tx.chan().send_held(value);
    }
}

impl<T> Drop for Permit<'_, T> {
    fn drop(&mut self) {
        self.tx.chan().give_back(1);
    }
}

impl<T> fmt::Debug for Permit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

pin_project! {
    /// Sends a value. Made by [`Sender::send`].
    ///
    /// As [`Recv`] a type of its own, so that its poll goes into the caller's.
    #[must_use = "a future does nothing unless it is awaited or polled"]
    pub struct Sending<'a, T> {
        tx: &'a Tx<T, OneShard>,
        // Until the first poll.
        value: Option<T>,
        #[pin]
        wait: Option<Acquire<'a, T, OneShard>>,
    }
}

impl<T> Future for Sending<'_, T> {
    type Output = Result<(), SendError<T>>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(value) = this.value.take() {
            match this.tx.send_now(value) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(value) => this.wait.set(Some(Acquire::send(this.tx.chan(), value))),
            }
        }
        poll_wait(this.wait, cx)
    }
}

/// The rest of a send that found no place at once.
#[inline(never)]
fn poll_wait<T>(
    wait: Pin<&mut Option<Acquire<'_, T, OneShard>>>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), SendError<T>>> {
    let wait = wait.as_pin_mut().expect("a future is not polled once it is ready");
    let value = |value: Option<T>| SendError(value.expect("a value that was not sent comes back"));
    wait.poll(cx).map_err(value)
}

impl<T> fmt::Debug for Sending<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").finish_non_exhaustive()
    }
}

/// Waits for the next value. Made by [`Receiver::recv`].
///
/// A type of its own, not an async function: its poll goes into the caller's, which is a quarter of a receive.
#[must_use = "a future does nothing unless it is awaited or polled"]
pub struct Recv<'a, T>(&'a mut Receiver<T>);

impl<T> Future for Recv<'_, T> {
    type Output = Option<T>;

    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.0.rx.poll_recv(cx)
    }
}

impl<T> fmt::Debug for Recv<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recv").finish_non_exhaustive()
    }
}

impl<T> Receiver<T> {
    /// The next value, waiting for one while nothing is queued. `None` when nothing will come.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, no value was taken.
    #[inline]
    pub fn recv(&mut self) -> Recv<'_, T> {
        Recv(self)
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
        self.rx.try_recv().map_err(|why| match why {
            NoValue::Empty => TryRecvError::Empty,
            NoValue::Over => TryRecvError::Disconnected,
        })
    }

    /// The next value. Leaves the waker while there is none.
    #[inline]
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.rx.poll_recv(cx)
    }

    /// Refuses new values. What is queued can be received, and what those who hold a permit send.
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
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn weak_senders_are_counted_while_they_are_there() {
        let (tx, _rx) = channel::<()>(1);
        let weak = tx.downgrade();
        let other = weak.clone();
        assert_eq!(tx.tx.counts(), (1, 2));
        drop((weak, other));
        assert_eq!(tx.tx.counts(), (1, 0));
    }
}
