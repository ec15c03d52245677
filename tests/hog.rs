//! A poll that takes long delays nobody else: not another shard's I/O and timers, and with stealing on no movable task,
//! wherever it was queued.
//!
//! The hog spins until what it might delay has happened, so a test fails by its deadline and never by being a little slow.

use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use corelane::io::{AsyncReadExt, AsyncWriteExt};
use corelane::net::{TcpListener, TcpStream};
use corelane::runtime::{Builder, Runtime};
use corelane::shard::{self, ShardId};
use corelane::task;

fn stealing() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Keeps its thread until `done`; false if that took unreasonably long.
fn hog(done: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while !done() {
        if start.elapsed() > Duration::from_secs(60) {
            return false;
        }
        std::hint::spin_loop();
    }
    true
}

#[test]
fn another_shards_io_and_timers_go_on() {
    let rt = Builder::new_sharded().worker_threads(2).enable_all().build().unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let hogging = Arc::new(AtomicBool::new(false));
    rt.block_on(async {
        let hog = {
            let (done, hogging) = (done.clone(), hogging.clone());
            shard::spawn_on(ShardId(0), move || async move {
                hogging.store(true, Ordering::SeqCst);
                hog(|| done.load(Ordering::SeqCst))
            })
        };
        let other = shard::spawn_on(ShardId(1), move || async move {
            while !hogging.load(Ordering::SeqCst) {
                task::yield_now().await;
            }
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let addr = listener.local_addr().unwrap();
            let client = task::spawn_local(async move {
                let mut stream = TcpStream::connect(addr).await.unwrap();
                stream.write_all(b"ping").await.unwrap();
                stream
            });
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut got = [0; 4];
            stream.read_exact(&mut got).await.unwrap();
            drop(client.await.unwrap());
            corelane::time::sleep(Duration::from_millis(2)).await;
            done.store(true, Ordering::SeqCst);
        });
        other.await.unwrap();
        assert!(hog.await.unwrap(), "the hog's deadline came first");
    });
}

#[test]
fn the_run_queue_is_reachable() {
    let hogged = stealing().block_on(async {
        task::spawn(async {
            let ran = Arc::new(AtomicUsize::new(0));
            for _ in 0..100 {
                let ran = ran.clone();
                task::spawn(async move { ran.fetch_add(1, Ordering::SeqCst) });
            }
            hog(|| ran.load(Ordering::SeqCst) == 100)
        })
        .await
    });
    assert!(hogged.unwrap());
}

#[test]
fn the_overflow_is_reachable() {
    let hogged = stealing().block_on(async {
        task::spawn(async {
            let ran = Arc::new(AtomicUsize::new(0));
            for _ in 0..5000 {
                let ran = ran.clone();
                task::spawn(async move { ran.fetch_add(1, Ordering::SeqCst) });
            }
            hog(|| ran.load(Ordering::SeqCst) == 5000)
        })
        .await
    });
    assert!(hogged.unwrap());
}

#[test]
fn the_next_slot_is_reachable() {
    let hogged = stealing().block_on(async {
        task::spawn(async {
            let slot = Arc::new(Mutex::new(None::<Waker>));
            let ran = Arc::new(AtomicBool::new(false));
            let sleeper = {
                let (slot, ran) = (slot.clone(), ran.clone());
                let mut first = true;
                task::spawn(poll_fn(move |cx| {
                    if std::mem::take(&mut first) {
                        *slot.lock().unwrap() = Some(cx.waker().clone());
                        return Poll::Pending;
                    }
                    ran.store(true, Ordering::SeqCst);
                    Poll::Ready(())
                }))
            };
            let waker = loop {
                if let Some(waker) = slot.lock().unwrap().take() {
                    break waker;
                }
                task::yield_now().await;
            };
            // A wake from inside of a task: the woken one is put into this shard's next slot.
            waker.wake();
            let hogged = hog(|| ran.load(Ordering::SeqCst));
            sleeper.await.unwrap();
            hogged
        })
        .await
    });
    assert!(hogged.unwrap());
}

#[test]
fn what_comes_from_outside_is_reachable() {
    let rt = stealing();
    let (hogging, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let hog = {
        let (hogging, done) = (hogging.clone(), done.clone());
        rt.spawn(async move {
            hogging.store(true, Ordering::SeqCst);
            hog(|| done.load(Ordering::SeqCst))
        })
    };
    while !hogging.load(Ordering::SeqCst) {
        std::thread::yield_now();
    }
    rt.spawn(async move { done.store(true, Ordering::SeqCst) });
    assert!(rt.block_on(hog).unwrap());
}

#[test]
fn a_late_lane_is_reachable() {
    let hogged = stealing().block_on(async {
        task::spawn(async {
            loop {
                let armed_on = Arc::new(AtomicUsize::new(usize::MAX));
                let woken = Arc::new(AtomicBool::new(false));
                let sleeper = {
                    let (armed_on, woken) = (armed_on.clone(), woken.clone());
                    task::spawn(async move {
                        let mut sleep = std::pin::pin!(corelane::time::sleep(Duration::from_millis(5)));
                        poll_fn(|cx| {
                            let polled = sleep.as_mut().poll(cx);
                            armed_on.store(shard::id().index(), Ordering::SeqCst);
                            polled
                        })
                        .await;
                        woken.store(true, Ordering::SeqCst);
                    })
                };
                while armed_on.load(Ordering::SeqCst) == usize::MAX {
                    task::yield_now().await;
                }
                if armed_on.load(Ordering::SeqCst) == shard::id().index() {
                    // Its timer is in the lane that this shard ought to turn.
                    let hogged = hog(|| woken.load(Ordering::SeqCst));
                    sleeper.await.unwrap();
                    return hogged;
                }
                sleeper.await.unwrap();
            }
        })
        .await
    });
    assert!(hogged.unwrap());
}
