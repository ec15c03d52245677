//! Small parts without knowledge of the runtime.

pub(crate) mod abort;
mod cache;
pub mod lock;
mod rng;
pub mod swallow;
pub mod wake_list;

pub(crate) use cache::CachePadded;
pub use rng::Rng;
