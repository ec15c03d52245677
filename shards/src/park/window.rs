//! How long a shard looks before it sleeps.
//!
//! The window of `Spin::Auto` follows the kernel's haltpoll governor (`drivers/cpuidle/governors/haltpoll.c`): it grows
//! when the shard was woken soon after it slept, since looking a little longer would have saved the sleep, and
//! shrinks to nothing when the wake came long after. A cross-core wake of a sleeping thread costs about 44 µs on a
//! virtual machine, so the cap is what one such wake costs.
//!
//! Between two looks the shard offers its CPU to whoever else wants it. An echo server whose client had to share its shards' CPUs
//! answered fewer requests when the shards only looked than when they slept at once, and most when they offered the CPU as well. So
//! shards that are bound to no CPU may look, too.
//!
//! Where those keep the CPU for long there is no look for a while: see [`super::caution`].

use std::time::Duration;

/// The longest look of `Spin::Auto`.
const CAP_NS: u64 = 50_000;
const START_NS: u64 = 12_500;
const SHRINK: u64 = 4;

/// How long a shard looks for work before it sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spin {
    /// As long as it pays, up to 50 µs.
    Auto,
    /// Always that long; zero is never.
    Fixed(Duration),
}

impl Spin {
    const AUTO: u64 = u64::MAX;

    pub(crate) fn to_word(self) -> u64 {
        match self {
            Spin::Auto => Self::AUTO,
            Spin::Fixed(duration) => {
                u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX).min(Self::AUTO - 1)
            }
        }
    }

    pub(crate) fn from_word(word: u64) -> Self {
        if word == Self::AUTO { Spin::Auto } else { Spin::Fixed(Duration::from_nanos(word)) }
    }
}

/// The look of one shard.
#[derive(Debug)]
pub(crate) struct Window {
    spin: Spin,
    ns: u64,
    found_event: bool,
}

impl Window {
    /// Closed at first.
    pub fn new(spin: Spin) -> Self {
        Self { spin, ns: if spin == Spin::Auto { 0 } else { spin.to_word() }, found_event: false }
    }

    /// Begins anew if that is not what it does already.
    pub fn set(&mut self, spin: Spin) {
        if spin != self.spin {
            *self = Self::new(spin);
        }
    }

    /// How long to look now, in nanoseconds.
    pub fn ns(&self) -> u64 {
        self.ns
    }

    /// Whether the last look that found something found it in the reactor: the next one begins there.
    pub fn found_event(&self) -> bool {
        self.found_event
    }

    pub fn set_found_event(&mut self, found_event: bool) {
        self.found_event = found_event;
    }

    /// The shard had nothing to do for `idle_ns`, looking and sleeping together.
    pub fn idled(&mut self, idle_ns: u64) {
        if self.spin != Spin::Auto {
            return;
        }
        if idle_ns > CAP_NS {
            self.ns = if self.ns / SHRINK < START_NS / SHRINK { 0 } else { self.ns / SHRINK };
        } else if idle_ns > self.ns {
            self.ns = (self.ns * 2).clamp(START_NS, CAP_NS);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_is_set_begins_anew_unless_it_is_the_same() {
        let mut window = Window::new(Spin::Auto);
        window.idled(30_000);
        window.set(Spin::Auto);
        assert_eq!(window.ns(), START_NS);
        window.set(Spin::Fixed(Duration::from_micros(7)));
        assert_eq!(window.ns(), 7_000);
        window.set(Spin::Auto);
        assert_eq!(window.ns(), 0);
        for spin in [Spin::Auto, Spin::Fixed(Duration::ZERO), Spin::Fixed(Duration::from_secs(1))] {
            assert_eq!(Spin::from_word(spin.to_word()), spin);
        }
        assert_ne!(Spin::from_word(Spin::Fixed(Duration::MAX).to_word()), Spin::Auto);
    }

    #[test]
    fn auto_grows_on_soon_wakes_and_closes_on_late_ones() {
        let mut window = Window::new(Spin::Auto);
        assert_eq!(window.ns(), 0);
        window.idled(30_000);
        assert_eq!(window.ns(), START_NS);
        window.idled(30_000);
        window.idled(30_000);
        assert_eq!(window.ns(), CAP_NS);
        window.idled(10_000);
        assert_eq!(window.ns(), CAP_NS, "found while looking: nothing to change");
        for _ in 0..3 {
            window.idled(1_000_000);
        }
        assert_eq!(window.ns(), 0);
    }

    #[test]
    fn a_fixed_window_stays() {
        let mut window = Window::new(Spin::Fixed(Duration::from_micros(7)));
        window.idled(1);
        window.idled(u64::MAX);
        assert_eq!(window.ns(), 7_000);
    }
}
