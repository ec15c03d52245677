//! What is said of a runtime that is missing, ending, or of another kind than is needed: texts that programs match on.

use std::io;

/// The system refuses a thread. What it says itself is that some resource is unavailable.
pub(crate) fn no_thread(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("OS can't spawn worker thread: {error}"))
}

/// No runtime is entered.
pub(crate) const NO_RUNTIME: &str =
    "there is no reactor running, must be called from the context of a Tokio 1.x runtime";
/// The runtime is shutting down.
pub(crate) const SHUTTING_DOWN: &str = "A Tokio 1.x context was found, but it is being shutdown.";
/// Timers were not enabled.
pub(crate) const NO_TIME: &str = "A Tokio 1.x context was found, but timers are disabled. Call `enable_time` on the \
                                  runtime builder to enable timers.";
/// I/O was not enabled.
pub(crate) const NO_IO: &str = "A Tokio 1.x context was found, but IO is disabled. Call `enable_io` on the runtime builder to enable IO.";
/// A socket made by the user would block.
pub(crate) const BLOCKING_SOCKET: &str = "Registering a blocking socket with the tokio runtime is unsupported. If you \
     wish to do anyways, please add `--cfg tokio_allow_from_blocking_fd` to your RUSTFLAGS. See \
     github.com/tokio-rs/tokio/issues/7172 for details.";

/// A runtime within a runtime.
pub(crate) const NESTED: &str = "Cannot start a runtime from within a runtime. This happens because a function (like \
                                 `block_on`) attempted to block the current thread while the thread is being used to \
                                 drive asynchronous tasks. If you are in an async function, use `.await` on the future \
                                 instead of blocking on it.";
/// A method that blocks its thread, within a runtime.
pub(crate) const BLOCKED: &str = "Cannot block the current thread from within a runtime. This happens because a function \
                                  attempted to block the current thread while the thread is being used to drive \
                                  asynchronous tasks.";
/// Dropping a runtime within a runtime.
pub(crate) const DROPPED_INSIDE: &str = "Cannot drop a runtime in a context where blocking is not allowed. This \
                                         happens when a runtime is dropped from within an asynchronous context.";
/// `block_in_place` on the wrong flavor.
pub(crate) const BLOCK_IN_PLACE: &str = "can call blocking only when running on the multi-threaded runtime";
/// `block_on` of a runtime that a task's panic has ended.
pub(crate) const UNHANDLED_PANIC: &str =
    "a spawned task panicked and the runtime is configured to shut down on unhandled panic";
/// Polling a `LocalSet` that a task's panic has ended.
pub(crate) const LOCAL_UNHANDLED_PANIC: &str =
    "a spawned task panicked and the LocalSet is configured to shutdown on unhandled panic";
/// What a panic does, set too late.
pub(crate) const LOCAL_SET_STARTED: &str = "Unhandled Panic behavior modified after starting LocalSet";
/// `spawn_local` where tasks may not be `!Send`.
pub(crate) const NO_LOCAL: &str =
    "`spawn_local` called from outside of a `task::LocalSet` or `runtime::LocalRuntime`";
/// `spawn_local` in the context of another thread's `LocalRuntime`.
pub(crate) const OTHER_THREAD: &str =
    "Local tasks can only be spawned on a LocalRuntime from the thread the runtime was created on";
/// `EnterGuard`s dropped in the wrong order.
pub(crate) const GUARD_ORDER: &str = "`EnterGuard` values dropped out of order. Guards returned by \
                                      `tokio::runtime::Handle::enter()` must be dropped in the reverse order as they \
                                      were acquired.";
