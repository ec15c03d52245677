//! One value that changes, and tasks of the same shard that want to know.
//!
//! As [`sync::watch`](crate::sync::watch) without a locked instruction; the ends are `!Send`.
//!
//! # Panics
//!
//! Where the other one would block: changing the value while a [`Ref`] is held, and looking at it from the closure that changes
//! it. One shard has nobody who could end the wait.
//!
//! # Examples
//!
//! ```
//! use corelane::local::watch;
//!
//! # let rt = corelane::runtime::LocalRuntime::new().unwrap();
//! # rt.block_on(async {
//! let (tx, mut rx) = watch::channel(0);
//! corelane::task::spawn_local(async move { tx.send(7).unwrap() });
//! rx.changed().await.unwrap();
//! assert_eq!(*rx.borrow_and_update(), 7);
//! # });
//! ```

use std::cell::Ref as Look;
use std::rc::Rc;

use crate::sync::kind::OneShard;
use crate::sync::watch::ends::ends;

pub use crate::sync::watch::error;
use error::{RecvError, SendError};

ends!(OneShard, Rc, Look, "local");

/// Makes a channel with its first value, which the receiver has seen.
pub fn channel<T>(init: T) -> (Sender<T>, Receiver<T>) {
    let shared = Rc::new(Shared::new(init, 1));
    (Sender { shared: Rc::clone(&shared) }, Receiver { shared, seen: 0 })
}
