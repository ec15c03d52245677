//! Running a future to its end on the calling thread.
//!
//! Two ways. *Seated*: the thread takes the shard that no thread of the runtime drives and turns it between polls of the
//! root future. *As an alien*: the thread parks between polls; the shards run elsewhere.
//!
//! The seat is a pointer that is swapped out by who sits down and put back by who gets up. Somebody who finds it taken polls
//! the root future as an alien and queues for the seat; getting up wakes one of the queue. The one who queues looks
//! at the seat again after having queued, and the one who gets up looks at the queue after having put the seat back: both
//! SeqCst, so one sees the other.

#![expect(unsafe_code, reason = "takes a box out of an atomic pointer and puts it back")]

use std::collections::VecDeque;
use std::panic::Location;
use std::pin::pin;
use std::ptr;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use corelane_shards::coop::{self, Budget};
use corelane_shards::loom::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use corelane_shards::mesh::{Mesh, ShardId};
use corelane_shards::shard::{self, Shard, Turn};
use corelane_shards::task::JoinHandle;
use futures_task::{ArcWake, waker_ref};

use crate::error;

use super::context::{self, Blocking};
use super::handle::RuntimeFlavor;
use super::hooks;
use super::inner::Inner;
use super::seed::Seeded;

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
        let here = shard::current(|local| local.is_some_and(|local| ptr::eq(local.remote(), remote)));
        if !here {
            remote.wake();
        }
    }
}

/// A shard with its root future's waker.
pub(crate) struct Driven {
    shard: Shard,
    root: Arc<Root>,
}

impl Driven {
    pub fn new(shard: Shard) -> Self {
        let mesh = Arc::clone(shard.local().mesh());
        Self { shard, root: Arc::new(Root { woken: AtomicBool::new(false), mesh }) }
    }

    /// Spawns a task that stays on the shard. The caller keeps the shard on this thread.
    pub fn spawn_local<F: Future<Output: 'static> + 'static>(
        &self,
        inner: &Inner,
        future: F,
        at: &'static Location<'static>,
    ) -> JoinHandle<F::Output> {
        self.shard.enter(|local| hooks::spawn_local(Some(inner), local, future, at))
    }

    /// Turns the shard until the future completes. `None` if a panic in a task ends the runtime before.
    pub fn block_on<F: Future>(&mut self, inner: &Inner, future: F) -> Option<F::Output> {
        self.shard.resume();
        let output = self.turn_until(inner, future);
        self.shard.pause();
        output
    }

    fn turn_until<F: Future>(&mut self, inner: &Inner, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let waker = waker_ref(&self.root);
        let mut cx = Context::from_waker(&waker);
        let root = &*self.root;
        let mut woken = true;
        while !inner.has_panicked() {
            if woken {
                let mut poll = || coop::with_budget(Budget::initial(), || future.as_mut().poll(&mut cx));
                if let Poll::Ready(output) = self.shard.enter(|_| poll()) {
                    return Some(output);
                }
            }
            let turn = self.shard.turn();
            // Relaxed first: a turn without a wake of the root costs no read-modify-write.
            woken = root.woken.load(Ordering::Relaxed) && root.woken.swap(false, Ordering::Acquire);
            if turn == Turn::Idle && !woken && !hook(&mut self.shard, inner.hooks.park.as_ref()) {
                self.shard.park(|| root.woken.load(Ordering::SeqCst) || inner.has_panicked());
                hook(&mut self.shard, inner.hooks.unpark.as_ref());
            }
        }
        None
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

/// The shard that no thread of the runtime drives, for whoever calls `block_on`.
pub(crate) struct Seat {
    driven: AtomicPtr<Driven>,
    queued: AtomicUsize,
    queue: Mutex<VecDeque<Arc<Parker>>>,
}

impl Seat {
    pub fn empty() -> Self {
        Self { driven: AtomicPtr::new(ptr::null_mut()), queued: AtomicUsize::new(0), queue: Mutex::default() }
    }

    /// Puts the shard there, once.
    pub fn fill(&self, shard: Shard) {
        let driven = Some(Box::new(Driven::new(shard)));
        drop(Sitting { seat: self, driven });
    }

    /// Takes the shard, if nobody has it.
    pub fn sit_down(&self) -> Option<Sitting<'_>> {
        let driven = self.driven.swap(ptr::null_mut(), Ordering::SeqCst);
        // SAFETY: what is in the pointer came from a box, and the swap makes it ours alone.
        (!driven.is_null()).then(|| Sitting { seat: self, driven: Some(unsafe { Box::from_raw(driven) }) })
    }

    fn next(&self) {
        if self.queued.load(Ordering::SeqCst) > 0 {
            let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(parker) = queue.front() {
                parker.unpark();
            }
        }
    }

    fn queue(&self, parker: &Arc<Parker>) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.push_back(Arc::clone(parker));
        self.queued.store(queue.len(), Ordering::SeqCst);
    }

    fn leave(&self, parker: &Arc<Parker>) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.retain(|other| !Arc::ptr_eq(other, parker));
        self.queued.store(queue.len(), Ordering::SeqCst);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        drop(self.sit_down().and_then(|mut sitting| sitting.driven.take()));
    }
}

/// Has the shard; gives it back when dropped.
pub(crate) struct Sitting<'a> {
    seat: &'a Seat,
    driven: Option<Box<Driven>>,
}

impl Sitting<'_> {
    pub fn driven(&mut self) -> &mut Driven {
        self.driven.as_mut().expect("there until the sitting ends")
    }

    /// Turns the shard until the future completes. If a panic in a task ends the runtime before, what is left of it ends
    /// here, where it belongs, and the answer is `None`.
    fn block_on<F: Future>(mut self, inner: &Inner, future: F) -> Option<F::Output> {
        let output = self.driven().block_on(inner, future);
        if output.is_none() {
            drop(self.remove());
            inner.mesh.finish();
        }
        output
    }

    /// Takes the shard away for good: the runtime ends.
    pub fn remove(mut self) -> Option<Box<Driven>> {
        self.driven.take()
    }
}

impl Drop for Sitting<'_> {
    fn drop(&mut self) {
        if let Some(driven) = self.driven.take() {
            self.seat.driven.store(Box::into_raw(driven), Ordering::SeqCst);
            self.seat.next();
        }
    }
}

/// What `Runtime::block_on` does.
#[track_caller]
pub(crate) fn block_on<F: Future>(inner: &Inner, future: F) -> F::Output {
    let Some(seat) = &inner.seat else { return on_alien(inner, future) };
    let _entered = enter(inner, Blocking::Forbidden);
    let output = match seat.sit_down() {
        Some(sitting) => sitting.block_on(inner, future),
        None => wait_for_seat(inner, seat, future),
    };
    output.unwrap_or_else(|| panicked())
}

#[track_caller]
fn panicked() -> ! {
    panic!("{}", error::UNHANDLED_PANIC)
}

/// Polls the future as an alien until it completes or the seat is free.
#[cold]
fn wait_for_seat<F: Future>(inner: &Inner, seat: &Seat, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let parker = Arc::new(Parker::default());
    let waker = Waker::from(Arc::clone(&parker));
    let mut cx = Context::from_waker(&waker);
    struct Queued<'a>(&'a Seat, &'a Arc<Parker>);
    impl Drop for Queued<'_> {
        fn drop(&mut self) {
            self.0.leave(self.1);
            // If this one was woken for the seat and does not take it, the next in the queue has to be.
            if !self.0.driven.load(Ordering::SeqCst).is_null() {
                self.0.next();
            }
        }
    }
    seat.queue(&parker);
    let queued = Queued(seat, &parker);
    let _waiting = inner.wait_as(&parker);
    while !inner.has_panicked() {
        if let Some(sitting) = seat.sit_down() {
            drop(queued);
            return sitting.block_on(inner, future);
        }
        if let Poll::Ready(output) = coop::with_budget(Budget::initial(), || future.as_mut().poll(&mut cx)) {
            return Some(output);
        }
        parker.park();
    }
    None
}

/// What `Handle::block_on` does, and `Runtime::block_on` of a runtime whose shards have threads.
#[track_caller]
pub(crate) fn on_alien<F: Future>(inner: &Inner, future: F) -> F::Output {
    // No shard waits for this thread. Where the only one has no thread of its own, Tokio refuses all the same.
    let blocking = match inner.flavor {
        RuntimeFlavor::CurrentThread => Blocking::Forbidden,
        _ => Blocking::InPlaceOnly,
    };
    let _entered = enter(inner, blocking);
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
    let parker = Arc::new(Parker::default());
    let waker = Waker::from(Arc::clone(&parker));
    let mut cx = Context::from_waker(&waker);
    let _waiting = inner.map(|inner| inner.wait_as(&parker));
    while !inner.is_some_and(Inner::has_panicked) {
        if let Poll::Ready(output) = coop::with_budget(Budget::initial(), || future.as_mut().poll(&mut cx)) {
            return output;
        }
        parker.park();
    }
    panicked()
}

#[track_caller]
pub(crate) fn enter(inner: &Inner, blocking: Blocking) -> (context::Entered<'_>, Option<Seeded>) {
    if context::blocking() != Blocking::Allowed {
        panic!("{}", error::NESTED);
    }
    (context::enter(inner, blocking), inner.seed_thread())
}

/// Puts a thread to sleep until somebody wakes it.
#[derive(Default)]
pub(crate) struct Parker {
    woken: Mutex<bool>,
    bell: Condvar,
}

impl Parker {
    fn park(&self) {
        let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        while !std::mem::take(&mut *woken) {
            woken = self.bell.wait(woken).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub fn unpark(&self) {
        *self.woken.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.bell.notify_one();
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.unpark();
    }
}
