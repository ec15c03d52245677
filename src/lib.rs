//! A thread-per-core async runtime with the API of Tokio.

pub mod config;
pub mod io;
mod macros;
pub mod topology;

pub use corelane_macros::{main, test};

#[doc(hidden)]
pub use macros::support as macros_support;
mod runtime;
