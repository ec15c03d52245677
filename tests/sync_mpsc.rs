//! Channels from many to one: order, limits, the end, and what a dropped future must not lose.

#[path = "support/poll.rs"]
mod poll;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use corelane::runtime::Builder;
use corelane::sync::mpsc::error::{SendTimeoutError, TryRecvError, TrySendError};
use corelane::sync::mpsc::{channel, unbounded_channel};
use corelane::task::consume_budget;
use corelane::task::coop::has_budget_remaining;
use poll::{Hand, now, panic_of};

/// Senders, and values of each, in the tests with threads.
const SENDERS: usize = 4;
const VALUES: usize = 20_000;

/// A value that counts its drops.
struct Counted(Arc<AtomicUsize>, usize, usize);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn each_value_once_and_in_each_senders_order() {
    for room in [1, 3, 1_000] {
        let (tx, mut rx) = channel(room);
        let senders: Vec<_> = (0..SENDERS)
            .map(|id| {
                let tx = tx.clone();
                thread::spawn(move || (0..VALUES).for_each(|i| tx.blocking_send((id, i)).unwrap()))
            })
            .collect();
        drop(tx);
        let mut next = [0; SENDERS];
        while let Some((id, i)) = rx.blocking_recv() {
            assert_eq!(i, next[id]);
            next[id] += 1;
        }
        assert_eq!(next, [VALUES; SENDERS]);
        assert_eq!(rx.capacity(), room);
        senders.into_iter().for_each(|sender| sender.join().unwrap());
    }
}

#[test]
fn many_are_received_in_order_while_senders_wait() {
    let (tx, mut rx) = channel(50);
    let senders: Vec<_> = (0..SENDERS)
        .map(|id| {
            let tx = tx.clone();
            thread::spawn(move || (0..VALUES).for_each(|i| tx.blocking_send((id, i)).unwrap()))
        })
        .collect();
    drop(tx);
    let (mut next, mut batch) = ([0; SENDERS], Vec::new());
    while rx.blocking_recv_many(&mut batch, 64) > 0 {
        assert!(batch.len() <= 64);
        for (id, i) in batch.drain(..) {
            assert_eq!(i, next[id]);
            next[id] += 1;
        }
    }
    assert_eq!(next, [VALUES; SENDERS]);
    senders.into_iter().for_each(|sender| sender.join().unwrap());
}

#[test]
fn every_value_is_dropped_once_when_the_receiver_leaves_early() {
    let drops = Arc::new(AtomicUsize::new(0));
    let made = Arc::new(AtomicUsize::new(0));
    let (tx, mut rx) = unbounded_channel();
    let senders: Vec<_> = (0..SENDERS)
        .map(|id| {
            let (tx, drops, made) = (tx.clone(), Arc::clone(&drops), Arc::clone(&made));
            thread::spawn(move || {
                for i in 0..VALUES {
                    made.fetch_add(1, Ordering::Relaxed);
                    if tx.send(Counted(Arc::clone(&drops), id, i)).is_err() {
                        return;
                    }
                }
            })
        })
        .collect();
    drop(tx);
    let mut next = [0; SENDERS];
    for _ in 0..VALUES {
        let value = rx.blocking_recv().unwrap();
        assert_eq!(value.2, next[value.1]);
        next[value.1] += 1;
    }
    drop(rx);
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    assert_eq!(drops.load(Ordering::Relaxed), made.load(Ordering::Relaxed));
}

#[test]
fn calls_that_give_up_lose_no_place_and_no_value() {
    let (tx, mut rx) = channel(2);
    let total = Arc::new(AtomicUsize::new(0));
    let senders: Vec<_> = (0..SENDERS)
        .map(|id| {
            let (tx, total) = (tx.clone(), Arc::clone(&total));
            thread::spawn(move || {
                let rt = Builder::new_current_thread().build().unwrap();
                rt.block_on(async {
                    for round in 0..2_000 {
                        if (id + round) % 3 == 0 {
                            // Polled and dropped, wherever it stands by then.
                            let _ = Hand::new(tx.reserve_many(1 + round % 2)).poll();
                        } else {
                            tx.reserve().await.unwrap().send(1);
                            total.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            })
        })
        .collect();
    drop(tx);
    let mut received = 0;
    let rt = Builder::new_current_thread().build().unwrap();
    rt.block_on(async {
        loop {
            // A receive that gives up takes nothing.
            if let std::task::Poll::Ready(value) = Hand::new(rx.recv()).poll() {
                match value {
                    Some(value) => received += value,
                    None => return,
                }
            }
            match rx.recv().await {
                Some(value) => received += value,
                None => return,
            }
        }
    });
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    assert_eq!(received, total.load(Ordering::Relaxed));
    assert_eq!(rx.capacity(), 2);
}

#[test]
fn a_limit_is_no_allocation() {
    let (tx, mut rx) = channel::<[u8; 4096]>(usize::MAX >> 3);
    tx.try_send([7; 4096]).unwrap();
    assert_eq!(rx.try_recv().unwrap()[0], 7);
    assert_eq!(tx.max_capacity(), usize::MAX >> 3);
    assert_eq!(
        panic_of(|| channel::<u8>(usize::MAX)),
        "a semaphore may not have more than MAX_PERMITS permits (2305843009213693951)"
    );
    assert_eq!(panic_of(|| channel::<u8>(0)), "mpsc bounded channel requires buffer > 0");
}

#[test]
fn places_go_to_who_waited_longest() {
    let (tx, mut rx) = channel(2);
    tx.try_send(1).unwrap();
    tx.try_send(2).unwrap();
    let mut many = Hand::new(tx.reserve_many(2));
    let mut one = Hand::new(tx.send(3));
    many.waits();
    one.waits();
    assert_eq!(rx.try_recv(), Ok(1));
    assert_eq!((many.wakes(), one.wakes()), (0, 0), "the first place is kept for who wants two");
    assert_eq!(tx.capacity(), 0);
    assert_eq!(tx.try_send(4), Err(TrySendError::Full(4)));
    drop(many);
    assert_eq!(one.wakes(), 1, "what the dropped call had goes on");
    one.ready().unwrap();
    assert_eq!(rx.try_recv(), Ok(2));
    assert_eq!(rx.try_recv(), Ok(3));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn a_dropped_send_drops_its_value_and_nothing_else() {
    let drops = Arc::new(AtomicUsize::new(0));
    let (tx, mut rx) = channel(1);
    let value = |i| Counted(Arc::clone(&drops), 0, i);
    assert!(tx.try_send(value(0)).is_ok());
    let mut gives_up = Hand::new(tx.send(value(1)));
    let mut stays = Hand::new(tx.send(value(2)));
    gives_up.waits();
    stays.waits();
    assert_eq!(rx.try_recv().unwrap().2, 0);
    // It was handed the place and never looked.
    assert_eq!((gives_up.wakes(), stays.wakes()), (1, 0));
    drop(gives_up);
    assert_eq!(drops.load(Ordering::Relaxed), 2);
    assert!(stays.ready().is_ok());
    assert_eq!(rx.try_recv().unwrap().2, 2);
}

#[test]
fn a_closed_receiver_takes_what_is_held() {
    let (tx, mut rx) = channel(3);
    tx.try_send(1).unwrap();
    let permit = tx.try_reserve().unwrap();
    let given_up = tx.try_reserve().unwrap();
    rx.close();
    assert_eq!(tx.try_send(9), Err(TrySendError::Closed(9)));
    assert!(tx.is_closed() && rx.is_closed());
    assert_eq!(now(rx.recv()), Some(1));
    let mut recv = Hand::new(rx.recv());
    recv.waits();
    permit.send(2);
    assert_eq!(recv.ready(), Some(2));
    drop(recv);
    let mut recv = Hand::new(rx.recv());
    recv.waits();
    drop(given_up);
    assert_eq!(recv.wakes(), 1);
    assert_eq!(recv.ready(), None);
}

#[test]
fn what_is_sent_to_nobody_is_dropped_at_once() {
    let drops = Arc::new(AtomicUsize::new(0));
    let (tx, rx) = channel(1);
    let permit = tx.try_reserve().unwrap();
    drop(rx);
    permit.send(Counted(Arc::clone(&drops), 0, 0));
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    assert_eq!(tx.capacity(), 1);
}

#[test]
fn a_value_may_use_its_channel_when_it_is_dropped() {
    struct Sends(Option<corelane::sync::mpsc::UnboundedSender<Sends>>);
    impl Drop for Sends {
        fn drop(&mut self) {
            if let Some(tx) = self.0.take() {
                assert!(tx.send(Sends(None)).is_err());
            }
        }
    }
    let (tx, rx) = unbounded_channel();
    assert!(tx.send(Sends(Some(tx.clone()))).is_ok());
    drop(rx);
}

#[test]
fn a_send_gives_up_when_its_time_is_up() {
    let rt = Builder::new_current_thread().enable_time().build().unwrap();
    rt.block_on(async {
        let (tx, rx) = channel(1);
        tx.send(1).await.unwrap();
        let late = tx.send_timeout(2, Duration::from_millis(1)).await;
        assert_eq!(late, Err(SendTimeoutError::Timeout(2)));
        drop(rx);
        let closed = tx.send_timeout(3, Duration::from_secs(100)).await;
        assert_eq!(closed, Err(SendTimeoutError::Closed(3)));
    });
}

#[test]
fn a_task_that_never_waits_gives_way() {
    let rt = Builder::new_current_thread().build().unwrap();
    rt.block_on(async {
        let (tx, mut rx) = channel(1);
        let endless = async {
            loop {
                tx.send(()).await.unwrap();
                rx.recv().await.unwrap();
            }
        };
        corelane::select! {
            biased;
            () = endless => unreachable!(),
            () = corelane::task::yield_now() => {}
        }
    });
}

#[test]
fn a_thread_that_drives_tasks_may_not_block() {
    let rt = Builder::new_current_thread().build().unwrap();
    let blocked = "Cannot block the current thread from within a runtime. This happens because a function attempted to \
                   block the current thread while the thread is being used to drive asynchronous tasks.";
    let (tx, mut rx) = channel::<u8>(1);
    let said = rt.block_on(async {
        [
            panic_of(|| rx.blocking_recv()),
            panic_of(|| tx.blocking_send(1)),
            panic_of(|| rx.blocking_recv_many(&mut vec![], 1)),
        ]
    });
    assert_eq!(said, [blocked; 3]);
}

#[test]
fn a_burst_passes_through_an_unbounded_channel() {
    let (tx, mut rx) = unbounded_channel();
    (0..100_000_u64).for_each(|i| tx.send(i).unwrap());
    assert_eq!(rx.len(), 100_000);
    drop(tx);
    let mut all = Vec::new();
    assert_eq!(rx.blocking_recv_many(&mut all, usize::MAX), 100_000);
    assert!(all.into_iter().eq(0..100_000));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn local_channels_do_the_same() {
    use corelane::local::mpsc;
    use std::rc::Rc;

    let rt = corelane::runtime::LocalRuntime::new().unwrap();
    rt.block_on(async {
        let (tx, mut rx) = mpsc::channel(2);
        let senders: Vec<_> = (0..3)
            .map(|id| {
                let tx = tx.clone();
                corelane::task::spawn_local(async move {
                    for i in 0..1_000 {
                        tx.send(Rc::new((id, i))).await.unwrap();
                    }
                })
            })
            .collect();
        drop(tx);
        let mut next = [0; 3];
        while let Some(value) = rx.recv().await {
            assert_eq!(value.1, next[value.0]);
            next[value.0] += 1;
        }
        assert_eq!(next, [1_000; 3]);
        for sender in senders {
            sender.await.unwrap();
        }

        let (tx, mut rx) = mpsc::unbounded_channel();
        tx.try_send(1).unwrap();
        let permit = tx.reserve().await.unwrap();
        rx.close();
        assert_eq!(tx.try_send(2), Err(TrySendError::Closed(2)));
        permit.send(3);
        assert_eq!((rx.recv().await, rx.recv().await, rx.recv().await), (Some(1), Some(3), None));
        tx.closed().await;
    });
}

#[test]
fn receiving_none_takes_budget_as_receiving_some_does() {
    Builder::new_current_thread().build().unwrap().block_on(async {
        let (tx, mut rx) = channel::<u8>(1);
        let other = corelane::spawn(async { drop(tx) });
        while !other.is_finished() {
            assert_eq!(rx.recv_many(&mut Vec::new(), 0).await, 0);
        }
    });
}

#[test]
fn a_refusal_takes_no_budget() {
    let (tx, rx) = channel(1);
    drop(rx);
    Builder::new_current_thread().build().unwrap().block_on(async {
        for n in 0..1000 {
            assert!(now(tx.send(n)).is_err() && now(tx.reserve()).is_err());
        }
        assert!(has_budget_remaining());
        while Hand::new(consume_budget()).poll().is_ready() {}
        assert!(now(tx.send(1)).is_err(), "and needs none");
    });
}
