//! What the channel of one shard answers where nothing waits.

use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use corelane::local::mpsc::error::{TryRecvError, TrySendError};
use corelane::local::mpsc::{channel, unbounded_channel};

#[test]
fn a_full_channel_and_an_empty_one_say_so() {
    let (tx, mut rx) = channel(1);
    assert!(rx.is_empty());
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    tx.try_send(1).unwrap();
    assert_eq!((tx.capacity(), tx.max_capacity(), rx.len()), (0, 1, 1));
    assert_eq!(tx.try_send(2), Err(TrySendError::Full(2)));
    assert_eq!(rx.try_recv(), Ok(1));
    tx.try_send(3).unwrap();
    rx.close();
    assert!(tx.is_closed() && rx.is_closed());
    assert_eq!(tx.try_send(4), Err(TrySendError::Closed(4)));
    assert_eq!(rx.try_recv(), Ok(3), "what is queued outlives the end");
    assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn a_place_that_is_held_may_be_sent_into_after_the_end() {
    let rt = corelane::runtime::LocalRuntime::new().unwrap();
    rt.block_on(async {
        let (tx, mut rx) = channel(2);
        let (used, unused) = (tx.reserve().await.unwrap(), tx.reserve().await.unwrap());
        assert_eq!(tx.capacity(), 0);
        rx.close();
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty), "two may send yet");
        used.send(1);
        assert_eq!(rx.try_recv(), Ok(1));
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty), "one may send yet");
        drop(unused);
        assert_eq!(rx.recv().await, None);
        assert!(tx.reserve().await.is_err());
    });
}

#[test]
fn a_weak_sender_keeps_nothing_open() {
    let (tx, mut rx) = unbounded_channel();
    let weak = tx.downgrade();
    let again = weak.clone().upgrade().unwrap();
    assert!(again.same_channel(&tx) && !again.same_channel(&unbounded_channel().0));
    drop(tx);
    again.try_send(Rc::new(1)).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(rx.poll_recv(&mut cx), Poll::Ready(Some(Rc::new(1))));
    assert_eq!(rx.poll_recv(&mut cx), Poll::Pending);
    drop(again);
    assert!(weak.upgrade().is_none());
    assert!(rx.is_closed());
    assert_eq!(rx.poll_recv(&mut cx), Poll::Ready(None));
}

/// Nothing sends what waits in a channel whose receiver is gone, and a sender that stays must not keep it.
#[test]
fn values_go_with_the_receiver() {
    let value = Rc::new(());
    let (tx, rx) = channel(2);
    tx.try_send(Rc::clone(&value)).unwrap();
    let weak = tx.downgrade();
    drop(rx);
    assert_eq!(Rc::strong_count(&value), 1);
    assert_eq!(tx.try_send(value).unwrap_err().into_inner(), Rc::new(()));
    assert!(weak.upgrade().is_some_and(|tx| tx.is_closed()));
}
