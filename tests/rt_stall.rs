//! A runtime that is asked to tells of polls that keep a shard, while they last.

use std::future::poll_fn;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use corelane::runtime::{Builder, LocalOptions, LocalRuntime, Runtime, Stall, worker_index};
use corelane::shard::ShardId;
use corelane::task::{self, LocalSet, spawn_local, yield_now};

const LIMIT: Duration = Duration::from_millis(10);

/// What was told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Stall>>>);

impl Told {
    fn on(&self, builder: &mut Builder) -> Runtime {
        self.ask(builder).build().unwrap()
    }

    fn on_local(&self, builder: &mut Builder) -> LocalRuntime {
        self.ask(builder).build_local(LocalOptions::default()).unwrap()
    }

    fn ask<'a>(&self, builder: &'a mut Builder) -> &'a mut Builder {
        let told = self.clone();
        builder.on_stall(LIMIT, move |stall| told.0.lock().unwrap().push(stall.clone())).enable_all()
    }

    fn all(&self) -> Vec<Stall> {
        self.0.lock().unwrap().clone()
    }

    fn of(&self, id: Option<task::Id>) -> Vec<Stall> {
        self.all().into_iter().filter(|stall| stall.task_id() == id).collect()
    }

    /// Keeps this thread in so many polls, each until it was told. There are no others, which might take long, too.
    async fn keep_in(&self, polls: usize) {
        for count in 1..=polls {
            if count > 1 {
                yield_now().await;
            }
            self.keep_until(task::try_id(), count);
        }
    }

    /// Keeps this thread until so many stalls of that task were told, or of the future of `block_on`.
    fn keep_until(&self, id: Option<task::Id>, count: usize) {
        while self.of(id).len() < count {
            thread::yield_now();
        }
    }
}

fn flavors() -> [Builder; 3] {
    let mut all = [Builder::new_current_thread(), Builder::new_multi_thread(), Builder::new_sharded()];
    all.iter_mut().for_each(|builder| _ = builder.worker_threads(2));
    all
}

#[test]
fn a_poll_that_lasts_is_told_while_it_lasts() {
    for mut builder in flavors() {
        let told = Told::default();
        let rt = told.on(&mut builder);
        let keeps = told.clone();
        let before = Location::caller().line();
        let task = rt.spawn(async move {
            let (id, mut workers) = (task::try_id(), Vec::new());
            for count in 1..=3 {
                if count > 1 {
                    yield_now().await;
                }
                workers.push(worker_index().unwrap());
                keeps.keep_until(id, count);
            }
            (id, workers)
        });
        let (id, workers) = rt.block_on(task).unwrap();
        drop(rt);
        let all = told.of(id);
        assert_eq!(all.iter().map(Stall::worker).collect::<Vec<_>>(), workers);
        for stall in &all {
            assert!(stall.lasted() >= LIMIT);
            let (id, at) = (id.unwrap(), stall.location());
            assert_eq!((at.file(), at.line()), (file!(), before + 1));
            let (worker, ms) = (stall.worker(), stall.lasted().as_millis());
            let text = format!("task {id}, spawned at {at}, has kept worker {worker} for {ms} ms");
            assert_eq!(stall.to_string(), text);
        }
    }
}

/// Where the thread that calls it drives a shard.
#[test]
fn the_future_of_block_on_is_told() {
    let all = [Told::default(), Told::default(), Told::default()];
    let current = all[0].on(&mut Builder::new_current_thread());
    let local = all[1].on_local(&mut Builder::new_current_thread());
    let sharded = all[2].on_local(Builder::new_sharded().worker_threads(2));
    let before = Location::caller().line();
    current.block_on(all[0].keep_in(3));
    local.block_on(all[1].keep_in(3));
    sharded.block_on(all[2].keep_in(3));
    drop((current, local, sharded));
    for (told, line) in all.iter().zip(before + 1..) {
        let stalls = told.all();
        assert_eq!(stalls.len(), 3);
        for stall in stalls {
            assert!(stall.lasted() >= LIMIT);
            let at = stall.location();
            assert_eq!((stall.task_id(), stall.worker()), (None, 0));
            assert_eq!((at.file(), at.line()), (file!(), line));
            let text =
                format!("block_on, called at {at}, has kept worker 0 for {} ms", stall.lasted().as_millis());
            assert_eq!(stall.to_string(), text);
        }
    }
}

/// One that waits for the seat keeps no shard, and is told once it has it.
#[test]
fn a_block_on_that_waits_for_its_turn_is_told_when_it_has_it() {
    let told = Told::default();
    let rt = told.on(&mut Builder::new_current_thread());
    let (begins, has_begun) = mpsc::channel();
    let (leave, may_leave) = corelane::sync::oneshot::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(|| {
            rt.block_on(async {
                begins.send(()).unwrap();
                may_leave.await.unwrap();
            });
        });
        has_begun.recv().unwrap();
        let mut leave = Some(leave);
        rt.block_on(poll_fn(|cx| match worker_index() {
            None => {
                if let Some(leave) = leave.take() {
                    leave.send(()).unwrap();
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(_) => {
                told.keep_until(None, 1);
                Poll::Ready(())
            }
        }));
    });
}

/// It keeps no shard, and neither does what it polls.
#[test]
fn a_block_on_beside_the_shards_is_not_told() {
    for mut builder in [Builder::new_multi_thread(), Builder::new_sharded()] {
        let told = Told::default();
        let rt = told.on(builder.worker_threads(1));
        let keeps = told.clone();
        let (kept, has_kept) = mpsc::channel();
        let task = rt.spawn(async move {
            keeps.keep_in(2).await;
            kept.send(()).unwrap();
            task::try_id()
        });
        let wait = async move {
            spawn_local(async move { has_kept.recv().unwrap() }).await.unwrap();
        };
        rt.block_on(LocalSet::new().run_until(wait));
        let id = rt.block_on(task).unwrap();
        drop(rt);
        assert!(told.all().iter().all(|stall| stall.task_id() == id));
    }
}

#[test]
fn a_task_of_a_local_set_is_told() {
    let told = Told::default();
    // Spawns one into the set that is polled, and gives where.
    let spawn = |told: Told| {
        let line = Location::caller().line() + 1;
        let task = spawn_local(async move {
            told.keep_in(3).await;
            (task::try_id(), worker_index().unwrap())
        });
        async move { (task.await.unwrap(), line) }
    };
    let check = |((id, worker), line)| {
        let stalls = told.of(id);
        assert_eq!(stalls.len(), 3);
        for stall in stalls {
            assert_eq!((stall.worker(), stall.location().line()), (worker, line));
        }
    };
    let here = told.clone();
    // Made outside of the runtime, and run by `block_on`.
    let rt = told.on(&mut Builder::new_current_thread());
    check(LocalSet::new().block_on(&rt, async { spawn(here.clone()).await }));
    // Made inside, and polled as a future.
    let keeps = here.clone();
    check(rt.block_on(async {
        let set = LocalSet::new();
        let task = set.spawn_local(async move { spawn(keeps).await });
        set.await;
        task.await.unwrap()
    }));
    // Run by a task of a shard.
    let rt = told.on(Builder::new_sharded().worker_threads(2));
    let run = move || async move { LocalSet::new().run_until(async { spawn(here).await }).await };
    let task = rt.handle().spawn_on(ShardId(1), run);
    let ((id, worker), line) = rt.block_on(task).unwrap();
    assert_eq!(worker, 1);
    check(((id, worker), line));
}

/// What polls it is.
#[test]
fn a_task_that_a_local_set_got_outside_is_told_as_who_polls_it() {
    let told = Told::default();
    let rt = told.on(&mut Builder::new_current_thread());
    let set = LocalSet::new();
    let keeps = told.clone();
    set.spawn_local(async move { keeps.keep_until(None, 1) });
    rt.block_on(set);
}

/// Runs a task that keeps its thread, and another one with two polls that are told meanwhile: the thread that watches has looked at the
/// first one again in between. Gives how often it was told of the first before that one called its first argument, and in all.
fn told_of(keeps: impl FnOnce(&dyn Fn(), &AtomicBool) + Send + 'static) -> (usize, usize) {
    let told = Told::default();
    let rt = told.on(Builder::new_multi_thread().worker_threads(2));
    let (begins, has_begun) = mpsc::channel();
    let goes_on = Arc::new(AtomicBool::new(false));
    let may_end = goes_on.clone();
    let first = rt.spawn(async move {
        keeps(&|| begins.send(()).unwrap(), &may_end);
        task::try_id()
    });
    has_begun.recv().unwrap();
    let before = told.all().len();
    let all = told.clone();
    let second = rt.spawn(async move {
        for count in 1..=2 {
            all.keep_until(task::try_id(), count);
            yield_now().await;
        }
    });
    rt.block_on(second).unwrap();
    goes_on.store(true, SeqCst);
    (before, told.of(rt.block_on(first).unwrap()).len())
}

fn spin_until(flag: &AtomicBool) {
    while !flag.load(SeqCst) {
        thread::yield_now();
    }
}

#[test]
fn a_poll_is_told_once() {
    let (_, all) = told_of(|begin, flag| {
        begin();
        spin_until(flag);
    });
    assert_eq!(all, 1);
}

/// It keeps no shard.
#[test]
fn what_blocks_in_place_is_not_told() {
    // Where it waits for a CPU before it blocks, that may be told.
    let (before, all) = told_of(|begin, flag| {
        task::block_in_place(|| {
            begin();
            spin_until(flag);
        })
    });
    assert_eq!(all, before);
}

/// One that has blocked in place may keep its shard afterwards.
#[test]
fn after_blocking_in_place_it_counts_anew() {
    let told = Told::default();
    let rt = told.on(Builder::new_multi_thread().worker_threads(1));
    let keeps = told.clone();
    let task = rt.spawn(async move {
        task::block_in_place(|| ());
        keeps.keep_until(task::try_id(), 1);
    });
    rt.block_on(task).unwrap();
}

/// What its panic brings along panics when it is dropped.
#[test]
fn a_callback_that_panics_is_called_again() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new("a payload"));
        }
    }
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    let mut builder = Builder::new_current_thread();
    builder.on_stall(LIMIT, move |_| {
        count.fetch_add(1, SeqCst);
        std::panic::resume_unwind(Box::new(Panics));
    });
    let rt = builder.build().unwrap();
    let task = rt.spawn(async move {
        for target in 1..=2 {
            while calls.load(SeqCst) < target {
                thread::yield_now();
            }
            yield_now().await;
        }
    });
    rt.block_on(task).unwrap();
}

/// The end waits for the thread that watches, which has the callback.
#[test]
fn nothing_is_left_of_it() {
    for mut builder in flavors() {
        let told = Told::default();
        let rt = told.on(&mut builder);
        drop(builder);
        rt.block_on(async { corelane::spawn(async {}).await.unwrap() });
        assert!(Arc::strong_count(&told.0) > 1);
        drop(rt);
        assert_eq!(Arc::strong_count(&told.0), 1);
    }
}

/// Who says how long to wait waits no longer, whatever the callback does.
#[test]
fn a_callback_that_blocks_keeps_no_end_that_is_bounded() {
    let ends: [fn(Runtime); 2] =
        [Runtime::shutdown_background, |rt| rt.shutdown_timeout(Duration::from_secs(3600))];
    for (end, mut builder) in ends.into_iter().flat_map(|end| flavors().map(|builder| (end, builder))) {
        let (called, is_called) = mpsc::channel();
        let (goes_on, may_go_on) = mpsc::channel::<()>();
        let blocks = Mutex::new((called, may_go_on));
        builder.on_stall(LIMIT, move |_| {
            let (called, may_go_on) = &*blocks.lock().unwrap();
            called.send(()).unwrap();
            let _ = may_go_on.recv();
        });
        let rt = builder.build().unwrap();
        rt.block_on(rt.spawn(async move { is_called.recv().unwrap() })).unwrap();
        end(rt);
        drop(goes_on);
    }
}

#[test]
#[should_panic = "a stall lasts a millisecond at least"]
fn a_limit_of_nothing_is_refused() {
    Builder::new_sharded().on_stall(Duration::ZERO, |_| ());
}
