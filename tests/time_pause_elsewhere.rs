//! A sleep that was armed without a look at the clock is asked for its deadline in another runtime, whose clock says anything. No
//! test before it in this process paused one.

use std::future::{Future, poll_fn};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use corelane::runtime::Builder;
use corelane::time::{self, sleep};

#[test]
fn a_deadline_is_by_the_clock_that_it_was_armed_by() {
    let second = Duration::from_secs(1_000);
    let here = Builder::new_current_thread().enable_all().build().unwrap();
    let before = Instant::now();
    let mut armed = here.block_on(poll_fn(|_| Poll::Ready(Box::pin(sleep(second)))));
    let mut poll = || here.block_on(async { armed.as_mut().poll(&mut Context::from_waker(Waker::noop())) });
    assert!(poll().is_pending());

    let elsewhere = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let told = elsewhere.block_on(async {
        time::advance(100 * second).await;
        armed.deadline()
    });
    let dated = before + second..=Instant::now() + second;
    assert!(dated.contains(&told.into_std()), "{told:?} is not in {dated:?}");
    // And from then on.
    assert_eq!(here.block_on(async { armed.deadline() }), told);
    assert_eq!(armed.deadline(), told);
    let polled = elsewhere.block_on(async { armed.as_mut().poll(&mut Context::from_waker(Waker::noop())) });
    assert_eq!(polled, Poll::Pending, "it goes by the clock of the other");
}
