//! The cooperative budget, as futures that are not the runtime's own take part in it.

use std::future::{Future, pending, poll_fn, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use corelane::runtime::Builder;
use corelane::task::coop::{RestoreOnPending, cooperative, has_budget_remaining, poll_proceed};
use corelane::task::{consume_budget, spawn_local, unconstrained, yield_now};

/// Runs a task. It has a budget.
fn run(task: impl Future<Output = ()> + 'static) {
    let runtime = Builder::new_current_thread().build_local(Default::default()).unwrap();
    runtime.block_on(async { spawn_local(task).await.unwrap() });
}

/// Spends what is left of the budget, and says how much that was.
async fn spend() -> u32 {
    let mut spent = 0;
    while has_budget_remaining() {
        consume_budget().await;
        spent += 1;
    }
    spent
}

fn is_ready(future: impl Future) -> bool {
    pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

fn proceed() -> RestoreOnPending {
    match poll_proceed(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(proceed) => proceed,
        Poll::Pending => panic!("nothing is left"),
    }
}

#[test]
fn what_completes_takes_a_unit_and_what_waits_gives_it_back() {
    run(async {
        assert!(is_ready(cooperative(ready(()))));
        assert!(!is_ready(cooperative(pending::<()>())));
        let (spent, unspent) = (proceed(), proceed());
        spent.made_progress();
        drop((spent, unspent));
        assert_eq!(spend().await, 126);
    });
}

#[test]
fn the_last_unit_may_come_back() {
    run(async {
        for _ in 0..127 {
            consume_budget().await;
        }
        let last = proceed();
        assert!(!has_budget_remaining());
        assert!(!is_ready(cooperative(ready(()))), "it gives way");
        drop(last);
        assert!(is_ready(cooperative(ready(()))));
        assert!(!has_budget_remaining());
    });
}

/// A poll begins with the whole budget, and what an earlier one took does not make it more.
#[test]
fn a_unit_given_back_in_a_later_poll_adds_nothing() {
    run(async {
        let earlier = proceed();
        yield_now().await;
        drop(earlier);
        assert_eq!(spend().await, 128);
    });
}

#[test]
fn without_a_budget_nothing_is_taken() {
    run(async {
        unconstrained(async {
            for _ in 0..1_000 {
                assert!(is_ready(cooperative(ready(()))));
                drop(proceed());
            }
        })
        .await;
        assert_eq!(spend().await, 128);
        // No task, no budget.
        std::thread::spawn(|| (0..1_000).for_each(|_| assert!(is_ready(cooperative(ready(()))))))
            .join()
            .unwrap();
    });
}

#[test]
fn who_gives_way_is_woken() {
    run(async {
        spend().await;
        let mut polls = 0;
        poll_fn(|cx| {
            polls += 1;
            poll_proceed(cx).map(|proceed| proceed.made_progress())
        })
        .await;
        assert_eq!(polls, 2);
    });
}
