//! The wheel: which entries are due, in order, without ever sorting them.
//!
//! Level 0 has a slot for each of 64 ticks, level 1 for each of 64 spans of 64 ticks, and so on. An entry is
//! filed in the lowest level whose current round still contains its tick: the highest bit in which the tick and
//! `elapsed` differ says which. When `elapsed` enters a slot above level 0, the slot's entries are filed anew and
//! land further down. The last level goes round without end.
//!
//! ```text
//! tick      … │ 6 bits: slot in level 2 │ 6 bits: slot in level 1 │ 6 bits: slot in level 0
//! ```
//!
//! An entry's own tick may be later than the one it is filed under: it was reset to later, or it lies beyond the
//! last level's round. Both are found when their slot comes up, and are filed anew.
//!
//! What holds between calls, and makes "the first occupied slot of the lowest occupied level" the next one:
//! 1. A slot in use above level 0 begins after `elapsed`, except the slot *in hand*, which begins at it. So every
//!    slot of a level ends before the first slot in use of the level above begins.
//! 2. While the slot in hand is not empty, `elapsed` stays: emptying a slot of many entries may be interrupted
//!    to let others have the lock.
//!
//! Here: plain data behind `&mut self`. Not here: nanoseconds, wakers, locks (`lane`).

use super::NEVER;
use super::entry::Node;
use super::level::{Level, SLOT_BITS, SLOTS};

/// 2^42 ticks a round: 7 years of 50 µs, 139 years of 1 ms.
const LEVELS: usize = 7;

#[derive(Debug)]
pub(super) struct Wheel {
    /// The tick up to which everything has been looked at.
    elapsed: u64,
    /// The level of the slot in hand, if one is: its slot that `elapsed` lies in.
    in_hand: usize,
    levels: Box<[Level; LEVELS]>,
}

/// What one step of emptying the wheel found.
#[derive(Debug)]
#[must_use]
pub(super) enum Step {
    /// An entry is due and has been taken out.
    Due(Node),
    /// An entry was not due yet and has been filed anew.
    Refiled,
    /// Nothing else is due.
    Done,
}

impl Wheel {
    pub(super) fn new() -> Self {
        Self { elapsed: 0, in_hand: 0, levels: Box::new([const { Level::EMPTY }; LEVELS]) }
    }

    /// Files an entry that is not in the wheel. Returns the tick by which it wants to be looked at.
    #[inline]
    pub(super) fn insert(&mut self, node: Node, tick: u64) -> u64 {
        // What is overdue goes where the wheel looks next. What is beyond the last level's round goes to that
        // level's furthest slot, which is the one behind the current slot.
        let furthest = self.elapsed + ((SLOTS as u64 - 1) << (SLOT_BITS * (LEVELS as u32 - 1)));
        let filed = tick.clamp(self.elapsed, furthest);
        let highest_bit = ((filed ^ self.elapsed) | 1).ilog2();
        let level = ((highest_bit / SLOT_BITS) as usize).min(LEVELS - 1);
        let slot = slot_of(level, filed);
        node.links(|links| {
            links.tick = tick;
            (links.level, links.slot) = (level as u8, slot as u8);
        });
        self.levels[level].push(slot, node, filed);
        filed
    }

    /// Takes out an entry that is in the wheel.
    #[inline]
    pub(super) fn remove(&mut self, node: Node) {
        let (level, slot) = node.links(|links| (links.level, links.slot));
        self.levels[usize::from(level)].remove(usize::from(slot), node);
    }

    /// The tick before which there is nothing to look at: exact, unless the earliest entry left or was reset to
    /// later. [`NEVER`] when the wheel is empty.
    pub(super) fn next_tick(&self) -> u64 {
        match self.first_occupied() {
            // Other levels may hold something earlier than what is left in a slot half emptied.
            Some((_, _, start)) if start == self.elapsed => start,
            Some((level, slot, _)) => self.levels[level].earliest(slot),
            None => NEVER,
        }
    }

    /// Handles one entry of those to be looked at by `now`. Call it until it is [`Step::Done`].
    #[inline]
    pub(super) fn step(&mut self, now: u64) -> Step {
        match self.first_occupied() {
            Some((level, slot, start)) if start <= now => {
                self.elapsed = start;
                self.in_hand = level;
                let Some(node) = self.levels[level].front(slot) else {
                    unreachable!("an occupied slot has a front");
                };
                self.levels[level].remove(slot, node);
                let tick = node.links(|links| links.tick);
                if tick <= start {
                    return Step::Due(node);
                }
                self.insert(node, tick);
                Step::Refiled
            }
            _ => {
                // A thief's clock may be a little behind the owner's.
                self.elapsed = self.elapsed.max(now);
                Step::Done
            }
        }
    }

    /// Takes out any entry, due or not.
    pub(super) fn take_any(&mut self) -> Option<Node> {
        let (level, slot, _) = self.first_occupied()?;
        let node = self.levels[level].front(slot)?;
        self.levels[level].remove(slot, node);
        Some(node)
    }

    /// The next slot to look at, as (level, slot, tick it begins at).
    #[inline]
    fn first_occupied(&self) -> Option<(usize, usize, u64)> {
        let slot = slot_of(self.in_hand, self.elapsed);
        if self.levels[self.in_hand].front(slot).is_some() {
            return Some((self.in_hand, slot, self.elapsed));
        }
        self.levels.iter().enumerate().find_map(|(level, slots)| {
            let current = slot_of(level, self.elapsed);
            let distance = slots.distance_to_occupied(current)?;
            let shift = SLOT_BITS * level as u32;
            let start = ((self.elapsed >> shift) + distance) << shift;
            Some((level, (current + distance as usize) % SLOTS, start))
        })
    }
}

/// The six bits of the tick that name its slot in the level.
#[inline]
fn slot_of(level: usize, tick: u64) -> usize {
    (tick >> (SLOT_BITS * level as u32)) as usize % SLOTS
}
