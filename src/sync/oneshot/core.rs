//! One value from one end to the other: the protocol, for both kinds of sharing.
//!
//! ```text
//! flags   6 RX_WAITED | 5 TX_WAITED | 4 RX_GONE | 3 TX_GONE | 2 CLOSED | 1 VALUE | 0 LOCKED
//! ```
//! - LOCKED: one end looks at the cells: the value and the two wakers.
//! - VALUE: the value is in its cell. Set together with TX_GONE.
//! - CLOSED: the receiver wants nothing any more; no VALUE comes after it.
//! - TX_GONE, RX_GONE: that end has left for good and touches nothing here again.
//! - TX_WAITED, RX_WAITED: that end left a waker once, so its next poll looks at it before it clones another. They concern
//!   that end alone, and are here so that an end is one pointer: a message that holds one has no padding to be copied.
//!
//! An end does what it does, a send for instance, in one critical section and leaves in the same one. So an end that sees
//! the other's GONE, by a plain look, has everything to itself: a receiver takes the value and frees the memory without
//! another read-modify-write, and no reference count is needed beside the flags. A value costs one read-modify-write to
//! send, one to wait for and none to take.
//!
//! The races. Two ends leaving at once: the lock orders them, and the second sees the first's GONE and frees. A waker
//! left while a value comes: the section that leaves it looks at TX_GONE again, and the one that sets it takes the waker. Wakers
//! are cloned before, and woken and dropped after the section; values are moved inside it, never dropped or cloned.
//!
//! Threads: each end on any, one call at a time for what takes `&mut self`.

#![expect(unsafe_code, reason = "two ends share one allocation without a count")]

use std::marker::PhantomData;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker, ready};

use corelane_shards::loom::cell::UnsafeCell;
use corelane_shards::{coop, task};

use crate::sync::kind::{Flags, Kind, LOCKED, Threads};

const VALUE: usize = 1 << 1;
const CLOSED: usize = 1 << 2;
const TX_GONE: usize = 1 << 3;
const RX_GONE: usize = 1 << 4;
const TX_WAITED: usize = 1 << 5;
const RX_WAITED: usize = 1 << 6;

const _: () = assert!(LOCKED == 1, "the lock bit is none of ours");

struct Chan<T, K: Kind> {
    flags: Flags<K>,
    cells: UnsafeCell<Cells<T>>,
}

/// What the lock bit guards.
struct Cells<T> {
    value: Option<T>,
    receiver: Option<Waker>,
    sender: Option<Waker>,
}

impl<T, K: Kind> Chan<T, K> {
    /// Does something in a critical section; gives what the closure gives once the lock is given back.
    #[inline(always)]
    fn with<R>(&self, f: impl FnOnce(&mut usize, &mut Cells<T>) -> R) -> R {
        let mut flags = self.flags.acquire();
        let result = self.cells.with_mut(|cells| {
            // SAFETY: the lock bit is ours, and the cells are touched by its holder only, or by an end whose other is gone.
            f(&mut flags, unsafe { &mut *cells })
        });
        self.flags.release(flags);
        result
    }

    /// Takes the value out of a channel that the caller has to itself.
    ///
    /// # Safety
    /// The caller is one end, and the other end's GONE was seen.
    #[inline(always)]
    unsafe fn take(&self) -> Option<T> {
        self.cells.with_mut(|cells| {
            // SAFETY: the other end touches nothing any more, by contract.
            unsafe { (*cells).value.take() }
        })
    }
}

/// Frees a channel with all that is inside.
///
/// # Safety
/// The caller is one end and has seen the other's GONE; it touches nothing afterwards.
#[inline]
unsafe fn free<T, K: Kind>(chan: NonNull<Chan<T, K>>) {
    // SAFETY: came from a box in `channel`; nobody else has it, by contract.
    drop(unsafe { Box::from_raw(chan.as_ptr()) });
}

/// Makes a channel.
pub(crate) fn channel<T, K: Kind>() -> (Tx<T, K>, Rx<T, K>) {
    let cells = UnsafeCell::new(Cells { value: None, receiver: None, sender: None });
    let chan = NonNull::from(Box::leak(Box::new(Chan { flags: Flags::new(), cells })));
    (Tx { chan: Some(chan), _kind: PhantomData }, Rx { chan: Some(chan), _kind: PhantomData })
}

/// The sending end. Has nothing left once it left, which is the duty of who drops it.
pub(crate) struct Tx<T, K: Kind> {
    chan: Option<NonNull<Chan<T, K>>>,
    _kind: PhantomData<K>,
}

/// The receiving end. Has nothing left once it gave its result or left, which is the duty of who drops it.
pub(crate) struct Rx<T, K: Kind> {
    chan: Option<NonNull<Chan<T, K>>>,
    _kind: PhantomData<K>,
}

// SAFETY: a value moves from one end to the other, and nothing gives out references to it; the rest is behind the flags.
unsafe impl<T: Send> Send for Tx<T, Threads> {}
// SAFETY: what takes `&self` looks at the flags alone.
unsafe impl<T: Send> Sync for Tx<T, Threads> {}
// SAFETY: as for `Tx`.
unsafe impl<T: Send> Send for Rx<T, Threads> {}
// SAFETY: as for `Tx`.
unsafe impl<T: Send> Sync for Rx<T, Threads> {}

/// What the channel had to say; `Closed` and `Sent` are the last word.
pub(crate) enum TryRecv<T> {
    Sent(T),
    Closed,
    Empty,
}

impl<T, K: Kind> Tx<T, K> {
    #[inline(always)]
    fn chan(&self) -> Option<&Chan<T, K>> {
        // SAFETY: freed by whoever leaves second, and this end has not left while it is `Some`.
        self.chan.as_ref().map(|chan| unsafe { chan.as_ref() })
    }

    /// Leaves with or without a value; gives back one that nobody wants.
    #[inline]
    pub fn leave(&mut self, value: Option<T>) -> Option<T> {
        enum Left<T> {
            Last(Option<T>),
            First { unwanted: Option<T>, receiver: Option<Waker>, sender: Option<Waker> },
        }
        let Some(here) = self.chan.take() else { return value };
        // SAFETY: freed by whoever leaves second, and this end is just about to.
        let chan = unsafe { here.as_ref() };
        let left = chan.with(|flags, cells| {
            if *flags & RX_GONE != 0 {
                return Left::Last(value);
            }
            *flags |= TX_GONE;
            let sender = cells.sender.take();
            if *flags & CLOSED != 0 {
                return Left::First { unwanted: value, receiver: None, sender };
            }
            if value.is_some() {
                *flags |= VALUE;
            }
            cells.value = value;
            Left::First { unwanted: None, receiver: cells.receiver.take(), sender }
        });
        match left {
            Left::Last(value) => {
                // SAFETY: RX_GONE was seen.
                unsafe { free(here) };
                value
            }
            Left::First { unwanted, receiver, sender } => {
                if let Some(receiver) = receiver {
                    task::wake(receiver);
                }
                drop(sender);
                unwanted
            }
        }
    }

    /// Whether the receiver closed or left.
    pub fn is_closed(&self) -> bool {
        self.chan().is_none_or(|chan| chan.flags.look() & CLOSED != 0)
    }

    /// Ready once the receiver closed or left.
    pub fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let proceed = ready!(coop::poll_proceed(cx));
        let waits = self.chan().is_some_and(|chan| {
            let flags = chan.flags.look();
            flags & CLOSED == 0 && leave_waker(chan, cx, flags, TX_WAITED, CLOSED, |cells| &mut cells.sender)
        });
        if waits {
            return Poll::Pending;
        }
        proceed.made_progress();
        Poll::Ready(())
    }
}

impl<T, K: Kind> Rx<T, K> {
    #[inline(always)]
    fn chan(&self) -> Option<&Chan<T, K>> {
        // SAFETY: freed by whoever leaves second, and this end has not left while it is `Some`.
        self.chan.as_ref().map(|chan| unsafe { chan.as_ref() })
    }

    /// Whether a result was given.
    pub fn is_terminated(&self) -> bool {
        self.chan.is_none()
    }

    /// Whether no value waits to be taken.
    pub fn is_empty(&self) -> bool {
        self.chan().is_none_or(|chan| chan.flags.look() & VALUE == 0)
    }

    /// Wants no value from now on; one that was sent can still be taken.
    pub fn close(&mut self) {
        let Some(chan) = self.chan() else { return };
        if chan.flags.look() & (TX_GONE | CLOSED) != 0 {
            return;
        }
        let sender = chan.with(|flags, cells| {
            if *flags & TX_GONE != 0 {
                return None;
            }
            *flags |= CLOSED;
            cells.sender.take()
        });
        if let Some(sender) = sender {
            task::wake(sender);
        }
    }

    /// The value or the news that none will come, and leaves; or nothing yet.
    pub fn try_recv(&mut self) -> TryRecv<T> {
        let Some(chan) = self.chan() else { return TryRecv::Closed };
        let flags = chan.flags.look();
        if flags & (TX_GONE | CLOSED) == 0 {
            return TryRecv::Empty;
        }
        match self.finish(flags) {
            Some(value) => TryRecv::Sent(value),
            None => TryRecv::Closed,
        }
    }

    /// The same, leaving a waker. `None` when no value will come.
    ///
    /// # Panics
    ///
    /// After the result was given.
    #[inline]
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let Some(chan) = self.chan() else { panic!("called after complete") };
        let proceed = ready!(coop::poll_proceed(cx));
        let mut flags = chan.flags.look();
        if flags & (TX_GONE | CLOSED) == 0 {
            if leave_waker(chan, cx, flags, RX_WAITED, TX_GONE, |cells| &mut cells.receiver) {
                return Poll::Pending;
            }
            flags = TX_GONE;
        }
        proceed.made_progress();
        Poll::Ready(self.finish(flags))
    }

    /// Takes the result and leaves.
    fn finish(&mut self, flags: usize) -> Option<T> {
        // A sender that is still there found the channel closed, or will: there is no value.
        let value = if flags & TX_GONE != 0 {
            // SAFETY: TX_GONE was seen.
            self.chan().and_then(|chan| unsafe { chan.take() })
        } else {
            None
        };
        self.leave();
        value
    }

    /// Wakes a sender that waits for this, and leaves.
    pub fn leave(&mut self) {
        let Some(here) = self.chan.take() else { return };
        // SAFETY: freed by whoever leaves second, and this end is just about to.
        let chan = unsafe { here.as_ref() };
        let gone = chan.flags.look() & TX_GONE != 0;
        let wakers = if gone {
            None
        } else {
            chan.with(|flags, cells| {
                if *flags & TX_GONE != 0 {
                    return None;
                }
                *flags |= CLOSED | RX_GONE;
                Some((cells.sender.take(), cells.receiver.take()))
            })
        };
        match wakers {
            // SAFETY: TX_GONE was seen.
            None => unsafe { free(here) },
            Some((sender, receiver)) => {
                if let Some(sender) = sender {
                    task::wake(sender);
                }
                drop(receiver);
            }
        }
    }
}

/// Leaves a waker in its cell unless `unless` is set, and says whether it did.
///
/// The first time, without `waited` among the flags that were seen, one will be needed, so it is cloned before the lock is
/// taken; afterwards it is probably the one that is there already.
#[inline(always)]
fn leave_waker<T, K: Kind>(
    chan: &Chan<T, K>,
    cx: &Context<'_>,
    seen: usize,
    waited: usize,
    unless: usize,
    cell: impl Fn(&mut Cells<T>) -> &mut Option<Waker>,
) -> bool {
    if seen & waited != 0 {
        let settled = chan.with(|flags, cells| {
            if *flags & unless != 0 {
                return Some(false);
            }
            cell(cells).as_ref().is_some_and(|waker| waker.will_wake(cx.waker())).then_some(true)
        });
        if let Some(settled) = settled {
            return settled;
        }
    }
    let mut waker = Some(cx.waker().clone());
    chan.with(|flags, cells| {
        if *flags & unless != 0 {
            return false;
        }
        *flags |= waited;
        std::mem::swap(cell(cells), &mut waker);
        true
    })
}
