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
mod handle;
mod inner;
mod local_runtime;
mod metrics;
#[expect(clippy::module_inception, reason = "the type that gives the module its name")]
mod runtime;
mod worker;

pub use builder::Builder;
pub use context::EnterGuard;
pub use handle::{Handle, RuntimeFlavor, TryCurrentError};
pub use local_runtime::{LocalOptions, LocalRuntime};
pub use metrics::RuntimeMetrics;
pub use runtime::Runtime;

pub(crate) use block_in_place::block_in_place;
pub(crate) use block_on::block_thread_on;
