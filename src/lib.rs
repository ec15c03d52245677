#![doc = include_str!("../README.md")]
#![allow(rustdoc::private_intra_doc_links, reason = "module heads are written for readers of the code too")]

#[cfg(any(feature = "futures-io", feature = "hyper", feature = "tokio-io"))]
pub mod adapt;
pub mod config;
mod error;
pub mod fs;
pub mod io;
pub mod local;
mod macros;
pub mod net;
pub mod process;
pub mod runtime;
pub mod shard;
pub mod signal;
pub mod sync;
pub mod task;
pub mod time;
pub mod topology;

pub use corelane_macros::{main, test};
pub use task::spawn;

#[doc(hidden)]
pub use macros::support as macros_support;
