//! Senders against the receiver and against each other.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc as Plain;
use std::task::{Context, Poll, Waker};

use loom::thread;

use crate::sync::loom_support::block_on;

use super::{channel, unbounded_channel};

#[test]
fn loom_two_senders_against_recv() {
    loom::model(|| {
        let (tx, mut rx) = unbounded_channel();
        let senders = [tx.clone(), tx].map(|tx| thread::spawn(move || tx.send(1).unwrap()));
        block_on(async {
            assert_eq!(rx.recv().await, Some(1));
            assert_eq!(rx.recv().await, Some(1));
            assert_eq!(rx.recv().await, None);
        });
        senders.map(|sender| sender.join().unwrap());
    });
}

#[test]
fn loom_full_channel_against_recv() {
    loom::model(|| {
        let (tx, mut rx) = channel(1);
        let sender = thread::spawn(move || {
            block_on(async {
                tx.send(1).await.unwrap();
                tx.send(2).await.unwrap();
            });
        });
        block_on(async {
            assert_eq!(rx.recv().await, Some(1));
            assert_eq!(rx.recv().await, Some(2));
            assert_eq!(rx.recv().await, None);
        });
        assert_eq!(rx.capacity(), 1);
        sender.join().unwrap();
    });
}

/// A sender waits for a place that another gives up; the receiver must be told of the end.
#[test]
fn loom_permit_dropped_against_who_waits() {
    loom::model(|| {
        let (tx, mut rx) = channel::<u32>(1);
        let permit = tx.clone().try_reserve_owned().unwrap();
        let waiter = thread::spawn(move || block_on(tx.send(1)).unwrap());
        drop(permit);
        assert_eq!(block_on(rx.recv()), Some(1));
        assert_eq!(block_on(rx.recv()), None);
        waiter.join().unwrap();
    });
}

/// A reserve that was handed its place is dropped: the place goes on to who waits behind it.
#[test]
fn loom_cancelled_reserve_passes_its_place_on() {
    loom::model(|| {
        let (tx, mut rx) = channel::<u32>(1);
        tx.try_send(0).unwrap();
        let behind = tx.clone();
        let mut first = Box::pin(async move { tx.reserve().await.map(drop) });
        assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let behind = thread::spawn(move || block_on(behind.send(1)).unwrap());
        let cancel = thread::spawn(move || drop(first));
        assert_eq!(block_on(rx.recv()), Some(0));
        assert_eq!(block_on(rx.recv()), Some(1));
        behind.join().unwrap();
        cancel.join().unwrap();
        assert_eq!(rx.capacity(), 1);
    });
}

#[test]
fn loom_close_against_permit_and_who_waits() {
    loom::model(|| {
        let (tx, mut rx) = channel::<u32>(1);
        let permit = tx.clone().try_reserve_owned().unwrap();
        let use_it = thread::spawn(move || drop(permit.send(1)));
        let waiter = thread::spawn(move || block_on(tx.send(2)).is_ok());
        rx.close();
        // What is held is used, and then it is over, whoever comes last.
        assert_eq!(block_on(rx.recv()), Some(1));
        assert_eq!(block_on(rx.recv()), None);
        use_it.join().unwrap();
        assert!(!waiter.join().unwrap());
    });
}

#[test]
fn loom_close_against_permit_dropped() {
    loom::model(|| {
        let (tx, mut rx) = channel::<u32>(1);
        let permit = tx.clone().try_reserve_owned().unwrap();
        rx.close();
        let drop_it = thread::spawn(move || drop(permit));
        assert_eq!(block_on(rx.recv()), None);
        drop_it.join().unwrap();
        drop(tx);
    });
}

#[test]
fn loom_receiver_dropped_against_sender_and_closed() {
    loom::model(|| {
        let value = Plain::new(());
        let (tx, rx) = channel(1);
        let watcher = tx.clone();
        let watcher = thread::spawn(move || block_on(watcher.closed()));
        let sent = Plain::clone(&value);
        let sender = thread::spawn(move || {
            drop(tx.try_send(sent));
        });
        drop(rx);
        watcher.join().unwrap();
        sender.join().unwrap();
        assert_eq!(Plain::strong_count(&value), 1, "dropped exactly once, received by nobody");
    });
}

#[test]
fn loom_last_sender_against_upgrade() {
    loom::model(|| {
        let (tx, mut rx) = unbounded_channel::<u32>();
        let weak = tx.downgrade();
        let upgrade = thread::spawn(move || weak.upgrade().is_some_and(|tx| tx.send(1).is_ok()));
        let dropped = thread::spawn(move || drop(tx));
        let received = block_on(rx.recv());
        assert_eq!(block_on(rx.recv()), None);
        dropped.join().unwrap();
        assert_eq!(upgrade.join().unwrap(), received.is_some());
    });
}

/// The waker of a receiver that moves to another task is the one that is woken.
#[test]
fn loom_send_against_changed_waker() {
    loom::model(|| {
        let (tx, mut rx) = unbounded_channel();
        let sender = thread::spawn(move || tx.send(1).unwrap());
        {
            let mut recv = pin!(rx.recv());
            if let Poll::Ready(value) = recv.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                assert_eq!(value, Some(1));
            } else {
                assert_eq!(block_on(recv), Some(1));
            }
        }
        sender.join().unwrap();
    });
}
