//! Stamps: when something happened, for those who will probably never ask.
//!
//! A clock reading costs 27 ns, and a timeout whose future is ready at once needs none. So who makes a timeout inside a
//! shard takes a reference to the shard's current *stamp* instead. The shard reads its clock now and then anyway; the next
//! reading is an upper bound of everything that took the stamp before it. If somebody did, the reading is written into
//! the stamp and the shard goes on with another one.
//!
//! ```text
//! reading n          │ taken   taken │          reading n+1 = the stamp's time, if it is still referred to
//! ───────────────────┴───────────────┴──────────▶
//!                    the same stamp            then a fresh one, else the same goes on
//! ```
//! A stretch between two readings is at most 16 polls long, 17 where tasks move, and one of a root future may come before them.
//! Each turn and each park ends with a reading if somebody refers to the current stamp. What counts from a stamp is late by at
//! most the rest of its stretch, and never early.
//!
//! # Counting without a lock prefix
//!
//! A reference is always taken on the owner's thread, and cannot be cloned. So a mark has two counters: `here`, taken less
//! given back on the owner's thread, which the owner alone writes, with plain loads and stores; and `elsewhere`, given back
//! on other threads, an atomic. It is free when both are equal (they wrap together). Only the owner asks, and only it takes,
//! so a free mark stays free until the owner uses it again.
//!
//! The one race: a holder on another thread reads the time and gives its reference back; the owner finds the mark free and
//! clears the time for the next use. Release on `elsewhere` and Acquire in `is_free` put the reading before the clearing.
//! The time itself needs no order: nothing is published with it, and who misses it reads the clock, which is later.
//!
//! A mark is never freed, since a reference may outlive its shard: a shard that goes leaves its marks, also those that
//! are referred to, in a pool for the next one, which becomes their owner together with their *book*'s number. By that
//! number a reference finds out whether it is given back on the owner's thread.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ptr;
use std::sync::PoisonError;

use super::NEVER;
use crate::loom::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::shard;

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;

/// Marks looked at for each that is needed: more than one, so that the free ones are found faster than they are used up, however
/// many others stay in use.
const LOOKS: usize = 2;

/// The owner half: the current stamp, and the shard's latest reading of its clock.
#[derive(Debug)]
pub struct Stamps {
    book: u64,
    current: Cell<&'static Mark>,
    read_ns: Cell<u64>,
    marks: RefCell<Marks>,
}

/// A moment on the shard that made it. Give it back where it was taken and it costs two plain additions.
#[derive(Debug)]
pub struct Stamp(&'static Mark);

/// What a stamp refers to.
#[derive(Debug)]
struct Mark {
    /// Whose it is: see the module's head.
    book: u64,
    /// An upper bound of the moment, [`NEVER`] as long as the stretch lasts.
    time_ns: AtomicU64,
    here: AtomicU32,
    elsewhere: AtomicU32,
}

/// All marks of a book but the current one.
#[derive(Debug, Default)]
struct Marks {
    free: Vec<&'static Mark>,
    /// Referred to when they were last looked at; the one not looked at for longest is in front.
    used: VecDeque<&'static Mark>,
}

/// Books without a shard. The standard mutex, as loom's types cannot live in a static; models start a fresh book.
static BOOKS: std::sync::Mutex<Vec<(u64, &'static Mark, Marks)>> = std::sync::Mutex::new(Vec::new());
static NEXT_BOOK: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);

impl Stamps {
    /// The stamps of a new shard.
    pub fn new() -> Self {
        let known = BOOKS.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let (book, current, marks) = known.unwrap_or_else(|| {
            // Relaxed: a number that nobody else has.
            let book = NEXT_BOOK.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            (book, Mark::leak(book), Marks::default())
        });
        let stamps =
            Self { book, current: Cell::new(current), read_ns: Cell::new(0), marks: RefCell::new(marks) };
        if !current.is_free() {
            stamps.turn_page();
        }
        stamps
    }

    /// A stamp for now.
    #[inline]
    pub fn stamp(&self) -> Stamp {
        let mark = self.current.get();
        mark.count_here(1);
        Stamp(mark)
    }

    /// Whether a stamp is of the stretch that lasts: nobody has read the clock since it was taken.
    #[inline]
    pub fn is_current(&self, stamp: &Stamp) -> bool {
        ptr::eq(stamp.0, self.current.get())
    }

    /// Whether somebody refers to the current stamp, so that the clock has to be read before the shard rests.
    #[inline]
    pub fn is_awaited(&self) -> bool {
        !self.current.get().is_free()
    }

    /// Tells the stamps what the shard just read from its clock.
    #[inline]
    pub fn settle(&self, now_ns: u64) {
        self.read_ns.set(now_ns);
        if self.is_awaited() {
            // Relaxed: see the module's head.
            self.current.get().time_ns.store(now_ns, Ordering::Relaxed);
            self.turn_page();
        }
    }

    /// What the shard read from its clock last: a time that has certainly passed.
    #[inline]
    pub fn read_ns(&self) -> u64 {
        self.read_ns.get()
    }

    #[cold]
    fn turn_page(&self) {
        let marks = &mut *self.marks.borrow_mut();
        for _ in 0..LOOKS.min(marks.used.len()) {
            let Some(mark) = marks.used.pop_front() else { break };
            if mark.is_free() {
                marks.free.push(mark);
            } else {
                marks.used.push_back(mark);
            }
        }
        let next = match marks.free.pop() {
            Some(mark) => {
                // Relaxed: whoever reads this time takes its reference on this thread, afterwards.
                mark.time_ns.store(NEVER, Ordering::Relaxed);
                mark
            }
            None => Mark::leak(self.book),
        };
        marks.used.push_back(self.current.replace(next));
    }
}

impl Default for Stamps {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Stamps {
    fn drop(&mut self) {
        if !cfg!(loom) {
            let book = (self.book, self.current.get(), self.marks.take());
            BOOKS.lock().unwrap_or_else(PoisonError::into_inner).push(book);
        }
    }
}

impl Stamp {
    /// An upper bound of the moment when the stamp was taken, in nanoseconds of the shard's clock. `None` as long as the
    /// shard has not read its clock since: then the time is an upper bound that is as good.
    #[inline]
    pub fn time_ns(&self) -> Option<u64> {
        // Relaxed: see the module's head.
        Some(self.0.time_ns.load(Ordering::Relaxed)).filter(|time_ns| *time_ns != NEVER)
    }
}

impl Drop for Stamp {
    #[inline]
    fn drop(&mut self) {
        let book = self.0.book;
        if shard::home(|local| local.is_some_and(|local| local.stamps().book == book)) {
            self.0.count_here(u32::MAX);
        } else {
            // Release: pairs with the Acquire in `is_free`, so that the mark is not used again before this thread is done
            // with it.
            self.0.elsewhere.fetch_add(1, Ordering::Release);
        }
    }
}

impl Mark {
    fn leak(book: u64) -> &'static Self {
        Box::leak(Box::new(Self {
            book,
            time_ns: AtomicU64::new(NEVER),
            here: AtomicU32::new(0),
            elsewhere: AtomicU32::new(0),
        }))
    }

    /// On the owner's thread only.
    #[inline]
    fn count_here(&self, by: u32) {
        // Relaxed, and not one step: only the owner's thread writes or reads it.
        self.here.store(self.here.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
    }

    /// On the owner's thread only.
    #[inline]
    fn is_free(&self) -> bool {
        // Acquire: pairs with the Release in `Stamp::drop`.
        self.here.load(Ordering::Relaxed) == self.elsewhere.load(Ordering::Acquire)
    }
}
