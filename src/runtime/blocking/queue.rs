//! Which thread takes which job, who is woken, who may end.
//!
//! Here: the word that decides, the queue of jobs, the stack of sleepers.
//! Not here: starting and joining threads, hooks (`pool`); starting comes in as a closure.
//! Threads: `submit` and `close` from any; the rest from the pool's threads.
//!
//! # The word
//!
//! ```text
//!  63            34 33         19 18          4 3           1     0
//! |    pending     |    idle     |   threads   |  searching  | closed |
//! ```
//!
//! - `pending`: jobs accepted and not claimed. A submitter counts its job first and pushes it next; a thread claims
//!   by counting down and pops next, so a pop may have to wait for the push of a job that is already counted, as
//!   it waits inside the queue for a push that is half done. 2^30 jobs do not fit in memory.
//! - `idle`: threads on the stack of sleepers. Changes only with the stack, under its lock.
//! - `threads`: threads that serve. Grows and shrinks only under the lock; a thread is counted when it has really
//!   started, and no longer counted as soon as it has decided to end.
//! - `searching`: threads without a job that are on the way to look for one: those that start, that were called from the
//!   stack, and the one that looks about before it sleeps. A few may search at once. Whoever counts another
//!   (*summons* it) wakes or starts that thread; a searcher is counted down in the step that claims a job or that puts
//!   it to sleep.
//! - `closed`: nothing is accepted any more.
//!
//! Every decision is one read-modify-write of the word, so none acts on an old value, and nothing is published
//! through it: jobs are published by the queue, the stack by its lock. Hence every access is `Relaxed`, and no fence
//! is needed between "count the job" and "does somebody sleep?": they are the same step.
//!
//! # No wake is lost
//!
//! 1. *A job is counted only while a thread serves*, in a step that also sees as many search as may, or one for each job, or
//!    nobody idle and no thread to be had. Otherwise the submitter summons first. If none serves it takes the lock and starts one, and
//!    if that fails it still holds its job.
//! 2. *A thread lies down only in a step that sees `pending` at zero.* So a thread that runs comes back for what is
//!    pending, and a job counted after that step finds the thread idle. A sleeper whose keep-alive is over need not
//!    look: if a job is pending while it lies there, another thread searches.
//! 3. *A searcher that claims while jobs remain for which nobody searches summons the next one before it runs its own*, since
//!    its job may block for ever. So `pending > 0` implies: somebody searches, or all threads that can be had are running.
//!    A burst wakes a few threads at a time, and a thread that is awake drains short jobs meanwhile. A starting
//!    thread claims before any hook runs, so that a hook that blocks holds up nobody.
//! 4. *A sleeper was called if it is no longer on the stack*; both sides hold the lock to tell. A thread that times out
//!    takes itself off under the lock and cannot be called any more; one that finds itself taken off is the
//!    searcher, however its wait ended. While the lock is held to start a thread nobody can fall asleep, so if the
//!    start fails the searcher can be counted down: whoever serves is running and comes back.
//! 5. *Closing* sets the bit, takes all pending jobs and rings for all sleepers under the lock. Threads end under the lock
//!    as well, so the jobs it puts back are counted while the threads that will run them are; a searcher that saw none in
//!    between may have given up, so closing summons for them as a submitter does. A sleeper that wakes to a closed pool
//!    takes itself off the stack and looks, and is no searcher. A submit that counted before has its job swept; one that comes
//!    after sees the bit in its step and still holds its job.
//!
//! # Which jobs closing cancels
//!
//! Those that no thread was free for. A job that meets an idle thread, or the right to start one, counts as started from the moment
//! that it was submitted: that threads come a few at a time (3) must not decide whether it runs. These jobs and the mandatory ones are put
//! back in their order, and threads are summoned for them as before: they may wait for each other. It is their number that is
//! kept: where some are cancelled, a thread in the middle of a claim may pop a later job and leave its own to the sweep.
//!
//! # Looking about
//!
//! A thread that has run a job looks for the next one before it sleeps, if the one before came soon, too. It counts as the searcher
//! meanwhile, so whoever submits wakes nobody, and the job waits until the looker has the CPU. Hence it does what keeps it on
//! the CPU: it gives way to nobody, as who yields to a process that computes gets the CPU back milliseconds later, and it does not look at
//! all where it would keep the submitter from running, which is on the same CPU ([`Submitter`]). Then it sleeps at once, and the kernel
//! switches the two. A look in whose middle it lost its CPU all the same has nobody look there for a while ([`CAUTION`]).

use std::io;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

#[cfg(not(all(test, loom)))]
use crossbeam_queue::SegQueue;

use corelane_shards::loom::atomic::{AtomicU64, Ordering::Relaxed};
use corelane_shards::loom::{Arc, Condvar, Mutex, MutexGuard, hint};
use corelane_shards::park::caution::CAUTION;
use corelane_shards::timer::Clock;
use corelane_shards::util::lock::Wait;

#[cfg(all(test, loom))]
use super::loom_tests::SegQueue;
use super::submitter::Submitter;
use super::{Job, SubmitError};

const CLOSED: u64 = 1;
const SEARCHER: u64 = 1 << 1;
const THREAD: u64 = 1 << 4;
const IDLE: u64 = 1 << 19;
const PENDING: u64 = 1 << 34;
const COUNT_MAX: u64 = 0x7fff;
const _: () = assert!(THREAD * (COUNT_MAX + 1) == IDLE && IDLE * (COUNT_MAX + 1) == PENDING);

/// How many a pool summons before the first of them claims: where CPUs are busy each takes a while to come, and where they are
/// not, one that is awake would do for many short jobs.
pub(super) const SEARCHERS: u64 = 3;
const _: () = assert!(SEARCHER * (SEARCHERS + 1) <= THREAD);

/// One value of the word.
#[derive(Clone, Copy)]
struct Word(u64);

impl Word {
    fn closed(self) -> bool {
        self.0 & CLOSED != 0
    }

    fn searching(self) -> u64 {
        (self.0 / SEARCHER) % (THREAD / SEARCHER)
    }

    fn threads(self) -> u64 {
        (self.0 / THREAD) & COUNT_MAX
    }

    fn idle(self) -> u64 {
        (self.0 / IDLE) & COUNT_MAX
    }

    fn pending(self) -> u64 {
        self.0 / PENDING
    }

    /// Whether the pending jobs and so many more need somebody to be woken or started, and there is somebody.
    fn wants_searcher(self, jobs: u64, searchers: u64, max_threads: u64) -> bool {
        self.searching() < searchers.min(self.pending() + jobs)
            && (self.idle() > 0 || self.threads() < max_threads)
    }

    /// How many pending jobs would run by now if threads came at once.
    fn reach(self, max_threads: u64) -> u64 {
        self.searching() + self.idle() + max_threads.saturating_sub(self.threads())
    }
}

/// What a thread has to itself.
pub(super) struct Idler {
    /// What it waits for on the stack. Its address is its name there.
    bell: Arc<Condvar>,
    /// The last job came soon after the one before, so the next may.
    soon: bool,
    clock: Clock,
}

impl Default for Idler {
    fn default() -> Self {
        Self { bell: Arc::new(Condvar::new()), soon: true, clock: Clock::new() }
    }
}

impl Idler {
    /// Whether to look, from that time on.
    fn may_look(&self, begin: Instant) -> bool {
        self.soon && CAUTION.allows(self.clock.from_instant(begin))
    }

    /// It looked from that time on for so long, and wanted to for `most` at most.
    fn looked(&self, begin: Instant, took: Duration, most: Duration, found: bool) {
        // Models must take the same way again however long it took.
        if !cfg!(loom) {
            let [took_ns, most_ns] = [took, most].map(|duration| duration.as_nanos() as u64);
            CAUTION.looked(self.clock.from_instant(begin).saturating_add(took_ns), took_ns, most_ns, found);
        }
    }
}

/// How a thread starts. On success some thread will call [`Queue::arrive`] and then [`Queue::next`] until `None`.
pub(super) type Start<'a> = &'a dyn Fn() -> io::Result<()>;

/// The limits a queue keeps to.
pub(super) struct Limits {
    pub(super) max_threads: usize,
    pub(super) keep_alive: Duration,
    pub(super) spin: Duration,
    /// CPUs there are; looking about is for a thread that finds one free. Asked for by the first thread that may look: to read the
    /// quota takes files, and most runtimes that live for a moment have no such thread.
    pub(super) cpus: LazyLock<usize>,
    /// How many may search at once: at most [`SEARCHERS`].
    pub(super) searchers: u64,
}

/// The jobs and the threads that wait for them.
pub(super) struct Queue<J> {
    word: AtomicU64,
    jobs: SegQueue<J>,
    /// Last in, first out, so that threads nobody needs reach their keep-alive.
    sleepers: Mutex<Vec<Arc<Condvar>>>,
    limits: Limits,
    /// Where jobs come from.
    submitter: Submitter,
}

/// How a try to sleep ended.
enum Rest {
    /// The thread was called and is the searcher now.
    Called,
    /// There are jobs; nothing else changed.
    Disturbed,
    /// There will be no more jobs, and the thread searches no longer.
    Closed,
    /// The thread no longer serves.
    Leave,
}

impl<J: Job> Queue<J> {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            word: AtomicU64::new(0),
            jobs: SegQueue::new(),
            sleepers: Mutex::new(Vec::new()),
            limits: Limits { max_threads: limits.max_threads.clamp(1, COUNT_MAX as usize), ..limits },
            submitter: Submitter::default(),
        }
    }

    /// Queues a job and sees to it that a thread comes for it, or hands it back.
    pub(super) fn submit(&self, job: J, start: Start<'_>) -> Result<(), (J, SubmitError)> {
        self.submitter.is_here();
        let mut max_threads = self.limits.max_threads as u64;
        let mut word = self.load();
        loop {
            if word.closed() {
                return Err((job, SubmitError::ShutDown));
            }
            if word.threads() == 0 || word.wants_searcher(1, self.limits.searchers, max_threads) {
                match self.summon(1, start) {
                    Ok(true) => break,
                    Ok(false) => {}
                    Err(error) if self.load().threads() == 0 => {
                        return Err((job, SubmitError::NoThread(error)));
                    }
                    // The threads there are will come for it; but one that is idle by now must be called.
                    Err(_) => max_threads = 0,
                }
                word = self.load();
                continue;
            }
            match self.word.compare_exchange_weak(word.0, word.0 + PENDING, Relaxed, Relaxed) {
                Ok(_) => break,
                Err(actual) => word = Word(actual),
            }
        }
        self.jobs.push(job);
        Ok(())
    }

    /// Stops accepting, wakes every sleeper, and returns the jobs to cancel. Mandatory ones stay for the threads, and so do those
    /// that there was a thread for.
    pub(super) fn close(&self, start: Start<'_>) -> Vec<J> {
        let sleepers = self.lock();
        let last = self.update(|word| Some((word.0 % PENDING) | CLOSED)).expect("unconditional");
        let reach = if last.threads() == 0 { 0 } else { last.reach(self.limits.max_threads as u64) };
        let (mut kept, mut cancelled) = (Vec::new(), Vec::new());
        for place in 0..last.pending() {
            let job = self.pop();
            if place < reach || job.mandatory() { kept.push(job) } else { cancelled.push(job) }
        }
        self.word.fetch_add(kept.len() as u64 * PENDING, Relaxed);
        kept.into_iter().for_each(|job| self.jobs.push(job));
        sleepers.iter().for_each(|bell| bell.notify_one());
        drop(sleepers);
        // If the system refuses a thread, those there are come for them.
        while let Ok(true) = self.summon(0, start) {}
        cancelled
    }

    /// A started thread's first step, before it runs anything of the user's: its first job, if one is there.
    pub(super) fn arrive(&self, start: Start<'_>) -> Option<J> {
        // Whoever started the thread counts it, and its job, before letting go of the lock.
        drop(self.lock());
        loop {
            if let Some(job) = self.claim(true, start) {
                return Some(job);
            }
            if self.update(|word| (word.pending() == 0).then_some(word.0 - SEARCHER)).is_some() {
                return None;
            }
        }
    }

    /// Waits for the next job; `None` tells the thread to end.
    pub(super) fn next(&self, idler: &mut Idler, start: Start<'_>) -> Option<J> {
        if let Some(job) = self.claim(false, start) {
            return Some(job);
        }
        let begin = Instant::now();
        let mut searching = false;
        loop {
            let looked = idler.may_look(begin) && self.look_about(begin, &mut searching, idler);
            if !looked {
                match self.sleep(&idler.bell, searching) {
                    Rest::Called => searching = true,
                    Rest::Disturbed => {}
                    Rest::Closed => searching = false,
                    Rest::Leave => return None,
                }
            }
            if let Some(job) = self.claim(searching, start) {
                let (took, spin) = (begin.elapsed(), self.limits.spin);
                if looked {
                    idler.looked(begin, took, spin, true);
                }
                // Twice the look: what takes longer only because threads are woken on the way there and back would not if they looked.
                // Models must take the same way again however long it took.
                idler.soon = cfg!(loom) || took < spin * 2;
                return Some(job);
            }
        }
    }

    pub(super) fn num_threads(&self) -> usize {
        self.load().threads() as usize
    }

    pub(super) fn num_idle_threads(&self) -> usize {
        self.load().idle() as usize
    }

    pub(super) fn depth(&self) -> usize {
        self.load().pending() as usize
    }

    /// Claims a job. A searcher that succeeds is none any more, and sends the next one if jobs remain.
    fn claim(&self, searching: bool, start: Start<'_>) -> Option<J> {
        let mine = PENDING + if searching { SEARCHER } else { 0 };
        let last = self.update(|word| (word.pending() > 0).then(|| word.0 - mine))?;
        let Limits { max_threads, searchers, .. } = self.limits;
        if searching && Word(last.0 - mine).wants_searcher(0, searchers, max_threads as u64) {
            // If the system refuses a thread, those there are come for the rest.
            let _ = self.summon(0, start);
        }
        Some(self.pop())
    }

    /// Counts a searcher and wakes or starts it, unless none is wanted any more. So many `jobs` are counted along with it; whether
    /// they were is the answer.
    fn summon(&self, jobs: u64, start: Start<'_>) -> io::Result<bool> {
        let mut sleepers = self.lock();
        let Limits { max_threads, searchers, .. } = self.limits;
        let wanted = self.update(|word| {
            let wake = if word.idle() > 0 { (jobs * PENDING).wrapping_sub(IDLE) } else { 0 };
            let wanted =
                word.wants_searcher(jobs, searchers, max_threads as u64) && !(word.closed() && jobs > 0);
            wanted.then_some((word.0 + SEARCHER).wrapping_add(wake))
        });
        match wanted {
            None => Ok(false),
            Some(word) if word.idle() > 0 => {
                let bell = sleepers.pop().expect("idle counts the stack");
                drop(sleepers);
                bell.notify_one();
                Ok(true)
            }
            Some(_) => {
                if let Err(error) = start() {
                    self.word.fetch_sub(SEARCHER, Relaxed);
                    return Err(error);
                }
                self.word.fetch_add(THREAD + jobs * PENDING, Relaxed);
                Ok(true)
            }
        }
    }

    /// Looks for a job until so long after `begin`, if nobody else does and a CPU is free for it: whether there may be one.
    fn look_about(&self, begin: Instant, searching: &mut bool, idler: &Idler) -> bool {
        let Limits { spin, ref cpus, .. } = self.limits;
        if spin.is_zero() || !self.submitter.is_elsewhere() {
            return false;
        }
        // The thread that submits wants a CPU too.
        let cpus = **cpus as u64;
        let free = |word: Word| word.threads() - word.idle() < cpus;
        let quiet = |word: Word| !word.closed() && word.pending() == 0 && free(word);
        if *searching {
            if !quiet(self.load()) {
                return false;
            }
        } else if self
            .update(|word| (quiet(word) && word.searching() == 0).then_some(word.0 + SEARCHER))
            .is_none()
        {
            return false;
        }
        *searching = true;
        let mut took = begin.elapsed();
        if took >= spin {
            // It has slept meanwhile.
            return false;
        }
        while took < spin {
            for _ in 0..32 {
                let word = self.load();
                if word.pending() > 0 || word.closed() {
                    return true;
                }
                hint::spin_loop();
            }
            took = begin.elapsed();
        }
        idler.looked(begin, took, spin, false);
        false
    }

    /// Sleeps until called or the keep-alive is over.
    fn sleep(&self, bell: &Arc<Condvar>, searching: bool) -> Rest {
        let rest = self.lie_down(bell, searching);
        rest.unwrap_or_else(|| self.doze(bell))
    }

    /// Puts the thread on the stack, unless that must not be.
    fn lie_down(&self, bell: &Arc<Condvar>, searching: bool) -> Option<Rest> {
        let mine = if searching { SEARCHER } else { 0 };
        let mut sleepers = self.lock();
        let lain = self.update(|word| {
            let next = if word.closed() { word.0 - THREAD } else { word.0 + IDLE };
            (word.pending() == 0).then_some(next - mine)
        });
        match lain {
            None => Some(Rest::Disturbed),
            Some(word) if word.closed() => Some(Rest::Leave),
            Some(_) => {
                sleepers.push(bell.clone());
                None
            }
        }
    }

    /// Waits on the stack to be called; takes itself off when the keep-alive is over.
    fn doze(&self, bell: &Arc<Condvar>) -> Rest {
        // A keep-alive past the clock's end is for ever.
        let deadline = Instant::now().checked_add(self.limits.keep_alive);
        let mut sleepers = self.lock();
        loop {
            let Some(place) = sleepers.iter().position(|other| Arc::ptr_eq(other, bell)) else {
                return Rest::Called;
            };
            if self.load().closed() {
                sleepers.remove(place);
                self.word.fetch_sub(IDLE, Relaxed);
                return Rest::Closed;
            }
            let left = deadline.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                sleepers.remove(place);
                self.word.fetch_sub(IDLE + THREAD, Relaxed);
                return Rest::Leave;
            }
            sleepers = bell.wait_timeout(sleepers, left).expect(NEVER_POISONED).0;
        }
    }

    /// The job that goes with a claim.
    fn pop(&self) -> J {
        let mut wait = Wait::new();
        loop {
            if let Some(job) = self.jobs.pop() {
                return job;
            }
            // It is counted and about to be pushed.
            wait.wait();
        }
    }

    fn load(&self) -> Word {
        Word(self.word.load(Relaxed))
    }

    /// One step of the word: the value before it, or nothing if `step` declined.
    fn update(&self, mut step: impl FnMut(Word) -> Option<u64>) -> Option<Word> {
        self.word.fetch_update(Relaxed, Relaxed, |word| step(Word(word))).ok().map(Word)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Condvar>>> {
        self.sleepers.lock().expect(NEVER_POISONED)
    }
}

pub(super) const NEVER_POISONED: &str = "nothing that panics runs under this lock";
