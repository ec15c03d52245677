//! Notifications without a message.
//!
//! Here: the word of a [`Notify`] and the futures that wait for it, once for all threads and for one shard.
//! Not here: the queue itself ([`wait_list`](super::wait_list)).
//! Threads: any, or those of one shard; see [`Domain`].
//!
//! ```text
//!   63                            2   1        0
//!   ┌───────────────────────────────┬────────┬────────┐
//!   │ calls of notify_waiters       │ QUEUED │ PERMIT │
//!   └───────────────────────────────┴────────┴────────┘
//! ```
//!
//! `PERMIT`: one notification waits for somebody to come. Set by `notify_one`, taken by the next to look.
//!
//! `QUEUED`: somebody may be in the queue; never together with `PERMIT`. Set by who enqueues, cleared by who finds the
//! queue empty and by `notify_waiters`, all under the queue's lock; who sees it takes the lock. Whether a
//! notification finds the waiter or leaves the permit for it is decided by the word, as in [`batch`](super::batch).
//!
//! The count: a future remembers it from when it was *made*; when it has changed, the future is ready and takes no permit.
//!
//! A notification is never lost: `notify_one` is a read-modify-write even if the permit is there, so that who takes the
//! permit sees what was done before *each* of the calls; and one that was given to a future which is dropped before it looked goes
//! on to the next.

#![expect(unsafe_code, reason = "vouches for the queue being one field")]

use std::fmt;
use std::ops::{ControlFlow, Deref};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use corelane_shards::loom::atomic::{AtomicUsize, Ordering};
use corelane_shards::task;
use pin_project_lite::pin_project;

use super::domain::{Domain, OneShard, Threads, Word};
use super::wait_list::{Queued, Stable, Status, WaitQueue, Waiter};

const PERMIT: usize = 1;
const QUEUED: usize = 2;
const CALL: usize = 4;

/// Who in the queue gets a notification.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Order {
    First,
    Last,
}

/// A [`Notify`] for either domain.
pub(crate) struct Core<D: Domain> {
    word: D::Word,
    queue: WaitQueue<D, (), Order>,
}

impl Core<Threads> {
    corelane_shards::const_fn! {
        pub fn new() -> Self {
            Self { word: AtomicUsize::new(0), queue: WaitQueue::<Threads, _, _>::new(()) }
        }
    }
}

impl Core<OneShard> {
    pub const fn new() -> Self {
        Self { word: std::cell::Cell::new(0), queue: WaitQueue::<OneShard, _, _>::new(()) }
    }
}

impl<D: Domain> Core<D> {
    /// How often all were notified.
    #[inline]
    fn calls(&self) -> usize {
        // Acquire: pairs with the Release in `notify_all`, so that who finds the new count when it is made
        // sees what came before the call.
        self.word.load(Ordering::Acquire) / CALL
    }

    pub fn notify(&self, order: Order) {
        // Relaxed: confirmed by the compare-exchange; a `QUEUED` that is seen leads to the lock.
        let mut word = self.word.load(Ordering::Relaxed);
        while word & QUEUED == 0 {
            // Release: pairs with the Acquire in `take`.
            match self.word.replace_if(word, word | PERMIT, Ordering::Release) {
                Ok(_) => return,
                Err(found) => word = found,
            }
        }
        if let Some(waker) = self.notify_queued(order) {
            task::wake(waker);
        }
    }

    fn notify_queued(&self, order: Order) -> Option<Waker> {
        self.queue.with(|locked| {
            let waiters = &mut locked.waiters;
            let chosen = match order {
                Order::First => waiters.front(),
                Order::Last => waiters.back(),
            };
            if let Some(chosen) = chosen {
                *chosen = order;
                return match order {
                    Order::First => waiters.pop_front(),
                    Order::Last => waiters.pop_back(),
                };
            }
            let mut word = self.word.load(Ordering::Relaxed);
            // Release: as in `notify`.
            while let Err(found) = self.word.replace_if(word, (word | PERMIT) & !QUEUED, Ordering::Release) {
                word = found;
            }
            None
        })
    }

    pub fn notify_all(&self) {
        let mut word = self.word.load(Ordering::Relaxed);
        while word & QUEUED == 0 {
            // Release: pairs with the Acquires in `calls` and `take`.
            match self.word.replace_if(word, word.wrapping_add(CALL), Ordering::Release) {
                Ok(_) => return,
                Err(found) => word = found,
            }
        }
        self.queue.wake_all(|()| {
            let mut word = self.word.load(Ordering::Relaxed);
            // Release: as above.
            while let Err(found) =
                self.word.replace_if(word, word.wrapping_add(CALL) & !QUEUED, Ordering::Release)
            {
                word = found;
            }
        });
    }

    /// Whether there is a notification for a future that was made after so many calls. If not, sets `absent` in the word.
    fn take(&self, calls: usize, absent: usize) -> bool {
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            if word / CALL != calls {
                return true;
            }
            let permit = word & PERMIT != 0;
            let new = if permit { word & !PERMIT } else { word | absent };
            if new == word {
                return false;
            }
            // Acquire: pairs with the Release in `notify`.
            match self.word.replace_if(word, new, Ordering::Acquire) {
                Ok(_) => return permit,
                Err(found) => word = found,
            }
        }
    }
}

// SAFETY: always that field.
unsafe impl<D: Domain> Queued for Core<D> {
    type Domain = D;
    type State = ();
    type Payload = Order;

    #[inline]
    fn queue(&self) -> &WaitQueue<D, (), Order> {
        &self.queue
    }
}

pin_project! {
    /// Waits for a notification. Who drops it calls [`leave`](Self::leave) first.
    pub(crate) struct Waiting<D: Domain, H: Stable<Target = Core<D>>> {
        calls: usize,
        step: Step,
        #[pin]
        waiter: Waiter<H>,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Has not looked yet.
    New,
    /// Is or was in the queue; the waiter knows more.
    Waiting,
    /// Was notified.
    Done,
}

impl<D, H> Waiting<D, H>
where
    D: Domain,
    H: Stable<Target = Core<D>>,
    // Always so, but what follows from `Stable` hides it from the compiler.
    Core<D>: Queued<Payload = Order>,
{
    #[inline]
    pub fn new(handle: H) -> Self {
        let calls = handle.calls();
        Self { calls, step: Step::New, waiter: Waiter::new(handle, Order::First) }
    }

    /// Ready if notified, else in the queue.
    pub fn poll(self: Pin<&mut Self>, waker: Option<&Waker>) -> Poll<()> {
        let this = self.project();
        let calls = *this.calls;
        let notified = match this.step {
            Step::New => {
                let decide = |core: &Core<D>| match core.take(calls, QUEUED) {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(Order::First),
                };
                this.waiter.handle().take(calls, 0)
                    || this.waiter.enqueue(waker, |core, _| decide(core)).is_some()
            }
            Step::Waiting => matches!(this.waiter.refresh(waker), Status::Chosen | Status::Released),
            Step::Done => true,
        };
        *this.step = if notified { Step::Done } else { Step::Waiting };
        if notified { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Leaves the queue. A notification that it was given and has not reported goes on to the next.
    pub fn leave(self: Pin<&mut Self>) {
        let this = self.project();
        let mut waiter = this.waiter;
        if *this.step == Step::Waiting && waiter.as_mut().cancel() == Status::Chosen {
            let order = waiter.as_mut().payload();
            waiter.handle().notify(order);
        }
    }
}

impl<D: Domain> fmt::Debug for Core<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notify").finish_non_exhaustive()
    }
}

/// `notify!(Threads, "sync")` gives the `Notify` of a module what both have.
macro_rules! notify {
    ($Domain:ty, $module:literal) => {
        impl Notify {
            /// Waits for a notification.
            ///
            /// The future is ready when a kept notification is there, when `notify_one` chooses it, or when `notify_waiters`
            /// is called at any time after the future was *made*. Polled or [enabled](Notified::enable), it stands in the
            /// queue, in the order of first polls.
            ///
            /// # Cancel safety
            ///
            /// Dropped, it leaves its place in the queue. A notification by `notify_one` that it was given and has not
            /// reported goes on to the next.
            pub fn notified(&self) -> Notified<'_> {
                Notified { waiting: Waiting::new(&self.core) }
            }

            /// Notifies who has waited longest. If nobody waits, the next who comes is ready at once; however often this
            /// was called meanwhile, one notification is kept.
            ///
            /// What was done before the call is seen by who is notified.
            pub fn notify_one(&self) {
                self.core.notify(Order::First);
            }

            /// [`notify_one`](Self::notify_one) for who came last.
            pub fn notify_last(&self) {
                self.core.notify(Order::Last);
            }

            /// Notifies everybody whose future has been made by now. Nothing is kept for who comes later.
            ///
            /// # Examples
            ///
            /// ```
            /// # #[corelane::main]
            /// # async fn main() {
            #[doc = concat!("use corelane::", $module, "::Notify;")]
            ///
            /// let notify = Notify::new();
            /// let before = notify.notified();
            /// notify.notify_waiters();
            /// before.await;
            /// # }
            /// ```
            pub fn notify_waiters(&self) {
                self.core.notify_all();
            }
        }

        impl Default for Notify {
            fn default() -> Self {
                Self::new()
            }
        }

        impl std::fmt::Debug for Notify {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.core.fmt(f)
            }
        }

        $crate::sync::notify::notified! {
            /// Made by [`Notify::notified`].
            Notified['a], $Domain, &'a Core<$Domain>, $module
        }
    };
}

/// A future that waits by some handle.
macro_rules! notified {
    (
        $(#[$doc:meta])*
        $Notified:ident[$($life:lifetime)?], $Domain:ty, $Handle:ty, $module:literal
    ) => {
        pin_project_lite::pin_project! {
            $(#[$doc])*
            #[must_use = "futures do nothing unless polled"]
            pub struct $Notified$(<$life>)? {
                #[pin]
                waiting: Waiting<$Domain, $Handle>,
            }

            impl$(<$life>)? PinnedDrop for $Notified$(<$life>)? {
                fn drop(this: Pin<&mut Self>) {
                    this.project().waiting.leave();
                }
            }
        }

        impl$(<$life>)? $Notified$(<$life>)? {
            /// Takes a place in the queue without waiting; true if there is a notification already.
            ///
            /// Needed where a `notify_one` must not be missed that comes between making the future and its first poll, and
            /// another waiter could take it.
            ///
            /// # Examples
            ///
            /// ```
            /// # #[corelane::main]
            /// # async fn main() {
            #[doc = concat!("use corelane::", $module, "::Notify;")]
            /// use std::pin::pin;
            ///
            /// let notify = Notify::new();
            /// let mut first = pin!(notify.notified());
            /// assert!(!first.as_mut().enable());
            /// notify.notify_one();
            /// first.await;
            /// # }
            /// ```
            pub fn enable(self: Pin<&mut Self>) -> bool {
                self.project().waiting.poll(None).is_ready()
            }
        }

        impl$(<$life>)? Future for $Notified$(<$life>)? {
            type Output = ();

            fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
                self.project().waiting.poll(Some(cx.waker()))
            }
        }

        impl$(<$life>)? std::fmt::Debug for $Notified$(<$life>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($Notified)).finish_non_exhaustive()
            }
        }
    };
}

pub(crate) use {notified, notify};

/// Wakes tasks that wait for something to happen.
///
/// A notification carries no data: it says "look again". [`notify_one`](Self::notify_one) with nobody waiting is kept, once,
/// for the next who comes, so a producer may notify before its consumer waits. [`notify_waiters`](Self::notify_waiters)
/// reaches everybody whose [`Notified`] has been made by then, polled or not, and keeps nothing.
///
/// # Examples
///
/// A queue with one consumer. It looks before it waits, and the kept notification closes the gap in between:
///
/// ```
/// # #[corelane::main]
/// # async fn main() {
/// use corelane::sync::Notify;
/// use std::sync::{Arc, Mutex};
///
/// let jobs = Arc::new((Mutex::new(Vec::new()), Notify::new()));
/// let producer = corelane::spawn({
///     let jobs = jobs.clone();
///     async move {
///         jobs.0.lock().unwrap().push("job");
///         jobs.1.notify_one();
///     }
/// });
/// let job = loop {
///     if let Some(job) = jobs.0.lock().unwrap().pop() {
///         break job;
///     }
///     jobs.1.notified().await;
/// };
/// assert_eq!(job, "job");
/// producer.await.unwrap();
/// # }
/// ```
pub struct Notify {
    core: Core<Threads>,
}

impl Notify {
    /// Nobody waits, nothing is kept.
    pub fn new() -> Self {
        Self { core: Core::<Threads>::new() }
    }

    corelane_shards::const_fn! {
        /// [`new`](Self::new) at compile time.
        pub fn const_new() -> Self {
            Self { core: Core::<Threads>::new() }
        }
    }

    /// [`notified`](Self::notified) as a future that keeps the `Notify` alive and may go where a borrow can't.
    ///
    /// # Cancel safety
    ///
    /// As with [`notified`](Self::notified).
    pub fn notified_owned(self: Arc<Self>) -> OwnedNotified {
        OwnedNotified { waiting: Waiting::new(Shared(self)) }
    }
}

notify!(Threads, "sync");

notified! {
    /// Made by [`Notify::notified_owned`].
    OwnedNotified[], Threads, Shared, "sync"
}

// No code of a caller runs under the lock, so a panic leaves nothing half done.
impl UnwindSafe for Core<Threads> {}
impl RefUnwindSafe for Core<Threads> {}

/// Leads to the core of a `Notify` that it keeps alive.
struct Shared(Arc<Notify>);

impl Deref for Shared {
    type Target = Core<Threads>;

    fn deref(&self) -> &Core<Threads> {
        &self.0.core
    }
}

// SAFETY: always that field, in the heap's memory, which does not move.
unsafe impl Stable for Shared {}
