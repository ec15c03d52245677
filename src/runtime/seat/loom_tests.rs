//! The seat, its queue and those who leave it. Each model names what it fails without.

#![expect(unsafe_code, reason = "reads a tracked cell; a number may change threads")]

use std::sync::Arc;

use corelane_shards::loom::atomic::{AtomicUsize, Ordering::Relaxed};
use corelane_shards::loom::cell::UnsafeCell;
use corelane_shards::loom::{self, thread};

use super::{Parker, Seat};

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
        let world = Self { seat: unsafe { Seat::of_all_threads() }, sat: AtomicUsize::new(0) };
        world.seat.fill(UnsafeCell::new(0));
        loom::Arc::new(world)
    }

    /// Sits, if nobody does.
    fn sit(&self) -> bool {
        let Some(mut sitting) = self.seat.sit_down() else { return false };
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
        let mut left = world.seat.sit_down().expect("given back");
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
