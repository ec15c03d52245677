//! What a task weighs: resident memory while tasks are spawned that each hold their own waker and wait for it.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use crate::process;
use crate::runtimes::Timed;

/// The growth of resident memory while so many tasks are spawned, for each. To be asked once in a process: the runtime is never
/// ended, and what it had stays in the heap.
pub fn bytes_a_task<R: Timed>(count: u64) -> f64 {
    let runtime = R::new();
    let polled = Arc::new(AtomicU64::new(0));
    let bytes = runtime.block_on(async move {
        let spawner = R::spawn(async move {
            // What the runtime keeps for itself is there before the first look.
            wait_for_ever::<R>(&polled, 1).await;
            let before = process::resident_bytes();
            wait_for_ever::<R>(&polled, count).await;
            process::resident_bytes() - before
        });
        spawner.await.expect("the spawner ends well")
    });
    // Ending a runtime with a million tasks is another question.
    std::mem::forget(runtime);
    bytes as f64 / count as f64
}

/// Spawns tasks that never end, and waits until all have been polled.
async fn wait_for_ever<R: Timed>(polled: &Arc<AtomicU64>, count: u64) {
    let target = polled.load(Ordering::Acquire) + count;
    for _ in 0..count {
        let polled = Arc::clone(polled);
        let mut own_waker = None;
        R::detach(R::spawn(poll_fn(move |cx| {
            own_waker.get_or_insert_with(|| cx.waker().clone());
            polled.fetch_add(1, Ordering::Release);
            Poll::<()>::Pending
        })));
    }
    // Not by giving way: there are runtimes in which a task that gives way runs again before all others.
    while polled.load(Ordering::Acquire) < target {
        R::sleep(Duration::from_millis(1)).await;
    }
    // The runtime comes to rest, and gives back what only the spawning needed.
    R::sleep(Duration::from_millis(2)).await;
}
