//! Which runtime a thread is in, and whether it may block.
//!
//! The thread-local holds a bare pointer. It is sound because whoever sets it keeps the runtime's inner half alive until it
//! is set back: a `block_on` and a worker by their own reference, an [`EnterGuard`] by one that it owns, which a forgotten
//! guard leaks together with the pointer. Guards dropped in another order than they were made would set back a pointer
//! that nobody keeps. A depth finds that out, and then the reference of the one dropped too early is leaked as well: the guard
//! that was made after it will set its pointer back.
//!
//! Threads: each its own.

#![expect(unsafe_code, reason = "borrows the runtime that the thread is in through a bare pointer")]

use std::cell::Cell;
use std::io;
use std::marker::PhantomData;
use std::os::fd::AsFd;
use std::ptr;
use std::sync::Arc;

use corelane_shards::loom::thread::{self, ThreadId};
use corelane_shards::mesh::Mesh;
use corelane_shards::shard;

use crate::error;

use super::handle::{Handle, TryCurrentError};
use super::inner::Inner;
use super::watch::Steered;

/// What a thread may do about blocking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blocking {
    /// Not driving tasks: may block.
    Allowed,
    /// Driving tasks of a shard whose movable tasks others can take over.
    InPlaceOnly,
    /// Driving tasks.
    Forbidden,
}

struct ThreadContext {
    runtime: Cell<*const Inner>,
    depth: Cell<usize>,
    blocking: Cell<Blocking>,
}

thread_local! {
    static CONTEXT: ThreadContext = const {
        ThreadContext {
            runtime: Cell::new(ptr::null()),
            depth: Cell::new(0),
            blocking: Cell::new(Blocking::Allowed),
        }
    };
}

/// Runs `f` with the runtime this thread is in.
#[inline]
pub(crate) fn with<R>(f: impl FnOnce(Option<&Inner>) -> R) -> R {
    let runtime = CONTEXT.with(|context| context.runtime.get());
    // SAFETY: whoever set the pointer keeps the runtime alive until it is set back, and `f` can't set it back beyond this
    // point: guards are dropped in order or not at all. But a value that owns an `EnterGuard` together with the handle that it
    // borrows may be dropped by foreign code, so an `f` that runs some keeps a reference, or touches the runtime no more.
    f(unsafe { runtime.as_ref() })
}

/// This thread's id. `thread::current` counts references, which were two of `block_on`'s four locked instructions.
#[inline]
pub(crate) fn thread_id() -> ThreadId {
    if cfg!(loom) {
        // All threads of a model run on one of the system's.
        return thread::current().id();
    }
    thread_local!(static ID: Cell<Option<ThreadId>> = const { Cell::new(None) });
    ID.with(|id| match id.get() {
        Some(id) => id,
        None => {
            let now = thread::current().id();
            id.set(Some(now));
            now
        }
    })
}

/// The address of the runtime this thread is in, or null.
#[inline(always)]
pub(crate) fn address() -> *const () {
    CONTEXT.with(|context| context.runtime.get()).cast()
}

/// Runs `f` with the runtime this thread is in.
///
/// # Panics
///
/// If there is none.
#[track_caller]
pub(crate) fn with_current<R>(f: impl FnOnce(&Inner) -> R) -> R {
    // Not in the closure, whose place would be the one that the panic names.
    match with(|inner| inner.map(f)) {
        Some(result) => result,
        None => panic!("{}", error::NO_RUNTIME),
    }
}

/// The mesh of the runtime that a resource made on this thread belongs to.
///
/// # Panics
///
/// If there is none, or its I/O is disabled.
///
/// # Errors
///
/// If the runtime is ending.
#[track_caller]
pub(crate) fn io_mesh() -> io::Result<Arc<Mesh>> {
    let found = with(|inner| match inner {
        Some(inner) if inner.io_enabled && inner.is_shutting_down() => {
            Ok(Err(io::Error::other(error::SHUTTING_DOWN)))
        }
        Some(inner) if inner.io_enabled => Ok(Ok(Arc::clone(&inner.mesh))),
        Some(_) => Err(error::NO_IO),
        // A shard that is driven without a runtime, as an embedder of the engine may.
        None => shard::home(|local| local.map(|local| Ok(Arc::clone(local.mesh())))).ok_or(error::NO_RUNTIME),
    });
    match found {
        Ok(mesh) => mesh,
        Err(problem) => panic!("{problem}"),
    }
}

/// Has a listener want the packets of a shard's CPU, where this thread's runtime steers by that.
pub(crate) fn steer(shard: usize, listener: impl AsFd) -> io::Result<Option<Steered>> {
    with(|inner| inner.map_or(Ok(None), |inner| Steered::new(&inner.placed, shard, listener)))
}

/// Whether this thread's runtime gives a connection to the listener with the fewest.
pub(crate) fn evens_out() -> bool {
    with(|inner| inner.is_some_and(|inner| inner.evens_out))
}

/// A handle to the runtime this thread is in.
pub(crate) fn current() -> Result<Handle, TryCurrentError> {
    with(|inner| inner.map(Inner::handle)).ok_or_else(TryCurrentError::no_context)
}

/// Whether this thread may block.
pub(crate) fn blocking() -> Blocking {
    CONTEXT.with(|context| context.blocking.get())
}

/// Puts the thread into a runtime until it drops; what was before comes back.
pub(crate) struct Entered<'a> {
    before: *const Inner,
    blocking: Blocking,
    depth: usize,
    inner: &'a Inner,
}

/// Enters a runtime for a scope that holds a reference to it.
#[inline]
pub(crate) fn enter(inner: &Inner, blocking: Blocking) -> Entered<'_> {
    CONTEXT.with(|context| {
        context.depth.set(context.depth.get() + 1);
        Entered {
            before: context.runtime.replace(inner),
            blocking: context.blocking.replace(blocking),
            depth: context.depth.get(),
            inner,
        }
    })
}

impl Drop for Entered<'_> {
    // Always: a guard whose address is taken lives in memory, where what was stored in words is read again in pairs, which the
    // CPU cannot forward; that was half the time of a `block_on`.
    #[inline(always)]
    #[track_caller]
    fn drop(&mut self) {
        let in_order = CONTEXT.with(|context| {
            // These scopes are nested, whatever the guards do.
            context.blocking.set(self.blocking);
            let in_order = context.depth.get() == self.depth;
            if in_order {
                context.depth.set(self.depth - 1);
                context.runtime.set(self.before);
            }
            in_order
        });
        if !in_order {
            out_of_order(self.inner);
        }
    }
}

/// A guard that was made within the scope outlives it, and will put the thread back into the runtime: that must not end.
#[cold]
#[track_caller]
fn out_of_order(inner: &Inner) {
    std::mem::forget(inner.handle());
    if !std::thread::panicking() {
        panic!("{}", error::GUARD_ORDER);
    }
}

/// Changes what the thread may do about blocking until the guard drops.
pub(crate) struct BlockingGuard(Blocking);

pub(crate) fn set_blocking(blocking: Blocking) -> BlockingGuard {
    BlockingGuard(CONTEXT.with(|context| context.blocking.replace(blocking)))
}

impl Drop for BlockingGuard {
    fn drop(&mut self) {
        CONTEXT.with(|context| context.blocking.set(self.0));
    }
}

/// Keeps the thread in a runtime's context; made by [`Handle::enter`] and [`Runtime::enter`](super::Runtime::enter).
///
/// # Panics
///
/// When dropped before a guard that was made after it on the same thread.
#[derive(Debug)]
#[must_use = "dropping the guard leaves the runtime's context"]
pub struct EnterGuard<'a> {
    _entered: EnteredOwned,
    _lifetime: PhantomData<&'a Handle>,
}

/// What an `EnterGuard` does when it drops. Without the guard's lifetime, so that a guard that lies around unused does not keep
/// its runtime from being moved.
#[derive(Debug)]
struct EnteredOwned {
    handle: std::mem::ManuallyDrop<Handle>,
    before: *const Inner,
    depth: usize,
}

impl EnterGuard<'_> {
    pub(crate) fn new(handle: Handle) -> Self {
        let entered = CONTEXT.with(|context| {
            context.depth.set(context.depth.get() + 1);
            let before = context.runtime.replace(handle.inner_ptr());
            let handle = std::mem::ManuallyDrop::new(handle);
            EnteredOwned { handle, before, depth: context.depth.get() }
        });
        Self { _entered: entered, _lifetime: PhantomData }
    }
}

// SAFETY: the pointer is used by the drop alone, on the guard's own thread; a shared guard shows nothing.
unsafe impl Sync for EnteredOwned {}

impl Drop for EnteredOwned {
    #[track_caller]
    fn drop(&mut self) {
        let in_order = CONTEXT.with(|context| {
            let in_order = context.depth.get() == self.depth;
            if in_order {
                context.depth.set(self.depth - 1);
                context.runtime.set(self.before);
            }
            in_order
        });
        if in_order {
            // SAFETY: dropped once, here; the thread-local no longer points into it.
            unsafe { std::mem::ManuallyDrop::drop(&mut self.handle) };
        } else if !std::thread::panicking() {
            // The handle stays: the thread-local or another guard may point into it.
            panic!("{}", error::GUARD_ORDER);
        }
    }
}
