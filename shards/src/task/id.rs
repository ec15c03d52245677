//! Task ids.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::context;

/// Names a task: unique among all tasks of the process, and never given twice.
///
/// # Examples
///
/// Ids are compared and printed; their order says nothing about the order of spawning, since each thread takes its
/// ids from a block of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(NonZeroU64);

/// How many ids a thread takes at once, so that a spawn needs no shared counter.
const BLOCK: u64 = 1 << 12;
static NEXT: AtomicU64 = AtomicU64::new(1);

impl Id {
    #[inline]
    pub(crate) fn next() -> Self {
        context::next_id(|| {
            // Relaxed: only the uniqueness of the number counts.
            let first = NEXT.fetch_add(BLOCK, Ordering::Relaxed);
            (first, first + BLOCK)
        })
    }

    #[inline]
    pub(crate) fn from_raw(raw: NonZeroU64) -> Self {
        Self(raw)
    }

    #[inline]
    pub(crate) fn get(self) -> NonZeroU64 {
        self.0
    }
}

/// An id for a task that is about to be spawned, for who has to know it before.
#[inline]
pub fn next_id() -> Id {
    Id::next()
}

/// An id as a number, for tools that know no other.
#[inline]
pub fn number(id: Id) -> u64 {
    id.0.get()
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
