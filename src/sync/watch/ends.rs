//! The ends, written once for `sync` and `local`: each has types of its own, which differ in who may share them.

/// `ends!(Threads, Arc, RwLockReadGuard, "sync")` in a module makes its `Sender`, `Receiver` and `Ref`.
macro_rules! ends {
    ($Kind:ty, $Arc:ident, $Look:ident, $module:literal) => {
        use std::fmt;
        use std::ops::Deref;

        use $crate::sync::watch::core::{Shared, before, cooperate};

        /// Changes the value. Clones change the same.
        ///
        /// When all senders are dropped, receivers that have seen the last value are told so.
        pub struct Sender<T> {
            shared: $Arc<Shared<T, $Kind>>,
        }

        /// Sees the value and waits for changes. A clone has seen what this one has.
        pub struct Receiver<T> {
            shared: $Arc<Shared<T, $Kind>>,
            seen: usize,
        }

        /// A look at the value. Nobody changes it meanwhile; see [the module](self).
        pub struct Ref<'a, T> {
            value: $Look<'a, T>,
            has_changed: bool,
        }

        impl<T> Sender<T> {
            /// Makes a channel without a receiver; [`subscribe`](Self::subscribe) makes some.
            pub fn new(init: T) -> Self {
                Self { shared: $Arc::new(Shared::new(init, 0)) }
            }

            /// Sets the value and wakes who waits. The old one is dropped.
            ///
            /// # Errors
            ///
            /// Gives the value back if there is no receiver; [`send_replace`](Self::send_replace) sets it even then.
            pub fn send(&self, value: T) -> Result<(), SendError<T>> {
                if self.shared.receivers() == 0 {
                    return Err(SendError(value));
                }
                self.send_replace(value);
                Ok(())
            }

            /// Changes the value in place and wakes who waits.
            ///
            /// If the closure panics, the value stays as it left it and nobody is woken.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = concat!("let (tx, rx) = corelane::", $module, "::watch::channel(1);")]
            /// tx.send_modify(|n| *n += 1);
            /// assert_eq!(*rx.borrow(), 2);
            /// ```
            pub fn send_modify<F>(&self, modify: F)
            where
                F: FnOnce(&mut T),
            {
                self.send_if_modified(|value| {
                    modify(value);
                    true
                });
            }

            /// As [`send_modify`](Self::send_modify); the closure says whether the value changed. If not, nobody is woken and receivers
            /// that have seen the value still have. What it said.
            pub fn send_if_modified<F>(&self, modify: F) -> bool
            where
                F: FnOnce(&mut T) -> bool,
            {
                self.shared.change(modify)
            }

            /// Sets the value, wakes who waits, and gives the old value.
            pub fn send_replace(&self, mut value: T) -> T {
                self.send_modify(|old| std::mem::swap(old, &mut value));
                value
            }

            /// Looks at the value.
            pub fn borrow(&self) -> Ref<'_, T> {
                Ref { value: self.shared.read().0, has_changed: false }
            }

            /// Whether there is no receiver. One may [`subscribe`](Self::subscribe) later.
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
                Receiver { shared: $Arc::clone(&self.shared), seen: self.shared.version().0 }
            }

            /// Number of receivers.
            pub fn receiver_count(&self) -> usize {
                self.shared.receivers()
            }

            /// Number of senders.
            pub fn sender_count(&self) -> usize {
                self.shared.senders()
            }

            /// Whether both are of the same channel.
            pub fn same_channel(&self, other: &Self) -> bool {
                $Arc::ptr_eq(&self.shared, &other.shared)
            }
        }

        impl<T: Default> Default for Sender<T> {
            fn default() -> Self {
                Self::new(T::default())
            }
        }

        impl<T> Clone for Sender<T> {
            fn clone(&self) -> Self {
                self.shared.enter_sender();
                Self { shared: $Arc::clone(&self.shared) }
            }
        }

        impl<T> Drop for Sender<T> {
            fn drop(&mut self) {
                self.shared.leave_sender();
            }
        }

        impl<T> fmt::Debug for Sender<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct("Sender").field("receivers", &self.receiver_count()).finish_non_exhaustive()
            }
        }

        impl<T> Receiver<T> {
            /// Looks at the value. What this receiver has seen stays as it was, so that [`changed`](Self::changed) may give the same
            /// value once more.
            pub fn borrow(&self) -> Ref<'_, T> {
                let (value, version) = self.shared.read();
                Ref { value, has_changed: version != self.seen }
            }

            /// Looks at the value and marks it as seen.
            ///
            /// After [`changed`](Self::changed) this is better than [`borrow`](Self::borrow): a value that came in between is then
            /// not given twice.
            pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
                let (value, version) = self.shared.read();
                let has_changed = version != self.seen;
                self.seen = version;
                Ref { value, has_changed }
            }

            /// Whether the value is one that this receiver has not seen.
            ///
            /// # Errors
            ///
            /// If all senders are dropped, also when the last value was not seen.
            pub fn has_changed(&self) -> Result<bool, RecvError> {
                match self.shared.version() {
                    (_, true) => Err(RecvError(())),
                    (version, false) => Ok(version != self.seen),
                }
            }

            /// Makes the value count as not seen: the next [`changed`](Self::changed) is ready at once.
            pub fn mark_changed(&mut self) {
                self.seen = before(self.shared.version().0);
            }

            /// Makes the value count as seen.
            pub fn mark_unchanged(&mut self) {
                self.seen = self.shared.version().0;
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

            /// Waits until the closure says yes to a value, which may be the one that is there, and marks it as seen.
            ///
            /// Values may be skipped: the closure sees the latest after each wake. It runs while the value is locked. What was waited
            /// for counts as seen when it comes, so its [`Ref::has_changed`] is false unless yet another value came meanwhile.
            ///
            /// # Errors
            ///
            /// If all senders are dropped and the closure said no to the last value.
            ///
            /// # Cancel safety
            ///
            /// Dropped before it is ready, only values that the closure said no to were marked as seen.
            pub async fn wait_for(&mut self, mut f: impl FnMut(&T) -> bool) -> Result<Ref<'_, T>, RecvError> {
                let Self { shared, seen } = self;
                cooperate().await;
                loop {
                    {
                        let (value, version) = shared.read();
                        let has_changed = version != *seen;
                        *seen = version;
                        if f(&value) {
                            return Ok(Ref { value, has_changed });
                        }
                    }
                    *seen = shared.changed(*seen).await.ok_or(RecvError(()))?;
                }
            }

            /// Whether all senders are dropped.
            pub fn is_closed(&self) -> bool {
                self.shared.version().1
            }

            /// Whether both are of the same channel.
            pub fn same_channel(&self, other: &Self) -> bool {
                $Arc::ptr_eq(&self.shared, &other.shared)
            }
        }

        impl<T> Clone for Receiver<T> {
            fn clone(&self) -> Self {
                self.shared.enter_receiver();
                Self { shared: $Arc::clone(&self.shared), seen: self.seen }
            }
        }

        impl<T> Drop for Receiver<T> {
            fn drop(&mut self) {
                self.shared.leave_receiver();
            }
        }

        impl<T> fmt::Debug for Receiver<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct("Receiver")
                    .field("has_changed", &self.has_changed().ok())
                    .finish_non_exhaustive()
            }
        }

        impl<T> Ref<'_, T> {
            /// Whether the receiver had not seen this value before it looked. Always false for a look of a sender's.
            pub fn has_changed(&self) -> bool {
                self.has_changed
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
                f.debug_struct("Ref").field("inner", &**self).field("has_changed", &self.has_changed).finish()
            }
        }
    };
}

pub(crate) use ends;
