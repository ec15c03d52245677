//! Shards by name: which one this is, work for another one, one instance of a service on each.
//!
//! - [`id`], [`count`], [`ids`]: where am I, and what is there?
//! - [`spawn_on`]: a task for a given shard.
//! - [`call`], [`call_async`]: a closure for a given shard, and its result back here, with a limit on how many are under way.
//! - [`Sharded`]: one instance of a service a shard, reached by sending closures to it.
//!
//! Ids are places within one runtime. All functions here mean the runtime that the thread is in, and a [`Sharded`] the one that
//! it was made in.
//!
//! # Why nothing that is not `Send` can change shards
//!
//! What travels is a closure and, on the way back, its result; both are `Send`. What the closure makes on its shard (a
//! future, an `Rc`, an instance) is made there, after the journey, and has no way off: a task that may hold it is pinned, and
//! pinned tasks are polled and dropped on their shard's thread only. That asks for shards that stay on one thread. Those of
//! [`new_sharded`], [`new_multi_thread`] and [`LocalRuntime`] do; the one of [`new_current_thread`] is driven by whoever is in
//! `block_on`, so there whatever could leave something behind that is not `Send` panics.
//!
//! Threads: any, unless a function says otherwise.
//!
//! [`new_sharded`]: crate::runtime::Builder::new_sharded
//! [`new_multi_thread`]: crate::runtime::Builder::new_multi_thread
//! [`new_current_thread`]: crate::runtime::Builder::new_current_thread
//! [`LocalRuntime`]: crate::runtime::LocalRuntime

mod call;
mod error;
mod gate;
mod sharded;
mod slots;

#[cfg(all(test, loom))]
mod loom_tests;

use std::future::Future;
use std::sync::Arc;

use corelane_shards::mesh::Mesh;
use corelane_shards::shard::{self as engine, Local};
use corelane_shards::task::JoinHandle;

use crate::error::NO_RUNTIME;
use crate::runtime::hooks::{self, Origin};
use crate::runtime::{Handle, Inner, context};

pub use call::{IN_FLIGHT, call, call_async};
pub use corelane_shards::mesh::ShardId;
pub use error::CallError;
pub use sharded::Sharded;

/// The shard that this thread is inside.
///
/// # Panics
///
/// On a thread that is inside no shard of the runtime it is in: in `spawn_blocking`, in the `block_on` of a runtime whose
/// shards have threads of their own, outside of runtimes. [`try_id`] does not.
///
/// # Examples
///
/// ```
/// use corelane::shard;
///
/// let rt = corelane::runtime::Builder::new_sharded().worker_threads(2).build().unwrap();
/// rt.block_on(async {
///     for id in shard::ids() {
///         assert_eq!(shard::call(id, shard::id).await.unwrap(), id);
///     }
/// });
/// ```
#[track_caller]
pub fn id() -> ShardId {
    match try_id() {
        Some(id) => id,
        None => panic!("this thread is not inside a shard of its runtime"),
    }
}

/// The shard that this thread is inside, if it is inside one of the runtime it is in.
pub fn try_id() -> Option<ShardId> {
    context::with(|inner| here(&inner?.mesh))
}

/// How many shards the current runtime has.
///
/// # Panics
///
/// Outside of a runtime.
#[track_caller]
pub fn count() -> usize {
    mesh().remotes().len()
}

/// The shards of the current runtime, in order.
///
/// # Panics
///
/// Outside of a runtime.
#[track_caller]
pub fn ids() -> impl ExactSizeIterator<Item = ShardId> + Clone {
    ids_of(&mesh())
}

/// Spawns a task onto a shard of the current runtime. The closure runs there, so the future that it makes need not be `Send`;
/// the task stays there. On the caller's own shard that is a [`spawn_local`](crate::task::spawn_local).
///
/// Spawns are not limited in number; [`call_async`] is.
///
/// # Panics
///
/// Outside of a runtime, if the runtime has no such shard, and in a current-thread runtime that is not a
/// [`LocalRuntime`](crate::runtime::LocalRuntime), since its shard may change threads.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use corelane::shard;
///
/// let rt = corelane::runtime::Builder::new_sharded().worker_threads(2).build().unwrap();
/// rt.block_on(async {
///     let last = shard::ids().last().unwrap();
///     let task = shard::spawn_on(last, || async {
///         let text = Rc::new(String::from("made here"));
///         corelane::task::yield_now().await;
///         text.len()
///     });
///     assert_eq!(task.await.unwrap(), 9);
/// });
/// ```
///
/// What was made on one shard can't be taken to another:
///
/// ```compile_fail,E0277
/// let here = std::rc::Rc::new(1);
/// let id = corelane::shard::id();
/// corelane::shard::spawn_on(id, move || async move { *here });
/// ```
#[track_caller]
pub fn spawn_on<F, Fut>(id: ShardId, f: F) -> JoinHandle<Fut::Output>
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future + 'static,
    Fut::Output: Send + 'static,
{
    let handle = Handle::current();
    spawn_onto(handle.inner(), id, f, Origin::caller(None))
}

impl Handle {
    /// Spawns a task onto a shard of this runtime. See [`shard::spawn_on`](spawn_on).
    ///
    /// # Panics
    ///
    /// If the runtime has no such shard, or its shard may change threads.
    #[track_caller]
    pub fn spawn_on<F, Fut>(&self, id: ShardId, f: F) -> JoinHandle<Fut::Output>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future + 'static,
        Fut::Output: Send + 'static,
    {
        spawn_onto(self.inner(), id, f, Origin::caller(None))
    }
}

#[track_caller]
fn spawn_onto<F, Fut>(inner: &Inner, id: ShardId, f: F, origin: Origin<'_>) -> JoinHandle<Fut::Output>
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future + 'static,
    Fut::Output: Send + 'static,
{
    let mesh = &*inner.mesh;
    assert_has(mesh, id);
    assert_stays(mesh);
    hooks::spawn_at(inner, mesh.remote(id), f, origin)
}

/// The mesh of the current runtime.
#[track_caller]
fn mesh() -> Arc<Mesh> {
    match context::with(|inner| inner.map(|inner| Arc::clone(&inner.mesh))) {
        Some(mesh) => mesh,
        None => panic!("{NO_RUNTIME}"),
    }
}

fn ids_of(mesh: &Mesh) -> impl ExactSizeIterator<Item = ShardId> + Clone + use<> {
    // A range of `u32` has no exact size, though that of a mesh fits everywhere.
    (0..mesh.remotes().len()).map(|index| ShardId(index as u32))
}

/// The shard of that mesh that this thread is inside.
fn here(mesh: &Mesh) -> Option<ShardId> {
    engine::home(|local| {
        let inside = |local: &&Local| std::ptr::eq(&**local.mesh(), mesh);
        local.filter(inside).map(|local| local.remote().id())
    })
}

#[track_caller]
fn assert_has(mesh: &Mesh, id: ShardId) {
    let count = mesh.remotes().len();
    assert!(id.index() < count, "there is no shard {} in a runtime with {count}", id.index());
}

/// Refuses what may leave something on the shard that is not `Send`.
#[track_caller]
fn assert_stays(mesh: &Mesh) {
    assert!(
        mesh.config().local_tasks,
        "the shard of a current-thread runtime may change threads, so it takes only what is `Send`: use a `LocalRuntime` or \
         a sharded runtime"
    );
}
