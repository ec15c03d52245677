//! What a runtime calls around its tasks, and what it does when one panics.
//!
//! The engine knows nothing of it. A runtime that has something to call, or counts how long polls take, wraps each future that is spawned; one that has not
//! spawns it as it is, and pays a branch for each spawn. The wrapper boxes the future, so that it is compiled once for
//! each type of output and not for each future.
//!
//! Threads: the spawner's, then whichever polls or drops the task.

use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Instant;

use corelane_shards::mesh::Remote;
use corelane_shards::shard::{self, Local};
use corelane_shards::task::{self, Id, JoinHandle};

use super::context;
use super::histogram::Histogram;
use super::inner::Inner;

/// A callback of the builder's.
pub(crate) type Callback = Arc<dyn Fn() + Send + Sync>;

/// A callback of the builder's around tasks.
pub(crate) type TaskCallback = Arc<dyn Fn(&TaskMeta<'_>) + Send + Sync>;

/// What a runtime calls on its threads.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    pub start: Option<Callback>,
    pub stop: Option<Callback>,
    pub park: Option<Callback>,
    pub unpark: Option<Callback>,
    pub task: TaskHooks,
}

/// What a runtime calls around its tasks.
#[derive(Clone, Default)]
pub(crate) struct TaskHooks {
    pub spawn: Option<TaskCallback>,
    pub before_poll: Option<TaskCallback>,
    pub after_poll: Option<TaskCallback>,
    pub terminate: Option<TaskCallback>,
    /// Whether a panic in a task ends the runtime.
    pub shuts_down: bool,
}

impl TaskHooks {
    fn is_empty(&self) -> bool {
        let Self { spawn, before_poll, after_poll, terminate, shuts_down } = self;
        let all = [spawn, before_poll, after_poll, terminate];
        !shuts_down && all.iter().all(|hook| hook.is_none())
    }
}

/// What a runtime does when a spawned task panics: see [`Builder::unhandled_panic`](super::Builder::unhandled_panic).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum UnhandledPanic {
    /// The panic becomes the task's [`JoinError`](crate::task::JoinError), and that is all.
    #[default]
    Ignore,
    /// The runtime ends: its tasks are dropped, later spawns are cancelled, and each `block_on` panics.
    ShutdownRuntime,
}

/// Where a task comes from, for hooks.
#[derive(Clone, Copy)]
pub(crate) struct Origin<'a> {
    at: &'static Location<'static>,
    name: Option<&'a str>,
}

impl<'a> Origin<'a> {
    /// Spawned by the caller, with that name.
    #[track_caller]
    pub fn caller(name: Option<&'a str>) -> Self {
        Self { at: Location::caller(), name }
    }
}

/// What a task hook is told about the task.
#[derive(Debug)]
pub struct TaskMeta<'a> {
    id: Id,
    spawned_at: &'static Location<'static>,
    name: Option<&'a str>,
}

impl<'a> TaskMeta<'a> {
    /// The task's id.
    pub fn id(&self) -> Id {
        self.id
    }

    /// Where in the source it was spawned.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.spawned_at
    }

    /// The name that [`task::Builder`](crate::task::Builder::name) gave it. Beyond Tokio, which keeps names for its console.
    pub fn name(&self) -> Option<&'a str> {
        self.name
    }
}

/// The hooks of a runtime that has some.
pub(crate) struct Around {
    hooks: TaskHooks,
    poll_times: Option<Histogram>,
    runtime: Weak<Inner>,
}

impl Around {
    /// `None` if there is nothing to call or count, and futures are spawned as they are.
    pub fn new(hooks: TaskHooks, poll_times: Option<Histogram>, runtime: Weak<Inner>) -> Option<Arc<Self>> {
        let is_needed = !hooks.is_empty() || poll_times.is_some();
        is_needed.then(|| Arc::new(Self { hooks, poll_times, runtime }))
    }

    /// How long polls of tasks took, if that is counted.
    pub fn poll_times(&self) -> Option<&Histogram> {
        self.poll_times.as_ref()
    }

    /// A task is about to be spawned.
    fn end(self: &Arc<Self>, id: Id, origin: Origin<'_>) -> End {
        let end =
            End { around: Arc::clone(self), id, spawned_at: origin.at, name: origin.name.map(Box::from) };
        end.call(&self.hooks.spawn);
        end
    }
}

/// Calls what is to be called last when it drops, and knows the task until then.
struct End {
    around: Arc<Around>,
    id: Id,
    spawned_at: &'static Location<'static>,
    name: Option<Box<str>>,
}

impl End {
    fn call(&self, hook: &Option<TaskCallback>) {
        if let Some(hook) = hook {
            hook(&TaskMeta { id: self.id, spawned_at: self.spawned_at, name: self.name.as_deref() });
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.call(&self.around.hooks.terminate);
    }
}

/// A future with its hooks. Fields drop in order: a task has terminated when its future is gone.
struct Hooked<F> {
    future: F,
    end: End,
}

impl<F: Future + Unpin> Future for Hooked<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Self { future, end } = &mut *self;
        let hooks = &end.around.hooks;
        end.call(&hooks.before_poll);
        let timed = end.around.poll_times.as_ref().map(|times| (times, Instant::now()));
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(future).poll(cx)));
        if let (Some((times, started)), Some(worker)) = (timed, super::worker_index()) {
            times.add(worker, started.elapsed());
        }
        end.call(&hooks.after_poll);
        match polled {
            Ok(polled) => polled,
            Err(panic) => {
                if hooks.shuts_down {
                    end.around.runtime.upgrade().inspect(|inner| inner.task_panicked());
                }
                resume_unwind(panic)
            }
        }
    }
}

/// Spawns onto a runtime. One that a panic ended cancels at once: its shards close one after another, and the next might
/// still run a task that comes after the panic was seen. The same holds for [`spawn_at`]; on its own shard a task comes too
/// late only once that closes.
pub(crate) fn spawn<F>(inner: &Inner, future: F, origin: Origin<'_>) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    match &inner.around {
        None => shard::spawn(&inner.mesh, future),
        Some(_) if inner.has_panicked() => task::cancelled(task::next_id(), future),
        Some(around) => {
            let id = task::next_id();
            let future: Pin<Box<dyn Future<Output = F::Output> + Send>> = Box::pin(future);
            shard::spawn_as(&inner.mesh, id, Hooked { future, end: around.end(id, origin) })
        }
    }
}

/// Spawns onto the shard that this thread is inside.
pub(crate) fn spawn_local<F>(
    inner: Option<&Inner>,
    local: &Local,
    future: F,
    origin: Origin<'_>,
) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    // The thread may have entered another runtime than that of its shard.
    let own = |inner: &&Inner| Arc::ptr_eq(&inner.mesh, local.mesh());
    let inner = inner.filter(own);
    match inner.and_then(|inner| inner.around.as_ref()) {
        None => {
            if let Some(inner) = inner {
                // The runtime outlives its shards, so the address stays its own.
                local.trust(std::ptr::from_ref(inner).cast());
            }
            shard::spawn_local(local, future)
        }
        Some(around) => {
            let id = task::next_id();
            let future: Pin<Box<dyn Future<Output = F::Output>>> = Box::pin(future);
            shard::spawn_local_as(local, id, Hooked { future, end: around.end(id, origin) })
        }
    }
}

/// Spawns onto a given shard of a runtime.
pub(crate) fn spawn_at<C, F>(
    inner: &Inner,
    remote: &Remote,
    make: C,
    origin: Origin<'_>,
) -> JoinHandle<F::Output>
where
    C: FnOnce() -> F + Send + 'static,
    F: Future + 'static,
    F::Output: Send + 'static,
{
    match &inner.around {
        None => shard::spawn_at(remote, make),
        Some(_) if inner.has_panicked() => task::cancelled(task::next_id(), async move { make().await }),
        Some(around) => {
            let id = task::next_id();
            let end = around.end(id, origin);
            shard::spawn_at_as(remote, id, move || {
                let future: Pin<Box<dyn Future<Output = F::Output>>> = Box::pin(make());
                Hooked { future, end }
            })
        }
    }
}

/// As [`spawn_local`], with the hooks of the runtime that this thread is in.
pub(crate) fn spawn_local_here<F>(local: &Local, future: F, origin: Origin<'_>) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    context::with(|inner| spawn_local(inner, local, future, origin))
}
