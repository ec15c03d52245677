//! [`sync::Notify`](crate::sync::Notify) for one shard.

#![expect(unsafe_code, reason = "vouches for the queue being one field")]

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::sync::domain::OneShard;
use crate::sync::notify::{Core, Notifies, Order, Waiting};
use crate::sync::wait_list::{Queued, WaitQueue};

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

// SAFETY: always that field.
unsafe impl Queued for Notify {
    type Domain = OneShard;
    type State = ();
    type Payload = Order;

    fn queue(&self) -> &WaitQueue<OneShard, (), Order> {
        self.core.queue()
    }
}

impl Notifies for Notify {
    fn core(&self) -> &Core<OneShard> {
        &self.core
    }
}

impl Notify {
    /// Nobody waits, nothing is kept.
    pub const fn new() -> Self {
        Self { core: Core::<OneShard>::new() }
    }

    /// Waits for a notification: a kept one, one by `notify_one`, or a `notify_waiters` after the future was made.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it leaves its place in the queue, and passes on what `notify_one` gave it.
    pub fn notified(&self) -> Notified<'_> {
        Notified { waiting: Waiting::new(self) }
    }

    /// Notifies who has waited longest, or, once, the next who comes.
    pub fn notify_one(&self) {
        self.core.notify(Order::First);
    }

    /// Notifies who came last, or, once, the next who comes.
    pub fn notify_last(&self) {
        self.core.notify(Order::Last);
    }

    /// Notifies everybody whose future has been made by now.
    pub fn notify_waiters(&self) {
        self.core.notify_all();
    }
}

impl Default for Notify {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.core.fmt(f)
    }
}

pin_project! {
    /// Made by [`Notify::notified`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Notified<'a> {
        #[pin]
        waiting: Waiting<&'a Notify>,
    }
}

impl Notified<'_> {
    /// Takes a place in the queue without waiting; true if there is a notification already.
    pub fn enable(self: Pin<&mut Self>) -> bool {
        self.project().waiting.poll(None).is_ready()
    }
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().waiting.poll(Some(cx.waker()))
    }
}

impl fmt::Debug for Notified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notified").finish_non_exhaustive()
    }
}
