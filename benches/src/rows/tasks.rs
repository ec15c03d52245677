//! Rows within one runtime. A body runs in a task, which is where programs spend their time; the future in `block_on`
//! is scheduled differently everywhere.

use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use super::{FAN, MANY, Size};
use crate::runtimes::{Blocking, Rt};
use crate::slot::Pair;

/// Runs the warm-up and then the timed part as one task.
pub(super) fn in_task<R, F>(runtime: &R, size: Size, body: impl Fn(u64) -> F + Send + 'static) -> Duration
where
    R: Rt,
    F: Future<Output = ()> + Send,
{
    let task = async move {
        body(size.warm).await;
        let start = Instant::now();
        body(size.batches).await;
        start.elapsed()
    };
    runtime.block_on(async { R::spawn(task).await.expect("the body ends well") })
}

/// Spawns a task that is ready at once and awaits it, in turn.
pub fn spawn1<R: Rt>(runtime: &R, size: Size) -> Duration {
    in_task(runtime, size, |count| async move {
        for i in 0..count {
            let output = R::spawn(async move { black_box(i) }).await;
            assert_eq!(output.expect("the task ends well"), i);
        }
    })
}

/// The same; the task wakes itself once before it is ready.
pub fn spawn1y<R: Rt>(runtime: &R, size: Size) -> Duration {
    in_task(runtime, size, |count| async move {
        for i in 0..count {
            let output = R::spawn(async move {
                wake_self(1).await;
                black_box(i)
            });
            assert_eq!(output.await.expect("the task ends well"), i);
        }
    })
}

/// Spawns a thousand, then joins them.
pub fn spawn_many<R: Rt>(runtime: &R, size: Size) -> Duration {
    in_task(runtime, size, |batches| async move {
        let mut tasks = Vec::with_capacity(MANY as usize);
        for _ in 0..batches {
            tasks.extend((0..MANY).map(|i| R::spawn(async move { black_box(i) })));
            let mut sum = 0;
            for task in tasks.drain(..) {
                sum += task.await.expect("the task ends well");
            }
            assert_eq!(sum, MANY * (MANY - 1) / 2);
        }
    })
}

/// One task gives way.
pub fn yield1<R: Rt>(runtime: &R, size: Size) -> Duration {
    in_task(runtime, size, |count| async move {
        for _ in 0..count {
            R::yield_now().await;
        }
    })
}

/// A thousand tasks give way. A batch is once each; their spawning is a hundredth of it in samples of this size.
pub fn yield_many<R: Rt>(runtime: &R, size: Size) -> Duration {
    in_task(runtime, size, |batches| {
        many::<R, _>(move || async move {
            for _ in 0..batches {
                R::yield_now().await;
            }
        })
    })
}

/// One task wakes itself and returns `Pending`.
pub fn wake1<R: Rt>(runtime: &R, size: Size) -> Duration {
    in_task(runtime, size, wake_self)
}

/// A thousand tasks do.
pub fn wake_many<R: Rt>(runtime: &R, size: Size) -> Duration {
    in_task(runtime, size, |batches| many::<R, _>(move || wake_self(batches)))
}

/// Two tasks on one runtime, one number there and back.
pub fn ping_pong<R: Rt>(runtime: &R, size: Size) -> Duration {
    in_task(runtime, size, |count| async move {
        let pair = Arc::new(Pair::default());
        let right = Arc::clone(&pair);
        let echo = R::spawn(async move { right.echo().await });
        pair.round_trips(count).await;
        pair.end();
        echo.await.expect("the echo ends well");
    })
}

/// Ten thousand tasks that add to a counter, spawned from one task, joined.
pub fn fan_out<R: Rt>(runtime: &R, size: Size) -> Duration {
    in_task(runtime, size, |batches| async move {
        let mut tasks = Vec::with_capacity(FAN as usize);
        for _ in 0..batches {
            let counter = Arc::new(AtomicU64::new(0));
            tasks.extend((0..FAN).map(|i| {
                let counter = Arc::clone(&counter);
                R::spawn(async move {
                    counter.fetch_add(i, Ordering::Relaxed);
                })
            }));
            for task in tasks.drain(..) {
                task.await.expect("the task ends well");
            }
            assert_eq!(counter.load(Ordering::Relaxed), FAN * (FAN - 1) / 2);
        }
    })
}

/// Ten thousand tasks of arithmetic, spawned from one task: how long until the last is done.
pub fn skew<R: Rt>(runtime: &R, size: Size) -> Duration {
    in_task(runtime, size, |batches| async move {
        let mut tasks = Vec::with_capacity(FAN as usize);
        let expected = arithmetic(7);
        for _ in 0..batches {
            tasks.extend((0..FAN).map(|_| R::spawn(async { arithmetic(black_box(7)) })));
            for task in tasks.drain(..) {
                assert_eq!(task.await.expect("the task ends well"), expected);
            }
        }
    })
}

/// An empty closure on the blocking pool, there and back.
pub fn spawn_blocking<R: Blocking>(runtime: &R, size: Size) -> Duration {
    in_task(runtime, size, |count| async move {
        for i in 0..count {
            let output = R::spawn_blocking(move || black_box(i)).await;
            assert_eq!(output.expect("the closure ends well"), i);
        }
    })
}

/// A ready future in `block_on`.
pub fn block_on<R: Rt>(runtime: &R, size: Size) -> Duration {
    let enter = |count| {
        for i in 0..count {
            assert_eq!(runtime.block_on(async { black_box(i) }), i);
        }
    };
    enter(size.warm);
    let start = Instant::now();
    enter(size.batches);
    start.elapsed()
}

/// A runtime that is built and dropped.
pub fn build<R: Rt>(_: &R, size: Size) -> Duration {
    let build = |count| (0..count).for_each(|_| drop(black_box(R::new())));
    build(size.warm);
    let start = Instant::now();
    build(size.batches);
    start.elapsed()
}

/// Returns `Pending` so many times, woken by itself.
fn wake_self(mut count: u64) -> impl Future<Output = ()> + Send {
    poll_fn(move |cx| {
        if count == 0 {
            return Poll::Ready(());
        }
        count -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

/// The same future in a thousand tasks.
async fn many<R: Rt, F: Future<Output = ()> + Send + 'static>(make: impl Fn() -> F + Send) {
    let tasks: Vec<_> = (0..MANY).map(|_| R::spawn(make())).collect();
    for task in tasks {
        task.await.expect("the task ends well");
    }
}

/// About 3.6 µs of work that no compiler sees through: a chain of multiplications.
fn arithmetic(seed: u64) -> u64 {
    (0..CHAIN).fold(seed, |x, i| black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(i)))
}

const CHAIN: u64 = 2_800;
