//! Models of the queue's protocol. Threads are loom's and do what `pool` does, without hooks and without a roll.

use std::collections::VecDeque;
use std::sync::LazyLock;
use std::time::Duration;

use loom::sync::{Arc, Condvar, Mutex};
use loom::thread::{self, JoinHandle};

use super::queue::{Idler, Limits, Queue};
use super::{Job, SubmitError};

/// crossbeam's queue as far as this protocol can tell, with a switch point at each access, so that the moment between
/// counting a job and pushing it is explored. It orders more than crossbeam's does, but every decision is made
/// by the word, and the word leans on no order of the queue's.
pub(super) struct SegQueue<J>(Mutex<VecDeque<J>>);

impl<J> SegQueue<J> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(VecDeque::new()))
    }

    pub(super) fn push(&self, job: J) {
        self.0.lock().unwrap().push_back(job);
    }

    pub(super) fn pop(&self) -> Option<J> {
        self.0.lock().unwrap().pop_front()
    }
}

const FOR_EVER: Duration = Duration::MAX;

/// What became of the jobs, by number.
#[derive(Default)]
struct Log {
    run: [u32; 3],
    cancelled: [u32; 3],
    back: [u32; 3],
}

struct World {
    queue: Queue<Numbered>,
    log: Mutex<Log>,
    ran: Condvar,
    /// Not loom's lock, and never held across a switch: it is no part of the protocol.
    threads: std::sync::Mutex<Threads>,
}

#[derive(Default)]
struct Threads {
    handles: Vec<JoinHandle<()>>,
    /// How many more threads the system will give.
    left: usize,
    /// Whether the next thread to start has a hook that waits for a job to run, unless it brings one along.
    hook_waits: bool,
}

struct Numbered {
    number: usize,
    mandatory: bool,
    /// Run only ends when this many jobs have begun.
    meets: u32,
    world: Arc<World>,
}

impl Job for Numbered {
    fn run(self) {
        let mut log = self.world.log.lock().unwrap();
        log.run[self.number] += 1;
        self.world.ran.notify_all();
        while log.run.iter().sum::<u32>() < self.meets {
            log = self.world.ran.wait(log).unwrap();
        }
    }

    fn cancel(self) {
        assert!(!self.mandatory);
        self.world.log.lock().unwrap().cancelled[self.number] += 1;
    }

    fn mandatory(&self) -> bool {
        self.mandatory
    }
}

impl World {
    fn new(max_threads: usize, keep_alive: Duration, system_threads: usize) -> Arc<Self> {
        Self::with(max_threads, keep_alive, system_threads, Duration::ZERO, 2)
    }

    fn with(
        max_threads: usize,
        keep_alive: Duration,
        system_threads: usize,
        spin: Duration,
        searchers: u64,
    ) -> Arc<Self> {
        let limits = Limits { max_threads, keep_alive, spin, cpus: LazyLock::new(|| 2), searchers };
        let threads = Threads { left: system_threads, ..Threads::default() };
        Arc::new(Self {
            queue: Queue::new(limits),
            log: Mutex::new(Log::default()),
            ran: Condvar::new(),
            threads: std::sync::Mutex::new(threads),
        })
    }

    fn start(this: &Arc<Self>) -> std::io::Result<()> {
        {
            let left = &mut this.threads.lock().unwrap().left;
            *left = left.checked_sub(1).ok_or(std::io::ErrorKind::WouldBlock)?;
        }
        let world = this.clone();
        let hook_waits = std::mem::take(&mut this.threads.lock().unwrap().hook_waits);
        let handle = thread::spawn(move || {
            let mut idler = Idler::default();
            let start = || World::start(&world);
            let mut job = world.queue.arrive(&start);
            if hook_waits && job.is_none() {
                world.wait_for(1);
            }
            while let Some(job) = job.take().or_else(|| world.queue.next(&mut idler, &start)) {
                job.run();
            }
        });
        this.threads.lock().unwrap().handles.push(handle);
        Ok(())
    }

    fn submit(this: &Arc<Self>, number: usize, mandatory: bool, meets: u32) -> Result<(), SubmitError> {
        let job = Numbered { number, mandatory, meets, world: this.clone() };
        this.queue.submit(job, &|| World::start(this)).map_err(|(job, error)| {
            assert_eq!(job.number, number, "the caller's own job comes back");
            this.log.lock().unwrap().back[number] += 1;
            error
        })
    }

    fn pop_handle(&self) -> Option<JoinHandle<()>> {
        self.threads.lock().unwrap().handles.pop()
    }

    fn wait_for(&self, jobs: u32) {
        let mut log = self.log.lock().unwrap();
        while log.run.iter().sum::<u32>() < jobs {
            log = self.ran.wait(log).unwrap();
        }
    }

    /// Closes, waits for the threads, and checks that each of the jobs met exactly one end.
    fn finish(this: &Arc<Self>, jobs: usize) -> Log {
        this.queue.close(&|| World::start(this)).into_iter().for_each(Job::cancel);
        // Threads may start while others end.
        while let Some(handle) = this.pop_handle() {
            handle.join().unwrap();
        }
        let log = std::mem::take(&mut *this.log.lock().unwrap());
        for job in 0..jobs {
            assert_eq!(log.run[job] + log.cancelled[job] + log.back[job], 1, "job {job}");
        }
        assert_eq!((this.queue.depth(), this.queue.num_threads(), this.queue.num_idle_threads()), (0, 0, 0));
        log
    }
}

/// Explores all schedules with at most so many preemptions; a blocked thread's switches do not count.
fn model(preemptions: usize, f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(f);
}

/// A job that comes while the only thread is falling asleep. If the wake were lost, `wait_for` would never return.
/// With the shortest window, the thread announces that it looks about and finds the window over at once.
#[test]
fn loom_submit_meets_falling_asleep() {
    for spin in [Duration::ZERO, Duration::from_nanos(1)] {
        model(2, move || {
            let world = World::with(1, FOR_EVER, 1, spin, 2);
            World::submit(&world, 0, false, 0).unwrap();
            World::submit(&world, 1, false, 0).unwrap();
            world.wait_for(2);
            World::submit(&world, 2, false, 0).unwrap();
            world.wait_for(3);
            World::finish(&world, 3);
        });
    }
}

/// Two submitters, one thread: one wake must do for both jobs.
#[test]
fn loom_two_submitters_meet_falling_asleep() {
    model(2, || {
        let world = World::new(1, FOR_EVER, 1);
        World::submit(&world, 0, false, 0).unwrap();
        let other = thread::spawn({
            let world = world.clone();
            move || World::submit(&world, 1, false, 0).unwrap()
        });
        World::submit(&world, 2, false, 0).unwrap();
        world.wait_for(3);
        other.join().unwrap();
        World::finish(&world, 3);
    });
}

/// The keep-alive is over at once, at any moment after lying down. The job is run by the thread that was about to
/// end, or by a new one.
#[test]
fn loom_submit_meets_keep_alive() {
    model(2, || {
        let world = World::new(1, Duration::ZERO, 3);
        World::submit(&world, 0, false, 0).unwrap();
        World::submit(&world, 1, false, 0).unwrap();
        world.wait_for(2);
        World::finish(&world, 2);
    });
}

/// Jobs that block until both have begun get a thread each: the first to claim sends the next.
#[test]
fn loom_jobs_that_wait_for_each_other_run_together() {
    model(1, || {
        let world = World::new(2, FOR_EVER, 2);
        World::submit(&world, 0, false, 2).unwrap();
        World::submit(&world, 1, false, 2).unwrap();
        world.wait_for(2);
        World::finish(&world, 2);
    });
}

/// The same with a thread that may be asleep, half asleep or busy when the jobs come.
#[test]
fn loom_a_sleeper_and_a_new_thread_run_together() {
    model(1, || {
        let world = World::new(2, FOR_EVER, 2);
        World::submit(&world, 0, false, 0).unwrap();
        World::submit(&world, 1, false, 3).unwrap();
        World::submit(&world, 2, false, 3).unwrap();
        world.wait_for(3);
        World::finish(&world, 3);
    });
}

/// A job that comes while the pool closes is run, cancelled or handed back; a mandatory one that was accepted is run.
#[test]
fn loom_submit_meets_close() {
    for mandatory in [false, true] {
        model(2, move || {
            let world = World::new(1, FOR_EVER, 1);
            World::submit(&world, 0, mandatory, 0).unwrap();
            let other = thread::spawn({
                let world = world.clone();
                move || World::submit(&world, 1, mandatory, 0)
            });
            world.queue.close(&|| World::start(&world)).into_iter().for_each(Job::cancel);
            let accepted = other.join().unwrap().is_ok();
            let log = World::finish(&world, 2);
            assert_eq!(log.back, [0, u32::from(!accepted), 0]);
            assert!(log.run.iter().sum::<u32>() >= 1, "a thread was started");
            if mandatory {
                assert_eq!(log.run, [1, u32::from(accepted), 0]);
            }
        });
    }
}

/// Jobs that wait for each other and met a free thread each: they run together although the pool closed before the second
/// thread came. If one searches at a time, the first may come while closing has taken the jobs and not yet put them back, and give up.
#[test]
fn loom_jobs_that_met_free_threads_run_after_close() {
    for searchers in [1, 2] {
        model(3, move || {
            let world = World::with(2, FOR_EVER, 2, Duration::ZERO, searchers);
            World::submit(&world, 0, false, 2).unwrap();
            World::submit(&world, 1, false, 2).unwrap();
            assert_eq!(World::finish(&world, 2).run, [1, 1, 0]);
        });
    }
}

/// Closing while a thread's keep-alive runs out.
#[test]
fn loom_close_meets_keep_alive() {
    model(2, || {
        let world = World::new(1, Duration::ZERO, 2);
        World::submit(&world, 0, true, 0).unwrap();
        let other = thread::spawn({
            let world = world.clone();
            move || World::submit(&world, 1, true, 0)
        });
        world.queue.close(&|| World::start(&world)).into_iter().for_each(Job::cancel);
        let accepted = other.join().unwrap().is_ok();
        assert_eq!(World::finish(&world, 2).run, [1, u32::from(accepted), 0]);
    });
}

/// The system gives one thread where two are allowed: jobs stay queued for the one there is.
#[test]
fn loom_refused_thread_leaves_the_job_to_the_others() {
    model(1, || {
        let world = World::new(2, FOR_EVER, 1);
        World::submit(&world, 0, false, 0).unwrap();
        let other = thread::spawn({
            let world = world.clone();
            move || World::submit(&world, 1, false, 0).unwrap()
        });
        World::submit(&world, 2, false, 0).unwrap();
        world.wait_for(3);
        other.join().unwrap();
        World::finish(&world, 3);
    });
}

/// The only thread falls asleep between the refusal and the counting of the job: it must be called.
#[test]
fn loom_refusal_meets_falling_asleep() {
    model(2, || {
        let world = World::new(2, FOR_EVER, 1);
        World::submit(&world, 0, false, 0).unwrap();
        World::submit(&world, 1, false, 0).unwrap();
        world.wait_for(2);
        World::finish(&world, 2);
    });
}

/// A thread that finds the job it was started for taken, or not yet counted, and whose hook then blocks, holds up
/// nobody.
#[test]
fn loom_blocked_hook_does_not_hold_up_the_job() {
    model(2, || {
        let world = World::new(1, FOR_EVER, 1);
        world.threads.lock().unwrap().hook_waits = true;
        World::submit(&world, 0, false, 0).unwrap();
        world.wait_for(1);
        World::finish(&world, 1);
    });
}

/// The system gives no thread: both submitters get their own job back, and neither relies on the other's start.
#[test]
fn loom_no_thread_at_all_hands_every_job_back() {
    model(2, || {
        let world = World::new(2, FOR_EVER, 0);
        let other = thread::spawn({
            let world = world.clone();
            move || assert!(matches!(World::submit(&world, 0, false, 0), Err(SubmitError::NoThread(_))))
        });
        assert!(matches!(World::submit(&world, 1, false, 0), Err(SubmitError::NoThread(_))));
        other.join().unwrap();
        assert_eq!(World::finish(&world, 2).back, [1, 1, 0]);
    });
}
