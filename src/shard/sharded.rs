//! One instance of a service a shard.
//!
//! Here: the handle. Not here: where the instances are (`slots`), how closures get to them (`call`).
//!
//! The handle goes everywhere, also when the instances are not `Send`: it has none, only the service's key and the handles of
//! the tasks that keep the instances. Closures get `&T` or `Rc<T>`, never `&mut T`: a closure may come in while another one's
//! caller is suspended, or be called from inside another one, and a service that changes says with its own `Cell` or
//! `RefCell` what may overlap. `T` stands invariant in the handle: with a supertype's `TypeId` the instance would not be found.
//!
//! Threads: any.

use std::fmt;
use std::future::{Future, pending, ready};
use std::marker::PhantomData;
use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use corelane_shards::loom::Mutex;
use corelane_shards::mesh::{Mesh, ShardId};
use corelane_shards::shard as engine;
use corelane_shards::task::JoinHandle;

use super::call::Target;
use super::error::CallError;
use super::slots::{self, Kept};
use super::{assert_stays, here, ids_of, mesh};

/// One instance of `T` on each shard of a runtime, built, used and dropped on its own shard. `T` need not be `Send`; the handle
/// is, and clones share the instances.
///
/// Closures are sent to an instance as [`call`](super::call) sends them, with its order, limits, cancel safety and errors. When the
/// last handle drops, or on [`stop`](Self::stop), the instances are dropped, each by a task of its shard; when the
/// runtime ends first they go with it. An instance that itself holds a handle lives until one of the two last.
///
/// # On shards
///
/// In every runtime whose shards stay on one thread: sharded, multi-thread, and a
/// [`LocalRuntime`](crate::runtime::LocalRuntime), which has one shard. Not in a plain current-thread runtime.
///
/// # Examples
///
/// ```
/// use std::cell::Cell;
/// use corelane::shard::{self, Sharded};
///
/// let rt = corelane::runtime::Builder::new_sharded().worker_threads(2).build().unwrap();
/// rt.block_on(async {
///     let hits = Sharded::new(|_| Cell::new(0)).await.unwrap();
///     for id in shard::ids() {
///         hits.invoke_on(id, |hits| hits.set(hits.get() + 1)).await.unwrap();
///     }
///     assert_eq!(hits.map_reduce(Cell::get, 0, |a, b| a + b).await.unwrap(), 2);
///     hits.stop().await.unwrap();
///     assert!(hits.invoke_on_all(Cell::get).await.unwrap_err().is_stopped());
/// });
/// ```
pub struct Sharded<T> {
    service: Arc<Service>,
    _instance: PhantomData<fn(T) -> T>,
}

struct Service {
    mesh: Arc<Mesh>,
    key: u64,
    keepers: Mutex<Vec<Keeper>>,
}

/// The task that owns an instance. Dropping this ends it.
struct Keeper(JoinHandle<()>);

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<T: 'static> Sharded<T> {
    /// Builds an instance on each shard of the current runtime, by calling `make` there. All are there when this is done.
    ///
    /// # Cancel safety
    ///
    /// Instances that were built are dropped again.
    ///
    /// # Panics
    ///
    /// Outside of a runtime, and in a current-thread runtime that is not a [`LocalRuntime`](crate::runtime::LocalRuntime);
    /// both when called, not when awaited.
    ///
    /// # Errors
    ///
    /// If `make` panics or a shard is closed; the other instances are dropped again.
    #[track_caller]
    pub fn new<F>(make: F) -> impl Future<Output = Result<Self, CallError>> + Send
    where
        F: Fn(ShardId) -> T + Send + Sync + 'static,
    {
        // Relaxed: nothing is published, the numbers only have to differ. From std, as all process-wide counters are.
        static KEYS: AtomicU64 = AtomicU64::new(0);
        let mesh = mesh();
        assert_stays(&mesh);
        let key = KEYS.fetch_add(1, Ordering::Relaxed);
        async move {
            let make = Arc::new(make);
            let build = |id| {
                let make = Arc::clone(&make);
                engine::spawn_at(mesh.remote(id), move || ready(keep((key, id), make(id))))
            };
            let building: Vec<_> = ids_of(&mesh).map(build).collect();
            let (mut keepers, mut failed) = (Vec::new(), None);
            for built in building {
                match built.await {
                    Ok(keeper) => keepers.push(keeper),
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
            let service = Arc::new(Service { mesh, key, keepers: Mutex::new(keepers) });
            let built = Self { service, _instance: PhantomData };
            match failed {
                None => Ok(built),
                Some(error) => {
                    // The first failure is the one to report.
                    let _ = built.stop().await;
                    Err(CallError::from_join(error))
                }
            }
        }
    }

    /// The instance of the shard that this thread is inside; `None` on other threads and once the service is stopped.
    /// Holding on to it keeps the instance past the service's end, but not off its shard.
    pub fn local(&self) -> Option<Rc<T>> {
        here(&self.service.mesh).and_then(|id| slots::find((self.service.key, id)))
    }

    /// Calls `f` with the instance of the shard that this thread is inside.
    ///
    /// # Panics
    ///
    /// On a thread that is inside no shard of the service's runtime, and once the service is stopped.
    /// [`local`](Self::local) does not.
    #[track_caller]
    pub fn with<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        match self.local() {
            Some(instance) => f(&instance),
            None => {
                panic!("there is no instance here: not on a shard of the service's runtime, or it is stopped")
            }
        }
    }

    /// Calls `f` with the instance on a shard and gives its result. On the caller's own shard that happens at once.
    ///
    /// # Cancel safety
    ///
    /// As [`call`](super::call).
    ///
    /// # Panics
    ///
    /// If the service's runtime has no such shard; when called, not when awaited.
    ///
    /// # Errors
    ///
    /// As [`call`](super::call), or if the service is stopped.
    #[track_caller]
    pub fn invoke_on<F, R>(
        &self,
        id: ShardId,
        f: F,
    ) -> impl Future<Output = Result<R, CallError>> + Send + use<T, F, R>
    where
        F: FnOnce(&T) -> R + Send + 'static,
        R: Send + 'static,
    {
        let service = Arc::clone(&self.service);
        let (target, key) = (Target::new(Arc::clone(&service.mesh), id), (service.key, id));
        async move {
            let found = target.call(move || slots::find(key).map(|instance: Rc<T>| f(&instance))).await;
            // Until here the call counted as a handle.
            drop(service);
            found?.ok_or_else(CallError::stopped)
        }
    }

    /// Calls `f` with the instance on a shard, there awaits the future that it makes, and gives its output.
    ///
    /// # Cancel safety
    ///
    /// As [`call`](super::call): a future that was sent runs to its end, with an instance that outlives the service if need be.
    ///
    /// # Panics
    ///
    /// If the service's runtime has no such shard; when called, not when awaited.
    ///
    /// # Errors
    ///
    /// As [`call`](super::call), or if the service is stopped.
    #[track_caller]
    pub fn invoke_on_async<F, Fut>(
        &self,
        id: ShardId,
        f: F,
    ) -> impl Future<Output = Result<Fut::Output, CallError>> + Send + use<T, F, Fut>
    where
        F: FnOnce(Rc<T>) -> Fut + Send + 'static,
        Fut: Future + 'static,
        Fut::Output: Send + 'static,
    {
        let service = Arc::clone(&self.service);
        let (target, key) = (Target::new(Arc::clone(&service.mesh), id), (service.key, id));
        async move {
            let find_and_call = move || async move {
                match slots::find::<T>(key) {
                    Some(instance) => Some(f(instance).await),
                    None => None,
                }
            };
            let found = target.send(find_and_call).await.await.map_err(CallError::from_join);
            drop(service);
            found?.ok_or_else(CallError::stopped)
        }
    }

    /// Calls `f` with every instance and gives the results in the order of the shards. The calls run at the same time.
    ///
    /// # Cancel safety
    ///
    /// What was sent is called all the same.
    ///
    /// # Errors
    ///
    /// That of the first shard that has one, after all calls have ended; see [`invoke_on`](Self::invoke_on).
    pub fn invoke_on_all<F, R>(
        &self,
        f: F,
    ) -> impl Future<Output = Result<Vec<R>, CallError>> + Send + use<T, F, R>
    where
        F: Fn(&T) -> R + Send + Sync + 'static,
        R: Send + 'static,
    {
        let service = Arc::clone(&self.service);
        async move {
            let f = Arc::new(f);
            let mut sent = Vec::new();
            for id in ids_of(&service.mesh) {
                let (f, key) = (Arc::clone(&f), (service.key, id));
                let call = move || ready(slots::find(key).map(|instance: Rc<T>| f(&instance)));
                sent.push(Target::new(Arc::clone(&service.mesh), id).send(call).await);
            }
            let mut results = Vec::new();
            for result in sent {
                let found = result.await.map_err(CallError::from_join);
                results.push(found.and_then(|found| found.ok_or_else(CallError::stopped)));
            }
            results.into_iter().collect()
        }
    }

    /// Calls `map` with every instance on its shard, and folds the results here, in the order of the shards.
    ///
    /// # Cancel safety
    ///
    /// As [`invoke_on_all`](Self::invoke_on_all).
    ///
    /// # Errors
    ///
    /// As [`invoke_on_all`](Self::invoke_on_all).
    pub async fn map_reduce<M, R, A>(
        &self,
        map: M,
        init: A,
        reduce: impl FnMut(A, R) -> A,
    ) -> Result<A, CallError>
    where
        M: Fn(&T) -> R + Send + Sync + 'static,
        R: Send + 'static,
    {
        Ok(self.invoke_on_all(map).await?.into_iter().fold(init, reduce))
    }

    /// Stops the service for all handles, and waits until each shard has let go of its instance. Futures of
    /// [`invoke_on_async`](Self::invoke_on_async) that still run keep theirs until they end. Stopping again does nothing.
    ///
    /// # Cancel safety
    ///
    /// Once polled the service stops, whether or not somebody waits.
    ///
    /// # Errors
    ///
    /// If the drop of an instance panics: the first one, after all have been dropped.
    pub async fn stop(&self) -> Result<(), CallError> {
        let mut keepers = mem::take(&mut *self.service.keepers());
        keepers.iter().for_each(|keeper| keeper.0.abort());
        let mut result = Ok(());
        for keeper in &mut keepers {
            match (&mut keeper.0).await {
                Err(error) if error.is_panic() => result = result.and(Err(CallError::from_join(error))),
                // Cancelled, by us or by the runtime's end.
                _ => {}
            }
        }
        result
    }
}

impl Service {
    fn keepers(&self) -> impl std::ops::DerefMut<Target = Vec<Keeper>> {
        self.keepers.lock().expect("no code that can panic runs under this lock")
    }
}

/// Lists an instance on the shard that this thread is inside, and gives it to a task there.
fn keep<T: 'static>(key: slots::Key, instance: T) -> Keeper {
    let kept = Kept::new(key, instance);
    let keeper = async move {
        let _kept = kept;
        pending().await
    };
    engine::current(|local| {
        let local = local.expect("instances are built inside of their shard");
        Keeper(engine::spawn_local(local, keeper))
    })
}

impl<T> Clone for Sharded<T> {
    fn clone(&self) -> Self {
        Self { service: Arc::clone(&self.service), _instance: PhantomData }
    }
}

impl<T> fmt::Debug for Sharded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shards = self.service.mesh.remotes().len();
        f.debug_struct("Sharded").field("shards", &shards).finish_non_exhaustive()
    }
}
