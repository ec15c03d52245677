//! What a sleeping future embeds: its link into a lane's wheel, its waker, and whether it fired.
//!
//! Who may touch what. The *holder* is whoever has the entry's `Pin<&mut Entry>`: one thread at a time.
//!
//! | field | not armed | armed |
//! |---|---|---|
//! | `state` | the holder | whoever holds the lane's lock; anyone reads |
//! | `links`, `place` | the holder | whoever holds the lane's lock |
//! | `waker` | nobody: there is none | holder with the lock: replaces; holder: looks; firing thread with the lock: moves it out |
//! | `door`  | the holder | nobody writes, the holder reads |
//!
//! ```text
//!            arm                turn
//!    IDLE ─────────▶ ARMED ─────────────▶ FIRED ──┐
//!     ▲ ▲   cancel    │ │  close                  │ arm, reset
//!     │ └─────────────┘ └───────────────▶ CLOSED ─┤
//!     └───────────────────────────────────────────┘
//! ```
//! The store of FIRED or CLOSED is the last thing a turning or closing thread does to an entry, with Release;
//! whoever reads it with Acquire owns the entry's memory again and may free it, without the lock. Only the holder
//! makes an entry ARMED, so what the holder reads as not ARMED stays so; what it reads as ARMED it must look
//! at again under the lock.

#![expect(
    unsafe_code,
    reason = "an intrusive entry is reached through the pointers in its neighbours and its slot"
)]

use std::marker::PhantomPinned;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::Waker;

use super::lane::{Door, Filed, Lane};
use crate::loom::atomic::{AtomicU8, Ordering};
use crate::loom::cell::UnsafeCell;

/// Where an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// Never armed, cancelled, or reset after it fired.
    Idle,
    /// Linked in a lane.
    Armed,
    /// Its deadline passed.
    Fired,
    /// Its lane closed before the deadline, or was closed when it was armed.
    Closed,
}

/// One timer, to be embedded in a future. Armed, it is linked into a lane; dropping it cancels it.
///
/// It takes 64 bytes, and what a reset to a later deadline needs comes first: an entry among a million is in no cache, and one line is
/// fetched sooner than two.
#[derive(Debug)]
#[repr(C)]
pub struct Entry {
    state: AtomicU8,
    place: UnsafeCell<Place>,
    door: Option<&'static Door>,
    links: UnsafeCell<Links>,
    waker: UnsafeCell<MaybeUninit<Waker>>,
    _pinned: PhantomPinned,
}

/// What the wheel keeps in an entry.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Links {
    /// The tick to fire at, never before the deadline. None while the entry is undated.
    pub(super) tick: u64,
    /// Of an entry armed for a duration: that, in nanoseconds, as long as it is undated, and then the deadline.
    pub(super) ns: u64,
    pub(super) previous: Option<Node>,
    pub(super) next: Option<Node>,
}

/// Where in a wheel an entry is or was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) level: u8,
    pub(super) slot: u8,
}

// SAFETY: the table in the module head gives each field one thread that writes it at a time, ordered by the
// lane's lock or by `state`; and a `Waker` may go to any thread.
unsafe impl Send for Entry {}
// SAFETY: as above; by `&Entry` alone `state` and `door` are read, `links` and `place` used with the lock, or read once the entry is
// not armed: then nobody writes them without `&mut`.
unsafe impl Sync for Entry {}

impl Entry {
    /// An entry that is not armed.
    pub fn new() -> Self {
        Self {
            state: AtomicU8::new(Status::Idle as u8),
            place: UnsafeCell::new(Place { level: 0, slot: 0 }),
            door: None,
            links: UnsafeCell::new(Links { tick: 0, ns: 0, previous: None, next: None }),
            waker: UnsafeCell::new(MaybeUninit::uninit()),
            _pinned: PhantomPinned,
        }
    }

    /// Where the entry stands. One load; takes no lock.
    #[inline]
    pub fn status(&self) -> Status {
        // Acquire: pairs with the Release in `Node::finish`; afterwards the entry's memory is the holder's.
        match self.state.load(Ordering::Acquire) {
            s if s == Status::Idle as u8 => Status::Idle,
            s if s == Status::Armed as u8 => Status::Armed,
            s if s == Status::Fired as u8 => Status::Fired,
            _ => Status::Closed,
        }
    }

    /// Whether the deadline passed.
    #[inline]
    pub fn is_fired(&self) -> bool {
        self.status() == Status::Fired
    }

    /// Arms the entry in a lane: the waker is woken by the first turn of the lane after the deadline, in
    /// nanoseconds of the runtime's clock. An entry armed already is cancelled first.
    ///
    /// When the answer is [`Filed::Earliest`] and the caller is not the lane's owner, it must look at the owner's
    /// sleep word now and wake it if it sleeps.
    #[inline]
    pub fn arm(self: Pin<&mut Self>, lane: &Lane, deadline_ns: u64, waker: Waker) -> Filed {
        let tick = lane.tick(deadline_ns);
        self.arm_with(lane, waker, |door, node| door.insert(tick, node))
    }

    /// As [`arm`](Self::arm), for a duration from now on, without the time: the deadline is that long after the lane's next
    /// [`date`](Lane::date). `since_ns` is a time that has passed. On the lane's own thread only, which is awake, so that the answer
    /// is never [`Filed::Earliest`].
    #[inline]
    pub fn arm_for(
        self: Pin<&mut Self>,
        lane: &Lane,
        duration_ns: u64,
        since_ns: u64,
        waker: Waker,
    ) -> Filed {
        self.arm_with(lane, waker, |door, node| door.insert_undated(duration_ns, since_ns, node))
    }

    #[inline(always)]
    fn arm_with(
        mut self: Pin<&mut Self>,
        lane: &Lane,
        waker: Waker,
        insert: impl FnOnce(&Door, Node) -> Filed,
    ) -> Filed {
        self.as_mut().cancel();
        // SAFETY: nothing is moved out of the entry.
        let this = unsafe { self.get_unchecked_mut() };
        this.door = Some(lane.door());
        this.waker.with_mut(|slot| {
            // SAFETY: not armed, so the waker is the holder's, and there is none to drop.
            unsafe { (*slot).write(waker) };
        });
        // SAFETY: the entry is pinned, and `drop` takes it out of the wheel.
        let node = unsafe { Node::new(this) };
        let filed = insert(lane.door(), node);
        if filed == Filed::Refused {
            // SAFETY: the closed lane left the node alone.
            drop(unsafe { node.finish(Status::Closed) });
        }
        filed
    }

    /// Moves the deadline of an armed entry. To a later one this only writes the deadline down; the wheel finds
    /// out when the old one comes.
    ///
    /// [`Filed::Refused`] means the entry was not armed, or no longer: it is idle now, and to be armed again.
    /// For [`Filed::Earliest`] see [`arm`](Self::arm).
    #[inline]
    pub fn reset(self: Pin<&mut Self>, deadline_ns: u64) -> Filed {
        let filed = match self.armed() {
            Some((door, node)) => door.reset(deadline_ns, node, || self.still_armed()),
            None => Filed::Refused,
        };
        if filed == Filed::Refused {
            // Relaxed: nothing but the holder touches an entry that is not armed.
            self.state.store(Status::Idle as u8, Ordering::Relaxed);
        }
        filed
    }

    /// Has another task woken when the entry fires. Takes the lock only if the waker is a different one.
    ///
    /// Returns where the entry stands after that; it matters only while that is [`Status::Armed`].
    #[inline]
    pub fn set_waker(self: Pin<&mut Self>, waker: &Waker) -> Status {
        let Some((door, _)) = self.armed() else { return self.status() };
        let same = self.waker.with(|slot| {
            // SAFETY: read as ARMED, so the holder wrote a waker. Should the entry fire meanwhile, the waker is
            // moved out by reading, its bits stay, and comparing follows no pointer in them.
            unsafe { (*slot).assume_init_ref() }.will_wake(waker)
        });
        if !same {
            // Cloned and dropped outside the lock: both run foreign code.
            let mut waker = waker.clone();
            door.locked(|| {
                if self.still_armed() {
                    self.waker.with_mut(|slot| {
                        // SAFETY: ARMED under the lock, so there is a waker and nobody else is at it.
                        std::mem::swap(unsafe { (*slot).assume_init_mut() }, &mut waker);
                    });
                }
            });
        }
        self.status()
    }

    /// Takes the entry out of its lane. Says whether it was still armed; if not, it stays as it was.
    #[inline]
    pub fn cancel(self: Pin<&mut Self>) -> bool {
        self.disarm().is_some()
    }

    /// As [`cancel`](Self::cancel), and gives the waker that waited.
    #[inline]
    pub fn disarm(self: Pin<&mut Self>) -> Option<Waker> {
        let (door, node) = self.armed()?;
        if !door.remove(node, || self.still_armed()) {
            return None;
        }
        // SAFETY: out of the wheel, still ARMED: nobody else knows of it.
        Some(unsafe { node.finish(Status::Idle) })
    }

    /// The deadline of an entry that was armed for a duration, whatever became of it. One that is undated is dated for that, by
    /// the time it asks for.
    pub fn deadline_ns(&self, now: impl Fn() -> u64) -> u64 {
        if let Some((door, node)) = self.armed() {
            if let Some(deadline_ns) = door.deadline_ns(node, &now, || self.still_armed()) {
                return deadline_ns;
            }
        }
        // SAFETY: not armed, so both are the holder's, who needs `&mut self` to write them; here several threads may read.
        let (ns, place) = unsafe { (self.links.with(|links| (*links).ns), self.place.with(|place| *place)) };
        // Closed before it had a date.
        if place.is_undated() { now().saturating_add(ns) } else { ns }
    }

    /// Whether it was this lane that the entry was armed in last.
    pub fn is_in(&self, lane: &Lane) -> bool {
        self.door.is_some_and(|door| std::ptr::eq(door, lane.door()))
    }

    /// The lane's door and the entry's node, if the entry was armed a moment ago.
    #[inline]
    fn armed(&self) -> Option<(&'static Door, Node)> {
        if self.status() != Status::Armed {
            return None;
        }
        // SAFETY: only pinned entries are armed, and `drop` takes the entry out of the wheel.
        self.door.map(|door| (door, unsafe { Node::new(self) }))
    }

    /// The look under the lock, which counts.
    #[inline]
    fn still_armed(&self) -> bool {
        // Relaxed: ARMED ends only under the lock that the caller holds, or by the caller.
        self.state.load(Ordering::Relaxed) == Status::Armed as u8
    }
}

impl Default for Entry {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        // SAFETY: if it was ever armed it is pinned, and it does not move before its memory is given back.
        unsafe { Pin::new_unchecked(self) }.cancel();
    }
}

/// An entry as the wheel sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Node(NonNull<Entry>);

impl Node {
    /// # Safety
    ///
    /// The entry stays where it is as long as it is in a wheel, and the node is used by nobody but the holder of
    /// the entry and, while it is in a wheel, the holder of that wheel's lock.
    unsafe fn new(entry: &Entry) -> Self {
        Self(NonNull::from(entry))
    }

    /// Runs the closure on the entry's links. It must not come back to the same node.
    #[inline]
    pub(super) fn links<R>(self, f: impl FnOnce(&mut Links) -> R) -> R {
        // SAFETY: the entry is there, as `new` demanded.
        let entry = unsafe { self.0.as_ref() };
        entry.links.with_mut(|links| {
            // SAFETY: the links are the caller's, as `new` demanded, and closures are leaves.
            f(unsafe { &mut *links })
        })
    }

    /// Where in a wheel the entry is or was.
    #[inline]
    pub(super) fn place(self) -> Place {
        // SAFETY: the entry is there, as `new` demanded, and so are the rights to it.
        unsafe { self.0.as_ref().place.with(|place| *place) }
    }

    /// Writes down where the entry will be.
    #[inline]
    pub(super) fn set_place(self, to: Place) {
        // SAFETY: as in `place`.
        unsafe { self.0.as_ref().place.with_mut(|place| *place = to) }
    }

    /// Marks the entry as in a wheel.
    #[inline]
    pub(super) fn mark_armed(self) {
        // SAFETY: the entry is there, as `new` demanded.
        let entry = unsafe { self.0.as_ref() };
        // Relaxed: the holder is the caller, and the lock shows it to the threads that fire it.
        entry.state.store(Status::Armed as u8, Ordering::Relaxed);
    }

    /// Moves the waker out and gives the entry back to its holder, who may free it at once.
    ///
    /// # Safety
    ///
    /// The entry holds a waker, is in no wheel, and nobody uses the node afterwards.
    #[inline]
    pub(super) unsafe fn finish(self, status: Status) -> Waker {
        // SAFETY: the entry is there until the store below.
        let entry = unsafe { self.0.as_ref() };
        let waker = entry.waker.with(|slot| {
            // SAFETY: there is one, as the caller promised, and what stays behind are bits that nobody drops.
            unsafe { (*slot).assume_init_read() }
        });
        // Release: pairs with the Acquire in `status`. The entry may be gone from here on.
        entry.state.store(status as u8, Ordering::Release);
        waker
    }
}
