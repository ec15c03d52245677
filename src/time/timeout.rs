use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use corelane_shards::coop::{self, Budget};
use corelane_shards::timer::Stamp;
use pin_project_lite::pin_project;

use super::error::Elapsed;
use super::{Instant, Sleep, driver, sleep, sleep_until};

#[cfg(test)]
mod tests;

/// Gives a future this much time, counted from this call.
///
/// The future is polled first, so one that is ready wins whatever the duration, zero included. When the time is over, the
/// result is an error; the future is dropped together with the [`Timeout`], or taken out with
/// [`into_inner`](Timeout::into_inner). A future that never returns to the scheduler can't be bounded by this.
///
/// # Cancel safety
///
/// Dropping the timeout drops the future.
///
/// # Panics
///
/// Outside of a runtime, and in one without timers.
///
/// # On shards
///
/// If the future is ready at the first poll, the clock is not read at all. Otherwise the time counts from the shard's
/// first reading of its clock after this call, and at the latest from the first poll: the deadline may come later than
/// asked for, by what other tasks run meanwhile, at most the shard's quantum unless one poll alone takes longer. It
/// never comes early.
///
/// # Examples
///
/// ```
/// # corelane::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// use corelane::time::{Duration, timeout};
///
/// let late = timeout(Duration::from_millis(10), std::future::pending::<()>()).await;
/// assert!(late.is_err());
/// // A future that is ready wins, whatever the time.
/// assert_eq!(timeout(Duration::ZERO, async { 3 }).await, Ok(3));
/// # })
/// ```
#[track_caller]
#[inline]
pub fn timeout<F>(duration: Duration, future: F) -> Timeout<F::IntoFuture>
where
    F: IntoFuture,
{
    driver::require();
    let limit = match driver::stamp() {
        Some(stamp) => Limit::Since { stamp: Some(stamp), duration },
        None => Limit::Until { sleep: sleep(duration) },
    };
    Timeout { value: future.into_future(), limit }
}

/// Gives a future until the deadline. Otherwise as [`timeout`].
///
/// # Panics
///
/// Outside of a runtime, and in one without timers.
#[track_caller]
#[inline]
pub fn timeout_at<F>(deadline: Instant, future: F) -> Timeout<F::IntoFuture>
where
    F: IntoFuture,
{
    Timeout { value: future.into_future(), limit: Limit::Until { sleep: sleep_until(deadline) } }
}

pin_project! {
    /// A future that has so much time. Made by [`timeout`] and [`timeout_at`].
    #[derive(Debug)]
    #[must_use = "a timeout does nothing unless it is awaited or polled"]
    pub struct Timeout<T> {
        #[pin]
        value: T,
        #[pin]
        limit: Limit,
    }
}

pin_project! {
    /// When the time is over. A sleep is made when it is needed: a ready future is many times faster than making one.
    #[derive(Debug)]
    #[project = LimitProjection]
    enum Limit {
        Since { stamp: Option<Stamp>, duration: Duration },
        Until { #[pin] sleep: Sleep },
    }
}

impl<T> Timeout<T> {
    /// The future.
    pub fn get_ref(&self) -> &T {
        &self.value
    }

    /// The future.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.value
    }

    /// The future, without its limit.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> Future for Timeout<T>
where
    T: Future,
{
    type Output = Result<T::Output, Elapsed>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let had_budget = coop::has_budget_remaining();
        if let Poll::Ready(value) = this.value.poll(cx) {
            return Poll::Ready(Ok(value));
        }
        let used_up = had_budget && !coop::has_budget_remaining();
        this.limit.poll(cx, used_up).map(|()| Err(Elapsed::new()))
    }
}

impl Limit {
    // Apart from what a ready future runs through, which is a few instructions.
    #[inline(never)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>, used_up: bool) -> Poll<()> {
        if let LimitProjection::Since { stamp, duration } = self.as_mut().project() {
            let sleep = Sleep::starting(stamp.take(), *duration);
            self.set(Self::Until { sleep });
        }
        match self.project() {
            // A future that uses its budget up each time would never let the limit have its say.
            LimitProjection::Until { sleep } if used_up => {
                coop::with_budget(Budget::unconstrained(), || sleep.poll(cx))
            }
            LimitProjection::Until { sleep } => sleep.poll(cx),
            LimitProjection::Since { .. } => unreachable!("replaced above"),
        }
    }
}
