//! What a runtime counts, seen from outside.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use corelane::io::{AsyncReadExt, AsyncWriteExt};
use corelane::net::UnixStream;
use corelane::runtime::{Builder, HistogramConfiguration, Runtime, RuntimeMetrics};
use corelane::task::{self, LocalSet, block_in_place, yield_now};
use corelane::time::advance;

fn builders() -> [Builder; 3] {
    [Builder::new_current_thread(), Builder::new_multi_thread(), Builder::new_sharded()].map(|mut builder| {
        builder.worker_threads(2).enable_all();
        builder
    })
}

#[test]
fn a_root_future_that_panics_has_been_busy_until_then() {
    const SECOND: Duration = Duration::from_secs(1);
    let rt = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let panics = || {
        rt.block_on(async {
            yield_now().await;
            advance(SECOND).await;
            panic!("on purpose");
        });
    };
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    let busy = || rt.metrics().worker_total_busy_duration(0);
    assert_eq!(busy(), SECOND);
    rt.block_on(async {
        yield_now().await;
        advance(SECOND).await;
    });
    assert_eq!(busy(), 2 * SECOND);
}

#[test]
fn all_spawns_are_counted() {
    for mut builder in builders() {
        let rt = builder.build().unwrap();
        let metrics = rt.metrics();
        assert_eq!(metrics.spawned_tasks_count(), 0);
        let first = rt.spawn({
            let metrics = metrics.clone();
            async move { metrics.spawned_tasks_count() }
        });
        assert_eq!(rt.block_on(first).unwrap(), 1);
        rt.block_on(async {
            corelane::spawn(async {
                for _ in 0..10 {
                    task::spawn(yield_now()).await.unwrap();
                }
                // Too large for a slot.
                let large = [1_u8; 20_000];
                task::spawn(async move {
                    yield_now().await;
                    assert_eq!(large.iter().map(|byte| usize::from(*byte)).sum::<usize>(), 20_000);
                })
                .await
                .unwrap();
            })
            .await
            .unwrap();
            // These are no tasks of the runtime's.
            task::spawn_blocking(|| ()).await.unwrap();
            LocalSet::new().run_until(async { task::spawn_local(yield_now()).await.unwrap() }).await;
        });
        assert_eq!(metrics.spawned_tasks_count(), 13);
        drop(rt);
        assert_eq!((metrics.spawned_tasks_count(), metrics.num_alive_tasks()), (13, 0));
    }
}

#[test]
fn a_spawn_counts_at_once_where_it_is_spawned() {
    for mut builder in builders() {
        let rt = builder.build().unwrap();
        let metrics = rt.metrics();
        rt.block_on(async {
            let counted = task::spawn(async move {
                let tasks: Vec<_> = (0..3).map(|_| task::spawn(async {})).collect();
                let counted = metrics.spawned_tasks_count();
                for task in tasks {
                    task.await.unwrap();
                }
                counted
            });
            assert_eq!(counted.await.unwrap(), 4);
        });
    }
}

#[test]
fn the_thread_of_a_current_thread_runtime_is_who_drove_it_last() {
    let rt = Builder::new_current_thread().build().unwrap();
    let metrics = rt.metrics();
    assert_eq!(metrics.worker_thread_id(0), None);
    let drive = || {
        rt.block_on(async {});
        thread::current().id()
    };
    assert_eq!(Some(drive()), metrics.worker_thread_id(0));
    let other = thread::scope(|scope| scope.spawn(drive).join().unwrap());
    assert_ne!(other, thread::current().id());
    assert_eq!(Some(other), metrics.worker_thread_id(0));
    assert_eq!(Some(drive()), metrics.worker_thread_id(0));
}

#[test]
fn a_worker_is_on_its_thread_and_while_that_blocks_on_another() {
    let rt = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let metrics = rt.metrics();
    let (began, has_begun) = mpsc::channel();
    let (end, ended) = mpsc::channel();
    let task = rt.spawn({
        let metrics = metrics.clone();
        async move {
            let own = thread::current().id();
            assert_eq!(metrics.worker_thread_id(0), Some(own));
            block_in_place(|| {
                began.send(()).unwrap();
                ended.recv().unwrap();
            });
            own
        }
    });
    has_begun.recv().unwrap();
    // It runs while the worker's own thread blocks.
    let stand_in = rt.block_on(rt.spawn(async { thread::current().id() })).unwrap();
    assert_eq!(metrics.worker_thread_id(0), Some(stand_in));
    end.send(()).unwrap();
    assert_ne!(rt.block_on(task).unwrap(), stand_in);
}

#[test]
fn what_the_kernel_watches_is_counted() {
    let rt = Builder::new_current_thread().enable_io().build().unwrap();
    let metrics = rt.metrics();
    let counts = || (metrics.io_driver_fd_registered_count(), metrics.io_driver_fd_deregistered_count());
    rt.block_on(async {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        other.write_all(b"x").await.unwrap();
        assert_eq!(one.read_u8().await.unwrap(), b'x');
        assert_eq!(counts(), (0, 0), "nobody had to wait");
        let writer = task::spawn(async move {
            other.write_all(b"y").await.unwrap();
            other
        });
        assert_eq!(one.read_u8().await.unwrap(), b'y');
        assert_eq!(counts(), (1, 0));
        drop(writer.await.unwrap());
        assert_eq!(counts(), (1, 0), "the writer did not wait");
    });
    assert_eq!(counts(), (1, 1));
}

/// Whoever runs it in the end: a task that a worker has queued is no task from elsewhere.
#[test]
fn a_task_that_was_stolen_was_queued_by_a_worker() {
    let rt = Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let metrics = rt.metrics();
    let outer = rt.spawn(async {
        let (done, is_done) = mpsc::channel();
        drop(corelane::spawn(async move { done.send(()).unwrap() }));
        // This worker is in the way of the other task, so the other worker has to take it.
        is_done.recv().unwrap();
    });
    rt.block_on(outer).unwrap();
    drop(rt);
    let sum = |count: &dyn Fn(usize) -> u64| (0..2).map(count).sum::<u64>();
    assert_eq!(sum(&|worker| metrics.worker_steal_count(worker)), 1);
    assert_eq!(metrics.remote_schedule_count(), 1);
    assert_eq!(sum(&|worker| metrics.worker_local_schedule_count(worker)), 1);
}

/// The waits that were counted, by bucket.
fn waits(metrics: &RuntimeMetrics) -> Vec<u64> {
    let count = |bucket| {
        let workers = 0..metrics.num_workers();
        workers.map(|worker| metrics.schedule_latency_histogram_bucket_count(worker, bucket)).sum()
    };
    (0..metrics.schedule_latency_histogram_num_buckets()).map(count).collect()
}

/// How long hooks say that tasks waited, before and after each poll.
type Told = Arc<Mutex<Vec<Duration>>>;

fn telling(mut builder: Builder) -> (Runtime, Told) {
    let told = Told::default();
    let tell = |told: &Told| {
        let told = told.clone();
        move |task: &corelane::runtime::TaskMeta<'_>| {
            told.lock().unwrap().push(task.schedule_latency().unwrap())
        }
    };
    builder.on_before_task_poll(tell(&told)).on_after_task_poll(tell(&told));
    builder.on_task_spawn(|task| assert_eq!(task.schedule_latency(), None));
    builder.on_task_terminate(|task| assert_eq!(task.schedule_latency(), None));
    (builder.build().unwrap(), told)
}

#[test]
fn waits_for_a_poll_are_counted() {
    for mut builder in builders() {
        let wide = HistogramConfiguration::linear(Duration::from_millis(1), 3);
        builder.enable_metrics_schedule_latency_histogram();
        builder.metrics_schedule_latency_histogram_configuration(wide);
        let (rt, told) = telling(builder);
        let metrics = rt.metrics();
        assert!(metrics.schedule_latency_histogram_enabled());
        let ms = Duration::from_millis;
        assert_eq!(metrics.schedule_latency_histogram_bucket_range(1), ms(1)..ms(2));
        rt.block_on(async {
            for _ in 0..5 {
                task::spawn(yield_now()).await.unwrap();
            }
        });
        drop(rt);
        assert_eq!(waits(&metrics).iter().sum::<u64>(), 10);
        let told = told.lock().unwrap();
        assert_eq!(told.len(), 20);
        for poll in told.chunks(2) {
            assert_eq!(poll[0], poll[1], "one poll has one wait");
        }
    }
}

/// A wait begins with the spawn, with the first wake, and not before the last poll has ended.
#[test]
fn a_wait_begins_when_the_task_can_run() {
    let mut builder = Builder::new_current_thread();
    builder.track_task_schedule_latency();
    let (rt, told) = telling(builder);
    let long = Duration::from_millis(20);
    // Not to wait: the time that it takes is what is measured.
    let pass = move || thread::sleep(long);
    let waker = Arc::new(Mutex::new(None::<Waker>));
    let (stamp, stamps) = mpsc::channel();
    let task = rt.spawn({
        let waker = waker.clone();
        let mut polls = 0;
        poll_fn(move |cx| {
            stamp.send(Instant::now()).unwrap();
            polls += 1;
            match polls {
                1 => *waker.lock().unwrap() = Some(cx.waker().clone()),
                2 => {
                    cx.waker().wake_by_ref();
                    pass();
                    stamp.send(Instant::now()).unwrap();
                }
                _ => return Poll::Ready(()),
            }
            Poll::Pending
        })
    });
    pass();
    rt.block_on(yield_now());
    pass();
    let waker = waker.lock().unwrap().take().unwrap();
    let before_wake = Instant::now();
    waker.wake_by_ref();
    pass();
    waker.wake();
    rt.block_on(task).unwrap();
    let told = told.lock().unwrap();
    let [spawned, _, woken, _, again, _] = told[..] else { panic!("three polls: {told:?}") };
    let stamps: Vec<_> = stamps.iter().collect();
    let [_, second, second_ends, third] = stamps[..] else { panic!("three polls: {stamps:?}") };
    assert!(spawned >= long, "from the spawn on: {spawned:?}");
    assert!(long <= woken && woken <= second - before_wake, "from the first wake on: {woken:?}");
    assert!(again <= third - second_ends, "the poll during which it was woken does not count: {again:?}");
}

#[test]
fn waits_are_not_counted_unless_asked_for() {
    let mut builder = Builder::new_current_thread();
    builder.on_before_task_poll(|task| assert_eq!(task.schedule_latency(), None));
    let rt = builder.build().unwrap();
    rt.block_on(async { task::spawn(async {}).await.unwrap() });
    let metrics = rt.metrics();
    assert!(!metrics.schedule_latency_histogram_enabled());
    assert_eq!(metrics.schedule_latency_histogram_num_buckets(), 0);
    assert_eq!(metrics.schedule_latency_histogram_bucket_count(0, 0), 0);
    assert!(metrics.schedule_latency_histogram_bucket_range(0).is_empty());
}
