//! One level of the wheel: sixty-four slots, each a list of entries.
//!
//! Here: the lists and which of them are in use. Not here: what time a slot stands for (`wheel`).
//! Threads: whoever holds the wheel's `&mut`.

use super::entry::Node;

/// Slots a level has: one bit each in `Level::occupied`.
pub(super) const SLOTS: usize = u64::BITS as usize;

#[derive(Debug)]
pub(super) struct Level {
    /// Bit s says that slot s holds an entry.
    occupied: u64,
    slots: [Slot; SLOTS],
}

/// First in, first out.
///
/// Linking an entry writes to the one before it, which among many thousand timers is in no cache. Most deadlines are taken
/// back soon, a timeout's above all, so the newest entry is linked only when the next one comes.
#[derive(Debug)]
pub(super) struct Slot {
    first: Option<Node>,
    last: Option<Node>,
    /// Behind `last`, and not linked to it.
    newest: Option<Node>,
    /// No entry in here is to be looked at before this tick. An entry that leaves does not raise it: finding the
    /// next earliest would touch every entry's memory.
    earliest: u64,
}

impl Level {
    pub(super) const EMPTY: Self = Self { occupied: 0, slots: [const { Slot::EMPTY }; SLOTS] };

    /// Puts an entry that is in no list at the end of a slot, to be looked at when the tick comes.
    #[inline]
    pub(super) fn push(&mut self, index: usize, node: Node, tick: u64) {
        let slot = &mut self.slots[index % SLOTS];
        slot.earliest = if slot.front().is_some() { slot.earliest.min(tick) } else { tick };
        self.occupied |= 1 << index;
        slot.push(node);
    }

    /// Takes out an entry that is in the slot.
    #[inline]
    pub(super) fn remove(&mut self, index: usize, node: Node) {
        let slot = &mut self.slots[index % SLOTS];
        slot.remove(node);
        if slot.front().is_none() {
            self.occupied &= !(1 << index);
        }
    }

    /// The entry that has been in the slot longest.
    #[inline]
    pub(super) fn front(&self, index: usize) -> Option<Node> {
        self.slots[index].front()
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

impl Slot {
    pub(super) const EMPTY: Self = Self { first: None, last: None, newest: None, earliest: 0 };

    /// Puts an entry that is in no list at the end.
    #[inline]
    pub(super) fn push(&mut self, node: Node) {
        if let Some(older) = self.newest.replace(node) {
            self.link(older);
        }
    }

    /// Takes out an entry that is in here.
    #[inline]
    pub(super) fn remove(&mut self, node: Node) {
        if self.newest == Some(node) {
            self.newest = None;
        } else {
            self.unlink(node);
        }
    }

    /// The entry that has been in here longest.
    #[inline]
    pub(super) fn front(&self) -> Option<Node> {
        self.first.or(self.newest)
    }

    /// Puts an entry behind the last linked one.
    #[inline]
    fn link(&mut self, node: Node) {
        let previous = self.last.replace(node);
        node.links(|links| (links.previous, links.next) = (previous, None));
        match previous {
            Some(previous) => previous.links(|links| links.next = Some(node)),
            None => self.first = Some(node),
        }
    }

    #[inline]
    fn unlink(&mut self, node: Node) {
        let (previous, next) = node.links(|links| (links.previous, links.next));
        match previous {
            Some(previous) => previous.links(|links| links.next = next),
            None => self.first = next,
        }
        match next {
            Some(next) => next.links(|links| links.previous = previous),
            None => self.last = previous,
        }
    }
}
