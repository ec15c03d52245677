//! A limit on messages under way.
//!
//! Here: permits, and a queue of those who wait for one. Not here: which gate a message passes (`call`).
//!
//! # Protocol
//!
//! One lock guards the number of free permits and the queue, a map from tickets to wakers; tickets are given in order.
//! - Who finds a free permit takes it, else a ticket. While somebody is queued no permit is free, so nobody overtakes.
//! - A permit that comes back goes to the first in the queue, by taking the ticket out and waking; with an empty queue it is
//!   free.
//! - So who holds a ticket that is no longer in the queue holds a permit. That is also how one who gives up knows whether
//!   to pass a permit on.
//!
//! A permit that is handed over and not yet picked up is lost to nobody: its holder's drop passes it on. Waiting is one
//! waker in a map, never a loop. Wakers are cloned, woken and dropped outside of the lock, since they run foreign code.
//!
//! Why a lock: the permit comes back on the target's thread, also when the caller has long given up, so both cores
//! touch the gate in any case; an uncontended lock is the cheapest way to do that which can keep an order.
//!
//! Threads: any.

use std::collections::VecDeque;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use corelane_shards::loom::Mutex;
use corelane_shards::util::swallow::swallow;

pub(super) struct Gate(Mutex<State>);

struct State {
    free: usize,
    next_ticket: u64,
    /// In the order of their tickets.
    queue: VecDeque<(u64, Waker)>,
}

impl State {
    /// Where a ticket stands in the queue, unless it was served.
    fn place(&self, ticket: u64) -> Option<usize> {
        self.queue.binary_search_by_key(&ticket, |(ticket, _)| *ticket).ok()
    }
}

impl Gate {
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { free: limit, next_ticket: 0, queue: VecDeque::new() })))
    }

    /// Waits for a permit; callers are served in the order of their first polls.
    pub fn enter(self: Arc<Self>) -> Enter {
        Enter { gate: self, ticket: None }
    }

    fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        f(&mut self.0.lock().expect("no code that can panic runs under this lock"))
    }

    /// A permit comes back.
    fn leave(&self) {
        let first = self.with(|state| {
            let first = state.queue.pop_front();
            state.free += usize::from(first.is_none());
            first
        });
        if let Some((_, waker)) = first {
            // A permit comes back at the end of somebody else's closure, which may be a panic.
            swallow(|| waker.wake());
        }
    }
}

/// The right to one message under way, until it drops.
pub(super) struct Permit(Arc<Gate>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Waits for a permit. Dropping it gives the place in the queue up.
pub(super) struct Enter {
    gate: Arc<Gate>,
    /// Waiting, or holding a permit that was not picked up.
    ticket: Option<u64>,
}

impl Future for Enter {
    type Output = Permit;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit> {
        let this = &mut *self;
        let waker = cx.waker().clone();
        // What is left over: the waker of before, or the new one if none was needed.
        let (entered, _waker) = this.gate.with(|state| match this.ticket {
            None if state.free > 0 => {
                state.free -= 1;
                (true, Some(waker))
            }
            None => {
                let ticket = state.next_ticket;
                state.next_ticket += 1;
                this.ticket = Some(ticket);
                state.queue.push_back((ticket, waker));
                (false, None)
            }
            Some(ticket) => match state.place(ticket) {
                Some(place) => (false, Some(mem::replace(&mut state.queue[place].1, waker))),
                None => (true, Some(waker)),
            },
        });
        if !entered {
            return Poll::Pending;
        }
        this.ticket = None;
        Poll::Ready(Permit(Arc::clone(&this.gate)))
    }
}

impl Drop for Enter {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let queued = self.gate.with(|state| state.place(ticket).and_then(|place| state.queue.remove(place)));
        if queued.is_none() {
            self.gate.leave();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::panic::resume_unwind;
    use std::pin::pin;
    use std::task::Wake;

    use super::*;

    struct Panics;

    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            resume_unwind(Box::new("a bad waker"));
        }
    }

    #[test]
    fn a_permit_comes_back_though_the_waker_of_who_waits_panics() {
        let gate = Gate::new(1);
        let mut cx = Context::from_waker(Waker::noop());
        let Poll::Ready(permit) = pin!(Arc::clone(&gate).enter()).poll(&mut cx) else { panic!("it is free") };
        let mut waits = pin!(Arc::clone(&gate).enter());
        let waker = Waker::from(Arc::new(Panics));
        assert!(waits.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        drop(permit);
        assert!(waits.poll(&mut cx).is_ready());
    }
}
