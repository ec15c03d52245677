//! A value that changes: nobody misses the last one, and looks see whole values.

#[path = "support/poll.rs"]
mod poll;

use std::pin::pin;
use std::thread;

use corelane::runtime::{Builder, LocalRuntime};
use corelane::sync::watch;
use poll::{Hand, now, panic_of, wait_to_panic};

#[test]
fn receivers_see_values_go_up_and_the_last_one() {
    const CHANGES: u64 = 20_000;
    let (tx, rx) = watch::channel((0, 0));
    let receivers: Vec<_> = (0..3)
        .map(|_| {
            let mut rx = rx.clone();
            thread::spawn(move || {
                Builder::new_current_thread().build().unwrap().block_on(async {
                    let mut last = 0;
                    while rx.changed().await.is_ok() {
                        let (left, right) = *rx.borrow_and_update();
                        assert_eq!(left, right, "a look sees one change");
                        assert!(left > last, "a value is given once");
                        last = left;
                    }
                    last
                })
            })
        })
        .collect();
    drop(rx);
    for i in 1..=CHANGES {
        tx.send((i, i)).unwrap();
    }
    drop(tx);
    for receiver in receivers {
        assert_eq!(receiver.join().unwrap(), CHANGES);
    }
}

#[test]
fn a_dropped_wait_marks_nothing_as_seen() {
    let (tx, mut rx) = watch::channel(0);
    let mut gives_up = Hand::new(rx.changed());
    gives_up.waits();
    tx.send(1).unwrap();
    assert_eq!(gives_up.wakes(), 1);
    drop(gives_up);
    assert!(rx.has_changed().unwrap());
    now(rx.changed()).unwrap();
    assert!(!rx.has_changed().unwrap());
}

#[test]
fn many_waiters_are_all_woken() {
    let (tx, rx) = watch::channel(0);
    let mut receivers = vec![rx; 100];
    let mut waits: Vec<_> = receivers.iter_mut().map(|rx| Hand::new(rx.changed())).collect();
    waits.iter_mut().for_each(Hand::waits);
    tx.send(1).unwrap();
    for wait in &mut waits {
        assert_eq!(wait.wakes(), 1);
        wait.ready().unwrap();
    }
}

#[test]
fn a_change_that_is_none_wakes_nobody() {
    let (tx, mut rx) = watch::channel(0);
    let mut wait = Hand::new(rx.wait_for(|n| *n > 1));
    wait.waits();
    assert!(!tx.send_if_modified(|_| false));
    assert_eq!(wait.wakes(), 0);
    tx.send_modify(|n| *n = 1);
    wait.waits();
    assert_eq!(tx.send_replace(2), 1);
    assert_eq!(*wait.ready().unwrap(), 2);
}

#[test]
fn senders_and_receivers_are_counted() {
    let tx = watch::Sender::new(0);
    assert!(tx.is_closed());
    assert!(tx.send(1).is_err());
    now(tx.closed());
    let rx = tx.subscribe();
    let other = tx.clone();
    assert_eq!((tx.sender_count(), tx.receiver_count()), (2, 1));
    assert!(tx.same_channel(&other) && rx.same_channel(&other.subscribe()));
    let mut closed = Hand::new(tx.closed());
    closed.waits();
    drop(rx);
    assert_eq!(closed.wakes(), 1);
    closed.ready();
}

#[test]
fn the_old_value_is_dropped_outside_of_the_lock() {
    struct Looks(Option<watch::Receiver<Looks>>);
    impl Drop for Looks {
        fn drop(&mut self) {
            if let Some(rx) = self.0.take() {
                assert!(rx.borrow().0.is_none());
            }
        }
    }
    let (tx, rx) = watch::channel(Looks(None));
    tx.send(Looks(Some(rx.clone()))).ok().unwrap();
    tx.send(Looks(None)).ok().unwrap();
    drop(rx);
}

#[test]
fn local_channels_do_the_same() {
    use corelane::local::watch;

    let rt = LocalRuntime::new().unwrap();
    rt.block_on(async {
        let (tx, mut rx) = watch::channel(String::new());
        let mut other = rx.clone();
        let task = corelane::task::spawn_local(async move {
            other.changed().await.unwrap();
            let seen = other.borrow_and_update().clone();
            assert!(other.changed().await.is_err());
            seen
        });
        corelane::task::yield_now().await;
        tx.send("one".into()).unwrap();
        rx.changed().await.unwrap();
        assert_eq!(*rx.borrow_and_update(), "one");
        {
            let _look = rx.borrow();
            assert!(panic_of(|| tx.send_replace(String::new())).contains("already borrowed"));
        }
        corelane::task::yield_now().await;
        drop(tx);
        assert_eq!(task.await.unwrap(), "one");
        assert!(rx.has_changed().is_err());
    });
}

#[test]
fn a_waker_that_panics_keeps_nobody_else_from_being_woken() {
    let (tx, mut first) = watch::channel(0);
    let (mut second, mut third) = (first.clone(), first.clone());
    let mut first = pin!(first.changed());
    wait_to_panic(first.as_mut());
    let mut others = [Hand::new(second.changed()), Hand::new(third.changed())];
    others.iter_mut().for_each(Hand::waits);
    tx.send(1).unwrap();
    assert_eq!(others.each_ref().map(Hand::wakes), [1, 1]);
    others.iter_mut().for_each(|other| other.ready().unwrap());
}

#[test]
fn a_wait_has_seen_the_value_that_it_waited_for() {
    let (tx, mut rx) = watch::channel(0);
    rx.mark_changed();
    assert!(now(rx.wait_for(|n| *n == 0)).unwrap().has_changed(), "it was there, and not seen");
    let mut waits = Hand::new(rx.wait_for(|n| *n == 1));
    waits.waits();
    tx.send(1).unwrap();
    assert!(!waits.ready().unwrap().has_changed());
}
