//! Giving way.

use std::future::poll_fn;
use std::task::Poll;

/// Lets other tasks run: the task goes behind all that are queued, and behind the future of the `block_on` that drives its shard, or of
/// its `LocalSet`, if that was woken.
///
/// # On shards
///
/// A shard on which nothing else is queued does not look at its reactor for each yield of a task; I/O and timers are served
/// within the quantum (100 µs unless configured). The future of a `block_on` that drives its shard itself goes on after each queued task has
/// run once and the reactor was looked at.
///
/// # Cancel safety
///
/// Safe; dropping it yields less.
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
