//! A wake finds its way: my shard, then its run queue; else its mailbox, and the shard is woken if it sleeps.

#![expect(unsafe_code, reason = "reaches the owner half after comparing shards; pushes tasks into mailboxes")]

use std::ptr;

use crate::context::{self, Inside};
use crate::loom::atomic::Ordering::Relaxed;
use crate::mesh::{Mesh, Remote, ShardId};
use crate::task::RawTask;
use crate::task::movable::Wake;
use crate::task::pinned::Unmail;
use crate::task::raw;
use crate::task::waker::on_owner;

use super::Local;
use super::lend::Loan;
use super::local::schedule_in_ring;

/// Why a movable task is queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// Somebody woke it: it runs next, since what it waits for is in this core's cache.
    Woken,
    /// It is new, or yielded: it waits its turn.
    Spawned,
    Yielded,
}

/// The owner half, for a thread that has compared shards.
///
/// # Safety
/// The thread is inside a shard.
#[inline(always)]
unsafe fn local<'a>() -> &'a Local {
    // SAFETY: by contract; the owner half outlives the thread's stay.
    unsafe { &*context::local() }
}

/// Wakes a pinned task. The caller holds a reference throughout, and has asked whether this thread is inside the task's owner.
#[inline]
pub(crate) fn wake_pinned(task: RawTask, on_owner: bool) {
    if on_owner {
        if task.header().words.owner_wake() {
            // SAFETY: on the owner's thread.
            unsafe { local() }.push(task);
        }
    } else {
        wake_elsewhere(task);
    }
}

#[inline(never)]
fn wake_elsewhere(task: RawTask) {
    if !task.header().words.is_complete() && task.header().words.remote_wake() {
        mail(task);
        task.shard().wake();
    }
}

/// Aborts a task. The caller holds a reference throughout.
pub(crate) fn abort(task: RawTask) {
    let header = task.header();
    if header.is_movable() {
        if header.state().abort() == Wake::Submit {
            submit(task, Why::Spawned);
        }
    } else if on_owner(task) {
        if header.words.owner_abort() {
            // SAFETY: on the owner's thread.
            let local = unsafe { local() };
            // A new task may still be in the mailbox, and is about to complete.
            local.list_heap_task_once(task);
            local.push(task);
        }
    } else if header.words.remote_abort() {
        mail(task);
        task.shard().wake();
    }
}

/// Tells the owner that the remote slot holds a joiner's waker.
pub(crate) fn post_joiner(task: RawTask) {
    if task.header().words.remote_joiner() {
        mail(task);
        task.shard().wake();
    }
}

/// Tells the owner that nobody wants the output.
pub(crate) fn post_unjoin(task: RawTask) {
    if task.header().words.remote_unjoin() {
        mail(task);
        // The output may hold what others wait to see closed.
        task.shard().wake();
    }
}

/// Puts a task whose MAILED bit the caller just set into its owner's mailbox. Does not wake the owner, and does not touch
/// the task after the push.
pub(crate) fn mail(task: RawTask) {
    let remote = task.shard();
    // SAFETY: MAILED makes the caller the only pusher and keeps the task alive until it is drained.
    if unsafe { remote.mailbox.push(task.0) }.is_ok() {
        return;
    }
    // A closed mailbox means that the task has completed, so a joiner can be answered here.
    loop {
        match task.header().words.unmail() {
            Unmail::WakeJoiner => task.header().join_remote.wake(),
            Unmail::Done { last: false } => return,
            // SAFETY: the words said so.
            Unmail::Done { last: true } => return unsafe { raw::free(task, None) },
        }
    }
}

/// As `mail` for a caller whose reference is gone, so that nothing but MAILED keeps the task and its mesh: wakes the owner
/// too.
#[cold]
pub(crate) fn mail_and_wake(task: RawTask) {
    let remote: *const Remote = task.shard();
    // The shard may close as soon as the task is pushed.
    task.shard().mesh().retain();
    mail(task);
    // SAFETY: part of the mesh that was retained above.
    unsafe { &*remote }.wake();
    // SAFETY: gives back the `retain` above.
    unsafe { Mesh::release(remote) };
}

/// As `mail` for a new task, which a closed mailbox leaves to this thread: it is cancelled here. That is in order, since its
/// future is still `Send`. False if so; then the shard may be gone with what the future kept.
pub(crate) fn mail_new(task: RawTask) -> bool {
    let remote = task.shard();
    // SAFETY: a new task is nobody else's.
    let mailed = unsafe { remote.mailbox.push(task.0) }.is_ok();
    if !mailed {
        // Relaxed: an impression; the shard will never count this task as received.
        remote.sent.fetch_sub(1, Relaxed);
        raw::refuse_pinned(task);
    }
    mailed
}

/// Whether this thread is inside a shard of the task's mesh, which is then there for as long as the thread stays.
pub(crate) fn inside_mesh_of(task: RawTask) -> bool {
    super::current(|local| local.is_some_and(|local| is_of_mesh(task, local)))
}

/// Queues a movable task, with the reference that the entry holds from now on. The caller keeps the mesh alive: it has a
/// reference besides, or is inside.
#[inline]
pub(crate) fn submit(task: RawTask, why: Why) {
    // SAFETY: null or the owner half of the shard this thread is inside.
    match unsafe { context::local().as_ref() } {
        Some(local) if is_of_mesh(task, local) && !local.closing.get() => submit_here(local, task, why),
        _ => task.shard().mesh().share(task, None),
    }
}

/// Whether the shard is of the task's mesh.
#[inline(always)]
fn is_of_mesh(task: RawTask, local: &Local) -> bool {
    ptr::eq(task.shard(), local.remote_ptr()) || ptr::eq(task.shard().mesh(), &**local.mesh())
}

/// As `submit`, on a thread that is inside `local`, a shard of the task's mesh that is not closing.
#[inline]
pub(crate) fn submit_here(local: &Local, task: RawTask, why: Why) {
    let (mesh, remote) = (local.mesh(), local.remote());
    let queued = match why {
        Why::Woken if mesh.config().next_slot => remote.ring.set_next(task.0).map(RawTask),
        _ => Some(task),
    };
    if let Some(task) = queued {
        schedule_in_ring(local, task);
    }
    // This thread is done with them before another one is awake, and if it is held up, the watcher finds them.
    if remote.ring.queued() <= local.rest.few() && mesh.is_watched(remote) {
        return;
    }
    mesh.notify_of_ring(remote);
}

/// Runs `f`, which blocks, inside of a task. If the thread is inside a shard it leaves it meanwhile, and what may move goes on: see
/// [`lend`](mod@super::lend).
pub fn lend<R>(f: impl FnOnce() -> R) -> R {
    /// The owner comes back, also when `f` panics.
    struct Lent<'a> {
        local: &'a Local,
        outside: Option<Inside>,
    }
    impl Drop for Lent<'_> {
        fn drop(&mut self) {
            let remote = self.local.remote();
            let loan = remote.lend.take_back(|| remote.wake());
            self.local.driver.set(Some(loan.driver));
            self.local.lent.set(false);
            drop(self.outside.take());
        }
    }
    // SAFETY: null or the owner half of the shard this thread is inside, which is there for as long as its turn lasts.
    let Some(local) = (unsafe { context::local().as_ref() }) else {
        // SAFETY: null or the shard that this thread takes care of, whose mesh its caller borrows.
        if let Some(remote) = unsafe { context::care().as_ref() } {
            if remote.lend.wants_successor() {
                remote.mesh().call_caretaker(remote);
            }
        }
        return f();
    };
    // A guest has nothing that others could take care of.
    if !ptr::eq(context::home(), local) {
        return f();
    }
    let (mesh, remote) = (local.mesh(), local.remote());
    while let Some(task) = remote.ring.take_next().or_else(|| remote.ring.pop()) {
        mesh.overflow.push(RawTask(task));
        mesh.notify(Some(remote));
    }
    local.rest.found(remote);
    // A shard that closes is nobody else's business any more; and inside of a wait there is no driver.
    let driver = if local.closing.get() { None } else { local.driver.take() };
    let Some(driver) = driver else { return f() };
    local.lent.set(true);
    let _lent = Lent { local, outside: Some(context::leave()) };
    if remote.lend.offer(Loan::new(driver, local)) {
        mesh.call_caretaker(remote);
    }
    f()
}

/// The shard that this thread takes care of, if any.
pub fn cared_for() -> Option<ShardId> {
    // SAFETY: null or the shard that this thread takes care of, whose mesh its caller borrows.
    unsafe { context::care().as_ref() }.map(Remote::id)
}
