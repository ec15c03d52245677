//! The protocols of [`super::pinned`], [`super::movable`] and the joiner's slot.
//!
//! The words, the mailbox, the sleep word and the slot are the real ones. What stands around them in functions over real
//! tasks is repeated here step by step, under the name of the function: loom's threads share one system thread, so the
//! context that tells owner from alien can't be used.

#![expect(unsafe_code, reason = "pushes test nodes, reads tracked cells")]

use std::ptr::{self, NonNull};
use std::sync::Arc as StdArc;
use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed as Counted};
use std::task::{Wake as StdWake, Waker};

use super::movable::{self, State, Unjoin};
use super::pinned::{Dropped, Idle, Look, Orphan, Run, Unmail, Words};
use super::slot::JoinSlot;
use crate::loom::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use crate::loom::atomic::{AtomicBool, AtomicPtr, AtomicUsize};
use crate::loom::cell::UnsafeCell;
use crate::loom::{Arc, thread};
use crate::park::SleepWord;
use crate::queue::mailbox::{Mailbox, Node};

/// Three threads of this length have too many orders to try them all in seconds.
const PREEMPTIONS: usize = 2;

fn bounded(f: impl Fn() + Send + Sync + 'static) {
    bounded_by(PREEMPTIONS, f);
}

fn bounded_by(preemptions: usize, f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(f);
}

/// A joiner that counts its wakes.
#[derive(Default)]
struct Joiner {
    woken: AtomicUsize,
}

impl StdWake for Joiner {
    fn wake(self: StdArc<Self>) {
        self.woken.fetch_add(1, AcqRel);
    }
}

/// What is in a task besides the protocol: every holder may read `body`, the free writes it.
struct Memory {
    body: UnsafeCell<()>,
    future: UnsafeCell<usize>,
    output: UnsafeCell<()>,
    outputs: Count,
    freed: Count,
}

impl Memory {
    fn new() -> Self {
        Self {
            body: UnsafeCell::new(()),
            future: UnsafeCell::new(0),
            output: UnsafeCell::new(()),
            outputs: Count::new(0),
            freed: Count::new(0),
        }
    }

    fn touch(&self) {
        assert_eq!(self.freed.load(Counted), 0, "touched after the free");
        self.body.with(|_| ());
    }

    fn use_output(&self) {
        self.output.with_mut(|_| ());
        assert_eq!(self.outputs.fetch_add(1, Counted), 0, "the output is taken or dropped once");
    }

    fn free(&self) {
        self.body.with_mut(|_| ());
        assert_eq!(self.freed.fetch_add(1, Counted), 0, "freed once");
    }
}

struct Task {
    link: AtomicPtr<Task>,
    words: Words,
    memory: Memory,
    join_remote: JoinSlot,
}

impl Node for Task {
    fn link(&self) -> &AtomicPtr<Self> {
        &self.link
    }
}

/// A pinned task, its shard's remote half, and what the owner half would hold.
struct World {
    task: Task,
    mailbox: Mailbox<Task>,
    sleep: SleepWord,
    eventfd: AtomicUsize,
    /// What a waker publishes.
    message: UnsafeCell<usize>,
    queued: UnsafeCell<bool>,
    local_joiner: UnsafeCell<bool>,
}

// SAFETY: loom checks every access.
unsafe impl Sync for World {}
// SAFETY: as above.
unsafe impl Send for World {}

impl World {
    fn new(words: Words) -> Arc<Self> {
        Arc::new(Self {
            task: Task {
                link: AtomicPtr::new(ptr::null_mut()),
                words,
                memory: Memory::new(),
                join_remote: JoinSlot::new(),
            },
            mailbox: Mailbox::new(),
            sleep: SleepWord::new(),
            eventfd: AtomicUsize::new(0),
            message: UnsafeCell::new(0),
            queued: UnsafeCell::new(false),
            local_joiner: UnsafeCell::new(false),
        })
    }

    fn words(&self) -> &Words {
        &self.task.words
    }

    fn touch(&self) {
        self.task.memory.touch();
    }

    fn freed(&self) -> bool {
        self.task.memory.freed.load(Counted) == 1
    }

    /// `raw::free`
    fn free(&self) {
        if self.words().has_output() {
            self.task.memory.use_output();
        }
        drop(self.task.join_remote.swap(None));
        self.task.memory.free();
    }

    /// `Sleeper::wake`
    fn wake_shard(&self) {
        if self.sleep.must_wake() {
            self.eventfd.fetch_add(1, AcqRel);
        }
    }

    fn push(&self) -> bool {
        // SAFETY: the caller set MAILED; the node lives as long as the world.
        unsafe { self.mailbox.push(NonNull::from(&self.task)) }.is_ok()
    }

    /// `schedule::mail`
    fn mail(&self) {
        if self.push() {
            return;
        }
        loop {
            self.touch();
            match self.words().unmail() {
                Unmail::WakeJoiner => {
                    if let Some(waker) = self.task.join_remote.swap(None) {
                        assert!(self.words().is_complete(), "a closed mailbox means complete");
                        waker.wake();
                    }
                }
                Unmail::Done { last: false } => return,
                Unmail::Done { last: true } => return self.free(),
            }
        }
    }

    /// `schedule::wake_pinned` from elsewhere
    fn remote_wake(&self) {
        self.touch();
        if !self.words().is_complete() && self.words().remote_wake() {
            self.mail();
            self.wake_shard();
        }
        self.touch();
    }

    /// `waker::pinned_clone` from elsewhere
    fn remote_ref(&self) {
        self.touch();
        self.words().remote_ref();
    }

    /// `waker::unref_pinned` from elsewhere
    fn remote_drop(&self) {
        self.touch();
        match self.words().remote_unref() {
            Dropped::Keep => {}
            Dropped::Mail => {
                self.mail();
                self.wake_shard();
            }
            Dropped::MailQuietly => self.mail(),
            Dropped::Free => self.free(),
        }
    }

    /// `JoinHandle::poll` from elsewhere: true if the output was taken.
    fn remote_join(&self, joiner: &StdArc<Joiner>) -> bool {
        self.touch();
        if !self.words().is_complete() {
            drop(self.task.join_remote.swap(Some(Waker::from(joiner.clone()))));
            if self.words().remote_joiner() {
                self.mail();
                self.wake_shard();
            }
            if !self.words().is_complete() {
                return false;
            }
        }
        self.task.memory.use_output();
        self.words().remote_taken();
        true
    }

    /// `JoinHandle::drop` from elsewhere, of a handle that has not given its output
    fn remote_unjoin(&self) {
        self.touch();
        let mine = self.words().is_complete() || {
            if self.words().remote_unjoin() {
                self.mail();
                self.wake_shard();
            }
            self.words().is_complete() && self.words().remote_rejoin()
        };
        if mine {
            self.task.memory.use_output();
            self.words().remote_taken();
        }
        self.remote_drop();
    }

    // ---- the owner's thread ----

    fn push_run(&self) {
        self.queued.with_mut(|queued| {
            // SAFETY: the owner's.
            assert!(!unsafe { queued.replace(true) }, "queued twice");
        });
    }

    /// `harness::drain`
    fn drain_one(&self) {
        self.touch();
        let mut mail = self.words().owner_drain();
        if mail.enqueue {
            self.push_run();
        }
        if mail.wake_remote || mail.drop_output {
            self.words().owner_ref();
            if mail.wake_remote {
                if let Some(waker) = self.task.join_remote.swap(None) {
                    waker.wake();
                }
            }
            if mail.drop_output {
                self.task.memory.use_output();
            }
            mail.free = self.words().owner_unref() == Dropped::Free;
        }
        if mail.free {
            self.free();
        }
    }

    fn drain(&self) {
        self.mailbox.drain(|_| self.drain_one());
    }

    /// `waker::unref_pinned` on the owner
    fn owner_drop(&self) {
        self.touch();
        if self.words().owner_unref() == Dropped::Free {
            self.free();
        }
    }

    /// `JoinHandle::poll` on the owner of a task in its arena: true if the output was taken and the handle has let go.
    fn owner_join(&self) -> bool {
        self.touch();
        if self.words().owner_look() == Look::Alone {
            self.task.memory.use_output();
            self.task.memory.free();
            return true;
        }
        if !self.words().is_complete() {
            return false;
        }
        self.task.memory.use_output();
        assert!(!self.words().owner_unjoin(), "completing takes the joiner's waker");
        self.owner_drop();
        true
    }

    /// `harness::run_pinned` when the future is ready, and `harness::complete_pinned`
    fn complete(&self) {
        self.task.memory.output.with_mut(|_| ());
        if let Some(wake_local) = self.words().owner_complete_and_unref() {
            if wake_local {
                // SAFETY: the owner's.
                self.local_joiner.with_mut(|joiner| unsafe { *joiner = true });
            }
            return self.touch();
        }
        let todo = self.words().owner_complete(false);
        if todo.wake_local {
            // SAFETY: the owner's.
            self.local_joiner.with_mut(|joiner| unsafe { *joiner = true });
        }
        if todo.wake_remote {
            if let Some(waker) = self.task.join_remote.swap(None) {
                waker.wake();
            }
        }
        if todo.drop_output {
            self.task.memory.use_output();
        }
        self.owner_drop();
    }

    /// `harness::run_pinned` if the task is queued: `poll` says whether it is ready.
    fn run(&self, poll: impl FnOnce() -> bool) {
        self.queued
            .with_mut(|queued| {
                // SAFETY: the owner's.
                if !unsafe { queued.replace(false) } {
                    return false;
                }
                true
            })
            .then(|| {
                if self.words().owner_start() == Run::Cancel || poll() {
                    return self.complete();
                }
                match self.words().owner_idle() {
                    Idle::Wait => {}
                    Idle::Requeue => self.push_run(),
                    Idle::Cancel => self.complete(),
                }
            });
    }

    /// `Shard::drop`
    fn close(&self) {
        self.drain();
        if !self.freed() && self.words().owner_start_cancel() {
            self.complete();
        }
        let mut freed = self.freed();
        self.mailbox.close(|_| {
            if self.words().owner_start_cancel() {
                self.complete();
            }
            self.drain_one();
            freed = self.freed();
        });
        if freed {
            return;
        }
        loop {
            self.touch();
            match self.words().orphan() {
                Orphan::DropOutput => self.task.memory.use_output(),
                Orphan::Done { last: false } => return,
                Orphan::Done { last: true } => return self.free(),
            }
        }
    }
}

fn spawn(world: &Arc<World>, f: impl FnOnce(&World) + 'static) -> thread::JoinHandle<()> {
    let world = world.clone();
    thread::spawn(move || f(&world))
}

/// References made on the owner are dropped elsewhere, made elsewhere dropped on the owner; the task completes meanwhile.
#[test]
fn loom_pinned_counts() {
    bounded(|| {
        // The task's own, the handle's and one waker's; the last two go away.
        let world = World::new(Words::owner_new());
        assert_eq!(world.words().owner_start(), Run::Poll);
        world.words().owner_ref();
        let sent = Arc::new(AtomicBool::new(false));
        let a = spawn(&world, {
            let sent = sent.clone();
            move |w| {
                w.remote_ref();
                // One that was made here goes to the owner.
                sent.store(true, Release);
                w.remote_drop();
            }
        });
        let b = spawn(&world, |w| {
            w.remote_ref();
            w.remote_drop();
            w.remote_unjoin();
        });
        let mut took = sent.load(Acquire);
        if took {
            world.owner_drop();
        }
        world.complete();
        world.drain();
        if !took && sent.load(Acquire) {
            took = true;
            world.owner_drop();
        }
        a.join().unwrap();
        b.join().unwrap();
        if !took {
            world.owner_drop();
        }
        world.drain();
        assert!(world.freed(), "leaked");
        assert_eq!(world.task.memory.outputs.load(Counted), 1);
    });
}

/// The owner joins a task, and frees it at once if nobody else can reach it, while another thread clones a waker, gives the
/// original back to the owner and drops the clone.
#[test]
fn loom_pinned_owner_joins_while_others_drop() {
    bounded(|| {
        let world = World::new(Words::owner_new());
        assert_eq!(world.words().owner_start(), Run::Poll);
        world.words().owner_ref();
        let sent = Arc::new(AtomicBool::new(false));
        let other = spawn(&world, {
            let sent = sent.clone();
            move |w| {
                w.remote_ref();
                sent.store(true, Release);
                w.remote_wake();
                w.remote_drop();
            }
        });
        world.complete();
        let took = sent.load(Acquire);
        if took {
            world.owner_drop();
        }
        assert!(world.owner_join(), "the task has completed");
        world.drain();
        other.join().unwrap();
        if !took {
            world.owner_drop();
        }
        world.drain();
        assert!(world.freed(), "leaked");
        assert_eq!(world.task.memory.outputs.load(Counted), 1);
    });
}

/// A task that was spawned elsewhere: its handle counts in the remote word.
#[test]
fn loom_pinned_counts_spawned_elsewhere() {
    bounded(|| {
        let world = World::new(Words::remote_new());
        let spawner = spawn(&world, |w| {
            assert!(w.push());
            w.wake_shard();
            w.remote_ref();
            w.remote_unjoin();
            w.remote_drop();
        });
        world.drain();
        world.run(|| true);
        world.drain();
        spawner.join().unwrap();
        world.drain();
        world.run(|| true);
        world.drain();
        assert!(world.freed(), "leaked");
        assert_eq!(world.task.memory.outputs.load(Counted), 1);
    });
}

/// Two threads wake, one drops a waker that the owner made, and the shard goes to sleep: its message must be read by a poll,
/// or the shard be woken.
#[test]
fn loom_pinned_wake_against_sleep() {
    bounded(|| {
        let world = World::new(Words::owner_new());
        // SAFETY: no other thread yet.
        world.queued.with_mut(|queued| unsafe { *queued = true });
        world.words().owner_ref();
        world.run(|| false);
        let dropper = spawn(&world, World::remote_drop);
        let waker = spawn(&world, |w| {
            // SAFETY: the poll reads after the wake.
            w.message.with_mut(|message| unsafe { *message = 1 });
            w.remote_wake();
        });
        let seen = StdArc::new(Count::new(0));
        let turn = |seen: &Count| {
            world.drain();
            // A poll that nobody asked for would read while the waker writes.
            // SAFETY: as above.
            world.run(|| {
                seen.store(world.message.with(|message| unsafe { *message }), Counted);
                false
            });
        };
        world.sleep.announce();
        let asleep = !world.mailbox.has_mail_before_sleep();
        if !asleep {
            world.sleep.awake();
            turn(&seen);
            world.sleep.announce();
            if world.mailbox.has_mail_before_sleep() {
                world.sleep.awake();
                turn(&seen);
                world.sleep.announce();
            }
        }
        dropper.join().unwrap();
        waker.join().unwrap();
        let written = world.eventfd.load(Acquire);
        assert!(seen.load(Counted) == 1 || written > 0 || !world.sleep.is_asleep(), "sleeps on its mail");
        turn(&seen);
        assert_eq!(seen.load(Counted), 1, "a wake was lost");
        // SAFETY: all threads are through.
        assert!(!world.queued.with(|queued| unsafe { *queued }), "one wake, one poll");
    });
}

/// A wake meets the poll it is not meant for: the task is polled again, once.
#[test]
fn loom_pinned_wake_during_poll() {
    bounded(|| {
        let world = World::new(Words::owner_new());
        // SAFETY: no other thread yet.
        world.queued.with_mut(|queued| unsafe { *queued = true });
        let published = Arc::new(AtomicUsize::new(0));
        let wakers: Vec<_> = (0..2)
            .map(|_| {
                let published = published.clone();
                spawn(&world, move |w| {
                    published.fetch_add(1, Relaxed);
                    w.remote_wake();
                })
            })
            .collect();
        let mut seen = 0;
        let mut turn = || {
            world.drain();
            world.run(|| {
                seen = published.load(Relaxed);
                if seen == 1 {
                    // As `yield_now`: a wake on the owner during the poll.
                    assert!(!world.words().owner_wake());
                }
                false
            });
        };
        turn();
        turn();
        for waker in wakers {
            waker.join().unwrap();
        }
        turn();
        turn();
        assert_eq!(seen, 2, "a wake was lost");
    });
}

/// Completion against a joiner elsewhere that changes its waker, while another thread drops a waker; then the shard sleeps.
/// The joiner has its output, or its last waker was woken, or the shard will get up and do so.
#[test]
fn loom_pinned_remote_join() {
    bounded(|| {
        let world = World::new(Words::owner_new());
        assert_eq!(world.words().owner_start(), Run::Poll);
        world.words().owner_ref();
        let last = StdArc::new(Joiner::default());
        let taken = StdArc::new(Count::new(0));
        let joiner = spawn(&world, {
            let (last, taken) = (last.clone(), taken.clone());
            move |w| {
                if w.remote_join(&StdArc::default()) || w.remote_join(&last) {
                    taken.store(1, Counted);
                    w.remote_drop();
                }
            }
        });
        let dropper = spawn(&world, World::remote_drop);
        world.drain();
        world.complete();
        world.sleep.announce();
        if world.mailbox.has_mail_before_sleep() {
            world.sleep.awake();
            world.drain();
        }
        joiner.join().unwrap();
        dropper.join().unwrap();
        let pending = taken.load(Counted) == 0;
        let woken = || last.woken.load(Acquire) > 0;
        let asleep = world.sleep.is_asleep() && world.eventfd.load(Acquire) == 0;
        assert!(!(pending && asleep && !woken()), "the joiner waits for a shard that sleeps");
        world.drain();
        if pending {
            assert!(woken(), "the joiner was not woken");
            assert!(world.remote_join(&last));
            world.remote_drop();
        }
        world.drain();
        assert!(world.freed(), "leaked");
        assert_eq!(world.task.memory.outputs.load(Counted), 1);
    });
}

/// The handle is dropped elsewhere while the task completes and another thread mails it quietly: the output goes once, and
/// before the shard sleeps for good.
#[test]
fn loom_pinned_unjoin_against_complete() {
    bounded(|| {
        let world = World::new(Words::owner_new());
        assert_eq!(world.words().owner_start(), Run::Poll);
        world.words().owner_ref();
        let handle = spawn(&world, World::remote_unjoin);
        let dropper = spawn(&world, World::remote_drop);
        world.complete();
        world.sleep.announce();
        if world.mailbox.has_mail_before_sleep() {
            world.sleep.awake();
            world.drain();
        }
        handle.join().unwrap();
        dropper.join().unwrap();
        let asleep = world.sleep.is_asleep() && world.eventfd.load(Acquire) == 0;
        assert!(!asleep || world.task.memory.outputs.load(Counted) == 1, "the output lies in the mail");
        world.drain();
        assert!(world.freed(), "leaked");
        assert_eq!(world.task.memory.outputs.load(Counted), 1);
    });
}

/// The shard closes; a thread comes late that wakes, then joins or leaves. Freed once, output gone once, joiner answered.
#[test]
fn loom_pinned_close() {
    for joins in [false, true] {
        bounded_by(3, move || {
            let world = World::new(Words::owner_new());
            let last = StdArc::new(Joiner::default());
            let pending = StdArc::new(Count::new(0));
            let handle = spawn(&world, {
                let (last, pending) = (last.clone(), pending.clone());
                move |w| {
                    w.remote_wake();
                    if !joins {
                        w.remote_unjoin();
                    } else if w.remote_join(&last) {
                        w.remote_drop();
                    } else {
                        pending.store(1, Counted);
                    }
                }
            });
            world.close();
            handle.join().unwrap();
            if pending.load(Counted) == 1 {
                assert!(last.woken.load(Acquire) > 0, "the joiner was not woken");
                assert!(world.remote_join(&last));
                world.remote_drop();
            }
            assert!(world.freed(), "leaked");
            assert_eq!(world.task.memory.outputs.load(Counted), 1);
        });
    }
}

/// As above with the waker on a thread of its own, which may hold MAILED when the others come. One preemption, since two take
/// minutes.
#[test]
fn loom_pinned_close_three_threads() {
    for joins in [false, true] {
        bounded_by(1, move || {
            let world = World::new(Words::owner_new());
            world.words().owner_ref();
            let last = StdArc::new(Joiner::default());
            let pending = StdArc::new(Count::new(0));
            let waker = spawn(&world, |w| {
                w.remote_wake();
                w.remote_drop();
            });
            let handle = spawn(&world, {
                let (last, pending) = (last.clone(), pending.clone());
                move |w| {
                    if !joins {
                        w.remote_unjoin();
                    } else if w.remote_join(&last) {
                        w.remote_drop();
                    } else {
                        pending.store(1, Counted);
                    }
                }
            });
            world.close();
            waker.join().unwrap();
            handle.join().unwrap();
            if pending.load(Counted) == 1 {
                assert!(last.woken.load(Acquire) > 0, "the joiner was not woken");
                assert!(world.remote_join(&last));
                world.remote_drop();
            }
            assert!(world.freed(), "leaked");
            assert_eq!(world.task.memory.outputs.load(Counted), 1);
        });
    }
}

/// References go elsewhere while the owner hands its own over.
#[test]
fn loom_pinned_orphan_against_drops() {
    bounded(|| {
        let world = World::new(Words::owner_new());
        world.words().owner_ref();
        let wakers: Vec<_> = (0..2)
            .map(|n| {
                spawn(&world, move |w| {
                    w.remote_ref();
                    w.remote_drop();
                    if n == 0 { w.remote_unjoin() } else { w.remote_drop() }
                })
            })
            .collect();
        world.close();
        for waker in wakers {
            waker.join().unwrap();
        }
        assert!(world.freed(), "leaked");
    });
}

/// A handle that is dropped on the owner's thread outside of the shard, while a waker elsewhere is between MAILED and its push and
/// the shard closes: the output, which may not be `Send`, goes on this thread.
#[test]
fn loom_pinned_unjoin_before_close() {
    bounded(|| {
        let world = World::new(Words::owner_new());
        world.words().owner_ref();
        let waker = spawn(&world, |w| {
            w.remote_wake();
            w.remote_drop();
        });
        world.remote_unjoin();
        // The task completes in a turn that has drained before.
        assert_eq!(world.words().owner_start(), Run::Poll);
        world.complete();
        world.close();
        assert_eq!(world.task.memory.outputs.load(Counted), 1, "left to another thread");
        waker.join().unwrap();
        assert!(world.freed(), "leaked");
    });
}

/// A spawn from elsewhere meets a shard that closes: the spawner or the owner cancels the task, and the handle is answered.
#[test]
fn loom_spawn_against_close() {
    bounded(|| {
        let world = World::new(Words::remote_new());
        let last = StdArc::new(Joiner::default());
        let spawner = spawn(&world, {
            let last = last.clone();
            move |w| {
                // `schedule::mail_new`
                if !w.push() {
                    // `raw::refuse_pinned`
                    w.task.memory.output.with_mut(|_| ());
                    let _ = w.words().owner_complete(true);
                    w.words().owner_forget();
                    assert_eq!(w.words().orphan(), Orphan::Done { last: false });
                    assert_eq!(w.words().unmail(), Unmail::Done { last: false });
                    assert!(w.words().is_complete());
                }
                if !w.remote_join(&last) {
                    return;
                }
                w.remote_drop();
            }
        });
        // As `close`, for a task that the shard may not know.
        world.drain();
        let known = |w: &World| {
            if w.words().owner_start_cancel() {
                w.complete();
            }
        };
        let came = StdArc::new(Count::new(0));
        world.queued.with(|queued| {
            // SAFETY: the owner's.
            if unsafe { *queued } {
                came.store(1, Counted);
                known(&world);
            }
        });
        world.mailbox.close(|_| {
            came.store(1, Counted);
            known(&world);
            world.drain_one();
        });
        if came.load(Counted) == 1 && !world.freed() {
            match world.words().orphan() {
                Orphan::Done { last: true } => world.free(),
                step => assert_eq!(step, Orphan::Done { last: false }),
            }
        }
        spawner.join().unwrap();
        if !world.freed() {
            assert!(last.woken.load(Acquire) > 0, "the joiner was not woken");
            assert!(world.remote_join(&last));
            world.remote_drop();
        }
        assert!(world.freed(), "leaked");
        assert_eq!(world.task.memory.outputs.load(Counted), 1);
    });
}

// ---- movable tasks ----

struct Movable {
    state: State,
    memory: Memory,
    join: JoinSlot,
    /// Who uses the slot, which is one at a time.
    slot: UnsafeCell<()>,
    /// The queue: entries pushed less entries taken.
    queue: AtomicUsize,
    message: AtomicUsize,
    seen: Count,
    /// No other task waits: one that was woken during its poll is polled again.
    alone: bool,
}

impl Movable {
    fn new(alone: bool) -> Arc<Self> {
        Arc::new(Self {
            alone,
            state: State::new_unowned(),
            memory: Memory::new(),
            join: JoinSlot::new(),
            slot: UnsafeCell::new(()),
            queue: AtomicUsize::new(1),
            message: AtomicUsize::new(0),
            seen: Count::new(0),
        })
    }

    fn freed(&self) -> bool {
        self.memory.freed.load(Counted) == 1
    }

    fn submit(&self) {
        // Release: as the ring does.
        assert_eq!(self.queue.fetch_add(1, Release), 0, "queued twice");
    }

    fn free(&self) {
        self.slot.with_mut(|_| ());
        drop(self.join.swap_local(None));
        self.memory.free();
    }

    fn wake(&self) {
        self.memory.touch();
        match self.state.wake() {
            movable::Wake::Nothing => {}
            movable::Wake::Submit => self.submit(),
            movable::Wake::Free => self.free(),
        }
    }

    fn wake_by_ref(&self) {
        self.memory.touch();
        if self.state.wake_by_ref() == movable::Wake::Submit {
            self.submit();
        }
    }

    fn abort(&self) {
        self.memory.touch();
        if self.state.abort() == movable::Wake::Submit {
            self.submit();
        }
    }

    fn unref(&self, n: u32) {
        self.memory.touch();
        if self.state.unref(n) == Dropped::Free {
            self.free();
        }
    }

    fn complete(&self) {
        self.memory.output.with_mut(|_| ());
        let todo = self.state.complete(false);
        if todo.wake {
            self.slot.with_mut(|_| ());
            if let Some(waker) = self.join.swap_local(None) {
                waker.wake();
            }
        }
        if todo.drop_output {
            self.memory.use_output();
        }
        self.unref(1);
    }

    /// `harness::run_movable` if an entry can be taken.
    fn run(&self, ready: bool) {
        // Acquire: as the ring does.
        if self.queue.compare_exchange(1, 0, Acquire, Relaxed).is_err() {
            return;
        }
        self.memory.touch();
        let cancel = self.state.start() == Run::Cancel;
        loop {
            // One runner at a time, and it sees what the one before left.
            // SAFETY: checked by loom.
            self.memory.future.with_mut(|polls| unsafe { *polls += 1 });
            self.seen.store(self.message.load(Relaxed), Counted);
            if cancel || ready {
                return self.complete();
            }
            if !self.alone || !self.state.again() {
                break;
            }
        }
        match self.state.idle() {
            movable::Idle::Wait => {}
            movable::Idle::Requeue => self.submit(),
            movable::Idle::Cancel => self.complete(),
            movable::Idle::Free => self.free(),
        }
    }

    /// `JoinHandle::poll`: true if the output was taken and the handle has let go.
    fn join(&self, joiner: &StdArc<Joiner>) -> bool {
        self.memory.touch();
        let complete = self.state.is_complete()
            || (self.state.has_join_waker() && !self.state.take_join_waker_back())
            || {
                self.slot.with_mut(|_| ());
                drop(self.join.swap_local(Some(Waker::from(joiner.clone()))));
                let complete = self.state.set_join_waker();
                if complete {
                    self.slot.with_mut(|_| ());
                    drop(self.join.swap_local(None));
                }
                complete
            };
        if complete {
            self.memory.use_output();
            self.let_go();
        }
        complete
    }

    /// `join::let_go`
    fn let_go(&self) {
        if self.state.is_handle_alone() || self.state.taken() == Dropped::Free {
            self.free();
        }
    }

    /// `JoinHandle::drop`
    fn unjoin(&self) {
        self.memory.touch();
        match self.state.unjoin() {
            Unjoin::DropOutput => {
                self.memory.use_output();
                return self.let_go();
            }
            Unjoin::EmptySlot => {
                self.slot.with_mut(|_| ());
                drop(self.join.swap_local(None));
            }
            Unjoin::Done => {}
        }
        self.unref(1);
    }
}

fn movable_thread(task: &Arc<Movable>, f: impl FnOnce(&Movable) + 'static) -> thread::JoinHandle<()> {
    let task = task.clone();
    thread::spawn(move || f(&task))
}

/// Wakes of both kinds meet runs on two threads: one runner at a time, none lost, what was written before is seen.
#[test]
fn loom_movable_wake_against_run() {
    for alone in [false, true] {
        bounded(move || {
            let task = Movable::new(alone);
            task.state.make_ref();
            let by_value = movable_thread(&task, |t| {
                t.message.fetch_add(1, Relaxed);
                t.wake();
                t.run(false);
            });
            let by_ref = movable_thread(&task, |t| {
                t.message.fetch_add(1, Relaxed);
                t.wake_by_ref();
                t.unref(1);
            });
            task.run(false);
            by_value.join().unwrap();
            by_ref.join().unwrap();
            // No reference is left but those of queue entries.
            while task.queue.load(Relaxed) > 0 {
                task.run(false);
            }
            assert_eq!(task.seen.load(Counted), 2, "a wake was lost");
            assert!(task.freed(), "leaked");
        });
    }
}

/// An abort against a run and a wake: cancelled once, freed once.
#[test]
fn loom_movable_abort() {
    for alone in [false, true] {
        bounded(move || {
            let task = Movable::new(alone);
            task.state.make_ref();
            let aborter = movable_thread(&task, |t| {
                t.abort();
                t.unjoin();
            });
            let waker = movable_thread(&task, Movable::wake);
            task.run(false);
            aborter.join().unwrap();
            waker.join().unwrap();
            while task.queue.load(Relaxed) > 0 {
                task.run(false);
            }
            assert_eq!(task.memory.outputs.load(Counted), 1);
            assert!(task.freed(), "leaked");
        });
    }
}

/// Shutdown takes the future of a task that nobody has, while a wake and a run compete for it.
#[test]
fn loom_movable_shutdown() {
    for alone in [false, true] {
        bounded(move || {
            let task = Movable::new(alone);
            task.run(false);
            // The list's.
            task.state.make_ref();
            let waker = movable_thread(&task, |t| {
                t.wake_by_ref();
                t.run(false);
            });
            if task.state.start_shutdown() {
                // SAFETY: checked by loom.
                task.memory.future.with_mut(|polls| unsafe { *polls += 1 });
                task.complete();
            }
            task.unref(1);
            waker.join().unwrap();
            // `Mesh::finish`
            while task.queue.load(Relaxed) > 0 {
                task.run(false);
            }
            assert!(task.state.is_complete(), "left behind");
            task.unjoin();
            assert_eq!(task.memory.outputs.load(Counted), 1);
            assert!(task.freed(), "leaked");
        });
    }
}

/// A joiner that changes its waker, or goes away, against completion.
#[test]
fn loom_movable_join() {
    for leaves in [false, true] {
        // The other thread has to be stopped between publishing the output and its last step, and this one between its two looks.
        bounded_by(3, move || {
            let task = Movable::new(false);
            let runner = movable_thread(&task, |t| t.run(true));
            let last = StdArc::new(Joiner::default());
            let taken = task.join(&StdArc::default()) || task.join(&last);
            if !taken && leaves {
                task.unjoin();
            }
            runner.join().unwrap();
            if !taken && !leaves {
                assert!(last.woken.load(Acquire) > 0, "the joiner was not woken");
                assert!(task.join(&last));
            }
            assert_eq!(task.memory.outputs.load(Counted), 1);
            assert!(task.freed(), "leaked");
        });
    }
}

/// Two sides swap: each waker comes out once.
#[test]
fn loom_join_slot() {
    bounded(|| {
        let slot = Arc::new(JoinSlot::new());
        let wakers: Vec<_> = (0..3).map(|_| StdArc::new(Joiner::default())).collect();
        let (a, b) = (wakers[0].clone(), wakers[1].clone());
        let other = {
            let slot = slot.clone();
            thread::spawn(move || {
                drop(slot.swap(Some(Waker::from(a))));
                drop(slot.swap(Some(Waker::from(b))));
            })
        };
        drop(slot.swap(Some(Waker::from(wakers[2].clone()))));
        drop(slot.swap(None));
        other.join().unwrap();
        drop(slot.swap(None));
        assert!(wakers.iter().all(|waker| StdArc::strong_count(waker) == 1));
    });
}
