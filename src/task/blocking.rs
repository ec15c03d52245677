//! Work that blocks its thread.

use corelane_shards::task::JoinHandle;

use crate::runtime::hooks::Origin;
use crate::runtime::large::boxed_if_large;
use crate::runtime::{self, context};

/// Runs a closure on a thread of the blocking pool.
///
/// A closure that has started cannot be aborted; one that still waits for a thread can. Dropping the runtime waits for
/// those that have started. After shutdown the handle reports a cancellation.
///
/// # Panics
///
/// Outside of a runtime, and if the system gives the pool no thread at all.
///
/// # Examples
///
/// ```
/// # #[corelane::main]
/// # async fn main() {
/// let sum = corelane::task::spawn_blocking(|| (1..=1_000u64).sum::<u64>());
/// assert_eq!(sum.await.unwrap(), 500_500);
/// # }
/// ```
#[track_caller]
pub fn spawn_blocking<F, R>(f: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let origin = Origin::caller(None);
    boxed_if_large!(f: F, Box::new => context::with_current(|inner| inner.spawn_blocking(f, origin)))
}

/// Runs a closure that blocks, on this thread, inside of a task. What else the worker has to do goes on: a thread of the blocking
/// pool serves its sockets and timers meanwhile, and runs tasks together with the other workers. Inside, `block_on` is
/// allowed and the coop budget is not counted. Outside of a runtime, in [`spawn_blocking`] and inside another `block_in_place`
/// it just calls.
///
/// The other branches of a `join!` or `select!` around it wait, since they are the same task.
///
/// # On shards
///
/// Tasks that stay on the shard, made by [`spawn_local`](crate::task::spawn_local) or
/// [`shard::spawn_on`](crate::shard::spawn_on), can't go to another thread and wait for the closure, and so do calls to the
/// shard ([`shard::call`](crate::shard::call)); a closure that waits for one of them waits for ever. Inside the closure, and in
/// tasks that the pool's thread runs meanwhile, this thread is inside no shard:
/// [`shard::try_id`](crate::shard::try_id) is `None`, `spawn_local` panics. A movable task that needs a shard around it should
/// not share a runtime with tasks that block in place. If the pool has no thread to give (`max_blocking_threads`, or the
/// system refuses one), the worker's sockets and timers wait too.
///
/// # Panics
///
/// On a shard whose tasks all stay, that is in a task of a `sharded` or `current_thread` runtime or of one whose config file has
/// `steal = "off"`, and in a `current_thread` runtime's own `block_on`: there everything would wait for the closure. Use
/// [`spawn_blocking`].
#[track_caller]
pub fn block_in_place<F, R>(f: F) -> R
where
    F: FnOnce() -> R,
{
    runtime::block_in_place(f)
}
