//! One level of the wheel: sixty-four slots, each a list of entries.
//!
//! Here: the lists and which of them are in use. Not here: what time a slot stands for (`wheel`).
//! Threads: whoever holds the wheel's `&mut`.

use super::entry::Node;

/// log2 of [`SLOTS`].
pub(super) const SLOT_BITS: u32 = 6;
/// Slots a level has: one bit each in `Level::occupied`.
pub(super) const SLOTS: usize = 1 << SLOT_BITS;
const _: () = assert!(SLOTS == u64::BITS as usize);

#[derive(Debug)]
pub(super) struct Level {
    /// Bit s says that slot s holds an entry.
    occupied: u64,
    slots: [Slot; SLOTS],
}

/// First in, first out, so that deadlines of one tick fire in the order they were armed.
#[derive(Debug)]
struct Slot {
    first: Option<Node>,
    last: Option<Node>,
    /// No entry in here is to be looked at before this tick. An entry that leaves does not raise it: finding the
    /// next earliest would touch every entry's memory.
    earliest: u64,
}

impl Level {
    pub(super) const EMPTY: Self =
        Self { occupied: 0, slots: [const { Slot { first: None, last: None, earliest: 0 } }; SLOTS] };

    /// Puts an entry that is in no list at the end of a slot, to be looked at when the tick comes.
    #[inline]
    pub(super) fn push(&mut self, index: usize, node: Node, tick: u64) {
        let slot = &mut self.slots[index % SLOTS];
        let previous = slot.last.replace(node);
        node.links(|links| (links.previous, links.next) = (previous, None));
        if let Some(previous) = previous {
            previous.links(|links| links.next = Some(node));
            slot.earliest = slot.earliest.min(tick);
        } else {
            slot.first = Some(node);
            slot.earliest = tick;
            self.occupied |= 1 << index;
        }
    }

    /// Takes out an entry that is in the slot.
    #[inline]
    pub(super) fn remove(&mut self, index: usize, node: Node) {
        let (previous, next) = node.links(|links| (links.previous, links.next));
        let slot = &mut self.slots[index % SLOTS];
        match previous {
            Some(previous) => previous.links(|links| links.next = next),
            None => slot.first = next,
        }
        match next {
            Some(next) => next.links(|links| links.previous = previous),
            None => slot.last = previous,
        }
        if slot.first.is_none() {
            self.occupied &= !(1 << index);
        }
    }

    /// The entry that has been in the slot longest.
    #[inline]
    pub(super) fn front(&self, index: usize) -> Option<Node> {
        self.slots[index].first
    }

    /// How many slots after this one, going round, the first occupied one is.
    #[inline]
    pub(super) fn distance_to_occupied(&self, from: usize) -> Option<u64> {
        let ahead = self.occupied.rotate_right(from as u32);
        (ahead != 0).then(|| u64::from(ahead.trailing_zeros()))
    }

    /// A tick no entry in the occupied slot is earlier than.
    #[inline]
    pub(super) fn earliest(&self, index: usize) -> u64 {
        self.slots[index].earliest
    }
}
