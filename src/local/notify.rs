//! [`sync::Notify`](crate::sync::Notify) for one shard.

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::sync::domain::OneShard;
use crate::sync::notify::{Core, Order, Waiting, notify};

/// Wakes tasks of this shard that wait for something to happen; see [`sync::Notify`](crate::sync::Notify).
///
/// # Examples
///
/// ```
/// # #[corelane::main]
/// # async fn main() {
/// use corelane::local::Notify;
/// use std::rc::Rc;
///
/// let notify = Rc::new(Notify::new());
/// let task = corelane::task::spawn_local({
///     let notify = notify.clone();
///     async move { notify.notified().await }
/// });
/// notify.notify_one();
/// task.await.unwrap();
/// # }
/// ```
pub struct Notify {
    core: Core<OneShard>,
}

impl Notify {
    /// Nobody waits, nothing is kept.
    pub const fn new() -> Self {
        Self { core: Core::<OneShard>::new() }
    }
}

notify!(OneShard, "local");
