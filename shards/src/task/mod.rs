//! Tasks: who may touch what.
//!
//! A task is one allocation, a [`Header`](header::Header) followed by the future or its output. Two kinds share
//! the header, the vtable and the one [`JoinHandle`]:
//!
//! - A **pinned** task lives and dies on one shard, its *owner*. Everything the owner's thread does to it (spawn,
//!   poll, wake, clone and drop of a waker, join) is plain memory traffic without a lock-prefixed instruction.
//!   The protocol is in [`pinned`](mod@pinned).
//! - A **movable** task may be polled by any shard, one at a time. Its whole state is one atomic word; the
//!   protocol is in [`movable`](mod@movable).
//!
//! | memory | pinned | movable |
//! |---|---|---|
//! | future | owner only | whoever moved the state to RUNNING |
//! | output | written by the owner before COMPLETE, then the JoinHandle's | written by the poller before COMPLETE, then the JoinHandle's |
//! | `owner` word | stored by the owner, read by all | the state word, read-modify-write by all |
//! | `remote` word | read-modify-write by all | what becomes of the memory, see [`homing`](mod@homing) |
//! | `link` | whoever set MAILED, then the mailbox | whoever gave up the last reference, then the mailbox |
//! | `join_local` | owner only | the JoinHandle's until it sets JOIN_WAKER, then the completer's |
//! | `join_remote` | swapped by all | unused |
//!
//! Whose a task is says the memory that it is in: of an arena, the chunk's head ([`arena::owner`]), a mask away from the task; of the heap,
//! a word in front of the header. Neither changes while the task is there.
//!
//! "The owner's thread" means: this thread is inside that very shard now, by the address of the shard's remote
//! half and never by its index. A shard that nobody drives has no owner; everything then takes the remote path.
//!
//! Kinds of reference: the task's own (until it completes), the JoinHandle's, one for each waker and AbortHandle,
//! and for movable tasks one for a queue entry. A pinned task's queue entry needs none: only a task that has not
//! completed is queued, and such a task still holds its own.

mod abort;
pub(crate) mod arena;
mod cell;
mod error;
pub(crate) mod harness;
pub(crate) mod header;
pub(crate) mod homing;
mod id;
mod join;
pub(crate) mod movable;
pub(crate) mod pinned;
pub(crate) mod raw;
mod slot;
pub(crate) mod waker;

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod stress;
#[cfg(all(test, not(loom)))]
pub(crate) mod tests;
#[cfg(all(test, not(loom)))]
mod word_tests;

pub use abort::AbortHandle;
pub use error::JoinError;
pub use id::{Id, next_id, number};
pub use join::{JoinHandle, wake_at_end};
pub use raw::{BlockingTask, blocking, cancelled};
pub(crate) use raw::{RawTask, fits_arena, movable_here, movable_on_heap, pinned_here, pinned_there, refuse};
pub use waker::{clone_waker, wake};

use crate::util::abort::die;

/// The count of a task's references is about to overflow into a use after free.
#[cold]
fn too_many_references() -> ! {
    die("a task has millions of wakers and handles: they are made and never dropped");
}
