//! Work that blocks its thread.

use corelane_shards::task::JoinHandle;

use crate::runtime::{self, context};

/// Runs a closure on a thread of the blocking pool.
///
/// A closure that has started cannot be aborted; one that still waits for a thread can. Dropping the runtime waits for
/// those that have started. After shutdown the handle reports a cancellation.
///
/// # Panics
///
/// Outside of a runtime, and if the system gives the pool no thread at all.
#[track_caller]
pub fn spawn_blocking<F, R>(f: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    context::with_current(|inner| inner.spawn_blocking(f))
}

/// Runs a closure that blocks, on this thread, inside of a task. What the shard has queued and may move goes to other
/// shards first. Inside, `block_on` is allowed and the coop budget is not counted. Outside of a runtime it just calls.
///
/// # Panics
///
/// On shards whose tasks stay: there everything would wait for the closure. Use [`spawn_blocking`].
#[track_caller]
pub fn block_in_place<F, R>(f: F) -> R
where
    F: FnOnce() -> R,
{
    runtime::block_in_place(f)
}
