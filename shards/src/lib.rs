//! The engine of the Corelane runtime. It starts no thread, reads no environment and prints nothing.
//!
//! A [`Shard`](shard::Shard) is a value that owns a run queue, the owner end of a mailbox, a reactor and its live tasks;
//! [`turn`](shard::Shard::turn) does one round. A [`Mesh`](mesh::Mesh) holds what other threads may touch of each shard. Whoever
//! embeds the engine drives the shards: the runtime's worker threads, `block_on`, a seeded simulation.
//!
//! The modules in reading order follow the life of a task:

#![allow(rustdoc::private_intra_doc_links, reason = "module heads are written for readers of the code too")]

#[cfg(not(target_os = "linux"))]
compile_error!("Corelane runs on Linux only: it needs epoll, eventfd and timerfd");

pub mod config;
pub mod context;
pub mod coop;
pub mod loom;
pub mod mesh;
pub mod metrics;
pub mod park;
mod queue;
pub mod reactor;
pub mod shard;
pub mod sim;
pub mod task;
pub mod timer;
pub mod util;
