//! The caretaker: drives what may move of a shard whose thread blocks.
//!
//! Here: its turn. Not here: how it gets the driver and gives it back ([`lend`](mod@super::lend)), where its thread comes from (the
//! embedder's, called through [`Mesh::on_lend`](crate::mesh::Mesh::on_lend)). Threads: any that may block.
//!
//! It has the driver while it looks for tasks and waits for events, and puts it down for foreign code: to run a task, and to call
//! wakers. Those that a wait is to call are put off until then; lanes it turns as anybody may.
//!
//! It runs movable tasks as an alien: they are woken by way of the overflow, and may not use what needs a shard around it, such as
//! `spawn_local`. It leaves the mailbox alone, for in it are pinned tasks.
//!
//! *The end of the runtime.* The owner closes its shard only when it is back, and what it waits for may be a movable task's
//! to do or to drop. So a caretaker that finds the runtime ending cancels what the shard lists, and from then on cancels the
//! tasks that it finds in queues instead of polling them.

use std::cell::RefCell;
use std::task::Waker;
use std::time::Duration;

use crate::config::POLLS_PER_CLOCK;
use crate::context;
use crate::mesh::Remote;
use crate::task::{RawTask, harness};
use crate::util::swallow::swallow;

use super::lend::Loan;
use super::rest::Rest;
use super::shutdown::{cancel, gather};

/// Takes care of a shard until its owner is back, or another caretaker was faster. To be called on the thread that
/// [`Mesh::on_lend`](crate::mesh::Mesh::on_lend) asks for. `is_ending` says whether the runtime ends.
pub fn take_care(remote: &Remote, is_ending: impl Fn() -> bool) {
    if let Some(loan) = remote.lend.answer() {
        let _caring = context::enter_care(remote);
        let (rest, late) = (Rest::default(), RefCell::default());
        let mut care = Care { remote, loan: Some(loan), late, rest, ending: false, taken: 0 };
        while care.turn(&is_ending) {}
    }
}

struct Care<'a> {
    remote: &'a Remote,
    /// Put down while foreign code runs.
    loan: Option<Loan>,
    /// Whom the events of a wait were for.
    late: RefCell<Vec<Waker>>,
    rest: Rest,
    ending: bool,
    /// How many movable tasks were asked for.
    taken: u32,
}

impl Care<'_> {
    /// False when somebody else has the driver or wants it.
    fn turn(&mut self, is_ending: &impl Fn() -> bool) -> bool {
        let remote = self.remote;
        if !self.ending && is_ending() {
            self.ending = true;
            let Some(loan) = &self.loan else { return false };
            let tasks = loan.with_local(gather);
            if !self.aside(|| cancel(tasks)) {
                return false;
            }
        }
        let mut polls = 0;
        while polls < POLLS_PER_CLOCK && !remote.lend.is_wanted() {
            let Some(task) = self.next() else { break };
            polls += 1;
            remote.counters().polls.add(1);
            let ending = self.ending;
            let mine = self.aside(|| {
                if ending {
                    let _ = task.header().state().abort();
                }
                harness::run_movable(task);
            });
            if !mine {
                return false;
            }
        }
        if remote.lend.is_wanted() {
            return false;
        }
        let (lane, clock) = (remote.lane(), remote.mesh().clock());
        let is_full = polls == POLLS_PER_CLOCK;
        let now_ns = clock.now_ns();
        if !is_full && remote.reaches_late_lane(now_ns) {
            return self.aside(|| remote.turn_late_lanes(now_ns));
        }
        match &mut self.loan {
            Some(Loan { driver, .. }) if is_full => {
                context::put_off(&self.late, || driver.wait(Some(Duration::ZERO)));
            }
            _ => self.park(is_ending),
        }
        if self.late.borrow().is_empty() && clock.now_ns() < lane.next_deadline_ns() {
            return true;
        }
        self.aside(|| {
            lane.date(|| clock.now_ns());
            lane.turn(clock.now_ns());
        })
    }

    /// Runs foreign code with the driver put down. False if it is gone afterwards.
    fn aside(&mut self, foreign: impl FnOnce()) -> bool {
        self.put_down();
        foreign();
        self.loan = self.remote.lend.take();
        self.loan.is_some()
    }

    fn put_down(&mut self) {
        self.rest.found(self.remote);
        self.rest.woke(self.remote);
        if let Some(loan) = self.loan.take() {
            self.remote.lend.put(loan);
        }
        for waker in self.late.take() {
            swallow(|| waker.wake());
        }
    }

    /// The next movable task. Those that were woken or spawned meanwhile are in the overflow; what was stolen is in the ring.
    fn next(&mut self) -> Option<RawTask> {
        let mesh = self.remote.mesh();
        if !mesh.steals() {
            return None;
        }
        self.taken = self.taken.wrapping_add(1);
        let pop = || self.remote.ring.pop().map(RawTask);
        let task = if self.taken % 2 == 0 {
            pop().or_else(|| mesh.overflow.pop())
        } else {
            mesh.overflow.pop().or_else(pop)
        };
        let task = task.or_else(|| self.remote.search(&self.rest.searching, false).map(RawTask));
        if task.is_none() {
            self.rest.searched_in_vain(self.remote);
        }
        task
    }

    fn park(&mut self, is_ending: &impl Fn() -> bool) {
        let Self { remote, loan, late, rest, ending, .. } = self;
        let look_again = || remote.lend.is_wanted() || (!*ending && is_ending());
        if let (Some(deadline_ns), Some(Loan { driver, .. })) = (rest.lie_down(remote, look_again), loan) {
            rest.sleep(remote, deadline_ns, |timeout| context::put_off(late, || driver.wait(timeout)));
        }
        rest.get_up(remote);
    }
}

/// Also when the kernel refuses to wait: then what was lent is there for the owner, or for the caretaker that the next loan calls.
impl Drop for Care<'_> {
    fn drop(&mut self) {
        self.put_down();
    }
}
