//! How the server's tasks learn that it stops. The phase only ever moves on.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Poll, Waker};

/// How far stopping has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    Serving,
    /// No new connections; the open ones may end.
    Draining,
    /// The open ones end now.
    Cutting,
}

/// A phase that a few tasks watch.
#[derive(Default)]
pub struct Stop {
    phase: AtomicU8,
    waiting: Mutex<Vec<Waker>>,
}

impl Stop {
    /// Moves on to a phase, and tells everybody.
    pub fn advance(&self, phase: Phase) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // Relaxed: the lock orders it against those who look and then wait.
        self.phase.fetch_max(phase as u8, Ordering::Relaxed);
        let waiting = std::mem::take(&mut *waiting);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Waits until the phase is reached.
    pub async fn reached(&self, phase: Phase) {
        poll_fn(|cx| {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if self.phase.load(Ordering::Relaxed) >= phase as u8 {
                return Poll::Ready(());
            }
            // A task polls this for other reasons too; it is woken once.
            if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                waiting.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }
}
