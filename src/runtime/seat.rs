//! The seat: what one thread at a time may have, and those who wait for it.
//!
//! Here: taking it, giving it back, waking the next. Not here: what is done with it (`block_on`). Threads: any, or one: see
//! [`Seat::of_this_thread`].
//!
//! The seat is a pointer that is swapped out by who sits down and put back by who gets up. Somebody who finds it taken queues
//! for it; getting up wakes one of the queue.
//!
//! ```text
//!  who queues                            who gets up
//!  Q1  queue, count it                   G1  swap the pointer back       AcqRel
//!  Q2  swap the pointer out  AcqRel      G2  anybody counted?
//!  Q3  null: park                        G3  yes: unpark the first
//! ```
//! Q2 and G1 are read-modify-writes of one word, so one comes second. If Q2 does, it finds the pointer; if G1 does, it acquires what
//! Q2 released, and G2 finds the count. Whoever was unparked takes the seat, or, if it leaves the queue for another reason
//! while the seat is there, wakes the next: the queue's lock orders its leaving and G3.
//!
//! A seat that only one thread may take has no race: the pointer is that thread's alone, which reads and writes it without a swap,
//! two locked instructions less for each `block_on`. Nobody queues for such a seat: who is at home takes it.
//!
//! # Parking
//!
//! A parker's word is EMPTY, WOKEN or PARKED. A future that wakes itself, as `yield_now` does, costs no lock and no system call.
//!
//! ```text
//!  who parks                                      who wakes
//!  P1  WOKEN → EMPTY: done            Acquire     W1  swap in WOKEN                      Release
//!  P2  lock                                       W2  it was PARKED: lock, unlock, ring
//!  P3  EMPTY → PARKED, or else as P1
//!  P4  wait for the bell, then as P1 or again
//! ```
//! P3 and W1 are read-modify-writes of one word. If W1 comes second it finds PARKED, and has to get the lock, which is
//! free once the thread waits: the bell is heard. If P3 does, it finds WOKEN. What was done before a wake is seen after it, also
//! where another wake came between the two: the word is only ever read-modified-written, so P1 acquires what each W1 released.

#![expect(unsafe_code, reason = "takes a box out of an atomic pointer and puts it back")]

#[cfg(all(test, loom))]
mod loom_tests;

use std::cell::Cell;
use std::collections::VecDeque;
use std::mem;
use std::ptr::{self, NonNull};
use std::sync::{Arc, PoisonError};

use corelane_shards::loom::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use corelane_shards::loom::thread::ThreadId;
use corelane_shards::loom::{Condvar, Mutex};
use futures_task::ArcWake;

use super::context;

/// See the module's head. `Send` and `Sync` whatever `T` is, since an atomic pointer is: the constructors see to that.
pub(crate) struct Seat<T> {
    there: AtomicPtr<T>,
    /// The only thread for which the seat is ever free, if what sits there must not leave it.
    home: Option<ThreadId>,
    queued: AtomicUsize,
    queue: Mutex<VecDeque<Arc<Parker>>>,
}

impl<T> Seat<T> {
    /// A seat for something that stays on this thread. Others find it taken; if the seat is dropped by one, what is there
    /// is leaked.
    pub fn of_this_thread() -> Self {
        Self::new(Some(context::thread_id()))
    }

    /// A seat that any thread may take.
    ///
    /// # Safety
    /// What is put there may change threads while nobody has it.
    pub unsafe fn of_all_threads() -> Self {
        Self::new(None)
    }

    fn new(home: Option<ThreadId>) -> Self {
        Self {
            there: AtomicPtr::new(ptr::null_mut()),
            home,
            queued: AtomicUsize::new(0),
            queue: Mutex::default(),
        }
    }

    /// Puts something there, once.
    pub fn fill(&self, value: T) {
        assert!(self.home.is_none_or(|home| home == context::thread_id()), "filled at home");
        drop(Sitting { seat: self, there: NonNull::from(Box::leak(Box::new(value))) });
    }

    /// Takes what is there, if nobody has it. `here` is this thread's id.
    pub fn sit_down(&self, here: ThreadId) -> Option<Sitting<'_, T>> {
        let there = match self.home {
            None => self.swap(ptr::null_mut()),
            Some(home) if home == here => {
                // Relaxed: this thread alone reads and writes it.
                let there = self.there.load(Ordering::Relaxed);
                self.there.store(ptr::null_mut(), Ordering::Relaxed);
                there
            }
            Some(_) => return None,
        };
        NonNull::new(there).map(|there| Sitting { seat: self, there })
    }

    /// Q2 and G1, of a seat for all threads.
    fn swap(&self, there: *mut T) -> *mut T {
        // AcqRel: see the module's head. It also hands over what was done with the value.
        self.there.swap(there, Ordering::AcqRel)
    }

    /// G2 and G3.
    fn next(&self) {
        // Relaxed: G1 acquired what it must not miss.
        if self.queued.load(Ordering::Relaxed) > 0 {
            let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(parker) = queue.front() {
                parker.unpark();
            }
        }
    }

    /// Q1: waits in the queue until the answer is dropped. The caller looks at the seat again before it parks.
    pub fn queue<'a>(&'a self, parker: &'a Arc<Parker>) -> Queued<'a, T> {
        self.change_queue(|queue| queue.push_back(Arc::clone(parker)));
        Queued { seat: self, parker }
    }

    fn change_queue(&self, change: impl FnOnce(&mut VecDeque<Arc<Parker>>)) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut queue);
        // Relaxed: Q2 releases it.
        self.queued.store(queue.len(), Ordering::Relaxed);
    }
}

impl<T> Drop for Seat<T> {
    fn drop(&mut self) {
        drop(self.sit_down(context::thread_id()).map(Sitting::remove));
    }
}

/// Has what was there; gives it back when dropped, on the thread that took it.
pub(crate) struct Sitting<'a, T> {
    seat: &'a Seat<T>,
    /// A box's, and nobody else's until it is given back.
    there: NonNull<T>,
}

impl<T> Sitting<'_, T> {
    /// What was there.
    pub fn occupied(&mut self) -> &mut T {
        // SAFETY: it is this sitting's alone, see the field. It may be on this thread: it never left its home, or may change threads.
        unsafe { self.there.as_mut() }
    }

    /// Takes it away for good.
    pub fn remove(self) -> Box<T> {
        let there = mem::ManuallyDrop::new(self).there;
        // SAFETY: from a box, and not given back; otherwise as above.
        unsafe { Box::from_raw(there.as_ptr()) }
    }
}

impl<T> Drop for Sitting<'_, T> {
    fn drop(&mut self) {
        let there = self.there.as_ptr();
        if self.seat.home.is_some() {
            // Relaxed: this thread alone reads and writes it; a sitting is not `Send`.
            self.seat.there.store(there, Ordering::Relaxed);
        } else {
            let before = self.seat.swap(there);
            debug_assert!(before.is_null(), "one at a time sits");
            self.seat.next();
        }
    }
}

/// A place in the queue.
pub(crate) struct Queued<'a, T> {
    seat: &'a Seat<T>,
    parker: &'a Arc<Parker>,
}

impl<T> Drop for Queued<'_, T> {
    fn drop(&mut self) {
        self.seat.change_queue(|queue| queue.retain(|other| !Arc::ptr_eq(other, self.parker)));
        // If this one was woken for the seat and does not take it, the next in the queue has to be.
        // Relaxed: only asked; whoever unparked this one put the pointer back before it took the queue's lock.
        if !self.seat.there.load(Ordering::Relaxed).is_null() {
            self.seat.next();
        }
    }
}

const EMPTY: u32 = 0;
const WOKEN: u32 = 1;
const PARKED: u32 = 2;

/// Puts a thread to sleep until somebody wakes it. See the module's head.
#[derive(Default)]
pub(crate) struct Parker {
    word: AtomicU32,
    lock: Mutex<()>,
    bell: Condvar,
}

impl Parker {
    /// Lends out the thread's own one, since making one is most of what a `block_on` of a ready future would cost. Within, and while
    /// the thread ends, it is a new one. Who had it before may still wake it, so a wake need not have a reason.
    pub fn with<R>(f: impl FnOnce(&Arc<Self>) -> R) -> R {
        thread_local!(static OWN: Cell<Option<Arc<Parker>>> = const { Cell::new(None) });
        let parker = OWN.try_with(Cell::take).ok().flatten().unwrap_or_default();
        let result = f(&parker);
        let _ = OWN.try_with(|own| own.set(Some(parker)));
        result
    }

    /// Waits for a wake, or takes one that came before.
    pub fn park(&self) {
        if self.takes_wake() {
            return;
        }
        let mut locked = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        // Relaxed: nothing is read for it.
        let _ = self.word.compare_exchange(EMPTY, PARKED, Ordering::Relaxed, Ordering::Relaxed);
        while !self.takes_wake() {
            locked = self.bell.wait(locked).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn takes_wake(&self) -> bool {
        self.word.compare_exchange(WOKEN, EMPTY, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Ends the wait that is going on, or else the next one.
    pub fn unpark(&self) {
        if self.word.swap(WOKEN, Ordering::Release) == PARKED {
            drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
            self.bell.notify_one();
        }
    }
}

impl ArcWake for Parker {
    fn wake_by_ref(this: &Arc<Self>) {
        this.unpark();
    }
}
