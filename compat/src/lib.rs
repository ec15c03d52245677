//! [Corelane](corelane) under the name of Tokio.
//!
//! ```toml
//! [patch.crates-io]
//! tokio = { git = "https://github.com/corelane/corelane" }
//! ```
//!
//! moves a program and all that it depends on. Nothing else has to change: the items, their paths and the features have Tokio's
//! names.
//!
//! Runtimes are work-stealing unless the program says otherwise, as Tokio's are. With `CORELANE_FLAVOR=sharded` in the
//! environment those that would steal are sharded instead, so that one binary can be measured both ways. `CORELANE_CONFIG`
//! names a [config file](corelane::config) for either.
//!
//! What Tokio has behind `--cfg tokio_unstable` is here without it, but for io_uring and task dumps. With it and the feature `tracing` tasks are
//! spans, which Tokio's console shows: spawned ones, closures on blocking threads and the futures of `block_on`. Its list of resources
//! stays empty: timers, locks and channels are no spans.

pub use corelane::*;
/// For code written against what Tokio's macros name.
#[doc(hidden)]
pub mod macros {
    /// See above.
    pub mod support {
        pub use corelane::macros_support::*;
        pub use std::future::poll_fn;

        /// With the type that it has there.
        pub fn thread_rng_n(n: u32) -> u32 {
            corelane::macros_support::thread_rng_n(n as usize) as u32
        }
    }
}

pub use corelane_macros::{tokio_main as main, tokio_test as test};
