//! The races of the primitives. Each model names the lines that it fails without.

#![expect(unsafe_code, reason = "visits a cell that the models' permits protect")]

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use corelane_shards::loom::atomic::{AtomicUsize, Ordering};
use corelane_shards::loom::cell::UnsafeCell;
use corelane_shards::loom::{Condvar, Mutex as StdMutex, thread};

use super::{Barrier, Notify, OnceCell, RwLock, Semaphore, SetOnce};

/// Three preemptions are enough for every mutation named below, and keep each model to seconds.
fn model(f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(f);
}

struct Bell(StdMutex<bool>, Condvar);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        *self.0.lock().unwrap() = true;
        self.1.notify_one();
    }
}

/// loom finds a lost wake as a deadlock.
fn block_on<F: Future>(future: F) -> F::Output {
    let bell = Arc::new(Bell(StdMutex::new(false), Condvar::new()));
    let waker = Waker::from(Arc::clone(&bell));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        let mut rung = bell.0.lock().unwrap();
        while !std::mem::take(&mut *rung) {
            rung = bell.1.wait(rung).unwrap();
        }
    }
}

/// Looks a few times without waiting for a wake, which would itself order what follows after what came before.
fn look_again<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..3 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Some(output);
        }
        thread::yield_now();
    }
    None
}

/// Polls once and drops.
fn look<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// What a permit protects; loom fails the model if two are inside, or if one does not see what the other did.
struct Room(UnsafeCell<usize>);

// SAFETY: that is what the models check.
unsafe impl Sync for Room {}

impl Room {
    fn visit(&self) {
        self.0.with_mut(|n| {
            // SAFETY: that is what the models check.
            unsafe { *n += 1 };
        });
    }

    fn look(&self) -> usize {
        // SAFETY: that is what the models check.
        self.0.with(|n| unsafe { *n })
    }
}

/// Two take and give back one permit. Fails when `release` adds to the word in spite of `QUEUED`, and when its
/// compare-exchange is Relaxed, or both accesses of `try_acquire`.
#[test]
fn loom_semaphore_acquire_against_release() {
    model(|| {
        let shared = Arc::new((Semaphore::new(1), Room(UnsafeCell::new(0))));
        let visit = |shared: &(Semaphore, Room)| {
            let permit = block_on(shared.0.acquire()).unwrap();
            shared.1.visit();
            drop(permit);
        };
        let other = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || visit(&shared))
        };
        visit(&shared);
        other.join().unwrap();
        visit(&shared);
    });
}

/// A hand-over is seen without the lock and without the wake. Fails when `Node::set_status` or `Node::status` is Relaxed.
#[test]
fn loom_semaphore_hand_over_publishes() {
    model(|| {
        let shared = Arc::new((Semaphore::new(0), Room(UnsafeCell::new(0))));
        let other = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                shared.1.visit();
                shared.0.add_permits(1);
            })
        };
        if let Some(permit) = look_again(shared.0.acquire()) {
            shared.1.visit();
            drop(permit);
        }
        other.join().unwrap();
    });
}

/// Who gives up while permits come back passes on what it has got. Fails without the `release` of a part in the drop
/// of `Acquire`.
#[test]
fn loom_semaphore_cancel_against_release() {
    model(|| {
        let semaphore = Arc::new(Semaphore::new(1));
        let other = {
            let semaphore = Arc::clone(&semaphore);
            // Takes the one that is there and waits for the second, which comes or does not.
            thread::spawn(move || drop(look(semaphore.acquire_many(2))))
        };
        semaphore.add_permits(1);
        drop(block_on(semaphore.acquire_many(2)).unwrap());
        other.join().unwrap();
        assert_eq!(semaphore.available_permits(), 2);
    });
}

/// Closing finds who enqueues at that moment. Fails when `take_or_wait` does not look at `CLOSED`.
#[test]
fn loom_semaphore_close_against_acquire() {
    model(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let other = {
            let semaphore = Arc::clone(&semaphore);
            thread::spawn(move || assert!(block_on(semaphore.acquire()).is_err()))
        };
        semaphore.close();
        other.join().unwrap();
    });
}

/// A notification finds who waits, or waits for it, and what was done before is seen. Fails when `notify` does nothing
/// with the permit there, and when its compare-exchange or `take`'s is Relaxed.
#[test]
fn loom_notify_one_publishes() {
    model(|| {
        let shared = Arc::new((Notify::new(), AtomicUsize::new(0)));
        let producer = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                for _ in 0..2 {
                    shared.1.fetch_add(1, Ordering::Relaxed);
                    shared.0.notify_one();
                }
            })
        };
        while shared.1.load(Ordering::Relaxed) < 2 {
            block_on(shared.0.notified());
        }
        producer.join().unwrap();
    });
}

/// A notification given to a future that is dropped goes on to the next. Fails without the `notify` in the drop of
/// `Waiting`.
#[test]
fn loom_notify_one_against_drop() {
    model(|| {
        let notify = Arc::new(Notify::new());
        let other = {
            let notify = Arc::clone(&notify);
            thread::spawn(move || look(notify.notified()).is_some())
        };
        notify.notify_one();
        let taken = other.join().unwrap();
        assert_eq!(look(notify.notified()).is_some(), !taken);
    });
}

/// Enabled is as good as polled: one of two gets the notification that comes then. Fails when `enqueue` does not ask
/// `take` again under the lock.
#[test]
fn loom_notify_one_against_enable() {
    model(|| {
        let notify = Arc::new(Notify::new());
        let other = {
            let notify = Arc::clone(&notify);
            thread::spawn(move || notify.notify_one())
        };
        {
            let mut waiting = pin!(notify.notified());
            if !waiting.as_mut().enable() {
                block_on(waiting);
            }
        }
        other.join().unwrap();
        assert!(look(notify.notified()).is_none());
    });
}

/// Whoever was made before the call is notified, and sees what came before the call; whoever is made after it and finds
/// the new count sees it too. Fails when `calls` or the compare-exchange of `notify_all` is Relaxed.
#[test]
fn loom_notify_waiters_counts_from_creation() {
    model(|| {
        let shared = Arc::new((Notify::new(), AtomicUsize::new(0)));
        let other = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                shared.1.store(1, Ordering::Relaxed);
                shared.0.notify_waiters();
            })
        };
        let notified = shared.0.notified();
        if shared.1.load(Ordering::Relaxed) == 0 {
            block_on(notified);
            assert_eq!(shared.1.load(Ordering::Relaxed), 1);
        }
        other.join().unwrap();
    });
}

/// One of two who fill it does, the other sees the value. Fails when `is_closed` or `close` is Relaxed.
#[test]
fn loom_once_cell_init_against_init() {
    model(|| {
        let cell = Arc::new(OnceCell::new());
        let other = {
            let cell = Arc::clone(&cell);
            thread::spawn(move || *block_on(cell.get_or_init(|| async { 1 })))
        };
        let here = *block_on(cell.get_or_init(|| async { 2 }));
        assert_eq!(other.join().unwrap(), here);
        assert_eq!(cell.get(), Some(&here));
    });
}

/// Who gives up making the value leaves it to who waits. Fails without the drop of `Right`.
#[test]
fn loom_once_cell_cancel_against_init() {
    model(|| {
        let cell = Arc::new(OnceCell::new());
        let other = {
            let cell = Arc::clone(&cell);
            thread::spawn(move || look(cell.get_or_init(std::future::pending::<u8>)).copied())
        };
        assert_eq!(*block_on(cell.get_or_init(|| async { 2 })), 2);
        other.join().unwrap();
    });
}

/// Setting against waiting and looking. Fails when the flag's store or load is Relaxed, and when `wait` does not look again
/// once it is in the queue.
#[test]
fn loom_set_once_set_against_wait() {
    model(|| {
        let cell = Arc::new(SetOnce::new());
        let other = {
            let cell = Arc::clone(&cell);
            thread::spawn(move || cell.set(1).unwrap())
        };
        assert!(cell.get().is_none_or(|seen| *seen == 1));
        assert_eq!(*block_on(cell.wait()), 1);
        other.join().unwrap();
    });
}

/// One of two who set it wins. Fails when `set` does not look at the flag again under the lock.
#[test]
fn loom_set_once_set_against_set() {
    model(|| {
        let cell = Arc::new(SetOnce::new());
        let other = {
            let cell = Arc::clone(&cell);
            thread::spawn(move || cell.set(1).is_ok())
        };
        let here = cell.set(2).is_ok();
        assert!(here != other.join().unwrap());
        assert_eq!(*cell.get().unwrap() == 2, here);
    });
}

/// Two rounds by two tasks: neither is let out of a round before both are in, and each round has one leader. Fails when the last
/// to arrive does not set the count back.
#[test]
fn loom_barrier_round_against_round() {
    model(|| {
        let shared = Arc::new((Barrier::new(2), AtomicUsize::new(0)));
        let rounds = |shared: &(Barrier, AtomicUsize)| {
            let mut leads = 0;
            for round in 1..=2 {
                // Relaxed: the barrier is what orders it.
                shared.1.fetch_add(1, Ordering::Relaxed);
                leads += usize::from(block_on(shared.0.wait()).is_leader());
                assert!(shared.1.load(Ordering::Relaxed) >= 2 * round);
            }
            leads
        };
        let other = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || rounds(&shared))
        };
        let leads = rounds(&shared);
        assert_eq!(leads + other.join().unwrap(), 2);
    });
}

/// A writer against a reader who comes twice: it is alone, and what it wrote is seen. Fails when a reader takes no permit.
#[test]
fn loom_rwlock_writer_against_reader() {
    model(|| {
        let shared = Arc::new((RwLock::new(()), Room(UnsafeCell::new(0))));
        let other = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let guard = block_on(shared.0.write());
                shared.1.visit();
                drop(guard);
            })
        };
        for _ in 0..2 {
            let guard = block_on(shared.0.read());
            shared.1.look();
            drop(guard);
        }
        other.join().unwrap();
    });
}
