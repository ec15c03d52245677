//! Waiting for tasks, time, signals, children and shards that gives up loses nothing: a row for each claim of the docs.

#![expect(unsafe_code, reason = "raises a signal")]

#[path = "support/give_up.rs"]
mod give_up;
#[path = "support/poll.rs"]
mod poll;
#[path = "support/scratch.rs"]
mod scratch;

use std::future::pending;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use corelane::process::{Child, Command};
use corelane::runtime::{Builder, LocalRuntime};
use corelane::shard::{self, Sharded};
use corelane::signal::unix::{Signal, SignalKind, signal};
use corelane::sync::oneshot;
use corelane::task::{JoinSet, LocalSet, yield_now};
use corelane::time::{self, Instant, MissedTickBehavior, interval, sleep, timeout};
use corelane::{fs, spawn};
use give_up::give_up;
use poll::Hand;
use scratch::Scratch;

/// A task that ends when it is told to, with this value.
fn waiting() -> (oneshot::Sender<u8>, impl Future<Output = u8> + Send) {
    let (tell, told) = oneshot::channel();
    (tell, async { told.await.unwrap_or(0) })
}

/// A child that ends when its standard input does.
fn child() -> Child {
    Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// A signal that nobody else uses.
fn listener() -> Signal {
    signal(SignalKind::from_raw(libc::SIGRTMIN() + 20)).unwrap()
}

fn raise() {
    // SAFETY: the handler was installed by `listener`.
    assert_eq!(unsafe { libc::raise(libc::SIGRTMIN() + 20) }, 0);
}

give_up! {
    join: {let (tell, task) = waiting(); let mut join = spawn(task);}
        &mut join, tell.send(1).unwrap() => join.await.unwrap() == 1;
    join_next: {let (tell, task) = waiting(); let mut set = JoinSet::new(); set.spawn(task);}
        set.join_next(), tell.send(1).unwrap() => set.join_next().await.unwrap().unwrap() == 1;
    join_next_with_id: {let (tell, task) = waiting(); let mut set = JoinSet::new(); let id = set.spawn(task).id();}
        set.join_next_with_id(), tell.send(1).unwrap() => set.join_next_with_id().await.unwrap().unwrap() == (id, 1);
    // Aborted by the first poll, and still in the set.
    shutdown_of_a_set: {let mut set = JoinSet::new(); set.spawn(pending::<()>());}
        set.shutdown(), {} => set.join_next().await.unwrap().unwrap_err().is_cancelled();
    // The tasks stay in the set.
    run_until: {
        let local = LocalSet::new();
        let (tell, task) = waiting();
        let mut join = local.spawn_local(task);
        let (go, gone) = waiting();
    }
        local.run_until(gone), { tell.send(1).unwrap(); go.send(2).ok() } => local.run_until(&mut join).await.unwrap() == 1;

    recv_signal: {let mut signal = listener();} signal.recv(), raise() => signal.recv().await.is_some();
    wait_for_a_child: {let mut child = child(); let stdin = child.stdin.take();}
        child.wait(), drop(stdin) => child.wait().await.unwrap().success();
}

/// On a clock that stands still until nobody has anything to do.
fn paused<F: Future>(future: F) -> F::Output {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(future)
}

#[test]
fn a_tick_is_there_for_the_next_call() {
    paused(async {
        let mut interval = interval(Duration::from_secs(1));
        interval.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let start = interval.tick().await;
        for n in 1..4 {
            // Given up before it is due, and after.
            Hand::new(interval.tick()).waits();
            let mut late = Hand::new(interval.tick());
            late.waits();
            time::advance(Duration::from_secs(1)).await;
            drop(late);
            assert_eq!(interval.tick().await, start + Duration::from_secs(n));
        }
    });
}

#[test]
fn a_sleep_that_is_polled_by_turns_ends_when_it_is_due() {
    paused(async {
        let start = Instant::now();
        let mut sleep = Box::pin(sleep(Duration::from_secs(3)));
        for _ in 0..2 {
            assert!(timeout(Duration::from_secs(1), &mut sleep).await.is_err());
        }
        sleep.await;
        assert_eq!(start.elapsed().as_secs(), 3);
    });
}

#[test]
fn the_clock_has_moved_once_advance_was_polled() {
    paused(async {
        let start = Instant::now();
        let _ = Hand::new(time::advance(Duration::from_secs(5))).poll();
        assert_eq!(start.elapsed(), Duration::from_secs(5));
    });
}

#[test]
fn join_all_takes_its_set_along() {
    paused(async {
        let held = Arc::new(());
        let mut set = JoinSet::new();
        for _ in 0..3 {
            let held = Arc::clone(&held);
            set.spawn(async move {
                let _held = held;
                pending::<()>().await;
            });
        }
        Hand::new(set.join_all()).waits();
        while Arc::strong_count(&held) > 1 {
            yield_now().await;
        }
    });
}

#[test]
fn a_kill_that_is_given_up_kills() {
    paused(async {
        let mut child = child();
        let _ = Hand::new(child.kill()).poll();
        assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGKILL));
    });
}

/// What it read is lost, and the child runs on as one does that is dropped.
#[test]
fn a_childs_output_that_is_given_up_drops_the_child() {
    let rt = Builder::new_current_thread().enable_all().build().unwrap();
    rt.block_on(async {
        let mut command = Command::new("sleep");
        let child = command.arg("1000").stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let pid = child.id().unwrap();
        Hand::new(child.wait_with_output()).waits();
        while std::path::Path::new(&format!("/proc/{pid}")).exists() {
            yield_now().await;
        }
    });
}

#[test]
fn a_file_is_not_left_half_written() {
    let dir = Scratch::new();
    for n in 0..20 {
        let path = dir.path(n.to_string());
        let rt = Builder::new_current_thread().enable_all().build().unwrap();
        rt.block_on(async {
            let _ = Hand::new(fs::write(&path, vec![7; 1 << 20])).poll();
        });
        // Waits for what has begun.
        drop(rt);
        assert!(
            std::fs::metadata(&path).map_or(0, |file| file.len()) == if path.exists() { 1 << 20 } else { 0 }
        );
    }
}

#[test]
fn a_service_that_was_told_to_stop_stops() {
    LocalRuntime::new().unwrap().block_on(async {
        let service = Sharded::new(|_| ()).await.unwrap();
        let again = service.clone();
        let _ = Hand::new(service.stop()).poll();
        while again.local().is_some() {
            yield_now().await;
        }
    });
}

#[test]
fn what_was_sent_to_all_shards_is_called_on_all() {
    let rt = Builder::new_sharded().worker_threads(2).build().unwrap();
    rt.block_on(async {
        let service = Sharded::new(|_| ()).await.unwrap();
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        drop(Hand::new(service.invoke_on_all(move |()| counted.fetch_add(1, Ordering::Relaxed))).poll());
        // A call to each shard comes in after those.
        for id in shard::ids() {
            shard::call(id, || ()).await.unwrap();
        }
        assert_eq!(calls.load(Ordering::Relaxed), 2);
    });
}
