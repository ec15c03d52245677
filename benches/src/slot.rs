//! A channel of one slot, so that a ping-pong measures runtimes and not their channels.
//!
//! A mutex and a waker: about the least that works within a core and between cores in safe code.

use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Holds at most one number, and the receiver that waits for it.
#[derive(Debug, Default)]
pub struct Slot(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    value: Option<u64>,
    receiver: Option<Waker>,
}

impl Slot {
    /// Fills the slot. Wakes outside of the lock, or the receiver on the other core would run into it.
    ///
    /// # Panics
    ///
    /// If the value before has not been received: in a ping-pong that means that one was lost.
    pub fn send(&self, value: u64) {
        let mut state = self.lock();
        assert!(state.value.replace(value).is_none(), "a value would be lost");
        let receiver = state.receiver.take();
        drop(state);
        if let Some(waker) = receiver {
            waker.wake();
        }
    }

    /// Waits for a value and takes it.
    pub async fn recv(&self) -> u64 {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<u64> {
        let mut state = self.lock();
        match state.value.take() {
            Some(value) => Poll::Ready(value),
            None => {
                state.receiver = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Two slots: there and back.
#[derive(Debug, Default)]
pub struct Pair {
    /// From left to right.
    pub ping: Slot,
    /// From right to left.
    pub pong: Slot,
}

impl Pair {
    /// The right side: answers each number with its successor, until it gets `END`.
    pub async fn echo(&self) {
        loop {
            let value = self.ping.recv().await;
            if value == Self::END {
                return;
            }
            self.pong.send(value + 1);
        }
    }

    /// The left side: so many round trips, each checked.
    pub async fn round_trips(&self, count: u64) {
        for value in 0..count {
            self.ping.send(value);
            assert_eq!(self.pong.recv().await, value + 1);
        }
    }

    /// Ends the right side.
    pub fn end(&self) {
        self.ping.send(Self::END);
    }

    const END: u64 = u64::MAX;
}
