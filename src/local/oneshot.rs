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

use crate::sync::kind::OneShard;
use crate::sync::oneshot::core;
use crate::sync::oneshot::ends::ends;

pub use crate::sync::oneshot::error;
use error::{RecvError, TryRecvError};

ends!(OneShard);

/// Makes a channel for one value.
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let (tx, rx) = core::channel();
    (Sender(tx), Receiver(rx))
}
