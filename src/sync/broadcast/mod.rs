//! Each value to every receiver.
//!
//! A receiver gets the values that are sent after it was made, in the order in which they were sent. Values are cloned, one
//! clone for each receiver; wrap what is costly to clone in an `Arc`.
//!
//! # Lagging
//!
//! The channel keeps as many values as its capacity says, rounded up to a power of two. Sending never waits: it overwrites the
//! oldest value. A receiver that has not taken it yet is told how many it missed,
//! [`Lagged`](error::RecvError::Lagged), and goes on with the oldest value that is there.
//!
//! # The end
//!
//! When all senders are dropped, receivers get what is there and then [`Closed`](error::RecvError::Closed). While there is no
//! receiver, sending fails.
//!
//! # On shards
//!
//! A send that wakes nobody costs three locked instructions, a receive that need not wait two.
//!
//! # Examples
//!
//! ```
//! use corelane::sync::broadcast;
//!
//! # let rt = corelane::runtime::LocalRuntime::new().unwrap();
//! # rt.block_on(async {
//! let (tx, mut first) = broadcast::channel(16);
//! let mut second = tx.subscribe();
//! tx.send("hello").unwrap();
//! drop(tx);
//! assert_eq!(first.recv().await, Ok("hello"));
//! assert_eq!(second.recv().await, Ok("hello"));
//! assert_eq!(second.recv().await, Err(broadcast::error::RecvError::Closed));
//! # });
//! ```

pub mod error;
mod ring;

#[cfg(all(test, loom))]
mod loom_tests;

use std::fmt;
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, ready};

use corelane_shards::coop;

use self::error::{RecvError, SendError, TryRecvError};
use self::ring::{Next, Shared};
use super::wait_list::{Queued, Status, Waiter};

/// Makes a channel that keeps `capacity` values, rounded up to a power of two. Their slots are allocated at once.
///
/// # Panics
///
/// If `capacity` is 0 or more than `usize::MAX / 2`.
#[track_caller]
pub fn channel<T: Clone>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let shared = make(capacity, 1);
    (Sender { shared: Arc::clone(&shared) }, Receiver { shared, next: 0 })
}

#[track_caller]
fn make<T>(capacity: usize, receivers: usize) -> Arc<Shared<T>> {
    assert!(capacity > 0, "broadcast channel capacity cannot be zero");
    assert!(capacity <= usize::MAX >> 1, "broadcast channel capacity exceeded `usize::MAX / 2`");
    Arc::new(Shared::new(capacity, receivers))
}

/// Sends to all receivers. Clones send to the same.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

/// Receives each value that is sent after it was made.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    next: u64,
}

/// Leads to a [`Sender`] without keeping the channel open.
pub struct WeakSender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Makes a channel without a receiver; [`subscribe`](Self::subscribe) makes some.
    ///
    /// # Panics
    ///
    /// If `capacity` is 0 or more than `usize::MAX / 2`.
    #[track_caller]
    pub fn new(capacity: usize) -> Self {
        Self { shared: make(capacity, 0) }
    }

    /// Sends a value to all receivers there are; how many. They may still miss it.
    ///
    /// Doesn't wait for anything to happen, but blocks for the moment in which a slow receiver clones the very value that this one
    /// overwrites.
    ///
    /// # Errors
    ///
    /// Gives the value back if there is no receiver. One may [`subscribe`](Self::subscribe) later.
    pub fn send(&self, value: T) -> Result<usize, SendError<T>> {
        self.shared.send(value).map_err(SendError)
    }

    /// A new receiver, of what is sent from now on.
    pub fn subscribe(&self) -> Receiver<T> {
        Receiver { next: self.shared.enter_receiver(), shared: Arc::clone(&self.shared) }
    }

    /// A way to this channel that doesn't keep it open.
    #[must_use = "a weak sender that is dropped leads nowhere"]
    pub fn downgrade(&self) -> WeakSender<T> {
        self.shared.tail(|tail| tail.weak_senders += 1);
        WeakSender { shared: Arc::clone(&self.shared) }
    }

    /// Number of values that some receiver has yet to take.
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// Whether every receiver has taken every value.
    pub fn is_empty(&self) -> bool {
        self.shared.is_empty()
    }

    /// Number of receivers.
    pub fn receiver_count(&self) -> usize {
        self.shared.tail(|tail| tail.receivers)
    }

    /// Whether both are of the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Waits until there is no receiver.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when this is dropped.
    pub async fn closed(&self) {
        let mut waiter = pin!(Waiter::new(&self.shared.leaving, ()));
        poll_fn(|cx| {
            loop {
                if self.receiver_count() == 0 {
                    return Poll::Ready(());
                }
                if waiter.status() == Status::Queued {
                    if waiter.as_mut().refresh(Some(cx.waker())) == Status::Queued {
                        return Poll::Pending;
                    }
                    continue;
                }
                // Under that queue's lock: the last receiver leaves the tail first and takes that lock then.
                let gone = waiter.as_mut().enqueue(Some(cx.waker()), |_, _| match self.receiver_count() {
                    0 => ControlFlow::Break(()),
                    _ => ControlFlow::Continue(()),
                });
                return if gone.is_some() { Poll::Ready(()) } else { Poll::Pending };
            }
        })
        .await;
    }

    /// Number of [`Sender`]s.
    pub fn strong_count(&self) -> usize {
        self.shared.tail(|tail| tail.senders)
    }

    /// Number of [`WeakSender`]s.
    pub fn weak_count(&self) -> usize {
        self.shared.tail(|tail| tail.weak_senders)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.tail(|tail| tail.senders += 1);
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.shared.leave_sender();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broadcast::Sender")
    }
}

impl<T> WeakSender<T> {
    /// A sender, unless all are dropped.
    #[must_use = "a sender that is not kept is dropped at once"]
    pub fn upgrade(&self) -> Option<Sender<T>> {
        let alive = self.shared.tail(|tail| {
            if tail.senders == 0 {
                return false;
            }
            tail.senders += 1;
            true
        });
        alive.then(|| Sender { shared: Arc::clone(&self.shared) })
    }

    /// Number of [`Sender`]s.
    pub fn strong_count(&self) -> usize {
        self.shared.tail(|tail| tail.senders)
    }

    /// Number of [`WeakSender`]s.
    pub fn weak_count(&self) -> usize {
        self.shared.tail(|tail| tail.weak_senders)
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        self.shared.tail(|tail| tail.weak_senders += 1);
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> Drop for WeakSender<T> {
    fn drop(&mut self) {
        self.shared.tail(|tail| tail.weak_senders -= 1);
    }
}

impl<T> fmt::Debug for WeakSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broadcast::WeakSender")
    }
}

impl<T> Receiver<T> {
    /// Number of values that were sent and not received, with those that are overwritten and will count as missed: it may be
    /// more than the channel keeps.
    pub fn len(&self) -> usize {
        self.shared.tail(|tail| tail.position).wrapping_sub(self.next) as usize
    }

    /// Whether everything was received.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether both are of the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Number of [`Sender`]s.
    pub fn sender_strong_count(&self) -> usize {
        self.shared.tail(|tail| tail.senders)
    }

    /// Number of [`WeakSender`]s.
    pub fn sender_weak_count(&self) -> usize {
        self.shared.tail(|tail| tail.weak_senders)
    }

    /// Whether all senders are dropped. Values may still be there to receive.
    pub fn is_closed(&self) -> bool {
        self.sender_strong_count() == 0
    }
}

impl<T: Clone> Receiver<T> {
    /// Another receiver of this channel, of what is sent from now on.
    pub fn resubscribe(&self) -> Self {
        Self { next: self.shared.enter_receiver(), shared: Arc::clone(&self.shared) }
    }

    /// The next value, waiting for it.
    ///
    /// # Errors
    ///
    /// [`Lagged`](RecvError::Lagged) if values were missed; the next call goes on behind them.
    /// [`Closed`](RecvError::Closed) if all senders are dropped and everything was received.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, no value was taken.
    pub async fn recv(&mut self) -> Result<T, RecvError> {
        let Self { shared, next } = self;
        let mut waiter = pin!(Waiter::new(&**shared, ()));
        poll_fn(|cx| {
            let proceed = ready!(coop::poll_proceed(cx));
            let result = loop {
                if let Some(value) = shared.take(next) {
                    break Ok(value);
                }
                if waiter.status() == Status::Queued {
                    if waiter.as_mut().refresh(Some(cx.waker())) == Status::Queued {
                        return Poll::Pending;
                    }
                    continue;
                }
                let found = waiter.as_mut().enqueue(Some(cx.waker()), |shared, tail| {
                    match shared.look(tail, *next) {
                        Next::Empty => ControlFlow::Continue(()),
                        found => ControlFlow::Break(found),
                    }
                });
                match found {
                    None => return Poll::Pending,
                    Some(Next::Closed) => break Err(RecvError::Closed),
                    Some(Next::Lagged { missed, oldest }) => {
                        *next = oldest;
                        break Err(RecvError::Lagged(missed));
                    }
                    Some(Next::There | Next::Empty) => {}
                }
            };
            proceed.made_progress();
            Poll::Ready(result)
        })
        .await
    }

    /// The next value, if it is there.
    ///
    /// # Errors
    ///
    /// [`Empty`](TryRecvError::Empty) if it may come, [`Closed`](TryRecvError::Closed) if it won't,
    /// [`Lagged`](TryRecvError::Lagged) if values were missed; the next call goes on behind them.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let Self { shared, next } = self;
        loop {
            if let Some(value) = shared.take(next) {
                return Ok(value);
            }
            return Err(match shared.queue().with(|tail| shared.look(tail, *next)) {
                Next::There => continue,
                Next::Empty => TryRecvError::Empty,
                Next::Closed => TryRecvError::Closed,
                Next::Lagged { missed, oldest } => {
                    *next = oldest;
                    TryRecvError::Lagged(missed)
                }
            });
        }
    }

    /// As [`recv`](Self::recv) on a thread that drives no tasks, which sleeps meanwhile.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    ///
    /// # Panics
    ///
    /// On a thread that drives tasks.
    #[track_caller]
    pub fn blocking_recv(&mut self) -> Result<T, RecvError> {
        crate::runtime::block_thread_on(self.recv())
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.leave_receiver(self.next);
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broadcast::Receiver")
    }
}
