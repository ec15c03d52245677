//! Timers: one wheel for the runtime, laid out as a lane per shard so that cores do not meet.
//!
//! ```text
//! Clock ──now_ns──▶ Ticks ──tick──▶ Lane = lock + published next deadline + Wheel ──▶ Level ──▶ Entry, Entry, …
//!                                    ▲ turn, settle: its shard (turn: also a thief)              │
//!                                    └ arm, reset, cancel: any thread, from the Entry ◀──────────┘
//! ```
//!
//! - [`Entry`] is what a sleeping future embeds. Armed, it is linked into the wheel of one [`Lane`].
//! - [`Lane`] is one lock around one [`wheel`]; it publishes its next deadline, so a turn with nothing due costs
//!   one load. Everything that touches a link holds the lock, so arm, reset, cancel and fire have no races of
//!   their own; what remains (memory that goes away) is settled in the head of `lane`.
//! - The wheel counts in *ticks* of the lane's resolution since the lane was made. A deadline is rounded **up**
//!   to a tick and the current time **down**, so nothing fires early, and what is due fires in the first turn
//!   after its tick began. Deadlines that fall into one tick share a wake-up, and ticks fire in order; within a tick, those that
//!   were armed at the same time fire in the order they were armed.
//! - [`Clock`] tells nanoseconds, real or paused. [`Stamps`] date what happens between two readings of it, and entries armed for a
//!   duration wait undated in their lane for the next one.
//!
//! Not here: the futures (Sleep, Timeout, Interval), the sleep protocol of a shard, and moving a paused clock on
//! when a runtime is idle, which is `clock.advance` up to `lane.settle()`.

use std::num::NonZeroU64;

mod clock;
mod entry;
mod lane;
mod level;
mod stamp;
mod wheel;

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;

pub use clock::Clock;
pub use entry::{Entry, Status};
pub use lane::{Counts, Filed, Lane, UNDATED_MOST};
pub use stamp::{Stamp, Stamps};

/// The time no clock reaches: "no deadline".
pub(crate) const NEVER: u64 = u64::MAX;

/// How a lane's ticks lie on the clock's nanoseconds.
#[derive(Debug, Clone, Copy)]
struct Ticks {
    origin_ns: u64,
    tick_ns: NonZeroU64,
}

impl Ticks {
    fn new(resolution_us: u32, origin_ns: u64) -> Self {
        let tick_ns = NonZeroU64::new(u64::from(resolution_us) * 1_000);
        Self { origin_ns, tick_ns: tick_ns.expect("timer resolution must be at least 1 µs") }
    }

    /// The first tick that begins at or after the deadline.
    fn at_or_after(&self, deadline_ns: u64) -> u64 {
        let since_ns = deadline_ns.saturating_sub(self.origin_ns);
        since_ns / self.tick_ns + u64::from(since_ns % self.tick_ns != 0)
    }

    /// The tick that the time lies in.
    fn containing(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.origin_ns) / self.tick_ns
    }

    /// When the tick begins.
    fn start_ns(&self, tick: u64) -> u64 {
        self.origin_ns.saturating_add(tick.saturating_mul(self.tick_ns.get()))
    }
}
