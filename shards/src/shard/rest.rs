//! Lying down and getting up: what an owner and a [caretaker](super::care) do alike around a wait in the kernel.
//!
//! The protocols are those of [`crate::park`] (sleep word), `mesh::idle` (idle bit) and [`crate::timer::lane`] (next deadline).
//! Threads: the one that is the shard towards the others.

use std::cell::Cell;
use std::time::Duration;

use crate::mesh::{Remote, WATCH};
use crate::timer::NEVER;

/// Announces sleep and looks again. `None` if there is something to do, else the time until which to wait. [`get_up`] follows in
/// either case.
pub(super) fn lie_down(remote: &Remote, look_again: impl FnOnce() -> bool) -> Option<u64> {
    let mesh = remote.mesh();
    let steals = mesh.steals();
    if steals {
        mesh.idle.set(remote.id());
    }
    remote.sleeper.word.announce();
    let deadline_ns = remote.lane().settle();
    let up = look_again()
        || (steals && (!mesh.idle.is_set(remote.id()) || has_movable(remote) || mesh.has_movable(remote)));
    (!up).then_some(deadline_ns)
}

/// Waits in the kernel.
pub(super) fn sleep(remote: &Remote, deadline_ns: u64, wait: impl FnOnce(Option<Duration>)) {
    let mesh = remote.mesh();
    let mut timeout = (deadline_ns != NEVER)
        .then(|| Duration::from_nanos(deadline_ns.saturating_sub(mesh.clock().now_ns())));
    let watches = mesh.steals() && mesh.start_watching();
    if watches {
        timeout = Some(timeout.map_or(WATCH, |timeout| timeout.min(WATCH)));
    }
    remote.counters().parks.add(1);
    wait(timeout);
    if watches {
        mesh.stop_watching();
    }
}

/// After the wait.
pub(super) fn get_up(remote: &Remote, searching: &Cell<bool>) {
    let mesh = remote.mesh();
    remote.sleeper.word.awake();
    // A bit that somebody else cleared means that this shard was counted as searching.
    if mesh.steals() && !mesh.idle.unset(remote.id()) && searching.replace(true) {
        mesh.idle.stop_searching();
    }
}

/// Movable tasks that the shard itself would take next.
pub(super) fn has_movable(remote: &Remote) -> bool {
    !remote.ring.is_empty() || !remote.mesh().overflow.is_empty()
}

/// The shard has work, or does not look for any: it is searching no more. Whoever was the last to search has another look on
/// if there may be more.
pub(super) fn found(remote: &Remote, searching: &Cell<bool>) {
    let mesh = remote.mesh();
    if searching.take() && mesh.idle.stop_searching() {
        mesh.notify(Some(remote));
    }
}
