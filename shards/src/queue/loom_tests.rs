//! Mailbox and ring.

#![expect(unsafe_code, reason = "pushes test nodes")]

use std::ptr::{self, NonNull};

use super::mailbox::{Mailbox, Node};
use super::steal::Ring;
use crate::loom::atomic::AtomicPtr;
use crate::loom::cell::UnsafeCell;
use crate::loom::{Arc, thread};

struct Item {
    link: AtomicPtr<Item>,
    body: UnsafeCell<u32>,
    taken: UnsafeCell<u32>,
}

// SAFETY: loom checks every access.
unsafe impl Sync for Item {}

impl Node for Item {
    fn link(&self) -> &AtomicPtr<Self> {
        &self.link
    }
}

impl Item {
    fn new() -> Self {
        Self { link: AtomicPtr::new(ptr::null_mut()), body: UnsafeCell::new(0), taken: UnsafeCell::new(0) }
    }

    fn fill(&self) -> NonNull<Self> {
        // SAFETY: checked by loom.
        self.body.with_mut(|body| unsafe { *body = 1 });
        NonNull::from(self)
    }

    fn take(&self) {
        // SAFETY: checked by loom.
        assert_eq!(self.body.with(|body| unsafe { *body }), 1, "taken before it was filled");
        // SAFETY: checked by loom; two takers meet here.
        self.taken.with_mut(|taken| unsafe { *taken += 1 });
    }

    fn taken(&self) -> u32 {
        // SAFETY: all threads are through.
        self.taken.with(|taken| unsafe { *taken })
    }
}

fn take(item: NonNull<Item>) {
    // SAFETY: the items outlive the model's threads.
    unsafe { item.as_ref() }.take();
}

struct Mail {
    mailbox: Mailbox<Item>,
    items: Vec<Item>,
}

/// Two producers, a drain and a close: each item is taken by the owner or kept by its pusher, in order.
#[test]
fn loom_mailbox_push_drain_close() {
    loom::model(|| {
        let mail = Arc::new(Mail { mailbox: Mailbox::new(), items: (0..3).map(|_| Item::new()).collect() });
        let push = |range: std::ops::Range<usize>| {
            let mail = mail.clone();
            thread::spawn(move || {
                for item in &mail.items[range] {
                    // SAFETY: pushed once, outlives the model's threads.
                    if unsafe { mail.mailbox.push(item.fill()) }.is_err() {
                        item.take();
                    }
                }
            })
        };
        let (a, b) = (push(0..2), push(2..3));
        let mut order = Vec::new();
        let mut got = |item: NonNull<Item>| {
            order.push(item.as_ptr().cast_const());
            take(item);
        };
        mail.mailbox.drain(&mut got);
        mail.mailbox.close(&mut got);
        a.join().unwrap();
        b.join().unwrap();
        assert!(mail.items.iter().all(|item| item.taken() == 1));
        let at = |n: usize| order.iter().position(|item| ptr::eq(*item, &mail.items[n]));
        assert!(at(1).is_none() || at(0) < at(1), "out of order");
    });
}

/// What the owner did before it closed is visible to a pusher that is refused. Fails without the Acquire load in `push`.
#[test]
fn loom_mailbox_refusal_acquires() {
    loom::model(|| {
        let mail = Arc::new(Mail { mailbox: Mailbox::new(), items: (0..2).map(|_| Item::new()).collect() });
        let pusher = {
            let mail = mail.clone();
            // SAFETY: pushed once, outlives the model's threads.
            thread::spawn(move || match unsafe { mail.mailbox.push(mail.items[0].fill()) } {
                Ok(()) => {}
                Err(_) => {
                    mail.items[1].take();
                    mail.items[0].take();
                }
            })
        };
        mail.items[1].fill();
        mail.mailbox.close(take);
        pusher.join().unwrap();
        assert_eq!(mail.items[0].taken(), 1);
    });
}

struct Rings {
    victim: Ring<Item>,
    items: Vec<Item>,
}

fn thief(rings: &Arc<Rings>) -> thread::JoinHandle<()> {
    let rings = rings.clone();
    thread::spawn(move || {
        let own = Ring::new();
        if let Some(item) = rings.victim.steal_into(&own) {
            take(item);
        }
        while let Some(item) = own.pop() {
            take(item);
        }
    })
}

fn finish(rings: &Rings) {
    while let Some(item) = rings.victim.take_next().or_else(|| rings.victim.pop()) {
        take(item);
    }
    assert!(rings.items.iter().all(|item| item.taken() == 1), "lost");
}

/// Two thieves against the owner's pushes and pops on a ring of two: each task once, its contents visible.
#[test]
fn loom_steal_against_pop_and_push() {
    let mut builder = loom::model::Builder::new();
    // Without a bound the two thieves take long.
    builder.preemption_bound = Some(3);
    builder.check(|| {
        let rings = Arc::new(Rings { victim: Ring::new(), items: (0..4).map(|_| Item::new()).collect() });
        let thieves = [thief(&rings), thief(&rings)];
        for item in &rings.items {
            if let Err(item) = rings.victim.push(item.fill()) {
                take(item);
            }
        }
        if let Some(item) = rings.victim.pop() {
            take(item);
        }
        for thief in thieves {
            thief.join().unwrap();
        }
        finish(&rings);
    });
}

/// The next slot: the owner swaps and takes while a thief with an empty ring before it looks.
#[test]
fn loom_steal_next() {
    loom::model(|| {
        let rings = Arc::new(Rings { victim: Ring::new(), items: (0..3).map(|_| Item::new()).collect() });
        let thief = thief(&rings);
        for item in &rings.items {
            if let Some(item) = rings.victim.set_next(item.fill()) {
                assert!(rings.victim.push(item).is_ok());
            }
        }
        if let Some(item) = rings.victim.take_next() {
            take(item);
        }
        thief.join().unwrap();
        finish(&rings);
    });
}

/// A thief that becomes a victim: its ring was filled by a theft, and is robbed in turn.
#[test]
fn loom_steal_from_thief() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(|| {
        let rings = Arc::new((
            Rings { victim: Ring::new(), items: (0..2).map(|_| Item::new()).collect() },
            Ring::<Item>::new(),
        ));
        for item in &rings.0.items {
            assert!(rings.0.victim.push(item.fill()).is_ok());
        }
        let first = {
            let rings = rings.clone();
            thread::spawn(move || {
                if let Some(item) = rings.0.victim.steal_into(&rings.1) {
                    take(item);
                }
                if let Some(item) = rings.1.pop() {
                    take(item);
                }
            })
        };
        let second = {
            let rings = rings.clone();
            thread::spawn(move || {
                let own = Ring::new();
                if let Some(item) = rings.1.steal_into(&own) {
                    take(item);
                }
                assert!(own.is_empty());
            })
        };
        if let Some(item) = rings.0.victim.pop() {
            take(item);
        }
        first.join().unwrap();
        second.join().unwrap();
        finish(&rings.0);
    });
}

/// How many tasks wait is asked by other threads too, while the owner pushes and pops: the answer may be old, but it is a number of
/// tasks. Fails (below zero) if `tail` is read before `head`.
#[test]
fn loom_ring_is_counted_from_elsewhere() {
    loom::model(|| {
        let rings = Arc::new(Rings { victim: Ring::new(), items: (0..2).map(|_| Item::new()).collect() });
        let other = {
            let rings = rings.clone();
            thread::spawn(move || assert!(rings.victim.queued() <= 2))
        };
        for item in &rings.items {
            assert!(rings.victim.push(item.fill()).is_ok());
            rings.victim.pop().into_iter().for_each(take);
        }
        other.join().unwrap();
        finish(&rings);
    });
}
