//! Shards by name: spawning, calling, limits, cancellation, shutdown.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;

use corelane::runtime::{Builder, LocalRuntime, Runtime};
use corelane::shard::{self, CallError, IN_FLIGHT, ShardId};
use corelane::task;

const A: ShardId = ShardId(0);
const B: ShardId = ShardId(1);

fn sharded(shards: usize) -> Runtime {
    Builder::new_sharded().worker_threads(shards).enable_all().build().unwrap()
}

fn each(f: impl Fn(Runtime)) {
    f(sharded(3));
    f(Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());
}

/// Runs an async block on shard A.
fn on_a<F, Fut>(rt: &Runtime, f: F) -> Fut::Output
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future + 'static,
    Fut::Output: Send + 'static,
{
    let done = rt.block_on(rt.handle().spawn_on(A, f));
    done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// Closed until it is opened, for any number of tasks.
#[derive(Clone, Default)]
struct Door(Arc<Mutex<(bool, Vec<Waker>)>>);

impl Door {
    fn open(&self) {
        let waiting = {
            let mut door = self.0.lock().unwrap();
            door.0 = true;
            std::mem::take(&mut door.1)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    async fn pass(&self) {
        poll_fn(|cx| {
            let mut door = self.0.lock().unwrap();
            if door.0 {
                return Poll::Ready(());
            }
            door.1.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// Polls a call once, which sends it if there is room; the result is what it would have given.
fn start<F: Future + 'static>(call: F) -> Pin<Box<dyn Future<Output = F::Output>>> {
    let mut call = Box::pin(call);
    match poll_once(&mut call) {
        Poll::Ready(result) => Box::pin(std::future::ready(result)),
        Poll::Pending => call,
    }
}

fn poll_once<F: Future>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// Comes back when shard `id` has polled all that was sent there before. A spawn, since that passes no gate.
async fn flush(id: ShardId) {
    shard::spawn_on(id, || async {}).await.unwrap();
}

#[test]
fn shards_have_names() {
    each(|rt| {
        assert_eq!(shard::try_id(), None);
        let count = rt.metrics().num_workers();
        rt.block_on(async move {
            assert_eq!(shard::count(), count);
            assert_eq!(shard::ids().len(), count);
            assert_eq!(shard::try_id(), None, "the root future of such a runtime is on no shard");
            let mut threads = Vec::new();
            for (index, id) in shard::ids().enumerate() {
                assert_eq!(id.index(), index);
                let (inside, thread) =
                    shard::spawn_on(id, || async { (shard::id(), thread::current().id()) }).await.unwrap();
                assert_eq!(inside, id);
                assert!(!threads.contains(&thread));
                threads.push(thread);
            }
        });
    });
}

#[test]
#[should_panic(expected = "this thread is not inside a shard of its runtime")]
fn a_pool_thread_is_on_no_shard() {
    let rt = sharded(1);
    let error = rt.block_on(rt.spawn_blocking(shard::id)).unwrap_err();
    std::panic::resume_unwind(error.into_panic());
}

#[test]
fn futures_of_spawn_on_need_not_be_send() {
    each(|rt| {
        let sum = rt.block_on(async {
            let mut sum = 0;
            for id in shard::ids() {
                let task = shard::spawn_on(id, move || async move {
                    let shared = Rc::new(Cell::new(0));
                    let inner = Rc::clone(&shared);
                    let child = task::spawn_local(async move {
                        task::yield_now().await;
                        inner.set(10);
                        shard::id()
                    });
                    assert_eq!(child.await.unwrap(), id);
                    shared.get()
                });
                sum += task.await.unwrap();
            }
            sum
        });
        assert_eq!(sum, 10 * rt.metrics().num_workers());
    });
}

#[test]
fn misuse_panics_where_the_caller_stands() {
    fn message(f: impl FnOnce()) -> String {
        let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).unwrap_err();
        payload
            .downcast_ref::<String>()
            .cloned()
            .unwrap_or_else(|| payload.downcast_ref::<&str>().unwrap().to_string())
    }
    let here: Arc<Mutex<Vec<String>>> = Arc::default();
    let files = Arc::clone(&here);
    let me = thread::current().id();
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if thread::current().id() == me {
            files.lock().unwrap().push(info.location().unwrap().file().to_string());
        } else {
            before(info);
        }
    }));
    let no_shard = "there is no shard 3 in a runtime with 3";
    let moves = "the shard of a current-thread runtime may change threads";
    let none = "there is no reactor running";
    let rt = sharded(3);
    let current = Builder::new_current_thread().build().unwrap();
    let beyond = ShardId(3);
    let mut wrong: Vec<(String, &str)> = vec![
        (message(|| drop(shard::spawn_on(A, || async {}))), none),
        (message(|| drop(shard::call(A, || ()))), none),
        (message(|| drop(shard::call_async(A, || async {}))), none),
        (message(|| drop(shard::Sharded::new(|_| ()))), none),
        (message(|| assert_eq!(shard::count(), 0)), none),
        (message(|| drop(rt.handle().spawn_on(beyond, || async {}))), no_shard),
    ];
    {
        let _inside = rt.enter();
        wrong.push((message(|| drop(shard::spawn_on(beyond, || async {}))), no_shard));
        wrong.push((message(|| drop(shard::call(beyond, || ()))), no_shard));
        wrong.push((message(|| drop(shard::call_async(beyond, || async {}))), no_shard));
    }
    {
        let _inside = current.enter();
        wrong.push((message(|| drop(shard::spawn_on(A, || async {}))), moves));
        wrong.push((message(|| drop(shard::call_async(A, || async {}))), moves));
        wrong.push((message(|| drop(shard::Sharded::new(|_| ()))), moves));
    }
    let _ = std::panic::take_hook();
    for (message, expected) in &wrong {
        assert!(message.starts_with(expected), "{message}");
    }
    let files = here.lock().unwrap();
    assert_eq!(files.len(), wrong.len());
    assert!(files.iter().all(|file| file == file!()), "{files:?}");
}

#[test]
fn calls_come_back_from_everywhere_to_everywhere() {
    each(|rt| {
        let pairs = rt.block_on(async {
            let mut pairs = 0;
            for from in shard::ids() {
                let task = shard::spawn_on(from, move || async move {
                    let mut sum = 0;
                    for to in shard::ids() {
                        for n in 0..50 {
                            let (at, n) = shard::call(to, move || (shard::id(), n)).await.unwrap();
                            assert_eq!(at, to);
                            let text = shard::call_async(to, move || async move {
                                let text = Rc::new(n.to_string());
                                task::yield_now().await;
                                assert_eq!(shard::id(), to);
                                String::clone(&text)
                            });
                            assert_eq!(text.await.unwrap(), n.to_string());
                        }
                        sum += 1;
                    }
                    sum
                });
                pairs += task.await.unwrap();
            }
            pairs
        });
        assert_eq!(pairs, rt.metrics().num_workers().pow(2));
    });
}

#[test]
fn movable_tasks_may_call() {
    let rt = Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let tasks: Vec<_> = (0..64)
        .map(|n| {
            rt.spawn(async move {
                let mut sum = 0;
                for round in 0..50 {
                    sum += shard::call(ShardId((n + round) % 2), move || round).await.unwrap();
                    task::yield_now().await;
                }
                sum
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(rt.block_on(task).unwrap(), 1225);
    }
}

#[test]
fn a_call_to_the_own_shard_runs_at_once() {
    let rt = sharded(2);
    on_a(&rt, || async {
        let ran = Arc::new(AtomicBool::new(false));
        let ran_there = Arc::clone(&ran);
        let mut call = Box::pin(shard::call(A, move || ran_there.store(true, SeqCst)));
        assert!(!ran.load(SeqCst), "not before the first poll");
        assert!(poll_once(&mut call).is_ready());
        assert!(ran.load(SeqCst));
    });
}

#[test]
fn calls_to_the_own_shard_let_others_run() {
    let rt = sharded(1);
    on_a(&rt, || async {
        let stop = Rc::new(Cell::new(false));
        let other = Rc::clone(&stop);
        drop(task::spawn_local(async move { other.set(true) }));
        while !stop.get() {
            shard::call(A, || ()).await.unwrap();
        }
    });
}

#[test]
fn a_current_thread_runtime_takes_calls() {
    let rt = Builder::new_current_thread().build().unwrap();
    assert_eq!(rt.block_on(async { shard::call(shard::id(), || 5).await }).unwrap(), 5);
    let local = LocalRuntime::new().unwrap();
    let n = local.block_on(async {
        let called = shard::call_async(shard::id(), || async {
            let shared = Rc::new(6);
            task::yield_now().await;
            *shared
        });
        called.await.unwrap() + shard::spawn_on(shard::id(), || async { *Rc::new(1) }).await.unwrap()
    });
    assert_eq!(n, 7);
}

#[test]
fn calls_arrive_in_order() {
    let rt = sharded(2);
    let seen: Arc<Mutex<Vec<usize>>> = Arc::default();
    let log = Arc::clone(&seen);
    on_a(&rt, move || async move {
        for round in 0..20 {
            let calls: Vec<_> = (0..IN_FLIGHT)
                .map(|n| {
                    let log = Arc::clone(&log);
                    start(shard::call(B, move || log.lock().unwrap().push(round * IN_FLIGHT + n)))
                })
                .collect();
            for call in calls {
                call.await.unwrap();
            }
        }
    });
    assert_eq!(*seen.lock().unwrap(), (0..20 * IN_FLIGHT).collect::<Vec<_>>());
}

#[derive(Default)]
struct Load {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Load {
    async fn hold(&self, door: &Door) {
        self.most.fetch_max(self.now.fetch_add(1, SeqCst) + 1, SeqCst);
        door.pass().await;
        self.now.fetch_sub(1, SeqCst);
    }
}

#[test]
fn a_pair_has_a_limit_of_its_own() {
    let rt = sharded(3);
    let (door, load) = (Door::default(), Arc::new(Load::default()));
    on_a(&rt, move || async move {
        let started = Rc::new(Cell::new(0));
        let calls: Vec<_> = (0..3 * IN_FLIGHT)
            .map(|_| {
                let (started, door, load) = (Rc::clone(&started), door.clone(), Arc::clone(&load));
                task::spawn_local(async move {
                    started.set(started.get() + 1);
                    shard::call_async(B, move || async move { load.hold(&door).await }).await.unwrap();
                })
            })
            .collect();
        while started.get() < calls.len() {
            task::yield_now().await;
        }
        flush(B).await;
        assert_eq!(load.now.load(SeqCst), IN_FLIGHT);
        // Other pairs are not held back: A to the third shard, the third to B, aliens to B.
        shard::call(ShardId(2), || ()).await.unwrap();
        shard::spawn_on(ShardId(2), || async { shard::call(B, || ()).await.unwrap() }).await.unwrap();
        task::spawn_blocking(|| {
            corelane::runtime::Handle::current().block_on(async { shard::call(B, || ()).await.unwrap() })
        })
        .await
        .unwrap();
        assert_eq!(load.now.load(SeqCst), IN_FLIGHT);
        door.open();
        for call in calls {
            call.await.unwrap();
        }
        assert_eq!((load.now.load(SeqCst), load.most.load(SeqCst)), (0, IN_FLIGHT));
    });
}

#[test]
fn aliens_share_a_limit() {
    let rt = sharded(1);
    let (door, load) = (Door::default(), Arc::new(Load::default()));
    let call = || {
        let (door, load) = (door.clone(), Arc::clone(&load));
        Box::pin(async move { shard::call_async(A, move || async move { load.hold(&door).await }).await })
    };
    rt.block_on(async {
        let mut mine: Vec<_> = (0..IN_FLIGHT).map(|_| call()).collect();
        for call in &mut mine {
            assert!(poll_once(call).is_pending());
        }
        flush(A).await;
        assert_eq!(load.now.load(SeqCst), IN_FLIGHT);
        let mut more: Vec<_> = (0..IN_FLIGHT).map(|_| call()).collect();
        thread::scope(|threads| {
            threads.spawn(|| {
                let _inside = rt.enter();
                for call in &mut more {
                    assert!(poll_once(call).is_pending());
                }
            });
        });
        flush(A).await;
        assert_eq!(load.now.load(SeqCst), IN_FLIGHT);
        door.open();
        for call in mine.into_iter().chain(more) {
            call.await.unwrap();
        }
    });
    assert_eq!(load.most.load(SeqCst), IN_FLIGHT);
}

#[test]
fn callers_that_wait_are_served_in_order() {
    let rt = sharded(2);
    let served: Arc<Mutex<Vec<usize>>> = Arc::default();
    let log = Arc::clone(&served);
    on_a(&rt, move || async move {
        let doors: Vec<Door> = (0..IN_FLIGHT).map(|_| Door::default()).collect();
        let mut stuck = Vec::new();
        for door in doors.clone() {
            let mut call = Box::pin(shard::call_async(B, move || async move { door.pass().await }));
            assert!(poll_once(&mut call).is_pending());
            stuck.push(call);
        }
        let started = Rc::new(Cell::new(0));
        let waiting: Vec<_> = (0..20)
            .map(|n| {
                let (started, log) = (Rc::clone(&started), Arc::clone(&log));
                task::spawn_local(async move {
                    started.set(started.get() + 1);
                    shard::call(B, move || log.lock().unwrap().push(n)).await.unwrap();
                })
            })
            .collect();
        while started.get() < waiting.len() {
            task::yield_now().await;
        }
        flush(B).await;
        assert!(log.lock().unwrap().is_empty());
        // One permit, which each passes on to the next.
        doors[7].open();
        for call in waiting {
            call.await.unwrap();
        }
        doors.iter().for_each(Door::open);
        for call in stuck {
            call.await.unwrap();
        }
    });
    assert_eq!(*served.lock().unwrap(), (0..20).collect::<Vec<_>>());
}

#[test]
fn a_call_dropped_before_it_was_sent_sends_nothing() {
    let rt = sharded(2);
    on_a(&rt, || async {
        let sent = Arc::new(AtomicUsize::new(0));
        let call = || {
            let sent = Arc::clone(&sent);
            Box::pin(shard::call(B, move || sent.fetch_add(1, SeqCst)))
        };
        drop(call());
        assert_eq!(Arc::strong_count(&sent), 1);

        let door = Door::default();
        let mut stuck = Vec::new();
        for _ in 0..IN_FLIGHT {
            let door = door.clone();
            let mut call = Box::pin(shard::call_async(B, move || async move { door.pass().await }));
            assert!(poll_once(&mut call).is_pending());
            stuck.push(call);
        }
        let (mut first, mut second) = (call(), call());
        assert!(poll_once(&mut first).is_pending());
        assert!(poll_once(&mut second).is_pending());
        drop(first);
        assert_eq!(Arc::strong_count(&sent), 2, "the closure is gone with the call");
        let third = call();
        door.open();
        for call in stuck {
            call.await.unwrap();
        }
        // All permits are back, one of them handed over to the second call, which is dropped without picking it up.
        drop(second);
        third.await.unwrap();
        flush(B).await;
        assert_eq!(sent.load(SeqCst), 1);
        // And none was lost.
        let all: Vec<_> = (0..2 * IN_FLIGHT).map(|_| start(call())).collect();
        for call in all {
            call.await.unwrap();
        }
        assert_eq!(sent.load(SeqCst), 1 + 2 * IN_FLIGHT);
        // And none too many.
        let load = Arc::new(Load::default());
        let door = Door::default();
        let all: Vec<_> = (0..2 * IN_FLIGHT)
            .map(|_| {
                let (door, load) = (door.clone(), Arc::clone(&load));
                start(shard::call_async(B, move || async move { load.hold(&door).await }))
            })
            .collect();
        flush(B).await;
        assert_eq!(load.now.load(SeqCst), IN_FLIGHT);
        door.open();
        for call in all {
            call.await.unwrap();
        }
    });
}

#[test]
fn a_call_dropped_after_it_was_sent_runs() {
    struct Result(Arc<Mutex<Vec<ShardId>>>);
    impl Drop for Result {
        fn drop(&mut self) {
            self.0.lock().unwrap().push(shard::id());
        }
    }
    let rt = sharded(2);
    on_a(&rt, || async {
        let dropped: Arc<Mutex<Vec<ShardId>>> = Arc::default();
        let (door, result) = (Door::default(), Arc::clone(&dropped));
        let inner = door.clone();
        let mut call = Box::pin(shard::call_async(B, move || async move {
            inner.pass().await;
            Result(result)
        }));
        assert!(poll_once(&mut call).is_pending());
        flush(B).await;
        drop(call);
        assert!(dropped.lock().unwrap().is_empty());
        door.open();
        flush(B).await;
        assert_eq!(*dropped.lock().unwrap(), [B]);
    });
}

#[test]
fn a_panic_comes_back_with_its_payload() {
    let rt = sharded(2);
    on_a(&rt, || async {
        for id in [A, B] {
            let error = shard::call(id, || std::panic::panic_any(41u8)).await.unwrap_err();
            assert!(error.is_panic() && !error.is_closed() && !error.is_stopped());
            assert_eq!(error.to_string(), "the call panicked");
            let again =
                std::panic::catch_unwind(|| std::panic::resume_unwind(error.into_panic())).unwrap_err();
            assert_eq!(*again.downcast::<u8>().unwrap(), 41);

            let error = shard::call_async(id, || async {
                task::yield_now().await;
                panic!("number {}", 2)
            });
            let error: CallError = error.await.unwrap_err();
            assert_eq!(error.to_string(), "the call panicked with message \"number 2\"");
            // The shard goes on.
            assert_eq!(shard::call(id, || 1).await.unwrap(), 1);
        }
    });
}

#[test]
fn calls_end_with_the_runtime() {
    for _ in 0..20 {
        let rt = sharded(2);
        let handle = rt.handle().clone();
        let (started, starts) = std::sync::mpsc::channel();
        let caller = thread::spawn(move || {
            handle.block_on(async {
                started.send(()).unwrap();
                loop {
                    if let Err(error) = shard::call(B, || ()).await {
                        return error;
                    }
                }
            })
        });
        starts.recv().unwrap();
        drop(rt);
        let error = caller.join().unwrap();
        assert!(error.is_closed(), "{error}");
        assert_eq!(format!("{error:?}"), "CallError(the shard is closed)");
        let error = error.try_into_panic().unwrap_err();
        let misuse = std::panic::catch_unwind(AssertUnwindSafe(|| error.into_panic())).unwrap_err();
        assert_eq!(*misuse.downcast::<String>().unwrap(), "the call did not panic: the shard is closed");
    }
}

#[test]
fn calls_that_wait_end_with_the_runtime() {
    let rt = sharded(2);
    let handle = rt.handle().clone();
    let (started, starts) = std::sync::mpsc::channel();
    let caller = thread::spawn(move || {
        handle.block_on(async {
            let door = Door::default();
            let mut calls: Vec<_> = (0..2 * IN_FLIGHT)
                .map(|_| {
                    let door = door.clone();
                    Box::pin(shard::call_async(B, move || async move { door.pass().await }))
                })
                .collect();
            for call in &mut calls {
                assert!(poll_once(call).is_pending());
            }
            started.send(()).unwrap();
            for call in calls {
                assert!(call.await.unwrap_err().is_closed());
            }
        });
    });
    starts.recv().unwrap();
    drop(rt);
    caller.join().unwrap();
}

#[test]
fn runtimes_do_not_mix() {
    let (one, two) = (sharded(2), sharded(2));
    let thread_of =
        |rt: &Runtime| rt.block_on(async { shard::call(A, || thread::current().id()).await.unwrap() });
    let (first, second) = (thread_of(&one), thread_of(&two));
    assert_ne!(first, second);
    let other = two.handle().clone();
    on_a(&one, move || async move {
        assert_eq!(thread::current().id(), first);
        {
            let _inside = other.enter();
            assert_eq!(shard::try_id(), None, "on a shard, but not on one of the current runtime");
        }
        assert_eq!(shard::id(), A);
        assert_eq!(other.spawn_on(A, || async { thread::current().id() }).await.unwrap(), second);
        let called = {
            let _inside = other.enter();
            shard::call(A, || thread::current().id())
        };
        assert_eq!(called.await.unwrap(), second, "a call means the runtime in which it was made");
    });
}

#[test]
fn a_log_of_one_shard_needs_no_lock() {
    thread_local! {
        static LOG: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    }
    let rt = sharded(4);
    let tasks: Vec<_> = (0..4u32)
        .map(|from| {
            rt.handle().spawn_on(ShardId(from), || async {
                for n in 0..100 {
                    shard::call(B, move || LOG.with_borrow_mut(|log| log.push(n))).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        rt.block_on(task).unwrap();
    }
    let sum: usize =
        rt.block_on(async { shard::call(B, || LOG.with_borrow(|log| log.iter().sum())).await.unwrap() });
    assert_eq!(sum, 4 * 4950);
}
