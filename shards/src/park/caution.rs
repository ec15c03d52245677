//! Whether to look for work on a CPU that others may want.
//!
//! Who looks offers its CPU, or is taken off it, and somebody that computes keeps it for as long as the scheduler lets it, which is
//! milliseconds. A thread that sleeps gets its CPU back as soon as it is woken. So a look that is over so much later than it should
//! be was *lost*. Where what looks have saved since the last loss does not make up for it, it counts:
//!
//! - After the first that counts the thread looks on. Who computes has had its turn, and where that one is of lower priority it has
//!   no other for long, in which looks make up for it.
//! - After the second nobody looks on that CPU for eight times as long as it took. The third is again free, and the next pause twice as
//!   long: beside a loop of the same priority a shard hardly ever looks.
//!
//! The CPUs are the machine's, and so this is one table for the process: a runtime that starts where another has just lost a look
//! need not find out for itself. Beside two loops that compute, while each shard counted for itself and in sleeps, of which it may have
//! ten thousand in a second, a blocking closure took 20 times as long there and back as with threads that never look.
//!
//! It decides how long things take and nothing else, so it is none of the models'.

#![expect(unsafe_code, reason = "asks the system for the CPU")]

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::util::CachePadded;

/// A look that took so much longer than it should was lost: less than a scheduler's slice, more than a peer takes to answer.
const LOST_NS: u64 = 1_000_000;

/// What a look that finds something saves, about: it is slept and woken in 25 to 50 µs.
const SAVED_NS: u64 = 20_000;

/// How many times as long as the look there is none in the first pause.
const PAUSE: u64 = 8;

/// The longest pause: a thousand slices, and not more after a process was stopped for an hour. After so long without a loss the next
/// is the first.
const LONGEST_NS: u64 = 4_000_000_000;

/// CPUs that are told apart; on larger machines several share a place.
const CPUS: usize = 256;

/// The table that all use.
pub static CAUTION: Caution = Caution::new();

/// See the module's head. Times are those of clocks that run, in nanoseconds.
#[derive(Debug)]
pub struct Caution([CachePadded<Place>; CPUS]);

/// What is known of one CPU. Several threads may write at once; then one of them is right.
#[derive(Debug)]
struct Place {
    /// There is no look before.
    until_ns: AtomicU64,
    /// How many losses in a row have counted.
    losses: AtomicU64,
    /// What looks have saved since the last loss.
    saved_ns: AtomicU64,
}

impl Caution {
    const fn new() -> Self {
        Self([const { CachePadded(Place::new()) }; CPUS])
    }

    /// Whether to look on this thread's CPU at that time.
    pub fn allows(&self, now_ns: u64) -> bool {
        self.place().allows(now_ns)
    }

    /// A look on this thread's CPU is over at that time, after `took_ns` instead of `most_ns` at most, and has found something or not.
    #[inline]
    pub fn looked(&self, now_ns: u64, took_ns: u64, most_ns: u64, found: bool) {
        let place = self.place();
        if took_ns > most_ns.saturating_add(LOST_NS) {
            place.lost(now_ns, took_ns);
        } else if found {
            place.saved_ns.store(place.saved_ns.load(Relaxed).saturating_add(SAVED_NS), Relaxed);
        }
    }

    fn place(&self) -> &Place {
        &self.0[cpu().unwrap_or(0) as usize % CPUS]
    }
}

impl Place {
    const fn new() -> Self {
        Self { until_ns: AtomicU64::new(0), losses: AtomicU64::new(0), saved_ns: AtomicU64::new(0) }
    }

    fn allows(&self, now_ns: u64) -> bool {
        let left_ns = self.until_ns.load(Relaxed).saturating_sub(now_ns);
        // Written by a clock that has been moved on by days, it says nothing.
        left_ns == 0 || left_ns > LONGEST_NS
    }

    #[cold]
    fn lost(&self, now_ns: u64, took_ns: u64) {
        let since_ns = now_ns.saturating_sub(self.until_ns.load(Relaxed));
        let before = if since_ns < LONGEST_NS { self.losses.load(Relaxed) } else { 0 };
        let losses = if self.saved_ns.load(Relaxed) < took_ns { before + 1 } else { 0 };
        let pause_ns = match losses {
            // Two to the 40th of a millisecond is long enough.
            2.. if losses % 2 == 0 => {
                took_ns.saturating_mul(PAUSE << (losses / 2 - 1).min(40)).min(LONGEST_NS)
            }
            _ => 0,
        };
        self.losses.store(losses, Relaxed);
        self.saved_ns.store(0, Relaxed);
        self.until_ns.store(now_ns.saturating_add(pause_ns), Relaxed);
    }
}

/// The CPU that this thread is on, where the system tells.
pub fn cpu() -> Option<u32> {
    // Models take the same way again wherever they run, and Miri does not know that function.
    if cfg!(any(loom, miri)) {
        return None;
    }
    // SAFETY: takes nothing and changes nothing. It is a load where the kernel has restartable sequences.
    let cpu = unsafe { libc::sched_getcpu() };
    u32::try_from(cpu).ok()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Whether it allows looks before that time and from then on.
    #[track_caller]
    fn assert_paused_until(place: &Place, until_ns: u64) {
        assert_eq!((place.allows(until_ns - 1), place.allows(until_ns)), (false, true));
    }

    #[test]
    fn every_other_loss_is_followed_by_no_look_for_longer_each_time() {
        let place = Place::new();
        let (took_ns, mut now_ns) = (2_000_000, 0);
        for pause in [8, 16, 32, 64, 128, 256, 512, 1_024, 2_000, 2_000] {
            place.lost(now_ns, took_ns);
            assert!(place.allows(now_ns), "{pause}");
            place.lost(now_ns, took_ns);
            now_ns += pause * took_ns;
            assert_paused_until(&place, now_ns);
            // Just too soon to be forgotten.
            now_ns += LONGEST_NS - 1;
        }
        now_ns += 1;
        place.lost(now_ns, took_ns);
        place.lost(now_ns, took_ns);
        assert_paused_until(&place, now_ns + 8 * took_ns);
    }

    #[test]
    fn a_loss_that_was_made_up_for_does_not_count() {
        let place = Place::new();
        for (saved_ns, pause) in [(0, false), (0, true), (1_000, false), (999, false), (999, true)] {
            place.saved_ns.store(saved_ns, Relaxed);
            place.lost(5_000, 1_000);
            assert_eq!(place.allows(5_000), !pause, "{saved_ns}");
        }
    }

    #[test]
    fn no_pause_is_longer_than_the_longest() {
        for now_ns in [0, u64::MAX - LONGEST_NS] {
            let place = Place::new();
            place.losses.store(u64::MAX / 2 * 2 - 1, Relaxed);
            place.until_ns.store(now_ns, Relaxed);
            place.lost(now_ns, u64::MAX);
            assert_paused_until(&place, now_ns + LONGEST_NS);
            // A clock that was moved on by days wrote that.
            assert!(now_ns == 0 || place.allows(0));
        }
    }

    #[test]
    fn a_look_is_lost_when_it_takes_long_and_saves_when_it_finds() {
        // Wherever the thread is.
        let looked = |took_ns, most_ns, found| {
            let caution = Caution::new();
            caution.looked(7, took_ns, most_ns, found);
            let any =
                |f: fn(&Place) -> &AtomicU64, n| caution.0.iter().any(|place| f(place).load(Relaxed) == n);
            (any(|place| &place.losses, 1), any(|place| &place.saved_ns, SAVED_NS))
        };
        for found in [false, true] {
            assert_eq!(looked(LOST_NS + 11, 10, found), (true, false));
            assert_eq!(looked(u64::MAX, 10, found), (true, false));
            assert_eq!(looked(LOST_NS + 10, 10, found), (false, found));
            assert_eq!(looked(u64::MAX, u64::MAX, found), (false, found));
        }
    }
}
