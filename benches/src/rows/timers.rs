//! Rows of timers that don't fire: most timers of a server are timeouts of what comes in time.

use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use super::{MILLION, OTHERS, Size};
use crate::runtimes::{Reset, Timed};

/// `timeout` on a future that is ready at once.
pub fn timeout_ready<R: Timed>(runtime: &R, size: Size) -> Duration {
    in_task(runtime, size, 0, |count| async move {
        for i in 0..count {
            let output = R::timeout(Duration::from_secs(1), async { black_box(i) }).await;
            assert_eq!(output.expect("it is ready at once"), i);
        }
    })
}

/// Arms a sleep of one to two seconds, and drops it.
pub fn sleep_drop<R: Timed>(runtime: &R, size: Size) -> Duration {
    in_task(runtime, size, 0, arm_and_drop::<R>)
}

/// The same while 100,000 others are armed.
pub fn sleep_drop_among_others<R: Timed>(runtime: &R, size: Size) -> Duration {
    in_task(runtime, size, OTHERS, arm_and_drop::<R>)
}

/// Gives sleeps of a million a later deadline, one after the other as each were heard of. What of this is left to do when the old
/// deadline comes is not in it.
pub fn reset_among_million<R: Reset>(runtime: &R, size: Size) -> Duration {
    let task = async move {
        let sleep = |i| Box::pin(R::resettable(FAR + step(i)));
        let mut armed: Vec<Pin<Box<R::Sleep>>> = (0..MILLION).map(sleep).collect();
        for sleep in &mut armed {
            arm(sleep.as_mut()).await;
        }
        let mut reset = |count| {
            for i in 0..count {
                let sleep = armed[(i * 7_919 % MILLION) as usize].as_mut();
                R::reset(sleep, 2 * FAR + step(i));
            }
        };
        reset(size.warm);
        let start = Instant::now();
        reset(size.batches);
        start.elapsed()
    };
    runtime.block_on(async { R::spawn(task).await.expect("the body ends well") })
}

fn in_task<R, F>(runtime: &R, size: Size, others: u64, body: impl Fn(u64) -> F + Send + 'static) -> Duration
where
    R: Timed,
    F: Future<Output = ()> + Send,
{
    let task = async move {
        let mut armed: Vec<Pin<Box<_>>> = (0..others).map(|i| Box::pin(R::sleep(FAR + step(i)))).collect();
        for sleep in &mut armed {
            arm(sleep.as_mut()).await;
        }
        body(size.warm).await;
        let start = Instant::now();
        body(size.batches).await;
        let elapsed = start.elapsed();
        drop(armed);
        elapsed
    };
    runtime.block_on(async { R::spawn(task).await.expect("the body ends well") })
}

async fn arm_and_drop<R: Timed>(count: u64) {
    for i in 0..count {
        let sleep = pin!(R::sleep(Duration::from_secs(1) + step(i)));
        arm(sleep).await;
    }
}

/// Polls a sleep once.
async fn arm<F: Future<Output = ()>>(mut sleep: Pin<&mut F>) {
    poll_fn(|cx| {
        assert!(sleep.as_mut().poll(cx).is_pending(), "a sleep is early");
        Poll::Ready(())
    })
    .await;
}

/// Spreads deadlines over a second without an order that a wheel or a tree could profit from.
fn step(i: u64) -> Duration {
    Duration::from_micros(i * 7_919 % 1_000_000)
}

/// When the others are due: beyond what any sample takes, below where a wheel's coarser levels would make them cheaper.
const FAR: Duration = Duration::from_secs(60);
