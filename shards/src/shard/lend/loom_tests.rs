//! The place. Each model names what it fails without.

#![expect(unsafe_code, reason = "a cell that loom watches")]

use super::Lend;
use crate::loom::cell::UnsafeCell;
use crate::loom::{Arc, Condvar, Mutex, thread};
use crate::park::SleepWord;

/// What is lent: loom tells if two threads have it at once.
struct Thing(UnsafeCell<u32>);

impl Thing {
    fn touch(&self) {
        self.0.with_mut(|n| {
            // SAFETY: whoever has the thing has it alone; that is what loom checks.
            unsafe { *n += 1 }
        });
    }
}

struct Shard {
    lend: Lend<Thing>,
    word: SleepWord,
    eventfd: Mutex<bool>,
    written: Condvar,
}

impl Shard {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            lend: Lend::new(),
            word: SleepWord::new(),
            eventfd: Mutex::new(false),
            written: Condvar::new(),
        })
    }

    fn wake(&self) {
        if self.word.must_wake() {
            *self.eventfd.lock().unwrap() = true;
            self.written.notify_one();
        }
    }

    /// A caretaker that has nothing to do but sleep until it is wanted.
    fn take_care(&self) {
        let Some(thing) = self.lend.answer() else { return };
        loop {
            thing.touch();
            self.word.announce();
            let wanted = self.lend.is_wanted();
            if !wanted {
                let mut eventfd = self.eventfd.lock().unwrap();
                while !std::mem::take(&mut *eventfd) {
                    eventfd = self.written.wait(eventfd).unwrap();
                }
            }
            self.word.awake();
            if wanted || self.lend.is_wanted() {
                return self.lend.put(thing);
            }
        }
    }
}

fn check(f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(f);
}

/// A caretaker that sleeps gives back. Fails (nobody goes on) if it looks whether it is wanted before it announces its sleep, if
/// `put` does not ring, and without the fence that stands for S2's place in the order.
#[test]
fn loom_lend_to_a_sleeper_and_take_back() {
    check(|| {
        let shard = Shard::new();
        let thing = Thing(UnsafeCell::new(0));
        assert!(shard.lend.offer(thing));
        let caretaker = thread::spawn({
            let shard = shard.clone();
            move || shard.take_care()
        });
        let thing = shard.lend.take_back(|| shard.wake());
        thing.touch();
        caretaker.join().unwrap();
    });
}

/// Two loans in a row: whoever is called for the first may answer the second, and each offer that is not taken back is answered.
/// Fails (nobody comes) if `answer` clears the call after it looked and gave the lock back, or not at all.
#[test]
fn loom_each_offer_is_answered() {
    check(|| {
        let shard = Shard::new();
        let answered = Arc::new((Mutex::new(false), Condvar::new()));
        let mut called = Vec::new();
        let mut call = || {
            let (shard, answered) = (shard.clone(), answered.clone());
            called.push(thread::spawn(move || {
                let Some(thing) = shard.lend.answer() else { return };
                thing.touch();
                shard.lend.put(thing);
                *answered.0.lock().unwrap() = true;
                answered.1.notify_one();
            }));
        };
        if shard.lend.offer(Thing(UnsafeCell::new(0))) {
            call();
        }
        let thing = shard.lend.take_back(|| ());
        thing.touch();
        *answered.0.lock().unwrap() = false;
        if shard.lend.offer(thing) {
            call();
        }
        let mut seen = answered.0.lock().unwrap();
        while !*seen {
            seen = answered.1.wait(seen).unwrap();
        }
        drop(seen);
        shard.lend.take_back(|| ()).touch();
        for called in called {
            called.join().unwrap();
        }
    });
}

/// A caretaker puts the thing down for a task that blocks; its successor and it go on, and the owner gets it whoever has it. That no
/// two have it the types see to. Fails (nobody goes on) if `take_back` waits without another look after it asked.
#[test]
fn loom_a_successor_and_the_one_before() {
    check(|| {
        let shard = Shard::new();
        assert!(shard.lend.offer(Thing(UnsafeCell::new(0))));
        let first = thread::spawn({
            let shard = shard.clone();
            move || {
                let Some(thing) = shard.lend.answer() else { return };
                shard.lend.put(thing);
                let successor = shard.lend.wants_successor().then(|| {
                    let shard = shard.clone();
                    thread::spawn(move || {
                        if let Some(thing) = shard.lend.answer() {
                            thing.touch();
                            shard.lend.put(thing);
                        }
                    })
                });
                if let Some(thing) = shard.lend.take() {
                    thing.touch();
                    shard.lend.put(thing);
                }
                successor.into_iter().for_each(|successor| successor.join().unwrap());
            }
        });
        shard.lend.take_back(|| ()).touch();
        first.join().unwrap();
    });
}
