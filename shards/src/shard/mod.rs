//! A shard: its own scheduler and reactor, as a value. [`Shard::turn`] is its verb.
//!
//! The engine owns no thread: a worker thread, a `block_on`, a simulation drive a shard by calling `turn`, and `park`
//! when a turn says that nothing is left to do. While a thread is inside one of these it is the shard's owner, and what tasks
//! do there reaches the owner half directly; see [`crate::context`].
//!
//! - [`local`]: the owner half, reached from inside polls.
//! - `turn`: one turn, in order.
//! - [`schedule`]: a wake, a spawn or an abort finds its way to the owner or into the mailbox.
//! - `shutdown`: closing order, and why no task is left behind.

mod local;
mod placement;
pub(crate) mod schedule;
mod shutdown;
mod spawn;
mod turn;

pub use local::{Local, current};
pub use schedule::hand_over;
pub use spawn::{spawn, spawn_at, spawn_local};
pub use turn::{Driver, Shard, Turn};
