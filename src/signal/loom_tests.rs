//! Models of the bell. The kernel is a flag that the handler's write sets and the listener's reactor takes; who waits for one
//! that never comes is found out as a deadlock.

use corelane_shards::loom::{Arc, Condvar, Mutex, thread};
use std::task::Poll;

use super::bell::Tally;

struct World {
    tally: Tally,
    edge: Mutex<bool>,
    changed: Condvar,
}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self { tally: Tally::default(), edge: Mutex::new(false), changed: Condvar::new() })
    }

    fn ring(&self) {
        self.tally.add(|| {
            *self.edge.lock().unwrap() = true;
            self.changed.notify_one();
        });
    }

    fn recv(&self, seen: &mut usize) {
        let told = self.tally.poll(seen, || {
            let mut edge = self.edge.lock().unwrap();
            while !*edge {
                edge = self.changed.wait(edge).unwrap();
            }
            *edge = false;
            Poll::Ready(Ok(()))
        });
        assert_eq!(told, Poll::Ready(Some(())));
    }
}

/// A signal that comes while the listener is about to wait. Fails if `add` tells before it counts: the listener may
/// take the edge, find nothing, and wait for ever.
#[test]
fn loom_a_signal_is_not_lost() {
    loom::model(|| {
        let world = World::new();
        let handler = thread::spawn({
            let world = Arc::clone(&world);
            move || world.ring()
        });
        world.recv(&mut 0);
        handler.join().unwrap();
    });
}

/// Signals are told as one or more, and the last is told after it came. Fails likewise; and if `poll` takes the edge after its
/// look, where it may be that of a signal that it has not seen.
#[test]
fn loom_signals_coalesce_and_the_last_is_told() {
    loom::model(|| {
        let world = World::new();
        let handler = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                world.ring();
                world.ring();
            }
        });
        let mut seen = 0;
        while seen < 2 {
            world.recv(&mut seen);
        }
        handler.join().unwrap();
        assert_eq!(world.tally.start(), 2);
        assert!(world.tally.poll(&mut seen, || Poll::Pending).is_pending());
    });
}
