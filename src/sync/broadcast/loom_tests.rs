//! Sends against receives, lags and ends that leave.

use std::pin::pin;
use std::sync::Arc as Plain;
use std::task::Poll;

use loom::thread;

use crate::sync::loom_support::{block_on, look, model};

use super::channel;
use super::error::{RecvError, TryRecvError};

#[test]
fn loom_send_against_recv_and_the_end() {
    model(|| {
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
    model(|| {
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

/// Lets others run while it is cloned.
struct Slow(u32, Plain<()>);

impl Clone for Slow {
    fn clone(&self) -> Self {
        thread::yield_now();
        Self(self.0, Plain::clone(&self.1))
    }
}

/// A send that finds its slot taken waits for the receiver that clones the value in it.
#[test]
fn loom_send_against_clone() {
    model(|| {
        let (tx, mut rx) = channel(1);
        let mut stays = tx.subscribe();
        let counted = Plain::new(());
        assert!(tx.send(Slow(1, Plain::clone(&counted))).is_ok());
        let receiver = thread::spawn(move || (rx.try_recv().map(|value| value.0), rx));
        // loom blocks who stands before a `try_lock` when another takes the lock; who is to find it taken comes to it later.
        thread::yield_now();
        assert!(tx.send(Slow(2, Plain::clone(&counted))).is_ok());
        let (received, mut rx) = receiver.join().unwrap();
        assert!(matches!(received, Ok(1) | Err(TryRecvError::Lagged(1))));
        assert!(matches!(stays.try_recv(), Err(TryRecvError::Lagged(1))));
        assert!(matches!(stays.try_recv(), Ok(Slow(2, _))));
        assert!(matches!(rx.try_recv(), Ok(Slow(2, _))));
        drop((stays, rx, tx));
        assert_eq!(Plain::strong_count(&counted), 1, "every value was dropped");
    });
}

#[test]
fn loom_two_receivers_share_a_value() {
    model(|| {
        let (tx, mut rx) = channel(1);
        let mut other = tx.subscribe();
        let value = Plain::new(());
        tx.send(Plain::clone(&value)).unwrap();
        let receiver = thread::spawn(move || other.try_recv().map(drop));
        assert!(rx.try_recv().is_ok());
        assert!(receiver.join().unwrap().is_ok());
        assert_eq!(Plain::strong_count(&value), 1, "whoever was last dropped the channel's");
        assert!(tx.is_empty());
    });
}

/// The second in the queue, since the first is woken on its own.
#[test]
fn loom_send_wakes_two() {
    model(|| {
        let (tx, mut first) = channel(1);
        let mut second = tx.subscribe();
        let mut first = pin!(first.recv());
        assert!(look(first.as_mut()).is_pending());
        let sender = thread::spawn(move || {
            tx.send(1).unwrap();
            tx
        });
        assert_eq!(block_on(second.recv()), Ok(1));
        let tx = sender.join().unwrap();
        assert_eq!(look(first.as_mut()), Poll::Ready(Ok(1)));
        drop(tx);
    });
}

#[test]
fn loom_send_against_receiver_dropped() {
    model(|| {
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
    model(|| {
        let (tx, rx) = channel::<u32>(1);
        let receiver = thread::spawn(move || drop(rx));
        block_on(tx.closed());
        assert!(tx.send(1).is_err());
        receiver.join().unwrap();
    });
}

#[test]
fn loom_two_senders() {
    model(|| {
        let (tx, mut rx) = channel(1);
        let other = tx.clone();
        let sender = thread::spawn(move || other.send(1).unwrap());
        tx.send(2).unwrap();
        drop(tx);
        let (mut received, mut missed) = (0, 0);
        loop {
            match block_on(rx.recv()) {
                Ok(_) => received += 1,
                Err(RecvError::Lagged(count)) => missed += count,
                Err(RecvError::Closed) => break,
            }
        }
        assert_eq!(received + missed, 2);
        sender.join().unwrap();
    });
}
