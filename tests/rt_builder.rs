//! What the builder promises, seen from outside.

use std::collections::HashSet;
use std::future::{pending, poll_fn};
use std::io::Write;
use std::os::unix::net::UnixStream as StdStream;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use corelane::config::{AutoOr, Config, Pin, Place};
use corelane::io::AsyncReadExt;
use corelane::net::{TcpListener, UnixStream};
use corelane::runtime::{
    self, Builder, Handle, HistogramConfiguration, HistogramScale, LocalOptions, LocalRuntime, RngSeed,
    Runtime, TaskMeta, UnhandledPanic,
};
use corelane::shard::ShardId;
use corelane::task::{self, LocalSet, block_in_place, spawn_blocking, spawn_local, yield_now};

const PANICKED: &str =
    "a spawned task panicked and the runtime is configured to shut down on unhandled panic";

fn text(panicked: thread::Result<()>) -> String {
    *panicked.unwrap_err().downcast::<String>().unwrap()
}

fn builders() -> [Builder; 3] {
    [Builder::new_current_thread(), Builder::new_multi_thread(), Builder::new_sharded()].map(|mut builder| {
        builder.worker_threads(2).enable_all();
        builder
    })
}

/// Tells when it is gone.
struct Guard(mpsc::Sender<()>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.send(()).unwrap();
    }
}

#[test]
fn an_unhandled_panic_ends_the_runtime() {
    for mut builder in builders() {
        let rt = builder.unhandled_panic(UnhandledPanic::ShutdownRuntime).build().unwrap();
        let (gone, goes) = mpsc::channel();
        let guard = Guard(gone);
        let ended = catch_unwind(AssertUnwindSafe(|| {
            rt.block_on(async {
                corelane::spawn(async move {
                    let _guard = guard;
                    pending::<()>().await;
                });
                corelane::spawn(async { panic!("boom") });
                pending::<()>().await;
            })
        }));
        assert_eq!(text(ended), PANICKED);
        // The other task is dropped, later ones are cancelled, and the next `block_on` knows too.
        goes.recv().unwrap();
        let late = rt.spawn(async {});
        let waits = Builder::new_current_thread().build().unwrap();
        assert!(waits.block_on(late).unwrap_err().is_cancelled());
        assert_eq!(text(catch_unwind(AssertUnwindSafe(|| rt.block_on(async {})))), PANICKED);
    }
}

/// Also where the future is ready as soon as the task has panicked, since it waits for that.
#[test]
fn who_waits_for_the_task_that_panics_does_not_get_past_it() {
    for mut builder in builders() {
        let rt = builder.unhandled_panic(UnhandledPanic::ShutdownRuntime).build().unwrap();
        let ended = catch_unwind(AssertUnwindSafe(|| {
            rt.block_on(async { drop(corelane::spawn(async { panic!("boom") }).await) })
        }));
        assert_eq!(text(ended), PANICKED);
    }
}

#[test]
fn an_unhandled_panic_ends_a_local_runtime() {
    for mut builder in [Builder::new_current_thread(), Builder::new_sharded()] {
        builder.worker_threads(2).unhandled_panic(UnhandledPanic::ShutdownRuntime);
        let rt = builder.build_local(LocalOptions::default()).unwrap();
        rt.spawn_local(async { panic!("boom") });
        assert_eq!(text(catch_unwind(AssertUnwindSafe(|| rt.block_on(pending())))), PANICKED);
    }
    // A task of another shard than the one that `block_on` drives.
    let mut builder = Builder::new_sharded();
    builder.worker_threads(2).unhandled_panic(UnhandledPanic::ShutdownRuntime);
    let rt = builder.build_local(LocalOptions::default()).unwrap();
    let elsewhere = async {
        let other = corelane::shard::ids().last().unwrap();
        corelane::shard::spawn_on(other, || async { panic!("boom") });
        pending::<()>().await;
    };
    assert_eq!(text(catch_unwind(AssertUnwindSafe(|| rt.block_on(elsewhere)))), PANICKED);
}

#[test]
fn an_unhandled_panic_reaches_each_block_on() {
    for mut builder in builders() {
        let rt = Arc::new(builder.unhandled_panic(UnhandledPanic::ShutdownRuntime).build().unwrap());
        let (entered, enters) = mpsc::channel();
        let threads: Vec<_> = (0..3)
            .map(|n| {
                let (rt, entered) = (rt.clone(), entered.clone());
                thread::spawn(move || {
                    let root = async {
                        entered.send(()).unwrap();
                        pending::<()>().await;
                    };
                    if n == 0 { rt.handle().block_on(root) } else { rt.block_on(root) }
                })
            })
            .collect();
        threads.iter().for_each(|_| enters.recv().unwrap());
        rt.spawn(async { panic!("boom") });
        for thread in threads {
            assert_eq!(text(thread.join()), PANICKED);
        }
    }
}

#[test]
fn a_panic_is_ignored_by_default() {
    for mut builder in builders() {
        let rt = builder.unhandled_panic(UnhandledPanic::Ignore).build().unwrap();
        assert!(rt.block_on(rt.spawn(async { panic!("boom") })).unwrap_err().is_panic());
        // A closure is no spawned task, also where panics end the runtime.
        builder.unhandled_panic(UnhandledPanic::ShutdownRuntime);
        let rt = builder.build().unwrap();
        rt.block_on(async {
            assert!(spawn_blocking(|| panic!("boom")).await.unwrap_err().is_panic());
            corelane::spawn(async {}).await.unwrap();
        });
    }
}

#[derive(Default)]
struct Seen {
    spawned: HashSet<task::Id>,
    before: Vec<task::Id>,
    after: Vec<task::Id>,
    terminated: Vec<task::Id>,
    places: HashSet<(String, u32)>,
}

fn hooked(builder: &mut Builder) -> Arc<Mutex<Seen>> {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let hook = |note: fn(&mut Seen, &TaskMeta<'_>)| {
        let seen = seen.clone();
        move |meta: &TaskMeta<'_>| {
            let mut seen = seen.lock().unwrap();
            seen.places.insert((meta.spawned_at().file().to_owned(), meta.spawned_at().line()));
            note(&mut seen, meta);
        }
    };
    builder
        .on_task_spawn(hook(|seen, meta| assert!(seen.spawned.insert(meta.id()))))
        .on_before_task_poll(hook(|seen, meta| {
            assert!(seen.spawned.contains(&meta.id()));
            assert_eq!(task::try_id(), Some(meta.id()));
            seen.before.push(meta.id());
        }))
        .on_after_task_poll(hook(|seen, meta| seen.after.push(meta.id())))
        .on_task_terminate(hook(|seen, meta| seen.terminated.push(meta.id())));
    seen
}

#[test]
fn task_hooks_see_each_task() {
    for mut builder in builders() {
        let seen = hooked(&mut builder);
        let rt = builder.build().unwrap();
        let line = Location::caller().line();
        let yields = rt.spawn(yield_now());
        let panics = rt.spawn(async { panic!("boom") });
        let ids = rt.block_on(async {
            let inner = corelane::spawn(async { task::id() });
            let aborted = rt.handle().spawn(pending::<()>());
            aborted.abort();
            let ids = [yields.id(), panics.id(), inner.id(), aborted.id()];
            yields.await.unwrap();
            assert!(panics.await.unwrap_err().is_panic());
            assert_eq!(inner.await.unwrap(), ids[2]);
            assert!(aborted.await.unwrap_err().is_cancelled());
            spawn_blocking(|| ()).await.unwrap();
            ids
        });
        let left = rt.spawn(pending::<()>()).id();
        drop(rt);
        let seen = seen.lock().unwrap();
        let all: HashSet<_> = ids.into_iter().chain([left]).collect();
        assert_eq!(seen.spawned, all);
        assert_eq!(seen.terminated.len(), all.len());
        assert_eq!(seen.terminated.iter().copied().collect::<HashSet<_>>(), all);
        assert_eq!(seen.before.len(), seen.after.len());
        assert_eq!(seen.before.iter().filter(|id| **id == ids[0]).count(), 2);
        assert_eq!(seen.after.iter().filter(|id| **id == ids[1]).count(), 1, "also when it panics");
        let places =
            [line + 1, line + 2, line + 4, line + 5, line + 15].map(|line| (file!().to_owned(), line));
        assert_eq!(seen.places, HashSet::from(places));
    }
}

#[test]
fn task_hooks_are_told_the_names_of_tasks() {
    let mut builder = Builder::new_sharded();
    let (tell, told) = mpsc::channel();
    let told_too = tell.clone();
    let note = |meta: &TaskMeta<'_>| meta.name().map(str::to_owned);
    builder.worker_threads(1).on_task_spawn(move |meta| tell.send(("spawned", note(meta))).unwrap());
    builder.on_task_terminate(move |meta| told_too.send(("terminated", note(meta))).unwrap());
    let rt = builder.build_local(LocalOptions::default()).unwrap();
    let named = |name| task::Builder::new().name(name);
    rt.block_on(async {
        named("one").spawn(async {}).unwrap().await.unwrap();
        named("two").spawn_local(async {}).unwrap().await.unwrap();
        named("three").spawn_on(async {}, rt.handle()).unwrap().await.unwrap();
        task::Builder::new().spawn(async {}).unwrap().await.unwrap();
    });
    for name in [Some("one"), Some("two"), Some("three"), None] {
        let name = name.map(str::to_owned);
        assert_eq!(told.recv().unwrap(), ("spawned", name.clone()));
        assert_eq!(told.recv().unwrap(), ("terminated", name));
    }
    assert!(told.try_recv().is_err());
}

#[test]
fn task_hooks_see_tasks_that_stay() {
    let mut builder = Builder::new_sharded();
    let seen = hooked(builder.worker_threads(1));
    let rt = builder.build_local(LocalOptions::default()).unwrap();
    let line = Location::caller().line();
    let first = rt.spawn_local(async {});
    rt.block_on(async {
        first.await.unwrap();
        spawn_local(yield_now()).await.unwrap();
        corelane::shard::spawn_on(corelane::shard::id(), yield_now).await.unwrap();
    });
    let seen = seen.lock().unwrap();
    assert_eq!((seen.spawned.len(), seen.terminated.len()), (3, 3));
    let places = [line + 1, line + 4, line + 5].map(|line| (file!().to_owned(), line));
    assert_eq!(seen.places, HashSet::from(places));
}

/// A quantum of many thousand polls.
fn long_quantum() -> Config {
    let mut config = Config::default();
    config.scheduler.quantum_us = 100_000;
    config
}

#[test]
fn the_event_interval_bounds_how_long_events_wait() {
    for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
        builder.worker_threads(1).config(long_quantum()).enable_all().event_interval(7);
        let rt = builder.build().unwrap();
        let polls = rt.block_on(rt.spawn(async {
            let (here, mut there) = StdStream::pair().unwrap();
            here.set_nonblocking(true).unwrap();
            let mut here = UnixStream::from_std(here).unwrap();
            let read = Arc::new(AtomicBool::new(false));
            let task = corelane::spawn({
                let read = read.clone();
                async move {
                    here.read_u8().await.unwrap();
                    read.store(true, SeqCst);
                }
            });
            // It waits for the socket, which is then ready before the shard looks.
            yield_now().await;
            yield_now().await;
            there.write_all(&[1]).unwrap();
            let mut polls = 0;
            while !read.load(SeqCst) {
                yield_now().await;
                polls += 1;
            }
            task.await.unwrap();
            polls
        }));
        assert!(polls.unwrap() <= 9, "the interval, and once around");
    }
}

#[test]
fn the_global_queue_interval_bounds_how_long_a_spawn_from_outside_waits() {
    let mut builder = Builder::new_multi_thread();
    let rt = builder.worker_threads(1).global_queue_interval(1).build().unwrap();
    let (ask, asked) = mpsc::channel::<Arc<AtomicBool>>();
    let (answer, answered) = mpsc::channel();
    let busy = rt.spawn(async move {
        let mut most = 0;
        for _ in 0..100 {
            let ran = Arc::new(AtomicBool::new(false));
            ask.send(ran.clone()).unwrap();
            answered.recv().unwrap();
            let mut polls = 0;
            while !ran.load(SeqCst) {
                yield_now().await;
                polls += 1;
            }
            most = most.max(polls);
        }
        most
    });
    for ran in asked {
        rt.spawn(async move { ran.store(true, SeqCst) });
        answer.send(()).unwrap();
    }
    assert!(rt.block_on(busy).unwrap() <= 2);
}

#[test]
fn few_events_at_once_are_all_delivered() {
    const SOCKETS: usize = 8;
    let parks = Arc::new(AtomicUsize::new(0));
    let run = |limit: &dyn Fn(&mut Builder)| {
        let mut builder = Builder::new_current_thread();
        builder.enable_all();
        builder.on_thread_park({
            let parks = parks.clone();
            move || {
                parks.fetch_add(1, SeqCst);
            }
        });
        limit(&mut builder);
        builder.build().unwrap().block_on(async {
            let (mut theirs, mut tasks) = (Vec::new(), Vec::new());
            for _ in 0..SOCKETS {
                let (here, there) = StdStream::pair().unwrap();
                here.set_nonblocking(true).unwrap();
                let mut here = UnixStream::from_std(here).unwrap();
                tasks.push(corelane::spawn(async move { here.read_u8().await.unwrap() }));
                theirs.push(there);
            }
            yield_now().await;
            yield_now().await;
            theirs.iter_mut().for_each(|there| there.write_all(&[1]).unwrap());
            parks.store(0, SeqCst);
            for task in tasks {
                assert_eq!(task.await.unwrap(), 1);
            }
        });
        parks.load(SeqCst)
    };
    assert!(run(&|_| ()) < SOCKETS, "by default several at once");
    let one = run(&|builder| {
        builder.max_io_events_per_tick(1);
    });
    assert!(one >= SOCKETS, "one for each wait");
    run(&|builder| {
        builder.max_io_events_per_busy_tick(1).event_interval(1);
    });
}

#[test]
fn without_the_lifo_slot_the_woken_wait_their_turn() {
    let order = |disable: bool| {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1);
        if disable {
            builder.disable_lifo_slot();
        }
        let rt = builder.build().unwrap();
        rt.block_on(rt.spawn(async {
            let order = Arc::new(Mutex::new(Vec::new()));
            let waker: Arc<Mutex<Option<Waker>>> = Arc::default();
            let waits = corelane::spawn({
                let (order, waker) = (order.clone(), waker.clone());
                poll_fn(move |cx| match waker.lock().unwrap().replace(cx.waker().clone()) {
                    None => Poll::Pending,
                    Some(_) => {
                        order.lock().unwrap().push("woken");
                        Poll::Ready(())
                    }
                })
            });
            while waker.lock().unwrap().is_none() {
                yield_now().await;
            }
            let spawned = corelane::spawn({
                let order = order.clone();
                async move { order.lock().unwrap().push("spawned") }
            });
            let woken = waker.lock().unwrap().clone().unwrap();
            woken.wake();
            waits.await.unwrap();
            spawned.await.unwrap();

            order.lock().unwrap().clone()
        }))
        .unwrap()
    };
    assert_eq!(order(false), ["woken", "spawned"]);
    assert_eq!(order(true), ["spawned", "woken"]);
}

#[test]
fn a_seed_repeats_the_branches_that_select_takes() {
    async fn branches() -> Vec<u8> {
        let mut all = Vec::new();
        for _ in 0..50 {
            all.push(corelane::select! {
                n = async { 0 } => n,
                n = async { 1 } => n,
                n = async { 2 } => n,
            });
        }
        all
    }
    let run = |seed: &[u8]| {
        let mut builder = Builder::new_current_thread();
        let rt = builder.rng_seed(RngSeed::from_bytes(seed)).build().unwrap();
        (rt.block_on(branches()), rt.block_on(branches()))
    };
    assert_eq!(run(b"a seed"), run(b"a seed"));
    assert_ne!(run(b"a seed"), run(b"another"));
    assert_ne!(run(b"a seed").0, run(b"a seed").1);
}

#[test]
fn the_place_says_where_tasks_begin() {
    for (place, on_one) in [(Place::Local, true), (Place::Balanced, false)] {
        let mut config = Config::default();
        config.scheduler.place = place;
        let rt = Builder::new_sharded().worker_threads(2).config(config).build().unwrap();
        let begun = rt.handle().spawn_on(ShardId(0), || async {
            // All are alive at once, and this poll lets none of them run.
            let tasks: Vec<_> =
                (0..1_000).map(|_| corelane::spawn(async { runtime::worker_index() })).collect();
            let mut begun = HashSet::new();
            for task in tasks {
                begun.insert(task.await.unwrap());
            }
            begun
        });
        let begun = rt.block_on(begun).unwrap();
        assert!(begun.contains(&Some(0)));
        assert_eq!(begun.len() == 1, on_one, "{place:?}: {begun:?}");
    }
}

#[test]
fn a_local_runtime_need_not_wait_for_what_blocks() {
    let ends: [fn(LocalRuntime); 2] =
        [LocalRuntime::shutdown_background, |rt| rt.shutdown_timeout(Duration::from_millis(1))];
    for end in ends {
        let rt = LocalRuntime::new().unwrap();
        let (started, starts) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let (dropped, drops) = mpsc::channel();
        let guard = Guard(dropped);
        let job = rt.spawn_blocking(move || {
            started.send(()).unwrap();
            released.recv().unwrap();
            3
        });
        rt.spawn_local(async move {
            pending::<()>().await;
            drop(guard);
        });
        starts.recv().unwrap();
        end(rt);
        drops.try_recv().unwrap();
        assert!(!job.is_finished());
        release.send(()).unwrap();
        let current = Builder::new_current_thread().build().unwrap();
        assert_eq!(current.block_on(job).unwrap(), 3);
    }
}

#[test]
fn a_worker_knows_its_index() {
    let index = runtime::worker_index;
    assert_eq!(index(), None);
    let current = Builder::new_current_thread().build().unwrap();
    assert_eq!(current.block_on(async { index() }), Some(0));
    assert_eq!(current.handle().block_on(async { index() }), None);
    assert_eq!(LocalRuntime::new().unwrap().block_on(async { index() }), Some(0));
    let rt = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    assert_eq!(rt.block_on(async { index() }), None);
    assert_eq!(rt.block_on(rt.spawn_blocking(index)).unwrap(), None);
    let in_place = async move {
        let (send, receive) = mpsc::channel();
        corelane::spawn(async move { send.send(index()).unwrap() });
        (index(), block_in_place(|| receive.recv().unwrap()), index())
    };
    assert_eq!(rt.block_on(rt.spawn(in_place)).unwrap(), (Some(0), Some(0), Some(0)));
}

/// A set is a shard to the engine, and none of the runtime's.
#[test]
fn in_a_local_set_the_index_is_that_of_who_polls_it() {
    async fn index() -> Option<usize> {
        runtime::worker_index()
    }
    async fn in_a_set() -> [Option<usize>; 2] {
        let set = LocalSet::new();
        set.run_until(async { [index().await, spawn_local(index()).await.unwrap()] }).await
    }
    let rt = Builder::new_multi_thread().worker_threads(2).build().unwrap();
    assert_eq!(rt.block_on(in_a_set()), [None; 2]);
    let rt = Builder::new_sharded().worker_threads(2).build().unwrap();
    let there = rt.block_on(async { corelane::shard::spawn_on(ShardId(1), in_a_set).await });
    assert_eq!(there.unwrap(), [Some(1); 2]);
}

#[test]
fn an_io_error_of_a_runtime_that_has_ended_is_known_as_such() {
    let rt = |builder: &mut Builder| builder.enable_all().build().unwrap();
    let (ended, here) = (rt(&mut Builder::new_current_thread()), rt(&mut Builder::new_current_thread()));
    let listener = ended.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        // It waits once, and so is bound.
        poll_fn(|cx| {
            assert!(listener.poll_accept(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        listener
    });
    drop(ended);
    let error = here.block_on(listener.accept()).unwrap_err();
    assert!(runtime::is_rt_shutdown_err(&error), "{error}");
    let same_text = |text: &str| runtime::is_rt_shutdown_err(&std::io::Error::other(text));
    assert!(!same_text(&format!("{error} ")) && !same_text("other"));
}

#[test]
fn runtimes_have_ids() {
    let rts = builders().map(|mut builder| builder.build().unwrap());
    let ids: HashSet<_> = rts.iter().map(|rt| rt.handle().id()).collect();
    assert_eq!(ids.len(), rts.len());
    assert_eq!(rts[0].handle().id(), rts[0].handle().clone().id());
    assert!(ids.iter().all(|id| id.to_string().parse::<u64>().unwrap() > 0));
}

#[test]
fn the_metrics_tell_rest_from_work() {
    for mut builder in builders() {
        let rt: Runtime = builder.build().unwrap();
        let metrics = rt.metrics();
        rt.block_on(rt.spawn(async { corelane::time::sleep(Duration::from_millis(1)).await })).unwrap();
        let workers = metrics.num_workers();
        drop(rt);
        for worker in 0..workers {
            assert!(metrics.worker_total_busy_duration(worker) > Duration::ZERO);
            let both = metrics.worker_park_unpark_count(worker);
            assert_eq!(both, 2 * metrics.worker_park_count(worker), "who went came back");
        }
    }
}

/// What chooses between kinds of things of which there is one here enables what it is about.
#[test]
fn what_tokio_tries_out_is_accepted() {
    for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread(), Builder::new_sharded()] {
        builder.worker_threads(1).enable_alt_timer().enable_io_uring();
        let rt = builder.enable_eager_driver_handoff().enable_sharded_blocking_queue().build().unwrap();
        rt.block_on(async {
            corelane::time::sleep(Duration::from_millis(1)).await;
            let (mut one, other) = UnixStream::pair().unwrap();
            let reader = corelane::spawn(async move { one.read(&mut [0]).await });
            yield_now().await;
            drop(other);
            assert_eq!(reader.await.unwrap().unwrap(), 0);
        });
    }
}

#[test]
fn outside_of_a_runtime_the_error_shows_itself_as_in_tokio() {
    let error = Handle::try_current().unwrap_err();
    assert!(error.is_missing_context());
    assert_eq!(format!("{error:?}"), "TryCurrentError { kind: NoContext }");
    let text = "there is no reactor running, must be called from the context of a Tokio 1.x runtime";
    assert_eq!(error.to_string(), text);
}

#[test]
#[should_panic = "multi_thread is not supported for LocalRuntime"]
fn a_local_runtime_does_not_steal() {
    let _ = Builder::new_multi_thread().build_local(LocalOptions::default());
}

#[test]
fn zero_is_refused() {
    let refused = |text: &str, set: fn(&mut Builder)| {
        let panicked =
            catch_unwind(AssertUnwindSafe(|| set(&mut Builder::new_current_thread()))).unwrap_err();
        assert_eq!(panicked.downcast_ref(), Some(&text));
    };
    refused("event_interval must be greater than 0", |b| _ = b.event_interval(0));
    refused("global_queue_interval must be greater than 0", |b| _ = b.global_queue_interval(0));
    refused("max_io_events_per_tick must be non-zero", |b| _ = b.max_io_events_per_tick(0));
    refused("max_io_events_per_busy_tick must be non-zero", |b| _ = b.max_io_events_per_busy_tick(0));
}

/// How many polls were counted, and those of the last bucket.
fn polls(rt: Runtime) -> (u64, u64) {
    let metrics = rt.metrics();
    drop(rt);
    let last = metrics.poll_time_histogram_num_buckets() - 1;
    let count = |bucket| {
        (0..metrics.num_workers()).map(|n| metrics.poll_time_histogram_bucket_count(n, bucket)).sum::<u64>()
    };
    ((0..=last).map(count).sum(), count(last))
}

#[test]
fn polls_are_counted_by_how_long_they_took() {
    for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread(), Builder::new_sharded()] {
        let wide = HistogramConfiguration::linear(Duration::from_millis(1), 3);
        builder.worker_threads(2).enable_metrics_poll_time_histogram();
        let rt = builder.metrics_poll_time_histogram_configuration(wide).build().unwrap();
        assert!(rt.metrics().poll_time_histogram_enabled());
        rt.block_on(async {
            for _ in 0..5 {
                corelane::spawn(corelane::task::yield_now()).await.unwrap();
            }
            let long = corelane::spawn(async {
                // Not to wait: the time that it takes is what is measured.
                std::thread::sleep(Duration::from_millis(3));
                panic!("a poll that panics is counted too");
            });
            assert!(long.await.unwrap_err().is_panic());
        });
        let (all, long) = polls(rt);
        assert_eq!(all, 11);
        assert!(long >= 1, "the last bucket begins at 2 ms");
    }
}

#[test]
fn polls_are_not_counted_unless_asked_for() {
    let wide = HistogramConfiguration::linear(Duration::from_millis(1), 3);
    let mut builder = Builder::new_current_thread();
    let rt = builder.metrics_poll_time_histogram_configuration(wide).build().unwrap();
    rt.block_on(async { corelane::spawn(async {}).await.unwrap() });
    let metrics = rt.metrics();
    assert!(!metrics.poll_time_histogram_enabled());
    assert_eq!(metrics.poll_time_histogram_num_buckets(), 0);
    assert_eq!(metrics.poll_time_histogram_bucket_count(0, 0), 0);
    assert!(metrics.poll_time_histogram_bucket_range(0).is_empty());
}

#[test]
#[expect(deprecated, reason = "they are still there")]
fn the_older_methods_for_buckets_win() {
    let us = Duration::from_micros;
    let mut builder = Builder::new_current_thread();
    builder.enable_metrics_poll_time_histogram().metrics_poll_count_histogram_resolution(us(50));
    builder.metrics_poll_count_histogram_buckets(3);
    let metrics = builder.build().unwrap().metrics();
    assert_eq!(metrics.poll_time_histogram_bucket_range(1), us(50)..us(100));
    builder.metrics_poll_count_histogram_scale(HistogramScale::Log);
    let metrics = builder.build().unwrap().metrics();
    let ns = Duration::from_nanos;
    assert_eq!(metrics.poll_time_histogram_bucket_range(1), ns(1 << 16)..ns(1 << 17));
    assert_eq!(metrics.poll_time_histogram_bucket_range(2), ns(1 << 17)..ns(u64::MAX));
}

/// No thread is started for such a number, which is a slip of the pen, most likely in the environment.
#[test]
fn too_many_workers_are_an_error() {
    for mut builder in [Builder::new_multi_thread(), Builder::new_sharded()] {
        for workers in [8193, 1 << 32, usize::MAX] {
            let error = builder.worker_threads(workers).build().unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
            let expected = format!(
                "{workers} worker threads: expected at most 8192, from the builder or TOKIO_WORKER_THREADS"
            );
            assert_eq!(error.to_string(), expected);
        }
    }
}

#[test]
fn what_no_file_may_say_is_refused_from_a_program_too() {
    type Set = fn(&mut Config);
    let wrong: [(Set, &str); 4] = [
        (
            |c| c.timer.resolution_us = 0,
            "[timer] resolution_us = 0: expected a whole number of microseconds from 50 to 1000",
        ),
        (
            |c| c.scheduler.quantum_us = 9,
            "[scheduler] quantum_us = 9: expected a whole number of microseconds from 10 to 100000",
        ),
        (
            |c| c.blocking.max_threads = 0,
            "[blocking] max_threads = 0: expected a whole number of threads from 1 to 32767",
        ),
        (
            |c| c.placement.shards = AutoOr::Number(0),
            "[placement] shards = 0: expected \"auto\" or a whole number of shards from 1 to 8192",
        ),
    ];
    for (set, text) in wrong {
        for mut builder in builders() {
            let mut config = Config::default();
            set(&mut config);
            let error = builder.config(config).build().unwrap_err();
            assert_eq!(
                (error.kind(), error.to_string()),
                (std::io::ErrorKind::InvalidInput, text.to_owned())
            );
        }
    }
}

/// In a process of its own, for its environment.
#[test]
fn a_variable_that_was_refused_is_refused_again() {
    const VARIABLE: &str = "CORELANE_FLAVOR";
    if std::env::var(VARIABLE).is_ok_and(|flavor| flavor == "nonsense") {
        let mut builder = Builder::new_multi_thread();
        for _ in 0..2 {
            assert_eq!(builder.build().unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
        }
        return;
    }
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "a_variable_that_was_refused_is_refused_again"]).env(VARIABLE, "nonsense");
    let output = child.output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// What `corelane check` refuses, a program does not start with. A file for another flavor is no error: the constructor chose.
#[test]
fn a_current_thread_runtime_has_one_shard() {
    let config = |flavor| {
        let text = format!("[runtime]\nflavor = \"{flavor}\"\n[placement]\nshards = 2\npin = \"none\"\n");
        Config::parse("app.toml", &text).unwrap()
    };
    let error = Builder::from_config(config("current_thread")).build().unwrap_err().to_string();
    assert!(
        error.starts_with("app.toml:4:10: [placement] shards = 2: flavor = \"current_thread\" has one shard"),
        "{error}"
    );
    assert!(Builder::new_current_thread().config(config("sharded")).build().is_ok());
    // The other way round, too.
    let text = "[runtime]\nflavor = \"current_thread\"\n[placement]\nsmt = \"all\"\nquota = \"ignore\"\n";
    let alone = Config::parse("app.toml", text).unwrap();
    for mut builder in [Builder::new_sharded(), Builder::new_multi_thread()] {
        let runtime = builder.config(alone.clone()).build().unwrap();
        let plan = runtime.handle().plan();
        assert_eq!(plan.pin, Pin::Core, "{plan}");
        drop(runtime);
        let runtime = builder.worker_threads(2).build().unwrap();
        assert_eq!(runtime.metrics().num_workers(), 2);
    }
    // Nobody would take the signal, which then ends the program.
    let text = "[runtime]\nflavor = \"current_thread\"\n[placement]\nreload = \"sighup\"\n";
    let error =
        Builder::from_config(Config::parse("app.toml", text).unwrap()).build().unwrap_err().to_string();
    assert_eq!(
        error,
        "app.toml:4:10: [placement] reload = \"sighup\": flavor = \"current_thread\" places nothing anew; expected \"off\""
    );
}
