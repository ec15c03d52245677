//! Waiting calls that give up lose nothing: one row for each claim of the docs of `sync` and of `local`.

#[path = "support/poll.rs"]
mod support;

use std::future::{pending, ready};
use std::sync::Arc;
use std::time::Duration;

use support::{Hand, now};

/// Each row: `{what there is} the call that waits, what it waits for => what is left for others`. The call is polled and dropped
/// once before that comes about, and once between that and its next poll.
macro_rules! give_up {
    ($($name:ident: {$($there:tt)*} $wait:expr, $comes:expr => $left:expr;)*) => {$(
        #[test]
        #[allow(unused_mut, unused_variables, reason = "rows look alike")]
        fn $name() {
            {
                $($there)*
                let mut early = Hand::new($wait);
                early.waits();
                drop(early);
                $comes;
                assert!($left, "given up before it came");
            }
            {
                $($there)*
                let mut late = Hand::new($wait);
                late.waits();
                $comes;
                assert!(late.wakes() <= 1);
                drop(late);
                assert!($left, "given up after it came");
            }
        }
    )*};
}

/// What `sync` and `local` have alike.
macro_rules! rows {
    ($area:ident) => {
        mod $area {
            use corelane::$area::{Mutex, Notify, RwLock, Semaphore, mpsc, oneshot, watch};

            use super::*;

            give_up! {
                acquire: {let s = Semaphore::new(0);}
                    s.acquire(), s.add_permits(1) => s.try_acquire().is_ok();
                acquire_many: {let s = Semaphore::new(0);}
                    s.acquire_many(2), s.add_permits(2) => s.try_acquire_many(2).is_ok();
                acquire_many_of_which_some_are_gathered: {let s = Semaphore::new(1);}
                    s.acquire_many(3), s.add_permits(1) => s.try_acquire_many(2).is_ok();
                acquire_passes_on: {let s = Semaphore::new(0); let mut next = Hand::new(s.acquire());}
                    s.acquire(), { next.waits(); s.add_permits(1) } => next.poll().is_ready();

                lock: {let m = Mutex::new(()); let held = m.try_lock().unwrap();}
                    m.lock(), drop(held) => m.try_lock().is_ok();
                read: {let l = RwLock::new(()); let held = l.try_write().unwrap();}
                    l.read(), drop(held) => l.try_write().is_ok();
                write: {let l = RwLock::new(()); let held = l.try_read().unwrap();}
                    l.write(), drop(held) => l.try_write().is_ok();
                a_writer_in_the_way_of_readers: {let l = RwLock::new(()); let held = l.try_read().unwrap();}
                    l.write(), {} => l.try_read().is_ok();

                notified: {let n = Notify::new();} n.notified(), n.notify_one() => Hand::new(n.notified()).poll().is_ready();
                notified_passes_on: {let n = Notify::new(); let mut next = Hand::new(n.notified());}
                    n.notified(), { next.waits(); n.notify_one() } => next.poll().is_ready();

                send: {let (tx, mut rx) = mpsc::channel(1); tx.try_send(0).unwrap();}
                    tx.send(1), rx.try_recv().unwrap() => tx.try_send(2).is_ok() && rx.try_recv() == Ok(2);
                reserve: {let (tx, mut rx) = mpsc::channel(1); tx.try_send(0).unwrap();}
                    tx.reserve(), rx.try_recv().unwrap() => tx.try_send(2).is_ok();
                reserve_passes_on: {
                    let (tx, mut rx) = mpsc::channel(1);
                    tx.try_send(0).unwrap();
                    let mut next = Hand::new(tx.reserve());
                }
                    tx.reserve(), { next.waits(); rx.try_recv().unwrap() } => next.poll().is_ready();
                recv: {let (tx, mut rx) = mpsc::channel(1);}
                    rx.recv(), tx.try_send(1).unwrap() => rx.try_recv() == Ok(1) && tx.capacity() == 1;
                recv_many: {let (tx, mut rx) = mpsc::channel(2); let mut into = vec![];}
                    rx.recv_many(&mut into, 2), { tx.try_send(1).unwrap(); tx.try_send(2).unwrap() }
                    => into.is_empty() && rx.try_recv() == Ok(1) && rx.try_recv() == Ok(2);
                the_end_of_a_channel: {let (tx, mut rx) = mpsc::channel::<u8>(1);}
                    rx.recv(), drop(tx) => now(rx.recv()).is_none();
                a_channel_that_nobody_receives_from: {let (tx, rx) = mpsc::channel::<u8>(1);}
                    tx.closed(), drop(rx) => Hand::new(tx.closed()).poll().is_ready();

                a_single_value: {let (tx, mut rx) = oneshot::channel();}
                    &mut rx, tx.send(1).unwrap() => now(&mut rx) == Ok(1);
                a_single_value_that_does_not_come: {let (tx, mut rx) = oneshot::channel::<u8>();}
                    &mut rx, drop(tx) => now(&mut rx).is_err();
                a_single_value_that_nobody_waits_for: {let (mut tx, rx) = oneshot::channel::<u8>();}
                    tx.closed(), drop(rx) => Hand::new(tx.closed()).poll().is_ready();

                changed: {let (tx, mut rx) = watch::channel(0);}
                    rx.changed(), tx.send(1).unwrap() => rx.has_changed().unwrap() && now(rx.changed()).is_ok();
                a_watch_that_nobody_has: {let (tx, rx) = watch::channel(0);}
                    tx.closed(), drop(rx) => Hand::new(tx.closed()).poll().is_ready();
            }
        }
    };
}
rows!(sync);
rows!(local);

mod sync_only {
    use corelane::sync::{
        Barrier, Mutex, Notify, OnceCell, RwLock, Semaphore, SetOnce, broadcast, mpsc, watch,
    };

    use super::*;

    give_up! {
        acquire_owned: {let s = Arc::new(Semaphore::new(0));}
            Arc::clone(&s).acquire_owned(), s.add_permits(1) => s.try_acquire().is_ok();
        acquire_many_owned: {let s = Arc::new(Semaphore::new(1));}
            Arc::clone(&s).acquire_many_owned(3), s.add_permits(1) => s.try_acquire_many(2).is_ok();
        lock_owned: {let m = Arc::new(Mutex::new(())); let held = m.try_lock().unwrap();}
            Arc::clone(&m).lock_owned(), drop(held) => m.try_lock().is_ok();
        read_owned: {let l = Arc::new(RwLock::new(())); let held = l.try_write().unwrap();}
            Arc::clone(&l).read_owned(), drop(held) => l.try_write().is_ok();
        write_owned: {let l = Arc::new(RwLock::new(())); let held = l.try_read().unwrap();}
            Arc::clone(&l).write_owned(), drop(held) => l.try_write().is_ok();
        notified_owned: {let n = Arc::new(Notify::new());}
            Arc::clone(&n).notified_owned(), n.notify_one() => Hand::new(n.notified()).poll().is_ready();

        get_or_init: {let c = OnceCell::new();}
            c.get_or_init(pending), {} => *now(c.get_or_init(|| ready(1))) == 1;
        get_or_try_init: {let c = OnceCell::new();}
            c.get_or_try_init(pending::<Result<u8, ()>>), {} => *now(c.get_or_init(|| ready(1))) == 1;
        set_once: {let c = SetOnce::new();} c.wait(), c.set(1).unwrap() => *now(c.wait()) == 1;
        // Not cancel safe, as its docs say: who has been polled has arrived.
        barrier: {let b = Barrier::new(2);} b.wait(), {} => Hand::new(b.wait()).poll().is_ready();

        reserve_many: {let (tx, mut rx) = full(3);}
            tx.reserve_many(2), take(&mut rx, 2) => tx.capacity() == 2 && tx.try_reserve_many(2).is_ok();
        reserve_many_of_which_one_is_gathered: {let (tx, mut rx) = full(3);}
            tx.reserve_many(2), take(&mut rx, 1) => tx.try_send(1).is_ok();
        reserve_owned: {let (tx, mut rx) = full(1);}
            tx.clone().reserve_owned(), take(&mut rx, 1) => tx.try_send(1).is_ok() && tx.strong_count() == 1;
        send_timeout: {
            let rt = corelane::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let _context = rt.enter();
            let (tx, mut rx) = full(1);
        }
            tx.send_timeout(1, Duration::from_secs(86_400)), take(&mut rx, 1)
            => tx.try_send(2).is_ok() && rx.try_recv() == Ok(2);

        unbounded_recv: {let (tx, mut rx) = mpsc::unbounded_channel();}
            rx.recv(), tx.send(1).unwrap() => rx.try_recv() == Ok(1);
        unbounded_recv_many: {let (tx, mut rx) = mpsc::unbounded_channel(); let mut into = vec![];}
            rx.recv_many(&mut into, 2), tx.send(1).unwrap() => into.is_empty() && rx.try_recv() == Ok(1);
        unbounded_closed: {let (tx, rx) = mpsc::unbounded_channel::<u8>();}
            tx.closed(), drop(rx) => Hand::new(tx.closed()).poll().is_ready();

        broadcast_recv: {let (tx, mut rx) = broadcast::channel(2);}
            rx.recv(), tx.send(1).unwrap() => rx.len() == 1 && now(rx.recv()) == Ok(1);
        broadcast_closed: {let (tx, rx) = broadcast::channel::<u8>(2);}
            tx.closed(), drop(rx) => Hand::new(tx.closed()).poll().is_ready();
        // A value that nobody asked the closure about is not seen.
        wait_for: {let (tx, mut rx) = watch::channel(0);}
            rx.wait_for(|n| *n == 2), tx.send(1).unwrap()
            => rx.has_changed().unwrap() && tx.send(2).is_ok() && *now(rx.wait_for(|n| *n == 2)).unwrap() == 2;
    }

    /// A channel of so many places, all taken.
    fn full(places: usize) -> (mpsc::Sender<u8>, mpsc::Receiver<u8>) {
        let (tx, rx) = mpsc::channel(places);
        (0..places).for_each(|_| tx.try_send(0).unwrap());
        (tx, rx)
    }

    fn take(rx: &mut mpsc::Receiver<u8>, n: usize) {
        (0..n).for_each(|_| assert_eq!(rx.try_recv(), Ok(0)));
    }
}

/// A value that the closure said no to has been seen.
#[test]
fn wait_for_marks_what_it_has_looked_at() {
    let (tx, mut rx) = corelane::sync::watch::channel(0);
    let mut wait = Hand::new(rx.wait_for(|n| *n == 2));
    wait.waits();
    tx.send(1).unwrap();
    wait.waits();
    drop(wait);
    assert!(!rx.has_changed().unwrap());
}
