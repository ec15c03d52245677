//! Sleeping, deadlines and ticks.
//!
//! - [`Sleep`] is done at an instant: [`sleep`], [`sleep_until`].
//! - [`Timeout`] bounds how long another future may take: [`timeout`], [`timeout_at`].
//! - [`Interval`] ticks at a fixed period: [`interval`], [`interval_at`].
//! - [`Instant`] is a moment of the runtime's clock, which tests may [`pause`], [`advance`] and [`resume`].
//!
//! Timers have a resolution of one millisecond unless the runtime is configured otherwise. Nothing is done early.
//! All of these are made inside a runtime with timers enabled, and panic elsewhere.
//!
//! # Examples
//!
//! ```
//! # corelane::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
//! use corelane::time::{Duration, sleep, timeout};
//!
//! sleep(Duration::from_millis(100)).await;
//!
//! match timeout(Duration::from_secs(1), std::future::pending::<()>()).await {
//!     Ok(()) => println!("done in time"),
//!     Err(elapsed) => assert_eq!(elapsed.to_string(), "deadline has elapsed"),
//! }
//! # })
//! ```

// Not here: the wheel and the clock, which are the engine's (`corelane_shards::timer`), and moving a paused clock on
// while a runtime is idle, which is the runtime's. In reading order:
mod clock;
pub mod error;
mod instant;
mod interval;
mod sleep;
mod timeout;

mod driver;
#[cfg(test)]
mod tests;

pub use std::time::Duration;

pub(crate) use clock::pause_clock;
pub use clock::{advance, pause, resume};
pub(crate) use driver::NEEDS_CURRENT_THREAD;
pub use instant::Instant;
pub use interval::{Interval, MissedTickBehavior, interval, interval_at};
pub use sleep::{Sleep, sleep, sleep_until};
pub use timeout::{Timeout, timeout, timeout_at};
