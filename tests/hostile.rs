//! What users' code does at the worst moment: wakers that panic, guards that outlive their scope, a runtime that its own task ends.

#[path = "support/poll.rs"]
mod poll;

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use corelane::config::{Config, Steal};
use corelane::net::UnixStream;
use corelane::runtime::{Builder, Handle, Runtime, UnhandledPanic};
use corelane::shard::ShardId;
use corelane::sync::oneshot;
use corelane::task::JoinHandle;
use corelane::time::{Sleep, sleep_until};
use poll::Hand;

/// Panics when it is woken.
struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        // Quietly: the hook would print each.
        resume_unwind(Box::new("a waker"));
    }
}

/// Leaves a waker that panics in a future that has to wait.
fn left<F: Future + Unpin>(future: &mut F) {
    let waker = Waker::from(Arc::new(Panics));
    let polled = Pin::new(future).poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
}

fn runtimes() -> impl Iterator<Item = Runtime> {
    [Builder::new_current_thread(), Builder::new_multi_thread(), Builder::new_sharded()]
        .into_iter()
        .map(|mut builder| builder.worker_threads(1).enable_all().build().unwrap())
}

/// The shard goes on as if nothing had been.
fn still_runs(rt: &Runtime) {
    assert_eq!(rt.block_on(rt.spawn(async { 7 })).unwrap(), 7);
}

#[test]
fn a_joiner_s_waker_panics_when_the_task_completes() {
    for rt in runtimes() {
        let (go, gone) = oneshot::channel::<()>();
        let mut task: JoinHandle<u32> = rt.spawn(async {
            let _ = gone.await;
            3
        });
        let mut failing = rt.spawn(async { pending::<()>().await });
        left(&mut task);
        left(&mut failing);
        go.send(()).unwrap();
        failing.abort();
        still_runs(&rt);
        assert_eq!(rt.block_on(task).unwrap(), 3);
        assert!(rt.block_on(failing).unwrap_err().is_cancelled());
    }
}

#[test]
fn a_joiner_s_waker_panics_inside_of_the_shard() {
    for rt in runtimes() {
        let outputs = rt.block_on(rt.spawn(async {
            let mut first = corelane::spawn(async { 1 });
            let mut second = corelane::spawn(async { 2 });
            left(&mut first);
            left(&mut second);
            let third = corelane::spawn(async { 3 });
            (third.await.unwrap(), first.await.unwrap(), second.await.unwrap())
        }));
        assert_eq!(outputs.unwrap(), (3, 1, 2));
        still_runs(&rt);
    }
}

#[test]
fn wakers_panic_while_the_shard_closes() {
    for rt in runtimes() {
        let mut tasks: Vec<_> = (0..3).map(|_| rt.spawn(pending::<()>())).collect();
        tasks.iter_mut().for_each(left);
        let mut sleeps: Vec<_> = {
            let _context = rt.enter();
            (0..3).map(|_| Box::pin(sleep_until(far()))).collect()
        };
        {
            let _context = rt.enter();
            sleeps.iter_mut().for_each(left);
        }
        // Those that come after it are woken all the same.
        let mut others: Vec<_> = (0..3).map(|_| rt.spawn(pending::<()>())).map(Hand::new).collect();
        others.iter_mut().for_each(Hand::waits);
        drop(rt);
        for mut task in tasks {
            let polled = Pin::new(&mut task).poll(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(polled, Poll::Ready(Err(error)) if error.is_cancelled()));
        }
        for mut other in others {
            assert_eq!(other.wakes(), 1);
            assert!(other.ready().unwrap_err().is_cancelled());
        }
    }
}

fn far() -> corelane::time::Instant {
    (Instant::now() + Duration::from_secs(1_000)).into()
}

/// Both wait where the other shard has ended, in a poll that goes on. They end with their task, and don't fail before.
#[test]
fn a_sleep_and_a_socket_of_a_shard_that_has_ended() {
    for mut builder in [Builder::new_multi_thread(), Builder::new_sharded()] {
        let (stop, stopped) = mpsc::channel();
        builder.worker_threads(2).on_thread_stop(move || stop.send(()).unwrap());
        let rt = builder.enable_all().build().unwrap();
        let theirs = rt.handle().spawn_on(ShardId(0), || async {
            let (socket, peer) = UnixStream::pair().unwrap();
            let mut waits = Box::pin(async move { socket.readable().await });
            let mut sleep = Box::pin(sleep_until(far()));
            left(&mut waits);
            left(&mut sleep);
            (waits, sleep, peer)
        });
        let (mut waits, mut sleep, _peer) = rt.block_on(theirs).unwrap();
        let (begin, begun) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        drop(rt.handle().spawn_on(ShardId(1), || async move {
            begin.send(()).unwrap();
            stopped.recv().unwrap();
            let mut cx = Context::from_waker(Waker::noop());
            let slept = catch_unwind(AssertUnwindSafe(|| sleep.as_mut().poll(&mut cx).is_pending()));
            tell.send((slept.is_ok_and(|pending| pending), waits.as_mut().poll(&mut cx).is_pending()))
                .unwrap();
        }));
        begun.recv().unwrap();
        rt.shutdown_background();
        assert_eq!(told.recv().unwrap(), (true, true), "the sleep and the socket still wait");
    }
}

#[test]
fn a_sleeper_s_waker_panics_and_the_others_wake() {
    for rt in runtimes() {
        rt.block_on(async {
            let deadline = corelane::time::Instant::now() + Duration::from_millis(5);
            let mut sleeps: Vec<Pin<Box<Sleep>>> = (0..40).map(|_| Box::pin(sleep_until(deadline))).collect();
            let (others, first) = sleeps.split_at_mut(30);
            first.iter_mut().for_each(left);
            for other in others {
                other.as_mut().await;
            }
        });
        still_runs(&rt);
    }
}

#[test]
fn a_reader_s_waker_panics_and_the_others_wake() {
    for rt in runtimes() {
        let (first, second) =
            rt.block_on(async { (UnixStream::pair().unwrap(), UnixStream::pair().unwrap()) });
        let reads = |stream: UnixStream| async move { stream.readable().await.map(|()| stream) };
        // On the shard by poll and by future, and from outside by future.
        let other = rt.spawn(reads(second.0));
        let (ours,) = rt
            .block_on(rt.spawn(async move {
                left(&mut poll_fn(|cx| first.0.poll_read_ready(cx)));
                let mut outlives = Box::pin(reads(first.0));
                left(&mut outlives);
                (outlives,)
            }))
            .unwrap();
        // Both may come in one batch.
        let _theirs = [first.1, second.1].map(|stream| stream.try_write(b"x").map(|_| stream).unwrap());
        rt.block_on(other).unwrap().unwrap();
        rt.block_on(ours).unwrap();
        still_runs(&rt);
    }
}

/// The guard's scope has ended, and what it puts back must be there all the same.
#[test]
fn a_guard_that_leaves_its_block_on() {
    let kept = Builder::new_current_thread().build().unwrap();
    let part = Arc::new(());
    let alive = Arc::downgrade(&part);
    let gone = Builder::new_current_thread()
        .on_thread_park(move || {
            let _ = &part;
        })
        .build()
        .unwrap();
    let mut guard = None;
    let ended = catch_unwind(AssertUnwindSafe(|| gone.block_on(async { guard = Some(kept.enter()) })));
    assert!(ended.is_err(), "out of order");
    drop(gone);
    drop(guard);
    let current = Handle::try_current();
    assert!(current.is_err() || alive.upgrade().is_some(), "the thread is in a runtime that was freed");
    kept.block_on(async {});
}

/// What no shard has taken is cancelled by the last worker, and may own the runtime.
#[test]
fn the_last_worker_drops_the_runtime() {
    /// Keeps the worker from taking all that is queued.
    async fn slow(_holds: impl Send) {
        let start = Instant::now();
        while start.elapsed() < Duration::from_micros(50) {}
    }
    let rt = Builder::new_multi_thread()
        .worker_threads(1)
        .unhandled_panic(UnhandledPanic::ShutdownRuntime)
        .build()
        .unwrap();
    let rt = Arc::new(rt);
    let (ended, ends) = mpsc::channel::<()>();
    let (go, started) = mpsc::channel::<()>();
    let handle = rt.handle().clone();
    rt.spawn(async move {
        started.recv().unwrap();
        panic_any("ends the runtime");
    });
    for _ in 0..5_000 {
        drop(handle.spawn(slow(())));
    }
    drop(handle.spawn(slow((rt, ended))));
    go.send(()).unwrap();
    assert_eq!(ends.recv(), Err(mpsc::RecvError));
}

/// Says whether it is dropped in a runtime.
struct Where(mpsc::Sender<bool>);

impl Drop for Where {
    fn drop(&mut self) {
        let _ = self.0.send(Handle::try_current().is_ok());
    }
}

#[test]
fn a_worker_that_a_hook_ends_drops_its_tasks_in_the_runtime() {
    static PANICS: AtomicBool = AtomicBool::new(false);
    for mut builder in [Builder::new_multi_thread(), Builder::new_sharded()] {
        builder.worker_threads(1).on_thread_park(|| {
            if PANICS.swap(false, Ordering::SeqCst) {
                resume_unwind(Box::new("a hook"));
            }
        });
        let rt = builder.enable_all().build().unwrap();
        let (tell, told) = mpsc::channel();
        let probe = Where(tell);
        let waiting = rt.spawn(async move {
            let _probe = probe;
            pending::<()>().await
        });
        still_runs(&rt);
        PANICS.store(true, Ordering::SeqCst);
        let last = rt.spawn(async {});
        assert!(told.recv().unwrap(), "dropped outside of the runtime");
        assert!(rt.block_on(waiting).unwrap_err().is_cancelled());
        // Before the worker ended or after.
        let _ = rt.block_on(last);
        assert!(rt.block_on(rt.spawn(async {})).unwrap_err().is_cancelled(), "nobody runs it");
    }
}

/// The shard that this thread drives goes on: what is woken from outside is neither cancelled nor dropped by who wakes it.
#[test]
#[expect(clippy::async_yields_async, reason = "the task goes on without it")]
fn the_only_worker_ends_and_the_calling_thread_goes_on() {
    static PANICS: AtomicBool = AtomicBool::new(false);
    thread_local!(static ENDED: RefCell<Option<Tells>> = const { RefCell::new(None) });
    /// Dropped with the thread, and so after all that the worker does in the end.
    struct Tells(mpsc::Sender<()>);
    impl Drop for Tells {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    for steal in [Steal::Off, Steal::All] {
        let mut config = Config::default();
        config.scheduler.steal = steal;
        PANICS.store(true, Ordering::SeqCst);
        let (tell, told) = mpsc::channel();
        let mut builder = Builder::new_sharded();
        builder
            .config(config)
            .worker_threads(2)
            .on_thread_start(move || ENDED.set(Some(Tells(tell.clone()))));
        builder.on_thread_park(|| {
            if std::thread::current().name().is_some_and(|name| name.ends_with('1'))
                && PANICS.swap(false, Ordering::SeqCst)
            {
                resume_unwind(Box::new("a hook"));
            }
        });
        let rt = builder.enable_all().build_local(Default::default()).unwrap();
        told.recv().unwrap();
        let (wake, woken) = oneshot::channel();
        let waits = rt.block_on(async {
            let waits = corelane::spawn(woken);
            corelane::task::yield_now().await;
            waits
        });
        let handle = rt.handle().clone();
        let outside = std::thread::spawn(move || {
            wake.send(7).unwrap();
            [8, 9].map(|n| handle.spawn(async move { n }))
        });
        let spawned = outside.join().unwrap();
        rt.block_on(async {
            assert_eq!(waits.await.unwrap(), Ok(7));
            for (n, task) in (8..).zip(spawned) {
                assert_eq!(task.await.unwrap(), n);
            }
        });
    }
}

/// Owned by a thread, it outlives the worker's part in it.
#[test]
fn a_worker_s_thread_local_owns_the_runtime() {
    thread_local!(static OWNED: RefCell<Option<(Arc<Runtime>, Tells)>> = const { RefCell::new(None) });
    struct Tells(mpsc::Sender<()>);
    impl Drop for Tells {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    let mut builder = Builder::new_multi_thread();
    let rt =
        Arc::new(builder.worker_threads(1).unhandled_panic(UnhandledPanic::ShutdownRuntime).build().unwrap());
    let (tell, told) = mpsc::channel();
    let (owned, handle) = (rt.clone(), rt.handle().clone());
    let kept = rt.spawn(async move { OWNED.set(Some((owned, Tells(tell)))) });
    rt.block_on(kept).unwrap();
    drop(rt);
    drop(handle.spawn(async { resume_unwind(Box::new("the end")) }));
    // A panic in a thread-local's drop would have ended the process.
    told.recv().unwrap();
}

/// Each of the pool's threads is joined by the one that ends next, and the last by the end of the pool.
#[test]
fn a_pool_thread_s_thread_local_owns_the_runtime() {
    thread_local!(static OWNED: RefCell<Option<Owns>> = const { RefCell::new(None) });
    struct Owns(Option<Arc<Runtime>>, mpsc::Sender<()>);
    impl Drop for Owns {
        fn drop(&mut self) {
            let rt = self.0.take().unwrap();
            while rt.metrics().num_blocking_threads() > 0 {
                thread::yield_now();
            }
            // A panic in a thread-local's drop would end the process.
            drop(rt);
            self.1.send(()).unwrap();
        }
    }
    for (mut builder, threads) in [
        (Builder::new_current_thread(), 1),
        (Builder::new_multi_thread(), 1),
        (Builder::new_multi_thread(), 2),
        (Builder::new_sharded(), 2),
    ] {
        builder.worker_threads(1).thread_keep_alive(Duration::ZERO);
        let rt = Arc::new(builder.build().unwrap());
        let (tell, told) = mpsc::channel();
        let meet = Arc::new(Barrier::new(threads));
        let (owns, meets) = (Owns(Some(rt.clone()), tell), meet.clone());
        let kept = rt.spawn_blocking(move || {
            meets.wait();
            OWNED.set(Some(owns));
        });
        let others: Vec<_> = (1..threads)
            .map(|_| {
                let meets = meet.clone();
                rt.spawn_blocking(move || {
                    meets.wait();
                })
            })
            .collect();
        rt.block_on(async {
            for job in others.into_iter().chain([kept]) {
                job.await.unwrap();
            }
        });
        drop(rt);
        told.recv().unwrap();
    }
}

#[test]
fn a_thread_name_that_cannot_be_had_leaves_no_worker_behind() {
    static STARTED: AtomicUsize = AtomicUsize::new(0);
    for (mut builder, panics) in [
        (Builder::new_multi_thread(), true),
        (Builder::new_sharded(), true),
        (Builder::new_multi_thread(), false),
        (Builder::new_sharded(), false),
    ] {
        let asked = AtomicUsize::new(0);
        builder.worker_threads(2).on_thread_start(|| {
            STARTED.fetch_add(1, Ordering::SeqCst);
        });
        builder.thread_name_fn(move || match asked.fetch_add(1, Ordering::SeqCst) {
            0 => "first".into(),
            _ if panics => resume_unwind(Box::new("no name")),
            _ => "\0".into(),
        });
        let built = catch_unwind(AssertUnwindSafe(|| builder.build()));
        assert_eq!(built.is_err(), panics);
        assert!(built.is_err() || built.is_ok_and(|built| built.is_err()));
        assert_eq!(STARTED.load(Ordering::SeqCst), 0, "a worker runs for nobody");
    }
}

/// Wakers that are made and never dropped, until no number counts them. Each kind of task in a process of its own, which that ends.
#[test]
fn more_wakers_than_can_be_counted_end_the_process_and_it_says_why() {
    const FLAVOR: &str = "CORELANE_TEST_WAKERS";
    let Some(flavor) = std::env::var_os(FLAVOR) else {
        for flavor in ["sharded", "multi_thread"] {
            let mut child = std::process::Command::new(std::env::current_exe().unwrap());
            child.args(["more_wakers_than_can", "--nocapture"]).env(FLAVOR, flavor);
            let output = child.output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{said}");
            assert!(said.contains("millions of wakers and handles"), "{said}");
        }
        return;
    };
    let mut builder = if flavor == "sharded" { Builder::new_sharded() } else { Builder::new_multi_thread() };
    let forgets = poll_fn(|cx| -> Poll<()> {
        loop {
            std::mem::forget(cx.waker().clone());
        }
    });
    let runtime = builder.worker_threads(1).build().unwrap();
    let _ = runtime.block_on(runtime.spawn(forgets));
}
