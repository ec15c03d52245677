//! Tasks: spawning, joining, aborting, yielding.

mod blocking;
mod spawn;
mod yield_now;

pub use blocking::{block_in_place, spawn_blocking};
pub use corelane_shards::task::{AbortHandle, Id, JoinError, JoinHandle};
pub use spawn::{id, spawn, spawn_local, try_id};
pub use yield_now::yield_now;
