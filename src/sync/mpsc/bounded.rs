//! The channel with a limit.

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use super::acquire::Acquire;
use super::chan::{self, LIMIT, NoPlace, NoValue, Rx, Tx, Weak};
use super::ends::{receiver, sender};
use super::error::{SendError, SendTimeoutError, TryRecvError, TrySendError};
use super::permit::{OwnedPermit, Permit, PermitIterator};
use crate::sync::kind::Threads;

/// Makes a channel with room for `buffer` values.
///
/// The number is a limit: memory is taken as values come.
///
/// # Panics
///
/// If `buffer` is 0 or more than `usize::MAX >> 3`.
///
/// # Examples
///
/// ```
/// use corelane::sync::mpsc::{self, error::TrySendError};
///
/// let (tx, mut rx) = mpsc::channel(1);
/// tx.try_send("one").unwrap();
/// assert_eq!(tx.try_send("two"), Err(TrySendError::Full("two")));
/// assert_eq!(rx.try_recv(), Ok("one"));
/// ```
#[track_caller]
pub fn channel<T>(buffer: usize) -> (Sender<T>, Receiver<T>) {
    assert!(buffer > 0, "mpsc bounded channel requires buffer > 0");
    assert!(buffer <= LIMIT, "a semaphore may not have more than MAX_PERMITS permits ({LIMIT})");
    let (tx, rx) = chan::channel(buffer);
    (Sender { tx }, Receiver { rx })
}

/// Sends into a bounded channel. Clones send into the same.
///
/// The channel ends for its receiver when all senders are dropped.
pub struct Sender<T> {
    pub(super) tx: Tx<T, Threads>,
}

/// Receives from a bounded channel.
pub struct Receiver<T> {
    rx: Rx<T, Threads>,
}

/// Leads to a [`Sender`] without keeping the channel open.
///
/// # Examples
///
/// ```
/// let (tx, mut rx) = corelane::sync::mpsc::channel::<u8>(1);
/// let weak = tx.downgrade();
/// weak.upgrade().unwrap().try_send(1).unwrap();
/// drop(tx);
/// assert!(weak.upgrade().is_none());
/// ```
pub struct WeakSender<T> {
    weak: Weak<T, Threads>,
}

impl<T> Sender<T> {
    /// Sends a value, waiting for a place while the channel is full.
    ///
    /// # Errors
    ///
    /// Gives the value back if the receiver was dropped or closed, before or while this waits.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, the value was not sent; it is dropped with the future, and so is the place in the queue.
    /// Where the value must survive, [`reserve`](Self::reserve) first.
    #[inline]
    pub async fn send(&self, value: T) -> Result<(), SendError<T>> {
        let value = match self.tx.send_now(value) {
            Ok(()) => return Ok(()),
            Err(value) => value,
        };
        match Acquire::send(self.tx.chan(), value).await {
            Ok(()) => Ok(()),
            Err(value) => Err(SendError(value.expect("a value that was not sent comes back"))),
        }
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

    /// Sends a value, waiting for a place for so long.
    ///
    /// # Errors
    ///
    /// [`Timeout`](SendTimeoutError::Timeout) if there was none, [`Closed`](SendTimeoutError::Closed) if the receiver was
    /// dropped or closed; both with the value.
    ///
    /// # Panics
    ///
    /// When polled outside of a runtime with timers.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn send_timeout(&self, value: T, timeout: Duration) -> Result<(), SendTimeoutError<T>> {
        match crate::time::timeout(timeout, self.reserve()).await {
            Ok(Ok(permit)) => {
                permit.send(value);
                Ok(())
            }
            Ok(Err(_)) => Err(SendTimeoutError::Closed(value)),
            Err(_) => Err(SendTimeoutError::Timeout(value)),
        }
    }

    /// Sends a value from a thread that drives no tasks, which sleeps while the channel is full.
    ///
    /// # Errors
    ///
    /// Gives the value back if the receiver was dropped or closed.
    ///
    /// # Panics
    ///
    /// On a thread that drives tasks.
    ///
    /// # Examples
    ///
    /// ```
    /// let (tx, mut rx) = corelane::sync::mpsc::channel(1);
    /// let thread = std::thread::spawn(move || (0..3).for_each(|i| tx.blocking_send(i).unwrap()));
    /// assert_eq!(std::iter::from_fn(|| rx.blocking_recv()).sum::<i32>(), 3);
    /// thread.join().unwrap();
    /// ```
    #[track_caller]
    pub fn blocking_send(&self, value: T) -> Result<(), SendError<T>> {
        crate::runtime::block_thread_on(self.send(value))
    }

    /// Waits for a place and holds it. The value is sent later, without waiting.
    ///
    /// # Errors
    ///
    /// If the receiver was dropped or closed, before or while this waits.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, the place in the queue is lost and nothing else; a place that was just handed over goes
    /// to the next who waits.
    ///
    /// # Examples
    ///
    /// ```
    /// # let rt = corelane::runtime::LocalRuntime::new().unwrap();
    /// # rt.block_on(async {
    /// let (tx, mut rx) = corelane::sync::mpsc::channel(1);
    /// let permit = tx.reserve().await.unwrap();
    /// assert!(tx.try_send("no place").is_err());
    /// permit.send("the place was held");
    /// assert_eq!(rx.recv().await, Some("the place was held"));
    /// # });
    /// ```
    pub async fn reserve(&self) -> Result<Permit<'_, T>, SendError<()>> {
        self.acquire(1).await?;
        Ok(Permit::new(&self.tx))
    }

    /// Waits for `n` places and holds them. They are gathered as they come free, and nobody behind gets one meanwhile.
    ///
    /// # Errors
    ///
    /// If `n` is more than [`max_capacity`](Self::max_capacity), or the receiver was dropped or closed.
    ///
    /// # Cancel safety
    ///
    /// As [`reserve`](Self::reserve): what was gathered goes to the next who waits.
    pub async fn reserve_many(&self, n: usize) -> Result<PermitIterator<'_, T>, SendError<()>> {
        self.acquire(n).await?;
        Ok(PermitIterator::new(&self.tx, n))
    }

    /// As [`reserve`](Self::reserve) with a permit that borrows nothing, for a future that has to be `'static`.
    ///
    /// # Errors
    ///
    /// If the receiver was dropped or closed.
    ///
    /// # Cancel safety
    ///
    /// As [`reserve`](Self::reserve); the sender is dropped with the future.
    pub async fn reserve_owned(self) -> Result<OwnedPermit<T>, SendError<()>> {
        self.acquire(1).await?;
        Ok(OwnedPermit::new(self))
    }

    async fn acquire(&self, n: usize) -> Result<(), SendError<()>> {
        if n > self.max_capacity() {
            return Err(SendError(()));
        }
        Acquire::reserve(self.tx.chan(), n).await.map_err(|_| SendError(()))
    }

    fn try_acquire<E>(&self, n: usize, error: E) -> Result<E, TrySendError<E>> {
        match self.tx.try_reserve(n) {
            Ok(()) => Ok(error),
            Err(NoPlace::Full) => Err(TrySendError::Full(error)),
            Err(NoPlace::Closed) => Err(TrySendError::Closed(error)),
        }
    }

    /// Holds a place if there is one.
    ///
    /// # Errors
    ///
    /// [`Full`](TrySendError::Full) if there is none, [`Closed`](TrySendError::Closed) if the receiver was dropped or closed.
    pub fn try_reserve(&self) -> Result<Permit<'_, T>, TrySendError<()>> {
        self.try_acquire(1, ())?;
        Ok(Permit::new(&self.tx))
    }

    /// Holds `n` places if there are so many.
    ///
    /// # Errors
    ///
    /// [`Full`](TrySendError::Full) if there are fewer, [`Closed`](TrySendError::Closed) if the receiver was dropped or closed.
    pub fn try_reserve_many(&self, n: usize) -> Result<PermitIterator<'_, T>, TrySendError<()>> {
        self.try_acquire(n, ())?;
        Ok(PermitIterator::new(&self.tx, n))
    }

    /// As [`try_reserve`](Self::try_reserve) with a permit that borrows nothing.
    ///
    /// # Errors
    ///
    /// The same; the error has the sender.
    pub fn try_reserve_owned(self) -> Result<OwnedPermit<T>, TrySendError<Self>> {
        match self.try_acquire(1, ()) {
            Ok(()) => Ok(OwnedPermit::new(self)),
            Err(TrySendError::Full(())) => Err(TrySendError::Full(self)),
            Err(TrySendError::Closed(())) => Err(TrySendError::Closed(self)),
        }
    }

    /// Free places: neither taken by a value nor held by a permit or by who waits for several.
    pub fn capacity(&self) -> usize {
        self.tx.free()
    }

    /// The limit that the channel was made with.
    pub fn max_capacity(&self) -> usize {
        self.tx.limit()
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("capacity", &self.capacity()).finish_non_exhaustive()
    }
}

impl<T> Receiver<T> {
    /// Free places; see [`Sender::capacity`].
    pub fn capacity(&self) -> usize {
        self.rx.free()
    }

    /// The limit that the channel was made with.
    pub fn max_capacity(&self) -> usize {
        self.rx.limit()
    }
}

sender!(Sender, WeakSender, "[`Sender`]s and [`OwnedPermit`]s", "[`WeakSender`]s");
receiver!(Receiver, "[`Sender`]s and [`OwnedPermit`]s", "[`WeakSender`]s");
