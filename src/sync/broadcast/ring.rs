//! The ring of values and its end.
//!
//! ```text
//! position      0  1  2  3  4  5 …        counts sends, wraps after 2⁶⁴
//! slot          position modulo the ring's length: which position, how many receivers have yet to take it, the value
//! tail          the next position, the counts of ends, who waits for a value
//! ```
//! Two kinds of lock. The tail is behind the house lock. A slot is behind a mutex that blocks, since receivers clone the value in
//! it, which is foreign code, and since no two may clone it at a time: `T` need not be `Sync`. Who takes a slot and finds the
//! position it wants needs nothing else: a receive is the slot's lock alone. If it finds another position, the tail
//! tells why: nothing there yet, or the value was overwritten.
//!
//! Rules:
//! - A send takes the slot while it has the tail, with `try_lock`, so nothing blocks inside the house lock. If a slow
//!   receiver is cloning the very value that is to be overwritten, the sender gives the tail back, waits for the slot, and starts
//!   again. The slot is released inside the tail's lock, which wakes a thread that blocks on it: a system call there,
//!   when a receiver and the sender meet in a slot.
//! - Who is last to take a value moves it out, and clones it after the slot is released. The others clone under the slot's lock.
//! - A value counts as taken before it is cloned, so a clone that panics is not tried again.
//! - Values are dropped outside of both locks.
//! - The receiver waits in the section in which it found the tail at its position; a send moves the tail and takes the first
//!   waker in one section. No wake falls between.
//! - A value is counted for the receivers that the tail knows at that moment; a receiver that leaves takes itself off the tail
//!   and then off each slot up to where the tail was.
//!
//! Threads: any.

#![expect(unsafe_code, reason = "vouches for the queue being one field")]

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{PoisonError, TryLockError};
use std::task::Waker;

use corelane_shards::loom::{Mutex, MutexGuard};
use corelane_shards::util::swallow::swallow;

use crate::sync::kind::Threads;
use crate::sync::wait_list::{Locked, Queued, WaitQueue};

/// What the ends share.
pub(super) struct Shared<T> {
    slots: Box<[Mutex<Slot<T>>]>,
    tail: WaitQueue<Threads, Tail, ()>,
    /// Who waits until there is no receiver.
    pub leaving: Leaving,
}

pub(super) struct Leaving(WaitQueue<Threads, (), ()>);

pub(super) struct Tail {
    /// Where the next value goes.
    pub position: u64,
    pub receivers: usize,
    pub senders: usize,
    pub weak_senders: usize,
}

struct Slot<T> {
    position: u64,
    /// Receivers that have yet to take the value.
    left: usize,
    value: Option<T>,
}

// A panic can't leave the rest half changed: clones, the only foreign code under a lock, run after the slot was changed.
impl<T> UnwindSafe for Shared<T> {}
impl<T> RefUnwindSafe for Shared<T> {}

// SAFETY: the same field at each call.
unsafe impl<T> Queued for Shared<T> {
    type Domain = Threads;
    type State = Tail;
    type Payload = ();

    fn queue(&self) -> &WaitQueue<Threads, Tail, ()> {
        &self.tail
    }
}

// SAFETY: the same field at each call.
unsafe impl Queued for Leaving {
    type Domain = Threads;
    type State = ();
    type Payload = ();

    fn queue(&self) -> &WaitQueue<Threads, (), ()> {
        &self.0
    }
}

/// What a receiver finds at its position.
pub(super) enum Next {
    /// The tail: nothing yet.
    Empty,
    /// The tail, and nobody to send.
    Closed,
    /// The value is overwritten: how many were missed, and the oldest position that is there.
    Lagged { missed: u64, oldest: u64 },
    /// The value came meanwhile.
    There,
}

impl<T> Shared<T> {
    /// Makes a ring with one sender.
    pub fn new(capacity: usize, receivers: usize) -> Self {
        let length = capacity.next_power_of_two();
        let slot = |i| {
            // A lap before the first, so that nobody takes it for what it waits for.
            let position = (i as u64).wrapping_sub(length as u64);
            Mutex::new(Slot { position, left: 0, value: None })
        };
        let tail = Tail { position: 0, receivers, senders: 1, weak_senders: 0 };
        Self {
            slots: (0..length).map(slot).collect(),
            tail: WaitQueue::<Threads, _, _>::new(tail),
            leaving: Leaving(WaitQueue::<Threads, _, _>::new(())),
        }
    }

    /// Runs the closure on the tail.
    pub fn tail<R>(&self, f: impl FnOnce(&mut Tail) -> R) -> R {
        self.tail.with(|inside| f(&mut inside.state))
    }

    fn mutex(&self, position: u64) -> &Mutex<Slot<T>> {
        // The length is a power of two.
        &self.slots[(position as usize) & (self.slots.len() - 1)]
    }

    /// Poison says nothing: the slot was changed before a clone could panic.
    fn slot(&self, position: u64) -> MutexGuard<'_, Slot<T>> {
        self.mutex(position).lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a value at the tail; for how many receivers, or the value if there is none.
    pub fn send(&self, value: T) -> Result<usize, T> {
        struct Sent<T> {
            receivers: usize,
            overwritten: Option<T>,
            first: Option<Waker>,
            more: bool,
        }
        let mut value = Some(value);
        let sent = loop {
            let (sent, position) = self.tail.with(|inside| {
                let Tail { position, receivers, .. } = inside.state;
                if receivers == 0 {
                    return (None, position);
                }
                let mut slot = match self.mutex(position).try_lock() {
                    Ok(slot) => slot,
                    Err(TryLockError::Poisoned(slot)) => slot.into_inner(),
                    Err(TryLockError::WouldBlock) => return (None, position),
                };
                let overwritten = std::mem::replace(&mut slot.value, value.take());
                slot.position = position;
                slot.left = receivers;
                drop(slot);
                inside.state.position = position.wrapping_add(1);
                let first = inside.waiters.pop_front();
                let more = !inside.waiters.is_empty();
                (Some(Sent { receivers, overwritten, first, more }), position)
            });
            match sent {
                Some(sent) => break sent,
                None if self.tail(|tail| tail.receivers) == 0 => {
                    return Err(value.expect("not sent, so it is still here"));
                }
                None => drop(self.slot(position)),
            }
        };
        match sent.first {
            Some(first) if sent.more => self.tail.wake_all_after(first),
            Some(first) => first.wake(),
            None => {}
        }
        drop(sent.overwritten);
        Ok(sent.receivers)
    }

    /// Takes the value at a position for one receiver, if it is there, after telling the receiver to go on.
    pub fn take(&self, next: &mut u64) -> Option<T>
    where
        T: Clone,
    {
        let mut slot = self.slot(*next);
        if slot.position != *next {
            return None;
        }
        *next = next.wrapping_add(1);
        slot.left -= 1;
        if slot.left > 0 {
            return slot.value.clone();
        }
        let last = slot.value.take();
        drop(slot);
        last.clone()
    }

    /// What a receiver finds at a position that its slot does not have.
    pub fn look(&self, inside: &Locked<Threads, Tail, ()>, next: u64) -> Next {
        let tail = &inside.state;
        let ahead = tail.position.wrapping_sub(next);
        let length = self.slots.len() as u64;
        if ahead == 0 {
            if tail.senders == 0 { Next::Closed } else { Next::Empty }
        } else if ahead > length {
            Next::Lagged { missed: ahead - length, oldest: tail.position.wrapping_sub(length) }
        } else {
            Next::There
        }
    }

    /// A receiver more; where it starts.
    pub fn enter_receiver(&self) -> u64 {
        self.tail(|tail| {
            tail.receivers = tail.receivers.checked_add(1).expect("receivers fit in memory");
            tail.position
        })
    }

    /// A receiver less, which had come to `next`.
    pub fn leave_receiver(&self, next: u64) {
        let (end, last) = self.tail(|tail| {
            tail.receivers -= 1;
            (tail.position, tail.receivers == 0)
        });
        /// A value that panics as it drops leaves the rest to this: the others are not to be counted for somebody who is gone. Who waits
        /// for the last receiver finds an empty channel, so it is woken after the values are gone.
        struct Leave<'a, T> {
            shared: &'a Shared<T>,
            unseen: std::ops::Range<u64>,
            end: u64,
            last: bool,
        }
        impl<T> Leave<'_, T> {
            fn next(&mut self) -> Option<Option<T>> {
                let back = self.unseen.next_back()?;
                Some(self.shared.pass(self.end.wrapping_sub(back + 1)))
            }
        }
        impl<T> Drop for Leave<'_, T> {
            fn drop(&mut self) {
                while let Some(value) = self.next() {
                    // The first panic is the one to report.
                    swallow(|| drop(value));
                }
                if self.last {
                    self.shared.leaving.0.wake_all(|()| ());
                }
            }
        }
        // What was overwritten is of no concern.
        let unseen = 0..end.wrapping_sub(next).min(self.slots.len() as u64);
        let mut leave = Leave { shared: self, unseen, end, last };
        while let Some(value) = leave.next() {
            drop(value);
        }
    }

    /// The value at a position is not taken by one receiver: the value, if it was the last.
    fn pass(&self, position: u64) -> Option<T> {
        let mut slot = self.slot(position);
        if slot.position != position {
            return None;
        }
        slot.left -= 1;
        if slot.left == 0 { slot.value.take() } else { None }
    }

    pub fn leave_sender(&self) {
        let last = self.tail(|tail| {
            tail.senders -= 1;
            tail.senders == 0
        });
        if last {
            self.tail.wake_all(|_| ());
        }
    }

    /// Number of values that somebody has yet to take.
    pub fn len(&self) -> usize {
        let end = self.tail(|tail| tail.position);
        // Each receiver takes in order, so those that all have taken come first.
        let (mut taken, mut length) = (0, self.slots.len());
        while taken < length {
            let middle = taken + (length - taken) / 2;
            let position = end.wrapping_sub((self.slots.len() - middle) as u64);
            if self.is_taken(position) {
                taken = middle + 1;
            } else {
                length = middle;
            }
        }
        self.slots.len() - taken
    }

    /// Whether nobody has yet to take a value.
    pub fn is_empty(&self) -> bool {
        self.is_taken(self.tail(|tail| tail.position).wrapping_sub(1))
    }

    fn is_taken(&self, position: u64) -> bool {
        self.slot(position).left == 0
    }
}
