//! Signals: being told of them instead of being ended by them.
//!
//! - [`ctrl_c`] waits for `SIGINT`.
//! - [`unix::signal`] makes a stream of any other.
//!
//! # Examples
//!
//! ```no_run
//! use corelane::signal::{ctrl_c, unix::{SignalKind, signal}};
//!
//! # async fn serve() {}
//! # async fn example() -> std::io::Result<()> {
//! let mut terminate = signal(SignalKind::terminate())?;
//! corelane::select! {
//!     _ = serve() => {}
//!     _ = ctrl_c() => println!("interrupted"),
//!     _ = terminate.recv() => println!("asked to end"),
//! }
//! # Ok(())
//! # }
//! ```

pub(crate) mod bell;
#[cfg(all(test, loom))]
mod loom_tests;
pub mod unix;

use std::io;

use crate::error;

/// Waits until the process is told to interrupt what it does: ctrl-c in a terminal, or `SIGINT`.
///
/// Listens from when it is first polled, as a [`Signal`](unix::Signal) does from when it is made. From the first call on
/// the process is no longer ended by `SIGINT`, also when nobody waits any more.
///
/// # Cancel safety
///
/// A signal that this was not ready with when it was dropped is there for the next one, unless others have been told of it.
///
/// # Panics
///
/// Outside of a runtime, or of one whose I/O is enabled.
///
/// # Errors
///
/// When the system refuses the handler or a descriptor, and when the runtime is shut down meanwhile.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// corelane::signal::ctrl_c().await?;
/// println!("stopping");
/// # Ok(())
/// # }
/// ```
pub async fn ctrl_c() -> io::Result<()> {
    let told = unix::signal(unix::SignalKind::interrupt())?.recv().await;
    told.ok_or_else(|| io::Error::other(error::SHUTTING_DOWN))
}
