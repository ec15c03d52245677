//! Runtimes: threads that drive shards, a pool for what blocks, and the ways in.
//!
//! - [`Builder`] makes a runtime from code or from a [config file](crate::config).
//! - [`Runtime`] owns the threads. Dropping it ends them.
//! - [`Handle`] spawns into a runtime from anywhere, and does not keep it alive.
//! - [`LocalRuntime`] is one shard on the calling thread, with tasks that need not be `Send`.
//!
//! | flavor | shards | threads | tasks |
//! |---|---|---|---|
//! | `new_sharded` | one a core | one a shard, pinned | stay where they were put; `spawn_local` everywhere |
//! | `new_multi_thread` | one a worker | one a shard, not pinned | move to idle workers |
//! | `new_current_thread` | one | whoever calls `block_on` | stay |

mod block_in_place;
mod block_on;
mod blocking;
mod builder;
pub(crate) mod context;
mod drivers;
mod handle;
mod histogram;
pub(crate) mod hooks;
mod inner;
pub(crate) mod large;
mod latency;
mod local_runtime;
mod metrics;
#[expect(clippy::module_inception, reason = "the type that gives the module its name")]
mod runtime;
mod seat;
mod seed;
#[cfg(all(tokio_unstable, feature = "tracing"))]
pub(crate) mod span;
#[cfg(not(all(tokio_unstable, feature = "tracing")))]
#[path = "no_span.rs"]
pub(crate) mod span;
pub(crate) mod stall;
mod watch;
mod worker;

pub use builder::Builder;
pub use context::EnterGuard;
pub use handle::{Handle, Id, RuntimeFlavor, TryCurrentError};
pub use histogram::{
    HistogramConfiguration, HistogramScale, InvalidHistogramConfiguration, LogHistogram, LogHistogramBuilder,
};
pub use hooks::{TaskMeta, UnhandledPanic};
pub use local_runtime::{LocalOptions, LocalRuntime};
pub use metrics::RuntimeMetrics;
pub use runtime::Runtime;
pub use seed::RngSeed;
pub use stall::Stall;
pub use watch::{PlacementCause, PlacementChange};

pub(crate) use block_in_place::block_in_place;
pub(crate) use block_on::block_thread_on;
pub(crate) use inner::Inner;
pub(crate) use watch::{Steered, beside_the_shards};

use corelane_shards::shard;

/// The index of the worker that this thread is now: of the shard that it drives, or takes care of while that shard's own
/// thread is in [`block_in_place`](crate::task::block_in_place). `None` elsewhere, also in the `block_on` of a runtime whose
/// shards have threads. It counts as the metrics do, and is a shard's [`id`](crate::shard::id).
pub fn worker_index() -> Option<usize> {
    // Of a local set the host: a set has no index.
    let inside = shard::home(|local| local.map(|local| local.remote().id()));
    inside.or_else(shard::cared_for).map(|id| id.index())
}

/// Whether an error says that its runtime has ended.
pub fn is_rt_shutdown_err(err: &std::io::Error) -> bool {
    let text =
        |inner: &(dyn std::error::Error + Send + Sync)| inner.to_string() == crate::error::SHUTTING_DOWN;
    err.kind() == std::io::ErrorKind::Other && err.get_ref().is_some_and(text)
}
