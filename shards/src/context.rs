//! What a thread knows: which shard it is inside now, which task it runs, how much budget that task has left.
//!
//! One thread-local of plain cells without a destructor, so that a look costs one load relative to the thread
//! pointer and works while the thread's other locals are being destroyed.
//!
//! Threads: each its own.

#![expect(unsafe_code, reason = "a check less in each spawn")]

use std::cell::{Cell, RefCell};
use std::num::NonZeroU64;
use std::ptr;
use std::task::Waker;

use crate::coop::Budget;
use crate::loom::thread_local;
use crate::mesh::Remote;
use crate::shard::Local;
use crate::task::Id;

struct ThreadContext {
    /// The shard whose turn this thread is in. Null for aliens.
    local: Cell<*const Local>,
    /// Its remote half: what a task's header is compared with.
    remote: Cell<*const Remote>,
    /// The remote half of the shard that this thread takes care of. Null for most.
    care: Cell<*const Remote>,
    /// Where wakers are put that must not be called now. Null for most.
    late: Cell<*const RefCell<Vec<Waker>>>,
    /// The shard whose reactor and lane serve this thread: the same one, or the host of a [guest](crate::shard::Guest).
    home: Cell<*const Local>,
    budget: Cell<Budget>,
    task: Cell<Option<NonZeroU64>>,
    /// The block of task ids this thread has taken: the next and the end.
    ids: Cell<(u64, u64)>,
}

thread_local! {
    static CONTEXT: ThreadContext = const {
        ThreadContext {
            local: Cell::new(ptr::null()),
            remote: Cell::new(ptr::null()),
            care: Cell::new(ptr::null()),
            late: Cell::new(ptr::null()),
            home: Cell::new(ptr::null()),
            budget: Cell::new(Budget::unconstrained()),
            task: Cell::new(None),
            ids: Cell::new((0, 0)),
        }
    };
}

/// The remote half of the shard this thread is inside, or null.
#[inline(always)]
pub(crate) fn remote() -> *const Remote {
    CONTEXT.with(|c| c.remote.get())
}

/// The owner half of the shard this thread is inside, or null. Valid for as long as the thread stays inside.
#[inline(always)]
pub(crate) fn local() -> *const Local {
    CONTEXT.with(|c| c.local.get())
}

/// The owner half of the shard that serves this thread, or null. Valid for as long as the thread stays inside.
#[inline(always)]
pub(crate) fn home() -> *const Local {
    CONTEXT.with(|c| c.home.get())
}

/// Puts the thread inside a shard; what it was inside before comes back when the guard drops.
pub(crate) struct Inside {
    local: *const Local,
    remote: *const Remote,
    home: *const Local,
    budget: Budget,
    task: Option<NonZeroU64>,
}

/// Enters a shard, between its tasks. A guest leaves the home as it is.
pub(crate) fn enter(local: *const Local, remote: *const Remote, is_guest: bool) -> Inside {
    CONTEXT.with(|c| Inside {
        local: c.local.replace(local),
        remote: c.remote.replace(remote),
        home: if is_guest { c.home.get() } else { c.home.replace(local) },
        budget: c.budget.replace(Budget::unconstrained()),
        task: c.task.take(),
    })
}

impl Drop for Inside {
    fn drop(&mut self) {
        CONTEXT.with(|c| {
            c.local.set(self.local);
            c.remote.set(self.remote);
            c.home.set(self.home);
            c.budget.set(self.budget);
            c.task.set(self.task);
        });
    }
}

/// Takes the thread out of its shard while a task blocks; the task goes on being the one that runs.
pub(crate) fn leave() -> Inside {
    let inside = enter(ptr::null(), ptr::null(), false);
    set_task(inside.task);
    inside
}

/// The shard that this thread takes care of, or null. Valid for as long as the thread does.
pub(crate) fn care() -> *const Remote {
    CONTEXT.with(|c| c.care.get())
}

/// Says which shard the thread takes care of, until the guard drops.
pub(crate) struct Caring(*const Remote);

pub(crate) fn enter_care(remote: &Remote) -> Caring {
    Caring(CONTEXT.with(|c| c.care.replace(remote)))
}

impl Drop for Caring {
    fn drop(&mut self) {
        CONTEXT.with(|c| c.care.set(self.0));
    }
}

/// Runs `f`, which waits for events, and calls no waker meanwhile: they are put there.
pub(crate) fn put_off<R>(late: &RefCell<Vec<Waker>>, f: impl FnOnce() -> R) -> R {
    struct Restore(*const RefCell<Vec<Waker>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CONTEXT.with(|c| c.late.set(self.0));
        }
    }
    let _restore = Restore(CONTEXT.with(|c| c.late.replace(late)));
    f()
}

/// Gives a waker back that may be called or dropped now. One that may not is called later, at worst for nothing.
pub(crate) fn unless_put_off(waker: Waker) -> Option<Waker> {
    // SAFETY: null or what `put_off` borrows.
    match unsafe { CONTEXT.with(|c| c.late.get()).as_ref() } {
        Some(late) => {
            late.borrow_mut().push(waker);
            None
        }
        None => Some(waker),
    }
}

/// Puts the thread inside a guest while the task that runs goes on, with its budget and its name.
pub(crate) struct Visit {
    local: *const Local,
    remote: *const Remote,
}

pub(crate) fn visit(local: *const Local, remote: *const Remote) -> Visit {
    CONTEXT.with(|c| Visit { local: c.local.replace(local), remote: c.remote.replace(remote) })
}

impl Drop for Visit {
    fn drop(&mut self) {
        CONTEXT.with(|c| {
            c.local.set(self.local);
            c.remote.set(self.remote);
        });
    }
}

/// Says which task runs; gives the one before.
#[inline(always)]
pub(crate) fn set_task(id: Option<NonZeroU64>) -> Option<NonZeroU64> {
    CONTEXT.with(|c| c.task.replace(id))
}

/// A task begins to run: its name, and a full budget.
#[inline(always)]
pub(crate) fn enter_task(id: NonZeroU64) {
    CONTEXT.with(|c| {
        c.budget.set(Budget::initial());
        c.task.set(Some(id));
    });
}

/// No task runs any more.
#[inline(always)]
pub(crate) fn leave_task() {
    CONTEXT.with(|c| {
        c.budget.set(Budget::unconstrained());
        c.task.set(None);
    });
}

/// The task that runs on this thread.
pub fn task_id() -> Option<Id> {
    CONTEXT.with(|c| c.task.get()).map(Id::from_raw)
}

#[inline(always)]
pub(crate) fn budget() -> Budget {
    CONTEXT.with(|c| c.budget.get())
}

#[inline(always)]
pub(crate) fn set_budget(budget: Budget) {
    CONTEXT.with(|c| c.budget.set(budget));
}

#[inline(always)]
pub(crate) fn replace_budget(budget: Budget) -> Budget {
    CONTEXT.with(|c| c.budget.replace(budget))
}

/// The next task id of this thread's block, or of the block that `refill` takes.
#[inline]
pub(crate) fn next_id(refill: impl FnOnce() -> (u64, u64)) -> Id {
    CONTEXT.with(|c| {
        let (mut next, mut end) = c.ids.get();
        if next == end {
            (next, end) = refill();
        }
        c.ids.set((next + 1, end));
        // SAFETY: ids start at one and don't reach 2^64.
        Id::from_raw(unsafe { NonZeroU64::new_unchecked(next) })
    })
}
