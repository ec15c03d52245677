//! The peers, each written the way its users write: its own way to spawn, its own timers, its own pool.
//!
//! Only [`nio`] and [`smol`] have a scheduler of many threads besides.

pub mod compio;
pub mod glommio;
pub mod monoio;
pub mod nio;
pub mod smol;
