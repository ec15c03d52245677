//! Values from many tasks to one.
//!
//! [`channel`] makes one with room for a number of values: who sends into a full one waits, first come, first served.
//! [`unbounded_channel`] makes one where sending never waits and memory is the limit. Senders can be cloned, the receiver can't.
//!
//! # The end
//!
//! When all senders are dropped, [`recv`](Receiver::recv) gives what is queued and then `None`. When the receiver is dropped,
//! what is queued is dropped and sending fails. [`close`](Receiver::close) lets a receiver refuse new values and still take what is
//! queued, and what those who hold a permit will send.
//!
//! # Order
//!
//! Values of one sender arrive in the order in which they were sent. Places are handed to waiting senders in the order in which
//! they came; a place that is free is never taken past somebody who waits.
//!
//! # Between threads that run no tasks
//!
//! [`blocking_send`](Sender::blocking_send) and [`blocking_recv`](Receiver::blocking_recv) wait on the calling thread. The
//! other end may be in a runtime.
//!
//! # On shards
//!
//! A send or a receive that need not wait costs one locked instruction. Between tasks of one shard
//! [`local::mpsc`](crate::local::mpsc) needs none.
//!
//! # Examples
//!
//! ```
//! use corelane::sync::mpsc;
//!
//! # let rt = corelane::runtime::LocalRuntime::new().unwrap();
//! # rt.block_on(async {
//! let (tx, mut rx) = mpsc::channel(8);
//! corelane::spawn(async move {
//!     for i in 0..3 {
//!         if tx.send(i).await.is_err() {
//!             return; // The receiver is gone.
//!         }
//!     }
//! });
//! let mut sum = 0;
//! while let Some(i) = rx.recv().await {
//!     sum += i;
//! }
//! assert_eq!(sum, 3);
//! # });
//! ```

pub(crate) mod acquire;
mod bounded;
pub(crate) mod chan;
mod ends;
pub mod error;
mod permit;
mod unbounded;
mod values;

#[cfg(all(test, loom))]
mod loom_tests;

pub use bounded::{Receiver, Sender, WeakSender, channel};
pub use permit::{OwnedPermit, Permit, PermitIterator};
pub use unbounded::{UnboundedReceiver, UnboundedSender, WeakUnboundedSender, unbounded_channel};
