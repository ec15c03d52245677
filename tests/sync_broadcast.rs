//! Each value to every receiver, or counted as missed.

#[path = "support/poll.rs"]
mod poll;

use std::pin::pin;
use std::sync::Arc;
use std::thread;

use corelane::runtime::Builder;
use corelane::sync::broadcast::error::{RecvError, TryRecvError};
use corelane::sync::broadcast::{Sender, channel};
use poll::{Hand, now, panic_of, wait_to_panic};

#[test]
fn each_value_is_received_or_counted_as_missed() {
    const VALUES: u64 = 10_000;
    for room in [1, 16, 1 << 14] {
        let (tx, rx) = channel(room);
        let rx: Vec<_> = (0..3).map(|_| tx.subscribe()).chain([rx]).collect();
        let receivers: Vec<_> = rx
            .into_iter()
            .map(|mut rx| {
                thread::spawn(move || {
                    Builder::new_current_thread().build().unwrap().block_on(async {
                        let mut next = 0;
                        loop {
                            match rx.recv().await {
                                Ok(value) => {
                                    let value: Arc<u64> = value;
                                    assert_eq!(*value, next);
                                    next += 1;
                                }
                                Err(RecvError::Lagged(missed)) => next += missed,
                                Err(RecvError::Closed) => return next,
                            }
                        }
                    })
                })
            })
            .collect();
        let first = Arc::new(0);
        tx.send(Arc::clone(&first)).unwrap();
        for i in 1..VALUES {
            tx.send(Arc::new(i)).unwrap();
        }
        drop(tx);
        for receiver in receivers {
            assert_eq!(receiver.join().unwrap(), VALUES);
        }
        assert_eq!(Arc::strong_count(&first), 1);
    }
}

#[test]
fn receivers_that_leave_release_what_they_did_not_take() {
    let (tx, mut rx) = channel(8);
    let value = Arc::new(());
    let leaves = tx.subscribe();
    (0..5).for_each(|_| assert_eq!(tx.send(Arc::clone(&value)).unwrap(), 2));
    drop(leaves);
    assert_eq!(Arc::strong_count(&value), 6, "the other has yet to take them");
    assert_eq!(tx.len(), 5);
    (0..5).for_each(|_| drop(rx.try_recv().unwrap()));
    assert_eq!(Arc::strong_count(&value), 1);
    assert!(tx.is_empty());
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn a_dropped_receive_takes_nothing() {
    let (tx, mut rx) = channel(2);
    let mut gives_up = Hand::new(rx.recv());
    gives_up.waits();
    tx.send(1).unwrap();
    assert_eq!(gives_up.wakes(), 1);
    drop(gives_up);
    assert_eq!(now(rx.recv()), Ok(1));
    tx.send(2).unwrap();
    tx.send(3).unwrap();
    tx.send(4).unwrap();
    assert_eq!(now(rx.recv()), Err(RecvError::Lagged(1)));
    assert_eq!(now(rx.recv()), Ok(3));
}

/// A receiver on another thread is in the middle of cloning the value that the next send overwrites.
#[test]
fn a_send_waits_for_a_clone_of_what_it_overwrites() {
    use std::sync::Barrier;

    #[derive(Debug)]
    struct Slow(u32, Arc<Barrier>);
    impl Clone for Slow {
        fn clone(&self) -> Self {
            if self.0 == 0 {
                self.1.wait();
                self.1.wait();
            }
            Self(self.0, Arc::clone(&self.1))
        }
    }
    let meet = Arc::new(Barrier::new(2));
    let (tx, mut rx) = channel(1);
    let mut later = tx.subscribe();
    tx.send(Slow(0, Arc::clone(&meet))).unwrap();
    let receiver = thread::spawn(move || rx.try_recv().map(|value| value.0));
    meet.wait();
    // The clone is under way, and ends at the next meeting.
    let sender = {
        let (tx, meet) = (tx.clone(), Arc::clone(&meet));
        thread::spawn(move || tx.send(Slow(1, meet)).unwrap())
    };
    meet.wait();
    assert_eq!(receiver.join().unwrap(), Ok(0));
    sender.join().unwrap();
    assert!(matches!(later.try_recv(), Err(TryRecvError::Lagged(1))));
    assert_eq!(later.try_recv().unwrap().0, 1);
}

#[test]
fn many_waiters_are_all_woken() {
    let (tx, rx) = channel(1);
    let mut receivers: Vec<_> = (0..100).map(|_| tx.subscribe()).collect();
    drop(rx);
    let mut waits: Vec<_> = receivers.iter_mut().map(|rx| Hand::new(rx.recv())).collect();
    waits.iter_mut().for_each(Hand::waits);
    assert_eq!(tx.send(1).unwrap(), 100);
    for wait in &mut waits {
        assert_eq!(wait.wakes(), 1);
        assert_eq!(wait.ready(), Ok(1));
    }
}

#[test]
fn senders_are_counted() {
    let tx = Sender::<u8>::new(4);
    now(tx.closed());
    assert!(tx.send(1).is_err());
    let rx = tx.subscribe();
    let weak = tx.downgrade();
    let again = weak.upgrade().unwrap();
    assert_eq!((tx.strong_count(), tx.weak_count(), tx.receiver_count()), (2, 1, 1));
    assert!(tx.same_channel(&again) && rx.same_channel(&again.subscribe()));
    drop((tx, again));
    assert!(rx.is_closed() && weak.upgrade().is_none());
    assert_eq!(rx.resubscribe().try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn a_value_that_panics_when_it_drops_keeps_nobody_waiting() {
    #[derive(Clone)]
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    let (tx, rx) = channel(1);
    let mut closed = Hand::new(tx.closed());
    closed.waits();
    assert!(tx.send(Bomb).is_ok());
    assert_eq!(panic_of(|| drop(rx)), "dropped");
    assert_eq!(closed.wakes(), 1);
    closed.ready();
}

#[test]
fn a_value_that_panics_when_it_drops_keeps_no_other_in_the_channel() {
    #[derive(Clone)]
    struct Bomb {
        armed: bool,
        _held: Arc<()>,
    }
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(!self.armed, "dropped");
        }
    }
    let (tx, rx) = channel(4);
    let count = Arc::new(());
    for armed in [true, false, true, false] {
        assert!(tx.send(Bomb { armed, _held: Arc::clone(&count) }).is_ok());
    }
    assert_eq!(panic_of(|| drop(rx)), "dropped");
    assert_eq!((tx.len(), Arc::strong_count(&count)), (0, 1));
}

#[test]
fn a_waker_that_panics_keeps_nobody_else_from_being_woken() {
    let (tx, mut first) = channel(4);
    let (mut second, mut third) = (tx.subscribe(), tx.subscribe());
    let mut first = pin!(first.recv());
    wait_to_panic(first.as_mut());
    let mut others = [Hand::new(second.recv()), Hand::new(third.recv())];
    others.iter_mut().for_each(Hand::waits);
    assert_eq!(tx.send(1).unwrap(), 3);
    assert_eq!(others.each_ref().map(Hand::wakes), [1, 1]);
    others.iter_mut().for_each(|other| assert_eq!(other.ready(), Ok(1)));
}
