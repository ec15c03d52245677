//! The batch semaphore: permits by number, to whoever asked first.
//!
//! Here: the word that counts, and the future that waits for its share. `Semaphore`, `Mutex`, `RwLock` and `OnceCell` are
//! this with a face.
//! Not here: the queue itself ([`wait_list`](super::wait_list)).
//! Threads: any, or those of one shard; see [`Domain`].
//!
//! ```text
//!   63                            2   1        0
//!   ┌───────────────────────────────┬────────┬────────┐
//!   │ permits that nobody has       │ QUEUED │ CLOSED │
//!   └───────────────────────────────┴────────┴────────┘
//! ```
//!
//! `QUEUED`: somebody may be in the queue. Set by who enqueues, who takes all the permits there are on the way in, so
//! **with `QUEUED` there are none**, and newcomers can't overtake. Cleared by who gives permits back and finds the queue
//! empty, and by `close`. Both happen under the queue's lock, and so does every change while the bit is set: who sees it takes
//! the lock. It may outlive the last waiter, if that one gave up; then one more permit comes back through the lock.
//!
//! `CLOSED`: set once, under the lock. Nobody takes and nobody enqueues any more; permits may still come back. Who was handed
//! all its permits but has not been polled since is refused as well, and gives them back: after `close` no wait succeeds.
//!
//! The race is between giving back and enqueueing, and the word decides it: either the permit is in the word before
//! `QUEUED`, and who enqueues takes it; or `QUEUED` is there first, and the compare-exchange of who gives back fails and
//! leads it to the lock. Uncontended, taking is one compare-exchange and giving back is another one.
//!
//! What was done under a permit is seen by who gets it next: the word goes back by a Release and is taken by an Acquire,
//! with nothing but read-modify-writes between them, and a hand-over goes through the queue's lock and the node's status.

#![expect(unsafe_code, reason = "vouches for the queue being one field")]

use std::fmt;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use corelane_shards::coop;
use corelane_shards::loom::atomic::{AtomicUsize, Ordering};
use corelane_shards::util::wake_list::WakeList;
use pin_project_lite::pin_project;

use super::domain::{Domain, OneShard, Threads, Word};
use super::error::{AcquireError, TryAcquireError};
use super::wait_list::{Queued, Status, WaitQueue, Waiter, Waiters};

const CLOSED: usize = 1;
const QUEUED: usize = 2;
const SHIFT: u32 = 2;

/// As many as Tokio's can hold.
pub(crate) const MAX_PERMITS: usize = usize::MAX >> 3;
const _: () = assert!(MAX_PERMITS << SHIFT >> SHIFT == MAX_PERMITS);

/// See the module.
pub(crate) struct Batch<D: Domain> {
    word: D::Word,
    queue: WaitQueue<D, (), usize>,
}

// SAFETY: always that field.
unsafe impl<D: Domain> Queued for Batch<D> {
    type Domain = D;
    type State = ();
    /// How many permits are missing.
    type Payload = usize;

    #[inline]
    fn queue(&self) -> &WaitQueue<D, (), usize> {
        &self.queue
    }
}

impl Batch<Threads> {
    corelane_shards::const_fn! {
        #[track_caller]
        pub fn new(permits: usize) -> Self {
            check(permits);
            Self { word: AtomicUsize::new(permits << SHIFT), queue: WaitQueue::<Threads, _, _>::new(()) }
        }
    }

    corelane_shards::const_fn! {
        /// One that was closed before anybody came.
        pub fn closed() -> Self {
            Self { word: AtomicUsize::new(CLOSED), queue: WaitQueue::<Threads, _, _>::new(()) }
        }
    }
}

impl Batch<OneShard> {
    #[track_caller]
    pub const fn new(permits: usize) -> Self {
        check(permits);
        Self { word: std::cell::Cell::new(permits << SHIFT), queue: WaitQueue::<OneShard, _, _>::new(()) }
    }
}

#[inline]
#[track_caller]
const fn check(permits: usize) {
    assert!(permits <= MAX_PERMITS, "a semaphore may not have more than MAX_PERMITS permits");
}

impl<D: Domain> Batch<D> {
    /// Permits that can be taken now.
    pub fn available(&self) -> usize {
        self.word.load(Ordering::Acquire) >> SHIFT
    }

    pub fn is_closed(&self) -> bool {
        self.word.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Takes permits if they are there. Who waits already goes first.
    #[inline]
    #[track_caller]
    pub fn try_acquire(&self, permits: usize) -> Result<(), TryAcquireError> {
        check(permits);
        // Acquire: who is refused because it was closed sees what came before; pairs with the Release in `close`.
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            if word & CLOSED != 0 {
                return Err(TryAcquireError::Closed);
            }
            if word >> SHIFT < permits {
                return Err(TryAcquireError::NoPermits);
            }
            // Acquire: pairs with the Release in `release`.
            match self.word.replace_if(word, word - (permits << SHIFT), Ordering::Acquire) {
                Ok(_) => return Ok(()),
                Err(found) => word = found,
            }
        }
    }

    /// Waits for permits; they belong to the caller once the future completes.
    ///
    /// Permits that are there are taken before a place in the queue is made: an uncontended acquire and release are 100
    /// instructions that way, and were 160 with the place made first.
    #[inline]
    pub async fn acquire(&self, permits: usize) -> Result<(), AcquireError> {
        let step = match self.try_acquire(permits) {
            Ok(()) => match coop::try_proceed() {
                Some(proceed) => {
                    proceed.made_progress();
                    return Ok(());
                }
                None => Step::Taken,
            },
            Err(TryAcquireError::Closed) => return Err(AcquireError::closed()),
            Err(TryAcquireError::NoPermits) => Step::New,
        };
        Acquire { permits, step, waiter: Waiter::new(self, 0) }.await
    }

    /// Gives permits back, or adds new ones.
    #[inline]
    #[track_caller]
    pub fn release(&self, permits: usize) {
        if let Some(next) = self.give_back(permits) {
            next.wake();
        }
    }

    /// As [`release`](Self::release), but if they all go to one who waits, the caller has to wake that one. It may do without
    /// the semaphore by then.
    #[inline]
    #[track_caller]
    #[must_use = "who waits has to be woken"]
    pub fn give_back(&self, permits: usize) -> Option<Waker> {
        // Relaxed: confirmed by the compare-exchange; a `QUEUED` that is seen leads to the lock.
        let mut word = self.word.load(Ordering::Relaxed);
        while word & QUEUED == 0 {
            // Release: pairs with the Acquire in `try_acquire`.
            match self.word.replace_if(word, with_more(word, permits), Ordering::Release) {
                Ok(_) => return None,
                Err(found) => word = found,
            }
        }
        self.hand_over(permits)
    }

    /// Gives permits to those who wait, in order, and what is left to the word.
    #[cold]
    #[track_caller]
    fn hand_over(&self, mut permits: usize) -> Option<Waker> {
        // Checked here as well, so that it can't fail with wakers in hand: with `QUEUED` the word has none.
        if permits > MAX_PERMITS {
            too_many(permits);
        }
        // One on its own: a lock that is given back serves one, and a list of wakers costs more than all the rest.
        let first = self.queue.with(|locked| self.serve(&mut locked.waiters, &mut permits));
        if permits == 0 {
            return first;
        }
        let mut wakers = WakeList::new();
        if let Some(first) = first {
            wakers.push(first);
        }
        while permits > 0 {
            self.queue.with(|locked| {
                while permits > 0 && !wakers.is_full() {
                    if let Some(waker) = self.serve(&mut locked.waiters, &mut permits) {
                        wakers.push(waker);
                    }
                }
            });
            wakers.wake_all();
        }
        None
    }

    /// Under the lock: gives permits to the first who waits, whose waker it returns if these were the last missing ones.
    /// With nobody left, the rest goes to the word.
    fn serve(&self, waiters: &mut Waiters<D, usize>, permits: &mut usize) -> Option<Waker> {
        let mut served = None;
        if let Some(missing) = waiters.front() {
            let given = (*missing).min(*permits);
            *missing -= given;
            *permits -= given;
            if *missing == 0 {
                served = waiters.pop_front();
            }
        }
        if waiters.is_empty() {
            let rest = std::mem::take(permits);
            let mut word = self.word.load(Ordering::Relaxed);
            // Release: as in `release`. A compare-exchange, for `QUEUED` may have been cleared by somebody else.
            while let Err(found) =
                self.word.replace_if(word, with_more(word, rest) & !QUEUED, Ordering::Release)
            {
                word = found;
            }
        }
        served
    }

    /// Takes away up to so many permits for good; says how many there were.
    pub fn forget(&self, permits: usize) -> usize {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let gone = permits.min(word >> SHIFT);
            // Acquire: as if they had been taken.
            match self.word.replace_if(word, word - (gone << SHIFT), Ordering::Acquire) {
                Ok(_) => return gone,
                Err(found) => word = found,
            }
        }
    }

    /// Refuses all who wait and all who come.
    pub fn close(&self) {
        self.queue.wake_all(|()| {
            let mut word = self.word.load(Ordering::Relaxed);
            // Release: who sees it closed sees what came before.
            while let Err(found) = self.word.replace_if(word, (word | CLOSED) & !QUEUED, Ordering::Release) {
                word = found;
            }
        });
    }

    /// Under the lock: takes what there is and, if it is too little, goes on to wait for the rest.
    fn take_or_wait(&self, permits: usize) -> ControlFlow<Result<(), AcquireError>, usize> {
        // Acquire: as in `try_acquire`.
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            if word & CLOSED != 0 {
                return ControlFlow::Break(Err(AcquireError::closed()));
            }
            let free = word >> SHIFT;
            let (new, answer) = match permits.checked_sub(free) {
                None | Some(0) => (word - (permits << SHIFT), ControlFlow::Break(Ok(()))),
                Some(missing) => (QUEUED, ControlFlow::Continue(missing)),
            };
            // Acquire: as in `try_acquire`. Nothing is published: who sees `QUEUED` takes the lock.
            match self.word.replace_if(word, new, Ordering::Acquire) {
                Ok(_) => return answer,
                Err(found) => word = found,
            }
        }
    }
}

#[inline]
#[track_caller]
fn with_more(word: usize, permits: usize) -> usize {
    if permits > MAX_PERMITS - (word >> SHIFT) {
        too_many(permits);
    }
    word + (permits << SHIFT)
}

#[cold]
#[track_caller]
fn too_many(permits: usize) -> ! {
    if permits > MAX_PERMITS {
        panic!("cannot add more than MAX_PERMITS permits ({MAX_PERMITS})");
    }
    panic!("number of added permits ({permits}) would overflow MAX_PERMITS ({MAX_PERMITS})")
}

impl<D: Domain> fmt::Debug for Batch<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore").field("permits", &self.available()).finish()
    }
}

pin_project! {
    // The part of `Batch::acquire` that waits. Dropped before it completes, it gives back what it has got so far.
    struct Acquire<'a, D: Domain> {
        permits: usize,
        step: Step,
        #[pin]
        waiter: Waiter<&'a Batch<D>>,
    }

    impl<'a, D: Domain> PinnedDrop for Acquire<'a, D> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            match this.step {
                Step::New | Step::Done => {}
                Step::Taken => this.waiter.handle().release(*this.permits),
                Step::Waiting => {
                    let mut waiter = this.waiter;
                    waiter.as_mut().cancel();
                    let held = *this.permits - waiter.as_mut().payload();
                    if held > 0 {
                        waiter.handle().release(held);
                    }
                }
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Is not in the queue.
    New,
    /// Has all its permits, and lacks the budget to say so.
    Taken,
    /// Is or was in the queue; the waiter knows more.
    Waiting,
    /// The permits are the caller's.
    Done,
}

impl<D: Domain> Future for Acquire<'_, D> {
    type Output = Result<(), AcquireError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        match this.step {
            Step::New => {
                let permits = *this.permits;
                match this.waiter.as_mut().enqueue(Some(cx.waker()), |batch, _| batch.take_or_wait(permits)) {
                    None => {
                        *this.step = Step::Waiting;
                        return Poll::Pending;
                    }
                    Some(Ok(())) => *this.step = Step::Taken,
                    Some(refused) => return Poll::Ready(refused),
                }
            }
            Step::Taken => {}
            Step::Waiting => match this.waiter.as_mut().refresh(Some(cx.waker())) {
                Status::Idle | Status::Queued => return Poll::Pending,
                Status::Chosen => {}
                Status::Released => return Poll::Ready(Err(AcquireError::closed())),
            },
            Step::Done => panic!("`Acquire` polled after completion"),
        }
        // Asked last: a task that has used up its budget keeps its place in the queue.
        ready!(coop::poll_proceed(cx)).made_progress();
        if this.waiter.handle().is_closed() {
            // What it holds goes back as it drops.
            return Poll::Ready(Err(AcquireError::closed()));
        }
        *this.step = Step::Done;
        Poll::Ready(Ok(()))
    }
}
