//! The mesh: the remote halves of all shards of a runtime, in one fixed array, and what they share.
//!
//! Here: finding a shard, the overflow of movable tasks, waking somebody for movable work. Not here: the owner halves,
//! which belong to the threads; who is idle and who searches ([`idle`]). Threads: any.
//!
//! *A shard that nobody drives*, such as that of a `block_on` between two of them, is *away*. Placement leaves it out while there are
//! others, and it does not count as running, so that nobody watches it. Where shards reach each other, those that sleep see to its
//! timers: they get up by the deadline that they find in its lane as they lie down.
//!
//! ```text
//!  who leaves                       who lies down             who arms a timer there from outside
//!  L1  away := true                 W1  watching := false     A1  lock the lane, publish its deadline
//!  L2  lock the lane, read its      W2  fence SeqCst          A2  away: call another
//!      deadline                     W3  away? deadline?
//!  L3  fence SeqCst
//!  L4  there is one, and nobody watches: call another
//! ```
//! The lock orders L2 and A1: either L2 sees the deadline or A2 sees `away`. By the fences, W2 being that of the idle bit, either L4 sees
//! that the watcher has stopped or W3 sees both. One that has not gets up within a millisecond, and comes to W3 then.

#![expect(
    unsafe_code,
    reason = "remote halves point back at the mesh that holds them; tasks keep the mesh alive by count"
)]

mod idle;

use std::cell::Cell;
use std::fmt;
use std::ptr::{self, NonNull};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::config::{Config, Reach, Site};
use crate::context;
use crate::loom::atomic::Ordering::{Acquire, Relaxed, SeqCst};
use crate::loom::atomic::{AtomicBool, AtomicU8, AtomicUsize, fence};
use crate::loom::{Mutex, MutexGuard, SegQueue};
use crate::metrics::{Counter, Counters};
use crate::park::{Sleeper, Spin, Unpark};
use crate::queue::mailbox::{Mailbox, Node};
use crate::queue::steal::Ring;
use crate::reactor::{Registry, Unbound};
use crate::shard::Driver;
use crate::shard::lend::{Lend, Loan};
use crate::task::header::{Header, links};
use crate::task::{RawTask, harness};
use crate::timer::{Clock, Lane, NEVER};
use crate::util::CachePadded;

use idle::Idle;

const SOME_SHARD: &str = "a mesh has at least one shard";
const NO_PANIC: &str = "no code that can panic runs under this lock";

/// How often an idle shard looks while others run.
pub(crate) const WATCH: Duration = Duration::from_millis(1);

/// A shard's place in its mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardId(pub u32);

impl ShardId {
    /// As an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Node for Header {
    fn link(&self) -> &crate::loom::atomic::AtomicPtr<Self> {
        &self.link
    }
}

/// All that other threads may touch of one shard.
pub struct Remote {
    mesh: *const Mesh,
    id: ShardId,
    pub(crate) mailbox: CachePadded<Mailbox<Header>>,
    pub(crate) sleeper: CachePadded<Sleeper>,
    /// Pinned tasks alive here as of the last turn, less those received from others: with `sent` that is the load.
    pub(crate) own_load: CachePadded<AtomicUsize>,
    /// Pinned tasks that others sent here.
    pub(crate) sent: AtomicUsize,
    /// Whether somebody drives the shard: zero, or an [`Away`].
    away: AtomicU8,
    pub(crate) ring: CachePadded<Ring<Header>>,
    /// Movable tasks of the shard's arena, ever.
    pub(crate) movable: Counter,
    /// Those that completed while their shard's thread was inside.
    completed_here: Counter,
    /// Those that completed elsewhere.
    completed_elsewhere: CachePadded<AtomicUsize>,
    /// Movable tasks on the heap that the shard lists and that have not completed.
    owned: CachePadded<Mutex<Owned>>,
    /// The shard takes no movable task any more. Changes under the lock of `owned`.
    refuses: AtomicBool,
    /// Of the shards that reach each other, the first one's says whether one of them watches.
    watching: CachePadded<AtomicBool>,
    first_in_reach: ShardId,
    lane: Lane,
    /// Where the driver is handed over while the shard's thread blocks.
    pub(crate) lend: Lend<Loan>,
    registry: OnceLock<Arc<Registry>>,
    counters: CachePadded<Counters>,
    /// Other shards, nearest first, as far as stealing reaches.
    pub(crate) victims: Vec<ShardId>,
}

// SAFETY: `mesh` points at the allocation that this is part of.
unsafe impl Send for Remote {}
// SAFETY: as above; everything else is `Sync`.
unsafe impl Sync for Remote {}

/// Why nobody drives a shard.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Away {
    /// Somebody will again, as between two `block_on`s.
    ForNow = 1,
    /// It closes.
    ForGood,
}

#[derive(Debug)]
struct Owned {
    first: *const Header,
    len: usize,
    /// How many were listed ever.
    total: usize,
}

// SAFETY: the list's tasks may be reached by whoever holds its lock.
unsafe impl Send for Owned {}

impl Remote {
    /// The mesh this is part of.
    pub fn mesh(&self) -> &Mesh {
        // SAFETY: remote halves live inside their mesh, at a fixed address.
        unsafe { &*self.mesh }
    }

    /// The shard's place.
    pub fn id(&self) -> ShardId {
        self.id
    }

    /// The shard's part of the timer wheel.
    pub fn lane(&self) -> &Lane {
        &self.lane
    }

    /// The remote half of the shard's reactor, once the shard is built, if it has one.
    pub fn registry(&self) -> Option<&Arc<Registry>> {
        self.registry.get()
    }

    pub(crate) fn set_registry(&self, registry: Arc<Registry>) {
        assert!(self.registry.set(registry).is_ok(), "a shard of the mesh is built once");
    }

    /// What the shard counts.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Pinned tasks alive on the shard or on the way to it; a moment's impression.
    pub fn load(&self) -> usize {
        let load = self.sent.load(Relaxed).wrapping_add(self.own_load.load(Relaxed));
        // Below zero if a task came and completed between the two loads.
        (load as isize).max(0) as usize
    }

    /// Nobody drives the shard from now on.
    pub(crate) fn leave(&self, away: Away) {
        // L1. Relaxed: see the module's head.
        self.away.store(away as u8, Relaxed);
        if self.mesh().steals() && self.lane.settle() != NEVER {
            // L3.
            fence(SeqCst);
            if !self.mesh().is_watched(self) {
                self.mesh().notify_of_timer(self);
            }
        }
    }

    /// Somebody drives the shard again.
    pub(crate) fn come_back(&self) {
        // Relaxed: who sees it late places elsewhere, or looks for late timers once in vain.
        self.away.store(0, Relaxed);
    }

    #[inline]
    pub(crate) fn is_away(&self) -> bool {
        self.away() != 0
    }

    #[inline]
    fn away(&self) -> u8 {
        // Relaxed: see the module's head; for placement an impression.
        self.away.load(Relaxed)
    }

    /// Wakes the shard if it sleeps, after publishing something for it.
    pub fn wake(&self) {
        self.sleeper.wake();
    }

    /// As [`wake`](Self::wake), by a thread outside of all shards that has armed a timer in the lane, before all others there.
    pub fn wake_for_timer(&self) {
        self.wake();
        // A2.
        if self.mesh().steals() && self.is_away() {
            self.mesh().notify_of_timer(self);
        }
    }

    /// W3: when a shard that sleeps has to get up for the timers of those that nobody drives: once they are late.
    pub(crate) fn deadline_left_ns(&self, now_ns: u64) -> u64 {
        let away = self.reached().filter(|other| other.is_away());
        let first_ns = away.map(|other| other.lane.next_deadline_ns()).min().unwrap_or(NEVER);
        match first_ns {
            NEVER => NEVER,
            _ => {
                let watch_ns = WATCH.as_nanos() as u64;
                let late_ns = first_ns.saturating_add(self.mesh().quantum_ns().max(watch_ns));
                // Who found it late already leaves it to another one that searches.
                late_ns.max(now_ns.saturating_add(watch_ns))
            }
        }
    }

    /// Looks at the other shards on behalf of this one, which has no movable task: takes half of those of the nearest that has some,
    /// all but the one returned into the ring. If `lanes`, it turns lanes that are late, which calls foreign wakers. By the thread that
    /// may pop the ring.
    ///
    /// A lane that is turned may wake tasks of this shard. So the search is not over, though none is returned: the caller
    /// sees whether there is something to run, which ends it, or ends it himself.
    pub(crate) fn search(&self, searching: &Cell<bool>, lanes: bool) -> Option<NonNull<Header>> {
        let mesh = self.mesh();
        // A shard that was claimed counts as searching even if it reaches nobody, and has to stop.
        if !searching.get() && (self.victims.is_empty() || !mesh.idle.start_searching()) {
            return None;
        }
        searching.set(true);
        let now_ns = mesh.clock().now_ns();
        for id in &self.victims {
            let victim = mesh.remote(*id);
            if lanes && victim.turn_late_lane(now_ns) {
                // It is what was looked for, and it may leave no room for a thief's half.
                if !self.ring.is_empty() {
                    return None;
                }
            }
            if let Some(task) = victim.ring.steal_into(&self.ring) {
                self.counters().steals.add(1 + self.ring.len() as u64);
                self.counters().steal_operations.add(1);
                return Some(task);
            }
        }
        None
    }

    /// Turns the lane of a shard that has kept it waiting; false if it has not. By another shard's thread.
    fn turn_late_lane(&self, now_ns: u64) -> bool {
        let mesh = self.mesh();
        let is_late = self.is_late(now_ns);
        if is_late {
            self.lane().date(|| mesh.clock().now_ns());
            self.lane().turn(now_ns);
        }
        is_late
    }

    fn is_late(&self, now_ns: u64) -> bool {
        self.lane().next_deadline_ns() < now_ns.saturating_sub(self.mesh().quantum_ns())
    }

    fn reached(&self) -> impl Iterator<Item = &Remote> {
        self.victims.iter().map(|id| self.mesh().remote(*id))
    }

    /// Whether a shard that this one reaches keeps its lane waiting.
    pub(crate) fn reaches_late_lane(&self, now_ns: u64) -> bool {
        self.reached().any(|other| other.is_late(now_ns))
    }

    /// Turns the lanes of those.
    pub(crate) fn turn_late_lanes(&self, now_ns: u64) {
        for other in self.reached() {
            other.turn_late_lane(now_ns);
        }
    }

    /// Whether new movable tasks are refused, asked by the shard's thread.
    pub(crate) fn refuses_movable(&self) -> bool {
        // Relaxed: set by whoever is the shard, or had its driver before.
        self.refuses.load(Relaxed)
    }

    /// A movable task of the shard's arena is about to complete. The caller has a reference to it.
    pub(crate) fn movable_completed(&self) {
        // Relaxed: counts; they publish nothing.
        if ptr::eq(context::remote(), self) {
            self.completed_here.add(1);
        } else {
            self.completed_elsewhere.fetch_add(1, Relaxed);
        }
    }

    fn owned(&self) -> MutexGuard<'_, Owned> {
        self.owned.lock().expect(NO_PANIC)
    }

    /// Lists a new movable task that is on the heap; false if the shard is closing.
    pub(crate) fn list(&self, task: RawTask) -> bool {
        let mut owned = self.owned();
        // Relaxed: under the lock.
        if self.refuses.load(Relaxed) {
            return false;
        }
        push_front(&mut owned.first, task);
        owned.len += 1;
        owned.total += 1;
        true
    }

    /// Takes a movable task off the list; false if it was not there.
    pub(crate) fn unlist(&self, task: RawTask) -> bool {
        let mut owned = self.owned();
        let found = remove(&mut owned.first, task);
        owned.len -= usize::from(found);
        found
    }

    /// Movable tasks that have not completed; a moment's impression.
    fn movable_alive(&self) -> usize {
        let listed = self.owned().len;
        let here = self.completed_here.get() as usize;
        // Acquire: keeps the order, in which nothing has completed before it is there.
        let elsewhere = self.completed_elsewhere.load(Acquire);
        listed + (self.movable.get() as usize).saturating_sub(here + elsewhere)
    }

    /// Tasks of the shard, ever; a moment's impression.
    fn spawned(&self) -> u64 {
        let listed = self.owned().total;
        // Received first: each of those was sent before. It is among those spawned from a moment later on.
        let received = self.counters.received.get();
        let sent = self.sent.load(Relaxed) as u64;
        let own = self.counters.spawned.get().saturating_sub(received);
        sent + own + self.movable.get() + listed as u64
    }

    /// Refuses movable tasks from now on, and gives those listed, each with a reference. By whoever is the shard.
    pub(crate) fn close_list(&self) -> Vec<RawTask> {
        let owned = self.owned();
        self.refuses.store(true, Relaxed);
        let mut all = Vec::new();
        let mut at = owned.first;
        while let Some(task) = NonNull::new(at.cast_mut()) {
            // The list's reference is not enough once the lock is given back.
            // SAFETY: listed tasks have not completed, so they are there.
            unsafe { task.as_ref() }.state().make_ref();
            all.push(RawTask(task));
            // SAFETY: a listed task, under the lock.
            at = unsafe { links(task).as_ref() }.next;
        }
        all
    }
}

/// Puts a heap task at the front of a list. The caller holds what guards the list.
pub(crate) fn push_front(first: &mut *const Header, task: RawTask) {
    // SAFETY: a heap task's links belong to the list's guard.
    let link = unsafe { links(task.0).as_mut() };
    debug_assert!(!link.listed);
    link.listed = true;
    link.prev = ptr::null();
    link.next = *first;
    if let Some(next) = NonNull::new(first.cast_mut()) {
        // SAFETY: as above.
        unsafe { links(next).as_mut() }.prev = task.0.as_ptr();
    }
    *first = task.0.as_ptr();
}

/// Takes a heap task off a list; false if it was on none. The caller holds what guards the list.
pub(crate) fn remove(first: &mut *const Header, task: RawTask) -> bool {
    // SAFETY: a heap task's links belong to the list's guard.
    let link = unsafe { links(task.0).as_mut() };
    if !std::mem::take(&mut link.listed) {
        return false;
    }
    let (prev, next) = (link.prev, link.next);
    match NonNull::new(prev.cast_mut()) {
        // SAFETY: as above.
        Some(prev) => unsafe { links(prev).as_mut() }.next = next,
        None => *first = next,
    }
    if let Some(next) = NonNull::new(next.cast_mut()) {
        // SAFETY: as above.
        unsafe { links(next).as_mut() }.prev = prev;
    }
    true
}

/// See the module's head.
pub struct Mesh {
    config: Config,
    /// How long shards look, which may change while they run. Not one of the models' atomics: it orders nothing, and each look at
    /// it would be one more point for them to switch at.
    spin: std::sync::atomic::AtomicU64,
    clock: Clock,
    remotes: Box<[Remote]>,
    /// Movable tasks from outside, and what the rings could not hold.
    pub(crate) overflow: CachePadded<SegQueue<RawTask>>,
    /// All shards have closed: who puts something into the overflow has to take it out again.
    finished: AtomicBool,
    /// Which shards have nothing to do, and how many search.
    pub(crate) idle: Idle,
    /// Movable tasks that aliens spawned, ever.
    alien_spawns: AtomicUsize,
    /// How to get a caretaker; see `on_lend`.
    call_caretaker: OnceLock<CallCaretaker>,
    /// While positive a paused clock stands even if all is idle: somebody works outside of the shards.
    clock_holds: AtomicUsize,
    pub(crate) unbound: Unbound,
    standing: Mutex<Standing>,
}

/// See [`Mesh::shard_closed`].
#[derive(Default)]
struct Standing {
    shards: usize,
    /// Those of shards that have closed.
    drivers: Vec<Box<dyn Driver>>,
}

/// Has a thread call [`take_care`](crate::shard::take_care) for a shard. False if there is none.
type CallCaretaker = Box<dyn Fn(ShardId) -> bool + Send + Sync>;

/// Keeps a paused clock from being moved on by an idle shard.
pub struct ClockHold(Arc<Mesh>);

impl Drop for ClockHold {
    fn drop(&mut self) {
        // SeqCst: published before the sleep words are looked at.
        if self.0.clock_holds.fetch_sub(1, SeqCst) == 1 && self.0.clock.is_paused() {
            self.0.remotes.iter().for_each(Remote::wake);
        }
    }
}

impl Mesh {
    /// The remote halves for `config.sites.len()` shards.
    ///
    /// # Panics
    ///
    /// With no shard at all, and with shards that would run no task before they look at something else.
    pub fn new(config: Config, clock: Clock) -> Arc<Self> {
        let shards = config.sites.len();
        assert!(shards > 0, "{SOME_SHARD}");
        let Config { polls_per_event, polls_per_mail, polls_per_overflow, .. } = config;
        assert!(polls_per_event > 0 && polls_per_mail > 0 && polls_per_overflow > 0, "a shard runs tasks");
        let now_ns = clock.now_ns();
        Arc::new_cyclic(|weak| {
            let remotes = (0..shards as u32).map(|id| Remote {
                mesh: weak.as_ptr(),
                id: ShardId(id),
                mailbox: CachePadded(Mailbox::new()),
                sleeper: CachePadded(Sleeper::new()),
                own_load: CachePadded(AtomicUsize::new(0)),
                sent: AtomicUsize::new(0),
                away: AtomicU8::new(0),
                ring: CachePadded(if config.steal == Reach::Off {
                    Ring::without_places()
                } else {
                    Ring::new()
                }),
                movable: Counter::default(),
                completed_here: Counter::default(),
                completed_elsewhere: CachePadded(AtomicUsize::new(0)),
                owned: CachePadded(Mutex::new(Owned { first: ptr::null(), len: 0, total: 0 })),
                refuses: AtomicBool::new(false),
                watching: CachePadded(AtomicBool::new(false)),
                first_in_reach: first_in_reach(&config.sites, id, config.steal),
                lane: Lane::new(config.timer_resolution_us, now_ns),
                lend: Lend::new(),
                registry: OnceLock::new(),
                counters: CachePadded(Counters::default()),
                victims: near_to_far(&config.sites, id as usize, config.steal),
            });
            Self {
                remotes: remotes.collect(),
                overflow: CachePadded(SegQueue::new()),
                finished: AtomicBool::new(false),
                idle: Idle::new(shards),
                alien_spawns: AtomicUsize::new(0),
                clock_holds: AtomicUsize::new(0),
                call_caretaker: OnceLock::new(),
                unbound: Unbound::new(),
                standing: Mutex::new(Standing::default()),
                spin: std::sync::atomic::AtomicU64::new(config.spin.to_word()),
                config,
                clock,
            }
        })
    }

    /// The knobs.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// How long a lane may keep its timers waiting before others turn it.
    fn quantum_ns(&self) -> u64 {
        u64::from(self.config.quantum_us) * 1_000
    }

    /// How long a shard looks before it sleeps: as in the config until somebody has set it.
    pub fn spin(&self) -> Spin {
        // Relaxed: nothing is published with it.
        Spin::from_word(self.spin.load(std::sync::atomic::Ordering::Relaxed))
    }

    /// Has the shards look that long, each from when it next has nothing to do.
    pub fn set_spin(&self, spin: Spin) {
        // Relaxed: as above.
        self.spin.store(spin.to_word(), std::sync::atomic::Ordering::Relaxed);
    }

    /// The time.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Whether tasks move.
    #[inline(always)]
    pub fn steals(&self) -> bool {
        self.config.steal != Reach::Off
    }

    /// The remote halves, by [`ShardId::index`].
    pub fn remotes(&self) -> &[Remote] {
        &self.remotes
    }

    /// One remote half.
    ///
    /// # Panics
    ///
    /// If the mesh has no such shard.
    #[track_caller]
    pub fn remote(&self, id: ShardId) -> &Remote {
        &self.remotes[id.index()]
    }

    /// Keeps a paused clock where it is, until the answer is dropped.
    pub fn hold_clock(self: &Arc<Self>) -> ClockHold {
        self.clock_holds.fetch_add(1, SeqCst);
        ClockHold(Arc::clone(self))
    }

    /// Whether a paused clock has to stand.
    pub(crate) fn clock_is_held(&self) -> bool {
        crate::loom::seq_cst();
        self.clock_holds.load(SeqCst) > 0
    }

    /// Tasks that have not completed, pinned as of each shard's last turn and movable as listed.
    pub fn alive_tasks(&self) -> usize {
        self.remotes.iter().map(|remote| remote.load() + remote.movable_alive()).sum()
    }

    /// Tasks that were spawned, ever.
    pub fn spawned_tasks(&self) -> u64 {
        self.remotes.iter().map(Remote::spawned).sum()
    }

    /// Pinned tasks that were sent to a shard and are still in its mail, as a moment's impression.
    pub fn mailed_tasks(&self) -> usize {
        let mailed = |remote: &Remote| {
            // Received first: then the difference is never below zero, but for what the reader's processor turns around.
            let received = remote.counters.received.get() as usize;
            remote.sent.load(Relaxed).saturating_sub(received)
        };
        self.remotes.iter().map(mailed).sum()
    }

    /// Movable tasks in the queue that all shards share.
    pub fn overflow_len(&self) -> usize {
        self.overflow.len()
    }

    /// The shard with the fewest pinned tasks, of those that somebody drives as long as there is one, else of those that somebody will.
    pub fn least_loaded(&self) -> &Remote {
        let key = |remote: &&Remote| (remote.away(), remote.load());
        self.remotes.iter().min_by_key(key).expect(SOME_SHARD)
    }

    /// The shard that lists an alien's next movable task. Any would do, since lists only serve shutdown: they take turns, so
    /// that aliens don't meet at one lock. A count and not the thread or an address, which would end a simulation's
    /// being the same each time; the task goes to the overflow, whose cache lines all aliens share anyway.
    pub(crate) fn next_lister(&self) -> &Remote {
        // Relaxed: any number will do.
        let first = self.alien_spawns.fetch_add(1, Relaxed) % self.remotes.len();
        let (before, after) = self.remotes.split_at(first);
        let all = after.iter().chain(before);
        let open = all.clone().find(|remote| !remote.is_away());
        open.or_else(|| all.min_by_key(|remote| remote.away())).expect(SOME_SHARD)
    }

    /// Says how to get a thread that takes care of a shard while a task blocks: see [`lend`](fn@crate::shard::lend). Without it
    /// what is lent waits.
    ///
    /// # Panics
    ///
    /// If it was said before.
    pub fn on_lend(&self, call: impl Fn(ShardId) -> bool + Send + Sync + 'static) {
        assert!(self.call_caretaker.set(Box::new(call)).is_ok(), "a mesh has one way to get caretakers");
    }

    /// Has a caretaker come, after the place was marked as having called one.
    pub(crate) fn call_caretaker(&self, remote: &Remote) {
        if !self.call_caretaker.get().is_some_and(|call| call(remote.id())) {
            remote.lend.uncall();
        }
    }

    /// A shard can be woken from now on, and will close.
    pub(crate) fn shard_stands(&self, id: ShardId, unpark: Arc<dyn Unpark>) {
        self.remote(id).sleeper.set_unpark(unpark);
        self.standing.lock().expect(NO_PANIC).shards += 1;
    }

    /// A shard has cancelled its tasks. The last one closes all lanes and reactors: until then tasks of the others may wait there,
    /// which are to be cancelled as well, and not to find an error before that. A shard that a panic ends closes its own at once, for
    /// the others may go on without it.
    pub(crate) fn shard_closed(&self, shard: &Remote, driver: Option<Box<dyn Driver>>) {
        let mut standing = self.standing.lock().expect(NO_PANIC);
        standing.shards -= 1;
        let is_last = standing.shards == 0;
        if !is_last && !std::thread::panicking() {
            standing.drivers.extend(driver);
            return;
        }
        let others = if is_last { std::mem::take(&mut standing.drivers) } else { Vec::new() };
        drop(standing);
        let closing = if is_last { &*self.remotes } else { std::slice::from_ref(shard) };
        closing.iter().for_each(|remote| remote.lane().close());
        drop((driver, others));
    }

    /// Keeps the mesh alive for a task.
    pub(crate) fn retain(&self) {
        // SAFETY: a mesh is only made inside an `Arc`, and the caller borrows it. The remote halves' pointer, since a reference may not
        // reach the counts beside the mesh.
        unsafe { Arc::increment_strong_count(self.remotes[0].mesh) };
    }

    /// Gives a `retain` back.
    ///
    /// # Safety
    /// `shard` is a remote half of a mesh that was retained for this.
    pub(crate) unsafe fn release(shard: *const Remote) {
        // SAFETY: alive by the count that is given back.
        let mesh = unsafe { (*shard).mesh };
        // SAFETY: by contract.
        unsafe { Arc::decrement_strong_count(mesh) };
    }

    /// A movable task was put into a shard's ring, by its thread: as [`notify`](Self::notify), without the fence that makes it
    /// certain; see [`idle`].
    pub(crate) fn notify_of_ring(&self, near: &Remote) {
        if let Some(id) = self.idle.claim_near(near.victims.iter().copied()) {
            self.remote(id).wake();
        }
    }

    /// Something movable was published: wakes one idle shard that may take it, unless one is searching.
    pub(crate) fn notify(&self, near: Option<&Remote>) {
        let claimed = match near {
            Some(near) => self.idle.claim_for_work(near.victims.iter().copied()),
            None => self.idle.claim_for_work(self.remotes.iter().map(Remote::id)),
        };
        if let Some(id) = claimed {
            self.remote(id).wake();
        }
    }

    /// There is a timer in the lane of a shard that nobody drives: wakes one idle shard that reaches it, which finds the deadline as it
    /// lies down. Also while one is searching, who looks for something else.
    fn notify_of_timer(&self, left: &Remote) {
        if let Some(id) = self.idle.claim_for_timer(left.victims.iter().copied()) {
            self.remote(id).wake();
        }
    }

    fn watching(&self, among: &Remote) -> &AtomicBool {
        &self.remote(among.first_in_reach).watching
    }

    /// Whether an idle shard looks every now and then at all that reach each other with that one.
    pub(crate) fn is_watched(&self, remote: &Remote) -> bool {
        self.watching(remote).load(Relaxed)
    }

    /// A shard is about to sleep: true if it is the one that looks at the others every [`WATCH`], which there is while any of
    /// those it reaches runs.
    pub(crate) fn start_watching(&self, remote: &Remote) -> bool {
        let watching = self.watching(remote);
        // SeqCst: of the last two shards to announce sleep, one sees both asleep.
        let one_runs = remote.reached().any(|other| !other.sleeper.word.is_asleep() && !other.is_away());
        one_runs && !watching.load(Relaxed) && !watching.swap(true, SeqCst)
    }

    pub(crate) fn stop_watching(&self, remote: &Remote) {
        self.watching(remote).store(false, SeqCst);
    }

    /// Puts a movable task where every shard finds it. The caller keeps the mesh alive.
    pub(crate) fn share(&self, task: RawTask, near: Option<&Remote>) {
        self.overflow.push(task);
        // Its fence pairs with that of `finish`: either we see `finished`, or `finish` sees the task.
        self.notify(near);
        if self.finished.load(Relaxed) {
            self.finish();
        }
    }

    /// Cancels what is left in the overflow, after all shards have closed.
    pub fn finish(&self) {
        self.finished.store(true, Relaxed);
        // Pairs with the fence in `share`.
        fence(SeqCst);
        while let Some(task) = self.overflow.pop() {
            let _ = task.header().state().abort();
            harness::run_movable(task);
        }
    }

    /// Whether any queue of movable tasks within reach of a shard has something.
    pub(crate) fn has_movable(&self, remote: &Remote) -> bool {
        !self.overflow.is_empty() || remote.victims.iter().any(|id| !self.remote(*id).ring.is_empty())
    }

    /// Whether a shard within reach has more movable tasks than one.
    pub(crate) fn has_crowd(&self, remote: &Remote) -> bool {
        let mut rings = remote.victims.iter().map(|id| &self.remote(*id).ring);
        rings.any(|ring| ring.queued() > 1)
    }
}

/// The least reach within which two shards take tasks from each other.
fn distance(a: Site, b: Site) -> Reach {
    if (a.llc, a.node) == (b.llc, b.node) {
        Reach::Llc
    } else if a.node == b.node {
        Reach::Numa
    } else {
        Reach::All
    }
}

fn near_to_far(sites: &[Site], me: usize, reach: Reach) -> Vec<ShardId> {
    let n = sites.len();
    let distance = |other: &usize| distance(sites[me], sites[*other]);
    // Starting after oneself, so that not all shards fall upon the same victim.
    let mut others: Vec<usize> =
        (1..n).map(|step| (me + step) % n).filter(|other| distance(other) <= reach).collect();
    others.sort_by_key(distance);
    others.into_iter().map(|other| ShardId(other as u32)).collect()
}

/// Stands for all shards that reach each other with this one.
fn first_in_reach(sites: &[Site], me: u32, reach: Reach) -> ShardId {
    let first = sites.iter().position(|site| distance(sites[me as usize], *site) <= reach);
    ShardId(first.map_or(me, |first| first as u32))
}
