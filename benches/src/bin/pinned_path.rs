//! The life of pinned tasks on the shard that owns them: spawn, poll, waker clone, wake, waker drop, join. `lockfree.py` counts
//! the locked instructions that this executes.
//!
//! ```text
//! pinned_path LIVES
//! ```
//!
//! All that the tasks share is in an `Rc`, so each locked instruction is the runtime's.

use std::cell::RefCell;
use std::future::poll_fn;
use std::process::ExitCode;
use std::rc::Rc;
use std::task::{Poll, Waker};

use corelane::config::Config;
use corelane::runtime::{Builder, LocalOptions};
use corelane::task;

fn main() -> ExitCode {
    let Some(lives) = std::env::args().nth(1).and_then(|lives| lives.parse::<u64>().ok()) else {
        eprintln!("usage: pinned_path LIVES");
        return ExitCode::from(2);
    };
    // A turn may lock; tasks may not. Time passes slowly under callgrind, so turns are made long.
    let mut config = Config::default();
    config.scheduler.quantum_us = 100_000;
    let runtime =
        Builder::new_current_thread().config(config).enable_all().build_local(LocalOptions::default());
    let runtime = runtime.expect("the system lets a runtime be built");
    let sum = runtime.block_on(async move { task::spawn_local(live(lives)).await });
    assert_eq!(sum.expect("the task ends well"), lives * 3);
    ExitCode::SUCCESS
}

/// So many lives, each woken three ways: by its own waker, by a clone that the wake consumes, by reference.
async fn live(lives: u64) -> u64 {
    let mut sum = 0;
    for _ in 0..lives {
        let left = Rc::new(RefCell::new(None::<Waker>));
        let theirs = Rc::clone(&left);
        let mut woken = 0;
        let child = task::spawn_local(poll_fn(move |cx| {
            match woken {
                0 => cx.waker().wake_by_ref(),
                1 | 2 => *theirs.borrow_mut() = Some(cx.waker().clone()),
                _ => return Poll::Ready(woken),
            }
            woken += 1;
            Poll::Pending
        }));
        let waker = next(&left).await;
        let clone = waker.clone();
        drop(waker);
        clone.wake();
        let waker = next(&left).await;
        waker.wake_by_ref();
        drop(waker);
        sum += child.await.expect("the child ends well");
    }
    sum
}

/// Gives way until the child has left its waker.
async fn next(left: &RefCell<Option<Waker>>) -> Waker {
    loop {
        let taken = left.borrow_mut().take();
        match taken {
            Some(waker) => return waker,
            None => task::yield_now().await,
        }
    }
}
