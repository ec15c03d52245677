//! A value that changes and those who look at it: the protocol, for both kinds of sharing.
//!
//! ```text
//! version   usize-1..1 changes | 0 CLOSED
//! ```
//! The value is behind a read-write lock that may be held for long, since callers look at the value in place. The version goes up
//! while the writer has that lock, so who reads both under it gets a pair that belongs together; who only asks whether
//! something changed looks at the version alone.
//!
//! The race: a receiver finds nothing new and goes to wait while a sender changes the value. The sender raises the version and
//! then takes the queue's lock to wake who waits; the receiver looks at the version again inside that lock before it
//! queues. Whoever has the lock second sees what the other did before. CLOSED and the count of receivers, which a
//! sender waits for, go the same way.
//!
//! Foreign code (the closures of `send_modify`, `wait_for`) runs under the value's lock only, which blocks and knows no poison.
//! Values that are replaced are dropped after it.
//!
//! Threads: any.

#![expect(unsafe_code, reason = "vouches for the queue being one field")]

use std::future::poll_fn;
use std::ops::ControlFlow;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::pin;
use std::task::{Poll, ready};

use corelane_shards::loom::atomic::Ordering;
use corelane_shards::{coop, task};

use crate::sync::kind::{Kind, Value, Word};
use crate::sync::wait_list::{Queued, Status, WaitQueue, Waiter};

const CLOSED: usize = 1;
const CHANGE: usize = 2;

/// What the ends share.
pub(crate) struct Shared<T, K: Kind> {
    value: K::Value<T>,
    version: K::Word,
    receivers: K::Word,
    senders: K::Word,
    changes: Waiting<K>,
    leaving: Waiting<K>,
}

struct Waiting<K: Kind>(WaitQueue<K, (), ()>);

// SAFETY: the same field at each call.
unsafe impl<K: Kind> Queued for Waiting<K> {
    type Domain = K;
    type State = ();
    type Payload = ();

    fn queue(&self) -> &WaitQueue<K, (), ()> {
        &self.0
    }
}

impl<K: Kind> Waiting<K> {
    /// Wakes all who wait. Mostly that is one or nobody, and then this is one critical section.
    fn wake(&self) {
        let (first, more) = self.0.with(|inside| {
            let first = inside.waiters.pop_front();
            let more = !inside.waiters.is_empty();
            (first, more)
        });
        match first {
            Some(first) if more => self.0.wake_all_after(first),
            Some(first) => task::wake(first),
            None => {}
        }
    }

    /// Waits until the condition holds. It is looked at before and under the queue's lock.
    async fn until<R>(&self, mut holds: impl FnMut() -> Option<R>) -> R {
        let mut waiter = pin!(Waiter::new(self, ()));
        poll_fn(|cx| {
            let proceed = ready!(coop::poll_proceed(cx));
            let result = loop {
                if let Some(result) = holds() {
                    break result;
                }
                if waiter.status() == Status::Queued {
                    if waiter.as_mut().refresh(Some(cx.waker())) == Status::Queued {
                        return Poll::Pending;
                    }
                    continue;
                }
                let found = waiter.as_mut().enqueue(Some(cx.waker()), |_, _| match holds() {
                    Some(result) => ControlFlow::Break(result),
                    None => ControlFlow::Continue(()),
                });
                match found {
                    Some(result) => break result,
                    None => return Poll::Pending,
                }
            };
            proceed.made_progress();
            Poll::Ready(result)
        })
        .await
    }
}

// A panic can't leave the rest half changed: nothing foreign runs while it changes. The value is as the panic left it.
impl<T, K: Kind> UnwindSafe for Shared<T, K> {}
impl<T, K: Kind> RefUnwindSafe for Shared<T, K> {}

/// Adds to a counter; what it was before.
fn add(word: &impl Word, by: isize) -> usize {
    // Relaxed: a guess, which the replacement confirms.
    let mut now = word.load(Ordering::Relaxed);
    loop {
        // AcqRel: whoever counts to zero sees what the others did before they left.
        match word.replace_if(now, now.wrapping_add_signed(by), Ordering::AcqRel) {
            Ok(_) => return now,
            Err(other) => now = other,
        }
    }
}

impl<T, K: Kind> Shared<T, K> {
    /// Makes a channel with one sender and so many receivers.
    pub fn new(value: T, receivers: usize) -> Self {
        Self {
            value: K::Value::make(value),
            version: K::Word::make(0),
            receivers: K::Word::make(receivers),
            senders: K::Word::make(1),
            changes: Waiting(K::queue(())),
            leaving: Waiting(K::queue(())),
        }
    }

    /// The version and whether all senders are gone.
    #[inline]
    pub fn version(&self) -> (usize, bool) {
        // Acquire: who sees a version finds at least its value. Pairs with the Releases in `change` and `leave_sender`.
        let version = self.version.load(Ordering::Acquire);
        (version & !CLOSED, version & CLOSED != 0)
    }

    /// The value together with its version.
    #[inline]
    pub fn read(&self) -> (<K::Value<T> as Value<T>>::Read<'_>, usize) {
        let value = self.value.read();
        (value, self.version().0)
    }

    /// Lets the closure change the value; wakes who waits if it says that it did.
    #[inline]
    pub fn change(&self, f: impl FnOnce(&mut T) -> bool) -> bool {
        {
            let mut value = self.value.write();
            if !f(&mut value) {
                return false;
            }
            // Relaxed: only who has the write lock changes it, or the last sender when there is none to have it.
            let version = self.version.load(Ordering::Relaxed).wrapping_add(CHANGE);
            // Release: see `version`.
            self.version.store(version, Ordering::Release);
        }
        self.changes.wake();
        true
    }

    /// Waits for a version that is not `seen`; that one, or `None` if there will be none.
    pub async fn changed(&self, seen: usize) -> Option<usize> {
        self.changes
            .until(|| {
                let (version, closed) = self.version();
                if version != seen {
                    return Some(Some(version));
                }
                closed.then_some(None)
            })
            .await
    }

    /// Waits until there is no receiver.
    pub async fn closed(&self) {
        self.leaving.until(|| (self.receivers() == 0).then_some(())).await;
    }

    pub fn receivers(&self) -> usize {
        // Acquire: who sees none has seen them leave.
        self.receivers.load(Ordering::Acquire)
    }

    pub fn senders(&self) -> usize {
        self.senders.load(Ordering::Acquire)
    }

    pub fn enter_receiver(&self) {
        add(&self.receivers, 1);
    }

    pub fn leave_receiver(&self) {
        if add(&self.receivers, -1) == 1 {
            self.leaving.wake();
        }
    }

    pub fn enter_sender(&self) {
        add(&self.senders, 1);
    }

    pub fn leave_sender(&self) {
        if add(&self.senders, -1) == 1 {
            // Nobody else changes it: this was the last sender. Release: see `version`.
            self.version.store(self.version.load(Ordering::Relaxed) | CLOSED, Ordering::Release);
            self.changes.wake();
        }
    }
}

/// The version before one, so that a receiver finds that one new.
pub(crate) fn before(version: usize) -> usize {
    version.wrapping_sub(CHANGE)
}

/// Takes a unit of the task's budget for an operation that may be ready without waiting.
pub(crate) async fn cooperate() {
    poll_fn(|cx| {
        ready!(coop::poll_proceed(cx)).made_progress();
        Poll::Ready(())
    })
    .await;
}
