//! Sends against receives, lags and ends that leave.

use std::sync::Arc as Plain;

use loom::thread;

use crate::sync::loom_support::block_on;

use super::channel;
use super::error::{RecvError, TryRecvError};

#[test]
fn loom_send_against_recv_and_the_end() {
    loom::model(|| {
        let (tx, mut rx) = channel(2);
        let sender = thread::spawn(move || {
            tx.send(1).unwrap();
            tx.send(2).unwrap();
        });
        block_on(async {
            assert_eq!(rx.recv().await, Ok(1));
            assert_eq!(rx.recv().await, Ok(2));
            assert_eq!(rx.recv().await, Err(RecvError::Closed));
        });
        sender.join().unwrap();
    });
}

#[test]
fn loom_send_against_lag() {
    loom::model(|| {
        let (tx, mut rx) = channel(1);
        let sender = thread::spawn(move || {
            tx.send(1).unwrap();
            tx.send(2).unwrap();
        });
        let (mut received, mut missed, mut last) = (0, 0, 0);
        loop {
            match block_on(rx.recv()) {
                Ok(value) => {
                    assert!(value > last);
                    last = value;
                    received += 1;
                }
                Err(RecvError::Lagged(count)) => missed += count,
                Err(RecvError::Closed) => break,
            }
        }
        assert_eq!((received + missed, last), (2, 2), "each value is received or counted as missed");
        sender.join().unwrap();
    });
}

#[test]
fn loom_two_receivers_share_a_value() {
    loom::model(|| {
        let (tx, rx) = channel(1);
        let receivers =
            [tx.subscribe(), rx].map(|mut rx| thread::spawn(move || block_on(rx.recv()).map(drop)));
        let value = Plain::new(());
        tx.send(Plain::clone(&value)).unwrap();
        receivers.map(|receiver| receiver.join().unwrap().unwrap());
        assert_eq!(Plain::strong_count(&value), 1, "whoever was last dropped the channel's");
        assert!(tx.is_empty());
    });
}

#[test]
fn loom_send_against_receiver_dropped() {
    loom::model(|| {
        let (tx, rx) = channel(2);
        let mut stays = tx.subscribe();
        let value = Plain::new(());
        let leaving = thread::spawn(move || drop(rx));
        let reached = tx.send(Plain::clone(&value)).unwrap();
        leaving.join().unwrap();
        assert!(reached == 1 || reached == 2);
        assert!(stays.try_recv().is_ok());
        assert_eq!(Plain::strong_count(&value), 1, "nobody is counted who has left");
        assert_eq!(stays.try_recv(), Err(TryRecvError::Empty));
    });
}

#[test]
fn loom_closed_against_receiver_dropped() {
    loom::model(|| {
        let (tx, rx) = channel::<u32>(1);
        let receiver = thread::spawn(move || drop(rx));
        block_on(tx.closed());
        assert!(tx.send(1).is_err());
        receiver.join().unwrap();
    });
}

/// A send that finds its slot taken by a slow receiver waits for it.
#[test]
fn loom_two_senders_against_try_recv() {
    loom::model(|| {
        let (tx, mut rx) = channel(1);
        let senders = [tx.clone(), tx].map(|tx| thread::spawn(move || tx.send(1).unwrap()));
        let (mut received, mut missed) = (0, 0);
        loop {
            match block_on(rx.recv()) {
                Ok(_) => received += 1,
                Err(RecvError::Lagged(count)) => missed += count,
                Err(RecvError::Closed) => break,
            }
        }
        assert_eq!(received + missed, 2);
        senders.map(|sender| sender.join().unwrap());
    });
}
