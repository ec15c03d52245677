//! The two ends, written once for `sync` and `local`: each has types of its own, which differ in who may share them.

/// `ends!(Threads)` in a module makes its `Sender` and `Receiver`.
macro_rules! ends {
    ($Kind:ty) => {
        use std::fmt;
        use std::future::{Future, poll_fn};
        use std::mem::ManuallyDrop;
        use std::pin::Pin;
        use std::task::{Context, Poll};

        use $crate::sync::oneshot::core::{Rx, TryRecv, Tx};

        /// The end that sends. Dropping it without sending tells the receiver that nothing will come.
        pub struct Sender<T>(Tx<T, $Kind>);

        /// The end that waits for the value: a future. Dropping it tells the sender that nobody waits.
        ///
        /// # Cancel safety
        ///
        /// Await `&mut receiver` in a `select!` or under a timeout, and the value that comes later is still there for the next
        /// await.
        ///
        /// # Panics
        ///
        /// When polled again after it gave its result.
        pub struct Receiver<T>(Rx<T, $Kind>);

        impl<T> Sender<T> {
            /// Sends the value and wakes the receiver.
            ///
            /// `Ok` does not mean that the receiver will take it: it may be dropped a moment later.
            ///
            /// # Errors
            ///
            /// Gives the value back if the receiver was dropped or closed.
            #[inline]
            pub fn send(self, value: T) -> Result<(), T> {
                // Nothing is left to drop, and the compiler does not see that.
                match ManuallyDrop::new(self).0.leave(Some(value)) {
                    None => Ok(()),
                    Some(value) => Err(value),
                }
            }

            /// Waits until the receiver is dropped or closed, for work that is worth doing only while somebody waits for it.
            ///
            /// # Cancel safety
            ///
            /// Nothing is lost when this is dropped.
            pub async fn closed(&mut self) {
                poll_fn(|cx| self.poll_closed(cx)).await;
            }

            /// Whether the receiver was dropped or closed. If so, [`send`](Self::send) fails.
            pub fn is_closed(&self) -> bool {
                self.0.is_closed()
            }

            /// Ready once the receiver was dropped or closed; leaves the waker until then. Only the waker of the latest call
            /// is woken.
            pub fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
                self.0.poll_closed(cx)
            }
        }

        impl<T> Drop for Sender<T> {
            #[inline]
            fn drop(&mut self) {
                self.0.leave(None);
            }
        }

        impl<T> fmt::Debug for Sender<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct("Sender").field("is_closed", &self.is_closed()).finish_non_exhaustive()
            }
        }

        impl<T> Receiver<T> {
            /// Tells the sender that nobody waits, so that [`Sender::send`] fails from now on. A value that was sent before can
            /// still be received.
            pub fn close(&mut self) {
                self.0.close();
            }

            /// Whether the result was received, by `await` or by [`try_recv`](Self::try_recv). Polling then panics.
            pub fn is_terminated(&self) -> bool {
                self.0.is_terminated()
            }

            /// Whether no value waits to be received: none was sent yet, or it was received, or none will ever come.
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }

            /// The value, if it is there.
            ///
            /// # Errors
            ///
            /// [`Empty`](TryRecvError::Empty) if it may still come, [`Closed`](TryRecvError::Closed) if it can't: the sender
            /// was dropped, or this end was closed, or the value was received before.
            pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
                match self.0.try_recv() {
                    TryRecv::Sent(value) => Ok(value),
                    TryRecv::Closed => Err(TryRecvError::Closed),
                    TryRecv::Empty => Err(TryRecvError::Empty),
                }
            }
        }

        impl<T> Future for Receiver<T> {
            type Output = Result<T, RecvError>;

            #[inline]
            fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                self.0.poll_recv(cx).map(|value| value.ok_or(RecvError(())))
            }
        }

        impl<T> Drop for Receiver<T> {
            fn drop(&mut self) {
                self.0.leave();
            }
        }

        impl<T> fmt::Debug for Receiver<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct("Receiver")
                    .field("is_terminated", &self.is_terminated())
                    .finish_non_exhaustive()
            }
        }
    };
}

pub(crate) use ends;
