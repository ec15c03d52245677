use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use corelane_shards::coop;
use corelane_shards::timer::{Entry, Status};
use pin_project_lite::pin_project;

use super::{Instant, driver};

/// Waits until the duration has passed, counted from this call.
///
/// Nothing happens before it has, and as a rule not more than a millisecond later. A duration beyond what instants reach
/// counts as thirty years.
///
/// # Cancel safety
///
/// Dropping the future ends the wait, with no trace.
///
/// # Panics
///
/// Outside of a runtime, and in one without timers.
///
/// # Examples
///
/// ```
/// # corelane::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// use corelane::time::{Duration, sleep};
///
/// sleep(Duration::from_millis(100)).await;
/// # })
/// ```
#[track_caller]
#[inline]
pub fn sleep(duration: Duration) -> Sleep {
    sleep_until(Instant::now().after(duration))
}

/// Waits until the deadline. One that has passed is no error.
///
/// Otherwise as [`sleep`].
///
/// # Panics
///
/// Outside of a runtime, and in one without timers.
#[track_caller]
#[inline]
pub fn sleep_until(deadline: Instant) -> Sleep {
    driver::require();
    Sleep::new(deadline)
}

pin_project! {
    /// Done at its deadline. Made by [`sleep`] and [`sleep_until`].
    ///
    /// It must be pinned to be polled more than once, and to be [reset](Self::reset), which spares making a new one:
    ///
    /// ```
    /// # corelane::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
    /// use corelane::time::{Duration, Instant, sleep};
    ///
    /// let start = Instant::now();
    /// let mut idle = Box::pin(sleep(Duration::from_secs(30)));
    /// // Something happened: the 30 seconds start again.
    /// idle.as_mut().reset(start + Duration::from_secs(40));
    /// idle.await;
    /// assert!(start.elapsed() >= Duration::from_secs(40));
    /// # })
    /// ```
    ///
    /// # Panics
    ///
    /// Polling it panics when the runtime has shut down.
    ///
    /// # On shards
    ///
    /// It sleeps in the lane of the shard that first polls it, and stays there when it is polled elsewhere later.
    #[derive(Debug)]
    #[must_use = "a sleep does nothing unless it is awaited or polled"]
    pub struct Sleep {
        deadline: Instant,
        stage: Stage,
        #[pin]
        entry: Entry,
    }
}

/// What the entry alone does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Waits for its first poll, or the entry knows.
    Polled,
    /// It has a new deadline that counts although no poll may have seen it yet.
    Reset,
    /// The deadline is known to have passed, whatever the entry says.
    Elapsed,
}

impl Sleep {
    #[inline]
    pub(super) fn new(deadline: Instant) -> Self {
        Self { deadline, stage: Stage::Polled, entry: Entry::new() }
    }

    /// When it is done.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether it is done. A sleep that was never polled is not.
    pub fn is_elapsed(&self) -> bool {
        match (self.stage, self.entry.status()) {
            (Stage::Elapsed, _) | (_, Status::Fired) => true,
            (Stage::Reset, Status::Idle) => self.deadline <= Instant::now(),
            _ => false,
        }
    }

    /// Gives it another deadline, whether or not it is done. The task that polled it last is woken then, without another
    /// poll. To a later one this does not touch the timer wheel.
    ///
    /// # On shards
    ///
    /// When it sleeps in another shard's lane, the task is woken now, and its next poll moves the sleep to where it runs.
    pub fn reset(self: Pin<&mut Self>, deadline: Instant) {
        let this = self.project();
        *this.deadline = deadline;
        let passed = driver::reset(this.entry, deadline.into_std());
        *this.stage = if passed { Stage::Elapsed } else { Stage::Reset };
    }

    /// Its deadline has passed, as the caller knows: the next poll finds it done.
    pub(super) fn elapse(self: Pin<&mut Self>) {
        *self.project().stage = Stage::Elapsed;
    }

    /// Gives it another deadline, to count from the next poll on. `now` says which deadlines have passed.
    pub(super) fn prepare(self: Pin<&mut Self>, deadline: Instant, now: Instant) {
        let this = self.project();
        *this.deadline = deadline;
        *this.stage = if deadline <= now { Stage::Elapsed } else { Stage::Polled };
        driver::idle(this.entry);
    }

    /// As `Future::poll`, whatever is left of the budget.
    #[inline]
    fn poll_unbudgeted(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if *this.stage == Stage::Elapsed {
            return Poll::Ready(());
        }
        let status = match this.entry.status() {
            Status::Idle => {
                let status = driver::arm(this.entry.as_mut(), this.deadline.into_std(), cx.waker());
                *this.stage = if status == Status::Fired { Stage::Elapsed } else { Stage::Polled };
                status
            }
            Status::Armed => this.entry.set_waker(cx.waker()),
            status => status,
        };
        match status {
            Status::Fired => Poll::Ready(()),
            Status::Closed => panic!("{}", driver::SHUTTING_DOWN),
            Status::Idle | Status::Armed => Poll::Pending,
        }
    }
}

impl Future for Sleep {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let unit = ready!(coop::poll_proceed(cx));
        ready!(self.poll_unbudgeted(cx));
        unit.made_progress();
        Poll::Ready(())
    }
}
