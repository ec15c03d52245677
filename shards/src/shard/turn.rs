//! One turn of a shard, in order.
//!
//! ```text
//! turn   drain the mailbox → run tasks for a quantum → tasks left: look at the reactor → turn the lane
//!        → nothing left: search the other shards for movable tasks
//! park   look for a while → announce sleep, look again → wait in the kernel → turn the lane
//! ```
//!
//! A turn that leaves nothing to do does not look at the reactor: `park`, which follows, does, so that an idle
//! shard that is woken by I/O pays one system call as a bare event loop does. Should no park follow for a quantum, the turn looks
//! all the same.
//!
//! The quantum bounds how long I/O and timers wait behind tasks. It is measured every few polls only; a single poll that
//! takes long can't be bounded by anyone.
//!
//! Threads: the owner's.

use std::sync::Arc;
use std::time::Duration;

use crate::config::{
    Config, LOOKS_AFTER_EVENT, LOOKS_PER_EVENT, NEXT_IN_A_ROW, POLLS_PER_CLOCK, TURNS_UNSERVED,
};
use crate::context::{self, Inside};
use crate::mesh::{Away, Mesh, ShardId};
use crate::park::caution::CAUTION;
use crate::park::{Spin, Unpark, Window};
use crate::reactor::Reactor;
use crate::task::{RawTask, harness};
use crate::timer::NEVER;

use super::rest;
use super::{Local, ShardBuilder};

/// What a shard waits with: the owner half of a reactor, or a simulation's stand-in.
pub trait Driver: Send {
    /// Waits for events and delivers them, at most that long; `None` is for ever. Gives the number of events. Errors other
    /// than interruption can only come from misuse of the kernel's interface and panic.
    fn wait(&mut self, timeout: Option<Duration>) -> usize;

    /// Ends a wait from any thread.
    fn unparker(&self) -> Arc<dyn Unpark>;
}

/// What a turn found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Turn {
    /// There is more to run now.
    Again,
    /// Nothing to do until mail, an event or a deadline comes: park.
    Idle,
}

/// A shard as a value. Whoever calls its methods is its owner meanwhile. Dropping it closes it: its tasks are cancelled, their
/// futures dropped on the calling thread, and new ones are refused.
///
/// It stays on the thread that built it, since its tasks need not be `Send`:
///
/// ```compile_fail,E0277
/// fn moves<T: Send>() {}
/// moves::<corelane_shards::shard::Shard>();
/// ```
///
/// A shard of a mesh without [`Config::local_tasks`](crate::config::Config::local_tasks) holds nothing that is not `Send`; an
/// embedder who moves one says so with an `unsafe` of its own.
pub struct Shard {
    pub(super) local: Box<Local>,
    window: Window,
    quantum_ns: u64,
    polls_per_event: u32,
    polls_per_mail: u32,
    polls_per_overflow: u32,
    /// Tasks run since the reactor was looked at.
    polls_unserved: u32,
    /// Turns since the reactor was looked at, or since this was last asked.
    turns_unserved: u32,
    /// When the reactor has to be looked at, if turns go by without.
    due_ns: Option<u64>,
    /// How often in a row the next slot overtook the ring.
    next_in_a_row: u32,
    /// How many movable tasks were asked for since the overflow went first.
    taken: u32,
    /// Another shard's reactor and lane serve the thread while it is inside: see [`Guest`](super::Guest).
    pub(super) is_guest: bool,
}

impl Shard {
    /// Builds the shard with that id of the mesh, on the calling thread: its memory is first touched here.
    ///
    /// # Panics
    ///
    /// If the shard was built before.
    pub fn new(mesh: Arc<Mesh>, id: ShardId, driver: Box<dyn Driver>) -> Self {
        mesh.shard_stands(id, driver.unparker());
        Self::build(mesh, id, driver)
    }

    /// As [`new`](Self::new), for a shard that waits with a reactor, to which resources are bound from then on. A [`ShardBuilder`] takes
    /// two steps.
    ///
    /// It takes the reactor itself, and not a driver that names one: the states of a reactor have a half that belongs to the shard
    /// they were made for, and are reached by whoever waits with the reactor, so that has to be the same one.
    ///
    /// # Panics
    ///
    /// As `new`.
    pub fn with_reactor(mesh: Arc<Mesh>, id: ShardId, reactor: Reactor) -> Self {
        ShardBuilder::new(mesh, id, reactor).build(|_| ())
    }

    /// Builds a shard that the mesh knows.
    pub(super) fn build(mesh: Arc<Mesh>, id: ShardId, driver: Box<dyn Driver>) -> Self {
        let quantum_ns = u64::from(mesh.config().quantum_us) * 1_000;
        let window = Window::new(mesh.spin());
        let &Config { polls_per_event, polls_per_mail, polls_per_overflow, .. } = mesh.config();
        Self {
            local: Box::new(Local::new(mesh, id, driver)),
            window,
            quantum_ns,
            polls_per_event,
            polls_per_mail,
            polls_per_overflow,
            polls_unserved: 0,
            turns_unserved: 0,
            due_ns: None,
            next_in_a_row: 0,
            taken: 0,
            is_guest: false,
        }
    }

    /// The owner half that tasks reach.
    pub fn local(&self) -> &Local {
        &self.local
    }

    /// Runs `f` inside the shard, for instance to poll a root future.
    pub fn enter<R>(&self, f: impl FnOnce(&Local) -> R) -> R {
        let _inside = self.inside();
        f(&self.local)
    }

    pub(super) fn inside(&self) -> Inside {
        assert!(!self.local.lent.get(), "this shard is lent: see `lend`");
        context::enter(&*self.local, self.local.remote_ptr(), self.is_guest)
    }

    /// One turn.
    pub fn turn(&mut self) -> Turn {
        self.turn_and(false)
    }

    #[inline(always)]
    fn turn_and(&mut self, look: bool) -> Turn {
        let _inside = self.inside();
        self.local.stay_below.set(0);
        self.drain();
        let left = self.run();
        self.turns_unserved += 1;
        if left || look || (self.turns_unserved >= TURNS_UNSERVED && self.is_reactor_due()) {
            self.serve(Some(Duration::ZERO));
        }
        self.turn_lane();
        let queued = self.local.run_queue(|run| {
            run.rest();
            run.len()
        });
        let counters = self.local.remote().counters();
        counters.turns.add(1);
        self.local.publish_load();
        counters.queued.set(queued as u64);
        counters.live.set(self.local.live() as u64);
        if left || queued > 0 || (self.local.mesh().steals() && (self.has_movable() || self.search())) {
            Turn::Again
        } else {
            Turn::Idle
        }
    }

    /// One turn for a root future that gave way: each task that is queued now runs once, and the reactor is looked at.
    pub fn round(&mut self) -> Turn {
        {
            let _inside = self.inside();
            self.drain();
        }
        let movable = self.local.remote().ring.len() + self.local.mesh().overflow_len();
        let queued = self.local.run_queue(|run| run.len()) + movable;
        // One at least: what waits in the next slot is not counted.
        let polls = u32::try_from(queued.max(1)).unwrap_or(u32::MAX);
        // After so many polls a turn ends.
        self.polls_unserved = self.polls_unserved.max(self.polls_per_event.saturating_sub(polls));
        self.turn_and(true)
    }

    fn has_movable(&self) -> bool {
        rest::has_movable(self.local.remote())
    }

    /// Waits for events and delivers them.
    fn serve(&mut self, timeout: Option<Duration>) -> usize {
        self.is_served();
        wait(&self.local, timeout)
    }

    fn is_served(&mut self) {
        (self.turns_unserved, self.polls_unserved, self.due_ns) = (0, 0, None);
    }

    /// Whether turns that each left nothing to do have kept the reactor waiting for a quantum: mail that never ends, or a root
    /// future that keeps waking itself.
    #[cold]
    fn is_reactor_due(&mut self) -> bool {
        self.turns_unserved = 0;
        let now_ns = self.local.mesh().clock().now_ns();
        // Saturating: a clock that was paused may stand at the end of time.
        let due_ns = *self.due_ns.get_or_insert(now_ns.saturating_add(self.quantum_ns));
        // A paused clock is always due.
        now_ns >= due_ns || self.local.mesh().clock().is_paused()
    }

    /// Takes the mail.
    fn drain(&self) {
        let local = &*self.local;
        if local.remote().mailbox.has_mail() {
            local.run_queue(|run| run.set_world_wakes(true));
            let mut mailed = 0;
            local.remote().mailbox.drain(|task| {
                let task = RawTask(task);
                // A movable one is only memory that comes home.
                mailed += u64::from(!task.header().is_movable());
                harness::drain(task, local);
            });
            local.remote().counters().mailed.add(mailed);
            local.run_queue(|run| run.set_world_wakes(false));
        }
    }

    /// Runs tasks until none is left or the quantum is over; true if some may be left.
    fn run(&mut self) -> bool {
        let mut polls = 0;
        let mut look_at_clock = POLLS_PER_CLOCK;
        let (mut started_ns, mut read_ns) = (None, None);
        let left = loop {
            // Never past the next look at the clock: what is dated by it is late by as much.
            let most = self.polls_per_mail.min(self.polls_per_event - self.polls_unserved);
            let most = most.min(look_at_clock - polls);
            let ran = if self.local.mesh().steals() { self.run_both(most) } else { self.run_pinned(most) };
            polls += ran;
            self.polls_unserved += ran;
            self.drain();
            if ran < most && !self.has_work() {
                break false;
            }
            // By number too: a paused clock would let a task that keeps waking itself run for ever.
            if self.polls_unserved >= self.polls_per_event {
                break true;
            }
            if polls >= look_at_clock {
                look_at_clock = polls + POLLS_PER_CLOCK;
                let now_ns = self.local.read_clock();
                read_ns = Some(now_ns);
                // The first polls of a turn are not measured, so that a short turn reads no clock.
                // Wrapping: a clock that was paused meanwhile may have gone back, and then the turn ends.
                if now_ns.wrapping_sub(*started_ns.get_or_insert(now_ns)) >= self.quantum_ns {
                    break true;
                }
            }
        };
        if polls > 0 {
            self.local.rest.woke(self.local.remote());
            self.local.remote().counters().polls.add(u64::from(polls));
        }
        if let Some(read_ns) = read_ns {
            self.local.rest.note(self.local.remote(), read_ns);
        }
        left
    }

    /// Runs some pinned tasks; fewer than `most` if no more are queued.
    #[inline(always)]
    fn run_pinned(&self, most: u32) -> u32 {
        let local = &*self.local;
        let mut ran = 0;
        while ran < most {
            let Some(task) = local.run_queue(|run| run.pop_front()) else { break };
            harness::run_pinned(task, local);
            ran += 1;
        }
        context::leave_task();
        ran
    }

    /// As `run_pinned`, pinned and movable tasks in turn, and so one more at times.
    fn run_both(&mut self, most: u32) -> u32 {
        let mut ran = 0;
        while ran < most {
            let pinned = self.local.run_queue(|run| run.pop_front());
            if let Some(task) = pinned {
                // A task for which a search was left to this shard would wait for this poll to end.
                self.local.rest.found(self.local.remote());
                harness::run_pinned(task, &self.local);
                ran += 1;
            }
            if let Some(task) = self.next_movable() {
                self.local.rest.found(self.local.remote());
                // It may be the one past `most`.
                ran += harness::run_movable_here(task, &self.local, most.saturating_sub(ran));
            } else if pinned.is_none() {
                break;
            }
        }
        context::leave_task();
        ran
    }

    /// The next movable task: the one woken last, but not too often in a row; then the ring; then the overflow. Now and
    /// then the overflow goes first, or a busy ring would starve it.
    fn next_movable(&mut self) -> Option<RawTask> {
        let ring = &self.local.remote().ring;
        self.taken += 1;
        if self.taken >= self.polls_per_overflow {
            self.taken = 0;
            if let Some(task) = self.take_overflow() {
                return Some(task);
            }
        }
        if self.next_in_a_row < NEXT_IN_A_ROW {
            if let Some(task) = ring.take_next() {
                self.next_in_a_row += 1;
                return Some(RawTask(task));
            }
        }
        self.next_in_a_row = 0;
        if let Some(task) = ring.pop().or_else(|| ring.take_next()) {
            return Some(RawTask(task));
        }
        self.take_overflow()
    }

    /// Takes a fair share of the overflow: one to run now, the others into the ring.
    fn take_overflow(&self) -> Option<RawTask> {
        let mesh = self.local.mesh();
        let first = mesh.overflow.pop()?;
        let (ring, shared) = (&self.local.remote().ring, &self.local.remote().counters().shared);
        shared.add(1);
        let share = (mesh.overflow.len() / mesh.remotes().len()).min(ring.room() / 2);
        for _ in 0..share {
            let Some(task) = mesh.overflow.pop() else { break };
            if let Err(task) = ring.push(task.0) {
                mesh.overflow.push(RawTask(task));
                break;
            }
            shared.add(1);
        }
        Some(first)
    }

    /// Fires what is due on the own lane, and dates the stamp that somebody refers to: the shard may rest for long after this.
    fn turn_lane(&self) {
        let (lane, stamps) = (self.local.remote().lane(), self.local.stamps());
        if lane.next_deadline_ns() != NEVER || stamps.is_awaited() {
            let now_ns = self.local.read_clock();
            self.local.run_queue(|run| run.set_world_wakes(true));
            lane.turn(now_ns);
            self.local.run_queue(|run| run.set_world_wakes(false));
        }
    }

    /// Looks at the other shards. True if there is something to run now.
    fn search(&mut self) -> bool {
        let local = &*self.local;
        if let Some(task) = local.remote().search(&local.rest.searching, true) {
            // The next slot is empty: this shard has nothing to run.
            if let Some(other) = local.remote().ring.set_next(task) {
                super::local::schedule_in_ring(local, RawTask(other));
            }
            return true;
        }
        // A lane turned there may have woken tasks of this shard, pinned ones too.
        let found = self.has_work();
        if !found {
            local.rest.searched_in_vain(local.remote());
        }
        found
    }

    /// Waits until there is something to do. Call it after `Turn::Idle`.
    /// `look_again` is asked once the sleep has been announced: it says whether something that the caller waits for
    /// has come meanwhile.
    pub fn park(&mut self, look_again: impl Fn() -> bool) {
        let _inside = self.inside();
        if self.local.mesh().clock().is_paused() {
            return self.park_paused(&look_again);
        }
        let spin = self.local.mesh().spin();
        self.window.set(spin);
        if spin == Spin::Fixed(Duration::ZERO) {
            self.sleep(&look_again);
        } else {
            let now_ns = |shard: &Self| shard.local.mesh().clock().now_ns();
            let idle_since_ns = now_ns(self);
            let (mut found, mut until_ns) = (false, idle_since_ns);
            // Who asks for looks of a fixed length gets them wherever that is.
            if self.window.ns() > 0 && (spin != Spin::Auto || CAUTION.allows(idle_since_ns)) {
                found = self.look(&look_again, idle_since_ns.saturating_add(self.window.ns()));
                until_ns = now_ns(self);
                // Saturating: a clock that was paused meanwhile may have gone back.
                let took_ns = until_ns.saturating_sub(idle_since_ns);
                CAUTION.looked(until_ns, took_ns, self.window.ns(), found);
            }
            if !found {
                self.sleep(&look_again);
                until_ns = now_ns(self);
            }
            self.window.idled(until_ns.saturating_sub(idle_since_ns));
        }
        self.turn_lane();
    }

    /// Looks for something to do until that time; true if there is. Meanwhile it counts as searching, so that whoever publishes a
    /// movable task wakes nobody for it.
    pub(super) fn look(&mut self, look_again: &impl Fn() -> bool, end_ns: u64) -> bool {
        let mesh = self.local.mesh();
        if mesh.steals() && !self.local.rest.searching.get() {
            self.local.rest.searching.set(mesh.idle.start_searching());
        }
        let found = self.look_until(look_again, end_ns);
        // If it was a movable task, taking it says so.
        if !found || !self.finds_movable() {
            self.local.rest.found(self.local.remote());
        }
        found
    }

    /// Whether there is a movable task for a shard that searches. One that is alone in another's ring is that shard's own.
    fn finds_movable(&self) -> bool {
        let mesh = self.local.mesh();
        mesh.steals() && (self.has_movable() || mesh.has_crowd(self.local.remote()))
    }

    fn look_until(&mut self, look_again: &impl Fn() -> bool, end_ns: u64) -> bool {
        let mut looks_at_mail = if self.window.found_event() { 0 } else { LOOKS_PER_EVENT };
        loop {
            // Mail is a load away, events a system call: several looks at the one for each at the other.
            for _ in 0..looks_at_mail {
                if self.local.remote().mailbox.has_mail() || look_again() {
                    self.window.set_found_event(false);
                    return true;
                }
                std::hint::spin_loop();
            }
            if self.serve(Some(Duration::ZERO)) > 0 {
                self.window.set_found_event(true);
                return true;
            }
            if self.finds_movable() {
                return true;
            }
            let now_ns = self.local.mesh().clock().now_ns();
            if now_ns >= self.local.remote().lane().next_deadline_ns() {
                return true;
            }
            // A clock that was paused meanwhile never gets there.
            if now_ns >= end_ns || self.local.mesh().clock().is_paused() {
                return false;
            }
            // Where the CPU is this shard's alone this costs 0.3 µs. Where it is not, the other one may be the very peer whose message
            // the shard looks for, and to keep it from running, or to sleep and be woken by it, is slower than to take turns.
            std::thread::yield_now();
            looks_at_mail = if self.window.found_event() { LOOKS_AFTER_EVENT } else { LOOKS_PER_EVENT };
        }
    }

    /// As `park` under a paused clock: if nothing else comes, the clock moves on to the next deadline.
    #[cold]
    fn park_paused(&mut self, look_again: &impl Fn() -> bool) {
        if self.serve(Some(Duration::ZERO)) > 0 {
            return;
        }
        // Asked before the look: who holds the clock lets go of it after it has woken whom its work was for.
        let was_held = self.local.mesh().clock_is_held();
        if let Some(deadline_ns) = self.lie_down(look_again) {
            let mesh = self.local.mesh();
            // And after sleep was announced: who lets go from now on wakes the shard.
            if deadline_ns == NEVER || mesh.clock_is_held() {
                self.serve(None);
            } else if !was_held {
                let clock = mesh.clock();
                // False if the clock was resumed meanwhile; then the caller parks again.
                let _ = clock.advance(Duration::from_nanos(deadline_ns.saturating_sub(clock.now_ns())));
            }
        }
        self.get_up();
        self.turn_lane();
    }

    /// Announces sleep, looks again, waits in the kernel.
    fn sleep(&mut self, look_again: &impl Fn() -> bool) {
        if let Some(deadline_ns) = self.lie_down(look_again) {
            self.is_served();
            let local = &*self.local;
            local.rest.sleep(local.remote(), deadline_ns, |timeout| wait(local, timeout));
        }
        self.get_up();
    }

    /// The first half of `park`: announces sleep and looks again. `None` if there is something to do, else the time
    /// until which to wait. [`get_up`](Self::get_up) follows in either case.
    pub fn lie_down(&mut self, look_again: impl Fn() -> bool) -> Option<u64> {
        let remote = self.local.remote();
        self.local.rest.lie_down(remote, || remote.mailbox.has_mail_before_sleep() || look_again())
    }

    /// The second half of `park`, after the wait.
    pub fn get_up(&mut self) {
        self.local.rest.get_up(self.local.remote());
    }

    /// Somebody drives the shard from now on: the time counts as busy, except for waits in the kernel.
    pub fn resume(&mut self) {
        self.local.remote().come_back();
        self.local.rest.resume(self.local.remote());
    }

    /// The shard was entered while nobody drives it.
    #[inline]
    pub fn stay_away(&mut self) {
        let local = &*self.local;
        // Else nothing was left that others must know of.
        if local.mesh().steals() || local.remote().lane().undated() != 0 || local.stamps().is_awaited() {
            self.pause();
        }
    }

    /// Nobody drives the shard for now.
    pub fn pause(&mut self) {
        let (local, remote) = (&*self.local, self.local.remote());
        if local.rest.is_busy() {
            local.rest.pause(remote, local.mesh().clock().now_ns());
        }
        // What was armed or stamped since the last turn counts from now, and not from whenever somebody drives the shard again.
        if remote.lane().undated() != 0 || local.stamps().is_awaited() {
            local.read_clock();
        }
        remote.leave(Away::ForNow);
        self.leave_to_others();
    }

    /// Before the thread does something else than to run the shard's tasks, or to wait for some: movable ones are for the others
    /// meanwhile.
    pub fn leave_to_others(&mut self) {
        self.local.rest.leave(self.local.remote());
    }

    #[cfg(all(test, not(loom)))]
    pub(crate) fn driver(&mut self) -> &mut dyn Driver {
        self.local.driver.get_mut().as_deref_mut().expect("not lent")
    }

    /// Whether tasks wait to be run.
    pub fn has_work(&self) -> bool {
        self.local.has_pinned() || (self.local.mesh().steals() && self.has_movable())
    }
}

/// Waits for events and delivers them.
fn wait(local: &Local, timeout: Option<Duration>) -> usize {
    local.run_queue(|run| run.set_world_wakes(true));
    // Out of its place meanwhile: a waker that blocks in place finds nothing to lend.
    let mut driver = local.driver.take().expect("lent only for as long as a task blocks");
    let events = driver.wait(timeout);
    local.driver.set(Some(driver));
    local.run_queue(|run| run.set_world_wakes(false));
    local.remote().counters().events.add(events as u64);
    events
}
