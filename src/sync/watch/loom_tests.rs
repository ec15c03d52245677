//! Changes against looks and waits.

use loom::thread;

use crate::sync::loom_support::block_on;

use super::channel;

#[test]
fn loom_send_against_changed() {
    loom::model(|| {
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
    loom::model(|| {
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

#[test]
fn loom_two_receivers_are_woken() {
    loom::model(|| {
        let (tx, rx) = channel(0);
        let receivers = [rx.clone(), rx].map(|mut rx| {
            thread::spawn(move || {
                block_on(rx.changed()).unwrap();
                assert_eq!(*rx.borrow(), 1);
            })
        });
        tx.send_replace(1);
        receivers.map(|receiver| receiver.join().unwrap());
    });
}

#[test]
fn loom_closed_against_receiver_dropped() {
    loom::model(|| {
        let (tx, rx) = channel(0);
        let receivers = [rx.clone(), rx].map(|rx| thread::spawn(move || drop(rx)));
        block_on(tx.closed());
        assert!(tx.send(1).is_err());
        receivers.map(|receiver| receiver.join().unwrap());
    });
}
