//! Senders against the receiver and against each other.

use std::pin::pin;
use std::sync::Arc as Plain;
use std::task::Poll;

use loom::sync::Arc;
use loom::sync::atomic::AtomicBool;
use loom::sync::atomic::Ordering::{Acquire, Release};
use loom::thread;

use crate::sync::loom_support::{block_on, look, model};

use super::error::{TryRecvError, TrySendError};
use super::{channel, unbounded_channel};

#[test]
fn loom_two_senders_and_the_end() {
    model(|| {
        let (tx, mut rx) = unbounded_channel();
        let other = tx.clone();
        let sender = thread::spawn(move || other.send(1).unwrap());
        tx.send(2).unwrap();
        drop(tx);
        let mut sum = 0;
        while let Some(value) = block_on(rx.recv()) {
            sum += value;
        }
        assert_eq!(sum, 3);
        sender.join().unwrap();
    });
}

#[test]
fn loom_full_channel_against_recv() {
    model(|| {
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
    model(|| {
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
    model(|| {
        let (tx, mut rx) = channel::<u32>(1);
        tx.try_send(0).unwrap();
        let behind = tx.clone();
        let mut first = Box::pin(async move { tx.reserve().await.map(drop) });
        assert!(look(first.as_mut()).is_pending());
        let behind = thread::spawn(move || block_on(behind.send(1)).unwrap());
        assert_eq!(block_on(rx.recv()), Some(0));
        drop(first);
        assert_eq!(block_on(rx.recv()), Some(1));
        behind.join().unwrap();
        assert_eq!(rx.capacity(), 1);
    });
}

#[test]
fn loom_recv_against_cancelled_reserve() {
    model(|| {
        let (tx, mut rx) = channel::<u32>(1);
        tx.try_send(0).unwrap();
        let reserve = tx.clone();
        let mut reserve = Box::pin(async move { reserve.reserve().await.map(drop) });
        assert!(look(reserve.as_mut()).is_pending());
        let cancel = thread::spawn(move || drop(reserve));
        assert_eq!(block_on(rx.recv()), Some(0));
        block_on(tx.send(1)).unwrap();
        cancel.join().unwrap();
        assert_eq!(rx.try_recv(), Ok(1));
        assert_eq!(rx.capacity(), 1);
    });
}

#[test]
fn loom_close_against_permit() {
    model(|| {
        let (tx, mut rx) = channel::<u32>(1);
        let permit = tx.clone().try_reserve_owned().unwrap();
        let use_it = thread::spawn(move || drop(permit.send(1)));
        rx.close();
        // What is held is used, and then it is over.
        assert_eq!(block_on(rx.recv()), Some(1));
        assert_eq!(block_on(rx.recv()), None);
        use_it.join().unwrap();
        drop(tx);
    });
}

#[test]
fn loom_close_against_who_waits() {
    model(|| {
        let (tx, mut rx) = channel::<u32>(1);
        tx.try_send(0).unwrap();
        let waiter = thread::spawn(move || block_on(tx.send(1)).is_ok());
        rx.close();
        assert_eq!(block_on(rx.recv()), Some(0));
        assert_eq!(block_on(rx.recv()), None);
        assert!(!waiter.join().unwrap());
    });
}

/// Who was handed a place and finds the channel closed gives it back.
#[test]
fn loom_close_against_place_handed_on() {
    model(|| {
        let (tx, mut rx) = channel::<u32>(1);
        let permit = tx.clone().try_reserve_owned().unwrap();
        let mut waiter = Box::pin(tx.send(1));
        assert!(look(waiter.as_mut()).is_pending());
        let drop_it = thread::spawn(move || drop(permit));
        rx.close();
        assert!(block_on(waiter).is_err());
        assert_eq!(block_on(rx.recv()), None);
        drop_it.join().unwrap();
    });
}

#[test]
fn loom_close_against_permit_dropped() {
    model(|| {
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
fn loom_receiver_dropped_against_sender() {
    model(|| {
        let value = Plain::new(());
        let (tx, rx) = channel(1);
        let sent = Plain::clone(&value);
        let sender = thread::spawn(move || drop(tx.try_send(sent)));
        drop(rx);
        sender.join().unwrap();
        assert_eq!(Plain::strong_count(&value), 1, "dropped exactly once, received by nobody");
    });
}

#[test]
fn loom_receiver_dropped_against_closed() {
    model(|| {
        let (tx, rx) = channel::<u32>(1);
        let receiver = thread::spawn(move || drop(rx));
        block_on(tx.closed());
        assert!(tx.is_closed());
        receiver.join().unwrap();
    });
}

#[test]
fn loom_last_sender_against_upgrade() {
    model(|| {
        let (tx, mut rx) = unbounded_channel::<u32>();
        let weak = tx.downgrade();
        let upgrade = thread::spawn(move || weak.upgrade().is_some_and(|tx| tx.send(1).is_ok()));
        drop(tx);
        let received = block_on(rx.recv());
        assert_eq!(block_on(rx.recv()), None);
        assert_eq!(upgrade.join().unwrap(), received.is_some());
    });
}

/// The waker of a receiver that moves to another task is the one that is woken.
#[test]
fn loom_send_against_changed_waker() {
    model(|| {
        let (tx, mut rx) = unbounded_channel();
        let sender = thread::spawn(move || tx.send(1).unwrap());
        {
            let mut recv = pin!(rx.recv());
            if let Poll::Ready(value) = look(recv.as_mut()) {
                assert_eq!(value, Some(1));
            } else {
                assert_eq!(block_on(recv), Some(1));
            }
        }
        sender.join().unwrap();
    });
}

/// A receiver that polls, and finds the channel empty before: it finds each value that it knows of, and then the end.
#[test]
fn loom_polls_against_send() {
    model(|| {
        let (tx, mut rx) = unbounded_channel();
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        let sent = Arc::new(AtomicBool::new(false));
        let sender = thread::spawn({
            let sent = sent.clone();
            move || {
                tx.send(1).unwrap();
                sent.store(true, Release);
            }
        });
        let (known, first) = (sent.load(Acquire), rx.try_recv());
        assert!(first == Ok(1) || !known, "{first:?}");
        sender.join().unwrap();
        if first.is_err() {
            assert_eq!(rx.try_recv(), Ok(1));
        }
        assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected));
    });
}

/// A sender that polls, and found the channel full before: it gets each place that it knows of, and is told of the end.
#[test]
fn loom_polls_against_recv() {
    model(|| {
        let (tx, mut rx) = channel(1);
        tx.try_send(1).unwrap();
        assert_eq!(tx.try_send(2), Err(TrySendError::Full(2)));
        let taken = Arc::new(AtomicBool::new(false));
        let receiver = thread::spawn({
            let taken = taken.clone();
            move || {
                assert_eq!(rx.try_recv(), Ok(1));
                taken.store(true, Release);
            }
        });
        let (known, second) = (taken.load(Acquire), tx.try_send(2));
        assert!(!known || second != Err(TrySendError::Full(2)));
        receiver.join().unwrap();
        assert_eq!(tx.try_send(3), Err(TrySendError::Closed(3)));
    });
}

/// The same receiver when the sender leaves without a word.
#[test]
fn loom_polls_against_the_end() {
    model(|| {
        let (tx, mut rx) = unbounded_channel::<u32>();
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        let sender = thread::spawn(move || drop(tx));
        assert!(rx.try_recv().is_err());
        sender.join().unwrap();
        assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected));
    });
}
