//! The idle bits and the count of searchers.

use super::Idle;
use crate::loom::atomic::Ordering::{Relaxed, SeqCst};
use crate::loom::atomic::{AtomicUsize, fence};
use crate::loom::{Arc, thread};
use crate::mesh::ShardId;
use crate::park::SleepWord;

const SLEEPER: ShardId = ShardId(1);

struct World {
    idle: Idle,
    word: SleepWord,
    /// Tasks in a queue that the sleeper may take from.
    queue: AtomicUsize,
    writes: AtomicUsize,
}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            idle: Idle::new(3),
            word: SleepWord::new(),
            queue: AtomicUsize::new(0),
            writes: AtomicUsize::new(0),
        })
    }

    /// `Mesh::notify` after a push
    fn push(&self) {
        self.queue.fetch_add(1, Relaxed);
        if self.idle.claim_for_work([SLEEPER].into_iter()).is_some() && self.word.must_wake() {
            self.writes.fetch_add(1, Relaxed);
        }
    }

    fn has_movable(&self) -> bool {
        self.queue.load(Relaxed) > 0
    }

    /// `Shard::lie_down`: true if the shard sleeps.
    fn lie_down(&self) -> bool {
        self.idle.set(SLEEPER);
        self.word.announce();
        self.idle.is_set(SLEEPER) && !self.has_movable()
    }

    /// `Shard::get_up`; true if the shard is counted as searching.
    fn get_up(&self) -> bool {
        self.word.awake();
        !self.idle.unset(SLEEPER)
    }
}

/// Two pushers and a shard that goes idle, searches if it is claimed, and lies down once more: it does not sleep on a task
/// that nobody woke it for. Fails without N2 and without the look at the own bit.
#[test]
fn loom_idle_against_push() {
    let mut builder = loom::model::Builder::new();
    // Unbounded it runs for minutes.
    builder.preemption_bound = Some(3);
    builder.check(|| {
        let world = World::new();
        let pushers: Vec<_> = (0..2)
            .map(|_| {
                let world = world.clone();
                thread::spawn(move || world.push())
            })
            .collect();
        let mut taken = 0;
        let mut asleep = world.lie_down();
        for _ in 0..2 {
            if asleep {
                break;
            }
            let searching = world.get_up();
            taken += world.queue.swap(0, Relaxed);
            if searching {
                let _ = world.idle.stop_searching();
            }
            asleep = world.lie_down();
        }
        for pusher in pushers {
            pusher.join().unwrap();
        }
        let left = world.queue.load(Relaxed);
        assert_eq!(taken + left, 2);
        assert!(!asleep || left == 0 || world.writes.load(Relaxed) > 0, "sleeps on a task");
        // Whoever was claimed and not yet up still counts.
        let claimed = i32::from(!world.idle.is_set(SLEEPER));
        assert_eq!(world.idle.searching.load(Relaxed), claimed, "the count of searchers");
    });
}

/// The bit alone against a push, without the sleep word, whose accesses loom orders by fences that real builds don't have: the
/// pusher claims the shard, or the shard sees the task. Fails without I2 and without N2.
#[test]
fn loom_idle_bit_against_push() {
    loom::model(|| {
        let world = World::new();
        let pusher = {
            let world = world.clone();
            thread::spawn(move || {
                world.queue.fetch_add(1, Relaxed);
                world.idle.claim_for_work([SLEEPER].into_iter()).is_some()
            })
        };
        world.idle.set(SLEEPER);
        let saw = world.has_movable();
        let claimed = pusher.join().unwrap();
        assert!(saw || claimed, "sleeps on a task");
    });
}

/// The last searcher ends its search while a task is pushed that was left to it: it or the pusher calls the shard that sleeps.
/// Fails without F2, and without N2.
#[test]
fn loom_idle_search_ends_against_push() {
    loom::model(|| {
        let world = World::new();
        assert!(world.lie_down() && world.idle.start_searching());
        let pusher = {
            let world = world.clone();
            thread::spawn(move || world.push())
        };
        if world.idle.stop_searching() {
            fence(SeqCst);
            if world.has_movable() && world.idle.claim_for_work([SLEEPER].into_iter()).is_some() {
                assert!(world.word.must_wake());
                world.writes.fetch_add(1, Relaxed);
            }
        }
        pusher.join().unwrap();
        assert_eq!(world.writes.load(Relaxed), 1, "called once");
    });
}
