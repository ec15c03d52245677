//! What a runtime calls around its tasks, and what it does when one panics.
//!
//! The engine knows nothing of it. A runtime that has something to call, or times polls, tells of long ones, or times what tasks wait
//! for them, wraps each future that is spawned; one that has not spawns it as it is, and pays a branch for each spawn. The wrapper boxes the future, so that it is compiled once for
//! each type of output and not for each future.
//!
//! Threads: the spawner's, then whichever polls or drops the task.

use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use corelane_shards::mesh::Remote;
use corelane_shards::shard::{self, Local};
use corelane_shards::task::{self, Id, JoinHandle};
use futures_task::waker_ref;

use super::context;
use super::histogram::Histogram;
use super::inner::Inner;
use super::latency::DatedWaker;
use super::span;
use super::stall::{Polled, Stalls};

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
    pub at: &'static Location<'static>,
    pub name: Option<&'a str>,
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
    latency: Option<Duration>,
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

    /// How long the task was ready to run before this poll began. Only hooks around a poll are told, and only where
    /// [`Builder::track_task_schedule_latency`](super::Builder::track_task_schedule_latency) or
    /// [`Builder::enable_metrics_schedule_latency_histogram`](super::Builder::enable_metrics_schedule_latency_histogram) asks for it.
    pub fn schedule_latency(&self) -> Option<Duration> {
        self.latency
    }

    /// The name that [`task::Builder`](crate::task::Builder::name) gave it. Beyond Tokio, which keeps names for its console.
    pub fn name(&self) -> Option<&'a str> {
        self.name
    }
}

/// The hooks of a runtime that has some.
pub(crate) struct Around {
    hooks: TaskHooks,
    times: Times,
    stalls: Option<Arc<Stalls>>,
    runtime: Weak<Inner>,
}

/// What is timed of polls.
#[derive(Default)]
pub(crate) struct Times {
    /// How long they took.
    pub polls: Option<Histogram>,
    /// How long tasks waited for them.
    pub latencies: Option<Histogram>,
    /// Whether hooks are told the latter.
    pub tells_latency: bool,
}

impl Times {
    fn has_latency(&self) -> bool {
        self.tells_latency || self.latencies.is_some()
    }
}

impl Around {
    /// `None` if there is nothing to call or count, and futures are spawned as they are.
    pub fn new(
        hooks: TaskHooks,
        times: Times,
        stalls: Option<Arc<Stalls>>,
        runtime: Weak<Inner>,
    ) -> Option<Arc<Self>> {
        let is_timed = times.polls.is_some() || times.has_latency() || stalls.is_some();
        let is_needed = span::ON || !hooks.is_empty() || is_timed;
        is_needed.then(|| Arc::new(Self { hooks, times, stalls, runtime }))
    }

    /// What is timed.
    pub fn times(&self) -> &Times {
        &self.times
    }

    /// Where polls are noted that may last too long.
    pub fn stalls(&self) -> Option<&Arc<Stalls>> {
        self.stalls.as_ref()
    }

    /// A task is about to be spawned.
    fn end(self: &Arc<Self>, id: Id, origin: Origin<'_>) -> End {
        let end =
            End { around: Arc::clone(self), id, spawned_at: origin.at, name: origin.name.map(Box::from) };
        end.call(&self.hooks.spawn, None);
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
    fn polled(&self) -> Polled {
        Polled { task: Some(self.id), at: self.spawned_at }
    }

    /// The task is about to be queued.
    fn dated(&self) -> Option<(Arc<DatedWaker>, u64)> {
        self.around.times.has_latency().then(|| (DatedWaker::new(), 0))
    }

    fn call(&self, hook: &Option<TaskCallback>, latency: Option<Duration>) {
        if let Some(hook) = hook {
            let Self { id, spawned_at, name, .. } = self;
            hook(&TaskMeta { id: *id, spawned_at, name: name.as_deref(), latency });
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.call(&self.around.hooks.terminate, None);
    }
}

/// A future with its hooks. Fields drop in order: a task has terminated when its future is gone.
struct Hooked<F> {
    future: F,
    end: End,
    /// With when the last poll ended, by its clock.
    dated: Option<(Arc<DatedWaker>, u64)>,
}

impl<F> Hooked<F> {
    fn new(future: F, end: End) -> Self {
        Self { dated: end.dated(), future, end }
    }
}

impl<F: Future + Unpin> Future for Hooked<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Self { future, end, dated } = &mut *self;
        let Around { hooks, times, stalls, .. } = &*end.around;
        let _noted = stalls.as_ref().and_then(|stalls| stalls.note(end.polled()));
        let latency = dated.as_ref().map(|(waker, end_ns)| waker.begin_poll(cx.waker(), *end_ns));
        count(times.latencies.as_ref(), || latency);
        end.call(&hooks.before_poll, latency);
        let started = times.polls.as_ref().map(|_| Instant::now());
        let polled = catch_unwind(AssertUnwindSafe(|| match dated {
            None => Pin::new(future).poll(cx),
            Some((waker, _)) => Pin::new(future).poll(&mut Context::from_waker(&waker_ref(waker))),
        }));
        count(times.polls.as_ref(), || started.map(|started| started.elapsed()));
        if let Some((waker, end_ns)) = dated {
            *end_ns = waker.now_ns();
        }
        end.call(&hooks.after_poll, latency);
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

/// Counts what this thread's worker has timed, if that is counted.
fn count(histogram: Option<&Histogram>, duration: impl FnOnce() -> Option<Duration>) {
    if let (Some(histogram), Some(duration), Some(worker)) = (histogram, duration(), super::worker_index()) {
        histogram.add(worker, duration);
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
            // A hook may give up whatever else keeps the runtime.
            let _alive = inner.handle();
            let id = task::next_id();
            let future: Pin<Box<dyn Future<Output = F::Output> + Send>> =
                Box::pin(span::of_task(future, "task", id, &origin));
            shard::spawn_as(&inner.mesh, id, Hooked::new(future, around.end(id, origin)))
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
            let future: Pin<Box<dyn Future<Output = F::Output>>> =
                Box::pin(span::of_task(future, "local", id, &origin));
            shard::spawn_local_as(local, id, Hooked::new(future, around.end(id, origin)))
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
            let dated = end.dated();
            shard::spawn_at_as(remote, id, move || {
                let origin = Origin { at: end.spawned_at, name: end.name.as_deref() };
                let future: Pin<Box<dyn Future<Output = F::Output>>> =
                    Box::pin(span::of_task(make(), "task", id, &origin));
                Hooked { future, end, dated }
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
