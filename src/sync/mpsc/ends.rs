//! What the ends of a channel have in common with and without a limit: types of their own, which are the same but for sending.

/// `sender!(Sender, WeakSender, …)`: a sending end's count and close, and all of its weak one.
macro_rules! sender {
    ($Sender:ident, $WeakSender:ident, $strong:literal, $weak:literal) => {
        impl<T> $Sender<T> {
            /// Waits until the receiver is dropped or closed.
            ///
            /// # Cancel safety
            ///
            /// Nothing is lost when this is dropped.
            pub async fn closed(&self) {
                self.tx.closed().await;
            }

            /// Whether the receiver was dropped or closed.
            pub fn is_closed(&self) -> bool {
                self.tx.is_closed()
            }

            /// Whether both are of the same channel.
            pub fn same_channel(&self, other: &Self) -> bool {
                self.tx.same(&other.tx)
            }

            /// A way to this channel that doesn't keep it open.
            #[must_use = "a weak sender that is dropped leads nowhere"]
            pub fn downgrade(&self) -> $WeakSender<T> {
                $WeakSender { weak: self.tx.downgrade() }
            }

            #[doc = concat!("Number of ", $strong, ".")]
            pub fn strong_count(&self) -> usize {
                self.tx.counts().0
            }

            #[doc = concat!("Number of ", $weak, ".")]
            pub fn weak_count(&self) -> usize {
                self.tx.counts().1
            }
        }

        impl<T> Clone for $Sender<T> {
            fn clone(&self) -> Self {
                Self { tx: self.tx.clone() }
            }
        }

        impl<T> $WeakSender<T> {
            /// A sender, unless all are dropped.
            pub fn upgrade(&self) -> Option<$Sender<T>> {
                self.weak.upgrade().map(|tx| $Sender { tx })
            }

            #[doc = concat!("Number of ", $strong, ".")]
            pub fn strong_count(&self) -> usize {
                self.weak.counts().0
            }

            #[doc = concat!("Number of ", $weak, ".")]
            pub fn weak_count(&self) -> usize {
                self.weak.counts().1
            }
        }

        impl<T> Clone for $WeakSender<T> {
            fn clone(&self) -> Self {
                Self { weak: self.weak.clone() }
            }
        }

        impl<T> Drop for $WeakSender<T> {
            fn drop(&mut self) {
                self.weak.leave();
            }
        }

        impl<T> fmt::Debug for $WeakSender<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($WeakSender))
            }
        }
    };
}

/// `receiver!(Receiver, …)`: all of a receiving end but what tells of its limit.
macro_rules! receiver {
    ($Receiver:ident, $strong:literal, $weak:literal) => {
        impl<T> $Receiver<T> {
            /// The next value, waiting for one while nothing is queued. `None` when nothing will come: all senders are dropped,
            /// or this end was [closed](Self::close) and no permit is out.
            ///
            /// # Cancel safety
            ///
            /// Dropped before it is ready, no value was taken.
            #[inline]
            pub async fn recv(&mut self) -> Option<T> {
                poll_fn(|cx| self.rx.poll_recv(cx)).await
            }

            /// Waits for values and appends up to `limit` to the vector. How many; 0 when nothing will come, or if `limit`
            /// is 0.
            ///
            /// # Cancel safety
            ///
            /// Dropped before it is ready, no value was taken.
            pub async fn recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
                poll_fn(|cx| self.rx.poll_recv_many(cx, buffer, limit)).await
            }

            /// The next value, if one is queued.
            ///
            /// # Errors
            ///
            /// [`Empty`](TryRecvError::Empty) if none is, [`Disconnected`](TryRecvError::Disconnected) if none will be
            /// either.
            pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
                self.rx.try_recv().map_err(|why| match why {
                    NoValue::Empty => TryRecvError::Empty,
                    NoValue::Over => TryRecvError::Disconnected,
                })
            }

            /// As [`recv`](Self::recv) on a thread that drives no tasks, which sleeps meanwhile.
            ///
            /// # Panics
            ///
            /// On a thread that drives tasks.
            #[track_caller]
            pub fn blocking_recv(&mut self) -> Option<T> {
                crate::runtime::block_thread_on(self.recv())
            }

            /// As [`recv_many`](Self::recv_many) on a thread that drives no tasks, which sleeps meanwhile.
            ///
            /// # Panics
            ///
            /// On a thread that drives tasks.
            #[track_caller]
            pub fn blocking_recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
                crate::runtime::block_thread_on(self.recv_many(buffer, limit))
            }

            /// Refuses new values: sending fails from now on, and so does waiting for a place. What is queued can be received,
            /// and what those who hold a permit send.
            pub fn close(&mut self) {
                self.rx.close();
            }

            /// Whether this end was closed or all senders are dropped. Values may still be queued.
            pub fn is_closed(&self) -> bool {
                self.rx.is_closed()
            }

            /// Whether nothing is queued.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Number of queued values.
            pub fn len(&self) -> usize {
                self.rx.len()
            }

            /// The next value. Leaves the waker while there is none; only the waker of the latest call is woken.
            ///
            /// `Pending` also when the task has used up its budget; it is woken then.
            #[inline]
            pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
                self.rx.poll_recv(cx)
            }

            /// Appends up to `limit` values to the vector; how many. Otherwise as [`poll_recv`](Self::poll_recv).
            pub fn poll_recv_many(
                &mut self,
                cx: &mut Context<'_>,
                buffer: &mut Vec<T>,
                limit: usize,
            ) -> Poll<usize> {
                self.rx.poll_recv_many(cx, buffer, limit)
            }

            #[doc = concat!("Number of ", $strong, ".")]
            pub fn sender_strong_count(&self) -> usize {
                self.rx.counts().0
            }

            #[doc = concat!("Number of ", $weak, ".")]
            pub fn sender_weak_count(&self) -> usize {
                self.rx.counts().1
            }
        }

        impl<T> fmt::Debug for $Receiver<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($Receiver)).field("len", &self.len()).finish_non_exhaustive()
            }
        }
    };
}

pub(super) use {receiver, sender};
