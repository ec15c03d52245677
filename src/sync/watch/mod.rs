//! One value that changes, and any number of tasks that want to know.
//!
//! A [`Receiver`] sees the latest value, not each: who is slow skips what came between. [`changed`](Receiver::changed)
//! waits for a value that this receiver has not seen, and [`borrow`](Receiver::borrow) looks at it in place. Good for configuration,
//! progress and the order to shut down.
//!
//! # Seen and not seen
//!
//! A receiver remembers which version it has seen. [`changed`](Receiver::changed),
//! [`wait_for`](Receiver::wait_for) and [`borrow_and_update`](Receiver::borrow_and_update) mark the current one as seen,
//! [`borrow`](Receiver::borrow) doesn't. A new receiver, from [`channel`] or [`Sender::subscribe`], has seen the value
//! that is there.
//!
//! # Looking blocks changing
//!
//! A [`Ref`] holds a read lock. While one is held a sender that wants to change the value blocks its thread, and so do receivers
//! behind it. Keep it for a short time and never across an `await`: the compiler sees to that where tasks have to be `Send`.
//!
//! # On shards
//!
//! Between tasks of one shard, [`local::watch`](crate::local::watch) does the same without a locked instruction.
//!
//! # Examples
//!
//! ```
//! use corelane::sync::watch;
//!
//! # let rt = corelane::runtime::LocalRuntime::new().unwrap();
//! # rt.block_on(async {
//! let (tx, mut rx) = watch::channel("starting");
//! corelane::spawn(async move {
//!     tx.send("running").unwrap();
//! });
//! rx.wait_for(|state| *state == "running").await.unwrap();
//! assert!(rx.changed().await.is_err(), "the sender is gone");
//! # });
//! ```

pub(crate) mod core;
pub(crate) mod ends;
pub mod error;

#[cfg(all(test, loom))]
mod loom_tests;

use std::sync::Arc;

use corelane_shards::loom::RwLockReadGuard;

use self::ends::ends;
use self::error::{RecvError, SendError};
use super::kind::Threads;

ends!(Threads, Arc, RwLockReadGuard, "sync");

/// Makes a channel with its first value, which the receiver has seen.
pub fn channel<T>(init: T) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared::new(init, 1));
    (Sender { shared: Arc::clone(&shared) }, Receiver { shared, seen: 0 })
}
