use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use corelane_shards::coop;
use corelane_shards::timer::{Entry, Stamp, Status};
use pin_project_lite::pin_project;

use super::{Instant, driver};

/// Waits until the duration has passed, counted from this call.
///
/// Nothing happens before it has, and as a rule not more than a millisecond later. A duration beyond what instants reach
/// counts as thirty years.
///
/// # On shards
///
/// This call does not read the clock: all sleeps that begin between two readings of the shard's clock count from the second one.
/// So the deadline may be later by what the shard polls until then, eighteen tasks at most. A sleep that is dropped before that
/// never had a deadline.
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
    driver::require();
    Sleep::starting(driver::stamp(), duration)
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
    /// Polling it panics when the runtime has shut down; the first time also outside of any runtime's context.
    ///
    /// # On shards
    ///
    /// It sleeps in the lane of the shard that first polls it, and stays there when it is polled elsewhere later.
    #[derive(Debug)]
    #[must_use = "a sleep does nothing unless it is awaited or polled"]
    #[repr(C)] // A reset finds what it needs side by side; see `Entry`.
    pub struct Sleep {
        due: Due,
        #[pin]
        entry: Entry,
    }
}

/// What a sleep knows of its deadline beside what its entry knows.
#[derive(Debug)]
enum Due {
    /// It waits for its first poll, or the entry knows.
    At(Instant),
    /// It has a new deadline that counts although no poll may have seen it yet.
    Reset(Instant),
    /// The deadline is known to have passed, whatever the entry says.
    Elapsed(Instant),
    /// So long after the stamp. It has not been polled.
    After { stamp: Stamp, duration: Duration },
    /// It was armed without the clock being read: the entry knows the deadline, or will.
    InEntry,
}

impl Sleep {
    #[inline]
    pub(super) fn new(deadline: Instant) -> Self {
        Self::due(Due::At(deadline))
    }

    /// So long after the stamp, or after now.
    #[inline]
    pub(super) fn starting(stamp: Option<Stamp>, duration: Duration) -> Self {
        Self::due(match stamp {
            Some(stamp) => Due::After { stamp, duration },
            None => Due::At(Instant::now().after(duration)),
        })
    }

    #[inline]
    fn due(due: Due) -> Self {
        Self { due, entry: Entry::new() }
    }

    /// When it is done.
    pub fn deadline(&self) -> Instant {
        match &self.due {
            Due::At(deadline) | Due::Reset(deadline) | Due::Elapsed(deadline) => *deadline,
            Due::After { stamp, duration } => {
                driver::date(stamp);
                after(stamp, *duration)
            }
            Due::InEntry => Instant::from_std(driver::deadline(&self.entry)),
        }
    }

    /// Whether it is done. A sleep that was never polled is not.
    pub fn is_elapsed(&self) -> bool {
        match (&self.due, self.entry.status()) {
            (Due::Elapsed(_), _) | (_, Status::Fired) => true,
            (Due::Reset(deadline), Status::Idle) => *deadline <= Instant::now(),
            _ => false,
        }
    }

    /// Gives it another deadline, whether or not it is done. If it is not, the task that polled it last is woken then, without
    /// another poll; one that is done has to be polled again first, which in Tokio it does not. To a later deadline this does
    /// not touch the timer wheel.
    ///
    /// # On shards
    ///
    /// When it sleeps in another shard's lane, the task is woken now, and its next poll moves the sleep to where it runs.
    pub fn reset(self: Pin<&mut Self>, deadline: Instant) {
        let this = self.project();
        let passed = driver::reset(this.entry, deadline.into_std());
        *this.due = if passed { Due::Elapsed(deadline) } else { Due::Reset(deadline) };
    }

    /// Gives it another deadline, to count from the next poll on. `now` says which deadlines have passed.
    pub(super) fn prepare(self: Pin<&mut Self>, deadline: Instant, now: Instant) {
        let this = self.project();
        *this.due = if deadline <= now { Due::Elapsed(deadline) } else { Due::At(deadline) };
        driver::idle(this.entry);
    }

    /// As `Future::poll`, whatever is left of the budget.
    #[inline]
    fn poll_unbudgeted(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let status = match this.entry.status() {
            Status::Idle => match &*this.due {
                Due::Elapsed(_) => Status::Fired,
                Due::After { stamp, duration } => {
                    match driver::arm_for(this.entry.as_mut(), stamp, *duration, cx.waker()) {
                        Some(status) => {
                            *this.due = Due::InEntry;
                            status
                        }
                        None => {
                            let deadline = after(stamp, *duration);
                            arm(this.due, this.entry, deadline, cx)
                        }
                    }
                }
                Due::At(deadline) | Due::Reset(deadline) => {
                    let deadline = *deadline;
                    arm(this.due, this.entry, deadline, cx)
                }
                Due::InEntry => unreachable!("it is armed, fired or closed"),
            },
            _ if matches!(this.due, Due::Elapsed(_)) => Status::Fired,
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

fn arm(due: &mut Due, entry: Pin<&mut Entry>, deadline: Instant, cx: &mut Context<'_>) -> Status {
    let status = driver::arm(entry, deadline.into_std(), cx.waker());
    *due = if status == Status::Fired { Due::Elapsed(deadline) } else { Due::At(deadline) };
    status
}

/// The end of a duration.
#[cold]
fn after(stamp: &Stamp, duration: Duration) -> Instant {
    Instant::from_std(driver::time_of(stamp)).after(duration)
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
