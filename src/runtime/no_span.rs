//! What stands in for `span.rs` where tasks have none.

use corelane_shards::task::Id;

use super::hooks::Origin;

/// See `span`.
pub(super) const ON: bool = false;

/// See `span`.
pub(crate) fn of_task<F>(future: F, _kind: &'static str, _id: Id, _origin: &Origin<'_>) -> F {
    future
}

/// See `span`.
pub(super) fn of_root<F>(future: F, _origin: &Origin<'_>) -> F {
    future
}

/// See `span`.
pub(super) fn of_closure<F>(f: F, _id: Id, _origin: &Origin<'_>) -> F {
    f
}
