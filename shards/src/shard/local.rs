//! The owner half of a shard: what tasks reach while the thread is inside it.
//!
//! No atomics here. Everything is `&self` because a task that is being polled reaches the same value that is running
//! it; each access is a closure that runs no foreign code, so none meets another.
//!
//! Threads: the one that is inside the shard.

#![expect(unsafe_code, reason = "owner-only cells reached through the thread's context")]

use std::cell::{Cell, UnsafeCell};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use crate::context;
use crate::loom::atomic::Ordering::Relaxed;
use crate::mesh::{self, Mesh, Remote, ShardId};
use crate::queue::run_queue::RunQueue;
use crate::task::RawTask;
use crate::task::arena::Arena;
use crate::task::header::{Header, Home, links};
use crate::timer::Stamps;

use super::Driver;
use super::rest::{self, Rest};

/// No surrounding's address.
pub(super) const NOBODY: *const () = ptr::without_provenance(usize::MAX);

/// See the module's head.
pub struct Local {
    /// Nothing while it waits, and while the shard is [lent](mod@super::lend).
    pub(super) driver: Cell<Option<Box<dyn Driver>>>,
    /// The shard is lent, and nobody may be inside it.
    pub(super) lent: Cell<bool>,
    mesh: Arc<Mesh>,
    remote: NonNull<Remote>,
    run: UnsafeCell<RunQueue>,
    arena: UnsafeCell<Arena>,
    /// Pinned tasks that are not in the arena: large ones, and those that came from other threads.
    heap: Cell<*const Header>,
    /// Pinned tasks that have completed. How many have not is the difference to those that were spawned: both only grow, so that
    /// the number of all that were ever spawned costs nothing.
    completed: Cell<usize>,
    pub(super) closing: Cell<bool>,
    pub(super) rest: Rest,
    /// Below this many live tasks a spawn stays here without a look at the other shards. Zero at the start of a turn.
    pub(super) stay_below: Cell<usize>,
    stamps: Stamps,
    /// See `trust`.
    pub(super) trusted: Cell<*const ()>,
}

impl Local {
    pub(super) fn new(mesh: Arc<Mesh>, id: ShardId, driver: Box<dyn Driver>) -> Self {
        let remote = NonNull::from(mesh.remote(id));
        Self {
            driver: Cell::new(Some(driver)),
            lent: Cell::new(false),
            mesh,
            remote,
            run: UnsafeCell::new(RunQueue::new()),
            arena: UnsafeCell::new(Arena::new(remote.as_ptr())),
            heap: Cell::new(ptr::null()),
            completed: Cell::new(0),
            closing: Cell::new(false),
            rest: Rest::default(),
            stay_below: Cell::new(0),
            stamps: Stamps::new(),
            trusted: Cell::new(NOBODY),
        }
    }

    /// Lets [`spawn_local_if_trusted`](super::spawn_local_if_trusted) spawn here from now on where the embedder names the same
    /// surrounding, an address of its own: what it would have to look at before each spawn it has looked at once.
    ///
    /// # Panics
    ///
    /// Without [`Config::local_tasks`](crate::config::Config::local_tasks): the shard may change threads.
    pub fn trust(&self, surrounding: *const ()) {
        super::spawn::assert_stays(&self.mesh);
        if !self.closing.get() {
            self.trusted.set(surrounding);
        }
    }

    /// The mesh.
    pub fn mesh(&self) -> &Arc<Mesh> {
        &self.mesh
    }

    /// The shard's remote half.
    #[inline(always)]
    pub fn remote(&self) -> &Remote {
        // SAFETY: part of the mesh that this value holds.
        unsafe { self.remote.as_ref() }
    }

    #[inline(always)]
    pub(crate) fn remote_ptr(&self) -> *const Remote {
        self.remote.as_ptr()
    }

    /// What dates the events of a turn without reading the clock.
    #[inline(always)]
    pub fn stamps(&self) -> &Stamps {
        &self.stamps
    }

    /// Reads the clock, and dates with that what waits for a date.
    #[inline]
    pub fn read_clock(&self) -> u64 {
        let now_ns = self.mesh().clock().now_ns();
        self.stamps.settle(now_ns);
        self.remote().lane().date(|| now_ns);
        now_ns
    }

    /// The run queue; `f` runs no foreign code.
    #[inline(always)]
    pub(crate) fn run_queue<R>(&self, f: impl FnOnce(&mut RunQueue) -> R) -> R {
        // SAFETY: one thread, and no closure passed here comes back.
        f(unsafe { &mut *self.run.get() })
    }

    /// The arena; `f` runs no foreign code.
    #[inline(always)]
    pub(crate) fn arena<R>(&self, f: impl FnOnce(&mut Arena) -> R) -> R {
        // SAFETY: one thread, and no closure passed here comes back.
        f(unsafe { &mut *self.arena.get() })
    }

    /// Puts a pinned task at the end of the run queue.
    #[inline(always)]
    pub(crate) fn push(&self, task: RawTask) {
        self.run_queue(|run| run.push_back(task));
    }

    /// Tasks that give way from now on wait for the end of the turn: somebody was woken who is not in the queue, and whose turn is before
    /// theirs.
    pub fn hold(&self) {
        self.run_queue(RunQueue::hold);
    }

    /// Puts a pinned task that gave way behind all that are queued.
    #[inline(always)]
    pub(crate) fn push_last(&self, task: RawTask) {
        self.run_queue(|run| run.push_last(task));
    }

    /// The same for a task that an event woke.
    #[inline(always)]
    pub(crate) fn push_for_world(&self, task: RawTask) {
        self.run_queue(|run| run.push_back_for_world(task));
    }

    /// Whether pinned tasks wait in the run queue.
    #[inline(always)]
    pub(super) fn has_pinned(&self) -> bool {
        self.run_queue(|run| !run.is_empty())
    }

    /// Whether any task waits for this shard, which takes movable ones.
    #[inline(always)]
    pub(crate) fn has_runnable(&self) -> bool {
        self.has_pinned() || rest::has_movable(self.remote())
    }

    /// Puts a movable task that goes on after a yield at the end of the ring.
    pub(crate) fn push_yielded(&self, task: RawTask) {
        schedule_in_ring(self, task);
    }

    /// A pinned task was spawned here.
    #[inline(always)]
    pub(crate) fn spawned(&self) {
        self.remote().counters().spawned.add(1);
    }

    /// A pinned task completed here.
    #[inline(always)]
    pub(crate) fn completed(&self) {
        self.completed.set(self.completed.get() + 1);
    }

    /// Shows the other shards how loaded this one is; once a turn.
    pub(super) fn publish_load(&self) {
        // Relaxed: an impression for placement.
        let received = self.remote().counters().received.get() as usize;
        self.remote().own_load.store(self.live().wrapping_sub(received), Relaxed);
    }

    /// Pinned tasks that have not completed.
    pub(crate) fn live(&self) -> usize {
        self.remote().counters().spawned.get() as usize - self.completed.get()
    }

    /// Lists a heap task of this shard's own.
    #[cold]
    pub(crate) fn list_heap_task(&self, task: RawTask) {
        let mut first = self.heap.get();
        mesh::push_front(&mut first, task);
        self.heap.set(first);
    }

    /// Lists a heap task the first time that its shard meets it: it comes out of the mailbox, or is aborted before.
    #[inline]
    pub(crate) fn list_heap_task_once(&self, task: RawTask) {
        // SAFETY: a heap task's links belong to the owner.
        if task.header().vtable.home == Home::Heap && !unsafe { links(task.0).as_ref() }.listed {
            self.remote().counters().received.add(1);
            self.spawned();
            self.list_heap_task(task);
        }
    }

    /// Takes a heap task that is about to be freed off the list.
    pub(crate) fn unlist_heap_task(&self, task: RawTask) {
        let mut first = self.heap.get();
        mesh::remove(&mut first, task);
        self.heap.set(first);
    }

    /// The movable tasks of the arena that have not completed, each with a reference for the caller. By the shard's thread, or
    /// by who has its driver: then nobody is inside.
    pub(super) fn movable_tasks(&self) -> Vec<RawTask> {
        let mut all = Vec::new();
        self.arena(|arena| {
            arena.for_each(|slot| {
                let task = RawTask(slot.cast());
                if task.header().is_movable() && task.header().state().make_ref_unless_complete() {
                    all.push(task);
                }
            });
        });
        all
    }

    /// All pinned tasks that are still referenced, completed or not.
    pub(crate) fn pinned_tasks(&self) -> Vec<RawTask> {
        let mut all = Vec::new();
        self.arena(|arena| {
            arena.for_each(|slot| {
                let task = RawTask(slot.cast());
                if !task.header().is_movable() {
                    all.push(task);
                }
            });
        });
        let mut at = self.heap.get();
        while let Some(task) = NonNull::new(at.cast_mut()) {
            all.push(RawTask(task));
            // SAFETY: a listed task; the list is the owner's.
            at = unsafe { links(task).as_ref() }.next;
        }
        all
    }

    /// Takes the heap list away, at the very end.
    pub(super) fn take_heap(&self) -> Vec<RawTask> {
        let mut heap = Vec::new();
        while let Some(task) = NonNull::new(self.heap.get().cast_mut()) {
            self.unlist_heap_task(RawTask(task));
            heap.push(RawTask(task));
        }
        heap
    }
}

#[inline(always)]
pub(super) fn schedule_in_ring(local: &Local, task: RawTask) {
    if let Err(task) = local.remote().ring.push(task.0) {
        spill(local, task);
    }
}

#[cold]
#[inline(never)]
fn spill(local: &Local, task: NonNull<Header>) {
    // The older half of the ring goes to the overflow, and the new one after it, so that the order is kept and the next pushes
    // find room.
    let (ring, counters) = (&local.remote().ring, local.remote().counters());
    let spill = |task| {
        counters.spilled.add(1);
        local.mesh().overflow.push(RawTask(task));
    };
    counters.spills.add(1);
    for _ in 0..ring.len() / 2 {
        match ring.pop() {
            Some(oldest) => spill(oldest),
            None => break,
        }
    }
    if let Err(task) = ring.push(task) {
        spill(task);
    }
}

/// Tasks that wait in a shard's own queues, the next slot excepted. The pinned ones as of its last turn, unless the shard itself
/// asks.
pub fn queue_depth(remote: &Remote) -> usize {
    let pinned = home(|local| match local {
        Some(local) if std::ptr::eq(local.remote(), remote) => local.run_queue(|run| run.len()),
        _ => remote.counters().queued.get() as usize,
    });
    pinned + remote.ring.len()
}

/// Runs `f` with the shard that this thread is inside, if any.
#[inline]
pub fn current<R>(f: impl FnOnce(Option<&Local>) -> R) -> R {
    // SAFETY: while the thread is inside a shard its owner half is there.
    f(unsafe { context::local().as_ref() })
}

/// Runs `f` with the shard whose reactor and lane serve this thread, if any: the one that it is inside, or the host if
/// that one is a [guest](super::Guest).
#[inline]
pub fn home<R>(f: impl FnOnce(Option<&Local>) -> R) -> R {
    // SAFETY: as above, and a host is there for as long as its guest is visited.
    f(unsafe { context::home().as_ref() })
}
