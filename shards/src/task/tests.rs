//! Tasks on one shard, driven by hand.

#![expect(unsafe_code, reason = "maps memory")]

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::{JoinHandle, arena, header::Header};
use crate::config::{Config, Reach};
use crate::mesh::{Mesh, ShardId};
use crate::park::Unpark;
use crate::shard::{self, Driver, Shard, Turn};
use crate::timer::{Clock, Entry, Status};

/// Waits for nothing.
pub(crate) struct NoEvents;

impl Unpark for NoEvents {
    fn unpark(&self) {}
}

impl Driver for NoEvents {
    fn wait(&mut self, _: Option<Duration>) -> usize {
        0
    }

    fn unparker(&self) -> Arc<dyn Unpark> {
        Arc::new(NoEvents)
    }
}

fn shard() -> Shard {
    Shard::new(Mesh::new(Config::new(1), Clock::new()), ShardId(0), Box::new(NoEvents))
}

fn spawn<F: Future<Output: 'static> + 'static>(shard: &Shard, future: F) -> JoinHandle<F::Output> {
    shard.enter(|local| shard::spawn_local(local, future))
}

fn run(shard: &mut Shard) {
    while shard.turn() == Turn::Again {}
}

fn poll<T>(handle: &mut JoinHandle<T>) -> Poll<Result<T, super::JoinError>> {
    pin!(handle).poll(&mut Context::from_waker(Waker::noop()))
}

fn output<T>(handle: &mut JoinHandle<T>) -> T {
    match poll(handle) {
        Poll::Ready(result) => result.expect("completed"),
        Poll::Pending => panic!("not finished"),
    }
}

/// Counts its drops, and says whether the thread was inside a shard.
struct Guard(Rc<Cell<(usize, bool)>>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.set((self.0.get().0 + 1, shard::current(|local| local.is_some())));
    }
}

async fn yield_once() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

#[test]
fn a_task_costs_its_header_and_a_handle_two_words() {
    assert_eq!(size_of::<Header>(), 48);
    assert_eq!(size_of::<Option<JoinHandle<u8>>>(), 16);
}

/// What keeps a joiner's waker tells from one word which kind it is; and a waker finds its shard where the task's memory is.
#[test]
fn tasks_of_the_arena_and_of_the_heap_wait_for_each_other() {
    async fn twice(large: impl Sized) {
        yield_once().await;
        yield_once().await;
        std::hint::black_box(&large);
    }
    let mut shard = shard();
    let drops = Rc::new(Cell::new((0, false)));
    let spawn_of_size = |large: bool, future: std::pin::Pin<Box<dyn Future<Output = ()>>>| {
        let big = [0_u8; 2 * arena::MAX_SIZE];
        if large {
            spawn(&shard, async move {
                future.await;
                std::hint::black_box(&big);
            })
        } else {
            spawn(&shard, future)
        }
    };
    let mut ends = Vec::new();
    for (joiner, joined) in [(false, false), (false, true), (true, false), (true, true)] {
        let first = spawn_of_size(joined, Box::pin(twice(Guard(drops.clone()))));
        let second = spawn_of_size(joiner, Box::pin(async { first.await.unwrap() }));
        let id = second.id();
        ends.push((second, id));
    }
    run(&mut shard);
    for (handle, id) in &mut ends {
        output(handle);
        assert_eq!(handle.id(), *id, "a handle that has given its output away");
    }
    assert_eq!(drops.get().0, 4);
    // What was joined outside of the shard goes home by mail.
    run(&mut shard);
    assert_eq!(shard.local().arena(|arena| arena.live()), 0, "a reference is left");
}

#[test]
fn spawn_does_not_poll() {
    let mut shard = shard();
    let polled = Rc::new(Cell::new(false));
    let mut handle = spawn(&shard, {
        let polled = polled.clone();
        async move { polled.set(true) }
    });
    assert!(!polled.get());
    run(&mut shard);
    assert!(polled.get());
    output(&mut handle);
    drop(shard);
}

#[test]
fn tasks_run_in_the_order_they_were_woken() {
    let mut shard = shard();
    let order = Rc::new(RefCell::new(Vec::new()));
    let handles: Vec<_> = (0..5)
        .map(|n| {
            let order = order.clone();
            spawn(&shard, async move {
                for round in 0..3 {
                    order.borrow_mut().push((round, n));
                    yield_once().await;
                }
            })
        })
        .collect();
    run(&mut shard);
    let expected: Vec<_> = (0..3).flat_map(|round| (0..5).map(move |n| (round, n))).collect();
    assert_eq!(*order.borrow(), expected);
    assert!(handles.iter().all(JoinHandle::is_finished));
    drop(handles);
    drop(shard);
}

#[test]
fn join_inside_the_shard() {
    let mut shard = shard();
    let child = spawn(&shard, async {
        yield_once().await;
        7
    });
    let mut parent = spawn(&shard, async move { child.await.expect("no panic") + 1 });
    run(&mut shard);
    assert_eq!(output(&mut parent), 8);
    drop(shard);
}

#[test]
#[should_panic(expected = "JoinHandle polled after completion")]
fn a_handle_gives_its_output_once() {
    let mut shard = shard();
    let mut handle = spawn(&shard, async {});
    run(&mut shard);
    output(&mut handle);
    let _ = poll(&mut handle);
}

#[test]
fn panics_stay_in_their_task() {
    let mut shard = shard();
    let mut bad = spawn(&shard, async { panic!("oops {}", std::hint::black_box(1)) });
    let mut good = spawn(&shard, async { 1 });
    run(&mut shard);
    assert_eq!(output(&mut good), 1);
    let Poll::Ready(Err(error)) = poll(&mut bad) else { panic!("finished") };
    assert!(error.is_panic());
    assert_eq!(error.to_string(), format!("task {} panicked with message \"oops 1\"", bad.id()));
    assert_eq!(*error.into_panic().downcast::<String>().unwrap(), "oops 1");
    drop(shard);
}

#[test]
fn a_panic_in_the_drop_of_a_cancelled_future_is_reported() {
    struct Bad;
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("in drop");
        }
    }
    let mut shard = shard();
    let bad = Bad;
    let mut handle = spawn(&shard, async move {
        std::future::pending::<()>().await;
        drop(bad);
    });
    run(&mut shard);
    handle.abort();
    run(&mut shard);
    let Poll::Ready(Err(error)) = poll(&mut handle) else { panic!("finished") };
    assert!(error.is_panic());
    drop(shard);
}

#[test]
fn abort_is_asynchronous_and_drops_the_future_first() {
    let mut shard = shard();
    let drops = Rc::new(Cell::new((0, false)));
    let guard = Guard(drops.clone());
    let mut handle = spawn(&shard, async move {
        std::future::pending::<()>().await;
        drop(guard);
    });
    run(&mut shard);
    handle.abort();
    handle.abort();
    assert!(!handle.is_finished());
    assert_eq!(drops.get().0, 0);
    run(&mut shard);
    assert!(handle.is_finished());
    assert_eq!(drops.get(), (1, true));
    let Poll::Ready(Err(error)) = poll(&mut handle) else { panic!("finished") };
    assert!(error.is_cancelled());
    assert_eq!(error.to_string(), format!("task {} was cancelled", handle.id()));
    drop(shard);
}

#[test]
fn abort_after_completion_keeps_the_output() {
    let mut shard = shard();
    let mut handle = spawn(&shard, async { 5 });
    run(&mut shard);
    handle.abort();
    run(&mut shard);
    assert_eq!(output(&mut handle), 5);
    drop(shard);
}

#[test]
fn a_task_may_abort_itself() {
    let mut shard = shard();
    let slot: Rc<RefCell<Option<super::AbortHandle>>> = Rc::default();
    let mut handle = spawn(&shard, {
        let slot = slot.clone();
        async move {
            slot.borrow().as_ref().unwrap().abort();
            std::future::pending::<()>().await;
        }
    });
    *slot.borrow_mut() = Some(handle.abort_handle());
    run(&mut shard);
    let Poll::Ready(Err(error)) = poll(&mut handle) else { panic!("finished") };
    assert!(error.is_cancelled());
    drop(shard);
}

#[test]
fn a_waker_that_a_handle_left_behind_may_panic_as_it_drops() {
    struct Bad;
    impl std::task::Wake for Bad {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Bad {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new("a bad drop"));
        }
    }
    let mesh = Mesh::new(Config { steal: Reach::All, ..Config::new(1) }, Clock::new());
    let mut shard = Shard::new(Arc::clone(&mesh), ShardId(0), Box::new(NoEvents));
    let mut handle = shard.enter(|_| {
        shard::spawn(&mesh, async {
            // Too large for the arena.
            let large = [0_u8; 2 * arena::MAX_SIZE];
            yield_once().await;
            std::hint::black_box(&large);
        })
    });
    let mut poll = || {
        let waker = Waker::from(Arc::new(Bad));
        let polled = pin!(&mut handle).poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
    };
    poll();
    // The second takes the place of the first, whose drop ends this before the task is told of it.
    assert!(catch_unwind(AssertUnwindSafe(poll)).is_err());
    drop(handle);
    run(&mut shard);
    assert_eq!(mesh.alive_tasks(), 0);
}

#[test]
fn a_dropped_handle_detaches_and_the_output_is_dropped() {
    let mut shard = shard();
    let drops = Rc::new(Cell::new((0, false)));
    for abort in [false, true] {
        let guard = Guard(drops.clone());
        let handle = spawn(&shard, async move {
            yield_once().await;
            guard
        });
        if abort {
            handle.abort();
        }
        drop(handle);
    }
    run(&mut shard);
    assert_eq!(drops.get().0, 2);
    drop(shard);
}

#[test]
fn close_drops_every_future_on_the_shard() {
    let mut shard = shard();
    let drops = Rc::new(Cell::new((0, false)));
    let wakers = Rc::new(RefCell::new(Vec::<Waker>::new()));
    let mut handles = Vec::new();
    for n in 0..1000 {
        let guard = Guard(drops.clone());
        let wakers = wakers.clone();
        // Small ones from the arena, large ones from the heap.
        let large = [0u8; 5000];
        let body = async move {
            poll_fn(|cx| {
                wakers.borrow_mut().push(cx.waker().clone());
                Poll::<()>::Pending
            })
            .await;
            drop(guard);
        };
        handles.push(if n % 10 == 0 {
            spawn(&shard, async move {
                body.await;
                std::hint::black_box(large);
            })
        } else {
            spawn(&shard, body)
        });
    }
    run(&mut shard);
    drop(shard);
    assert_eq!(drops.get(), (1000, true));
    // Handles and wakers outlive the shard.
    let wakers = std::mem::take(&mut *wakers.borrow_mut());
    assert_eq!(wakers.len(), 1000);
    for waker in wakers {
        let other = waker.clone();
        other.wake();
        waker.wake();
    }
    for mut handle in handles {
        let Poll::Ready(Err(error)) = poll(&mut handle) else { panic!("cancelled") };
        assert!(error.is_cancelled());
    }
}

#[test]
fn a_drop_during_close_may_wake_and_spawn() {
    struct Spawns(Option<Waker>);
    impl Drop for Spawns {
        fn drop(&mut self) {
            self.0.take().unwrap().wake();
            let handle = shard::current(|local| shard::spawn_local(local.unwrap(), async {}));
            assert!(handle.is_finished());
        }
    }
    let mut shard = shard();
    let waker = Rc::new(RefCell::new(None));
    let first = spawn(&shard, {
        let waker = waker.clone();
        poll_fn(move |cx| {
            *waker.borrow_mut() = Some(cx.waker().clone());
            Poll::<()>::Pending
        })
    });
    run(&mut shard);
    let guard = Spawns(waker.borrow_mut().take());
    let second = spawn(&shard, async move {
        std::future::pending::<()>().await;
        drop(guard);
    });
    run(&mut shard);
    drop(shard);
    assert!(first.is_finished() && second.is_finished());
}

#[test]
fn wakes_handles_and_aborts_from_other_threads() {
    let mut shard = shard();
    let wakers = Arc::new(std::sync::Mutex::new(Vec::<Waker>::new()));
    let polls = Arc::new(AtomicUsize::new(0));
    let mut handle = spawn(&shard, {
        let (wakers, polls) = (wakers.clone(), polls.clone());
        poll_fn(move |cx| {
            wakers.lock().unwrap().push(cx.waker().clone());
            if polls.fetch_add(1, Ordering::Relaxed) == 1 { Poll::Ready(3) } else { Poll::Pending }
        })
    });
    let stuck = spawn(&shard, std::future::pending::<()>());
    run(&mut shard);
    let mine = std::mem::take(&mut *wakers.lock().unwrap());
    std::thread::scope(|scope| {
        for waker in mine {
            scope.spawn(move || {
                let other = waker.clone();
                drop(waker);
                other.wake();
            });
        }
        scope.spawn(move || stuck.abort());
    });
    run(&mut shard);
    assert_eq!(polls.load(Ordering::Relaxed), 2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            assert_eq!(output(&mut handle), 3);
            drop(handle);
            wakers.lock().unwrap().clear();
        });
    });
    assert_eq!(shard.local().live(), 0);
    run(&mut shard);
    assert_eq!(
        shard.enter(|local| local.arena(|arena| arena.live())),
        0,
        "all memory came back to the owner"
    );
    drop(shard);
}

#[test]
fn spawn_at_runs_the_closure_on_the_shard() {
    let mut shard = shard();
    let mesh = shard.local().mesh().clone();
    let mut handle = std::thread::spawn(move || {
        shard::spawn_at(&mesh.remotes()[0], || {
            let local = Rc::new(4);
            async move {
                yield_once().await;
                *local + usize::from(shard::current(|local| local.is_some()))
            }
        })
    })
    .join()
    .unwrap();
    assert!(!handle.is_finished());
    run(&mut shard);
    assert_eq!(output(&mut handle), 5);
    drop(handle);
    run(&mut shard);
    drop(shard);
}

#[test]
fn spawn_on_a_closed_shard_gives_a_cancelled_handle() {
    let shard = shard();
    let mesh = shard.local().mesh().clone();
    let drops = Rc::new(Cell::new((0, false)));
    drop(shard);
    let mut handle = shard::spawn_at(&mesh.remotes()[0], || async { 1 });
    let Poll::Ready(Err(error)) = poll(&mut handle) else { panic!("cancelled") };
    assert!(error.is_cancelled());
    drop(handle);
    assert_eq!(Arc::strong_count(&mesh), 1);
    drop(drops);
}

#[test]
fn blocking_tasks_run_or_report_cancellation() {
    let (task, mut handle) = super::blocking(super::next_id(), || 9);
    assert!(poll(&mut handle).is_pending());
    std::thread::spawn(|| task.run()).join().unwrap();
    assert_eq!(output(&mut handle), 9);
    let (task, mut handle) = super::blocking(super::next_id(), || 9);
    handle.abort();
    assert!(!handle.is_finished());
    task.run();
    assert!(matches!(poll(&mut handle), Poll::Ready(Err(error)) if error.is_cancelled()));
    let (task, handle) = super::blocking(super::next_id(), || 9);
    task.cancel();
    assert!(handle.is_finished());
    let (task, mut handle) = super::blocking(super::next_id(), || panic!("blocked"));
    task.run();
    assert!(matches!(poll(&mut handle), Poll::Ready(Err(error)) if error.is_panic()));
}

/// Counts how often it is told to end a wait.
struct CountsWakes(Arc<AtomicUsize>);

impl Unpark for CountsWakes {
    fn unpark(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Driver for CountsWakes {
    fn wait(&mut self, _: Option<Duration>) -> usize {
        0
    }

    fn unparker(&self) -> Arc<dyn Unpark> {
        Arc::new(CountsWakes(self.0.clone()))
    }
}

#[test]
fn a_waker_dropped_elsewhere_does_not_swallow_the_next_wake() {
    let wakes = Arc::new(AtomicUsize::new(0));
    let mesh = Mesh::new(Config::new(1), Clock::new());
    let mut shard = Shard::new(mesh, ShardId(0), Box::new(CountsWakes(wakes.clone())));
    let wakers = Arc::new(std::sync::Mutex::new(Vec::<Waker>::new()));
    let handle = spawn(&shard, {
        let wakers = wakers.clone();
        poll_fn(move |cx| {
            wakers.lock().unwrap().extend([cx.waker().clone(), cx.waker().clone()]);
            Poll::<()>::Pending
        })
    });
    run(&mut shard);
    assert!(shard.lie_down(|| false).is_some(), "nothing to do");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut wakers = wakers.lock().unwrap();
            drop(wakers.pop());
            wakers.pop().unwrap().wake();
        });
    });
    assert_eq!(wakes.load(Ordering::Relaxed), 1, "the wake must reach the sleeping shard, once");
    shard.get_up();
    run(&mut shard);
    assert_eq!(wakers.lock().unwrap().len(), 2, "polled again");
    wakers.lock().unwrap().clear();
    drop((handle, shard));
}

#[test]
fn an_output_dropped_by_mail_may_hold_the_last_reference() {
    struct SendGuard(Arc<AtomicUsize>);
    impl Drop for SendGuard {
        fn drop(&mut self) {
            let live = shard::current(|local| local.unwrap().arena(|arena| arena.live()));
            self.0.fetch_add(live, Ordering::Relaxed);
        }
    }
    type Output = (Option<super::AbortHandle>, SendGuard);
    let mut shard = shard();
    let dropped = Arc::new(AtomicUsize::new(0));
    let slot = Arc::new(std::sync::Mutex::new(None::<JoinHandle<Output>>));
    let handle = spawn(&shard, {
        let (slot, guard) = (slot.clone(), SendGuard(dropped.clone()));
        async move {
            let handle = slot.lock().unwrap().take().unwrap();
            let output = (Some(handle.abort_handle()), guard);
            // Dropped elsewhere during the poll: the owner learns of it after the completion.
            std::thread::spawn(move || drop(handle)).join().unwrap();
            output
        }
    });
    *slot.lock().unwrap() = Some(handle);
    run(&mut shard);
    assert_eq!(dropped.load(Ordering::Relaxed), 1, "dropped once, before its memory is freed");
    assert_eq!(shard.enter(|local| local.arena(|arena| arena.live())), 0);
    drop(shard);
}

#[test]
fn a_movable_task_queued_after_the_end_is_cancelled() {
    let mut config = Config::new(1);
    config.steal = crate::config::Reach::All;
    let mesh = Mesh::new(config, Clock::new());
    let shard = Shard::new(mesh.clone(), ShardId(0), Box::new(NoEvents));
    // What `spawn` does on another thread, held up between its two steps.
    let (task, handle) = super::movable_on_heap(&mesh.remotes()[0], super::next_id(), async {});
    assert!(mesh.remotes()[0].list(task));
    drop(shard);
    mesh.finish();
    shard::schedule::submit(task, shard::schedule::Why::Spawned);
    assert!(handle.is_finished());
    drop(handle);
    assert_eq!(Arc::strong_count(&mesh), 1, "the task is gone");
}

/// The kernel has a limit for them, 65,530 as a rule, which must not be one for tasks.
#[test]
#[cfg_attr(miri, ignore = "Miri has its chunks from the allocator")]
fn many_tasks_are_few_mappings() {
    // A hole that a chunk fits in, and not at its alignment: where the kernel puts a mapping of that size first.
    const CHUNK: usize = 64 * 1024;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: an anonymous mapping at an address that the kernel chooses.
    let around = unsafe { libc::mmap(std::ptr::null_mut(), 4 * CHUNK, libc::PROT_NONE, flags, -1, 0) };
    assert_ne!(around, libc::MAP_FAILED);
    let aligned = around.addr().next_multiple_of(CHUNK) - around.addr();
    // SAFETY: a part of that mapping, which nobody uses: it ends a page before the mapping does, or earlier.
    assert_eq!(unsafe { libc::munmap(around.wrapping_byte_add(aligned + 4096), CHUNK) }, 0);
    let mappings = || std::fs::read_to_string("/proc/self/maps").unwrap().lines().count();
    let shard = shard();
    let before = mappings();
    let large = [0u8; 4000];
    let handles: Vec<_> = (0..15 * 400)
        .map(|_| {
            spawn(&shard, async move {
                std::future::pending::<()>().await;
                std::hint::black_box(&large);
            })
        })
        .collect();
    // 400 chunks. Other tests run beside this one.
    let more = mappings().saturating_sub(before);
    assert!(more < 200, "{more} mappings more");
    drop((shard, handles));
    // SAFETY: nobody uses what is left of it.
    unsafe {
        libc::munmap(around, aligned + 4096);
        let end = aligned + 4096 + CHUNK;
        libc::munmap(around.wrapping_byte_add(end), 4 * CHUNK - end);
    }
}

#[test]
fn nobody_is_inside_a_shard_that_is_lent() {
    let shard = shard();
    let panics = |f: &dyn Fn()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).is_err();
    shard.enter(|local| {
        shard::lend(|| {
            assert!(panics(&|| drop(shard::spawn_local(local, async {}))));
            assert!(panics(&|| shard.enter(|_| ())));
        });
        drop(shard::spawn_local(local, async {}));
    });
    drop(shard);
}

/// A shard's end wakes who sleeps in its lane, which is foreign code that another thread may have handed a task to that the shard refused.
#[test]
fn what_a_closing_shard_refused_leaves_nothing_where_its_handle_drops_inside() {
    struct Spawns(Arc<Mesh>);
    impl std::task::Wake for Spawns {
        fn wake(self: Arc<Self>) {
            let mesh = Arc::clone(&self.0);
            let refused = std::thread::spawn(move || shard::spawn_to(mesh.remote(ShardId(0)), async {}));
            let mut handle = refused.join().unwrap();
            assert!(shard::current(|local| local.is_some()));
            assert!(matches!(poll(&mut handle), Poll::Ready(Err(error)) if error.is_cancelled()));
        }
    }
    let shard = shard();
    let mesh = Arc::clone(shard.local().mesh());
    let mut entry = pin!(Entry::new());
    let waker = Waker::from(Arc::new(Spawns(Arc::clone(&mesh))));
    let _ = entry.as_mut().arm(mesh.remote(ShardId(0)).lane(), u64::MAX / 2, waker);
    drop(shard);
    assert_eq!(entry.status(), Status::Closed);
    assert_eq!(Arc::strong_count(&mesh), 1, "the task's memory is gone and its count is not");
}

#[test]
fn a_closing_shard_drops_its_tasks_in_the_order_in_which_they_were_spawned() {
    struct Notes(usize, Arc<std::sync::Mutex<Vec<usize>>>);
    impl Drop for Notes {
        fn drop(&mut self) {
            self.1.lock().unwrap().push(self.0);
        }
    }
    // Through the mailbox, in the arena in two classes and more chunks than one, and large ones on the heap.
    let mut shard = shard();
    let mesh = Arc::clone(shard.local().mesh());
    let dropped = Arc::default();
    for n in 0..2_000 {
        let notes = Notes(n, Arc::clone(&dropped));
        let (small, large) = ([0_u8; 200], [0_u8; 2 * arena::MAX_SIZE]);
        match n % 4 {
            0 => drop(shard::spawn_to(mesh.remote(ShardId(0)), async move {
                pending::<()>().await;
                drop(notes)
            })),
            1 => drop(spawn(&shard, async move {
                pending::<()>().await;
                drop(notes)
            })),
            2 => drop(spawn(&shard, async move {
                pending::<()>().await;
                drop((notes, small))
            })),
            _ => drop(spawn(&shard, async move {
                pending::<()>().await;
                drop((notes, large))
            })),
        }
        if n == 1_000 {
            run(&mut shard);
        }
    }
    drop(shard);
    assert!(dropped.lock().unwrap().iter().copied().eq(0..2_000));
}
