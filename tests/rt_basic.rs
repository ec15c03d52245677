//! Runtimes of every flavor, through the public API.

use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use corelane::config::{Config, Steal};
use corelane::io::{AsyncReadExt, AsyncWriteExt};
use corelane::runtime::{Builder, Handle, LocalRuntime, Runtime, RuntimeFlavor};
use corelane::task;

fn each(f: impl Fn(Runtime)) {
    f(Builder::new_current_thread().enable_all().build().unwrap());
    f(Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());
    f(Builder::new_sharded().worker_threads(2).enable_all().build().unwrap());
}

#[test]
fn block_on_gives_the_output() {
    each(|rt| assert_eq!(rt.block_on(async { 3 }), 3));
}

#[test]
fn spawned_tasks_finish() {
    each(|rt| {
        let sum = rt.block_on(async {
            let handles: Vec<_> = (0..1000u64)
                .map(|n| {
                    corelane::spawn(async move {
                        task::yield_now().await;
                        n
                    })
                })
                .collect();
            let mut sum = 0;
            for handle in handles {
                sum += handle.await.unwrap();
            }
            sum
        });
        assert_eq!(sum, 499_500);
    });
}

#[test]
fn spawn_from_outside() {
    each(|rt| {
        let handle = rt.spawn(async { Handle::current().runtime_flavor() });
        assert_eq!(rt.block_on(handle).unwrap(), rt.handle().runtime_flavor());
    });
}

#[test]
fn blocking_closures_run_in_the_context() {
    each(|rt| {
        let flavor = rt.block_on(rt.spawn_blocking(|| Handle::current().runtime_flavor())).unwrap();
        assert_eq!(flavor, rt.handle().runtime_flavor());
        let nested =
            rt.block_on(async { task::spawn_blocking(|| Handle::current().block_on(async { 5 })).await });
        assert_eq!(nested.unwrap(), 5);
    });
}

#[test]
fn dropping_a_runtime_drops_its_tasks() {
    struct Guard(Arc<AtomicUsize>);
    impl Drop for Guard {
        fn drop(&mut self) {
            // In the runtime's context.
            let _ = Handle::current();
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    each(|rt| {
        let drops = Arc::new(AtomicUsize::new(0));
        let (started, starts) = mpsc::channel();
        for _ in 0..100 {
            let guard = Guard(drops.clone());
            let started = started.clone();
            rt.spawn(async move {
                started.send(()).unwrap();
                pending::<()>().await;
                drop(guard);
            });
        }
        // Some have run and some may not have.
        rt.block_on(async { task::yield_now().await });
        starts.recv().unwrap();
        drop(rt);
        assert_eq!(drops.load(Ordering::SeqCst), 100);
    });
}

#[test]
fn a_handle_outlives_its_runtime() {
    each(|rt| {
        let handle = rt.handle().clone();
        drop(rt);
        let spawned = handle.spawn(async { 1 });
        let blocked = handle.spawn_blocking(|| 1);
        let other = Builder::new_current_thread().build().unwrap();
        assert!(other.block_on(spawned).unwrap_err().is_cancelled());
        assert!(other.block_on(blocked).unwrap_err().is_cancelled());
    });
}

#[test]
fn sharded_tasks_may_spawn_local() {
    let rt = Builder::new_sharded().worker_threads(2).build().unwrap();
    let sum = rt.block_on(rt.spawn(async {
        // Made and used between awaits only, so that the outer future is `Send`.
        let handle = task::spawn_blocking(|| 1);
        let local = {
            let shared = Rc::new(Cell::new(1));
            let inner = shared.clone();
            let child = task::spawn_local(async move {
                task::yield_now().await;
                inner.set(inner.get() + 1);
                inner.get()
            });
            drop(shared);
            child
        };
        local.await.unwrap() + handle.await.unwrap()
    }));
    assert_eq!(sum.unwrap(), 3);
}

#[test]
fn local_runtime_runs_tasks_that_are_not_send() {
    let rt = LocalRuntime::new().unwrap();
    let shared = Rc::new(Cell::new(0));
    let first = rt.spawn_local({
        let shared = shared.clone();
        async move { shared.set(shared.get() + 1) }
    });
    rt.block_on(async {
        first.await.unwrap();
        let shared = shared.clone();
        task::spawn_local(async move { shared.set(shared.get() + 1) }).await.unwrap();
    });
    assert_eq!(shared.get(), 2);
}

#[test]
#[should_panic(expected = "`spawn_local` called from outside of a `task::LocalSet`")]
fn a_current_thread_runtime_has_no_local_tasks() {
    Builder::new_current_thread().build().unwrap().block_on(async {
        drop(task::spawn_local(async {}));
    });
}

#[test]
#[should_panic(expected = "Cannot start a runtime from within a runtime.")]
fn block_on_does_not_nest() {
    let rt = Builder::new_current_thread().build().unwrap();
    let other = Builder::new_current_thread().build().unwrap();
    rt.block_on(async { other.block_on(async {}) });
}

#[test]
#[should_panic(
    expected = "there is no reactor running, must be called from the context of a Tokio 1.x runtime"
)]
fn spawn_needs_a_runtime() {
    drop(corelane::spawn(async {}));
}

#[test]
fn several_threads_may_block_on_one_current_thread_runtime() {
    let rt = Arc::new(Builder::new_current_thread().build().unwrap());
    let threads: Vec<_> = (0..4)
        .map(|n| {
            let rt = rt.clone();
            std::thread::spawn(move || {
                rt.block_on(async move {
                    let mut sum = 0;
                    for i in 0..200 {
                        sum += corelane::spawn(async move { i * n }).await.unwrap();
                    }
                    sum
                })
            })
        })
        .collect();
    for (n, thread) in threads.into_iter().enumerate() {
        assert_eq!(thread.join().unwrap(), 19900 * n);
    }
}

#[test]
fn wakes_from_other_threads_end_a_sleep() {
    each(|rt| {
        for _ in 0..50 {
            let (send, receive) = mpsc::channel::<std::task::Waker>();
            let waker_thread = std::thread::spawn(move || receive.recv().unwrap().wake());
            let mut first = true;
            let task = rt.spawn(poll_fn(move |cx| {
                if std::mem::take(&mut first) {
                    send.send(cx.waker().clone()).unwrap();
                    return Poll::Pending;
                }
                Poll::Ready(())
            }));
            rt.block_on(task).unwrap();
            waker_thread.join().unwrap();
        }
    });
}

#[test]
fn closures_that_met_a_free_thread_run_although_the_runtime_ends() {
    each(|rt| {
        let handle = rt.handle().clone();
        // Together: each in a thread of its own.
        let together = Arc::new(std::sync::Barrier::new(3));
        let closures = [0, 1, 2].map(|n| {
            let together = together.clone();
            rt.spawn_blocking(move || {
                together.wait();
                n
            })
        });
        rt.shutdown_timeout(Duration::from_secs(60));
        for (n, closure) in closures.into_iter().enumerate() {
            assert_eq!(handle.block_on(closure).unwrap(), n);
        }
    });
}

#[test]
fn a_root_future_that_gives_way_takes_turns_with_the_tasks() {
    let rt = Builder::new_current_thread().enable_all().build().unwrap();
    rt.block_on(async {
        let polls = Rc::new(Cell::new(0));
        let ran = Arc::new(AtomicUsize::new(0));
        for _ in 0..3 {
            let ran = ran.clone();
            corelane::spawn(async move {
                loop {
                    ran.fetch_add(1, Ordering::Relaxed);
                    task::yield_now().await;
                }
            });
        }
        while polls.get() < 100 {
            polls.set(polls.get() + 1);
            task::yield_now().await;
            assert_eq!(ran.load(Ordering::Relaxed), 3 * polls.get(), "each ran once");
        }
    });
}

#[test]
fn tasks_that_no_worker_has_met_are_counted() {
    let rt = Builder::new_current_thread().enable_all().build().unwrap();
    let metrics = rt.metrics();
    let tasks: Vec<_> = (0..5)
        .map(|n| {
            assert_eq!(metrics.global_queue_depth(), n);
            rt.spawn(async {})
        })
        .collect();
    rt.block_on(async {
        for task in tasks {
            task.await.unwrap();
        }
        corelane::spawn(async {}).await.unwrap();
    });
    assert_eq!(metrics.global_queue_depth(), 0);
}

#[test]
fn a_paused_clock_stands_until_a_closure_s_result_was_told() {
    /// Holds the pool's thread up where it tells.
    struct Told {
        root: Waker,
        elapsed: std::sync::Mutex<mpsc::Receiver<()>>,
        clock_stood: mpsc::Sender<bool>,
    }
    impl Wake for Told {
        fn wake(self: Arc<Self>) {
            let elapsed = self.elapsed.lock().unwrap().recv_timeout(Duration::from_millis(50));
            self.clock_stood.send(elapsed.is_err()).unwrap();
            self.root.wake_by_ref();
        }
    }
    let rt = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    rt.block_on(async {
        let (begin, begins) = mpsc::channel::<()>();
        let (elapse, elapsed) = mpsc::channel();
        let (clock_stood, stands) = mpsc::channel();
        corelane::spawn(async move {
            corelane::time::sleep(Duration::from_secs(3600)).await;
            let _ = elapse.send(());
        });
        let mut closure = task::spawn_blocking(move || begins.recv().unwrap());
        let root = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        let told = Waker::from(Arc::new(Told { root, elapsed: elapsed.into(), clock_stood }));
        assert!(Pin::new(&mut closure).poll(&mut Context::from_waker(&told)).is_pending());
        // The shard rests with nothing but the timer, and the closure, to wait for.
        task::yield_now().await;
        begin.send(()).unwrap();
        poll_fn(|_| if closure.is_finished() { Poll::Ready(()) } else { Poll::Pending }).await;
        assert!(stands.recv().unwrap(), "the clock was moved on before the result was told");
    });
}

/// On a busy machine a timeout is served late, together with what came too late for it.
#[test]
fn the_root_goes_before_the_tasks_that_the_same_wait_woke() {
    let rt = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    rt.block_on(async {
        let (answer, answered) = corelane::sync::oneshot::channel();
        corelane::spawn(async move {
            corelane::time::sleep(Duration::from_millis(100)).await;
            let _ = answer.send(());
        });
        // The task arms first, and so is woken first.
        task::yield_now().await;
        assert!(corelane::time::timeout(Duration::from_millis(100), answered).await.is_err());
    });
}

#[test]
fn shutdown_timeout_gives_up_on_a_stuck_closure() {
    each(|rt| {
        let (stop, stopped) = mpsc::channel::<()>();
        let (started, starts) = mpsc::channel();
        rt.spawn_blocking(move || {
            started.send(()).unwrap();
            let _ = stopped.recv();
        });
        starts.recv().unwrap();
        rt.shutdown_timeout(Duration::from_millis(10));
        drop(stop);
    });
}

#[test]
fn block_in_place_blocks_in_place() {
    let rt = Builder::new_multi_thread().worker_threads(2).build().unwrap();
    assert_eq!(rt.handle().runtime_flavor(), RuntimeFlavor::MultiThread);
    let out = rt.block_on(rt.spawn(async {
        let (send, receive) = mpsc::channel();
        corelane::spawn(async move { send.send(4).unwrap() });
        // The spawned task has to run on the other worker.
        task::block_in_place(move || receive.recv().unwrap())
    }));
    assert_eq!(out.unwrap(), 4);
}

#[test]
fn hooks_run_and_may_spawn() {
    let (started, stopped, parked) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let ran = Arc::new(AtomicUsize::new(0));
    let mut builder = Builder::new_current_thread();
    let count = |counter: &Arc<AtomicUsize>| {
        let counter = counter.clone();
        move || {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    };
    builder.on_thread_start(count(&started)).on_thread_stop(count(&stopped));
    builder.on_thread_park({
        let (parked, ran) = (parked.clone(), ran.clone());
        move || {
            if parked.fetch_add(1, Ordering::SeqCst) == 0 {
                let ran = ran.clone();
                corelane::spawn(async move {
                    ran.fetch_add(1, Ordering::SeqCst);
                });
            }
        }
    });
    let rt = builder.build().unwrap();
    rt.block_on(async {
        task::spawn_blocking(|| {}).await.unwrap();
        let ran = ran.clone();
        while ran.load(Ordering::SeqCst) == 0 {
            task::spawn_blocking(|| {}).await.unwrap();
        }
    });
    drop(rt);
    assert!(parked.load(Ordering::SeqCst) > 0);
    assert!(started.load(Ordering::SeqCst) > 0);
    assert_eq!(started.load(Ordering::SeqCst), stopped.load(Ordering::SeqCst));
}

#[test]
fn the_calling_thread_may_be_shard_zero() {
    let before = corelane::topology::pin::current();
    let rt = Builder::new_sharded().worker_threads(2).enable_all().build_local(Default::default()).unwrap();
    let here = std::thread::current().id();
    rt.block_on(async {
        let shared = Rc::new(Cell::new(0));
        let inner = shared.clone();
        let child = task::spawn_local(async move {
            inner.set(1);
            std::thread::current().id()
        });
        assert_eq!(child.await.unwrap(), here);
        assert_eq!(shared.get(), 1);
        // The other shard has a thread of its own.
        let threads = corelane::runtime::Handle::current().metrics().num_workers();
        assert_eq!(threads, 2);
        let mut elsewhere = false;
        let spawned: Vec<_> =
            (0..100).map(|_| corelane::spawn(async { std::thread::current().id() })).collect();
        for task in spawned {
            elsewhere |= task.await.unwrap() != here;
        }
        assert!(elsewhere, "a hundred tasks spread over two shards");
    });
    drop(rt);
    assert_eq!(corelane::topology::pin::current(), before);
}

#[corelane::main(worker_threads = 1)]
async fn entry() -> u32 {
    task::spawn_local(async { 5 }).await.unwrap()
}

#[test]
fn main_runs_on_shard_zero() {
    assert_eq!(entry(), 5);
}

#[corelane::test]
async fn test_runs_on_a_current_thread_runtime() {
    assert_eq!(Handle::current().runtime_flavor(), RuntimeFlavor::CurrentThread);
}

/// Notes the thread that drops it; not `Send`, as what a local task may hold.
struct DropsOn(mpsc::Sender<thread::ThreadId>, PhantomData<Rc<()>>);

impl Drop for DropsOn {
    fn drop(&mut self) {
        let _ = self.0.send(thread::current().id());
    }
}

#[test]
fn a_local_runtime_that_is_dropped_where_it_must_not_be_still_drops_its_tasks_on_its_thread() {
    let (dropped, thread_of_drop) = mpsc::channel();
    let local = LocalRuntime::new().unwrap();
    let guard = DropsOn(dropped, PhantomData);
    local.spawn_local(async move {
        let _guard = guard;
        pending::<()>().await;
    });
    let handle = local.handle().clone();
    let outer = Builder::new_current_thread().build().unwrap();
    outer.block_on(async move {
        let panic = catch_unwind(AssertUnwindSafe(|| drop(local))).unwrap_err();
        assert!(panic.downcast_ref::<&str>().unwrap().contains("Cannot drop a runtime"));
    });
    // The last that knows of the runtime.
    thread::spawn(move || drop(handle)).join().unwrap();
    assert_eq!(thread_of_drop.try_recv().unwrap(), thread::current().id());
}

#[test]
fn a_shard_that_changes_threads_refuses_local_tasks_through_the_engine_too() {
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        use corelane_shards::shard::{current, spawn_at, spawn_local};
        let here = catch_unwind(AssertUnwindSafe(|| {
            current(|local| drop(spawn_local(local.unwrap(), pending::<Rc<()>>())));
        }));
        assert!(here.unwrap_err().downcast_ref::<&str>().unwrap().contains("may change threads"));
        let there = catch_unwind(AssertUnwindSafe(|| {
            current(|local| drop(spawn_at(local.unwrap().remote(), || async { drop(Rc::new(())) })));
        }));
        assert!(there.unwrap_err().downcast_ref::<&str>().unwrap().contains("may change threads"));
        // What is `Send` throughout goes there.
        assert_eq!(corelane::shard::call(corelane::shard::ShardId(0), || 42).await.unwrap(), 42);
    });
    let called = corelane::shard::call;
    let entered = runtime.enter();
    let message = called(corelane::shard::ShardId(0), || 43);
    drop(entered);
    assert_eq!(thread::scope(|s| s.spawn(|| runtime.block_on(message)).join().unwrap()).unwrap(), 43);
}

/// Returns when the thread that drives the runtime's only shard, which is this one, has slept. A short sleep need not get there: it
/// may be over before it is waited for.
fn rest(rt: &Runtime) {
    let metrics = rt.metrics();
    let parks = metrics.worker_park_count(0);
    let (wake, woken) = corelane::sync::oneshot::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            while metrics.worker_park_count(0) == parks {
                thread::yield_now();
            }
            wake.send(()).unwrap();
        });
        rt.block_on(woken).unwrap();
    });
}

#[test]
fn what_workers_do_is_counted() {
    let rt = Builder::new_current_thread().enable_all().build().unwrap();
    let metrics = rt.metrics();
    rt.block_on(async {
        corelane::spawn(async {}).await.unwrap();
        assert_eq!(metrics.worker_local_queue_depth(0), 0);
        let tasks = [(); 3].map(|()| corelane::spawn(async {}));
        assert_eq!(metrics.worker_local_queue_depth(0), 3);
        for task in tasks {
            task.await.unwrap();
        }
    });
    rest(&rt);
    assert_eq!(metrics.worker_local_schedule_count(0), 4);
    assert_eq!(metrics.remote_schedule_count(), 0);
    let idle_parks = metrics.worker_noop_count(0);
    rest(&rt);
    assert!(metrics.worker_noop_count(0) > idle_parks, "it polled no task since it last slept");

    let elsewhere = rt.spawn(async {});
    rt.block_on(elsewhere).unwrap();
    assert_eq!(metrics.remote_schedule_count(), 1);
    assert_eq!(metrics.worker_local_schedule_count(0), 4);

    assert_eq!(metrics.budget_forced_yield_count(), 0);
    rt.block_on(async {
        for _ in 0..200 {
            task::coop::consume_budget().await;
        }
    });
    assert_eq!(metrics.budget_forced_yield_count(), 1);

    let events = metrics.io_driver_ready_count();
    rt.block_on(async {
        let (mut here, mut there) = corelane::net::UnixStream::pair().unwrap();
        corelane::spawn(async move { there.write_all(&[1]).await });
        assert_eq!(here.read_u8().await.unwrap(), 1);
    });
    assert!(metrics.io_driver_ready_count() > events);
}

#[test]
fn what_workers_take_and_hand_on_is_counted() {
    // The other worker is blocked until the ring of the first has spilled, and takes from there and from the queue of both.
    const MANY: usize = 10_000;
    let rt = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let metrics = rt.metrics();
    let sum = |number: &dyn Fn(usize) -> u64| (0..2).map(number).sum::<u64>();
    let (blocks, is_blocked) = mpsc::channel();
    let (free, is_free) = mpsc::channel::<()>();
    rt.block_on(rt.spawn(async move {
        let handle = Handle::current();
        thread::spawn(move || {
            handle.spawn(async move {
                blocks.send(()).unwrap();
                is_free.recv().unwrap();
            });
        });
        is_blocked.recv().unwrap();
        let tasks: Vec<_> = (0..MANY).map(|_| corelane::spawn(async {})).collect();
        free.send(()).unwrap();
        for task in tasks {
            task.await.unwrap();
        }
    }))
    .unwrap();
    assert!(sum(&|worker| metrics.worker_overflow_count(worker)) > 0);
    let (steals, operations) = (
        sum(&|worker| metrics.worker_steal_count(worker)),
        sum(&|worker| metrics.worker_steal_operations(worker)),
    );
    assert!(operations <= steals, "one task or more each time");
    assert!(sum(&|worker| metrics.worker_mean_poll_time(worker).as_nanos() as u64) > 0);
}

/// Nobody drives this thread's shard afterwards, and the other one sleeps already.
#[test]
#[expect(clippy::async_yields_async, reason = "the timer is what is left behind")]
fn a_timer_that_a_ready_root_future_leaves_behind_fires() {
    let mut config = Config::default();
    config.scheduler.steal = Steal::All;
    let mut builder = Builder::new_sharded();
    let rt = builder.config(config).worker_threads(2).enable_all().build_local(Default::default()).unwrap();
    while rt.metrics().worker_park_count(1) == 0 {
        thread::yield_now();
    }
    let sleep = rt.block_on(async {
        let mut sleep = Box::pin(corelane::time::sleep(Duration::from_millis(20)));
        assert!(sleep.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        sleep
    });
    rt.handle().block_on(sleep);
}

/// Shard 0 is this thread's, which waits for others and drives nothing.
#[test]
fn between_two_block_ons_what_comes_from_outside_goes_where_somebody_is() {
    let runtime =
        Builder::new_sharded().worker_threads(2).enable_all().build_local(Default::default()).unwrap();
    for _ in 0..2 {
        let handle = runtime.handle().clone();
        let outside = thread::spawn(move || {
            for _ in 0..8 {
                let task = handle.spawn(async { task::yield_now().await });
                handle.block_on(async {
                    task.await.unwrap();
                    corelane::time::sleep(Duration::from_millis(1)).await;
                });
            }
        });
        outside.join().unwrap();
        runtime.block_on(task::yield_now());
    }
}

/// A task that sends and gives way lets the future of `block_on` go on, or the one beside its set, which waits for what it sends.
#[test]
fn a_task_gives_way_to_the_root_future_as_well() {
    type Task = Pin<Box<dyn Future<Output = ()> + Send>>;
    async fn lengths(spawn: fn(Task) -> task::JoinHandle<()>) -> Vec<usize> {
        let (tx, mut rx) = corelane::sync::mpsc::channel(100);
        let sends = spawn(Box::pin(async move {
            for _ in 0..10 {
                tx.send(()).await.unwrap();
                task::yield_now().await;
            }
        }));
        let mut lengths = Vec::new();
        while rx.recv().await.is_some() {
            lengths.push(rx.len());
        }
        sends.await.unwrap();
        lengths
    }
    let runtime = Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(lengths(task::spawn)), [0; 10]);
    assert_eq!(LocalRuntime::new().unwrap().block_on(lengths(task::spawn)), [0; 10]);
    assert_eq!(task::LocalSet::new().block_on(&runtime, lengths(task::spawn_local)), [0; 10]);
}
