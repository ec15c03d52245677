//! Rows between cores: wakes across shards, and threads that are of no runtime.

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::{MANY, PAIRS, Size, THREADS};
use crate::runtimes::{Outside, Rt};
use crate::slot::{Pair, Slot};
use crate::two_cores::TwoCores;

/// One number there and back.
pub fn one_pair<T: TwoCores>(size: Size) -> Duration {
    pairs::<T>(1, size)
}

/// 64 pairs at once. A batch is one round trip of each.
pub fn many_pairs<T: TwoCores>(size: Size) -> Duration {
    pairs::<T>(PAIRS, size)
}

fn pairs<T: TwoCores>(count: u64, size: Size) -> Duration {
    let pairs: Arc<[Pair]> = (0..count).map(|_| Pair::default()).collect();
    let (lefts, rights) = (Arc::clone(&pairs), pairs);
    let left = async move {
        trips::<T::Rt>(&lefts, size.warm).await;
        let start = Instant::now();
        trips::<T::Rt>(&lefts, size.batches).await;
        let elapsed = start.elapsed();
        lefts.iter().for_each(Pair::end);
        elapsed
    };
    let right = async move {
        on_each::<T::Rt, _>(&rights, |pair| async move { pair.echo().await }).await;
    };
    T::run(left, right)
}

async fn trips<R: Rt>(pairs: &Arc<[Pair]>, count: u64) {
    on_each::<R, _>(pairs, move |pair| async move { pair.round_trips(count).await }).await;
}

/// A task for each pair.
async fn on_each<R: Rt, F>(pairs: &Arc<[Pair]>, side: impl Fn(PairRef) -> F + Send)
where
    F: Future<Output = ()> + Send + 'static,
{
    let tasks: Vec<_> = (0..pairs.len()).map(|i| R::spawn(side(PairRef(Arc::clone(pairs), i)))).collect();
    for task in tasks {
        task.await.expect("the task ends well");
    }
}

struct PairRef(Arc<[Pair]>, usize);

impl std::ops::Deref for PairRef {
    type Target = Pair;

    fn deref(&self) -> &Pair {
        &self.0[self.1]
    }
}

/// Another thread spawns a task and joins it, in turn.
pub fn outside1<R: Outside>(_: &R, size: Size) -> Duration {
    outside::<R>(size, |handle, count| {
        for i in 0..count {
            let output = wait(R::spawn_from_outside(handle, async move { i }));
            assert_eq!(output.expect("the task ends well"), i);
        }
    })
}

/// Another thread spawns a thousand, then joins them.
pub fn outside_many<R: Outside>(_: &R, size: Size) -> Duration {
    outside::<R>(size, |handle, batches| {
        for _ in 0..batches {
            let tasks: Vec<_> = (0..MANY).map(|i| R::spawn_from_outside(handle, async move { i })).collect();
            let sum: u64 = tasks.into_iter().map(|task| wait(task).expect("the task ends well")).sum();
            assert_eq!(sum, MANY * (MANY - 1) / 2);
        }
    })
}

/// Another thread spawns a thousand tasks that wait for ever, cancels them all, then joins them.
pub fn outside_abort<R: Outside>(_: &R, size: Size) -> Duration {
    outside::<R>(size, |handle, batches| {
        for _ in 0..batches {
            let spawn = |_| R::spawn_from_outside(handle, pending::<()>());
            let tasks: Vec<_> = (0..MANY).map(spawn).collect();
            tasks.iter().for_each(R::abort);
            for task in tasks {
                wait(task).expect_err("it was cancelled");
            }
        }
    })
}

/// Some threads at once run an empty closure on the blocking pool and wait for it, in turn. A batch is one of each thread.
pub fn outside_blocking<R: Outside>(_: &R, size: Size) -> Duration {
    outside::<R>(size, |handle, count| {
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for i in 0..count {
                        let output = wait(R::spawn_blocking_from_outside(handle, move || i));
                        assert_eq!(output.expect("the closure ends well"), i);
                    }
                });
            }
        });
    })
}

/// Times `body` on this thread while another one is in the runtime's `block_on`.
fn outside<R: Outside>(size: Size, body: impl Fn(&R::Handle, u64)) -> Duration {
    let end = Arc::new(Slot::default());
    let ended = Arc::clone(&end);
    let (tell, told) = mpsc::channel();
    let driver = thread::spawn(move || {
        let runtime = R::new();
        let _ = tell.send(runtime.handle());
        runtime.block_on(ended.recv())
    });
    let handle = told.recv().expect("the runtime is built");
    body(&handle, size.warm);
    let start = Instant::now();
    body(&handle, size.batches);
    let elapsed = start.elapsed();
    end.send(0);
    driver.join().expect("the driver ends well");
    elapsed
}

/// Waits for a future on a thread that is of no runtime.
fn wait<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}
