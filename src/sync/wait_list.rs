//! The wait list: futures that wait their turn, in the order they came.
//!
//! Here: the queue behind its lock, the node inside the future that waits ([`Waiter`]), and who may touch what.
//! Not here: what is waited for. A primitive keeps that in a word of its own or in the queue's `state`.
//! Threads: any, or those of one shard; see [`Domain`].
//!
//! ```text
//!            enqueue                      pop_front, pop_back
//!   Idle ───────────────▶ Queued ─────────────────────────────▶ Chosen
//!    ▲                     │  │      wake_all
//!    └─────────────────────┘  └────────────────────────────────▶ Released
//!            cancel
//! ```
//!
//! A node is touched by its future while it is not `Queued`, and by whoever holds the queue's lock while it is. `Queued`
//! is set and left under the lock only. The last thing that the lock's holder does to a node is the Release store of
//! `Chosen` or `Released`, whose waker it has taken out before: from then on the future may be dropped at any time, and
//! finds that out with one Acquire load, without the lock.
//!
//! `wake_all` may have more to wake than one batch. All who wait move to a second list, `leaving`, and the queue's round
//! goes up, in one step; batches are then taken from there with the lock given back in between. Nobody who comes later
//! gets into `leaving`, so the call ends, and nobody in it counts as waiting: `pop_front` passes them over. A node
//! belongs to `leaving` when its round is not the queue's; its future, when it looks, finds itself released.
//!
//! What makes it safe: a [`Waiter`] holds a [`Stable`] handle on what the queue is a part of, so the queue outlives the
//! node; it is pinned when it enqueues, so the node stays; and it takes itself out when it drops.
//!
//! Interface, for a primitive `P` with state `S` under the lock and a payload `T` a waiter:
//!
//! ```text
//! struct P { queue: WaitQueue<Threads, S, T> }      unsafe impl Queued for P      (queue: a field of P)
//! P.queue.with(|locked| …)          locked.state, locked.waiters.{front, back, pop_front, pop_back}
//! P.queue.wake_all(|state| …)       change the state and wake all who wait now, in batches, outside of the lock
//! Waiter::new(&p, payload)          inside a future: status, enqueue, refresh, cancel, payload
//!
//! poll:  match waiter.status() { Idle => enqueue(waker, |p, locked| ready? Break(answer) : Continue(payload)),
//!                                Queued => refresh(Some(waker)), Chosen | Released => ready }
//! drop:  match waiter.cancel() { Chosen => pass on what was given, _ => {} }
//! ```

#![expect(unsafe_code, reason = "links nodes that live inside pinned futures")]

use std::marker::PhantomPinned;
use std::ops::{ControlFlow, Deref};
use std::pin::Pin;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use corelane_shards::loom::atomic::Ordering;
use corelane_shards::loom::cell::UnsafeCell;
use corelane_shards::util::lock::Lock;
use corelane_shards::util::wake_list::WakeList;

use super::domain::{Domain, Exclusive, OneShard, Threads, Word};

/// Those who wait, and state that changes together with them.
pub(crate) struct WaitQueue<D: Domain, S, T> {
    lock: D::Lock<Locked<D, S, T>>,
}

/// What the queue's lock guards.
pub(crate) struct Locked<D: Domain, S, T> {
    pub state: S,
    pub waiters: Waiters<D, T>,
}

impl<D: Domain, S, T> Locked<D, S, T> {
    const fn new(state: S) -> Self {
        Self { state, waiters: Waiters { waiting: List::new(), leaving: List::new(), round: 0 } }
    }
}

impl<S, T> WaitQueue<Threads, S, T> {
    corelane_shards::const_fn! {
        pub fn new(state: S) -> Self {
            Self { lock: Lock::new(Locked::new(state)) }
        }
    }
}

impl<S, T> WaitQueue<OneShard, S, T> {
    pub const fn new(state: S) -> Self {
        Self { lock: std::cell::RefCell::new(Locked::new(state)) }
    }
}

impl<D: Domain, S, T> WaitQueue<D, S, T> {
    /// Runs the closure while nobody else may touch the queue. It must not make, drop or wake a waker.
    #[inline]
    pub fn with<R>(&self, f: impl FnOnce(&mut Locked<D, S, T>) -> R) -> R {
        self.lock.with(f)
    }

    /// Changes the state and releases all who wait at that moment.
    pub fn wake_all(&self, change: impl FnOnce(&mut S)) {
        self.release_all(WakeList::new(), change);
    }

    /// Wakes one who was chosen, and then all who wait now: a waker that panics keeps no other from being woken.
    pub fn wake_all_after(&self, chosen: Waker) {
        let mut wakers = WakeList::new();
        wakers.push(chosen);
        self.release_all(wakers, |_| ());
    }

    fn release_all(&self, mut wakers: WakeList, change: impl FnOnce(&mut S)) {
        let more = self.with(|locked| {
            change(&mut locked.state);
            locked.waiters.start_leaving();
            locked.waiters.release(&mut wakers)
        });
        self.wake_batches(wakers, more);
    }

    /// Wakes all who are leaving.
    pub fn wake_leaving(&self) {
        self.wake_batches(WakeList::new(), true);
    }

    fn wake_batches(&self, mut wakers: WakeList, mut more: bool) {
        loop {
            wakers.wake_all();
            if !more {
                return;
            }
            more = self.with(|locked| locked.waiters.release(&mut wakers));
        }
    }
}

/// The lists.
pub(crate) struct Waiters<D: Domain, T> {
    waiting: List<D, T>,
    leaving: List<D, T>,
    round: usize,
}

// SAFETY: the nodes that the pointers lead to are touched under the lock that guards this, and what is in them is a waker,
// which may go anywhere, and a `T: Send`.
unsafe impl<T: Send> Send for Waiters<Threads, T> {}

impl<D: Domain, T> Waiters<D, T> {
    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.first.is_none()
    }

    /// The payload of who has waited longest.
    pub fn front(&mut self) -> Option<&mut T> {
        // SAFETY: the list is borrowed until the payload is given back.
        self.waiting.first.map(|node| unsafe { payload(node) })
    }

    /// The payload of who came last.
    pub fn back(&mut self) -> Option<&mut T> {
        // SAFETY: as above.
        self.waiting.last.map(|node| unsafe { payload(node) })
    }

    /// Chooses who has waited longest. The caller wakes it once the lock is given back.
    pub fn pop_front(&mut self) -> Option<Waker> {
        let node = self.waiting.first?;
        self.waiting.take(node, Status::Chosen)
    }

    /// Chooses who came last. The caller wakes it once the lock is given back.
    pub fn pop_back(&mut self) -> Option<Waker> {
        let node = self.waiting.last?;
        self.waiting.take(node, Status::Chosen)
    }

    /// Makes all who wait leave; [`WaitQueue::wake_leaving`] has to follow.
    pub fn start_leaving(&mut self) {
        self.round = self.round.wrapping_add(1);
        self.leaving.append(&mut self.waiting);
    }

    /// Releases a batch; true if there are more.
    fn release(&mut self, wakers: &mut WakeList) -> bool {
        while let Some(node) = self.leaving.first {
            if wakers.is_full() {
                return true;
            }
            if let Some(waker) = self.leaving.take(node, Status::Released) {
                wakers.push(waker);
            }
        }
        false
    }
}

/// How a waiter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Status {
    /// Not in the queue.
    Idle,
    /// In the queue.
    Queued,
    /// Taken out by `pop_front` or `pop_back`.
    Chosen,
    /// Taken out by `wake_all`.
    Released,
}

/// The part of a future that is in the queue.
struct Node<D: Domain, T> {
    status: D::Word,
    inner: UnsafeCell<Inner<D, T>>,
    _pinned: PhantomPinned,
}

struct Inner<D: Domain, T> {
    prev: Link<D, T>,
    next: Link<D, T>,
    /// The queue's when this node came.
    round: usize,
    waker: Option<Waker>,
    payload: T,
}

type Link<D, T> = Option<NonNull<Node<D, T>>>;

// SAFETY: what is inside is touched by the future, which is borrowed exclusively, or under the queue's lock.
unsafe impl<T: Send> Send for Node<Threads, T> {}
// SAFETY: as above; a shared reference leads to the status only, and that is an atomic.
unsafe impl<T: Send> Sync for Node<Threads, T> {}

impl<D: Domain, T> Node<D, T> {
    /// Runs the closure on what is inside.
    ///
    /// # Safety
    ///
    /// The caller holds the queue's lock, or is the future and the node is not queued.
    #[inline]
    unsafe fn with<R>(&self, f: impl FnOnce(&mut Inner<D, T>) -> R) -> R {
        self.inner.with_mut(|inner| {
            // SAFETY: the caller is the only one who may touch it.
            f(unsafe { &mut *inner })
        })
    }

    #[inline]
    fn status(&self) -> Status {
        // Acquire: pairs with the Release in `List::take`.
        match self.status.load(Ordering::Acquire) {
            0 => Status::Idle,
            1 => Status::Queued,
            2 => Status::Chosen,
            _ => Status::Released,
        }
    }

    #[inline]
    fn set_status(&self, status: Status) {
        // Release: what was done to the node is over; pairs with the Acquire in `status`.
        self.status.store(status as usize, Ordering::Release);
    }
}

/// # Safety
///
/// The node is queued, and its queue's lock is held for as long as the reference lives.
unsafe fn payload<'a, D: Domain + 'a, T>(node: NonNull<Node<D, T>>) -> &'a mut T {
    // SAFETY: a queued node is alive.
    let node: &'a Node<D, T> = unsafe { node.as_ref() };
    node.inner.with_mut(|inner| {
        // SAFETY: the caller holds the lock.
        unsafe { &mut (*inner).payload }
    })
}

struct List<D: Domain, T> {
    first: Link<D, T>,
    last: Link<D, T>,
}

/// Every function here is called under the lock, on nodes that are queued: they are alive and nobody else touches them.
impl<D: Domain, T> List<D, T> {
    const fn new() -> Self {
        Self { first: None, last: None }
    }

    fn join(&mut self, before: Link<D, T>, after: Link<D, T>) {
        match before {
            // SAFETY: queued, and the lock is held.
            Some(node) => unsafe { node.as_ref().with(|inner| inner.next = after) },
            None => self.first = after,
        }
        match after {
            // SAFETY: queued, and the lock is held.
            Some(node) => unsafe { node.as_ref().with(|inner| inner.prev = before) },
            None => self.last = before,
        }
    }

    fn push_back(&mut self, node: &Node<D, T>) {
        let link = Some(NonNull::from(node));
        self.join(self.last, link);
        self.join(link, None);
    }

    fn append(&mut self, other: &mut Self) {
        if other.first.is_some() {
            self.join(self.last, other.first);
            self.last = other.last;
            *other = Self::new();
        }
    }

    fn unlink(&mut self, node: &Node<D, T>) {
        // SAFETY: queued, and the lock is held.
        let (prev, next) = unsafe { node.with(|inner| (inner.prev.take(), inner.next.take())) };
        self.join(prev, next);
    }

    /// Takes a node out and leaves it to its future.
    fn take(&mut self, node: NonNull<Node<D, T>>, status: Status) -> Option<Waker> {
        // SAFETY: a queued node is alive; after `set_status` the reference is not used again.
        let node = unsafe { node.as_ref() };
        self.unlink(node);
        // SAFETY: queued still, and the lock is held.
        let waker = unsafe { node.with(|inner| inner.waker.take()) };
        node.set_status(status);
        waker
    }
}

/// Leads to what a queue is a part of.
///
/// # Safety
///
/// What it derefs to is the same at each call, and stays where it is while the handle lives, also when the handle moves.
pub(crate) unsafe trait Stable: Deref<Target: Queued> {}

// SAFETY: what is borrowed does not move.
unsafe impl<P: Queued> Stable for &P {}
// SAFETY: the heap's memory does not move.
unsafe impl<P: Queued> Stable for Arc<P> {}
// SAFETY: as above.
unsafe impl<P: Queued> Stable for Rc<P> {}

/// Has a queue.
///
/// # Safety
///
/// `queue` leads to the same field at each call.
pub(crate) unsafe trait Queued {
    type Domain: Domain;
    type State;
    type Payload: Copy;

    fn queue(&self) -> &WaitQueue<Self::Domain, Self::State, Self::Payload>;
}

type DomainOf<H> = <<H as Deref>::Target as Queued>::Domain;
type StateOf<H> = <<H as Deref>::Target as Queued>::State;
type PayloadOf<H> = <<H as Deref>::Target as Queued>::Payload;
type LockedOf<H> = Locked<DomainOf<H>, StateOf<H>, PayloadOf<H>>;

/// A place in the queue, inside the future that waits. Dropped, it takes itself out.
pub(crate) struct Waiter<H: Stable> {
    handle: H,
    node: Node<DomainOf<H>, PayloadOf<H>>,
}

impl<H: Stable> Waiter<H> {
    pub fn new(handle: H, payload: PayloadOf<H>) -> Self {
        let inner = Inner { prev: None, next: None, round: 0, waker: None, payload };
        let status = Word::make(Status::Idle as usize);
        Self { handle, node: Node { status, inner: UnsafeCell::new(inner), _pinned: PhantomPinned } }
    }

    /// What the queue is a part of.
    #[inline]
    pub fn handle(&self) -> &H {
        &self.handle
    }

    /// Where it stands: one Acquire load. `Queued` may be over by the time the caller looks at it.
    #[inline]
    pub fn status(&self) -> Status {
        self.node.status()
    }

    /// The payload of one who is not queued.
    ///
    /// # Panics
    ///
    /// When it is.
    pub fn payload(self: Pin<&mut Self>) -> PayloadOf<H> {
        let this = self.as_ref().get_ref();
        assert_ne!(this.status(), Status::Queued, "a payload is the lock holder's while its node is queued");
        // SAFETY: not queued, and the future is borrowed exclusively.
        unsafe { this.node.with(|inner| inner.payload) }
    }

    /// Goes to the end of the queue, unless `decide`, which runs under the lock, breaks with an answer.
    ///
    /// # Panics
    ///
    /// When it is there already.
    pub fn enqueue<R>(
        self: Pin<&mut Self>,
        waker: Option<&Waker>,
        decide: impl FnOnce(&H::Target, &mut LockedOf<H>) -> ControlFlow<R, PayloadOf<H>>,
    ) -> Option<R> {
        let this = self.as_ref().get_ref();
        assert_ne!(this.status(), Status::Queued, "queued twice");
        let waker = waker.cloned();
        // SAFETY: not queued, and the future is borrowed exclusively.
        drop(unsafe { this.node.with(|inner| std::mem::replace(&mut inner.waker, waker)) });
        this.handle.queue().with(|locked| {
            let payload = match decide(&this.handle, locked) {
                ControlFlow::Continue(payload) => payload,
                ControlFlow::Break(answer) => return Some(answer),
            };
            // SAFETY: not queued yet.
            unsafe {
                this.node.with(|inner| {
                    inner.payload = payload;
                    inner.round = locked.waiters.round;
                });
            }
            this.node.set_status(Status::Queued);
            locked.waiters.waiting.push_back(&this.node);
            None
        })
    }

    /// Sees to it that this waker, if any, is the one that is woken, if it still waits.
    pub fn refresh(self: Pin<&mut Self>, waker: Option<&Waker>) -> Status {
        let this = self.as_ref().get_ref();
        let stale = this.if_waiting(|_| {
            let is_old = |waker: &&Waker| {
                // SAFETY: queued, and the lock is held.
                unsafe {
                    this.node.with(|inner| inner.waker.as_ref().is_none_or(|old| !old.will_wake(waker)))
                }
            };
            waker.filter(is_old)
        });
        if let Some(waker) = stale.flatten() {
            // Made before the lock is taken again and the old one dropped after: both may run foreign code.
            let mut waker = Some(waker.clone());
            this.if_waiting(|_| {
                // SAFETY: queued, and the lock is held.
                unsafe { this.node.with(|inner| std::mem::swap(&mut inner.waker, &mut waker)) };
            });
        }
        this.status()
    }

    /// Leaves the queue. Who was chosen or released before that has to answer for it.
    pub fn cancel(self: Pin<&mut Self>) -> Status {
        self.leave();
        self.status()
    }

    #[inline]
    fn leave(&self) {
        let node = NonNull::from(&self.node);
        drop(self.if_waiting(|waiters| waiters.waiting.take(node, Status::Idle)));
    }

    /// Runs the closure under the lock if the node waits. One that is leaving is released on the spot.
    #[inline]
    fn if_waiting<R>(&self, f: impl FnOnce(&mut Waiters<DomainOf<H>, PayloadOf<H>>) -> R) -> Option<R> {
        if self.status() != Status::Queued {
            return None;
        }
        let mut released = None;
        let answer = self.handle.queue().with(|locked| {
            if self.node.status() != Status::Queued {
                return None;
            }
            let waiters = &mut locked.waiters;
            // SAFETY: queued, and the lock is held.
            if unsafe { self.node.with(|inner| inner.round) } == waiters.round {
                return Some(f(waiters));
            }
            released = waiters.leaving.take(NonNull::from(&self.node), Status::Released);
            None
        });
        drop(released);
        answer
    }
}

impl<H: Stable> Drop for Waiter<H> {
    fn drop(&mut self) {
        self.leave();
    }
}
