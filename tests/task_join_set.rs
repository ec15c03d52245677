//! Join sets: what is joined, in which order, and what is aborted.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use corelane::runtime::{Builder, Runtime};
use corelane::sync::oneshot;
use corelane::task::{self, AbortHandle, JoinSet};

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn multi_thread() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn every_task_is_joined_once_whatever_its_kind() {
    for runtime in [current_thread(), multi_thread()] {
        let mut set: JoinSet<usize> = JoinSet::new();
        set.spawn_on(async { 0 }, runtime.handle());
        set.spawn_blocking_on(|| 1, runtime.handle());
        runtime.block_on(async {
            set.extend((2..100).map(|n| async move {
                for _ in 0..n % 3 {
                    task::yield_now().await;
                }
                n
            }));
            set.build_task().name("last").spawn(async { 100 }).unwrap();
            let mut outputs = set.join_all().await;
            outputs.sort();
            assert!(outputs.into_iter().eq(0..=100));
        });
    }
}

#[test]
fn tasks_that_ended_before_the_first_look_come_in_the_order_in_which_they_ended() {
    current_thread().block_on(async {
        let mut set = JoinSet::new();
        let mut ends = Vec::new();
        for n in 0..4 {
            let (end, ended) = oneshot::channel();
            ends.push(end);
            set.spawn(async move { ended.await.map(|()| n) });
        }
        while let Some(end) = ends.pop() {
            end.send(()).unwrap();
            task::yield_now().await;
        }
        assert!(set.join_all().await.into_iter().eq([3, 2, 1, 0].map(Ok)));
    });
}

#[test]
fn keys_are_used_again_while_old_tasks_stay() {
    current_thread().block_on(async {
        let mut set = JoinSet::new();
        let stays = set.spawn(pending());
        for n in 0..1000u32 {
            set.spawn(async move { n });
            assert_eq!(set.join_next().await.unwrap().unwrap(), n);
            assert_eq!(set.len(), 1);
        }
        assert!(!stays.is_finished());
        set.shutdown().await;
        assert!(stays.is_finished() && set.is_empty());
    });
}

#[test]
fn a_set_wakes_once_and_keeps_one_waker() {
    struct Counts(AtomicUsize);
    impl Wake for Counts {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    current_thread().block_on(async {
        let mut set = JoinSet::new();
        for _ in 0..100 {
            set.spawn(pending::<()>());
        }
        let wakes = Arc::new(Counts(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&wakes));
        assert!(set.poll_join_next(&mut Context::from_waker(&waker)).is_pending());
        let references = Arc::strong_count(&wakes);
        let ten = [(); 10].map(|()| set.spawn(async {}));
        assert_eq!(wakes.0.load(Ordering::Relaxed), 0, "nothing has ended yet");
        // In one round, unless this thread is kept from running meanwhile: then the quantum is over.
        while !ten.iter().all(AbortHandle::is_finished) {
            task::yield_now().await;
        }
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1, "one wake, until the set is polled again");
        for _ in 0..10 {
            assert!(set.poll_join_next(&mut Context::from_waker(&waker)).is_ready());
        }
        assert!(set.poll_join_next(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(Arc::strong_count(&wakes), references, "the set keeps one waker");
    });
}

#[test]
fn ids_come_with_outputs_and_errors() {
    current_thread().block_on(async {
        let mut set = JoinSet::new();
        let good = set.spawn(async { 5 }).id();
        assert_eq!(set.join_next_with_id().await.unwrap().unwrap(), (good, 5));
        let bad = set.spawn(async { panic!("bad") });
        let error = set.join_next_with_id().await.unwrap().unwrap_err();
        assert!(error.is_panic() && error.id() == bad.id());
        let gone = set.spawn(pending());
        set.abort_all();
        let error = set.join_next().await.unwrap().unwrap_err();
        assert!(error.is_cancelled() && error.id() == gone.id());
        assert!(set.join_next().await.is_none());
    });
}

#[test]
fn dropping_aborts_and_detaching_does_not() {
    current_thread().block_on(async {
        let mut set = JoinSet::new();
        let aborted = set.spawn(pending::<()>());
        drop(set);
        let mut set = JoinSet::new();
        let detached = set.spawn(async {
            task::yield_now().await;
        });
        set.detach_all();
        assert!(set.is_empty() && set.try_join_next().is_none());
        drop(set);
        while !(aborted.is_finished() && detached.is_finished()) {
            task::yield_now().await;
        }
    });
}

#[test]
fn a_join_gives_way_when_the_budget_is_used_up() {
    current_thread().block_on(async {
        let mut set = JoinSet::new();
        let tasks: Vec<_> = (0..1000).map(|_| set.spawn(async {})).collect();
        while !tasks.iter().all(task::AbortHandle::is_finished) {
            task::yield_now().await;
        }
        let waker = Waker::noop();
        let mut joined = 0;
        while let Poll::Ready(Some(_)) = set.poll_join_next(&mut Context::from_waker(waker)) {
            joined += 1;
        }
        assert_eq!(joined, 128);
        while set.try_join_next().is_some() {
            joined += 1;
        }
        assert_eq!(joined, 1000, "try_join_next needs no budget");
    });
}

#[test]
fn an_empty_set_says_so_without_a_budget() {
    current_thread().block_on(async {
        let mut cx = Context::from_waker(Waker::noop());
        while pin!(task::consume_budget()).poll(&mut cx).is_ready() {}
        let mut set: JoinSet<()> = JoinSet::new();
        assert!(matches!(set.poll_join_next(&mut cx), Poll::Ready(None)));
    });
}
