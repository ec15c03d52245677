//! What time needs from the runtime around it: a lane to sleep in, a clock, a stamp.
//!
//! `with_home` is the one place that asks which runtime the thread is in; what only a shard has is asked of that.
//!
//! Threads: any. On a thread that drives a shard, timers live in that shard's lane.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use corelane_shards::mesh::Remote;
use corelane_shards::shard::{self, Local};
use corelane_shards::timer::{Clock, Entry, Filed, Stamp, Status, UNDATED_MOST};

use crate::error;
use crate::runtime::{RuntimeFlavor, context};

use super::clock;

pub(super) use crate::error::SHUTTING_DOWN;

/// A pause where several threads live by the clock.
pub(crate) const NEEDS_CURRENT_THREAD: &str = "`time::pause()` requires the `current_thread` Tokio runtime. \
    This is the default Runtime used by `#[tokio::test].";

/// Runs `f` with the shard whose lane serves this thread: the one that the thread is inside, whose owner half comes along, or
/// else the least loaded one of the runtime that the thread is in.
#[inline]
fn with_home<R>(f: impl FnOnce(&Remote, Option<&Local>) -> R) -> Option<R> {
    shard::home(|local| match local {
        Some(local) => Some(f(local.remote(), Some(local))),
        None => elsewhere(f),
    })
}

#[cold]
fn elsewhere<R>(f: impl FnOnce(&Remote, Option<&Local>) -> R) -> Option<R> {
    // A reference: `f` may clone a waker, which is foreign code.
    let mesh = context::with(|inner| inner.map(|inner| Arc::clone(&inner.mesh)));
    mesh.map(|mesh| f(mesh.least_loaded(), None))
}

/// Panics unless timers work here.
#[track_caller]
#[inline]
pub(super) fn require() {
    let problem = context::with(|inner| match inner {
        Some(inner) if !inner.time_enabled => Some(error::NO_TIME),
        None if shard::home(|local| local.is_none()) => Some(error::NO_RUNTIME),
        _ => None,
    });
    if let Some(problem) = problem {
        panic!("{problem}");
    }
}

/// The time.
#[inline]
pub(super) fn now() -> Instant {
    if clock::any_paused() {
        with_home(|remote, _| remote.mesh().clock().now()).unwrap_or_else(Instant::now)
    } else {
        Instant::now()
    }
}

/// Runs `f` with the clock if it may be paused: then one thread alone lives by it.
#[track_caller]
pub(super) fn with_pausable_clock<R>(f: impl FnOnce(&Clock) -> R) -> Option<R> {
    // Of the runtime that the thread is in: if it has entered another one than that of the shard it drives, of the other.
    let clock = context::with(|inner| match inner {
        Some(inner) => Some((inner.flavor == RuntimeFlavor::CurrentThread).then(|| f(inner.mesh.clock()))),
        // A shard that is driven without a runtime.
        None => with_home(|remote, _| {
            let mesh = remote.mesh();
            (mesh.remotes().len() == 1).then(|| f(mesh.clock()))
        }),
    });
    clock.expect("time cannot be frozen from outside the Tokio runtime")
}

/// Fires what is due in this thread's lane now.
pub(super) fn turn_lane() {
    with_home(|remote, _| {
        let now_ns = remote.mesh().clock().now_ns();
        remote.lane().date(|| now_ns);
        while remote.lane().next_deadline_ns() <= now_ns {
            remote.lane().turn(now_ns);
        }
    });
}

/// A stamp for now. `None` where reading the clock is the better choice: outside of shards, and after a pause, when the time
/// is whatever a test says.
#[inline]
pub(super) fn stamp() -> Option<Stamp> {
    if clock::any_paused() {
        return None;
    }
    shard::home(|local| Some(local?.stamps().stamp()))
}

/// Has a stamp stand for one moment, so that who asks twice is told the same. On another thread than the shard's it can't.
pub(super) fn date(stamp: &Stamp) {
    shard::home(|local| {
        if let Some(local) = local.filter(|local| local.stamps().is_current(stamp)) {
            local.read_clock();
        }
    });
}

/// The instant of a stamp, or now.
pub(super) fn time_of(stamp: &Stamp) -> Instant {
    let known = stamp.time_ns().and_then(|ns| with_home(|remote, _| remote.mesh().clock().to_instant(ns)));
    known.unwrap_or_else(now)
}

/// Arms an entry that is not armed, in this thread's lane. The status says what came of it: armed, fired if the deadline is
/// known to have passed, or closed.
///
/// A running clock is not read for that: what the shard has read before is good enough.
#[track_caller]
#[inline]
pub(super) fn arm(entry: Pin<&mut Entry>, deadline: Instant, waker: &Waker) -> Status {
    let status = with_home(|remote, local| {
        let deadline_ns = remote.mesh().clock().from_instant(deadline);
        if deadline_ns <= passed_ns(remote, local) {
            return Status::Fired;
        }
        match entry.arm(remote.lane(), deadline_ns, waker.clone()) {
            Filed::Refused => return Status::Closed,
            Filed::Earliest if local.is_none() => remote.wake_for_timer(),
            Filed::Earliest | Filed::Later => {}
        }
        Status::Armed
    });
    status.unwrap_or_else(|| panic!("{}", error::NO_RUNTIME))
}

/// Arms an entry that is not armed for a duration that began with the stamp, without reading the clock. `None` where that cannot
/// be, since the stamp is not of this thread's current stretch.
#[inline]
pub(super) fn arm_for(
    entry: Pin<&mut Entry>,
    stamp: &Stamp,
    duration: Duration,
    waker: &Waker,
) -> Option<Status> {
    // What lasts longer than most machines makes no sum that fits.
    const LONG_S: u64 = 1 << 32;
    if clock::any_paused() || duration.as_secs() >= LONG_S {
        return None;
    }
    let duration_ns = duration.as_secs() * 1_000_000_000 + u64::from(duration.subsec_nanos());
    shard::home(|local| {
        let local = local.filter(|local| local.stamps().is_current(stamp))?;
        let lane = local.remote().lane();
        if lane.undated() >= UNDATED_MOST {
            // Which dates the stamp too.
            local.read_clock();
            return None;
        }
        match entry.arm_for(lane, duration_ns, local.stamps().read_ns(), waker.clone()) {
            Filed::Refused => Some(Status::Closed),
            Filed::Earliest | Filed::Later => Some(Status::Armed),
        }
    })
}

/// The deadline of an entry that was armed for a duration.
pub(super) fn deadline(entry: &Entry) -> Instant {
    // All clocks agree on what a number means. What is undated was armed by a clock that runs, and pausing that one dates it: the time
    // is the machine's, whatever the clock of the runtime says that this is asked in.
    let clock = Clock::new();
    clock.to_instant(entry.deadline_ns(|| clock.now_ns()))
}

/// Dates what waits for the time to be read, before it is whatever a test says.
pub(super) fn read_clock() {
    shard::home(|local| {
        if let Some(local) = local {
            local.read_clock();
        }
    });
}

/// Moves the deadline of an entry. Afterwards it is armed, or idle and to be armed by the next poll. True if the deadline is
/// known to have passed.
pub(super) fn reset(mut entry: Pin<&mut Entry>, deadline: Instant) -> bool {
    let home = with_home(|remote, local| {
        let deadline_ns = remote.mesh().clock().from_instant(deadline);
        let is_here = local.is_some() && entry.is_in(remote.lane());
        // Armed in another runtime, it goes by that one's clock.
        let is_ours = is_here
            || entry.status() == Status::Idle
            || remote.mesh().remotes().iter().any(|remote| entry.is_in(remote.lane()));
        (is_ours && deadline_ns <= passed_ns(remote, local), is_here.then_some(deadline_ns))
    });
    match home {
        // Earliest or later, this thread drives the shard that has to know; refused, the entry is idle.
        Some((false, Some(deadline_ns))) => {
            let _ = entry.reset(deadline_ns);
        }
        // It is over; or the lane's shard would have to be told, which may be another runtime's, and whoever waits can poll
        // just as well and arm the entry where it is.
        _ => {
            if let Some(waker) = entry.as_mut().disarm() {
                waker.wake();
            }
            idle(entry);
        }
    }
    home.is_some_and(|(passed, _)| passed)
}

/// A time that has certainly passed: the latest that costs nothing to find out.
#[inline]
fn passed_ns(remote: &Remote, local: Option<&Local>) -> u64 {
    if clock::any_paused() {
        remote.mesh().clock().now_ns()
    } else {
        local.map_or(0, |local| local.stamps().read_ns())
    }
}

/// Takes an entry back to where it was before it was first armed.
pub(super) fn idle(mut entry: Pin<&mut Entry>) {
    entry.as_mut().cancel();
    // Refused, since it is not armed, and thereby idle.
    let _ = entry.reset(0);
}
