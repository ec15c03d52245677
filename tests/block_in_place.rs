//! `block_in_place`: what else the worker has to do goes on.

use std::future::{Future, pending};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream as StdStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use corelane::config::Config;
use corelane::io::{AsyncReadExt, AsyncWriteExt};
use corelane::net::UnixStream;
use corelane::runtime::{Builder, Handle, Runtime};
use corelane::sync::oneshot;
use corelane::task::{block_in_place, spawn_blocking, spawn_local, yield_now};
use corelane::time::sleep;

fn runtime(workers: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(workers).enable_all().build().unwrap()
}

/// A socket whose other end blocks.
fn pair() -> (UnixStream, StdStream) {
    let (here, there) = StdStream::pair().unwrap();
    here.set_nonblocking(true).unwrap();
    (UnixStream::from_std(here).unwrap(), there)
}

/// A task that echoes what it reads, each byte after a sleep. It has waited for its socket once when this returns.
async fn echo() -> StdStream {
    let (mut here, mut there) = pair();
    let waits = Arc::new(AtomicBool::new(false));
    corelane::spawn({
        let waits = waits.clone();
        async move {
            waits.store(true, SeqCst);
            while let Ok(byte) = here.read_u8().await {
                sleep(Duration::from_millis(2)).await;
                if here.write_all(&[byte]).await.is_err() {
                    break;
                }
            }
        }
    });
    while !waits.load(SeqCst) {
        yield_now().await;
    }
    // One echo, so that the socket is bound to the shard that its task runs on.
    there.set_nonblocking(true).unwrap();
    there.write_all(&[0]).unwrap();
    while there.read(&mut [0]).is_err() {
        sleep(Duration::from_millis(1)).await;
    }
    there.set_nonblocking(false).unwrap();
    there
}

/// Asks the echo, blocking.
fn ask(there: &mut StdStream, byte: u8) {
    there.write_all(&[byte]).unwrap();
    let mut answer = [0];
    there.read_exact(&mut answer).unwrap();
    assert_eq!(answer, [byte]);
}

#[test]
fn sockets_and_timers_of_the_only_worker_go_on() {
    let rt = runtime(1);
    let task = rt.spawn(async {
        let mut there = echo().await;
        for byte in 1..20 {
            block_in_place(|| ask(&mut there, byte));
            if byte % 3 == 0 {
                yield_now().await;
            }
        }
        // Longer than all of it, within one closure.
        block_in_place(|| (1..20).for_each(|byte| ask(&mut there, byte)));
    });
    rt.block_on(task).unwrap();
}

#[test]
fn all_workers_at_once() {
    const WORKERS: usize = 4;
    let rt = runtime(WORKERS);
    for _ in 0..10 {
        let all = Arc::new(Barrier::new(WORKERS));
        let tasks: Vec<_> = (0..WORKERS)
            .map(|_| {
                let all = all.clone();
                rt.spawn(async move {
                    let mut there = echo().await;
                    block_in_place(|| {
                        all.wait();
                        (0..5).for_each(|byte| ask(&mut there, byte));
                        all.wait();
                    });
                    // The worker is its own again.
                    corelane::spawn(sleep(Duration::from_millis(1))).await.unwrap();
                })
            })
            .collect();
        for task in tasks {
            rt.block_on(task).unwrap();
        }
    }
}

/// As the first thing on each worker, with spawns from outside.
#[test]
fn spawns_from_outside_find_a_thread() {
    const WORKERS: usize = 3;
    for _ in 0..10 {
        let rt = runtime(WORKERS);
        let all = Arc::new(Barrier::new(WORKERS + 1));
        for _ in 0..WORKERS {
            let all = all.clone();
            rt.spawn(async move {
                block_in_place(|| {
                    all.wait();
                    all.wait();
                });
            });
        }
        all.wait();
        let (done, dones) = mpsc::channel();
        for n in 0..1000 {
            let done = done.clone();
            rt.spawn(async move { done.send(n).unwrap() });
        }
        drop(done);
        assert_eq!(dones.iter().sum::<usize>(), 999 * 1000 / 2);
        all.wait();
    }
}

#[test]
fn nested_and_with_block_on_between() {
    let rt = runtime(1);
    for _ in 0..50 {
        rt.block_on(rt.spawn(async {
            block_in_place(|| {
                block_in_place(|| ());
                Handle::current().block_on(async {
                    let mut there = echo().await;
                    block_in_place(|| ask(&mut there, 7));
                    corelane::spawn(async { block_in_place(|| ()) }).await.unwrap();
                    yield_now().await;
                });
            });
            yield_now().await;
        }))
        .unwrap();
    }
}

/// The thread that runs tasks in the worker's place runs one that blocks in place.
#[test]
fn one_after_the_other() {
    const DEPTH: u8 = 5;
    let rt = runtime(1);
    let task = rt.spawn(async {
        let (end, mut ends) = (Arc::new(Barrier::new(usize::from(DEPTH) + 1)), Vec::new());
        let mut there = echo().await;
        for n in 0..DEPTH {
            let end = end.clone();
            ends.push(corelane::spawn(async move {
                block_in_place(|| end.wait());
                sleep(Duration::from_millis(1)).await;
                n
            }));
        }
        // They all have to block before the last can go on.
        block_in_place(|| {
            ask(&mut there, 1);
            end.wait();
            ask(&mut there, 2);
        });
        for (n, end) in ends.into_iter().enumerate() {
            assert_eq!(usize::from(end.await.unwrap()), n);
        }
    });
    rt.block_on(task).unwrap();
}

/// The owner does not wait for the task that runs in its place: that one may wait for the owner.
#[test]
fn the_stand_in_does_not_hold_up_the_worker() {
    let rt = runtime(1);
    let task = rt.spawn(async {
        let (started, starts) = mpsc::channel();
        let (go, goes) = mpsc::channel();
        let other = corelane::spawn(async move {
            started.send(()).unwrap();
            // Blocks without saying so.
            goes.recv().unwrap();
        });
        block_in_place(|| starts.recv().unwrap());
        go.send(()).unwrap();
        other.await.unwrap();
    });
    rt.block_on(task).unwrap();
}

#[test]
fn a_panic_gives_the_worker_back() {
    let rt = runtime(1);
    for _ in 0..10 {
        let there = rt.block_on(rt.spawn(echo())).unwrap();
        let panicked = rt.block_on(rt.spawn(async {
            let mut there = there;
            block_in_place(|| {
                ask(&mut there, 1);
                panic!("in place");
            })
        }));
        let payload = panicked.unwrap_err().into_panic();
        assert_eq!(payload.downcast_ref(), Some(&"in place"));
    }
    rt.block_on(rt.spawn(async {
        let mut there = echo().await;
        block_in_place(|| ask(&mut there, 2));
        spawn_local(async { yield_now().await }).await.unwrap();
    }))
    .unwrap();
}

#[test]
fn pinned_tasks_wait_and_then_go_on() {
    let rt = runtime(1);
    let task = rt.spawn(async {
        let (mut here, mut there) = pair();
        let local = Rc::new(AtomicUsize::new(0));
        let pinned = spawn_local({
            let local = local.clone();
            async move {
                let byte = here.read_u8().await.unwrap();
                local.fetch_add(usize::from(byte), SeqCst);
                sleep(Duration::from_millis(1)).await;
                local.fetch_add(1, SeqCst);
            }
        });
        let blocker = spawn_local({
            let local = local.clone();
            async move {
                block_in_place(|| {
                    there.write_all(&[4]).unwrap();
                    // A movable task that is done when the event has long been delivered.
                    let (send, receive) = mpsc::channel();
                    corelane::spawn(async move {
                        sleep(Duration::from_millis(5)).await;
                        send.send(()).unwrap();
                    });
                    receive.recv().unwrap();
                });
                assert_eq!(local.load(SeqCst), 0, "its neighbour can't run meanwhile");
            }
        });
        // The task around is movable; it does not hold the `Rc` across an await.
        drop(local);
        (pinned, blocker)
    });
    let (pinned, blocker) = rt.block_on(task).unwrap();
    rt.block_on(blocker).unwrap();
    rt.block_on(pinned).unwrap();
}

/// What the closure waits for is a task that only the runtime's end drops.
#[test]
fn the_end_of_the_runtime_reaches_what_is_waited_for() {
    for workers in [1, 2] {
        for sleeps in [true, false] {
            let rt = runtime(workers);
            let (blocked, blocks) = mpsc::channel();
            for _ in 0..workers {
                let (send, receive) = mpsc::channel::<()>();
                let there = rt.spawn(echo());
                rt.spawn(async move {
                    let _send = send;
                    if !sleeps {
                        loop {
                            yield_now().await;
                        }
                    }
                    std::future::pending::<()>().await;
                });
                let blocked = blocked.clone();
                rt.spawn(async move {
                    let mut there = there.await.unwrap();
                    block_in_place(|| {
                        ask(&mut there, 1);
                        blocked.send(()).unwrap();
                        receive.recv().unwrap_err();
                    });
                    yield_now().await;
                    unreachable!("the runtime has ended");
                });
            }
            for _ in 0..workers {
                blocks.recv().unwrap();
            }
            drop(rt);
        }
    }
}

#[test]
fn shutdown_without_waiting_leaves_the_closure_to_itself() {
    let rt = runtime(1);
    let (send, receive) = mpsc::channel::<()>();
    let (blocked, blocks) = mpsc::channel();
    let task = rt.spawn(async move {
        block_in_place(|| {
            blocked.send(()).unwrap();
            receive.recv().unwrap_err();
        });
    });
    blocks.recv().unwrap();
    rt.shutdown_timeout(Duration::from_millis(10));
    // It goes on until here, since the runtime did not wait for it.
    assert!(!task.is_finished());
    drop(send);
    // It ends, and the task with it: completed in the poll that blocked.
    while !task.is_finished() {
        std::thread::yield_now();
    }
}

/// A pool that is full gives no thread; the owner takes the worker back all the same.
#[test]
fn with_a_full_pool() {
    let rt =
        Builder::new_multi_thread().worker_threads(1).max_blocking_threads(1).enable_all().build().unwrap();
    let (send, receive) = mpsc::channel::<()>();
    let full = rt.spawn_blocking(move || receive.recv());
    rt.block_on(rt.spawn(async {
        for _ in 0..100 {
            block_in_place(|| ());
            sleep(Duration::from_micros(10)).await;
        }
    }))
    .unwrap();
    drop(send);
    rt.block_on(full).unwrap().unwrap_err();
}

#[test]
fn where_it_just_calls() {
    assert_eq!(block_in_place(|| 1), 1);
    let rt = runtime(1);
    assert_eq!(rt.block_on(async { block_in_place(|| 2) }), 2);
    assert_eq!(rt.handle().block_on(async { block_in_place(|| 3) }), 3);
    assert_eq!(rt.block_on(async { spawn_blocking(|| block_in_place(|| 4)).await.unwrap() }), 4);
    // Inside, another runtime may be entered.
    let other = Builder::new_current_thread().enable_all().build().unwrap();
    let nested = async {
        block_in_place(|| {
            Builder::new_current_thread().enable_all().build().unwrap().block_on(sleep_a_little());
            other.block_on(sleep_a_little());
        })
    };
    rt.block_on(nested);
}

async fn sleep_a_little() {
    sleep(Duration::from_millis(1)).await;
}

#[test]
fn where_it_panics() {
    let text = "can call blocking only when running on the multi-threaded runtime";
    let current = Builder::new_current_thread().build().unwrap();
    let sharded = Builder::new_sharded().worker_threads(1).build().unwrap();
    let in_task = |rt: &Runtime| {
        let panicked = rt.block_on(rt.spawn(async { block_in_place(|| ()) })).unwrap_err().into_panic();
        assert_eq!(*panicked.downcast::<String>().unwrap(), text);
    };
    in_task(&current);
    in_task(&sharded);
    let file = "[runtime]\nflavor = \"multi_thread\"\n[scheduler]\nsteal = \"off\"";
    let stays = Config::parse("c", file).unwrap();
    in_task(&Builder::from_config(stays).worker_threads(1).build().unwrap());
    let panicked =
        catch_unwind(AssertUnwindSafe(|| current.block_on(async { block_in_place(|| ()) }))).unwrap_err();
    assert_eq!(*panicked.downcast::<String>().unwrap(), text);
    // No shard waits for a thread that is in a handle's `block_on`.
    current.handle().block_on(async { block_in_place(|| ()) });
}

/// Everything at once: loans that come and go while sockets and timers are busy, and a task that settles nowhere.
#[test]
fn many_short_loans() {
    let rt = runtime(2);
    let tasks: Vec<_> = (0..8u8)
        .map(|n| {
            rt.spawn(async move {
                let mut there = echo().await;
                for round in 0..20u8 {
                    if round % 4 == 0 {
                        block_in_place(|| ask(&mut there, n));
                    } else {
                        block_in_place(|| there.write_all(&[round]).unwrap());
                        yield_now().await;
                        block_in_place(|| there.read_exact(&mut [0]).unwrap());
                    }
                    sleep(Duration::from_micros(100)).await;
                }
            })
        })
        .collect();
    for task in tasks {
        rt.block_on(task).unwrap();
    }
}

/// Then the pool has no caretaker to give, and the task waits for one that is cancelled.
#[test]
fn a_task_blocks_after_its_runtime_was_left_to_end() {
    let rt = runtime(1);
    let (begin, begun) = mpsc::channel();
    let (go, going) = mpsc::channel();
    let (tell, told) = mpsc::channel();
    rt.spawn(async move {
        begin.send(()).unwrap();
        going.recv().unwrap();
        let ended = block_in_place(|| Handle::current().block_on(corelane::spawn(pending::<()>())));
        tell.send(ended.unwrap_err().is_cancelled()).unwrap();
    });
    begun.recv().unwrap();
    rt.shutdown_background();
    go.send(()).unwrap();
    // Only a failure takes so long.
    assert!(told.recv_timeout(Duration::from_secs(60)).expect("the task waits for ever"));
}

/// A worker does not wait for its own end.
#[test]
fn a_task_drops_its_own_runtime() {
    for waits in [true, false] {
        let rt = Arc::new(runtime(2));
        let (owned, (drop_it, may_drop)) = (rt.clone(), oneshot::channel::<()>());
        let (tell, told) = mpsc::channel();
        rt.spawn(async move {
            may_drop.await.unwrap();
            let owned = Arc::into_inner(owned).expect("the last one");
            block_in_place(move || match waits {
                true => drop(owned),
                false => owned.shutdown_timeout(Duration::MAX),
            });
            tell.send(()).unwrap();
        });
        drop(rt);
        drop_it.send(()).unwrap();
        told.recv().unwrap();
    }
}

/// Its wake takes a lock, as those of some executors do.
struct Locks {
    lock: Mutex<()>,
    called: mpsc::Sender<()>,
}

impl Wake for Locks {
    fn wake(self: Arc<Self>) {
        self.called.send(()).unwrap();
        drop(self.lock.lock());
    }
}

/// A task holds the lock while it blocks until the waker was called, and goes on. `wait` leaves the waker on the worker; what it
/// gives is called by the blocking task, and has the waker called. What that gives is kept meanwhile.
fn a_waker_may_wait_for_the_blocking_task<F, C, K>(workers: usize, wait: impl FnOnce(Waker) -> F)
where
    F: Future<Output = C> + Send + 'static,
    C: FnOnce() -> K + Send + 'static,
{
    let rt = runtime(workers);
    let (called, is_called) = mpsc::channel();
    let locks = Arc::new(Locks { lock: Mutex::new(()), called });
    let waits = wait(Waker::from(locks.clone()));
    let (done, is_done) = mpsc::channel();
    rt.spawn(async move {
        let cause = waits.await;
        let held = locks.lock.lock().unwrap();
        let kept = block_in_place(|| {
            let kept = cause();
            is_called.recv().unwrap();
            kept
        });
        drop(held);
        done.send(()).unwrap();
        drop(kept);
    });
    // Only a failure takes so long.
    let ended = is_done.recv_timeout(Duration::from_secs(60));
    if ended.is_err() {
        rt.shutdown_background();
    }
    assert!(ended.is_ok(), "the task and its stand-in wait for each other");
}

#[test]
fn a_timer_that_wakes_who_waits_for_the_blocking_task() {
    a_waker_may_wait_for_the_blocking_task(1, |waker| async move {
        let mut timer = Box::pin(sleep(Duration::from_millis(5)));
        assert!(timer.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        move || timer
    });
}

#[test]
fn a_socket_that_wakes_who_waits_for_the_blocking_task() {
    a_waker_may_wait_for_the_blocking_task(1, |waker| async move {
        let (here, mut there) = pair();
        assert!(here.poll_read_ready(&mut Context::from_waker(&waker)).is_pending());
        move || {
            there.write_all(&[1]).unwrap();
            (here, there)
        }
    });
}

#[test]
fn a_socket_that_wakes_one_of_several_who_waits_for_the_blocking_task() {
    a_waker_may_wait_for_the_blocking_task(1, |waker| async move {
        let (here, mut there) = pair();
        // Until its first event it is not known to be empty.
        sleep(Duration::from_millis(1)).await;
        let here: &'static UnixStream = Box::leak(Box::new(here));
        let mut readable = Box::pin(here.readable());
        assert!(readable.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        move || {
            there.write_all(&[1]).unwrap();
            (readable, there)
        }
    });
}

/// The other worker does not come back to its timer, and the stand-in sees to that as well.
#[test]
fn another_workers_timer_that_wakes_who_waits_for_the_blocking_task() {
    a_waker_may_wait_for_the_blocking_task(2, |waker| {
        let (go_on, stuck) = mpsc::channel::<()>();
        async move {
            let (armed, is_armed) = oneshot::channel();
            corelane::spawn(async move {
                let mut timer = Box::pin(sleep(Duration::from_millis(5)));
                assert!(timer.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
                armed.send(()).unwrap();
                // Until the blocking task is done, or given up.
                let _ = stuck.recv();
                drop(timer);
            });
            is_armed.await.unwrap();
            move || go_on
        }
    });
}
