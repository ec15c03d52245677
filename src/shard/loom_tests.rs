//! Races of the gate: permits coming back against callers that wait and that give up.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use corelane_shards::loom::cell::UnsafeCell;
use corelane_shards::loom::{Condvar, Mutex, thread};

use super::gate::Gate;

struct Bell(Mutex<bool>, Condvar);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        *self.0.lock().unwrap() = true;
        self.1.notify_one();
    }
}

/// loom finds a lost wake as a deadlock.
fn block_on<F: Future>(future: F) -> F::Output {
    let bell = Arc::new(Bell(Mutex::new(false), Condvar::new()));
    let waker = Waker::from(Arc::clone(&bell));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        let mut rung = bell.0.lock().unwrap();
        while !std::mem::take(&mut *rung) {
            rung = bell.1.wait(rung).unwrap();
        }
    }
}

/// Two callers, one permit: all get in, never two at once.
#[test]
fn loom_a_permit_goes_round() {
    loom::model(|| {
        let gate = Gate::new(1);
        let inside = loom::sync::Arc::new(UnsafeCell::new(0));
        let visit = |gate: Arc<Gate>, inside: loom::sync::Arc<UnsafeCell<i32>>| {
            let permit = block_on(gate.enter());
            // loom fails the model if two are here at once.
            inside.with_mut(|_| ());
            drop(permit);
        };
        let other = {
            let (gate, inside) = (Arc::clone(&gate), inside.clone());
            thread::spawn(move || visit(gate, inside))
        };
        // Twice, to come back while the other one is inside by a permit that was handed over.
        visit(Arc::clone(&gate), inside.clone());
        visit(gate, inside);
        other.join().unwrap();
    });
}

/// One who waits gives up while the permit comes back: the permit must not be lost with it.
#[test]
fn loom_who_gives_up_passes_the_permit_on() {
    loom::model(|| {
        let gate = Gate::new(1);
        let permit = block_on(Arc::clone(&gate).enter());
        let mut first = Box::pin(Arc::clone(&gate).enter());
        assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let leaver = thread::spawn(move || drop(permit));
        let gives_up = thread::spawn(move || drop(first));
        drop(block_on(gate.enter()));
        leaver.join().unwrap();
        gives_up.join().unwrap();
    });
}

/// A permit comes back while the one who waits changes its waker: the new one is woken, or the poll sees the permit.
#[test]
fn loom_the_last_waker_counts() {
    loom::model(|| {
        let gate = Gate::new(1);
        let permit = block_on(Arc::clone(&gate).enter());
        let mut enter = pin!(gate.enter());
        assert!(enter.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let leaver = thread::spawn(move || drop(permit));
        drop(block_on(enter));
        leaver.join().unwrap();
    });
}
