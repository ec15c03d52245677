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
            // It looks at other things first; a task that was left to the watcher is for the next one.
            let is_called = !cut_short || events > 0 || remote.mailbox.has_mail();
            if is_called && mesh.has_movable(remote) {
                mesh.notify(Some(remote));
            }
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

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::{Config, Reach};
    use crate::mesh::{Mesh, ShardId};
    use crate::shard::{self, Shard, Turn};
    use crate::task::tests::NoEvents;
    use crate::timer::Clock;

    /// The second of three shards sleeps as the watcher, the third for long. Meanwhile the first spawns a task that stays alone;
    /// then the wait ends with so many events. Says whether the third was called.
    fn calls_another(events: usize) -> bool {
        let mesh = Mesh::new(Config { steal: Reach::All, ..Config::new(3) }, Clock::new());
        let mut shards = [0, 1, 2].map(|id| Shard::new(Arc::clone(&mesh), ShardId(id), Box::new(NoEvents)));
        shards[1].resume();
        assert!(shards[1].lie_down(|| false).is_some());
        assert!(shards[2].lie_down(|| false).is_some());
        let local = &shards[1].local;
        local.rest.sleep(local.remote(), NEVER, |timeout| {
            assert_eq!(timeout, Some(WATCH));
            shards[0].enter(|_| drop(shard::spawn(&mesh, async {})));
            assert!(mesh.idle.is_set(ShardId(2)), "a task that is alone calls nobody");
            events
        });
        let called = !mesh.idle.is_set(ShardId(2));
        shards[1].get_up();
        shards[2].get_up();
        while shards[0].turn() == Turn::Again {}
        called
    }

    #[test]
    fn a_watcher_with_other_things_to_do_hands_over_what_was_left_to_it() {
        assert!(calls_another(1));
        assert!(!calls_another(0), "it looks itself");
    }
}
