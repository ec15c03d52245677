//! One end against the other, in each pair of what they may do last.

use std::pin::Pin;
use std::sync::Arc as Plain;
use std::sync::atomic::{AtomicUsize, Ordering};

use loom::thread;

use crate::sync::loom_support::{block_on, look, model};

use super::channel;

/// Counts its drops, so that a value lost or dropped twice shows.
struct Counted(Plain<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn counted() -> (Counted, Plain<AtomicUsize>) {
    let drops = Plain::new(AtomicUsize::new(0));
    (Counted(Plain::clone(&drops)), drops)
}

#[test]
fn loom_send_against_await() {
    model(|| {
        let (tx, rx) = channel();
        let (value, drops) = counted();
        let sender = thread::spawn(move || assert!(tx.send(value).is_ok()));
        let value = block_on(rx);
        assert!(value.is_ok());
        assert_eq!(drops.load(Ordering::Relaxed), 0);
        drop(value);
        assert_eq!(drops.load(Ordering::Relaxed), 1);
        sender.join().unwrap();
    });
}

#[test]
fn loom_sender_dropped_against_await() {
    model(|| {
        let (tx, rx) = channel::<()>();
        let sender = thread::spawn(move || drop(tx));
        assert!(block_on(rx).is_err());
        sender.join().unwrap();
    });
}

#[test]
fn loom_send_against_receiver_dropped() {
    model(|| {
        let (tx, rx) = channel();
        let (value, drops) = counted();
        let receiver = thread::spawn(move || drop(rx));
        drop(tx.send(value));
        receiver.join().unwrap();
        assert_eq!(drops.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn loom_send_against_close_and_take() {
    model(|| {
        let (tx, mut rx) = channel();
        let (value, drops) = counted();
        let receiver = thread::spawn(move || {
            rx.close();
            rx.try_recv().is_ok()
        });
        let sent = tx.send(value).is_ok();
        assert_eq!(receiver.join().unwrap(), sent, "what was sent before the close is received");
        assert_eq!(drops.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn loom_closed_against_receiver_dropped() {
    model(|| {
        let (mut tx, rx) = channel::<()>();
        let receiver = thread::spawn(move || drop(rx));
        block_on(tx.closed());
        assert!(tx.is_closed());
        receiver.join().unwrap();
    });
}

#[test]
fn loom_send_against_poll_and_drop() {
    model(|| {
        let (tx, mut rx) = channel();
        let (value, drops) = counted();
        let sender = thread::spawn(move || drop(tx.send(value)));
        // A waker of a future that is given up: whoever leaves second frees it.
        let _ = look(Pin::new(&mut rx)).map(drop);
        drop(rx);
        sender.join().unwrap();
        assert_eq!(drops.load(Ordering::Relaxed), 1);
    });
}
