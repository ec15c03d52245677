//! Changes against looks and waits.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;

use loom::sync::atomic::AtomicUsize;
use loom::thread;

use crate::sync::loom_support::{block_on, look, model};

use super::channel;

#[test]
fn loom_send_against_changed() {
    model(|| {
        let (tx, mut rx) = channel(0);
        let sender = thread::spawn(move || {
            tx.send(1).unwrap();
            tx
        });
        block_on(rx.changed()).unwrap();
        assert_eq!(*rx.borrow_and_update(), 1);
        drop(sender.join().unwrap());
    });
}

#[test]
fn loom_two_changes_and_the_end() {
    model(|| {
        let (tx, mut rx) = channel(0);
        let sender = thread::spawn(move || {
            tx.send_replace(1);
            tx.send_replace(2);
        });
        let mut last = 0;
        while block_on(rx.changed()).is_ok() {
            let now = *rx.borrow_and_update();
            assert!(now > last, "a value is given once");
            last = now;
        }
        assert_eq!(last, 2, "the last value is not missed");
        sender.join().unwrap();
    });
}

/// The second in the queue, since the first is woken on its own.
#[test]
fn loom_change_wakes_two() {
    model(|| {
        let (tx, mut first) = channel(0);
        let mut second = first.clone();
        let mut first = pin!(first.changed());
        assert!(look(first.as_mut()).is_pending());
        let sender = thread::spawn(move || {
            tx.send_replace(1);
            tx
        });
        block_on(second.changed()).unwrap();
        assert_eq!(*second.borrow(), 1);
        let tx = sender.join().unwrap();
        assert!(matches!(look(first.as_mut()), Poll::Ready(Ok(()))));
        drop(tx);
    });
}

#[test]
fn loom_closed_against_receiver_dropped() {
    model(|| {
        let (tx, rx) = channel(0);
        let receivers = [rx.clone(), rx].map(|rx| thread::spawn(move || drop(rx)));
        block_on(tx.closed());
        assert!(tx.send(1).is_err());
        for receiver in receivers {
            receiver.join().unwrap();
        }
    });
}

/// What came before a change is seen by who learns of it without a look at the value, which has a lock of its own.
#[test]
fn loom_change_against_has_changed() {
    model(|| {
        let (tx, rx) = channel(());
        let before = Arc::new(AtomicUsize::new(0));
        let sender = thread::spawn({
            let before = Arc::clone(&before);
            move || {
                before.store(1, Relaxed);
                tx.send_replace(());
                before.store(2, Relaxed);
            }
        });
        let least = match rx.has_changed() {
            Ok(false) => 0,
            Ok(true) => 1,
            Err(_) => 2,
        };
        assert!(before.load(Relaxed) >= least);
        sender.join().unwrap();
    });
}
