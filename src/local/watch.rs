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

use std::cell;
use std::fmt;
use std::ops::Deref;
use std::rc::Rc;

use crate::sync::kind::OneShard;
use crate::sync::watch::core::{Shared, before};

pub use crate::sync::watch::error;
use error::{RecvError, SendError};

/// Makes a channel with its first value, which the receiver has seen.
pub fn channel<T>(init: T) -> (Sender<T>, Receiver<T>) {
    let shared = Rc::new(Shared::new(init, 1));
    (Sender { shared: Rc::clone(&shared) }, Receiver { shared, seen: 0 })
}

/// Changes the value. Clones change the same.
pub struct Sender<T> {
    shared: Rc<Shared<T, OneShard>>,
}

/// Sees the value and waits for changes. A clone has seen what this one has.
pub struct Receiver<T> {
    shared: Rc<Shared<T, OneShard>>,
    seen: usize,
}

/// A look at the value. Nobody may change it meanwhile.
pub struct Ref<'a, T> {
    value: cell::Ref<'a, T>,
}

impl<T> Sender<T> {
    /// Sets the value and wakes who waits.
    ///
    /// # Errors
    ///
    /// Gives the value back if there is no receiver.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        if self.shared.receivers() == 0 {
            return Err(SendError(value));
        }
        self.send_replace(value);
        Ok(())
    }

    /// Changes the value in place and wakes who waits, if the closure says that it changed. What it said.
    pub fn send_if_modified(&self, modify: impl FnOnce(&mut T) -> bool) -> bool {
        self.shared.change(modify)
    }

    /// Sets the value, wakes who waits, and gives the old value.
    pub fn send_replace(&self, mut value: T) -> T {
        self.shared.change(|old| {
            std::mem::swap(old, &mut value);
            true
        });
        value
    }

    /// Looks at the value.
    pub fn borrow(&self) -> Ref<'_, T> {
        Ref { value: self.shared.read().0 }
    }

    /// Whether there is no receiver.
    pub fn is_closed(&self) -> bool {
        self.shared.receivers() == 0
    }

    /// Waits until there is no receiver.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when this is dropped.
    pub async fn closed(&self) {
        self.shared.closed().await;
    }

    /// A new receiver, which has seen the value that is there.
    pub fn subscribe(&self) -> Receiver<T> {
        self.shared.enter_receiver();
        Receiver { shared: Rc::clone(&self.shared), seen: self.shared.version().0 }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.enter_sender();
        Self { shared: Rc::clone(&self.shared) }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.shared.leave_sender();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("receivers", &self.shared.receivers()).finish_non_exhaustive()
    }
}

impl<T> Receiver<T> {
    /// Looks at the value.
    pub fn borrow(&self) -> Ref<'_, T> {
        Ref { value: self.shared.read().0 }
    }

    /// Looks at the value and marks it as seen.
    pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
        let (value, version) = self.shared.read();
        self.seen = version;
        Ref { value }
    }

    /// Whether the value is one that this receiver has not seen.
    ///
    /// # Errors
    ///
    /// If all senders are dropped.
    pub fn has_changed(&self) -> Result<bool, RecvError> {
        match self.shared.version() {
            (_, true) => Err(RecvError(())),
            (version, false) => Ok(version != self.seen),
        }
    }

    /// Makes the value count as not seen.
    pub fn mark_changed(&mut self) {
        self.seen = before(self.shared.version().0);
    }

    /// Waits for a value that this receiver has not seen, and marks it as seen.
    ///
    /// # Errors
    ///
    /// If all senders are dropped and the last value was seen.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is ready, nothing was marked as seen.
    pub async fn changed(&mut self) -> Result<(), RecvError> {
        self.seen = self.shared.changed(self.seen).await.ok_or(RecvError(()))?;
        Ok(())
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.shared.enter_receiver();
        Self { shared: Rc::clone(&self.shared), seen: self.seen }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.leave_receiver();
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("has_changed", &self.has_changed().ok()).finish_non_exhaustive()
    }
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Ref<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
