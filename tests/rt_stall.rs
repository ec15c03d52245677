//! A runtime that is asked to tells of polls that keep a shard, while they last.

use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use corelane::runtime::{Builder, Runtime, Stall, worker_index};
use corelane::task::{self, yield_now};

const LIMIT: Duration = Duration::from_millis(10);

/// What was told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Stall>>>);

impl Told {
    fn on(&self, builder: &mut Builder) -> Runtime {
        let told = self.clone();
        builder.on_stall(LIMIT, move |stall| told.0.lock().unwrap().push(stall.clone()));
        builder.enable_all().build().unwrap()
    }

    fn all(&self) -> Vec<Stall> {
        self.0.lock().unwrap().clone()
    }

    fn of(&self, id: task::Id) -> Vec<Stall> {
        self.all().into_iter().filter(|stall| stall.task_id() == id).collect()
    }

    /// Keeps this thread until so many stalls of that task were told.
    fn keep_until(&self, id: task::Id, count: usize) {
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
            let (id, mut workers) = (task::id(), Vec::new());
            // A poll each.
            for count in 1..=3 {
                workers.push(worker_index().unwrap());
                keeps.keep_until(id, count);
                yield_now().await;
            }
            (id, workers)
        });
        let (id, workers) = rt.block_on(task).unwrap();
        drop(rt);
        let all = told.of(id);
        assert_eq!(all.iter().map(Stall::worker).collect::<Vec<_>>(), workers);
        for stall in &all {
            assert!(stall.lasted() >= LIMIT);
            let at = stall.spawned_at();
            assert_eq!((at.file(), at.line()), (file!(), before + 1));
            let (worker, ms) = (stall.worker(), stall.lasted().as_millis());
            let text = format!("task {id}, spawned at {at}, has kept worker {worker} for {ms} ms");
            assert_eq!(stall.to_string(), text);
        }
    }
}

/// Runs a task that keeps its thread, and another one with two polls that are told meanwhile: the thread that watches has looked at the
/// first one again in between. Gives what was told of the first.
fn told_of(keeps: impl FnOnce(&AtomicBool) + Send + 'static) -> usize {
    let told = Told::default();
    let rt = told.on(Builder::new_multi_thread().worker_threads(2));
    let (begins, has_begun) = mpsc::channel();
    let goes_on = Arc::new(AtomicBool::new(false));
    let may_end = goes_on.clone();
    let first = rt.spawn(async move {
        begins.send(()).unwrap();
        keeps(&may_end);
        task::id()
    });
    has_begun.recv().unwrap();
    let all = told.clone();
    let second = rt.spawn(async move {
        for count in 1..=2 {
            all.keep_until(task::id(), count);
            yield_now().await;
        }
    });
    rt.block_on(second).unwrap();
    goes_on.store(true, SeqCst);
    told.of(rt.block_on(first).unwrap()).len()
}

fn spin_until(flag: &AtomicBool) {
    while !flag.load(SeqCst) {
        thread::yield_now();
    }
}

#[test]
fn a_poll_is_told_once() {
    assert_eq!(told_of(spin_until), 1);
}

/// It keeps no shard.
#[test]
fn what_blocks_in_place_is_not_told() {
    assert_eq!(told_of(|flag| task::block_in_place(|| spin_until(flag))), 0);
}

/// One that has blocked in place may keep its shard afterwards.
#[test]
fn after_blocking_in_place_it_counts_anew() {
    let told = Told::default();
    let rt = told.on(Builder::new_multi_thread().worker_threads(1));
    let keeps = told.clone();
    let task = rt.spawn(async move {
        task::block_in_place(|| ());
        keeps.keep_until(task::id(), 1);
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
    let seen = calls.clone();
    let task = rt.spawn(async move {
        for target in 1..=2 {
            while seen.load(SeqCst) < target {
                thread::yield_now();
            }
            yield_now().await;
        }
    });
    rt.block_on(task).unwrap();
    drop(rt);
    assert_eq!(calls.load(SeqCst), 2);
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
