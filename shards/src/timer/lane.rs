//! A lane: the part of the timer wheel that one shard turns.
//!
//! Here: the lock around the wheel, the published next deadline, turning, closing.
//! Not here: the wheel (`wheel`), what a holder does with its entry (`entry`).
//! Threads: the owning shard turns and settles; a thief may turn too; entries come from anywhere.
//!
//! # A lock that outlives its lane
//!
//! An entry may be cancelled on any thread at any time, also while its lane goes away with the runtime, and must
//! not pay for a reference count each time it is armed. So the lock stands in a *door* that is never freed: a
//! lane that goes leaves its door in a pool for the next one. Whoever finds its entry ARMED locks the door, which
//! is always there, and looks at the state again:
//! - still ARMED: then the entry is linked in the wheel behind this door, because `close` takes every entry out
//!   under the lock and marks it CLOSED before the wheel goes;
//! - not ARMED: fired or closed meanwhile; the door may belong to another lane by now, which is not touched.
//!
//! The cost is two cache lines for each lane that ever existed at one time. The rejected alternative, a BUSY
//! state that a remote canceller enters and `close` waits for, needs a compare-exchange more, a waiting loop,
//! a list of busy entries met by `turn`, and every caller to know whether it is on the owner's thread.
//!
//! # The sleeper and the armer
//!
//! The published deadline may be too early (its entry was cancelled or reset to later) but never too late. A shard
//! that sleeps must learn of an earlier one:
//!
//! ```text
//! sleeper: announce sleep ─▶ settle: lock, read next, unlock ─▶ sleep until next
//! armer:   lock, link, publish next, unlock ─▶ Earliest? ─▶ sleep announced? ─▶ wake it
//! ```
//! The two critical sections have an order. Armer first: the sleeper reads the armer's deadline. Sleeper first: its
//! announcement happened before its unlock, hence before the armer's lock and look. No fence is needed, and any
//! ordering does for the sleep word. A sleeper that only read the atomic would need one on both sides.
//!
//! # Armed without a look at the clock
//!
//! A clock reading costs more than all the rest of arming and cancelling, and most timers are cancelled soon. So a shard's own tasks
//! arm for a *duration*: the entry is *undated* until somebody reads the clock, which the shard does every few polls and before it
//! rests. That reading is later than the call, so that nothing fires early, and the rest of those polls is what it may be late by.
//!
//! - A reading counts only if it was made after the arming. The owner arms on its own thread and reads there, one after the other. Any
//!   other thread reads while it holds the lock ([`Lane::date`] asks for the time there), after it has seen the entry linked.
//! - The published deadline takes undated entries into account from the moment they are armed, by a time that had passed then: too
//!   early, never too late. Who believes it finds nothing due, dates, and publishes the right one.
//! - There are never more than [`UNDATED_MOST`], as far as the owner keeps to it, so that dating is a matter of a microsecond.

#![expect(unsafe_code, reason = "taking the waker out of an entry ends the lane's right to it")]

use std::sync::PoisonError;

use super::entry::{Node, Status};
use super::wheel::{Step, Wheel};
use super::{NEVER, Ticks};
use crate::loom::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::util::lock::Lock;
use crate::util::swallow::swallow;
use crate::util::wake_list::WakeList;

/// Entries handled before the lock is given back in between: a few microseconds.
const ENTRIES_PER_LOCK: usize = 128;

/// How often a turn takes the lock at most for what is due, and then for what is not due yet: some hundred entries each, after
/// which the shard's tasks and events are served.
const LOCKS_DUE: usize = 16;
const LOCKS_AHEAD: usize = 8;

/// Who arms for a duration and finds so many undated entries has the lane dated first.
pub const UNDATED_MOST: u32 = 64;

/// What became of a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "on Earliest a sleeping owner has to be woken"]
pub enum Filed {
    /// It is now the lane's next deadline.
    Earliest,
    /// Something earlier is known.
    Later,
    /// It was not filed: the lane is closed, or an entry to be reset was not armed.
    Refused,
}

/// What a lane counted since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Entries armed now.
    pub armed: u64,
    /// Entries whose deadline passed.
    pub fired: u64,
    /// Entries cancelled or dropped before that.
    pub cancelled: u64,
}

/// One shard's part of the timer wheel. Dropping it closes it.
#[derive(Debug)]
pub struct Lane {
    door: &'static Door,
    ticks: Ticks,
}

impl Lane {
    /// A lane whose ticks have this length and begin now.
    ///
    /// # Panics
    ///
    /// When the resolution is zero.
    pub fn new(resolution_us: u32, now_ns: u64) -> Self {
        let ticks = Ticks::new(resolution_us, now_ns);
        Self { door: Door::open(Inside::new(ticks)), ticks }
    }

    /// The time before which a turn has nothing to do, [`NEVER`] when no entry is armed. One relaxed load: a
    /// concurrent `arm` may not show yet, so a shard going to sleep asks [`settle`](Self::settle). May be too
    /// early if the next entry was cancelled or reset to later.
    #[inline]
    pub fn next_deadline_ns(&self) -> u64 {
        // Relaxed: only says that looking behind the lock is worth it.
        self.door.next_ns.load(Ordering::Relaxed)
    }

    /// The time until which the owner may sleep, once it has announced that it sleeps: whatever is armed
    /// earlier from now on sees the announcement. [`NEVER`] when no entry is armed.
    pub fn settle(&self) -> u64 {
        self.door.inside.with(|inside| {
            if let Some(wheel) = &mut inside.wheel {
                inside.next_tick = wheel.next_tick();
            }
            self.door.publish(inside)
        })
    }

    /// How many entries are undated, as the owner and who holds the lock know exactly.
    #[inline]
    pub fn undated(&self) -> u32 {
        // Relaxed: a hint to others than the owner.
        self.door.undated.load(Ordering::Relaxed)
    }

    /// Gives every undated entry its deadline, counted from `now`. On the owner's thread that may be a reading made before, elsewhere
    /// it must be made when it is asked for: see the module's head.
    #[inline]
    pub fn date(&self, now: impl FnOnce() -> u64) {
        if self.undated() != 0 {
            self.date_all(now);
        }
    }

    #[inline(never)]
    fn date_all(&self, now: impl FnOnce() -> u64) {
        self.door.inside.with(|inside| {
            let now_ns = now();
            while let Some(node) = inside.wheel.as_mut().and_then(Wheel::take_undated) {
                self.door.file_dated(inside, now_ns, node);
            }
            self.door.leave_undated(inside);
            self.door.publish(inside);
        });
    }

    /// Fires what is due, waking outside the lock. Returns how many entries fired.
    ///
    /// Where there is much to do it does a part, and [`next_deadline_ns`](Self::next_deadline_ns) has passed afterwards as
    /// before: the caller serves others, and turns again. Any thread may call it, also several at once.
    #[inline]
    pub fn turn(&self, now_ns: u64) -> usize {
        if now_ns < self.next_deadline_ns() { 0 } else { self.fire(now_ns) }
    }

    #[inline(never)]
    fn fire(&self, now_ns: u64) -> usize {
        let mut wakers = WakeList::new();
        let mut fired = 0;
        let (mut due, mut ahead) = (LOCKS_DUE, LOCKS_AHEAD);
        while due > 0 && ahead > 0 {
            let left = self.door.inside.with(|inside| {
                let left = inside.take_due(now_ns, &mut wakers);
                self.door.publish(inside);
                left
            });
            fired += wakers.len();
            wakers.wake_all();
            match left {
                Left::Due => due -= 1,
                Left::Ahead => ahead -= 1,
                Left::Nothing => break,
            }
        }
        fired
    }

    /// Closes the lane: every armed entry becomes [`Status::Closed`] and is woken, and arming is refused from
    /// now on. Closing twice does nothing.
    pub fn close(&self) {
        let wakers = self.door.inside.with(|inside| {
            let wakers = inside.close();
            self.door.leave_undated(inside);
            self.door.publish(inside);
            wakers
        });
        for waker in wakers {
            swallow(|| waker.wake());
        }
    }

    /// What the lane counted. Takes the lock.
    pub fn counts(&self) -> Counts {
        self.door.inside.with(|inside| Counts {
            armed: inside.armed_ever - inside.fired - inside.cancelled,
            fired: inside.fired,
            cancelled: inside.cancelled,
        })
    }

    /// The tick for a deadline. Asked before the lock is taken, the division runs while the lock's cache line is
    /// fetched.
    #[inline]
    pub(super) fn tick(&self, deadline_ns: u64) -> u64 {
        self.ticks.at_or_after(deadline_ns)
    }

    #[inline]
    pub(super) fn door(&self) -> &'static Door {
        self.door
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.close();
        self.door.retire();
    }
}

/// The part of a lane that is never freed. On its own cache lines: an owner's lock must not meet its neighbour's.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Door {
    next_ns: AtomicU64,
    /// How many entries are undated. Written with the lock.
    undated: AtomicU32,
    inside: Lock<Inside>,
}

/// Doors without a lane. The standard mutex, as loom's types cannot live in a static; models take a fresh door
/// each time.
static DOORS: std::sync::Mutex<Vec<&'static Door>> = std::sync::Mutex::new(Vec::new());

impl Door {
    fn open(inside: Inside) -> &'static Self {
        let known = DOORS.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match known {
            Some(door) => {
                door.inside.with(|place| *place = inside);
                door
            }
            None => {
                let (next_ns, undated) = (AtomicU64::new(NEVER), AtomicU32::new(0));
                Box::leak(Box::new(Self { next_ns, undated, inside: Lock::new(inside) }))
            }
        }
    }

    fn retire(&'static self) {
        if !cfg!(loom) {
            DOORS.lock().unwrap_or_else(PoisonError::into_inner).push(self);
        }
    }

    /// Shows everyone the next deadline. Only with the lock.
    #[inline]
    fn publish(&self, inside: &Inside) -> u64 {
        let next_ns = match inside.next_tick {
            NEVER => NEVER,
            tick => inside.ticks.start_ns(tick),
        };
        let next_ns = next_ns.min(inside.undated_ns);
        // Relaxed: see "The sleeper and the armer".
        self.next_ns.store(next_ns, Ordering::Relaxed);
        next_ns
    }

    /// Links an entry that is in no wheel.
    #[inline]
    pub(super) fn insert(&self, tick: u64, node: Node) -> Filed {
        self.inside.with(|inside| {
            if inside.wheel.is_none() && !inside.build_wheel() {
                return Filed::Refused;
            }
            node.mark_armed();
            inside.armed_ever += 1;
            self.file(inside, tick, node)
        })
    }

    /// Keeps an entry that is in no wheel until it can be dated.
    #[inline]
    pub(super) fn insert_undated(&self, duration_ns: u64, since_ns: u64, node: Node) -> Filed {
        self.inside.with(|inside| {
            if inside.wheel.is_none() && !inside.build_wheel() {
                return Filed::Refused;
            }
            let Some(wheel) = &mut inside.wheel else { return Filed::Refused };
            node.mark_armed();
            inside.armed_ever += 1;
            node.links(|links| links.ns = duration_ns);
            wheel.insert_undated(node);
            self.undated.store(wheel.undated_len(), Ordering::Relaxed);
            inside.undated_ns = inside.undated_ns.min(since_ns.saturating_add(duration_ns));
            // Relaxed: see `publish`. Nobody but the owner sleeps by it, and that is the caller.
            if inside.undated_ns < self.next_ns.load(Ordering::Relaxed) {
                self.next_ns.store(inside.undated_ns, Ordering::Relaxed);
            }
            Filed::Later
        })
    }

    /// The deadline of an entry that was armed for a duration, if it is still armed under the lock.
    pub(super) fn deadline_ns(
        &self,
        node: Node,
        now: impl FnOnce() -> u64,
        still_armed: impl FnOnce() -> bool,
    ) -> Option<u64> {
        self.inside.with(|inside| match &mut inside.wheel {
            Some(wheel) if still_armed() => {
                if node.place().is_undated() {
                    // Asked while the entry is still in the wheel, since the closure is foreign and may panic.
                    let now_ns = now();
                    wheel.remove(node);
                    self.file_dated(inside, now_ns, node);
                    self.leave_undated(inside);
                }
                Some(node.links(|links| links.ns))
            }
            _ => None,
        })
    }

    /// Files an entry that was undated. The published deadline is not later than its own.
    fn file_dated(&self, inside: &mut Inside, now_ns: u64, node: Node) {
        let deadline_ns = node.links(|links| {
            links.ns = now_ns.saturating_add(links.ns);
            links.ns
        });
        let tick = inside.ticks.at_or_after(deadline_ns);
        if let Some(wheel) = &mut inside.wheel {
            inside.next_tick = inside.next_tick.min(wheel.insert(node, tick));
        }
    }

    /// Undated entries left.
    #[inline]
    fn leave_undated(&self, inside: &mut Inside) {
        let undated = inside.wheel.as_ref().map_or(0, Wheel::undated_len);
        self.undated.store(undated, Ordering::Relaxed);
        if undated == 0 {
            inside.undated_ns = NEVER;
        }
    }

    /// Moves the deadline of an entry if it is still armed under the lock.
    #[inline]
    pub(super) fn reset(&self, deadline_ns: u64, node: Node, still_armed: impl FnOnce() -> bool) -> Filed {
        self.inside.with(|inside| {
            let wheel = match &mut inside.wheel {
                Some(wheel) if still_armed() => wheel,
                _ => return Filed::Refused,
            };
            let tick = inside.ticks.at_or_after(deadline_ns);
            let undated = node.place().is_undated();
            if node.links(|links| std::mem::replace(&mut links.tick, tick)) <= tick && !undated {
                return Filed::Later;
            }
            wheel.remove(node);
            self.leave_undated(inside);
            self.file(inside, tick, node)
        })
    }

    /// Unlinks an entry if it is still armed under the lock. Says whether it was.
    #[inline]
    pub(super) fn remove(&self, node: Node, still_armed: impl FnOnce() -> bool) -> bool {
        self.inside.with(|inside| match &mut inside.wheel {
            Some(wheel) if still_armed() => {
                wheel.remove(node);
                inside.cancelled += 1;
                self.leave_undated(inside);
                true
            }
            _ => false,
        })
    }

    /// Runs the closure with the lock.
    pub(super) fn locked<R>(&self, f: impl FnOnce() -> R) -> R {
        self.inside.with(|_| f())
    }

    #[inline]
    fn file(&self, inside: &mut Inside, tick: u64, node: Node) -> Filed {
        let Some(wheel) = &mut inside.wheel else { return Filed::Refused };
        let filed = wheel.insert(node, tick);
        if filed >= inside.next_tick {
            return Filed::Later;
        }
        inside.next_tick = filed;
        self.publish(inside);
        Filed::Earliest
    }
}

/// What a turn leaves in the wheel when it gives the lock back.
enum Left {
    Due,
    /// What may come down before its time.
    Ahead,
    Nothing,
}

/// What the lock guards.
#[derive(Debug)]
struct Inside {
    ticks: Ticks,
    /// The tick before which no entry with a date is due: what `Door::next_ns` says, but for the undated.
    next_tick: u64,
    /// A time before which no undated entry is due, [`NEVER`] if there is none.
    undated_ns: u64,
    armed_ever: u64,
    fired: u64,
    cancelled: u64,
    /// None before something is armed, and once the lane is closed.
    wheel: Option<Wheel>,
    closed: bool,
}

// SAFETY: the nodes in the wheel may be used by whoever holds the lock, whichever thread that is.
unsafe impl Send for Inside {}

impl Inside {
    fn new(ticks: Ticks) -> Self {
        Self {
            ticks,
            next_tick: NEVER,
            undated_ns: NEVER,
            armed_ever: 0,
            fired: 0,
            cancelled: 0,
            wheel: None,
            closed: false,
        }
    }

    /// Builds the wheel, for the first entry: most local sets and many runtimes arm none, and it is mostly the shard's own thread that
    /// arms it, and so first touches the 16 KiB. False if the lane is closed.
    #[cold]
    #[inline(never)]
    fn build_wheel(&mut self) -> bool {
        if !self.closed {
            self.wheel = Some(Wheel::new());
        }
        !self.closed
    }

    /// Takes due entries out, then brings others down, until there is none, the list is full, or others should have the lock.
    #[inline]
    fn take_due(&mut self, now_ns: u64, wakers: &mut WakeList) -> Left {
        let Some(wheel) = &mut self.wheel else { return Left::Nothing };
        let now = self.ticks.containing(now_ns);
        let mut left = Left::Due;
        for _ in 0..ENTRIES_PER_LOCK {
            if wakers.is_full() {
                break;
            }
            match wheel.step(now) {
                Step::Due(node) => {
                    self.fired += 1;
                    // SAFETY: the wheel gave it out, and it came in with a waker.
                    wakers.push(unsafe { node.finish(Status::Fired) });
                }
                Step::Begun => {}
                Step::Ahead => left = Left::Ahead,
                Step::Done => {
                    left = Left::Nothing;
                    break;
                }
            }
        }
        self.next_tick = wheel.next_tick();
        left
    }

    /// Takes every entry out and then the wheel away. The lock is held throughout: an entry must be either
    /// linked in the wheel or marked, and who cancels meanwhile waits a moment, once in a runtime's life.
    fn close(&mut self) -> Vec<std::task::Waker> {
        let mut wakers = Vec::new();
        self.closed = true;
        if let Some(mut wheel) = self.wheel.take() {
            while let Some(node) = wheel.take_any() {
                // SAFETY: the wheel gave it out, and it came in with a waker.
                wakers.push(unsafe { node.finish(Status::Closed) });
            }
        }
        self.next_tick = NEVER;
        // Closed entries count as never armed.
        self.armed_ever = self.fired + self.cancelled;
        wakers
    }
}
