//! Lending a shard while its thread blocks: where the driver is meanwhile, and how it comes back.
//!
//! A task that blocks in place would keep its shard's sockets, timers and movable tasks waiting. So its thread steps out of the
//! shard and *lends* what need not stay: the driver, and with it the right to be the shard towards the others, that is to pop the
//! ring, to turn the lane, to sleep under the shard's sleep word and idle bit, to count. A *caretaker*
//! ([`take_care`](super::take_care)) on another thread has these until the owner is back. The owner half stays
//! where it is: pinned tasks need not be `Send`, and wait.
//!
//! While a shard is lent **nobody is inside it**. The blocked thread and the caretaker are aliens: a pinned task is woken
//! through the mailbox, a movable one goes to the overflow. So all that the owner alone may touch has one thread as before:
//! the driver's half of it, the `own` wakers of a reactor for instance, whoever has the driver; the rest nobody.
//!
//! Here: the place that the driver is handed over in. Not here: what a caretaker does ([`care`](super::care)). Threads: `offer` and
//! `take_back` the owner's, the rest any.
//!
//! ```text
//!            offer                   answer, take
//!   owner ──────────▶  the place  ──────────────────▶  a caretaker
//!     ▲                 │      ▲                           │
//!     └─────────────────┘      └───────────────────────────┘
//!          take_back            put: to run foreign code, and when it is wanted
//! ```
//! One lock guards the place, so the driver is with exactly one: the owner, the place, or one caretaker.
//!
//! - *A caretaker runs no foreign code while it has the driver*, neither a task nor a waker. It puts it down, polls or wakes, takes
//!   it again. So the owner never waits for foreign code, which may itself wait for the owner's next step, a lock for instance that
//!   the blocking task holds. What the owner may have to wait for is a turn of the caretaker or its wait in the kernel, which it ends.
//! - *The driver does not lie in its place with nobody coming.* `offer` has a caretaker called, unless one that was called
//!   has not answered yet (`called`); that one will find it. It clears `called` and looks in one step, so a call that is left out
//!   is answered after the offer. A caretaker whose task returns takes the driver again; if its task blocks in
//!   place too, it calls a successor ([`wants_successor`](Lend::wants_successor)) and is superfluous if that one was faster.
//! - *A caretaker that sleeps learns that it is wanted*: this is the race of [`park`](crate::park), with `wanted` as
//!   what is published.
//!
//! ```text
//!  caretaker                            owner
//!  S1  sleep word := ASLEEP   SeqCst    P1  wanted := true         SeqCst
//!  S2  wanted?                SeqCst    P2  sleep word = ASLEEP?   SeqCst
//!  S3  no: wait in the kernel           P3  yes: write the eventfd
//! ```
//! - *No event is lost*: they are in the kernel or in the driver, and whoever has the driver delivers them. A caretaker that has put it
//!   down calls the wakers. No wake is lost: what
//!   is mailed stays in the mailbox until the owner drains it, which it does before it next sleeps; movable tasks are in
//!   queues that all shards see, and the caretaker looks at these after it has announced its sleep.
//! - *A wanted driver is not taken*, so a superfluous caretaker that comes back does not get ahead of the owner.
//!
//! Rejected: a guest shard in the mesh that the caretaker drives. Its tasks would run as fast as on a worker and
//! not by way of the overflow, but sockets of the blocked shard would still need this, and each part of the mesh that counts
//! shards would have to know guests.

#![expect(unsafe_code, reason = "lends the owner half to another thread")]

#[cfg(all(test, loom))]
mod loom_tests;

use crate::loom::atomic::AtomicBool;
use crate::loom::atomic::Ordering::{Relaxed, SeqCst};
use crate::loom::{Condvar, Mutex, MutexGuard};

use super::{Driver, Local};

/// What is lent.
pub(crate) struct Loan {
    pub driver: Box<dyn Driver>,
    local: *const Local,
}

// SAFETY: who has it has the owner half to himself, as `Lend` gives it to one at a time; and he touches movable tasks alone.
unsafe impl Send for Loan {}

impl Loan {
    /// By the owner, who leaves the shard.
    pub fn new(driver: Box<dyn Driver>, local: &Local) -> Self {
        Self { driver, local }
    }

    /// Runs `f` with the owner half, inside of which nobody is. `f` reaches only what may move.
    pub fn with_local<R>(&self, f: impl FnOnce(&Local) -> R) -> R {
        // SAFETY: the owner waits for the loan before it goes on.
        f(unsafe { &*self.local })
    }
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Lend<T> {
    place: Mutex<Place<T>>,
    /// Rings when a wanted thing was put down.
    put: Condvar,
    /// The owner is back. Changes under the lock; read by a caretaker between tasks and as its second look before it sleeps.
    wanted: AtomicBool,
}

#[derive(Debug)]
struct Place<T> {
    there: Option<T>,
    /// A caretaker was called and has not answered.
    called: bool,
}

impl<T> Lend<T> {
    pub fn new() -> Self {
        Self {
            place: Mutex::new(Place { there: None, called: false }),
            put: Condvar::new(),
            wanted: AtomicBool::new(false),
        }
    }

    fn place(&self) -> MutexGuard<'_, Place<T>> {
        self.place.lock().expect("no code that can panic runs under this lock")
    }

    /// The owner puts the thing there. True if it has to call a caretaker.
    #[must_use]
    pub fn offer(&self, thing: T) -> bool {
        let mut place = self.place();
        place.there = Some(thing);
        !std::mem::replace(&mut place.called, true)
    }

    /// A caretaker is about to block: true if it has to call another.
    #[must_use]
    pub fn wants_successor(&self) -> bool {
        let mut place = self.place();
        place.there.is_some() && !std::mem::replace(&mut place.called, true)
    }

    /// Nobody could be called.
    pub fn uncall(&self) {
        self.place().called = false;
    }

    /// A caretaker that was called is there. `None` if it is not needed any more.
    pub fn answer(&self) -> Option<T> {
        let mut place = self.place();
        place.called = false;
        self.take_from(&mut place)
    }

    /// A caretaker goes on. `None` if it is not needed any more.
    pub fn take(&self) -> Option<T> {
        self.take_from(&mut self.place())
    }

    fn take_from(&self, place: &mut Place<T>) -> Option<T> {
        // Relaxed: under the lock.
        if self.wanted.load(Relaxed) { None } else { place.there.take() }
    }

    /// A caretaker puts the thing down.
    pub fn put(&self, thing: T) {
        let mut place = self.place();
        place.there = Some(thing);
        // Relaxed: under the lock.
        if self.wanted.load(Relaxed) {
            self.put.notify_one();
        }
    }

    /// Whether the owner wants the thing back; also S2.
    pub fn is_wanted(&self) -> bool {
        crate::loom::seq_cst();
        self.wanted.load(SeqCst)
    }

    /// The owner is back. `wake` ends a caretaker's sleep: P2 and P3.
    pub fn take_back(&self, wake: impl FnOnce()) -> T {
        let mut place = self.place();
        if let Some(thing) = place.there.take() {
            return thing;
        }
        // P1.
        self.wanted.store(true, SeqCst);
        drop(place);
        wake();
        let mut place = self.place();
        loop {
            if let Some(thing) = place.there.take() {
                // Relaxed: under the lock.
                self.wanted.store(false, Relaxed);
                return thing;
            }
            place = self.put.wait(place).expect("no code that can panic runs under this lock");
        }
    }
}
