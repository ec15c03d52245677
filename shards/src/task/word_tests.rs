//! The words of tasks against models that say what the bits are for: sets of facts, and one number of references. Random steps
//! from seeds, on one thread; the order of memory is the loom models' business.

use super::movable::{self, State, Unjoin, Wake};
use super::pinned::{Dropped, Idle, Look, Orphan, Run, Unmail, Words};
use crate::util::Rng;

const SEEDS: u64 = if cfg!(miri) { 50 } else { 20_000 };
const STEPS: usize = 40;

/// What was posted since the last drain.
#[derive(Default)]
struct Posted {
    wake: bool,
    abort: bool,
    joiner: bool,
    unjoin: bool,
}

/// A pinned task with its owner and everybody else, who take turns.
struct Pinned {
    words: Words,
    /// Nobody elsewhere knows of it.
    local: bool,
    /// All references; some of them are in `loose`.
    refs: u32,
    /// References that may go anywhere: wakers and abort handles.
    loose: u32,
    queued: bool,
    running: bool,
    complete: bool,
    failed: bool,
    abort: bool,
    /// The handle is there and has not given its output.
    handle: bool,
    /// The owner knows of a claim to the output.
    join: bool,
    local_waker: bool,
    remote_waker: bool,
    mail: Option<Posted>,
    /// Outputs that were taken or dropped.
    outputs: u32,
    closed: bool,
    freed: bool,
    /// How often the owner took two steps in one: waking, completing, joining.
    shortcuts: [u32; 3],
}

impl Pinned {
    fn new(here: bool, local: bool) -> Self {
        let words = if here { Words::owner_new() } else { Words::remote_new() };
        let mail = (!here).then(|| Posted { wake: true, ..Posted::default() });
        Self {
            words,
            local,
            refs: 2,
            loose: 0,
            queued: here,
            running: false,
            complete: false,
            failed: false,
            abort: false,
            handle: true,
            join: true,
            local_waker: false,
            remote_waker: false,
            mail,
            outputs: 0,
            closed: false,
            freed: false,
            shortcuts: [0; 3],
        }
    }

    fn free(&mut self) {
        assert!(!self.freed && self.refs == 0 && self.mail.is_none() && self.complete);
        let left = self.words.has_output();
        self.outputs += u32::from(left);
        assert_eq!(self.outputs, 1, "an output goes once");
        self.freed = true;
    }

    /// Somebody elsewhere posts.
    fn post(&mut self, pushes: bool, set: impl FnOnce(&mut Posted)) {
        assert_eq!(pushes, self.mail.is_none(), "one pushes");
        set(self.mail.get_or_insert_default());
        if pushes && self.closed {
            self.refused();
        }
    }

    /// A push that finds the mailbox closed.
    fn refused(&mut self) {
        loop {
            let mail = self.mail.as_mut().expect("mailed");
            match self.words.unmail() {
                Unmail::WakeJoiner => {
                    assert!(std::mem::take(&mut mail.joiner), "a joiner waits");
                }
                Unmail::Done { last } => {
                    assert!(!mail.joiner, "the joiner is woken first");
                    self.mail = None;
                    assert_eq!(last, self.refs == 0);
                    return if last {
                        self.free()
                    };
                }
            }
        }
    }

    fn unref_here(&mut self) {
        self.refs -= 1;
        let last = self.refs == 0 && self.mail.is_none();
        assert_eq!(self.words.owner_unref(), if last { Dropped::Free } else { Dropped::Keep });
        if last {
            self.free();
        }
    }

    fn unref_there(&mut self) {
        self.refs -= 1;
        let dropped = self.words.remote_unref();
        if self.closed {
            let last = self.refs == 0 && self.mail.is_none();
            assert_eq!(dropped, if last { Dropped::Free } else { Dropped::Keep });
            return if last {
                self.free()
            };
        }
        match dropped {
            Dropped::Keep => assert!(self.refs > 0 || self.mail.is_some(), "nobody will free it"),
            Dropped::Mail | Dropped::MailQuietly => {
                assert!(self.mail.is_none(), "mailed twice");
                assert_eq!(dropped == Dropped::MailQuietly, self.complete);
                self.mail = Some(Posted::default());
            }
            Dropped::Free => panic!("the owner frees"),
        }
    }

    fn unref(&mut self, here: bool) {
        if here && !self.closed { self.unref_here() } else { self.unref_there() }
    }

    fn drain(&mut self) {
        let Some(posted) = self.mail.take() else { return };
        let mail = self.words.owner_drain();
        let asked = !self.complete && (posted.wake || posted.abort);
        assert_eq!(mail.enqueue, asked && !self.queued && !self.running);
        self.queued |= asked;
        self.abort |= asked && posted.abort;
        assert_eq!(mail.wake_remote, posted.joiner && self.complete);
        self.remote_waker |= posted.joiner && !self.complete;
        assert_eq!(mail.drop_output, posted.unjoin && self.complete && self.join);
        self.outputs += u32::from(mail.drop_output);
        self.join &= !posted.unjoin;
        assert_eq!(mail.free, self.refs == 0);
        if mail.free {
            self.free();
        }
    }

    fn start(&mut self) {
        let run = self.words.owner_start();
        assert_eq!(run, if self.abort { Run::Cancel } else { Run::Poll });
        (self.queued, self.running) = (false, true);
        if run == Run::Cancel {
            self.complete(true);
        }
    }

    fn complete(&mut self, failed: bool) {
        let wakes = if failed { None } else { self.words.owner_complete_and_unref() };
        if let Some(wake_local) = wakes {
            self.shortcuts[1] += 1;
            assert_eq!(wake_local, self.local_waker);
            assert!(self.join && !self.remote_waker && (self.refs > 1 || self.mail.is_some()));
            (self.queued, self.running, self.abort) = (false, false, false);
            (self.complete, self.local_waker) = (true, false);
            self.refs -= 1;
            return;
        }
        let todo = self.words.owner_complete(failed);
        assert_eq!(todo.wake_local, self.local_waker);
        assert_eq!(todo.wake_remote, self.remote_waker);
        assert_eq!(todo.drop_output, !self.join);
        self.outputs += u32::from(todo.drop_output);
        (self.queued, self.running, self.abort) = (false, false, false);
        (self.complete, self.failed) = (true, failed);
        (self.local_waker, self.remote_waker) = (false, false);
        self.unref_here();
    }

    /// The handle is polled, here or elsewhere.
    fn join(&mut self, here: bool) {
        if here && !self.closed && self.words.owner_look() == Look::Alone {
            self.shortcuts[2] += 1;
            assert!(self.complete && !self.failed && self.refs == 1 && self.mail.is_none());
            (self.refs, self.handle) = (0, false);
            return self.free();
        }
        self.join_in_steps(here);
    }

    fn join_in_steps(&mut self, here: bool) {
        if self.complete {
            self.outputs += 1;
            self.handle = false;
            if here && !self.closed {
                assert!(!self.words.owner_unjoin());
                self.join = false;
            } else {
                self.words.remote_taken();
            }
            assert!(!self.words.has_output());
            self.unref(here);
        } else if here {
            assert_eq!(self.words.owner_has_join_waker(), self.local_waker);
            self.words.owner_set_join_waker();
            self.local_waker = true;
        } else {
            let pushes = self.words.remote_joiner();
            self.post(pushes, |mail| mail.joiner = true);
        }
    }

    /// The handle goes away.
    fn unjoin(&mut self, here: bool) {
        if self.complete {
            return self.join_in_steps(here);
        }
        self.handle = false;
        if here {
            assert_eq!(self.words.owner_unjoin(), self.local_waker);
            (self.join, self.local_waker) = (false, false);
        } else {
            let pushes = self.words.remote_unjoin();
            self.post(pushes, |mail| mail.unjoin = true);
        }
        self.unref(here);
    }

    fn wake_here(&mut self) {
        let asks = !self.queued && !self.complete;
        assert_eq!(self.words.owner_wake(), asks && !self.running);
        self.queued |= asks;
    }

    /// A waker is used up on the owner.
    fn wake_here_by_value(&mut self) {
        if self.words.owner_wake_and_unref() {
            self.shortcuts[0] += 1;
            assert!(!self.queued && !self.running && !self.complete && self.refs > 1);
            (self.queued, self.refs) = (true, self.refs - 1);
        } else {
            self.wake_here();
            self.unref_here();
        }
    }

    fn step(&mut self, rng: &mut Rng) {
        let here = self.local || rng.below(2) == 0;
        match rng.below(11) {
            0 if self.handle => self.join(here),
            1 if self.handle && rng.below(3) == 0 => self.unjoin(here),
            2 | 3 if self.handle || self.loose > 0 => {
                if here {
                    self.words.owner_ref()
                } else {
                    self.words.remote_ref()
                }
                (self.refs, self.loose) = (self.refs + 1, self.loose + 1);
            }
            4 if self.loose > 0 => {
                self.loose -= 1;
                if here && rng.below(2) == 0 { self.wake_here_by_value() } else { self.unref(here) }
            }
            5 if self.handle || self.loose > 0 => {
                if here {
                    self.wake_here();
                } else if !self.complete {
                    let pushes = self.words.remote_wake();
                    self.post(pushes, |mail| mail.wake = true);
                }
            }
            6 if (self.handle || self.loose > 0) && rng.below(4) == 0 => {
                if here {
                    let enqueue = !self.complete && !self.queued && !self.running;
                    assert_eq!(self.words.owner_abort(), enqueue);
                    (self.abort, self.queued) = (self.abort || !self.complete, self.queued || !self.complete);
                } else {
                    let pushes = self.words.remote_abort();
                    self.post(pushes, |mail| mail.abort = true);
                }
            }
            7 => self.drain(),
            8 | 9 if self.queued && !self.running => self.start(),
            8 | 9 if self.running => match self.words.owner_idle() {
                Idle::Wait => {
                    assert!(!self.queued && !self.abort);
                    self.running = false;
                }
                Idle::Requeue => {
                    assert!(self.queued && !self.abort);
                    self.running = false;
                }
                Idle::Cancel => {
                    assert!(self.abort);
                    self.complete(true);
                }
            },
            10 if self.running => self.complete(false),
            _ => {}
        }
    }

    /// `Shard::drop`
    fn close(&mut self) {
        if self.running {
            self.complete(false);
        }
        self.drain();
        if !self.complete {
            assert!(self.words.owner_start_cancel());
            self.complete(true);
        }
        self.drain();
        self.closed = true;
        while !self.freed {
            match self.words.orphan() {
                Orphan::DropOutput => self.outputs += 1,
                Orphan::Done { last } => {
                    assert_eq!(last, self.refs == 0);
                    return if last {
                        self.free()
                    };
                }
            }
        }
    }
}

#[test]
fn pinned_words_do_what_they_say() {
    let mut closed = 0;
    let mut shortcuts = [0; 3];
    for seed in 0..SEEDS {
        let mut rng = Rng::new(seed);
        let mut task = Pinned::new(seed % 2 == 0, seed % 4 == 0);
        for _ in 0..STEPS {
            if task.freed {
                break;
            }
            assert_eq!(task.words.is_complete(), task.complete, "seed {seed}");
            assert_eq!(task.words.is_failed(), task.failed, "seed {seed}");
            task.step(&mut rng);
        }
        // The shard closes, or all goes in some order and it drains once more.
        if !task.freed && rng.below(2) == 0 {
            task.close();
            closed += 1;
        } else if !task.freed {
            if !task.running && !task.complete {
                task.drain();
            }
            if !task.running && !task.complete {
                assert_eq!(task.words.owner_start_cancel(), !task.complete, "seed {seed}");
            }
            if !task.complete {
                task.complete(true);
            }
        }
        while !task.freed && (task.handle || task.loose > 0) {
            let here = rng.below(2) == 0;
            if task.handle && rng.below(2) == 0 {
                task.unjoin(here);
            } else if task.loose > 0 {
                task.loose -= 1;
                task.unref(here);
            }
        }
        if !task.freed {
            assert!(!task.closed, "seed {seed}: a closed shard drains no more");
            task.drain();
        }
        assert!(task.freed, "seed {seed}: leaked");
        (0..3).for_each(|i| shortcuts[i] += u64::from(task.shortcuts[i]));
    }
    assert!(closed > SEEDS / 10, "the seeds test little");
    assert!(cfg!(miri) || shortcuts.iter().all(|&n| n > SEEDS / 100), "the seeds test little: {shortcuts:?}");
}

/// A movable task and its one queue.
struct Movable {
    state: State,
    refs: u32,
    wakers: u32,
    queued: bool,
    /// The entry is in the queue; else the run that is going on will put it there.
    entry: bool,
    running: bool,
    complete: bool,
    abort: bool,
    handle: bool,
    join_waker: bool,
    outputs: u32,
    freed: bool,
}

impl Movable {
    fn gone(&mut self, refs: u32, freed: bool) {
        self.refs -= refs;
        assert_eq!(freed, self.refs == 0);
        self.freed = freed;
    }

    fn asked(&mut self, wake: Wake) {
        let submit = !self.queued && !self.complete && !self.running;
        assert_eq!(wake, if submit { Wake::Submit } else { Wake::Nothing });
        self.refs += u32::from(submit);
        self.entry |= submit;
        self.queued |= !self.complete;
    }

    fn complete(&mut self, failed: bool) {
        let todo = self.state.complete(failed);
        assert_eq!((todo.wake, todo.drop_output), (self.join_waker, !self.handle));
        (self.complete, self.running, self.queued) = (true, false, false);
        self.outputs += u32::from(todo.drop_output);
        assert_eq!(self.state.is_failed(), failed);
        // The run's, and the list's.
        let dropped = self.state.unref(2);
        self.gone(2, dropped == Dropped::Free);
    }

    fn run(&mut self, rng: &mut Rng) {
        let run = self.state.start();
        assert_eq!(run, if self.abort { Run::Cancel } else { Run::Poll });
        (self.queued, self.entry, self.running) = (false, false, true);
        loop {
            // What others do during the poll.
            for _ in 0..rng.below(4) {
                self.step(rng);
            }
            if run == Run::Cancel || rng.below(4) == 0 {
                return self.complete(run == Run::Cancel);
            }
            let is_woken = self.queued && !self.abort;
            if rng.below(2) == 0 {
                break;
            }
            assert_eq!(self.state.again(), is_woken);
            if !is_woken {
                break;
            }
            self.queued = false;
        }
        match self.state.idle() {
            movable::Idle::Wait => {
                assert!(!self.queued && !self.abort);
                self.gone(1, false);
                self.running = false;
            }
            movable::Idle::Requeue => {
                assert!(self.queued && !self.abort);
                (self.running, self.entry) = (false, true);
            }
            movable::Idle::Cancel => {
                assert!(self.abort);
                self.complete(true);
            }
            movable::Idle::Free => panic!("the list has a reference"),
        }
    }

    fn step(&mut self, rng: &mut Rng) {
        let what = rng.below(9);
        self.take(what, rng);
    }

    fn take(&mut self, what: u32, rng: &mut Rng) {
        match what {
            0 | 1 if self.handle || self.wakers > 0 || self.running => {
                self.state.make_ref();
                (self.refs, self.wakers) = (self.refs + 1, self.wakers + 1);
            }
            2 if self.wakers > 0 => {
                self.wakers -= 1;
                let dropped = self.state.unref(1);
                self.gone(1, dropped == Dropped::Free);
            }
            3 if self.wakers > 0 => {
                let wake = self.state.wake_by_ref();
                self.asked(wake);
            }
            4 if self.wakers > 0 => {
                // The waker's reference becomes the entry's, or goes.
                self.wakers -= 1;
                let submit = !self.queued && !self.complete && !self.running;
                let wake = self.state.wake();
                self.queued |= !self.complete;
                self.entry |= submit;
                if submit {
                    assert_eq!(wake, Wake::Submit);
                } else {
                    assert_ne!(wake, Wake::Submit);
                    self.gone(1, wake == Wake::Free);
                }
            }
            5 if (self.handle || self.wakers > 0) && rng.below(4) == 0 => {
                let wake = self.state.abort();
                self.abort |= !self.complete;
                self.asked(wake);
            }
            6 if self.handle => {
                if self.state.is_complete() {
                    self.let_go();
                } else {
                    assert_eq!(self.state.has_join_waker(), self.join_waker);
                    assert!(!self.join_waker || self.state.take_join_waker_back());
                    assert!(!self.state.has_join_waker());
                    assert!(!self.state.set_join_waker());
                    self.join_waker = true;
                }
            }
            7 if self.handle && (self.complete || rng.below(4) == 0) => {
                let step = self.state.unjoin();
                if self.complete {
                    assert_eq!(step, Unjoin::DropOutput);
                    return self.let_go();
                }
                assert_eq!(step, if self.join_waker { Unjoin::EmptySlot } else { Unjoin::Done });
                (self.handle, self.join_waker) = (false, false);
                let dropped = self.state.unref(1);
                self.gone(1, dropped == Dropped::Free);
            }
            _ => {}
        }
    }

    /// The handle took the output or dropped it.
    fn let_go(&mut self) {
        (self.handle, self.outputs) = (false, self.outputs + 1);
        let alone = self.state.is_handle_alone();
        assert_eq!(alone, self.refs == 1);
        let last = alone || self.state.taken() == Dropped::Free;
        self.gone(1, last);
    }
}

#[test]
fn movable_words_do_what_they_say() {
    for seed in 0..SEEDS {
        let mut rng = Rng::new(seed);
        let mut task = Movable {
            state: State::new(),
            refs: 3,
            wakers: 0,
            queued: true,
            entry: true,
            running: false,
            complete: false,
            abort: false,
            handle: true,
            join_waker: false,
            outputs: 0,
            freed: false,
        };
        for _ in 0..STEPS {
            if task.freed {
                break;
            }
            assert_eq!(task.state.is_complete(), task.complete, "seed {seed}");
            if task.entry && rng.below(3) == 0 { task.run(&mut rng) } else { task.step(&mut rng) }
        }
        // Shutdown: whoever has the future drops it.
        if !task.complete {
            let takes = task.state.start_shutdown();
            assert_eq!(takes, !task.queued, "seed {seed}: a queued task is left to who takes it out");
            task.abort = true;
            if takes {
                (task.refs, task.running) = (task.refs + 1, true);
                task.complete(true);
            } else {
                task.run(&mut rng);
            }
        }
        while !task.freed {
            assert!(task.handle || task.wakers > 0, "seed {seed}: leaked");
            // No more references.
            let what =
                if task.wakers > 0 { [2, 4][rng.below(2) as usize] } else { [6, 7][rng.below(2) as usize] };
            task.take(what, &mut rng);
        }
        assert_eq!(task.outputs, 1, "seed {seed}: an output goes once");
    }
}
