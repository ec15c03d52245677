//! Each model names the line that it fails without.

use std::pin::Pin;
use std::sync::Arc as StdArc;
use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed as Counted};
use std::task::{Wake, Waker};

use super::{Entry, Filed, Lane, Status};
use crate::loom::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::loom::{Arc, thread};

const US: u64 = 1_000;

#[derive(Default)]
struct Wakes(Count);

impl Wake for Wakes {
    fn wake(self: StdArc<Self>) {
        self.0.fetch_add(1, Counted);
    }
}

fn timer(lane: &Lane, deadline_ns: u64) -> (Pin<Box<Entry>>, StdArc<Wakes>) {
    let (mut entry, wakes) = (Box::pin(Entry::new()), StdArc::<Wakes>::default());
    assert_ne!(entry.as_mut().arm(lane, deadline_ns, Waker::from(wakes.clone())), Filed::Refused);
    (entry, wakes)
}

/// Fails without the look at the state under the lock in `Door::remove`, and when `Node::finish` stores the state
/// with Relaxed or before it reads the waker: the second `arm` then writes a waker that is being read.
#[test]
fn loom_cancel_against_fire() {
    loom::model(|| {
        let lane = Arc::new(Lane::new(1, 0));
        let turner = {
            let lane = lane.clone();
            thread::spawn(move || lane.turn(US))
        };
        let (mut entry, wakes) = timer(&lane, US);
        let (_neighbour, _) = timer(&lane, 2 * US);
        if entry.as_mut().cancel() {
            assert_eq!((entry.status(), wakes.0.load(Counted)), (Status::Idle, 0));
        } else {
            assert_eq!(entry.status(), Status::Fired);
        }
        let _ = entry.as_mut().arm(&lane, 3 * US, Waker::from(wakes.clone()));
        let fired = turner.join().unwrap();
        assert_eq!(wakes.0.load(Counted), fired);
        assert_eq!(lane.turn(3 * US), 2);
        drop(entry);
        assert_eq!(StdArc::strong_count(&wakes), 1);
    });
}

/// Fails without the look at the state under the lock in `Door::reset`.
#[test]
fn loom_reset_against_fire() {
    for deadline in [0, 5 * US] {
        loom::model(move || {
            let lane = Arc::new(Lane::new(1, 0));
            let (mut entry, wakes) = timer(&lane, 2 * US);
            let turner = {
                let lane = lane.clone();
                thread::spawn(move || lane.turn(2 * US))
            };
            let in_time = entry.as_mut().reset(deadline) != Filed::Refused;
            let fired = turner.join().unwrap();
            assert_eq!(wakes.0.load(Counted), fired);
            assert_eq!(fired == 0, in_time && deadline > 2 * US, "early or lost");
            assert_eq!(lane.turn(5 * US), usize::from(fired == 0));
        });
    }
}

/// Two threads turn a late lane. Fails when the lock lets both in.
#[test]
fn loom_owner_and_thief_turn() {
    loom::model(|| {
        let lane = Arc::new(Lane::new(1, 0));
        let timers = [timer(&lane, US), timer(&lane, 64 * US)];
        let thief = {
            let lane = lane.clone();
            thread::spawn(move || lane.turn(64 * US))
        };
        let fired = lane.turn(64 * US);
        assert_eq!(fired + thief.join().unwrap(), 2);
        assert!(timers.iter().all(|(entry, wakes)| entry.is_fired() && wakes.0.load(Counted) == 1));
    });
}

/// Fails when `set_waker` writes without the lock, or without the look at the state under it.
#[test]
fn loom_set_waker_against_fire() {
    loom::model(|| {
        let lane = Arc::new(Lane::new(1, 0));
        let (mut entry, first) = timer(&lane, US);
        let turner = {
            let lane = lane.clone();
            thread::spawn(move || lane.turn(US))
        };
        let second = StdArc::new(Wakes::default());
        let status = entry.as_mut().set_waker(&Waker::from(second.clone()));
        turner.join().unwrap();
        let wakes = (first.0.load(Counted), second.0.load(Counted));
        // Fired as seen by the holder: it need not have been told. Else the new waker has been.
        assert!(wakes == (0, 1) || (wakes == (1, 0) && status == Status::Fired));
        drop(entry);
        assert_eq!((StdArc::strong_count(&first), StdArc::strong_count(&second)), (1, 1));
    });
}

/// Fails without the look at the state under the lock in `Door::remove`, and when `close` marks entries after it
/// gave the lock back.
#[test]
fn loom_close_against_cancel() {
    loom::model(|| {
        let lane = Lane::new(1, 0);
        let (mut entry, wakes) = timer(&lane, US);
        let (neighbour, _) = timer(&lane, US);
        let canceller = thread::spawn(move || {
            let cancelled = entry.as_mut().cancel();
            assert_eq!(entry.status() == Status::Closed, !cancelled);
            cancelled
        });
        drop(lane);
        let cancelled = canceller.join().unwrap();
        assert_eq!((neighbour.status(), wakes.0.load(Counted)), (Status::Closed, usize::from(!cancelled)));
        drop(neighbour);
    });
}

/// An entry is armed or reset to earlier while the owner goes to sleep. Fails when the sleeper reads
/// `next_deadline_ns` in place of `settle`, and when the armer looks at the sleep word before it arms.
#[test]
fn loom_armer_against_sleeper() {
    for postponed in [false, true] {
        loom::model(move || {
            let lane = Arc::new(Lane::new(1, 0));
            let asleep = Arc::new(AtomicBool::new(false));
            let mut entry = if postponed { timer(&lane, 9 * US).0 } else { Box::pin(Entry::new()) };
            let armer = {
                let (lane, asleep) = (lane.clone(), asleep.clone());
                thread::spawn(move || {
                    let filed = if postponed {
                        entry.as_mut().reset(US)
                    } else {
                        entry.as_mut().arm(&lane, US, Waker::noop().clone())
                    };
                    let wakes_sleeper = filed == Filed::Earliest && asleep.load(Ordering::Relaxed);
                    (entry, wakes_sleeper)
                })
            };
            asleep.store(true, Ordering::Relaxed);
            let until = lane.settle();
            let (_entry, woken) = armer.join().unwrap();
            assert!(until == US || woken, "oversleeps");
        });
    }
}

/// Somebody else than the owner turns a lane where the owner has just armed for a duration. Fails when the time is read before the
/// lock is taken: the entry is then early by what passed until it was armed.
#[test]
fn loom_armed_for_a_duration_against_thief() {
    loom::model(|| {
        let lane = Arc::new(Lane::new(1, 0));
        let clock = Arc::new(AtomicU64::new(0));
        let thief = {
            let (lane, clock) = (lane.clone(), clock.clone());
            thread::spawn(move || {
                lane.date(|| clock.load(Ordering::Relaxed));
                lane.turn(4 * US)
            })
        };
        let (mut entry, wakes) = (Box::pin(Entry::new()), StdArc::<Wakes>::default());
        clock.store(3 * US, Ordering::Relaxed);
        let armed = entry.as_mut().arm_for(&lane, 2 * US, 0, Waker::from(wakes.clone()));
        assert_eq!(armed, Filed::Later);
        lane.date(|| 3 * US);
        assert_eq!(entry.deadline_ns(|| unreachable!("it is dated")), 5 * US, "early");
        assert_eq!((thief.join().unwrap(), lane.turn(5 * US)), (0, 1));
        assert_eq!(wakes.0.load(Counted), 1);
    });
}

/// Fails without the look at the state under the lock in `Door::remove`, and when `Wheel::remove` looks for an undated entry in a
/// level.
#[test]
fn loom_date_against_cancel() {
    loom::model(|| {
        let lane = Arc::new(Lane::new(1, 0));
        let (mut entry, wakes) = (Box::pin(Entry::new()), StdArc::<Wakes>::default());
        let _ = entry.as_mut().arm_for(&lane, US, 0, Waker::from(wakes.clone()));
        let mut neighbour = Box::pin(Entry::new());
        let _ = neighbour.as_mut().arm_for(&lane, US, 0, Waker::noop().clone());
        let canceller = thread::spawn(move || entry.as_mut().cancel());
        lane.date(|| US);
        let fired = lane.turn(2 * US);
        let cancelled = canceller.join().unwrap();
        assert_eq!((fired, wakes.0.load(Counted)), (2 - usize::from(cancelled), usize::from(!cancelled)));
        assert_eq!((lane.undated(), neighbour.is_fired()), (0, true));
        assert_eq!(StdArc::strong_count(&wakes), 1);
    });
}
