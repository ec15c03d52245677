//! How a shard ends, and why no task is left behind.
//!
//! 1. `closing`: from now on a spawn here gives a cancelled handle.
//! 2. Movable tasks that this shard has spawned or lists are cancelled; new ones are refused. A movable task that is queued
//!    is marked, and whoever takes it out of its queue cancels it: this shard for its own ring, and
//!    [`Mesh::finish`](crate::mesh::Mesh::finish), once all shards have closed, for the overflow.
//! 3. Pinned tasks are cancelled, their futures dropped here, inside the shard, those that one thread spawned in that order. A drop may
//!    wake, abort or send; so this repeats until no task is left that has not completed and the mailbox is empty.
//! 4. The mailbox is closed. What arrived since the last look is cancelled *before* its MAILED bit is cleared, so a closed
//!    mailbox implies that every task of the shard has completed.
//! 5. What is still referenced from elsewhere is orphaned: see [`crate::task`].
//! 6. The last shard of the mesh closes the lanes and reactors of all: whoever still waits on one is woken and finds an error. Not
//!    each its own: a task of a shard that stands may sleep in this one's lane, or have a socket here, and is not to find an error
//!    while it may be polled. See [`Mesh::shard_closed`](crate::mesh::Mesh::shard_closed). A shard that is leaked stands for ever, and
//!    with it the lanes and reactors of the others: nothing tells it from one that somebody will drive again.

use crate::mesh::Away;
use crate::task::{RawTask, harness, raw};
use crate::util::abort::AbortOnDrop;

use super::local::NOBODY;
use super::{Local, Shard};

impl Drop for Shard {
    /// Closes the shard: cancels its tasks and refuses new ones.
    fn drop(&mut self) {
        // Tasks that are left half closed would be freed under those who refer to them. Foreign code that panics is caught
        // where it is called, so nothing should get here.
        let unfinished = AbortOnDrop;
        let inside = self.inside();
        let local = &*self.local;
        let remote = local.remote();
        local.closing.set(true);
        local.trusted.set(NOBODY);
        remote.leave(Away::ForGood);
        local.rest.woke(remote);
        local.rest.pause(remote, local.mesh().clock().now_ns());
        // Shards that stay open are woken for movable work only while nobody searches, and this one won't any more.
        if local.rest.searching.take() && local.mesh().idle.stop_searching() {
            local.mesh().notify(None);
        }
        cancel(gather(local));
        while let Some(task) = remote.ring.take_next().or_else(|| remote.ring.pop()) {
            let _ = RawTask(task).header().state().abort();
            harness::run_movable(RawTask(task));
        }
        loop {
            remote.mailbox.drain(|task| harness::drain(RawTask(task), local));
            let mut left: Vec<RawTask> =
                local.pinned_tasks().into_iter().filter(|task| !task.header().is_complete()).collect();
            left.sort_by_cached_key(|task| task.header().id.get());
            if left.is_empty() {
                break;
            }
            // A drop may free other tasks of the list, so each is kept until it has had its turn.
            for task in &left {
                task.header().words.owner_ref();
            }
            for task in left {
                if task.header().words.owner_start_cancel() {
                    harness::cancel_pinned(task, local);
                }
                raw::unref_listed(task);
            }
        }
        remote.mailbox.close(|task| {
            let task = RawTask(task);
            if task.header().is_movable() {
                return harness::drain(task, local);
            }
            local.list_heap_task_once(task);
            if task.header().words.owner_start_cancel() {
                harness::cancel_pinned(task, local);
            }
            harness::drain(task, local);
        });
        local.run_queue(|run| run.clear());
        local.publish_load();
        // From here on this thread is an alien like all others.
        drop(inside);
        // An output that nobody wants is dropped here, which is foreign code. It does not come back to the arena: see the line before.
        local.arena(|arena| arena.abandon(|slot| raw::orphan(RawTask(slot.cast()), local.mesh())));
        for task in local.take_heap() {
            raw::orphan(task, local.mesh());
        }
        local.mesh().shard_closed(remote, local.driver.take());
        std::mem::forget(unfinished);
    }
}

/// Refuses movable tasks from now on, and gives those of the shard that have not completed. By who is the shard.
pub(super) fn gather(local: &Local) -> Vec<RawTask> {
    let mut all = local.remote().close_list();
    all.append(&mut local.movable_tasks());
    all
}

/// Cancels what was gathered, unless somebody has it in a queue or runs it: then it is marked.
pub(super) fn cancel(tasks: Vec<RawTask>) {
    for task in tasks {
        if task.header().state().start_shutdown() {
            harness::cancel_movable(task);
        }
        raw::unref_listed(task);
    }
}
