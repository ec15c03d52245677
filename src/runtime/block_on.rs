//! Running a future to its end on the calling thread.
//!
//! Two ways. *Seated*: the thread takes the shard that no thread of the runtime drives and turns it between polls of the
//! root future. *As an alien*: the thread parks between polls; the shards run elsewhere.
//!
//! Who finds the [seat](super::seat) taken polls the root future as an alien and queues for the seat.

#![expect(unsafe_code, reason = "lets a shard that holds nothing but what is Send change threads")]

use std::future::poll_fn;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::ptr;
use std::sync::Arc;
use std::task::{Context, Poll};

use corelane_shards::coop::{self, Budget};
use corelane_shards::loom::atomic::{AtomicBool, Ordering};
use corelane_shards::loom::thread::ThreadId;
use corelane_shards::mesh::{Mesh, ShardId};
use corelane_shards::shard::{self, Shard, Turn};
use corelane_shards::task::JoinHandle;
use futures_task::{ArcWake, waker_ref};

use crate::error;

use super::context::{self, Blocking};
use super::hooks::{self, Origin};
use super::inner::Inner;
use super::seat::{Parker, Seat, Sitting};
use super::stall::{Polled, Stalls};

/// The root future's waker while its thread sits in the seat.
struct Root {
    woken: AtomicBool,
    mesh: Arc<Mesh>,
}

const SEATED: ShardId = ShardId(0);

impl ArcWake for Root {
    fn wake_by_ref(this: &Arc<Self>) {
        // SeqCst: published before the sleep word is looked at.
        this.woken.store(true, Ordering::SeqCst);
        let remote = this.mesh.remote(SEATED);
        shard::current(|local| match local {
            // Who gives way from now on comes after the root.
            Some(local) if ptr::eq(local.remote(), remote) => local.hold(),
            _ => remote.wake(),
        });
    }
}

/// A shard with its root future's waker. Where it may change threads, all in it is `Send` in fact: see [`Seat::for_shard_of`].
pub(crate) struct Driven {
    shard: Shard,
    root: Arc<Root>,
    /// The thread that drove it last.
    thread: Option<ThreadId>,
}

/// Nobody drives it afterwards, also when foreign code panics.
struct Left<'a> {
    driven: &'a mut Driven,
    resumed: bool,
}

impl Drop for Left<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.resumed {
            self.driven.shard.pause();
        } else {
            self.driven.shard.stay_away();
        }
    }
}

impl Driven {
    pub fn new(mut shard: Shard) -> Self {
        // Nobody drives it yet.
        shard.pause();
        let mesh = Arc::clone(shard.local().mesh());
        let root = Arc::new(Root { woken: AtomicBool::new(false), mesh });
        Self { shard, root, thread: None }
    }

    /// Spawns a task that stays on the shard. The caller keeps the shard on this thread.
    pub fn spawn_local<F: Future<Output: 'static> + 'static>(
        &mut self,
        inner: &Inner,
        future: F,
        origin: Origin<'_>,
    ) -> JoinHandle<F::Output> {
        // A hook may leave a timer behind, and may panic.
        let left = Left { driven: self, resumed: false };
        left.driven.shard.enter(|local| hooks::spawn_local(Some(inner), local, future, origin))
    }

    /// Turns the shard until the future completes. `None` if a panic in a task ends the runtime before. `here` is this thread's id.
    pub fn block_on<F: Future>(&mut self, inner: &Inner, here: ThreadId, future: F) -> Option<F::Output> {
        if self.thread != Some(here) {
            self.thread = Some(here);
            inner.drivers.drive(SEATED);
        }
        let mut future = pin!(future);
        if inner.has_panicked() {
            return None;
        }
        let mut left = Left { driven: self, resumed: false };
        // A future that is ready at once is not timed: reading the clock takes longer than most of them.
        if let Poll::Ready(output) = left.driven.poll_root(future.as_mut()) {
            return unless_panicked(inner, output);
        }
        left.driven.shard.resume();
        left.resumed = true;
        left.driven.turn_until(inner, future)
    }

    fn poll_root<F: Future>(&self, future: Pin<&mut F>) -> Poll<F::Output> {
        let waker = waker_ref(&self.root);
        let mut cx = Context::from_waker(&waker);
        let poll = || coop::with_budget(Budget::initial(), || future.poll(&mut cx));
        self.shard.enter(|_| poll())
    }

    fn turn_until<F: Future>(&mut self, inner: &Inner, mut future: Pin<&mut F>) -> Option<F::Output> {
        while !inner.has_panicked() {
            let root = &*self.root;
            // Relaxed: a hint. Woken during its own poll: it gave way, and goes on after every task had a turn and the reactor too.
            let gave_way = root.woken.load(Ordering::Relaxed);
            let turn = if gave_way { self.shard.round() } else { self.shard.turn() };
            // Relaxed: a hint, and whoever parks looks again.
            let idle = turn == Turn::Idle && !root.woken.load(Ordering::Relaxed);
            if idle && !hook(&mut self.shard, inner.hooks.park.as_ref()) {
                self.shard.park(|| root.woken.load(Ordering::SeqCst) || inner.has_panicked());
                hook(&mut self.shard, inner.hooks.unpark.as_ref());
            }
            // Before the tasks that the same wait woke: where a timeout and what it waits for are late together, as on a busy
            // machine, the timeout has passed. Relaxed first: without a wake of the root there is no read-modify-write.
            let woken = root.woken.load(Ordering::Relaxed) && root.woken.swap(false, Ordering::Acquire);
            if woken {
                self.shard.leave_to_others();
                if let Poll::Ready(output) = self.poll_root(future.as_mut()) {
                    return unless_panicked(inner, output);
                }
            }
        }
        None
    }
}

impl Seat<Driven> {
    /// A seat for a shard of that mesh.
    ///
    /// # Why a shard may change threads
    ///
    /// `Shard` is not `Send`, for the sake of its pinned tasks. A current-thread runtime is: the builder makes its shard on one
    /// thread, and each `block_on` drives it on another. That runtime's mesh has no `local_tasks`, and so all that its shard
    /// holds while nobody sits is `Send`:
    /// - Pinned tasks. The engine makes them in `spawn` and `spawn_to`, which ask for `Send` futures and outputs; and in `spawn_local`
    ///   and `spawn_at`, which panic on such a mesh; with an id given (`spawn_as` and so on) likewise. The engine checks, so going
    ///   past this crate does not help.
    /// - Movable tasks, in the ring and the list: `Send` by `spawn`'s bounds.
    /// - Wakers of joiners, timers and sockets: `Send`. The driver: `Send` by its trait, and lent only while somebody sits.
    /// - The run queue, the arena, the stamps: plain memory of the owner, handed over by the seat's two swaps. Whether
    ///   a thread is the owner is asked of its context, which it leaves before it gets up.
    ///
    /// A mesh with `local_tasks` gives a seat that other threads find taken. A [`LocalRuntime`](super::LocalRuntime) cannot leave
    /// its thread, but its handles can, and one may outlive it on another thread; the shard is gone by then, and if a panic kept
    /// the runtime from closing it, it is leaked.
    pub fn for_shard_of(mesh: &Mesh) -> Self {
        if mesh.config().local_tasks {
            Self::of_this_thread()
        } else {
            // SAFETY: as argued above.
            unsafe { Self::of_all_threads() }
        }
    }
}

/// Calls a hook inside the shard; true if it left something to run.
pub(crate) fn hook(shard: &mut Shard, hook: Option<&super::hooks::Callback>) -> bool {
    match hook {
        None => false,
        Some(hook) => {
            shard.enter(|_| hook());
            shard.has_work()
        }
    }
}

impl Sitting<'_, Driven> {
    /// Turns the shard until the future completes. If a panic in a task ends the runtime before, what is left of it ends
    /// here, where it belongs, and the answer is `None`.
    fn block_on<F: Future>(mut self, inner: &Inner, here: ThreadId, future: F) -> Option<F::Output> {
        let output = self.occupied().block_on(inner, here, future);
        if output.is_none() {
            drop(self.remove());
            inner.shard_ended();
        }
        output
    }
}

/// What `Runtime::block_on` does.
#[track_caller]
pub(crate) fn block_on<F: Future>(inner: &Inner, future: F) -> F::Output {
    let Some(seat) = &inner.seat else { return on_alien(inner, future) };
    match inner.stalls() {
        None => on_seat(inner, seat, future),
        Some(stalls) => on_seat_noted(inner, seat, stalls, pin!(future)),
    }
}

/// Each poll is noted. Through a pointer, so that all this is compiled once more for each type of output and not for each future.
#[cold]
#[track_caller]
fn on_seat_noted<T>(
    inner: &Inner,
    seat: &Seat<Driven>,
    stalls: &Stalls,
    mut future: Pin<&mut dyn Future<Output = T>>,
) -> T {
    let polled = Polled { task: None, at: Location::caller() };
    let noted = poll_fn(|cx| {
        let _noted = stalls.note(polled);
        future.as_mut().poll(cx)
    });
    on_seat(inner, seat, noted)
}

#[inline]
#[track_caller]
fn on_seat<F: Future>(inner: &Inner, seat: &Seat<Driven>, future: F) -> F::Output {
    let _entered = enter(inner, Blocking::Forbidden);
    let _seeded = inner.seed_thread();
    let here = context::thread_id();
    let output = match seat.sit_down(here) {
        Some(sitting) => sitting.block_on(inner, here, future),
        None => wait_for_seat(inner, seat, here, future),
    };
    output.unwrap_or_else(|| panicked())
}

#[track_caller]
fn panicked() -> ! {
    panic!("{}", error::UNHANDLED_PANIC)
}

/// Polls the future as an alien until it completes or the seat is free.
#[cold]
fn wait_for_seat<F: Future>(
    inner: &Inner,
    seat: &Seat<Driven>,
    here: ThreadId,
    future: F,
) -> Option<F::Output> {
    let mut future = pin!(future);
    let parker = Arc::new(Parker::default());
    let waker = waker_ref(&parker);
    let mut cx = Context::from_waker(&waker);
    let queued = seat.queue(&parker);
    let _waiting = inner.wait_as(&parker);
    while !inner.has_panicked() {
        if let Some(sitting) = seat.sit_down(here) {
            drop(queued);
            return sitting.block_on(inner, here, future);
        }
        if let Poll::Ready(output) = coop::with_budget(Budget::initial(), || future.as_mut().poll(&mut cx)) {
            return unless_panicked(inner, output);
        }
        parker.park();
    }
    None
}

/// What a future came to, unless a panic has ended the runtime: the task that panicked may be the one that the future waited for,
/// and it said so before it completed.
fn unless_panicked<T>(inner: &Inner, output: T) -> Option<T> {
    (!inner.has_panicked()).then_some(output)
}

/// What `Handle::block_on` does, and `Runtime::block_on` of a runtime whose shards have threads.
#[track_caller]
pub(crate) fn on_alien<F: Future>(inner: &Inner, future: F) -> F::Output {
    // No shard waits for this thread.
    let _entered = enter(inner, Blocking::InPlaceOnly);
    let _seeded = inner.seed_thread();
    park_until(Some(inner), future)
}

/// What a method that blocks its thread does, outside of a runtime as well.
///
/// # Panics
///
/// On a thread that drives tasks.
#[track_caller]
pub(crate) fn block_thread_on<F: Future>(future: F) -> F::Output {
    if context::blocking() != Blocking::Allowed {
        panic!("{}", error::BLOCKED);
    }
    park_until(None, future)
}

/// Polls the future and parks the thread in between. A task's unhandled panic that ends the runtime ends this too.
fn park_until<F: Future>(inner: Option<&Inner>, future: F) -> F::Output {
    let mut future = pin!(future);
    let output = Parker::with(|parker| {
        let waker = waker_ref(parker);
        let mut cx = Context::from_waker(&waker);
        let _waiting = inner.and_then(|inner| inner.wait_as(parker));
        while !inner.is_some_and(Inner::has_panicked) {
            if let Poll::Ready(output) =
                coop::with_budget(Budget::initial(), || future.as_mut().poll(&mut cx))
            {
                return match inner {
                    Some(inner) => unless_panicked(inner, output),
                    None => Some(output),
                };
            }
            parker.park();
        }
        None
    });
    output.unwrap_or_else(|| panicked())
}

#[inline]
#[track_caller]
fn enter(inner: &Inner, blocking: Blocking) -> context::Entered<'_> {
    if context::blocking() != Blocking::Allowed {
        panic!("{}", error::NESTED);
    }
    context::enter(inner, blocking)
}
