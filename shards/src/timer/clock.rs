//! The clock of a runtime: nanoseconds since a moment the process shares, real or paused.
//!
//! Paused, time moves only by `advance`. Resumed, it runs on from where it stood, so a clock that was ever paused
//! stays apart from the machine's. It may stand a moment before what another thread has just read: who takes a difference reckons
//! with that.
//! Threads: any. Until the first pause, reading costs one relaxed load more than the machine's clock (27 ns, plus
//! 3 to turn an `Instant` into a number; a bare `clock_gettime` was no cheaper and would not share `Instant`'s
//! zero). After it, a lock: only tests and simulations pause clocks.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::NEVER;
use crate::loom::atomic::{AtomicBool, Ordering};
use crate::util::lock::Lock;

/// Where time stops, if it ever gets there: before [`NEVER`], or an empty lane, whose next deadline that is, would be due.
const END_NS: u64 = NEVER - 1;

/// Tells a runtime's time.
#[derive(Debug)]
pub struct Clock {
    anchor: Instant,
    was_paused: AtomicBool,
    warp: Lock<Warp>,
}

/// How the clock's time differs from the machine's.
#[derive(Debug)]
enum Warp {
    /// Runs with the machine's clock, and said `then_ns` when that said `machine_ns`.
    Running { then_ns: u64, machine_ns: u64 },
    /// Stands still at this time.
    Paused { now_ns: u64 },
}

impl Clock {
    /// A clock that runs with the machine's.
    pub fn new() -> Self {
        Self {
            anchor: anchor(),
            was_paused: AtomicBool::new(false),
            warp: Lock::new(Warp::Running { then_ns: 0, machine_ns: 0 }),
        }
    }

    /// The time.
    #[inline]
    pub fn now_ns(&self) -> u64 {
        // Relaxed: it says where to look. A thread that must see a pause learns of it by other means, which
        // order this load too.
        if self.was_paused.load(Ordering::Relaxed) { self.warped_ns() } else { self.machine_ns() }
    }

    /// The time, as an `Instant`.
    pub fn now(&self) -> Instant {
        if self.was_paused.load(Ordering::Relaxed) {
            self.to_instant(self.warped_ns())
        } else {
            Instant::now()
        }
    }

    /// The clock's number for an instant. One before the clock's zero counts as zero, one beyond its reach (584
    /// years) as [`NEVER`].
    pub fn from_instant(&self, instant: Instant) -> u64 {
        to_ns(instant.saturating_duration_since(self.anchor))
    }

    /// The instant for a number.
    pub fn to_instant(&self, ns: u64) -> Instant {
        self.anchor + Duration::from_nanos(ns)
    }

    /// Stops the clock. False if it stands already.
    #[must_use]
    pub fn pause(&self) -> bool {
        let machine_ns = self.machine_ns();
        let pauses = self.warp.with(|warp| {
            let runs = matches!(warp, Warp::Running { .. });
            *warp = Warp::Paused { now_ns: warp.now_ns(machine_ns) };
            runs
        });
        self.was_paused.store(true, Ordering::Relaxed);
        pauses
    }

    /// Stops the clock at that time, as if somebody had paused it then.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn pause_at(&self, now_ns: u64) {
        self.warp.with(|warp| *warp = Warp::Paused { now_ns });
        self.was_paused.store(true, Ordering::Relaxed);
    }

    /// Lets the clock run on from where it stands. False if it runs already.
    #[must_use]
    pub fn resume(&self) -> bool {
        let machine_ns = self.machine_ns();
        self.warp.with(|warp| {
            let stands = matches!(warp, Warp::Paused { .. });
            *warp = Warp::Running { then_ns: warp.now_ns(machine_ns), machine_ns };
            stands
        })
    }

    /// Moves a paused clock on. False if it runs.
    #[must_use]
    pub fn advance(&self, by: Duration) -> bool {
        self.warp.with(|warp| match warp {
            Warp::Paused { now_ns } => {
                *now_ns = now_ns.saturating_add(to_ns(by)).min(END_NS);
                true
            }
            Warp::Running { .. } => false,
        })
    }

    /// Whether the clock stands.
    pub fn is_paused(&self) -> bool {
        self.was_paused.load(Ordering::Relaxed) && self.warp.with(|warp| matches!(warp, Warp::Paused { .. }))
    }

    #[inline]
    fn machine_ns(&self) -> u64 {
        self.from_instant(Instant::now())
    }

    #[cold]
    fn warped_ns(&self) -> u64 {
        let machine_ns = self.machine_ns();
        self.warp.with(|warp| warp.now_ns(machine_ns))
    }
}

impl Warp {
    fn now_ns(&self, machine_now_ns: u64) -> u64 {
        match *self {
            // Saturating: another thread may have resumed the clock after `machine_now_ns` was read.
            Self::Running { then_ns, machine_ns } => {
                then_ns.saturating_add(machine_now_ns.saturating_sub(machine_ns)).min(END_NS)
            }
            Self::Paused { now_ns } => now_ns,
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

/// The zero of every clock in the process, so that clocks agree on what an instant's number is.
fn anchor() -> Instant {
    static ANCHOR: OnceLock<Instant> = OnceLock::new();
    *ANCHOR.get_or_init(Instant::now)
}

fn to_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER)
}
