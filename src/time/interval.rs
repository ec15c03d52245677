use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::{Instant, Sleep, driver};

/// How late a tick may be before it counts as missed: no timer is exact.
const LATE: Duration = Duration::from_millis(5);

/// Ticks at once, and then every `period`. The timer fires the first tick too, less than a tick of the wheel later: what is ready
/// without a wait comes before it.
///
/// What happens when a tick is missed is up to [`MissedTickBehavior`], a burst by default.
///
/// # Panics
///
/// If `period` is zero; outside of a runtime, and in one without timers.
///
/// # Examples
///
/// ```
/// # corelane::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// use corelane::time::{Duration, interval};
///
/// let mut interval = interval(Duration::from_millis(10));
/// interval.tick().await; // at once
/// interval.tick().await; // 10 ms later
/// # })
/// ```
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    require(period);
    Interval::new(Instant::now(), period)
}

/// Ticks at `start` and then every `period`. Otherwise as [`interval`].
///
/// # Panics
///
/// If `period` is zero; outside of a runtime, and in one without timers.
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    require(period);
    Interval::new(start, period)
}

#[track_caller]
fn require(period: Duration) {
    assert!(period > Duration::ZERO, "`period` must be non-zero.");
    driver::require();
}

/// What an [`Interval`] does after a tick that was taken more than 5 ms late.
///
/// With a period of 50 ms and the third tick taken 60 ms late, ticks are taken at
///
/// ```text
/// Burst   0   50   160 160 200   250   300
/// Delay   0   50   160         210   260
/// Skip    0   50   160    200   250   300
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissedTickBehavior {
    /// Ticks as fast as they are taken until it has caught up. No tick is lost and the schedule stays.
    #[default]
    Burst,
    /// Starts over: the next tick is a period after the late one was taken.
    Delay,
    /// Leaves out what was missed: the next tick is the next one to come of the old schedule.
    Skip,
}

impl MissedTickBehavior {
    fn after_late(self, scheduled: Instant, now: Instant, period: Duration) -> Instant {
        match self {
            Self::Burst => scheduled.after(period),
            Self::Delay => now.after(period),
            Self::Skip => now.after(period - remainder(now - scheduled, period)),
        }
    }
}

/// What is left of a duration after whole periods.
fn remainder(duration: Duration, period: Duration) -> Duration {
    const NS_PER_S: u128 = 1_000_000_000;
    let ns = duration.as_nanos() % period.as_nanos();
    // Fits: it is less than the period.
    Duration::new((ns / NS_PER_S) as u64, (ns % NS_PER_S) as u32)
}

/// Ticks at a period. Made by [`interval`] and [`interval_at`].
#[derive(Debug)]
pub struct Interval {
    /// Until the next tick.
    sleep: Pin<Box<Sleep>>,
    period: Duration,
    missed_tick_behavior: MissedTickBehavior,
}

impl Interval {
    fn new(start: Instant, period: Duration) -> Self {
        let sleep = Box::pin(Sleep::new(start));
        Self { sleep, period, missed_tick_behavior: MissedTickBehavior::default() }
    }

    /// Waits for the next tick. Gives the instant for which it was scheduled.
    ///
    /// # Cancel safety
    ///
    /// No tick is lost when the future is dropped before it is done.
    pub async fn tick(&mut self) -> Instant {
        poll_fn(|cx| self.poll_tick(cx)).await
    }

    /// Polls for the next tick. While it is pending, the task that polled last is woken when the tick is due.
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        ready!(self.sleep.as_mut().poll(cx));
        let (scheduled, now) = (self.sleep.deadline(), Instant::now());
        let next = if now > scheduled.after(LATE) {
            self.missed_tick_behavior.after_late(scheduled, now, self.period)
        } else {
            scheduled.after(self.period)
        };
        self.sleep.as_mut().prepare(next, now);
        Poll::Ready(scheduled)
    }

    /// Puts the next tick a period from now.
    pub fn reset(&mut self) {
        self.reset_after(self.period);
    }

    /// Makes the next tick due now.
    pub fn reset_immediately(&mut self) {
        self.reset_at(Instant::now());
    }

    /// Puts the next tick that far from now.
    pub fn reset_after(&mut self, after: Duration) {
        self.reset_at(Instant::now().after(after));
    }

    /// Puts the next tick at an instant; one in the past is due now.
    pub fn reset_at(&mut self, deadline: Instant) {
        self.sleep.as_mut().reset(deadline);
    }

    /// What happens after a missed tick.
    pub fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.missed_tick_behavior
    }

    /// Says what happens after a missed tick.
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.missed_tick_behavior = behavior;
    }

    /// The time between ticks.
    pub fn period(&self) -> Duration {
        self.period
    }
}
