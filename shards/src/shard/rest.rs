//! Lying down and getting up: what an owner and a [caretaker](super::care) do alike around a wait in the kernel.
//!
//! The protocols are those of [`crate::park`] (sleep word), `mesh::idle` (idle bit) and `timer::lane` (next deadline).
//! Threads: the one that is the shard towards the others.

use std::cell::Cell;
use std::mem;
use std::time::Duration;

use crate::loom::atomic::Ordering::SeqCst;
use crate::loom::atomic::fence;
use crate::mesh::{Remote, WATCH};
use crate::timer::NEVER;

/// What another shard takes to wake up and to find a task, about; see [`Window`](crate::park::Window).
const WAKE_NS: u64 = 50_000;

/// What the one who rests has to know of itself.
#[derive(Default)]
pub(super) struct Rest {
    /// It is counted in `Mesh::searching`.
    pub searching: Cell<bool>,
    /// It last slept as the one that watches the others, and has found nothing since: it counts as asleep all along.
    watched: Cell<bool>,
    /// Since when its time counts as busy, if it does.
    busy_from_ns: Cell<Option<u64>>,
    /// Tasks that it had run then.
    polls_then: Cell<u64>,
    /// Tasks that it had run when it last went to wait.
    polls_parked: Cell<u64>,
    /// What a poll took lately, with all that the shard does besides; 0 if not known yet.
    poll_ns: Cell<u64>,
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
        let dies = Dies { rest: self, remote, watches: false };
        let up = look_again()
            || (steals
                && (!mesh.idle.is_set(remote.id()) || has_movable(remote) || mesh.has_movable(remote)));
        mem::forget(dies);
        (!up).then_some(deadline_ns)
    }

    /// Waits in the kernel. `wait` gives the number of events.
    pub fn sleep(&self, remote: &Remote, deadline_ns: u64, wait: impl FnOnce(Option<Duration>) -> usize) {
        let (mesh, counters) = (remote.mesh(), remote.counters());
        let now_ns = mesh.clock().now_ns();
        let deadline_ns =
            if mesh.steals() { deadline_ns.min(remote.deadline_left_ns(now_ns)) } else { deadline_ns };
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
            let polls = counters.polls.get();
            if self.polls_parked.replace(polls) == polls {
                counters.idle_parks.add(1);
            }
        }
        let busy = self.pause(remote, now_ns);
        let dies = Dies { rest: self, remote, watches };
        let events = wait(timeout);
        mem::forget(dies);
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

    /// It has work, or does not look for any: it is searching no more. The last to search has another look on if there is more.
    pub fn found(&self, remote: &Remote) {
        if self.searching.take() && remote.mesh().idle.stop_searching() {
            call_for_movable(remote);
        }
    }

    /// It does something else for a while, and neither searches nor sleeps: what it was to find, and what it was to run, is for
    /// another one.
    pub fn leave(&self, remote: &Remote) {
        if remote.mesh().steals() {
            self.searched_in_vain(remote);
            call_for_movable(remote);
        }
    }

    /// It has searched and found nothing. It looks again before it sleeps, so a task that was left to it is not lost.
    pub fn searched_in_vain(&self, remote: &Remote) {
        if self.searching.take() {
            remote.mesh().idle.stop_searching();
        }
    }

    /// How many queued movable tasks are not worth another shard's wake: one, or as many as this shard runs in the time that
    /// a wake takes.
    #[inline]
    pub fn few(&self) -> u64 {
        match self.poll_ns.get() {
            0 => 1,
            poll_ns => (WAKE_NS / poll_ns).max(1),
        }
    }

    /// Its time counts as busy from now on.
    pub fn resume(&self, remote: &Remote) {
        self.resume_at(remote, remote.mesh().clock().now_ns());
    }

    fn resume_at(&self, remote: &Remote, now_ns: u64) {
        self.busy_from_ns.set(Some(now_ns));
        self.polls_then.set(remote.counters().polls.get());
    }

    /// Whether its time counts as busy.
    #[inline]
    pub fn is_busy(&self) -> bool {
        self.busy_from_ns.get().is_some()
    }

    /// Its time does not count as busy from `now_ns` on. False if it did not before.
    pub fn pause(&self, remote: &Remote, now_ns: u64) -> bool {
        let from_ns = self.busy_from_ns.take();
        if let Some(from_ns) = from_ns {
            let busy_ns = now_ns.saturating_sub(from_ns);
            let counters = remote.counters();
            counters.busy_ns.add(busy_ns);
            let polls = counters.polls.get() - self.polls_then.get();
            // No time passes on a paused clock, and nothing is learned.
            if polls > 0 && busy_ns > 0 {
                // An average in which the latest counts a quarter; not zero.
                let (old, new) = (self.poll_ns.get(), busy_ns / polls);
                self.poll_ns.set((if old == 0 { new } else { old - old / 4 + new / 4 }).max(1));
                counters.poll_ns.set(self.poll_ns.get());
            }
        }
        from_ns.is_some()
    }

    /// It goes on being busy, if it was: what it did so far is accounted for.
    pub fn note(&self, remote: &Remote, now_ns: u64) {
        if self.pause(remote, now_ns) {
            self.resume_at(remote, now_ns);
        }
    }
}

/// A look or a wait that panics is the end of who lies down: nobody is to count on it.
struct Dies<'a> {
    rest: &'a Rest,
    remote: &'a Remote,
    watches: bool,
}

impl Drop for Dies<'_> {
    fn drop(&mut self) {
        if self.watches {
            self.remote.mesh().stop_watching(self.remote);
        }
        self.rest.get_up(self.remote);
    }
}

/// After the end of a search: calls another shard if there is a movable task.
fn call_for_movable(remote: &Remote) {
    let mesh = remote.mesh();
    // F2: pairs with N2.
    fence(SeqCst);
    if has_movable(remote) || mesh.has_movable(remote) {
        mesh.notify(Some(remote));
    }
}

/// Movable tasks that the shard itself would take next.
pub(super) fn has_movable(remote: &Remote) -> bool {
    !remote.ring.is_empty() || !remote.mesh().overflow.is_empty()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::future::{Future, poll_fn};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::pin::{Pin, pin};
    use std::sync::Arc;
    use std::task::{Context, Poll, Wake, Waker};

    use super::*;
    use crate::config::{Config, Reach};
    use crate::mesh::{Mesh, ShardId};
    use crate::park::{Spin, Unpark};
    use crate::shard::{self, Driver, Shard, Turn};
    use crate::task::tests::NoEvents;
    use crate::timer::{Clock, Entry, Status};

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

    /// The first of two shards searches while the other sleeps, and ends its search with so many tasks left by an alien that called nobody
    /// because of it. Says whether the other one is called then.
    fn last_searcher_calls_another(tasks: usize) -> bool {
        let mesh = Mesh::new(Config { steal: Reach::All, ..Config::new(2) }, Clock::new());
        let mut shards = [0, 1].map(|id| Shard::new(Arc::clone(&mesh), ShardId(id), Box::new(NoEvents)));
        assert!(shards[1].lie_down(|| false).is_some());
        let local = &shards[0].local;
        assert!(mesh.idle.start_searching());
        local.rest.searching.set(true);
        for _ in 0..tasks {
            drop(shard::spawn(&mesh, async {}));
        }
        assert!(mesh.idle.is_set(ShardId(1)), "a searcher is on the way");
        local.rest.found(local.remote());
        let called = !mesh.idle.is_set(ShardId(1));
        shards[1].get_up();
        while shards[0].turn() == Turn::Again {}
        called
    }

    #[test]
    fn the_last_searcher_calls_another_if_there_is_more() {
        assert!(!last_searcher_calls_another(0));
        assert!(last_searcher_calls_another(1));
    }

    /// A shard sleeps and is called for a task that any may take; a task of its own has come as well, which it runs first. For as long
    /// as that takes the other one must not be nobody's.
    #[test]
    fn who_was_called_and_has_its_own_to_run_first_calls_another() {
        let mesh = Mesh::new(Config { steal: Reach::All, ..Config::new(2) }, Clock::new());
        let mut shards = [0, 1].map(|id| Shard::new(Arc::clone(&mesh), ShardId(id), Box::new(NoEvents)));
        assert!(shards.iter_mut().all(|shard| shard.lie_down(|| false).is_some()));
        drop(shard::spawn(&mesh, async {}));
        assert!(!mesh.idle.is_set(ShardId(0)) && mesh.idle.is_set(ShardId(1)), "one is called");
        let other_was_called = shard::spawn_at(mesh.remote(ShardId(0)), {
            let mesh = Arc::clone(&mesh);
            move || async move { assert!(!mesh.idle.is_set(ShardId(1)), "it waits for this poll to end") }
        });
        shards[0].get_up();
        while shards[0].turn() == Turn::Again {}
        shards[1].get_up();
        let polled = std::pin::pin!(other_was_called).poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Ready(Ok(()))), "{polled:?}");
    }

    #[test]
    fn who_was_called_and_is_driven_no_more_calls_another() {
        let mesh = Mesh::new(Config { steal: Reach::All, ..Config::new(2) }, Clock::new());
        let mut shards = [0, 1].map(|id| Shard::new(Arc::clone(&mesh), ShardId(id), Box::new(NoEvents)));
        assert!(shards.iter_mut().all(|shard| shard.lie_down(|| false).is_some()));
        drop(shard::spawn(&mesh, async {}));
        assert!(!mesh.idle.is_set(ShardId(0)) && mesh.idle.is_set(ShardId(1)), "one is called");
        shards[0].get_up();
        shards[0].pause();
        assert!(!mesh.idle.is_set(ShardId(1)), "nobody comes for the task");
        shards[1].get_up();
        while shards[1].turn() == Turn::Again {}
        assert_eq!(mesh.alive_tasks(), 0);
    }

    /// An alien leaves a task to a shard that searches, after that has looked. It would look again before it sleeps, but has something
    /// else to do.
    #[test]
    fn who_searched_in_vain_and_does_not_sleep_calls_another() {
        let mesh = Mesh::new(Config { steal: Reach::All, ..Config::new(2) }, Clock::new());
        let mut shards = [0, 1].map(|id| Shard::new(Arc::clone(&mesh), ShardId(id), Box::new(NoEvents)));
        assert!(shards[1].lie_down(|| false).is_some());
        let local = &shards[0].local;
        assert!(mesh.idle.start_searching());
        local.rest.searching.set(true);
        drop(shard::spawn(&mesh, async {}));
        local.rest.searched_in_vain(local.remote());
        assert!(mesh.idle.is_set(ShardId(1)), "it was left to who searched");
        shards[0].leave_to_others();
        assert!(!mesh.idle.is_set(ShardId(1)), "nobody comes for the task");
        shards[1].get_up();
        while shards[1].turn() == Turn::Again {}
        assert_eq!(mesh.alive_tasks(), 0);
    }

    /// The kernel refuses to wait.
    struct Refuses;

    impl Driver for Refuses {
        fn wait(&mut self, _: Option<Duration>) -> usize {
            std::panic::resume_unwind(Box::new("refused"))
        }

        fn unparker(&self) -> Arc<dyn Unpark> {
            Arc::new(NoEvents)
        }
    }

    fn who_dies_is_not_called(driver: impl Driver + 'static, look_again: impl Fn() -> bool) {
        let mesh = Mesh::new(Config { steal: Reach::All, ..Config::new(2) }, Clock::new());
        let mut dies = Shard::new(Arc::clone(&mesh), ShardId(0), Box::new(driver));
        let mut lives = Shard::new(Arc::clone(&mesh), ShardId(1), Box::new(NoEvents));
        mesh.set_spin(Spin::Fixed(Duration::ZERO));
        assert!(catch_unwind(AssertUnwindSafe(|| dies.park(look_again))).is_err());
        drop(dies);
        assert!(lives.lie_down(|| false).is_some());
        drop(shard::spawn(&mesh, async {}));
        assert!(!mesh.idle.is_set(ShardId(1)), "nobody comes for the task");
        lives.get_up();
        while lives.turn() == Turn::Again {}
    }

    #[test]
    fn a_shard_that_dies_in_its_sleep_is_not_called() {
        who_dies_is_not_called(Refuses, || false);
    }

    #[test]
    fn a_shard_that_dies_as_it_lies_down_is_not_called() {
        who_dies_is_not_called(NoEvents, || std::panic::resume_unwind(Box::new("a bad question")));
    }

    #[test]
    fn a_clock_that_another_thread_pauses_keeps_nobody_looking_and_may_go_back() {
        let mesh =
            Mesh::new(Config { spin: Spin::Fixed(Duration::from_secs(1)), ..Config::new(1) }, Clock::new());
        let mut shard = Shard::new(Arc::clone(&mesh), ShardId(0), Box::new(NoEvents));
        let looks = Cell::new(0);
        shard.park(|| {
            mesh.clock().pause_at(0);
            looks.set(looks.get() + 1);
            assert!(looks.get() < 1_000_000, "it looks for ever");
            false
        });
        assert!(looks.get() > 0);
    }

    #[test]
    fn a_clock_that_goes_back_ends_a_turn() {
        let mesh = Mesh::new(Config::new(1), Clock::new());
        let mut shard = Shard::new(Arc::clone(&mesh), ShardId(0), Box::new(NoEvents));
        shard.enter(|local| {
            for n in 0..100 {
                let mesh = Arc::clone(&mesh);
                // Between two looks at the clock.
                drop(shard::spawn_local(local, async move {
                    if n == 50 {
                        mesh.clock().pause_at(0)
                    }
                }));
            }
        });
        let now_ns = mesh.clock().now_ns() + 1_000_000_000;
        mesh.clock().pause_at(now_ns);
        while shard.turn() == Turn::Again {}
        assert_eq!(mesh.alive_tasks(), 0);
    }

    #[test]
    fn turns_go_on_at_the_end_of_time() {
        let clock = Clock::new();
        assert!(clock.pause() && clock.advance(Duration::MAX));
        let mut shard = Shard::new(Mesh::new(Config::new(1), clock), ShardId(0), Box::new(NoEvents));
        // So often that the reactor is due by then.
        (0..100).for_each(|_| assert_eq!(shard.turn(), Turn::Idle));
    }

    #[test]
    fn the_longest_look_there_is_does_not_overflow() {
        let mesh = Mesh::new(Config { spin: Spin::Fixed(Duration::MAX), ..Config::new(1) }, Clock::new());
        Shard::new(mesh, ShardId(0), Box::new(NoEvents)).park(|| true);
    }

    /// Sleeps in a given shard's lane until a time.
    async fn sleep_there(mesh: Arc<Mesh>, id: u32, deadline_ns: u64) {
        let mut entry = pin!(Entry::new());
        poll_fn(|cx| match entry.status() {
            Status::Fired => Poll::Ready(()),
            _ => {
                let _ = entry.as_mut().arm(mesh.remote(ShardId(id)).lane(), deadline_ns, cx.waker().clone());
                Poll::Pending
            }
        })
        .await;
    }

    /// Three shards with a clock that stands past the deadlines of so many movable tasks, which wait in the lane of each of the
    /// last two. The last has a task in its ring. The first will look for something to do.
    fn late_lanes(sleepers: usize) -> (Arc<Mesh>, [Shard; 3]) {
        let clock = Clock::new();
        assert!(clock.pause());
        let mesh = Mesh::new(Config { steal: Reach::All, ..Config::new(3) }, clock);
        let mut shards = [0, 1, 2].map(|id| Shard::new(Arc::clone(&mesh), ShardId(id), Box::new(NoEvents)));
        let deadline_ns = mesh.clock().now_ns() + 1_000_000;
        shards[0].enter(|_| {
            for id in [1, 2] {
                (0..sleepers)
                    .for_each(|_| drop(shard::spawn(&mesh, sleep_there(Arc::clone(&mesh), id, deadline_ns))));
            }
        });
        while shards[0].turn() == Turn::Again {}
        assert_eq!(mesh.remote(ShardId(2)).lane().counts().armed, sleepers as u64);
        shards[2].enter(|_| drop(shard::spawn(&mesh, async {})));
        assert!(mesh.clock().advance(Duration::from_secs(1)));
        (mesh, shards)
    }

    /// Two shards, the first of which somebody drives for a while, who leaves a timer of that long in its lane, if any. The clock
    /// stands.
    fn with_one_left(timer: Option<Duration>, entry: Pin<&mut Entry>) -> (Arc<Mesh>, [Shard; 2]) {
        with_one_left_of(Config::new(2), timer, entry)
    }

    fn with_one_left_of(
        config: Config,
        timer: Option<Duration>,
        entry: Pin<&mut Entry>,
    ) -> (Arc<Mesh>, [Shard; 2]) {
        let clock = Clock::new();
        assert!(clock.pause());
        let mesh = Mesh::new(Config { steal: Reach::All, ..config }, clock);
        let mut shards = [0, 1].map(|id| Shard::new(Arc::clone(&mesh), ShardId(id), Box::new(NoEvents)));
        shards[0].resume();
        if let Some(timer) = timer {
            let deadline_ns = mesh.clock().now_ns() + timer.as_nanos() as u64;
            let _ = entry.arm(mesh.remote(ShardId(0)).lane(), deadline_ns, Waker::noop().clone());
        }
        shards[0].pause();
        (mesh, shards)
    }

    /// For how long the second waits meanwhile.
    fn waits_beside_one_left(timer: Option<Duration>) -> Option<Duration> {
        let mut entry = pin!(Entry::new());
        let (_mesh, mut shards) = with_one_left(timer, entry.as_mut());
        assert!(shards[1].lie_down(|| false).is_some());
        let local = &shards[1].local;
        let waited = Cell::new(None);
        local.rest.sleep(local.remote(), NEVER, |timeout| {
            waited.set(timeout);
            0
        });
        shards[1].get_up();
        waited.get()
    }

    #[test]
    fn a_shard_that_nobody_drives_keeps_nobody_looking() {
        assert_eq!(waits_beside_one_left(None), None);
        let timer = Duration::from_secs(1);
        let waits = waits_beside_one_left(Some(timer)).expect("somebody sees to the timer");
        assert!((timer / 2..=timer + WATCH).contains(&waits), "{waits:?}");
    }

    /// However long a lane may keep its timers waiting: it wakes once, and then turns it.
    #[test]
    fn a_shard_gets_up_for_one_that_nobody_drives_when_its_lane_is_late() {
        for quantum_us in [0, 100, 50_000, u32::MAX] {
            let mut entry = pin!(Entry::new());
            let config = Config { quantum_us, ..Config::new(2) };
            let (mesh, mut shards) = with_one_left_of(config, Some(Duration::from_millis(1)), entry.as_mut());
            assert!(shards[1].lie_down(|| false).is_some());
            let local = &shards[1].local;
            local.rest.sleep(local.remote(), NEVER, |timeout| {
                let awake = timeout.expect("somebody sees to the timer") + Duration::from_nanos(1);
                assert!(mesh.clock().advance(awake));
                0
            });
            shards[1].get_up();
            let _ = shards[1].turn();
            assert!(entry.is_fired(), "quantum {quantum_us}");
        }
    }

    #[test]
    fn who_leaves_a_timer_behind_calls_another() {
        let mut entry = pin!(Entry::new());
        let (mesh, mut shards) = with_one_left(None, entry.as_mut());
        shards[0].resume();
        assert!(shards[1].lie_down(|| false).is_some());
        shards[0].pause();
        assert!(mesh.idle.is_set(ShardId(1)), "there is nothing to call it for");
        shards[0].resume();
        let left = mesh.remote(ShardId(0));
        let deadline_ns = mesh.clock().now_ns() + 1_000_000_000;
        let _ = entry.as_mut().arm(left.lane(), deadline_ns, Waker::noop().clone());
        shards[0].pause();
        assert!(!mesh.idle.is_set(ShardId(1)), "nobody sees to the timer");
        shards[1].get_up();
        assert_eq!(shards[1].turn(), Turn::Idle);
        assert!(mesh.clock().advance(Duration::from_secs(2)));
        while shards[1].turn() == Turn::Again {}
        assert!(entry.is_fired());
    }

    #[test]
    fn who_arms_a_timer_where_nobody_is_calls_another() {
        let mut entry = pin!(Entry::new());
        let (mesh, mut shards) = with_one_left(None, entry.as_mut());
        assert!(shards[1].lie_down(|| false).is_some());
        let left = mesh.remote(ShardId(0));
        let _ = entry.as_mut().arm(left.lane(), mesh.clock().now_ns() + 1_000_000_000, Waker::noop().clone());
        left.wake_for_timer();
        assert!(!mesh.idle.is_set(ShardId(1)), "nobody sees to the timer");
        shards[1].get_up();
    }

    /// Who searches may find something to run first, or be none that reaches the timer.
    #[test]
    fn who_leaves_a_timer_behind_calls_another_though_one_searches() {
        let mut entry = pin!(Entry::new());
        let (mesh, mut shards) = with_one_left(None, entry.as_mut());
        assert!(shards[1].lie_down(|| false).is_some());
        assert!(mesh.idle.start_searching());
        shards[0].resume();
        let deadline_ns = mesh.clock().now_ns() + 1_000_000_000;
        let _ = entry.as_mut().arm(mesh.remote(ShardId(0)).lane(), deadline_ns, Waker::noop().clone());
        shards[0].pause();
        assert!(!mesh.idle.is_set(ShardId(1)), "nobody sees to the timer");
        mesh.idle.stop_searching();
        shards[1].get_up();
    }

    #[test]
    fn late_lanes_may_fill_the_ring_of_who_turns_them() {
        let (mesh, mut shards) = late_lanes(600);
        while shards.iter_mut().any(|shard| shard.turn() == Turn::Again) {}
        assert_eq!(mesh.alive_tasks(), 0);
    }

    /// As an alien does that has come to hold a waker.
    struct Spawns(Arc<Mesh>);

    impl Wake for Spawns {
        fn wake(self: Arc<Self>) {
            std::thread::spawn(move || drop(shard::spawn(&self.0, async {}))).join().unwrap();
        }
    }

    #[test]
    fn who_found_a_task_in_a_late_lane_calls_another_for_what_was_left_to_it() {
        let clock = Clock::new();
        assert!(clock.pause());
        let mesh = Mesh::new(Config { steal: Reach::All, ..Config::new(2) }, clock);
        let mut shards = [0, 1].map(|id| Shard::new(Arc::clone(&mesh), ShardId(id), Box::new(NoEvents)));
        let deadline_ns = mesh.clock().now_ns() + 1_000_000;
        let sleeps = sleep_there(Arc::clone(&mesh), 1, deadline_ns);
        let mut other_was_called = shards[0].enter(|_| {
            let mesh2 = Arc::clone(&mesh);
            shard::spawn(&mesh, async move {
                sleeps.await;
                !mesh2.idle.is_set(ShardId(1))
            })
        });
        while shards[0].turn() == Turn::Again {}
        let mut entry = pin!(Entry::new());
        let waker = Waker::from(Arc::new(Spawns(Arc::clone(&mesh))));
        let _ = entry.as_mut().arm(mesh.remote(ShardId(1)).lane(), deadline_ns, waker);
        assert!(shards[1].lie_down(|| false).is_some());
        assert!(mesh.clock().advance(Duration::from_secs(1)));
        assert_eq!(shards[0].turn(), Turn::Again);
        assert!(entry.is_fired() && mesh.idle.is_set(ShardId(1)), "the spawn was left to who searched");
        while shards[0].turn() == Turn::Again {}
        shards[1].get_up();
        let polled = pin!(&mut other_was_called).poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Ready(Ok(true))), "{polled:?}");
        while shards[1].turn() == Turn::Again {}
    }

    #[test]
    fn who_looks_counts_as_searching() {
        let mesh = Mesh::new(Config { steal: Reach::All, ..Config::new(2) }, Clock::new());
        let mut shard = Shard::new(Arc::clone(&mesh), ShardId(0), Box::new(NoEvents));
        // Of two shards one may search.
        assert!(shard.look(&|| !mesh.idle.start_searching(), 0));
        assert!(!shard.look(&|| false, 0), "nothing came");
        assert!(mesh.idle.start_searching(), "and the look is over");
        mesh.idle.stop_searching();
        drop(shard::spawn(&mesh, async {}));
        assert!(shard.look(&|| false, u64::MAX));
        assert!(!mesh.idle.start_searching(), "until it takes what it found");
        while shard.turn() == Turn::Again {}
        assert!(mesh.idle.start_searching());
    }

    /// The first of two shards, the second of which watches it, spawns so many tasks after a time in which a poll took that long. Says
    /// whether the second is called.
    fn a_wake_is_worth_it(poll_ns: u64, tasks: usize) -> bool {
        let mesh = Mesh::new(Config { steal: Reach::All, ..Config::new(2) }, Clock::new());
        let mut shards = [0, 1].map(|id| Shard::new(Arc::clone(&mesh), ShardId(id), Box::new(NoEvents)));
        let local = &shards[0].local;
        local.rest.resume_at(local.remote(), 0);
        local.remote().counters().polls.add(10);
        local.rest.note(local.remote(), 10 * poll_ns);
        let mut called = false;
        assert!(shards[1].lie_down(|| false).is_some());
        let other = &shards[1].local;
        other.rest.sleep(other.remote(), NEVER, |_| {
            shards[0].enter(|_| (0..tasks).for_each(|_| drop(shard::spawn(&mesh, async {}))));
            called = !mesh.idle.is_set(ShardId(1));
            0
        });
        shards[1].get_up();
        while shards[0].turn() == Turn::Again {}
        called
    }

    #[test]
    fn a_queue_that_is_run_before_another_shard_is_awake_calls_nobody() {
        assert!(!a_wake_is_worth_it(WAKE_NS / 4, 4));
        assert!(a_wake_is_worth_it(WAKE_NS / 4, 5));
        assert!(!a_wake_is_worth_it(20 * WAKE_NS, 1));
        assert!(a_wake_is_worth_it(20 * WAKE_NS, 2));
    }

    #[test]
    fn the_latest_polls_count_a_quarter_and_a_paused_clock_teaches_nothing() {
        let mesh = Mesh::new(Config::new(1), Clock::new());
        let shard = Shard::new(Arc::clone(&mesh), ShardId(0), Box::new(NoEvents));
        let (rest, remote) = (&shard.local.rest, shard.local.remote());
        let busy_for = |ns, polls| {
            rest.resume_at(remote, 0);
            remote.counters().polls.add(polls);
            assert!(rest.pause(remote, ns));
        };
        assert_eq!(rest.few(), 1, "nothing is known yet");
        busy_for(WAKE_NS, 10);
        assert_eq!(rest.few(), 10);
        busy_for(0, 10);
        busy_for(5, 0);
        assert_eq!(rest.few(), 10);
        busy_for(10 * WAKE_NS, 1);
        assert_eq!(rest.few(), 1);
        assert_eq!(remote.counters().busy_ns.get(), 11 * WAKE_NS + 5);
        // A paused clock may be moved on by centuries.
        busy_for(NEVER - 1, 1);
        busy_for(NEVER - 1, 1);
        assert_eq!(rest.few(), 1);
    }
}
