//! A clock that is paused when sleeps are armed already, which no test before it in this process did.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use corelane::time::{self, Instant, sleep, timeout};

#[test]
fn what_was_armed_before_the_pause_counts_from_then() {
    let runtime = corelane::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut cx = Context::from_waker(Waker::noop());
        let second = Duration::from_secs(1);
        let mut armed = pin!(sleep(second));
        assert!(armed.as_mut().poll(&mut cx).is_pending());
        let mut made = pin!(sleep(second));
        let mut limit = pin!(timeout(second, std::future::pending::<()>()));
        time::pause();
        let paused = Instant::now();
        assert!(armed.deadline() <= paused + second);
        // In the same poll. The clock may stand in the middle of a tick.
        let tick = Duration::from_millis(1);
        time::advance(second + tick).await;
        assert_eq!(armed.as_mut().poll(&mut cx), Poll::Ready(()));
        assert_eq!(made.as_mut().poll(&mut cx), Poll::Ready(()));
        assert!(matches!(limit.as_mut().poll(&mut cx), Poll::Ready(Err(_))));
        assert_eq!(Instant::now(), paused + second + tick);
    });
}
