//! One value: what each end sees of the other, on one thread and on two.

#[path = "support/poll.rs"]
mod poll;

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use corelane::runtime::{Builder, LocalRuntime};
use corelane::sync::oneshot::channel;
use corelane::sync::oneshot::error::TryRecvError;
use poll::{Hand, panic_of};

#[test]
fn the_value_arrives_or_comes_back() {
    let drops = Arc::new(AtomicUsize::new(0));
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    const ROUNDS: usize = 5_000;
    let mut received = 0;
    for round in 0..ROUNDS {
        let (tx, mut rx) = channel();
        let value = Counted(Arc::clone(&drops));
        let sender = thread::spawn(move || tx.send(value).is_ok());
        let here = match round % 3 {
            0 => rx.blocking_recv().is_ok(),
            1 => {
                rx.close();
                rx.try_recv().is_ok()
            }
            _ => {
                drop(rx);
                false
            }
        };
        let sent = sender.join().unwrap();
        assert!(sent || !here);
        if round % 3 == 1 {
            assert_eq!(sent, here, "what was sent before the close is received");
        }
        received += usize::from(here);
        assert_eq!(drops.load(Ordering::Relaxed), round + 1);
    }
    assert!(received >= ROUNDS.div_ceil(3));
}

#[test]
fn a_receiver_that_is_polled_by_turns_loses_nothing() {
    let (tx, mut rx) = channel();
    // What is dropped is a borrow, as in a `select!` in a loop.
    Hand::new(&mut rx).waits();
    let mut again = Hand::new(&mut rx);
    again.waits();
    tx.send(5).unwrap();
    assert_eq!(again.wakes(), 1);
    assert_eq!(again.ready(), Ok(5));
    drop(again);
    assert!(rx.is_terminated());
    assert_eq!(rx.try_recv(), Err(TryRecvError::Closed));
    assert_eq!(panic_of(|| Hand::new(&mut rx).poll()), "called after complete");
}

#[test]
fn a_sender_learns_that_nobody_waits() {
    let (mut tx, rx) = channel::<u8>();
    let mut closed = Hand::new(tx.closed());
    closed.waits();
    closed.waits();
    drop(rx);
    assert_eq!(closed.wakes(), 1);
    closed.ready();
    drop(closed);
    assert!(tx.is_closed());
    assert_eq!(tx.send(1), Err(1));
}

#[test]
fn a_thread_that_drives_tasks_may_not_block() {
    let rt = Builder::new_current_thread().build().unwrap();
    let (_tx, rx) = channel::<u8>();
    let said = rt.block_on(async { panic_of(|| rx.blocking_recv()) });
    assert!(said.starts_with("Cannot block the current thread from within a runtime."), "{said}");
}

/// hyper's own tests send requests whose answers nobody wants, under `deny(warnings)`.
#[deny(unused_must_use)]
#[test]
fn a_receiver_may_be_left_unused() {
    let mut sender = None;
    let mut ask = || {
        let (tx, rx) = channel::<u8>();
        sender = Some(tx);
        rx
    };
    ask();
    assert!(sender.unwrap().is_closed());
}

#[test]
fn local_channels_do_the_same() {
    use corelane::local::oneshot;

    let rt = LocalRuntime::new().unwrap();
    rt.block_on(async {
        let (tx, rx) = oneshot::channel();
        let task = corelane::task::spawn_local(rx);
        corelane::task::yield_now().await;
        tx.send(Rc::new(3)).unwrap();
        assert_eq!(task.await.unwrap().map(|value| *value), Ok(3));

        let (mut tx, rx) = oneshot::channel::<Rc<u8>>();
        let closed = corelane::task::spawn_local(async move {
            tx.closed().await;
            tx.send(Rc::new(1)).is_err()
        });
        corelane::task::yield_now().await;
        drop(rx);
        assert!(closed.await.unwrap());

        let (tx, mut rx) = oneshot::channel::<u8>();
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        drop(tx);
        assert_eq!(rx.try_recv(), Err(TryRecvError::Closed));
    });
}
