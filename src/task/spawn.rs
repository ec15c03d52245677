//! Spawning into the runtime that the caller is in.

use std::future::Future;

use corelane_shards::shard;
use corelane_shards::task::{Id, JoinHandle};

use crate::error;
use crate::runtime::context;
use crate::runtime::hooks::{self, Origin};
use crate::runtime::large::boxed_if_large;

use super::local_set;

/// Spawns a task into the current runtime. It runs at once, whether or not the handle is awaited, but never before this call
/// returns.
///
/// # On shards
///
/// Where idle workers take tasks over (`multi_thread`, or `steal` in the config file) the task may run on any shard. Otherwise
/// it stays on the shard where it is put: here, until this shard is clearly busier than the least loaded one.
///
/// A task counts its wakers, abort handles and join handle in 24 bits, where Tokio has 58. More than six million at once for one
/// task, or two million that were made on other threads than its shard's where tasks stay, end the process, as too many clones of an
/// `Arc` do. Only wakers that are leaked come to that in practice.
///
/// # Panics
///
/// Outside of a runtime.
///
/// # Examples
///
/// ```
/// # corelane::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let answer = corelane::spawn(async { 6 * 7 });
/// assert_eq!(answer.await.unwrap(), 42);
/// # })
/// ```
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    boxed_if_large!(future: F => spawn_as(future, Origin::caller(None)))
}

#[track_caller]
pub(super) fn spawn_as<F>(future: F, origin: Origin<'_>) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    context::with_current(|inner| hooks::spawn(inner, future, origin))
}

/// Spawns a task onto the [`LocalSet`](super::LocalSet) this thread is in, or else onto the shard it is inside. The task stays
/// there, and need not be `Send`.
///
/// # On shards
///
/// Without a set this works in every task of a sharded or multi-thread runtime, and in a
/// [`LocalRuntime`](crate::runtime::LocalRuntime), which is what `#[corelane::main]` makes.
///
/// # Panics
///
/// Elsewhere, for instance in a current-thread runtime's `block_on`, since the next `block_on` may come from another thread;
/// and in the context of a `LocalRuntime` that another thread made.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
///
/// # #[corelane::main]
/// # async fn main() {
/// let words = Rc::new(vec!["one", "two"]);
/// let task = corelane::task::spawn_local({
///     let words = Rc::clone(&words);
///     async move { words.len() }
/// });
/// assert_eq!(task.await.unwrap(), 2);
/// # }
/// ```
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    boxed_if_large!(future: F => spawn_local_small(future))
}

#[inline]
#[track_caller]
fn spawn_local_small<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    // The usual case: on a shard, in no set, and in a runtime of which the shard knows that there is nothing to call around tasks.
    let future = if local_set::is_inside() {
        future
    } else {
        match shard::spawn_local_if_trusted(context::address(), future) {
            Ok(handle) => return handle,
            Err(future) => future,
        }
    };
    spawn_local_as(future, Origin::caller(None))
}

/// As `spawn_local`, wherever the thread is.
#[inline(never)]
#[track_caller]
pub(super) fn spawn_local_as<F>(future: F, origin: Origin<'_>) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    if let Some(tasks) = local_set::current() {
        return tasks.spawn(future, origin);
    }
    let future = match shard::current(|local| match local.filter(|local| local.mesh().config().local_tasks) {
        Some(local) => Ok(hooks::spawn_local_here(local, future, origin)),
        None => Err(future),
    }) {
        Ok(handle) => return handle,
        Err(future) => future,
    };
    // Outside of `block_on`, in a context that was entered.
    let spawned = context::with(|inner| {
        let inner = inner.ok_or(error::NO_LOCAL)?;
        // As in `hooks::spawn`.
        let _alive = inner.handle();
        match inner.local_thread {
            None => Err(error::NO_LOCAL),
            Some(thread) if thread != context::thread_id() => Err(error::OTHER_THREAD),
            Some(_) => match inner.seat.as_ref().and_then(|seat| seat.sit_down(context::thread_id())) {
                Some(mut sitting) => Ok(sitting.occupied().spawn_local(inner, future, origin)),
                None => Err(error::NO_LOCAL),
            },
        }
    });
    match spawned {
        Ok(handle) => handle,
        Err(problem) => panic!("{problem}"),
    }
}

/// The id of the task that runs on this thread.
///
/// # Panics
///
/// Outside of a task; a future in `block_on` is none.
#[track_caller]
pub fn id() -> Id {
    match try_id() {
        Some(id) => id,
        None => panic!("Can't get a task id when not inside a task"),
    }
}

/// The id of the task that runs on this thread, if one does.
pub fn try_id() -> Option<Id> {
    corelane_shards::context::task_id()
}
