//! The futures of senders: a wait for places, and one for the end.
//!
//! Here: how a place is taken, waited for and given back when the future is dropped. Not here: what places are
//! ([`chan`](super::chan)).

#![expect(unsafe_code, reason = "a value that nobody reaches through a shared reference")]

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};

use corelane_shards::{coop, task};
use pin_project_lite::pin_project;

use super::chan::{Chan, Closing, NoPlace};
use crate::sync::kind::Kind;
use crate::sync::wait_list::{Status, Waiter};

// SAFETY: through a shared reference nothing reaches the value; the rest may be shared.
unsafe impl<'a, T, K: Kind> Sync for Acquire<'a, T, K>
where
    T: Send,
    &'a Chan<T, K>: Sync,
    Waiter<&'a Chan<T, K>>: Sync,
{
}

pin_project! {
    /// Waits for places and, if there is a value, sends it into the one: the send that need not wait is one critical section.
    ///
    /// Dropped, it gives back the places it was handed.
    pub(crate) struct Acquire<'a, T, K: Kind> {
        chan: &'a Chan<T, K>,
        count: usize,
        value: Option<T>,
        // Only in one that has to wait.
        #[pin]
        waiter: Option<Waiter<&'a Chan<T, K>>>,
        done: bool,
    }

    impl<T, K: Kind> PinnedDrop for Acquire<'_, T, K> {
        fn drop(this: Pin<&mut Self>) {
            if this.waiter.is_some() {
                this.give_up();
            }
        }
    }
}

impl<'a, T, K: Kind> Acquire<'a, T, K> {
    /// Waits for a place and sends the value.
    #[inline]
    pub fn send(chan: &'a Chan<T, K>, value: T) -> Self {
        Self { chan, count: 1, value: Some(value), waiter: None, done: false }
    }

    /// What one that waited does when it is dropped. A function of its own, so that the drop of one that did not is a look.
    #[inline(never)]
    fn give_up(self: Pin<&mut Self>) {
        let this = self.project();
        let Some(mut waiter) = this.waiter.as_pin_mut() else { return };
        if *this.done {
            return;
        }
        // Out of the queue first: then nobody hands it more. It was handed what it does not want any longer.
        waiter.as_mut().cancel();
        this.chan.give_back(*this.count - waiter.payload());
    }

    /// Waits for places.
    pub fn reserve(chan: &'a Chan<T, K>, count: usize) -> Self {
        Self { chan, count, value: None, waiter: None, done: false }
    }
}

impl<T, K: Kind> Future for Acquire<'_, T, K> {
    /// The value that was not sent if the channel is closed.
    type Output = Result<(), Option<T>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let (chan, count) = (*this.chan, *this.count);
        let Poll::Ready(proceed) = coop::poll_proceed(cx) else {
            // A refusal needs no budget and takes none.
            return if chan.is_closed() { Poll::Ready(Err(this.value.take())) } else { Poll::Pending };
        };
        let taken = if let Some(mut waiter) = this.waiter.as_mut().as_pin_mut() {
            if waiter.status() == Status::Queued
                && waiter.as_mut().refresh(Some(cx.waker())) == Status::Queued
            {
                return Poll::Pending;
            }
            // Places that it was handed before the channel was closed are given back with the future.
            chan.places().with(|inside| chan.use_places(inside, this.value))
        } else {
            match chan.places().with(|inside| chan.take_places(inside, count, this.value)) {
                Err(NoPlace::Full) => {
                    this.waiter.set(Some(Waiter::new(chan, count)));
                    let waiter = this.waiter.as_mut().as_pin_mut().expect("set just now");
                    let taken = waiter.enqueue(Some(cx.waker()), |_, inside| {
                        match chan.take_places(inside, count, this.value) {
                            Err(NoPlace::Full) => ControlFlow::Continue(Chan::take_some(inside, count)),
                            taken => ControlFlow::Break(taken),
                        }
                    });
                    match taken {
                        None => return Poll::Pending,
                        Some(taken) => {
                            // Never queued, so nothing was handed to it.
                            *this.done = true;
                            taken
                        }
                    }
                }
                taken => taken,
            }
        };
        match taken {
            Ok(receiver) => {
                proceed.made_progress();
                *this.done = true;
                if let Some(receiver) = receiver {
                    task::wake(receiver);
                }
                Poll::Ready(Ok(()))
            }
            Err(_) => Poll::Ready(Err(this.value.take())),
        }
    }
}

pin_project! {
    /// Waits for the channel to be closed.
    pub(super) struct Closed<'a, K: Kind> {
        #[pin]
        waiter: Waiter<&'a Closing<K>>,
    }
}

impl<'a, K: Kind> Closed<'a, K> {
    pub fn new(closing: &'a Closing<K>) -> Self {
        Self { waiter: Waiter::new(closing, ()) }
    }
}

impl<K: Kind> Future for Closed<'_, K> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut waiter = self.project().waiter;
        let status = match waiter.status() {
            Status::Idle => {
                let closed = waiter.as_mut().enqueue(Some(cx.waker()), |_, inside| {
                    if inside.state { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                });
                if closed.is_some() {
                    return Poll::Ready(());
                }
                Status::Queued
            }
            Status::Queued => waiter.refresh(Some(cx.waker())),
            over => over,
        };
        if status == Status::Queued { Poll::Pending } else { Poll::Ready(()) }
    }
}
