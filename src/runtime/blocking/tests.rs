//! The pool with real threads.

use std::collections::HashSet;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use super::{Job, Pool, PoolConfig, SubmitError};

const FOR_EVER: Duration = Duration::MAX;

/// A job made of closures.
struct Closures {
    run: Box<dyn FnOnce() + Send>,
    cancel: Box<dyn FnOnce() + Send>,
    mandatory: bool,
}

impl Job for Closures {
    fn run(self) {
        (self.run)();
    }

    fn cancel(self) {
        (self.cancel)();
    }

    fn mandatory(&self) -> bool {
        self.mandatory
    }
}

fn job(run: impl FnOnce() + Send + 'static) -> Closures {
    Closures { run: Box::new(run), cancel: Box::new(|| ()), mandatory: false }
}

fn config(max_threads: usize) -> PoolConfig {
    PoolConfig { max_threads, keep_alive: FOR_EVER, ..PoolConfig::default() }
}

fn submit(pool: &Pool<Closures>, job: Closures) {
    pool.submit(job).map_err(|(_, error)| error).unwrap();
}

/// Submits a job that runs until the returned end is dropped or sent to, and waits until it has begun.
fn occupy(pool: &Pool<Closures>) -> Sender<()> {
    let (release, released) = channel::<()>();
    let (begin, begun) = channel();
    submit(
        pool,
        job(move || {
            begin.send(()).unwrap();
            let _ = released.recv();
        }),
    );
    begun.recv().unwrap();
    release
}

#[test]
fn one_thread_runs_jobs_in_order() {
    let pool = Pool::new(config(1));
    let release = occupy(&pool);
    let (send, got) = channel();
    for number in 0..100 {
        let send = send.clone();
        submit(&pool, job(move || send.send(number).unwrap()));
    }
    assert_eq!((pool.queue_depth(), pool.num_threads(), pool.num_idle_threads()), (100, 1, 0));
    drop((release, send));
    assert_eq!(got.iter().collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
    assert!(pool.shutdown(None));
    assert_eq!((pool.queue_depth(), pool.num_threads(), pool.num_idle_threads()), (0, 0, 0));
}

#[test]
fn as_many_jobs_as_threads_run_at_once_and_no_more() {
    let pool = Pool::new(config(4));
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let together = Arc::new(Barrier::new(4));
    // Each group of four leaves only together, so fewer threads than the limit would hang.
    for _ in 0..64 {
        let (now, most, together) = (now.clone(), most.clone(), together.clone());
        submit(
            &pool,
            job(move || {
                most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
                together.wait();
                now.fetch_sub(1, SeqCst);
                together.wait();
            }),
        );
    }
    let (send, got) = channel();
    submit(&pool, job(move || send.send(()).unwrap()));
    got.recv().unwrap();
    assert!(pool.shutdown(None));
    assert_eq!(most.load(SeqCst), 4);
}

#[test]
fn a_thread_that_is_free_is_used_again() {
    let (starts, started) = channel();
    let pool = Pool::new(PoolConfig {
        on_start: Some(Arc::new(move || starts.send(()).unwrap())),
        spin: Duration::ZERO,
        ..config(8)
    });
    for _ in 0..50 {
        let (send, got) = channel();
        submit(&pool, job(move || send.send(thread::current().id()).unwrap()));
        got.recv().unwrap();
        while pool.num_idle_threads() == 0 {
            thread::yield_now();
        }
    }
    assert_eq!(pool.num_threads(), 1);
    drop(pool);
    assert_eq!(started.iter().count(), 1);
}

#[test]
fn idle_threads_end_after_the_keep_alive() {
    let (stops, stopped) = channel();
    let pool = Pool::new(PoolConfig {
        keep_alive: Duration::from_millis(1),
        on_stop: Some(Arc::new(move || stops.send(thread::current().id()).unwrap())),
        ..config(8)
    });
    let (first, second) = (occupy(&pool), occupy(&pool));
    drop((first, second));
    let ended: HashSet<_> = [stopped.recv().unwrap(), stopped.recv().unwrap()].into();
    assert_eq!((ended.len(), pool.num_threads()), (2, 0));
    // And the pool starts another when there is work again.
    drop(occupy(&pool));
    assert!(!ended.contains(&stopped.recv().unwrap()));
    assert!(pool.shutdown(None));
}

#[test]
fn hooks_names_and_stack_size_reach_every_thread() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let note = |what: &'static str| {
        let events = events.clone();
        Arc::new(move || events.lock().unwrap().push(what))
    };
    let (enter, leave, count) = (note("enter"), note("leave"), AtomicUsize::new(0));
    let pool = Pool::new(PoolConfig {
        thread_name: Arc::new(move || format!("worker-{}", count.fetch_add(1, SeqCst))),
        stack_size: Some(8 << 20),
        on_start: Some(note("start")),
        on_stop: Some(note("stop")),
        enter: Arc::new(move |live| {
            enter();
            live();
            leave();
        }),
        ..config(1)
    });
    let (send, got) = channel();
    submit(
        &pool,
        job(move || {
            let big = [1_u8; 4 << 20];
            assert_eq!(std::hint::black_box(&big).len(), 4 << 20);
            send.send(thread::current().name().map(str::to_owned)).unwrap();
        }),
    );
    assert_eq!(got.recv().unwrap().as_deref(), Some("worker-0"));
    assert!(pool.shutdown(None));
    assert_eq!(*events.lock().unwrap(), ["enter", "start", "stop", "leave"]);
}

#[test]
fn a_panic_in_a_job_or_a_hook_leaves_the_thread_serving() {
    /// Quietly: the hook would print each.
    fn panics_with(brought: &Arc<()>) -> impl Fn() + Clone + Send + Sync + use<> {
        let brought = Arc::clone(brought);
        move || resume_unwind(Box::new(Arc::clone(&brought)))
    }
    let brought = Arc::new(());
    let panics = panics_with(&brought);
    let pool = Pool::new(PoolConfig { on_start: Some(Arc::new(panics.clone())), ..config(1) });
    let (send, got) = channel();
    submit(
        &pool,
        job({
            let send = send.clone();
            move || {
                send.send(thread::current().id()).unwrap();
                panics();
            }
        }),
    );
    submit(&pool, job(move || send.send(thread::current().id()).unwrap()));
    assert_eq!(got.recv().unwrap(), got.recv().unwrap());
    assert!(pool.shutdown(None));
    drop(pool);
    assert_eq!(Arc::strong_count(&brought), 1, "what the panics brought along is leaked");
}

#[test]
fn a_thread_that_cannot_start_hands_the_job_back() {
    let starts = AtomicUsize::new(0);
    let pool = Pool::new(PoolConfig {
        thread_name: Arc::new(move || match starts.fetch_add(1, SeqCst) {
            1 => "first".into(),
            _ => "not\0possible".into(),
        }),
        ..config(8)
    });
    let error = pool.submit(job(|| ())).map_err(|(_, error)| error).unwrap_err();
    let SubmitError::NoThread(error) = error else { panic!("{error:?}") };
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert_eq!((pool.num_threads(), pool.queue_depth()), (0, 0));

    // With one thread alive the refusal only means that the job waits for it.
    let release = occupy(&pool);
    let (send, got) = channel();
    submit(&pool, job(move || send.send(()).unwrap()));
    assert_eq!((pool.num_threads(), pool.queue_depth()), (1, 1));
    drop(release);
    got.recv().unwrap();
    assert!(pool.shutdown(None));
}

/// A pool with one busy thread, two jobs queued behind it, the second mandatory, and what becomes of them.
fn busy_pool() -> (Pool<Closures>, Sender<()>, Receiver<&'static str>) {
    let pool = Pool::new(config(1));
    let release = occupy(&pool);
    let (send, got) = channel();
    for (mandatory, run, cancel) in [(false, "run", "cancel"), (true, "run mandatory", "cancel mandatory")] {
        let (runs, cancels) = (send.clone(), send.clone());
        submit(
            &pool,
            Closures {
                run: Box::new(move || runs.send(run).unwrap()),
                cancel: Box::new(move || cancels.send(cancel).unwrap()),
                mandatory,
            },
        );
    }
    (pool, release, got)
}

#[test]
fn shutdown_cancels_what_is_queued_and_waits_for_the_rest() {
    let (pool, release, got) = busy_pool();
    assert!(!pool.shutdown(Some(Duration::ZERO)), "a job still runs");
    assert_eq!(got.try_iter().collect::<Vec<_>>(), ["cancel"]);
    assert!(!pool.shutdown(Some(Duration::from_millis(1))));
    drop(release);
    assert!(pool.shutdown(None));
    assert_eq!(got.iter().collect::<Vec<_>>(), ["run mandatory"]);
}

#[test]
fn dropping_the_pool_shuts_it_down_in_the_background() {
    let (pool, release, got) = busy_pool();
    drop(pool);
    assert_eq!(got.recv().unwrap(), "cancel");
    drop(release);
    assert_eq!(got.iter().collect::<Vec<_>>(), ["run mandatory"]);
}

#[test]
fn shutdown_ends_sleeping_threads() {
    for spin in [Duration::ZERO, Duration::from_micros(50)] {
        let pool = Pool::new(PoolConfig { spin, ..config(8) });
        drop((occupy(&pool), occupy(&pool), occupy(&pool)));
        assert!(pool.shutdown(None));
        assert_eq!(pool.num_threads(), 0);
    }
}

#[test]
fn after_shutdown_a_job_comes_back() {
    let pool = Pool::new(config(1));
    assert!(pool.shutdown(Some(Duration::ZERO)), "there was no thread");
    let (send, got) = channel();
    let (back, error) = pool.submit(job(move || send.send("mine").unwrap())).unwrap_err();
    assert!(matches!(error, SubmitError::ShutDown));
    back.run();
    assert_eq!(got.recv().unwrap(), "mine");
    assert!(pool.shutdown(None), "a second time");
}

#[test]
fn shutdown_from_inside_waits_for_the_others_only() {
    let pool = Arc::new(Pool::new(config(4)));
    let (send, got) = channel();
    // Two at once: neither may wait for the other.
    let both = Arc::new(Barrier::new(2));
    let finished = Arc::new(AtomicUsize::new(0));
    let release = occupy(&pool);
    for _ in 0..2 {
        let (inner, send, both) = (pool.clone(), send.clone(), both.clone());
        let finished = finished.clone();
        submit(
            &pool,
            job(move || {
                both.wait();
                let ended = inner.shutdown(None);
                finished.fetch_add(1, SeqCst);
                send.send(ended).unwrap();
            }),
        );
    }
    assert_eq!(finished.load(SeqCst), 0, "the third job still runs");
    drop(release);
    assert_eq!((got.recv().unwrap(), got.recv().unwrap()), (true, true));
}

#[test]
fn a_pool_may_be_dropped_by_its_own_job() {
    let pool = Arc::new(Pool::new(config(1)));
    let (go, gone) = channel::<()>();
    let (send, got) = channel();
    let inner = pool.clone();
    submit(
        &pool,
        job(move || {
            gone.recv().unwrap();
            drop(inner);
            send.send(()).unwrap();
        }),
    );
    drop(pool);
    go.send(()).unwrap();
    got.recv().unwrap();
}

#[test]
fn each_of_many_jobs_meets_one_end() {
    const SUBMITTERS: usize = 4;
    const JOBS: usize = 5_000;
    // Threads that end and start all the time, threads that look about, threads that only sleep.
    for (keep_alive, spin) in [(0, 0), (1, 0), (1, 50), (1_000_000, 0), (1_000_000, 50)] {
        let pool = Arc::new(Pool::new(PoolConfig {
            keep_alive: Duration::from_micros(keep_alive),
            spin: Duration::from_micros(spin),
            ..config(6)
        }));
        let ends: Arc<Vec<AtomicUsize>> =
            Arc::new((0..SUBMITTERS * JOBS).map(|_| AtomicUsize::new(0)).collect());
        let submitters: Vec<_> = (0..SUBMITTERS)
            .map(|submitter| {
                let (pool, ends) = (pool.clone(), ends.clone());
                thread::spawn(move || {
                    let mut back = 0;
                    for number in submitter * JOBS..(submitter + 1) * JOBS {
                        let (runs, cancels) = (ends.clone(), ends.clone());
                        let counted = Closures {
                            run: Box::new(move || _ = runs[number].fetch_add(1, SeqCst)),
                            cancel: Box::new(move || _ = cancels[number].fetch_add(1, SeqCst)),
                            mandatory: number % 3 == 0,
                        };
                        if let Err((_, SubmitError::ShutDown)) = pool.submit(counted) {
                            ends[number].fetch_add(1, SeqCst);
                            back += 1;
                        }
                        // Let the pool run dry now and then, and close it near the end.
                        if number % 64 == 0 {
                            let (send, got) = channel();
                            if pool.submit(job(move || send.send(()).unwrap())).is_ok() {
                                let _ = got.recv();
                            }
                        }
                        if number == JOBS - JOBS / 8 {
                            pool.shutdown(Some(Duration::ZERO));
                        }
                    }
                    back
                })
            })
            .collect();
        let back: usize = submitters.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert!(back > 0, "the pool was closed before the end");
        assert!(pool.shutdown(None));
        let wrong = ends.iter().filter(|ends| ends.load(SeqCst) != 1).count();
        assert_eq!(wrong, 0, "keep-alive {keep_alive} µs, spin {spin} µs");
    }
}
