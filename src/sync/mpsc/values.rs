//! The queue of values: grows and shrinks in segments.
//!
//! One ring that doubles would copy everything it holds while the channel's lock is held, and would keep its size after
//! one burst. So the ring doubles up to a segment; what comes beyond goes into further segments, each allocated whole
//! and freed when it ran empty. A short queue is one ring of the size it needs.
//!
//! Threads: whoever holds the channel's lock.

use std::collections::VecDeque;

/// Bytes of values in a segment: copying that many when the ring grows takes about 0.2 µs, and a page is what allocators
/// give fast.
const SEGMENT_BYTES: usize = 4096;

/// Values in a segment, if they are so large that few fit.
const SEGMENT_MIN: usize = 16;

/// Values, first in, first out.
pub(super) struct Values<T> {
    /// Where values are taken from, and put to while `rest` is empty. Empty only if all is.
    head: VecDeque<T>,
    rest: VecDeque<VecDeque<T>>,
}

impl<T> Values<T> {
    const SEGMENT: usize = {
        let size = if size_of::<T>() == 0 { 1 } else { size_of::<T>() };
        let fit = SEGMENT_BYTES / size;
        if fit > SEGMENT_MIN { fit } else { SEGMENT_MIN }
    };

    pub const fn new() -> Self {
        Self { head: VecDeque::new(), rest: VecDeque::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.head.is_empty()
    }

    pub fn len(&self) -> usize {
        let rest = match self.rest.back() {
            None => 0,
            Some(last) => (self.rest.len() - 1) * Self::SEGMENT + last.len(),
        };
        self.head.len() + rest
    }

    #[inline]
    pub fn push(&mut self, value: T) {
        if self.head.len() < Self::SEGMENT && self.rest.is_empty() {
            self.head.push_back(value);
        } else {
            self.push_rest(value);
        }
    }

    #[cold]
    #[inline(never)]
    fn push_rest(&mut self, value: T) {
        match self.rest.back_mut() {
            Some(last) if last.len() < Self::SEGMENT => last.push_back(value),
            _ => {
                let mut segment = VecDeque::with_capacity(Self::SEGMENT);
                segment.push_back(value);
                self.rest.push_back(segment);
            }
        }
    }

    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        let value = self.head.pop_front();
        if self.head.is_empty() && !self.rest.is_empty() {
            self.next_segment();
        }
        value
    }

    #[cold]
    #[inline(never)]
    fn next_segment(&mut self) {
        if let Some(segment) = self.rest.pop_front() {
            self.head = segment;
        }
        if self.rest.is_empty() {
            // Its room is a pointer for each segment there ever was.
            self.rest = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Values;

    #[test]
    fn order_and_length_hold_across_segments() {
        let mut values = Values::new();
        let (mut pushed, mut popped) = (0_u64, 0_u64);
        for round in 0..40 {
            for _ in 0..round * 97 {
                values.push(pushed);
                pushed += 1;
            }
            for _ in 0..(round * 61).min(pushed - popped) {
                assert_eq!(values.pop(), Some(popped));
                popped += 1;
            }
            assert_eq!(values.len() as u64, pushed - popped);
            assert_eq!(values.is_empty(), pushed == popped);
        }
        assert!(values.rest.len() > 10, "the test reaches further segments");
        while let Some(value) = values.pop() {
            assert_eq!(value, popped);
            popped += 1;
        }
        assert_eq!((popped, values.len()), (pushed, 0));
        assert!(
            values.head.capacity() * size_of::<u64>() <= 2 * super::SEGMENT_BYTES,
            "the burst's room is given back"
        );
        assert_eq!(values.rest.capacity(), 0);
    }

    #[test]
    fn values_of_no_size_and_of_much() {
        let mut none = Values::new();
        (0..100_000).for_each(|_| none.push(()));
        assert_eq!(none.len(), 100_000);
        assert_eq!(std::iter::from_fn(|| none.pop()).count(), 100_000);

        let mut much = Values::new();
        (0..50_u8).for_each(|i| much.push([i; 2000]));
        assert_eq!(much.len(), 50);
        assert!((0..50).all(|i| much.pop() == Some([i; 2000])));
    }
}
