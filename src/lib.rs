//! A thread-per-core async runtime with the API of Tokio.

pub mod config;
mod error;
pub mod io;
mod macros;
pub mod runtime;
pub mod task;
pub mod time;
pub mod topology;

pub use corelane_macros::{main, test};
pub use task::spawn;

#[doc(hidden)]
pub use macros::support as macros_support;
