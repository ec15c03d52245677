//! Pausing time, for tests.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use corelane_shards::timer::Clock;

use super::driver;

/// Whether any clock in the process was ever paused. A static and so not behind the door of `loom`; it publishes nothing.
static ANY_PAUSED: AtomicBool = AtomicBool::new(false);

/// Whether a runtime's time may differ from the machine's.
#[inline]
pub(super) fn any_paused() -> bool {
    // Relaxed: who paused a clock sees it, and others learn of that by means that order this load too.
    ANY_PAUSED.load(Ordering::Relaxed)
}

/// Stops a clock. False if it stands already.
pub(crate) fn pause_clock(clock: &Clock) -> bool {
    ANY_PAUSED.store(true, Ordering::Relaxed);
    clock.pause()
}

/// Stops the runtime's clock.
///
/// From now on [`Instant::now`](super::Instant::now) says the same until the clock is [advanced](advance) or
/// [resumed](resume). When the runtime has nothing else to do it moves the clock on to the next timer by itself, so that
/// sleeping takes no time. Only what asks the runtime for the time is affected.
///
/// # Panics
///
/// When the clock stands already, outside of a runtime, and in a runtime that is not `current_thread`.
#[track_caller]
pub fn pause() {
    driver::read_clock();
    match driver::with_pausable_clock(pause_clock) {
        Some(true) => {}
        Some(false) => panic!("time is already frozen"),
        None => panic!("{}", driver::NEEDS_CURRENT_THREAD),
    }
}

/// Lets a paused clock run on from where it stands.
///
/// # Panics
///
/// When the clock runs, as that of a runtime which is not `current_thread` always does, and outside of a runtime.
#[track_caller]
pub fn resume() {
    if driver::with_pausable_clock(Clock::resume) != Some(true) {
        panic!("time is not frozen");
    }
}

/// Moves a paused clock on, at once, and lets other tasks run.
///
/// Timers that are due by then have fired when this returns, but the tasks that they woke may not have run yet. The clock
/// moves in one step: a task that sleeps again and again sees the end of it only. To wait until everything in between has
/// happened, [`sleep`](super::sleep) with the clock paused.
///
/// # Cancel safety
///
/// The clock has moved once this was polled.
///
/// # Panics
///
/// When the clock runs, as that of a runtime which is not `current_thread` always does, and outside of a runtime.
pub async fn advance(duration: Duration) {
    if driver::with_pausable_clock(|clock| clock.advance(duration)) != Some(true) {
        panic!("time is not frozen");
    }
    driver::turn_lane();
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}
