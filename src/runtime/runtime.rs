//! The runtime itself: what owns the threads.

use std::future::Future;
use std::io;
use std::mem;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use corelane_shards::task::JoinHandle;

use crate::error;

use super::block_on;
use super::builder::Builder;
use super::context::{self, Blocking, EnterGuard};
use super::handle::Handle;
use super::hooks::Origin;
use super::inner::Inner;
use super::large::boxed_if_large;
use super::metrics::RuntimeMetrics;
use super::span;
use super::watch::Watcher;

/// Shards, the threads that drive them, and a pool for what blocks.
///
/// Dropping the runtime cancels its tasks, each at its next yield and on the shard that owns it, and waits for the worker
/// threads and for blocking closures that have started. [`shutdown_timeout`](Self::shutdown_timeout) bounds that wait,
/// [`shutdown_background`](Self::shutdown_background) does without. A task that ends its own runtime in
/// [`block_in_place`](crate::task::block_in_place) would wait for its own worker, so it waits for none.
///
/// # Panics
///
/// Dropping panics where blocking is not allowed, that is inside of a task or a `block_on`.
#[derive(Debug)]
pub struct Runtime {
    handle: Handle,
    /// Those that nobody has joined.
    workers: Mutex<Vec<thread::JoinHandle<()>>>,
    /// Notices that the machine has changed, if it is to.
    watcher: Option<Watcher>,
    /// How it has ended, once it has.
    ended: OnceLock<Ended>,
}

/// How a runtime has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// Some threads go on.
    Left,
    /// All shards have ended before the time was over.
    InTime,
    /// The same, and nobody had said how long to wait.
    Waited,
}

// What a panic could leave half done is behind locks that no panic passes.
impl UnwindSafe for Runtime {}
impl RefUnwindSafe for Runtime {}

impl Runtime {
    pub(super) fn from_parts(
        inner: Arc<Inner>,
        workers: Vec<thread::JoinHandle<()>>,
        watcher: Option<Watcher>,
    ) -> Self {
        Self { handle: Handle::new(inner), workers: Mutex::new(workers), watcher, ended: OnceLock::new() }
    }

    /// A multi-thread runtime with all drivers and defaults.
    ///
    /// # Errors
    ///
    /// When the system refuses a thread or a file descriptor.
    pub fn new() -> io::Result<Self> {
        Builder::new_multi_thread().enable_all().build()
    }

    /// A handle, which does not keep the runtime running.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Spawns a task, which runs at once, whether or not the handle is awaited. On a current-thread runtime it runs while
    /// somebody is in `block_on`.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        boxed_if_large!(future: F => self.handle.spawn(future))
    }

    /// Runs a closure on a thread that may block. See [`task::spawn_blocking`](crate::task::spawn_blocking).
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, func: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.handle.spawn_blocking(func)
    }

    /// Runs a future to its end on this thread, which blocks meanwhile. On a current-thread runtime this thread drives the
    /// shard; if another thread does so already, it takes over when that one leaves.
    ///
    /// # Panics
    ///
    /// Inside of a runtime, and when the future panics.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let (inner, origin) = (self.handle.inner(), Origin::caller(None));
        boxed_if_large!(future: F => block_on::block_on(inner, span::of_root(future, &origin)))
    }

    /// Puts this thread into the runtime's context until the guard drops.
    pub fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }

    /// Ends the runtime and waits for it at most that long. Threads that are stuck in a poll or a blocking closure
    /// beyond that are left to themselves.
    ///
    /// # Panics
    ///
    /// Where blocking is not allowed.
    #[track_caller]
    pub fn shutdown_timeout(self, duration: Duration) {
        self.end(Some(duration));
    }

    /// Ends the runtime without waiting for anything; allowed everywhere. A current-thread runtime's tasks are dropped
    /// before this returns, for no other thread could.
    pub fn shutdown_background(self) {
        self.end(Some(Duration::ZERO));
    }

    /// The runtime's counters.
    pub fn metrics(&self) -> RuntimeMetrics {
        self.handle.metrics()
    }

    /// Spawns onto the shard of a runtime that stays on this thread.
    #[track_caller]
    pub(super) fn spawn_on_seat<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let inner = self.handle.inner();
        match inner.seat.as_ref().and_then(|seat| seat.sit_down(context::thread_id())) {
            Some(mut sitting) => {
                let origin = Origin::caller(None);
                boxed_if_large!(future: F => sitting.occupied().spawn_local(inner, future, origin))
            }
            // This thread is in `block_on` already.
            None => crate::task::spawn_local(future),
        }
    }

    /// Ends the runtime, once, and waits at most that long.
    #[track_caller]
    pub(super) fn end(&self, timeout: Option<Duration>) {
        if self.ended.get().is_some() {
            return;
        }
        let waits = timeout != Some(Duration::ZERO);
        if waits && context::blocking() != Blocking::Allowed {
            // Ended all the same: a local runtime's tasks must go on this thread, and workers would go on for ever.
            self.end(Some(Duration::ZERO));
            if thread::panicking() {
                return;
            }
            // The payload is the text itself, as a literal's is.
            std::panic::panic_any(error::DROPPED_INSIDE);
        }
        self.ended.get_or_init(|| {
            let inner = self.handle.inner();
            inner.begin_shutdown();
            if let Some(watcher) = &self.watcher {
                watcher.wake();
            }
            if let Some(driven) =
                inner.seat.as_ref().and_then(|seat| seat.sit_down(context::thread_id())).map(|s| s.remove())
            {
                // Futures are dropped in the runtime's context.
                let _entered = context::enter(inner, Blocking::Forbidden);
                drop(driven);
                inner.shard_ended();
            }
            let start = std::time::Instant::now();
            // A task that blocks in place would wait for its own thread.
            let is_worker = self.workers().iter().any(is_this_thread);
            if timeout.is_none() && !is_worker {
                // At once for the threads' end, and not for that of their shards before.
                self.join_workers();
            }
            let ended = inner.wait_for_shards(if is_worker { Some(Duration::ZERO) } else { timeout });
            let left = timeout.map(|timeout| timeout.saturating_sub(start.elapsed()));
            inner.pool.shutdown(if ended { left } else { Some(Duration::ZERO) });
            match ended {
                false => Ended::Left,
                true if timeout.is_some() => Ended::InTime,
                true => Ended::Waited,
            }
        });
    }

    fn workers(&self) -> MutexGuard<'_, Vec<thread::JoinHandle<()>>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the worker threads, but for this one.
    fn join_workers(&self) {
        let workers = mem::take(&mut *self.workers());
        for worker in workers.into_iter().filter(|worker| !is_this_thread(worker)) {
            let _ = worker.join();
        }
    }
}

impl Drop for Runtime {
    #[track_caller]
    fn drop(&mut self) {
        self.end(None);
        let ended = self.ended.get().copied();
        // Workers that have ended are joined, so that their thread-locals are gone when the runtime is; others are left.
        if matches!(ended, Some(Ended::InTime | Ended::Waited)) {
            // But not by itself: one of its thread-locals may own the runtime.
            self.join_workers();
        }
        // These may be in a callback, which may take longer than anybody has said to wait.
        if ended == Some(Ended::Waited) {
            if let Some(watcher) = &mut self.watcher {
                watcher.join();
            }
            self.handle.inner().stalls().inspect(|stalls| stalls.join());
        }
    }
}

fn is_this_thread(worker: &thread::JoinHandle<()>) -> bool {
    worker.thread().id() == thread::current().id()
}
