//! Lying down and getting up: what an owner and a [caretaker](super::care) do alike around a wait in the kernel.
//!
//! The protocols are those of [`crate::park`] (sleep word), `mesh::idle` (idle bit) and [`crate::timer::lane`] (next deadline).
//! Threads: the one that is the shard towards the others.

use std::cell::Cell;
use std::time::Duration;

use crate::mesh::{Remote, WATCH};
use crate::timer::NEVER;

/// What the one who rests has to know of itself.
#[derive(Default)]
pub(super) struct Rest {
    /// It is counted in `Mesh::searching`.
    pub searching: Cell<bool>,
    /// It last slept as the one that watches the others, and has found nothing since: it counts as asleep all along.
    watched: Cell<bool>,
    /// Since when its time counts as busy, if it does.
    busy_from_ns: Cell<Option<u64>>,
}

impl Rest {
    /// Announces sleep and looks again. `None` if there is something to do, else the time until which to wait.
    /// [`get_up`](Self::get_up) follows in either case.
    pub fn lie_down(&self, remote: &Remote, look_again: impl FnOnce() -> bool) -> Option<u64> {
        let mesh = remote.mesh();
        let steals = mesh.steals();
        if steals {
            mesh.idle.set(remote.id());
        }
        remote.sleeper.word.announce();
        let deadline_ns = remote.lane().settle();
        let up = look_again()
            || (steals
                && (!mesh.idle.is_set(remote.id()) || has_movable(remote) || mesh.has_movable(remote)));
        (!up).then_some(deadline_ns)
    }

    /// Waits in the kernel. `wait` gives the number of events.
    pub fn sleep(&self, remote: &Remote, deadline_ns: u64, wait: impl FnOnce(Option<Duration>) -> usize) {
        let (mesh, counters) = (remote.mesh(), remote.counters());
        let now_ns = mesh.clock().now_ns();
        let until_deadline = Duration::from_nanos(deadline_ns.saturating_sub(now_ns));
        let watches = mesh.steals() && mesh.start_watching(remote);
        let cut_short = watches && until_deadline > WATCH;
        let timeout = match deadline_ns {
            _ if cut_short => Some(WATCH),
            NEVER => None,
            _ => Some(until_deadline),
        };
        if !self.watched.take() {
            counters.parks.add(1);
        }
        let busy = self.pause(remote, now_ns);
        let events = wait(timeout);
        if busy {
            self.resume(remote);
        }
        if watches {
            mesh.stop_watching(remote);
        }
        self.watched.set(true);
        if !cut_short || events > 0 {
            self.woke(remote);
        }
    }

    /// After the wait.
    pub fn get_up(&self, remote: &Remote) {
        let mesh = remote.mesh();
        remote.sleeper.word.awake();
        // A bit that somebody else cleared means that this shard was counted as searching.
        if mesh.steals() && !mesh.idle.unset(remote.id()) && self.searching.replace(true) {
            mesh.idle.stop_searching();
        }
    }

    /// It has something to do, or rests no more.
    #[inline]
    pub fn woke(&self, remote: &Remote) {
        if self.watched.take() {
            remote.counters().unparks.add(1);
        }
    }

    /// It has work, or does not look for any: it is searching no more. The last to search has another look on if there may be
    /// more.
    pub fn found(&self, remote: &Remote) {
        let mesh = remote.mesh();
        if self.searching.take() && mesh.idle.stop_searching() {
            mesh.notify(Some(remote));
        }
    }

    /// Its time counts as busy from now on.
    pub fn resume(&self, remote: &Remote) {
        self.busy_from_ns.set(Some(remote.mesh().clock().now_ns()));
    }

    /// Its time does not count as busy from `now_ns` on. False if it did not before.
    pub fn pause(&self, remote: &Remote, now_ns: u64) -> bool {
        let from_ns = self.busy_from_ns.take();
        if let Some(from_ns) = from_ns {
            remote.counters().busy_ns.add(now_ns.saturating_sub(from_ns));
        }
        from_ns.is_some()
    }
}

/// Movable tasks that the shard itself would take next.
pub(super) fn has_movable(remote: &Remote) -> bool {
    !remote.ring.is_empty() || !remote.mesh().overflow.is_empty()
}
