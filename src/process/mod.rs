//! Child processes.
//!
//! - [`Command`] says what to run, and starts it.
//! - [`Child`] is a process that was started: it can be waited for, and killed.
//! - [`ChildStdin`], [`ChildStdout`] and [`ChildStderr`] are the ends of its pipes that are here.
//!
//! Starting a process is the standard library's, and takes this thread for as long as it does there. Pipes are watched by the
//! reactor, like sockets. Neither takes a thread while the process runs.
//!
//! # On shards
//!
//! A process that a shard starts is not bound to the shard's CPU: it may use those of the blocking pool (`[blocking] cpus`).
//!
//! # Processes that nobody waits for
//!
//! A process keeps running when its [`Child`] is dropped, unless [`Command::kill_on_drop`] says otherwise. Either way it is
//! reaped when it ends: no zombie is left, also not when the runtime is gone.
//!
//! # Examples
//!
//! ```no_run
//! use corelane::process::Command;
//!
//! # async fn example() -> std::io::Result<()> {
//! let mut child = Command::new("make").arg("all").spawn()?;
//! let status = child.wait().await?;
//! println!("make: {status}");
//!
//! let output = Command::new("git").args(["rev-parse", "HEAD"]).output().await?;
//! println!("at {}", String::from_utf8_lossy(&output.stdout));
//! # Ok(())
//! # }
//! ```

mod child;
mod command;
mod exit;
mod orphans;
mod stdio;
#[cfg(all(test, not(loom)))]
mod tests;

pub use child::Child;
pub use command::Command;
pub use stdio::{ChildStderr, ChildStdin, ChildStdout};
