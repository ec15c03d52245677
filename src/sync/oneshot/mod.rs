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
pub(crate) mod ends;
pub mod error;

#[cfg(all(test, loom))]
mod loom_tests;

use self::ends::ends;
use self::error::{RecvError, TryRecvError};
use super::kind::Threads;

ends!(Threads);

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

impl<T> Receiver<T> {
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
