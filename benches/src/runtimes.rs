//! The modes: ways to run tasks that a row can ask for.
//!
//! Here: runtimes that a row runs in. Not here: pairs of them on two cores (`two_cores`).

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// What a row needs of a runtime, and no more.
pub trait Rt: Sized + 'static {
    /// The mode's name in tables and arguments.
    const MODE: &'static str;
    /// Why a task gave no output.
    type JoinError: Debug + Send;
    /// Awaits a task.
    type JoinHandle<T: Send + 'static>: Future<Output = Result<T, Self::JoinError>> + Send + 'static;

    /// Builds the runtime with all drivers.
    fn new() -> Self;
    /// Runs a future to its end on this thread, or keeps the thread until it has ended on another one.
    fn block_on<F>(&self, future: F) -> F::Output
    where
        F: Future + Send,
        F::Output: Send;
    /// Spawns from a task.
    fn spawn<F>(future: F) -> Self::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;
    /// Lets a task run on without anybody who awaits it.
    fn detach<T: Send + 'static>(task: Self::JoinHandle<T>) {
        drop(task);
    }
    /// Gives way once.
    fn yield_now() -> impl Future<Output = ()> + Send;
}

/// A mode whose tasks can be spawned from threads that are of no runtime.
pub trait Outside: Rt {
    /// Spawns from such threads.
    type Handle: Clone + Send + Sync + 'static;

    /// A handle for other threads.
    fn handle(&self) -> Self::Handle;
    /// Spawns from another thread.
    fn spawn_from_outside<F>(handle: &Self::Handle, future: F) -> Self::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;
    /// Runs a closure on the blocking pool, asked from another thread.
    fn spawn_blocking_from_outside<F, T>(handle: &Self::Handle, f: F) -> Self::JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static;
    /// Cancels a task, from any thread.
    fn abort<T: Send + 'static>(task: &Self::JoinHandle<T>);
}

/// A mode that has a blocking pool.
pub trait Blocking: Rt {
    /// Runs a closure on the blocking pool.
    fn spawn_blocking<F, T>(f: F) -> impl Future<Output = Result<T, Self::JoinError>> + Send + 'static
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static;
}

/// A mode that has timers.
pub trait Timed: Rt {
    /// What `timeout` says when the time is up.
    type Elapsed: Debug;

    /// Waits.
    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send + 'static;
    /// Bounds how long a future may take.
    fn timeout<F>(
        duration: Duration,
        future: F,
    ) -> impl Future<Output = Result<F::Output, Self::Elapsed>> + Send
    where
        F: Future + Send;
}

/// A mode whose sleeps can be given another deadline.
pub trait Reset: Timed {
    /// What waits.
    type Sleep: Future<Output = ()> + Send + 'static;

    /// Waits, from when it is polled.
    fn resettable(duration: Duration) -> Self::Sleep;
    /// Gives it another deadline, that far from now.
    fn reset(sleep: Pin<&mut Self::Sleep>, duration: Duration);
}

/// A mode over a runtime whose crate has Tokio's paths. `spawn` is how its tasks spawn.
macro_rules! mode {
    ($(#[$doc:meta])* $Mode:ident = $name:literal: $krate:ident::runtime::$Runtime:ident, $build:expr, $($spawn:ident)::+) => {
        $(#[$doc])*
        pub struct $Mode(pub(crate) $krate::runtime::$Runtime);

        impl Rt for $Mode {
            const MODE: &'static str = $name;
            type JoinError = $krate::task::JoinError;
            type JoinHandle<T: Send + 'static> = $krate::task::JoinHandle<T>;

            fn new() -> Self {
                Self($build.expect("the system lets a runtime be built"))
            }

            fn block_on<F>(&self, future: F) -> F::Output
            where
                F: Future + Send,
                F::Output: Send,
            {
                self.0.block_on(future)
            }

            fn spawn<F>(future: F) -> Self::JoinHandle<F::Output>
            where
                F: Future + Send + 'static,
                F::Output: Send + 'static,
            {
                $krate::$($spawn)::+(future)
            }

            fn yield_now() -> impl Future<Output = ()> + Send {
                $krate::task::yield_now()
            }
        }

        impl Outside for $Mode {
            type Handle = $krate::runtime::Handle;

            fn handle(&self) -> Self::Handle {
                self.0.handle().clone()
            }

            fn spawn_from_outside<F>(handle: &Self::Handle, future: F) -> Self::JoinHandle<F::Output>
            where
                F: Future + Send + 'static,
                F::Output: Send + 'static,
            {
                handle.spawn(future)
            }

            fn spawn_blocking_from_outside<F, T>(handle: &Self::Handle, f: F) -> Self::JoinHandle<T>
            where
                F: FnOnce() -> T + Send + 'static,
                T: Send + 'static,
            {
                handle.spawn_blocking(f)
            }

            fn abort<T: Send + 'static>(task: &Self::JoinHandle<T>) {
                task.abort();
            }
        }

        impl Blocking for $Mode {
            fn spawn_blocking<F, T>(f: F) -> impl Future<Output = Result<T, Self::JoinError>> + Send + 'static
            where
                F: FnOnce() -> T + Send + 'static,
                T: Send + 'static,
            {
                $krate::task::spawn_blocking(f)
            }
        }
    };
}

macro_rules! timed {
    ($krate:ident: $($Mode:ident),*) => {$(
        impl Timed for $Mode {
            type Elapsed = $krate::time::error::Elapsed;

            fn sleep(duration: Duration) -> impl Future<Output = ()> + Send + 'static {
                $krate::time::sleep(duration)
            }

            fn timeout<F>(duration: Duration, future: F) -> impl Future<Output = Result<F::Output, Self::Elapsed>> + Send
            where
                F: Future + Send,
            {
                $krate::time::timeout(duration, future)
            }
        }

        impl Reset for $Mode {
            type Sleep = $krate::time::Sleep;

            fn resettable(duration: Duration) -> Self::Sleep {
                $krate::time::sleep(duration)
            }

            fn reset(sleep: Pin<&mut Self::Sleep>, duration: Duration) {
                sleep.reset($krate::time::Instant::now() + duration);
            }
        }
    )*};
}

mode! {
    /// One shard on the calling thread; pinned tasks.
    Sharded = "sharded": corelane::runtime::LocalRuntime, corelane::runtime::LocalRuntime::new(), task::spawn_local
}
mode! {
    /// One shard on the calling thread, tasks spawned as `Send` ones.
    CurrentThread = "current_thread": corelane::runtime::Runtime,
    corelane::runtime::Builder::new_current_thread().enable_all().build(), task::spawn
}
mode! {
    /// Two workers, movable tasks.
    Stealing = "stealing": corelane::runtime::Runtime,
    corelane::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build(), task::spawn
}
mode! {
    /// One worker, movable tasks.
    Stealing1 = "stealing-1": corelane::runtime::Runtime,
    corelane::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build(), task::spawn
}
mode! {
    /// One shard on a thread of its own; `spawn` places.
    Placed1 = "sharded-1": corelane::runtime::Runtime,
    corelane::runtime::Builder::new_sharded().worker_threads(1).enable_all().build(), task::spawn
}
mode! {
    /// Two shards on threads of their own; `spawn` places.
    Placed = "sharded-2": corelane::runtime::Runtime,
    corelane::runtime::Builder::new_sharded().worker_threads(2).enable_all().build(), task::spawn
}
mode! {
    /// Tokio's scheduler of one thread.
    TokioCurrentThread = "tokio-ct": tokio::runtime::Runtime,
    tokio::runtime::Builder::new_current_thread().enable_all().build(), task::spawn
}
mode! {
    /// The same with `spawn_local`.
    TokioLocal = "tokio-local": tokio::runtime::LocalRuntime, tokio::runtime::LocalRuntime::new(), task::spawn_local
}
mode! {
    /// Tokio's work-stealing scheduler with two workers.
    TokioMultiThread = "tokio-mt": tokio::runtime::Runtime,
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build(), task::spawn
}
mode! {
    /// Tokio's work-stealing scheduler with one worker.
    TokioMultiThread1 = "tokio-mt-1": tokio::runtime::Runtime,
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build(), task::spawn
}

timed!(corelane: Sharded, CurrentThread, Stealing, Stealing1, Placed, Placed1);
timed!(tokio: TokioCurrentThread, TokioLocal, TokioMultiThread, TokioMultiThread1);
