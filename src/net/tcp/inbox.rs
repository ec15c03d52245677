//! Where a listener finds what others accepted for it.
//!
//! Here: the queue, and who waits at it. Not here: what goes into whose queue (`steer`).
//! Threads: any.
//!
//! The queue, whether it is closed, and the last task that polled are behind one lock. Futures wait with a [`Notify`].
//!
//! ```text
//!  giver                                    taker
//!  lock: push, take the poller              next:       enlist; lock: pop; nothing there: wait, and again
//!  notify, wake the poller                  poll_next:  lock: pop; nothing there: leave the waker as poller
//! ```
//! Either the taker has the lock later and pops what was pushed, or the giver has it later. Then it finds the poller; or the
//! future is enlisted, since it had done that before, and is notified. What is popped is returned by the same poll, so a future
//! that is dropped loses nothing; if it was notified, that goes on to the next.

#[cfg(all(test, loom))]
mod loom_tests;

use std::collections::VecDeque;
use std::mem;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use corelane_shards::util::lock::Lock;

use crate::sync::Notify;

/// Things for tasks to take, in order.
pub(super) struct Inbox<T> {
    state: Lock<State<T>>,
    given: Notify,
}

struct State<T> {
    queue: VecDeque<T>,
    poller: Option<Waker>,
    closed: bool,
}

// What a panic could leave half done is behind a lock that no panic passes.
impl<T> UnwindSafe for Inbox<T> {}
impl<T> RefUnwindSafe for Inbox<T> {}

impl<T> Inbox<T> {
    pub(super) fn new() -> Self {
        let state = State { queue: VecDeque::new(), poller: None, closed: false };
        Self { state: Lock::new(state), given: Notify::new() }
    }

    /// Adds one, unless `most` are waiting or it is closed; then it comes back.
    pub(super) fn give(&self, one: T, most: usize) -> Result<(), T> {
        let poller = self.state.with(|state| {
            if state.closed || state.queue.len() >= most {
                return Err(one);
            }
            state.queue.push_back(one);
            Ok(state.poller.take())
        })?;
        self.given.notify_one();
        if let Some(poller) = poller {
            poller.wake();
        }
        Ok(())
    }

    /// Waits for the next. Any number of tasks may.
    pub(super) async fn next(&self) -> T {
        loop {
            let mut given = pin!(self.given.notified());
            given.as_mut().enable();
            if let Some(one) = self.state.with(|state| state.queue.pop_front()) {
                return one;
            }
            given.await;
        }
    }

    /// The same; of the tasks that poll, the last is woken.
    pub(super) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<T> {
        let known = |state: &mut State<T>| state.poller.as_ref().is_some_and(|old| old.will_wake(cx.waker()));
        let (one, waits) = self.state.with(|state| (state.queue.pop_front(), known(state)));
        if one.is_some() || waits {
            return one.map_or(Poll::Pending, Poll::Ready);
        }
        // Cloned and dropped outside: both run foreign code.
        let new = Some(cx.waker().clone());
        let look = |state: &mut State<T>| (state.queue.pop_front(), mem::replace(&mut state.poller, new));
        let (one, old) = self.state.with(look);
        drop(old);
        one.map_or(Poll::Pending, Poll::Ready)
    }

    /// Lets nothing in any more, and gives what is left.
    pub(super) fn close(&self) -> VecDeque<T> {
        let (left, poller) = self.state.with(|state| {
            state.closed = true;
            (mem::take(&mut state.queue), state.poller.take())
        });
        drop(poller);
        left
    }
}
