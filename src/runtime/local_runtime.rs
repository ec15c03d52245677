//! One shard on one thread, with tasks that need not be `Send`.

use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

use corelane_shards::mesh::ShardId;
use corelane_shards::task::JoinHandle;

use crate::config::CpuList;
use crate::topology::pin;

use super::builder::Builder;
use super::context::EnterGuard;
use super::handle::Handle;
use super::metrics::RuntimeMetrics;
use super::runtime::Runtime;
use super::watch::MainBound;

/// A runtime whose shard 0 is the thread that built it, and that cannot leave that thread: `spawn_local` works anywhere in it
/// without a `LocalSet`, and what `block_on` waits for on its own shard needs no wake from another thread. With
/// [`Builder::new_sharded`] the other shards have threads of their own.
#[derive(Debug)]
pub struct LocalRuntime {
    runtime: Runtime,
    /// The CPUs the thread was allowed before it was pinned, to be given back.
    cpus_before: Option<CpuList>,
    /// Dropped after that.
    _bound: Option<MainBound>,
    _stays: PhantomData<*mut ()>,
}

impl Drop for LocalRuntime {
    #[track_caller]
    fn drop(&mut self) {
        self.runtime.end(None);
        if let Some(before) = &self.cpus_before {
            let placed = &self.runtime.handle().inner().placed;
            // The runtime's watcher, which may be on its way out, must not bind the thread again.
            placed.leave_shard(ShardId(0));
            let cpus = placed.allowed().unwrap_or(before.clone());
            // Refused only if the cpuset has shrunk meanwhile, and then there is no better place.
            let _ = pin::pin(&cpus.iter().collect::<Vec<_>>());
        }
    }
}

// As those of `Runtime`, whose fields have them.
impl UnwindSafe for LocalRuntime {}
impl RefUnwindSafe for LocalRuntime {}

/// How to build a [`LocalRuntime`]; there is nothing to choose yet.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocalOptions {
    _stays: PhantomData<*mut ()>,
}

impl LocalRuntime {
    pub(super) fn new_here(runtime: Runtime, cpus_before: Option<CpuList>, bound: Option<MainBound>) -> Self {
        Self { runtime, cpus_before, _bound: bound, _stays: PhantomData }
    }

    /// A local runtime with all drivers and defaults.
    ///
    /// # Errors
    ///
    /// When the system refuses a file descriptor.
    pub fn new() -> io::Result<Self> {
        Builder::new_current_thread().enable_all().build_local(LocalOptions::default())
    }

    /// A handle, which does not keep the runtime running, and may go to other threads.
    pub fn handle(&self) -> &Handle {
        self.runtime.handle()
    }

    /// Spawns a task, which runs while this thread is in `block_on`.
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.runtime.spawn_on_seat(future)
    }

    /// Runs a closure on a thread that may block. See [`task::spawn_blocking`](crate::task::spawn_blocking).
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, func: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.runtime.spawn_blocking(func)
    }

    /// Runs a future to its end on this thread, and the runtime's tasks meanwhile.
    ///
    /// # Panics
    ///
    /// Inside of a runtime, and when the future panics.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Puts this thread into the runtime's context until the guard drops.
    pub fn enter(&self) -> EnterGuard<'_> {
        self.runtime.enter()
    }

    /// Ends the runtime and waits for blocking closures at most that long.
    ///
    /// # Panics
    ///
    /// Where blocking is not allowed.
    #[track_caller]
    pub fn shutdown_timeout(self, duration: Duration) {
        self.runtime.end(Some(duration));
    }

    /// Ends the runtime without waiting for blocking closures.
    pub fn shutdown_background(self) {
        self.runtime.end(Some(Duration::ZERO));
    }

    /// The runtime's counters.
    pub fn metrics(&self) -> RuntimeMetrics {
        self.runtime.metrics()
    }
}
