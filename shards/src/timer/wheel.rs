//! The wheel: which entries are due, in order, without ever sorting them.
//!
//! A slot of level 0 is one tick, a slot of level 1 is 32 ticks, of level 2 is 32 times as many, and so on. Each level has 64
//! slots: the one that `elapsed` lies in and the 63 after it, a window that slides along with time. An entry is filed in
//! the lowest level whose window reaches its tick, and comes down when time does.
//!
//! ```text
//!            elapsed
//! level 0      │▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪│
//! level 1   │   elapsed's  │   the next slot   │  2 slots on  │  …
//!                            comes down ahead    what is armed now goes here and beyond
//! ```
//!
//! A window is two slots of the level above. So what is in that level's next slot already has its place below, and is brought
//! down a few entries at a time while there is little to do; what remains when the slot begins is brought down then. With
//! slots that came down only when they began, of 100,000 sleeps of 1 to 100 ms a third came down at once, which took 4 ms.
//!
//! An entry's own tick may be later than the one it is filed under: it was reset to later, or it lies beyond the
//! last level's window. Both are found when their slot comes up, and are filed anew.
//!
//! Entries armed for a duration while nobody knows the time yet wait in a list beside the levels, *undated*: see `lane`.
//!
//! What holds between calls: a slot in use above level 0 begins after `elapsed`, or at it and is being emptied; then `elapsed`
//! stays until it is empty. Emptying may be interrupted to let others have the lock.
//!
//! Here: plain data behind `&mut self`. Not here: nanoseconds, wakers, locks (`lane`).

use super::NEVER;
use super::entry::{Node, Place};
use super::level::{Level, SLOTS, Slot};

/// log2 of how many slots of a level make one of the level above: half a window.
const SPAN_BITS: u32 = SLOTS.ilog2() - 1;

/// A window of 2^41 ticks: 3 years of 50 µs, 69 years of 1 ms.
const LEVELS: usize = 8;

/// Where undated entries say they are.
const UNDATED: Place = Place { level: LEVELS as u8, slot: 0 };

#[derive(Debug)]
pub(super) struct Wheel {
    /// The tick up to which everything has been looked at.
    elapsed: u64,
    /// The level whose slot was looked at last.
    in_hand: usize,
    /// Bit L is set if level L may hold an entry.
    used: u32,
    levels: Box<[Level; LEVELS]>,
    undated: Slot,
    undated_len: u32,
}

/// What one step of emptying the wheel found.
#[derive(Debug)]
#[must_use]
pub(super) enum Step {
    /// An entry is due and has been taken out.
    Due(Node),
    /// An entry of a slot that has begun has come down.
    Begun,
    /// Nothing is due, and an entry of a slot that comes next has come down.
    Ahead,
    /// There is nothing to do before the next tick.
    Done,
}

impl Wheel {
    pub(super) fn new() -> Self {
        Self {
            elapsed: 0,
            in_hand: 0,
            used: 0,
            levels: Box::new([const { Level::EMPTY }; LEVELS]),
            undated: Slot::EMPTY,
            undated_len: 0,
        }
    }

    /// Keeps an entry that is not in the wheel until it has a date.
    #[inline]
    pub(super) fn insert_undated(&mut self, node: Node) {
        node.set_place(UNDATED);
        self.undated.push(node);
        self.undated_len += 1;
    }

    /// Takes out the undated entry that has been here longest.
    pub(super) fn take_undated(&mut self) -> Option<Node> {
        let node = self.undated.front()?;
        self.remove(node);
        Some(node)
    }

    /// How many entries are undated.
    #[inline]
    pub(super) fn undated_len(&self) -> u32 {
        self.undated_len
    }

    /// Files an entry that is not in the wheel. Returns the tick by which it wants to be looked at.
    #[inline]
    pub(super) fn insert(&mut self, node: Node, tick: u64) -> u64 {
        // What is overdue goes where the wheel looks next. What is beyond the last level's window goes to that level's furthest
        // slot.
        let furthest = self.elapsed + ((SLOTS as u64 - 1) << shift(LEVELS - 1));
        let filed = tick.max(self.elapsed).min(furthest);
        // The distance fits the window of this level, unless both ends lie badly in their slots.
        let mut level = (((filed - self.elapsed) | (SLOTS as u64 - 1)) / 2).ilog2() / SPAN_BITS;
        if (filed >> shift(level as usize)) - (self.elapsed >> shift(level as usize)) >= SLOTS as u64 {
            level += 1;
        }
        let slot = slot_of(level as usize, filed);
        node.links(|links| links.tick = tick);
        node.set_place(Place { level: level as u8, slot: slot as u8 });
        self.used |= 1 << level;
        self.levels[level as usize % LEVELS].push(slot, node, filed);
        filed
    }

    /// Takes out an entry that is in the wheel.
    #[inline]
    pub(super) fn remove(&mut self, node: Node) {
        let place = node.place();
        if place.is_undated() {
            self.undated.remove(node);
            self.undated_len -= 1;
            return;
        }
        self.levels[usize::from(place.level)].remove(usize::from(place.slot), node);
    }

    /// The tick before which nothing is due: exact, unless the earliest entry left or was reset to later. [`NEVER`] when the
    /// wheel is empty.
    pub(super) fn next_tick(&mut self) -> u64 {
        let mut next = NEVER;
        let elapsed = self.elapsed;
        self.each_first(|levels, level, slot, start| {
            // A slot that is being emptied wants to be emptied.
            let tick = if start == elapsed { start } else { levels[level].earliest(slot) };
            next = next.min(tick);
        });
        next
    }

    /// Handles one entry of those to be looked at by `now`, or brings one down ahead. Call it until it is [`Step::Done`].
    #[inline]
    pub(super) fn step(&mut self, now: u64) -> Step {
        match self.first_occupied() {
            Some((level, slot, start)) if start <= now => {
                self.elapsed = start;
                self.in_hand = level;
                let node = self.take_front(level, slot);
                let tick = node.links(|links| links.tick);
                if tick <= start {
                    return Step::Due(node);
                }
                self.insert(node, tick);
                Step::Begun
            }
            _ => {
                // A thief's clock may be a little behind the owner's.
                self.elapsed = self.elapsed.max(now);
                if self.bring_down() { Step::Ahead } else { Step::Done }
            }
        }
    }

    /// Brings an entry down from a slot that comes next. False if there is none.
    fn bring_down(&mut self) -> bool {
        let mut above = self.used >> 1;
        while above != 0 {
            let level = above.trailing_zeros() as usize + 1;
            above &= above - 1;
            let next = (slot_of(level, self.elapsed) + 1) % SLOTS;
            if self.levels[level].front(next).is_some() {
                let node = self.take_front(level, next);
                let tick = node.links(|links| links.tick);
                self.insert(node, tick);
                return true;
            }
        }
        false
    }

    /// Takes out any entry, due or not.
    pub(super) fn take_any(&mut self) -> Option<Node> {
        if let Some(node) = self.take_undated() {
            return Some(node);
        }
        let (level, slot, _) = self.first_occupied()?;
        Some(self.take_front(level, slot))
    }

    fn take_front(&mut self, level: usize, slot: usize) -> Node {
        let Some(node) = self.levels[level].front(slot) else { unreachable!("an occupied slot has a front") };
        self.levels[level].remove(slot, node);
        node
    }

    /// The slot to look at first, as (level, slot, tick it begins at).
    #[inline]
    fn first_occupied(&mut self) -> Option<(usize, usize, u64)> {
        let slot = slot_of(self.in_hand, self.elapsed);
        if self.levels[self.in_hand].front(slot).is_some() {
            return Some((self.in_hand, slot, self.elapsed));
        }
        let mut first = None;
        self.each_first(|_, level, slot, start| {
            if first.is_none_or(|(_, _, earliest)| start < earliest) {
                first = Some((level, slot, start));
            }
        });
        first
    }

    /// Calls `f` with the first occupied slot of each level and the tick it begins at.
    #[inline]
    fn each_first(&mut self, mut f: impl FnMut(&[Level; LEVELS], usize, usize, u64)) {
        let mut left = self.used;
        while left != 0 {
            let level = left.trailing_zeros() as usize;
            left &= left - 1;
            let current = slot_of(level, self.elapsed);
            match self.levels[level].distance_to_occupied(current) {
                Some(distance) => {
                    let start = ((self.elapsed >> shift(level)) + distance) << shift(level);
                    f(&self.levels, level, (current + distance as usize) % SLOTS, start);
                }
                None => self.used &= !(1 << level),
            }
        }
    }
}

impl Place {
    /// Whether the entry is or was in the wheel without a date.
    #[inline]
    pub(super) fn is_undated(self) -> bool {
        self.level == UNDATED.level
    }
}

/// log2 of the ticks in a slot of the level.
#[inline]
fn shift(level: usize) -> u32 {
    SPAN_BITS * level as u32
}

/// Where the slot that the tick lies in has its place in the level.
#[inline]
fn slot_of(level: usize, tick: u64) -> usize {
    (tick >> shift(level)) as usize % SLOTS
}
