//! A reference to a runtime that does not keep it running.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::num::NonZeroU64;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use corelane_shards::task::JoinHandle;

use crate::error;
use crate::topology::Plan;

use super::context::{self, EnterGuard};
use super::hooks::{self, Origin};
use super::inner::Inner;
use super::large::boxed_if_large;
use super::metrics::RuntimeMetrics;
use super::span;

/// A reference to a runtime, for spawning into it from anywhere. Cheap to clone; the runtime may end while handles
/// live, and then answers with cancelled tasks.
#[derive(Debug, Clone)]
pub struct Handle(Arc<Inner>);

// What a panic may leave half done is behind locks that a panic does not pass, or foreign and caught.
impl UnwindSafe for Handle {}
impl RefUnwindSafe for Handle {}

/// What kind of runtime it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuntimeFlavor {
    /// One shard, driven by whoever calls `block_on`.
    CurrentThread,
    /// Shards whose movable tasks go to idle workers.
    MultiThread,
    /// Pinned shards; tasks stay where they were put.
    Sharded,
}

/// Names a runtime: unique in the process, and never given twice. Its order says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Id(NonZeroU64);

impl Id {
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // Relaxed: only the uniqueness of the number counts.
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(NonZeroU64::new(id).expect("counts up from one and does not reach 2^64"))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// There is no runtime to get a handle of.
#[derive(Debug)]
pub struct TryCurrentError {
    kind: Missing,
}

/// What is not there.
#[derive(Debug)]
enum Missing {
    NoContext,
}

impl TryCurrentError {
    pub(super) fn no_context() -> Self {
        Self { kind: Missing::NoContext }
    }

    /// Whether the thread is in no runtime.
    pub fn is_missing_context(&self) -> bool {
        matches!(self.kind, Missing::NoContext)
    }

    /// Whether the thread is ending, too late to ask. That does not happen here: the context has no destructor.
    pub fn is_thread_local_destroyed(&self) -> bool {
        false
    }
}

impl fmt::Display for TryCurrentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(error::NO_RUNTIME)
    }
}

impl Error for TryCurrentError {}

impl Handle {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self(inner)
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    pub(crate) fn inner_ptr(&self) -> *const Inner {
        Arc::as_ptr(&self.0)
    }

    /// The runtime this thread is in.
    ///
    /// # Panics
    ///
    /// Outside of a runtime. [`try_current`](Self::try_current) does not.
    #[track_caller]
    pub fn current() -> Self {
        match Self::try_current() {
            Ok(handle) => handle,
            Err(error) => panic!("{error}"),
        }
    }

    /// The runtime this thread is in.
    ///
    /// # Errors
    ///
    /// Outside of a runtime.
    pub fn try_current() -> Result<Self, TryCurrentError> {
        context::current()
    }

    /// Puts this thread into the runtime's context until the guard drops: what needs a runtime (spawning, sockets, timers)
    /// then finds this one.
    pub fn enter(&self) -> EnterGuard<'_> {
        EnterGuard::new(self.clone())
    }

    /// Spawns a task, which runs at once, whether or not the handle is awaited. See [`task::spawn`](crate::task::spawn).
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        boxed_if_large!(future: F => self.spawn_as(future, Origin::caller(None)))
    }

    pub(crate) fn spawn_as<F>(&self, future: F, origin: Origin<'_>) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        hooks::spawn(&self.0, future, origin)
    }

    /// Runs a closure on a thread that may block. See [`task::spawn_blocking`](crate::task::spawn_blocking).
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, func: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        boxed_if_large!(func: F, Box::new => self.0.spawn_blocking(func, Origin::caller(None)))
    }

    /// Runs a future to its end on this thread, which blocks meanwhile. On a current-thread runtime this does not drive
    /// the shard: somebody has to be in [`Runtime::block_on`](super::Runtime::block_on).
    ///
    /// # Panics
    ///
    /// Inside of a runtime; when the future panics; when a timer is awaited after the runtime has ended.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let origin = Origin::caller(None);
        boxed_if_large!(future: F => super::block_on::on_alien(&self.0, span::of_root(future, &origin)))
    }

    /// What kind of runtime it is.
    pub fn runtime_flavor(&self) -> RuntimeFlavor {
        self.0.flavor
    }

    /// The runtime's id.
    pub fn id(&self) -> Id {
        self.0.id
    }

    /// The name given to the builder.
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// Where the shards are and why: the plan in force, which changes while the runtime runs if it
    /// [watches](crate::config::Placement::watch). What the kernel refused is not in it; see
    /// [`on_placement_change`](super::Builder::on_placement_change).
    pub fn plan(&self) -> Arc<Plan> {
        self.0.placed.plan()
    }

    /// The runtime's counters.
    pub fn metrics(&self) -> RuntimeMetrics {
        RuntimeMetrics::new(self.clone())
    }
}
