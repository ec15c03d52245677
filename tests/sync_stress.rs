//! The primitives under threads that really run at a time. Counts are small enough for a sanitizer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use corelane::sync::{Barrier, Mutex, Notify, OnceCell, RwLock, Semaphore, SetOnce};

const THREADS: usize = 4;
const ROUNDS: usize = 2_000;

fn run<F: Future>(future: F) -> F::Output {
    corelane::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Runs the closure's future on several threads, each with a runtime.
fn everywhere<F: Future<Output = ()>>(f: impl Fn(usize) -> F + Send + Sync) {
    thread::scope(|scope| {
        for n in 0..THREADS {
            let f = &f;
            scope.spawn(move || run(f(n)));
        }
    });
}

#[test]
fn a_mutex_admits_one() {
    let mutex = Mutex::new(0);
    everywhere(async |_| {
        for _ in 0..ROUNDS {
            let mut n = mutex.lock().await;
            let seen = *n;
            corelane::task::yield_now().await;
            *n = seen + 1;
        }
    });
    assert_eq!(mutex.into_inner(), THREADS * ROUNDS);
}

#[test]
fn permits_survive_calls_that_give_up() {
    let semaphore = Semaphore::new(3);
    let inside = AtomicUsize::new(0);
    everywhere(async |n| {
        for round in 0..ROUNDS {
            let want = 1 + (n + round) % 3;
            if round % 2 == 0 {
                // Polled once and dropped, wherever it stands by then.
                let mut call = std::pin::pin!(semaphore.acquire_many(want as u32));
                std::future::poll_fn(|cx| std::task::Poll::Ready(call.as_mut().poll(cx).is_ready())).await;
            } else {
                let permit = semaphore.acquire_many(want as u32).await.unwrap();
                assert!(inside.fetch_add(want, Ordering::Relaxed) + want <= 3);
                corelane::task::yield_now().await;
                inside.fetch_sub(want, Ordering::Relaxed);
                drop(permit);
            }
        }
    });
    assert_eq!(semaphore.available_permits(), 3);
}

#[test]
fn readers_see_whole_writes() {
    let lock = RwLock::new((0, 0));
    everywhere(async |n| {
        for round in 0..ROUNDS {
            if (n + round) % 4 == 0 {
                let mut pair = lock.write().await;
                pair.0 += 1;
                corelane::task::yield_now().await;
                pair.1 += 1;
                let pair = pair.downgrade();
                assert_eq!(pair.0, pair.1);
            } else {
                let pair = lock.read().await;
                assert_eq!(pair.0, pair.1);
            }
        }
    });
    assert_eq!(lock.into_inner().0, THREADS * ROUNDS / 4);
}

#[test]
fn no_notification_is_lost() {
    let shared = (Notify::new(), AtomicUsize::new(0));
    let (jobs, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let total = 2 * ROUNDS;
    everywhere(async |n| {
        if n < 2 {
            for _ in 0..ROUNDS {
                jobs.fetch_add(1, Ordering::Relaxed);
                shared.0.notify_one();
                corelane::task::yield_now().await;
            }
            return;
        }
        // Takes all there is before it waits, and gives up a wait now and then.
        let mut round = 0;
        while taken.load(Ordering::Relaxed) < total {
            let found = jobs.swap(0, Ordering::Relaxed);
            if taken.fetch_add(found, Ordering::Relaxed) + found == total {
                shared.0.notify_waiters();
                shared.0.notify_one();
            }
            if found == 0 && taken.load(Ordering::Relaxed) < total {
                round += 1;
                let mut wait = std::pin::pin!(shared.0.notified());
                if round % 3 == 0 {
                    std::future::poll_fn(|cx| std::task::Poll::Ready(wait.as_mut().poll(cx).is_ready()))
                        .await;
                } else {
                    wait.await;
                }
            }
        }
        shared.0.notify_one();
    });
    assert_eq!(taken.into_inner(), total);
}

#[test]
fn notify_waiters_reaches_all_who_were_made() {
    let (notify, flag, ready) = (Notify::new(), AtomicUsize::new(0), Barrier::new(THREADS));
    everywhere(async |n| {
        for round in 1..=ROUNDS / 10 {
            if n == 0 {
                flag.store(round, Ordering::Relaxed);
                notify.notify_waiters();
            } else {
                let notified = notify.notified();
                if flag.load(Ordering::Relaxed) < round {
                    notified.await;
                }
                assert_eq!(flag.load(Ordering::Relaxed), round);
            }
            ready.wait().await;
        }
    });
}

#[test]
fn a_barrier_has_one_leader_a_round() {
    let (barrier, leaders) = (Barrier::new(THREADS), AtomicUsize::new(0));
    everywhere(async |_| {
        for round in 0..ROUNDS / 10 {
            if barrier.wait().await.is_leader() {
                leaders.fetch_add(1, Ordering::Relaxed);
            }
            barrier.wait().await;
            assert_eq!(leaders.load(Ordering::Relaxed), round + 1);
            barrier.wait().await;
        }
    });
}

#[test]
fn cells_are_filled_once() {
    for _ in 0..ROUNDS / 20 {
        let (cell, once, made) = (OnceCell::new(), SetOnce::new(), AtomicUsize::new(0));
        everywhere(async |n| {
            let make = async || {
                corelane::task::yield_now().await;
                made.fetch_add(1, Ordering::Relaxed);
                vec![n]
            };
            let value = cell.get_or_init(make).await;
            assert_eq!(cell.get(), Some(value));
            let won = once.set(vec![n]).is_ok();
            assert!(!won || once.get() == Some(&vec![n]));
            assert_eq!(once.wait().await.len(), 1);
        });
        assert_eq!(made.into_inner(), 1);
    }
}

#[test]
fn blocking_calls_meet_async_ones() {
    let shared = Arc::new((Mutex::new(0), Semaphore::new(0), Semaphore::new(0)));
    let other = thread::spawn({
        let shared = shared.clone();
        move || {
            for _ in 0..ROUNDS {
                *shared.0.blocking_lock() += 1;
            }
            shared.1.add_permits(1);
            drop(shared.2.blocking_acquire_many(2).unwrap());
        }
    });
    run(async {
        for _ in 0..ROUNDS {
            *shared.0.lock().await += 1;
        }
        drop(shared.1.acquire().await.unwrap());
        shared.2.add_permits(2);
    });
    other.join().unwrap();
    assert_eq!(shared.0.try_lock().map(|n| *n).unwrap(), 2 * ROUNDS);
}
