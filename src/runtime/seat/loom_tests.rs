//! The seat, its queue and those who leave it. Each model names what it fails without.

#![expect(unsafe_code, reason = "reads a tracked cell; a number may change threads")]

use std::sync::Arc;

use corelane_shards::loom::atomic::AtomicUsize;
use corelane_shards::loom::atomic::Ordering::Relaxed;
use corelane_shards::loom::cell::UnsafeCell;
use corelane_shards::loom::{self, thread};

use super::{Parker, Seat, context};

struct World {
    seat: Seat<UnsafeCell<u32>>,
    sat: AtomicUsize,
}

// SAFETY: loom checks every access to the cell.
unsafe impl Sync for World {}
// SAFETY: as above.
unsafe impl Send for World {}

impl World {
    fn new() -> loom::Arc<Self> {
        // SAFETY: a number may change threads.
        Self::of(unsafe { Seat::of_all_threads() })
    }

    fn of(seat: Seat<UnsafeCell<u32>>) -> loom::Arc<Self> {
        let world = Self { seat, sat: AtomicUsize::new(0) };
        world.seat.fill(UnsafeCell::new(0));
        loom::Arc::new(world)
    }

    /// Sits, if nobody does.
    fn sit(&self) -> bool {
        let Some(mut sitting) = self.seat.sit_down(context::thread_id()) else { return false };
        // SAFETY: checked by loom: one at a time, and each sees what the one before did.
        sitting.occupied().with_mut(|n| unsafe { *n += 1 });
        self.sat.fetch_add(1, Relaxed);
        true
    }

    /// `block_on` of a future that ends on the seat alone.
    fn wait_for_seat(&self) {
        if self.sit() {
            return;
        }
        let parker = Arc::new(Parker::default());
        let queued = self.seat.queue(&parker);
        while !self.sit() {
            parker.park();
        }
        drop(queued);
    }

    /// `block_on` of a future that is ready when it is polled as an alien.
    fn leave(&self) {
        if !self.sit() {
            let parker = Arc::new(Parker::default());
            let _queued = self.seat.queue(&parker);
            self.sit();
        }
    }
}

fn check(others: [fn(&World); 2]) {
    let mut builder = ::loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let world = World::new();
        let others = others.map(|f| {
            let world = world.clone();
            thread::spawn(move || f(&world))
        });
        world.wait_for_seat();
        for other in others {
            other.join().unwrap();
        }
        let sat = world.sat.load(Relaxed) as u32;
        let mut left = world.seat.sit_down(context::thread_id()).expect("given back");
        // SAFETY: all threads are through.
        assert_eq!(left.occupied().with(|n| unsafe { *n }), sat);
    });
}

/// Three threads want the seat and each gets it; whoever waits for ever is found as a deadlock. Fails if getting up looks at
/// the queue before it puts the pointer back, without Q2 (parking at once), and if either swap is not AcqRel.
#[test]
fn loom_seat_everybody_sits() {
    check([World::wait_for_seat, World::wait_for_seat]);
}

/// One of the queue leaves for another reason and may have been woken for the seat. Fails if it does not wake the next.
#[test]
fn loom_seat_one_leaves() {
    check([World::wait_for_seat, World::leave]);
}

/// A seat that never leaves its home, where it is taken and given back without a swap, while another thread wants it: that one finds
/// it taken, whenever it looks. Fails (two have it) without the look at the thread.
#[test]
fn loom_seat_stays_at_home() {
    ::loom::model(|| {
        let world = World::of(Seat::of_this_thread());
        let other = thread::spawn({
            let world = world.clone();
            move || assert!(!world.sit(), "sits in another's home")
        });
        for _ in 0..2 {
            assert!(world.sit(), "taken although nobody may");
        }
        other.join().unwrap();
        assert_eq!(world.sat.load(Relaxed), 2);
    });
}

/// One parker for one `block_on` after the other: a waker that the first one left behind is woken in the middle of the second, whose
/// own wake is not lost for that, nor what it did before. Fails (sleeps for ever) if a thread that parks first forgets that it was woken,
/// if the bell is rung without the lock, and if W1 or P1 are relaxed.
#[test]
fn loom_parker_is_woken_late() {
    ::loom::model(|| {
        let (parker, done) = (Arc::new(Parker::default()), loom::Arc::new(AtomicUsize::new(0)));
        let late = thread::spawn({
            let parker = parker.clone();
            move || parker.unpark()
        });
        let wakes = thread::spawn({
            let (parker, done) = (parker.clone(), done.clone());
            move || {
                done.store(1, Relaxed);
                parker.unpark();
            }
        });
        while done.load(Relaxed) == 0 {
            parker.park();
        }
        late.join().unwrap();
        wakes.join().unwrap();
    });
}
