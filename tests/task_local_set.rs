//! Local sets: whose tasks run where, and that every wake arrives.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::mpsc;
use std::task::{Poll, Waker};
use std::thread::{self, ThreadId};
use std::time::Duration;

use corelane::runtime::{Builder, Runtime, UnhandledPanic};
use corelane::task::{self, LocalSet};
use corelane::time::sleep;

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn every_flavor() -> [Runtime; 3] {
    let multi_thread = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let sharded = Builder::new_sharded().worker_threads(1).enable_all().build().unwrap();
    [current_thread(), multi_thread, sharded]
}

/// A future that is ready once another thread has woken it.
async fn woken_elsewhere() {
    let mut sent = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut sent, true) {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        thread::spawn(move || waker.wake());
        Poll::Pending
    })
    .await;
}

#[test]
fn tasks_run_here_on_every_flavor_with_timers_and_wakes_from_elsewhere() {
    for runtime in every_flavor() {
        let here = thread::current().id();
        let set = LocalSet::new();
        let seen: Rc<RefCell<Vec<ThreadId>>> = Rc::default();
        let note = || {
            let seen = Rc::clone(&seen);
            move || seen.borrow_mut().push(thread::current().id())
        };
        let (early, late) = (note(), note());
        set.spawn_local(async move {
            early();
            sleep(Duration::from_millis(1)).await;
            task::spawn_local(async move {
                woken_elsewhere().await;
                late();
            })
            .await
            .unwrap();
        });
        let blocking = note();
        runtime.block_on(set.run_until(async move {
            let answer = task::spawn_blocking(|| 42).await.unwrap();
            blocking();
            assert_eq!(corelane::spawn(async move { answer + 1 }).await.unwrap(), 43);
        }));
        runtime.block_on(set);
        assert_eq!(*seen.borrow(), [here; 3]);
    }
}

#[test]
fn a_set_runs_without_a_runtime() {
    let set = LocalSet::new();
    let task = set.spawn_local(async {
        woken_elsewhere().await;
        task::yield_now().await;
        Rc::new(7)
    });
    assert_eq!(futures_block_on(set.run_until(task)).map(|seven| *seven).unwrap(), 7);
}

/// An executor that knows nothing of the runtime.
fn futures_block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(std::sync::Arc::new(Unpark(thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut std::task::Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}

#[test]
fn tasks_run_only_while_the_set_is_polled() {
    let runtime = current_thread();
    let set = LocalSet::new();
    let ran = Rc::new(Cell::new(false));
    let runs = Rc::clone(&ran);
    set.spawn_local(async move { runs.set(true) });
    runtime.block_on(task::yield_now());
    assert!(!ran.get());
    set.block_on(&runtime, async {});
    assert!(!ran.get(), "a future that is ready at once ends the poll");
    set.block_on(&runtime, task::yield_now());
    assert!(ran.get());
}

#[test]
fn a_spawn_from_outside_wakes_who_polls() {
    let runtime = current_thread();
    let set = LocalSet::new();
    runtime.block_on(async {
        corelane::select! {
            biased;
            _ = set.run_until(pending::<()>()) => unreachable!(),
            answer = async { set.spawn_local(async { 3 }).await } => assert_eq!(answer.unwrap(), 3),
        }
    });
}

#[test]
fn a_future_that_ends_passes_its_tasks_on_to_who_polls_too() {
    let runtime = current_thread();
    let set = LocalSet::new();
    runtime.block_on(async {
        let (tell, told) = (Rc::new(Cell::new(None::<Waker>)), Rc::new(Cell::new(false)));
        let (tells, tolds) = (Rc::clone(&tell), Rc::clone(&told));
        let waits = set.run_until(poll_fn(|cx| {
            tell.set(Some(cx.waker().clone()));
            if told.get() { Poll::Ready(()) } else { Poll::Pending }
        }));
        let spawns = set.run_until(async move {
            task::spawn_local(async move {
                tolds.set(true);
                tells.take().unwrap().wake();
            });
        });
        corelane::join!(waits, spawns);
    });
}

#[test]
fn sets_within_sets_keep_their_tasks_apart() {
    let runtime = current_thread();
    let outer = Rc::new(LocalSet::new());
    let spawned: Rc<RefCell<Vec<&str>>> = Rc::default();
    let note = |what| {
        let spawned = Rc::clone(&spawned);
        async move { spawned.borrow_mut().push(what) }
    };
    let (by_outer, by_inner, back_in_outer) = (note("outer"), note("inner"), note("outer again"));
    let again = Rc::clone(&outer);
    runtime.block_on(outer.run_until(async move {
        let inner = LocalSet::new();
        task::spawn_local(by_outer);
        inner
            .run_until(async {
                task::spawn_local(by_inner).await.unwrap();
                again.run_until(async { task::spawn_local(back_in_outer).await }).await.unwrap();
            })
            .await;
    }));
    assert_eq!(*spawned.borrow(), ["inner", "outer", "outer again"]);
}

#[test]
fn a_dropped_set_drops_its_futures_here_and_refuses_new_ones() {
    struct SpawnsInDrop(mpsc::Sender<bool>);
    impl Drop for SpawnsInDrop {
        fn drop(&mut self) {
            let refused = futures_block_on(task::spawn_local(async {})).unwrap_err();
            self.0.send(refused.is_cancelled()).unwrap();
        }
    }
    let (dropped, heard) = mpsc::channel();
    let set = LocalSet::new();
    let spawns = SpawnsInDrop(dropped);
    let task = set.spawn_local(async move {
        let _spawns = spawns;
        pending::<()>().await;
    });
    let guard = set.enter();
    drop(set);
    assert_eq!(heard.try_recv(), Ok(true));
    assert!(futures_block_on(task).unwrap_err().is_cancelled());
    let late = task::spawn_local(async {});
    assert!(futures_block_on(late).unwrap_err().is_cancelled(), "the guard outlives the set");
    drop(guard);
}

#[test]
fn a_set_that_nothing_was_spawned_on_ends_as_others_do() {
    let runtime = current_thread();
    runtime.block_on(LocalSet::new());
    let set = LocalSet::new();
    let guard = set.enter();
    drop(set);
    let dropped = Rc::new(());
    let held = Rc::clone(&dropped);
    let task = task::spawn_local(async move {
        let _held = held;
        pending::<()>().await;
    });
    assert_eq!(Rc::strong_count(&dropped), 1, "its future is dropped at once");
    drop(guard);
    assert!(runtime.block_on(task).unwrap_err().is_cancelled());
}

#[test]
fn guards_may_go_in_any_order() {
    let (first, second) = (LocalSet::new(), LocalSet::new());
    let outer = first.enter();
    let inner = second.enter();
    drop(first);
    drop(outer);
    drop(inner);
    drop(second);
    assert!(
        std::panic::catch_unwind(|| task::spawn_local(async {})).is_ok(),
        "the first is entered once more"
    );
}

#[test]
fn run_until_spends_the_budget_of_who_awaits_it() {
    current_thread().block_on(async {
        let set = LocalSet::new();
        set.run_until(async {
            let mut spent = 0;
            while task::coop::has_budget_remaining() {
                task::consume_budget().await;
                spent += 1;
            }
            assert_eq!(spent, 128);
        })
        .await;
        assert!(!task::coop::has_budget_remaining());
    });
}

#[test]
fn ids_are_unique() {
    let runtime = current_thread();
    let (first, second) = (LocalSet::new(), LocalSet::new());
    assert_ne!(first.id(), second.id());
    assert_ne!(first.id(), runtime.handle().id());
}

#[test]
fn a_local_runtime_takes_tasks_in_its_context_from_its_own_thread_alone() {
    let runtime = corelane::runtime::LocalRuntime::new().unwrap();
    let guard = runtime.enter();
    let task = task::spawn_local(async { Rc::new(1) });
    drop(guard);
    assert_eq!(*runtime.block_on(task).unwrap(), 1);
    let handle = runtime.handle().clone();
    let elsewhere = thread::spawn(move || {
        let _guard = handle.enter();
        drop(task::spawn_local(async {}));
    });
    let panic = elsewhere.join().unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert_eq!(
        text,
        "Local tasks can only be spawned on a LocalRuntime from the thread the runtime was created on"
    );
}

/// What a panic says.
fn message(f: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(f)).expect_err("no panic");
    panic
        .downcast_ref::<String>()
        .cloned()
        .unwrap_or_else(|| panic.downcast_ref::<&str>().unwrap().to_string())
}

#[test]
fn an_unhandled_panic_ends_a_set() {
    const ENDED: &str =
        "a spawned task panicked and the LocalSet is configured to shutdown on unhandled panic";
    let runtime = current_thread();
    let mut set = LocalSet::new();
    set.unhandled_panic(UnhandledPanic::ShutdownRuntime);
    let (held, ran_late) = (Rc::new(()), Rc::new(Cell::new(false)));
    let (holds, runs_late) = (Rc::clone(&held), Rc::clone(&ran_late));
    set.spawn_local(async move {
        let _holds = holds;
        pending::<()>().await;
    });
    // Through the context, too.
    let said = message(|| {
        set.block_on(&runtime, async {
            task::spawn_local(async { panic!("boom") });
            task::spawn_local(async move { runs_late.set(true) });
            pending::<()>().await;
        });
    });
    assert_eq!(said, ENDED);
    assert_eq!(Rc::strong_count(&held), 1, "tasks are dropped");
    assert!(!ran_late.get(), "no task runs after the panic");

    let late = set.spawn_local(async {});
    assert!(runtime.block_on(late).unwrap_err().is_cancelled());
    assert_eq!(message(|| set.block_on(&runtime, pending())), ENDED);
    assert_eq!(message(|| runtime.block_on(set)), ENDED);
}

#[test]
fn a_set_that_was_entered_keeps_what_a_panic_does() {
    let mut set = LocalSet::new();
    let guard = set.enter();
    let said = message(|| _ = set.unhandled_panic(UnhandledPanic::ShutdownRuntime));
    assert_eq!(said, "Unhandled Panic behavior modified after starting LocalSet");
    drop(guard);
    // A panic that is ignored is its task's alone.
    set.unhandled_panic(UnhandledPanic::Ignore);
    let panics = set.spawn_local(async { panic!("boom") });
    assert!(set.block_on(&current_thread(), panics).unwrap_err().is_panic());
}

#[test]
fn a_set_drops_its_tasks_in_the_order_in_which_they_were_spawned() {
    struct Notes(usize, Rc<RefCell<Vec<usize>>>);
    impl Drop for Notes {
        fn drop(&mut self) {
            self.1.borrow_mut().push(self.0);
        }
    }
    // Polled before the end, by so many turns, after three of the tasks were spawned.
    for turns in 0..3 {
        let (set, dropped) = (LocalSet::new(), Rc::default());
        let spawn = |n| {
            let notes = Notes(n, Rc::clone(&dropped));
            drop(set.spawn_local(async move {
                pending::<()>().await;
                drop(notes);
            }));
        };
        (0..3).for_each(spawn);
        for _ in 0..turns {
            current_thread().block_on(set.run_until(task::yield_now()));
        }
        (3..6).for_each(spawn);
        drop(set);
        assert_eq!(*dropped.borrow(), [0, 1, 2, 3, 4, 5], "{turns}");
    }
}
