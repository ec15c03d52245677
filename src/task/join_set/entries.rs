//! Values under keys that stay the same while the value is there: a vector whose holes are used again.

#[derive(Debug)]
pub(super) struct Entries<E> {
    slots: Vec<Slot<E>>,
    /// The hole to fill next; the vector's length if there is none.
    hole: usize,
    len: usize,
}

#[derive(Debug)]
enum Slot<E> {
    Full(E),
    /// With the next hole.
    Hole(usize),
}

impl<E> Entries<E> {
    pub fn new() -> Self {
        Self { slots: Vec::new(), hole: 0, len: 0 }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// All keys are below.
    pub fn capacity(&self) -> usize {
        self.slots.capacity()
    }

    /// Adds the value made for a key.
    pub fn insert_with(&mut self, make: impl FnOnce(usize) -> E) -> usize {
        let key = self.hole;
        let full = Slot::Full(make(key));
        match self.slots.get_mut(key) {
            Some(slot) => {
                if let Slot::Hole(next) = std::mem::replace(slot, full) {
                    self.hole = next;
                }
            }
            None => {
                self.slots.push(full);
                self.hole = self.slots.len();
            }
        }
        self.len += 1;
        key
    }

    pub fn get_mut(&mut self, key: usize) -> Option<&mut E> {
        match self.slots.get_mut(key) {
            Some(Slot::Full(entry)) => Some(entry),
            _ => None,
        }
    }

    /// Drops the value of a key that is in use.
    pub fn remove(&mut self, key: usize) {
        self.slots[key] = Slot::Hole(self.hole);
        self.hole = key;
        self.len -= 1;
    }

    pub fn iter(&self) -> impl Iterator<Item = &E> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Full(entry) => Some(entry),
            Slot::Hole(_) => None,
        })
    }
}
