//! A handful of wakers gathered under a lock and woken after it is given back.
//!
//! A waker runs foreign code, which may well come back for the same lock; and a list of fixed size bounds both
//! the time the lock is held and the stack it takes.

use std::task::Waker;

use super::swallow::swallow;

/// Wakers that one list holds: long enough to share the cost of a lock among them, short enough (512 bytes) to
/// set up for the one timer that usually fires.
pub const WAKE_LIST_LEN: usize = 32;

/// Wakers waiting to be woken. Those still inside when it drops are dropped without a wake.
#[derive(Debug)]
pub struct WakeList {
    wakers: [Option<Waker>; WAKE_LIST_LEN],
    len: usize,
}

impl WakeList {
    /// An empty list.
    pub fn new() -> Self {
        Self { wakers: [const { None }; WAKE_LIST_LEN], len: 0 }
    }

    /// How many wakers are inside.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether `push` would panic.
    pub fn is_full(&self) -> bool {
        self.len == WAKE_LIST_LEN
    }

    /// Adds a waker.
    ///
    /// # Panics
    ///
    /// When the list is full.
    #[track_caller]
    pub fn push(&mut self, waker: Waker) {
        assert!(!self.is_full(), "wake list is full: wake it first");
        self.wakers[self.len] = Some(waker);
        self.len += 1;
    }

    /// Gives each to `f`, in the order they came, and keeps what it gives back.
    pub fn retain(&mut self, mut f: impl FnMut(Waker) -> Option<Waker>) {
        for waker in &mut self.wakers[..self.len] {
            *waker = waker.take().and_then(&mut f);
        }
    }

    /// Wakes them all in the order they came, and is empty again. One that panics keeps no other from being woken, and the
    /// panic ends here.
    pub fn wake_all(&mut self) {
        let len = std::mem::take(&mut self.len);
        let mut left = self.wakers[..len].iter_mut();
        while left.len() > 0 {
            swallow(|| left.by_ref().filter_map(Option::take).for_each(Waker::wake));
        }
    }
}

impl Default for WakeList {
    fn default() -> Self {
        Self::new()
    }
}
