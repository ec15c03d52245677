//! The channel's state and its two ends, for both kinds of sharing.
//!
//! One house lock guards all of it: the values, the free places, the senders that wait for one, the receiver's waker, the counts
//! and whether the channel is closed. So a send or a receive that need not wait is one read-modify-write and a plain
//! store, fairness and the accounting of places are plain code, and an interleaving is an order of critical sections.
//!
//! ```text
//! limit = free + held (permits, and places handed to who waits) + values
//! somebody waits for a place  ⇒  free = 0      (who waits longest takes what is there, and all that is given back)
//! ```
//!
//! The rules that make it right:
//! - Foreign code runs outside the lock: values are moved inside it, never dropped or cloned; wakers are cloned before it,
//!   taken out inside it, woken and dropped after it. The receiver knows whether it will probably have to wait, from what
//!   it left behind, and clones its waker then, so that waiting too is one critical section.
//! - The receiver leaves its waker in the same section in which it found nothing; a sender pushes and takes the waker in
//!   one. No wake falls between.
//! - The end of the stream, seen by the receiver: nothing queued, and either no sender, or closed with no place held. Each
//!   step that can make it true (the last sender leaves, a place comes back after the close) takes the receiver's waker.
//! - Work inside the lock is bounded: at most [`WAKE_LIST_LEN`] values or wakers a section.
//!
//! Why a lock: measured against Tokio's list of blocks, which takes no lock to send into an unbounded channel and one to give
//! a place back, in one run on two cores that never sleep (`ratios --rows mpsc_threads,mpsc_senders`): 0.25 of its time for
//! one sender against the receiver, 0.13 for two senders at once. Whoever meets a held lock waits for one line that it
//! needs in any case; without a lock the position, the ready bits, the places and the waker bounce one by one.
//!
//! Unbounded channels are these with a limit that memory does not reach.
//!
//! A thread that polls with `try_recv` or `try_send` would take the lock's line away from those it waits for. So who finds
//! the channel empty, or full, leaves a bit in `quiet`, and while it is there the same answer is a load. The bits change inside
//! the lock only, in the section that makes them true or false. They order nothing (`Relaxed`): whoever knows of a send by
//! whatever means also sees that send's write of the word, or a later one.
//!
//! Threads: senders from any, the receiver from one at a time.

#![expect(unsafe_code, reason = "vouches for the queue being one field")]

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::task::{Context, Poll, Waker, ready};

use corelane_shards::loom::atomic::Ordering::Relaxed;
use corelane_shards::util::wake_list::{WAKE_LIST_LEN, WakeList};
use corelane_shards::{coop, task};

use super::values::Values;
use crate::sync::kind::{self, Kind, Word};
use crate::sync::wait_list::{Locked, Queued, WaitQueue};

/// There is no value, a sender, and nothing was closed.
const EMPTY: usize = 1;
/// There is no place, and nothing was closed.
const FULL: usize = 2;

/// Places of a channel at most; those of an unbounded one.
pub(crate) const LIMIT: usize = usize::MAX >> 3;

/// What the ends share.
pub(crate) struct Chan<T, K: Kind> {
    limit: usize,
    /// The state, and who waits for how many places more.
    places: WaitQueue<K, State<T>, usize>,
    /// `EMPTY` and `FULL`.
    quiet: K::Word,
    closing: Closing<K>,
}

/// Who waits for the channel to close; the flag repeats `State::closed` under this queue's lock.
pub(crate) struct Closing<K: Kind>(WaitQueue<K, bool, ()>);

pub(crate) struct State<T> {
    values: Values<T>,
    /// Places that are neither taken by a value nor held for one.
    free: usize,
    senders: usize,
    weak_senders: usize,
    /// The receiver wants no more; places that are held may still be used.
    closed: bool,
    /// There is no receiver any more.
    gone: bool,
    receiver: Option<Waker>,
}

// A panic can't leave the state half changed: nothing foreign runs inside the lock.
impl<T, K: Kind> UnwindSafe for Chan<T, K> {}
impl<T, K: Kind> RefUnwindSafe for Chan<T, K> {}

type Inside<T, K> = Locked<K, State<T>, usize>;

impl<T> State<T> {
    /// Whether nothing is queued and nothing can come.
    #[inline]
    fn is_over(&self, limit: usize) -> bool {
        self.values.is_empty() && (self.senders == 0 || (self.closed && self.free == limit))
    }
}

/// Why there was no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPlace {
    Full,
    Closed,
}

impl<T, K: Kind> Chan<T, K> {
    fn new(limit: usize) -> Self {
        let state = State {
            values: Values::new(),
            free: limit,
            senders: 1,
            weak_senders: 0,
            closed: false,
            gone: false,
            receiver: None,
        };
        Self { limit, places: K::queue(state), quiet: K::Word::make(0), closing: Closing(K::queue(false)) }
    }

    /// Whether that is so.
    #[inline(always)]
    fn is_quiet(&self, bit: usize) -> bool {
        self.quiet.load(Relaxed) & bit != 0
    }

    /// Inside the lock: that is so.
    fn set_quiet(&self, bit: usize) {
        self.quiet.store(self.quiet.load(Relaxed) | bit, Relaxed);
    }

    /// Inside the lock: that is so no longer, if it was.
    #[inline(always)]
    fn unset_quiet(&self, bits: usize) {
        let quiet = self.quiet.load(Relaxed);
        if quiet & bits != 0 {
            self.quiet.store(quiet & !bits, Relaxed);
        }
    }

    pub(super) fn places(&self) -> &WaitQueue<K, State<T>, usize> {
        &self.places
    }

    /// Runs the closure on the state.
    #[inline(always)]
    fn with<R>(&self, f: impl FnOnce(&mut State<T>) -> R) -> R {
        self.places.with(|inside| f(&mut inside.state))
    }

    /// Takes places that are free and, if there is a value for the one, sends it. The receiver's waker if it waits for it.
    #[inline]
    pub(super) fn take_places(
        &self,
        inside: &mut Inside<T, K>,
        count: usize,
        value: &mut Option<T>,
    ) -> Result<Option<Waker>, NoPlace> {
        let state = &mut inside.state;
        if state.closed {
            return Err(NoPlace::Closed);
        }
        if state.free < count {
            return Err(NoPlace::Full);
        }
        state.free -= count;
        Ok(self.fill(state, value))
    }

    /// As `take_places` for who was handed them while it waited.
    pub(super) fn use_places(
        &self,
        inside: &mut Inside<T, K>,
        value: &mut Option<T>,
    ) -> Result<Option<Waker>, NoPlace> {
        if inside.state.closed {
            return Err(NoPlace::Closed);
        }
        Ok(self.fill(&mut inside.state, value))
    }

    /// Takes all free places on the way to `count`, which are more; how many are still wanted.
    pub(super) fn take_some(inside: &mut Inside<T, K>, count: usize) -> usize {
        count - std::mem::take(&mut inside.state.free)
    }

    #[inline]
    fn fill(&self, state: &mut State<T>, value: &mut Option<T>) -> Option<Waker> {
        let value = value.take()?;
        state.values.push(value);
        self.unset_quiet(EMPTY);
        state.receiver.take()
    }

    /// Takes places that are free, and sends.
    #[inline]
    fn try_take(&self, count: usize, value: &mut Option<T>) -> Result<(), NoPlace> {
        if self.is_quiet(FULL) && count > 0 {
            return Err(NoPlace::Full);
        }
        let receiver = self.places.with(|inside| {
            let taken = self.take_places(inside, count, value);
            if matches!(taken, Err(NoPlace::Full)) && inside.state.free == 0 {
                self.set_quiet(FULL);
            }
            taken
        })?;
        if let Some(receiver) = receiver {
            task::wake(receiver);
        }
        Ok(())
    }

    /// Hands one place to who has waited longest, or makes it free. Who is to be woken.
    #[inline]
    fn give_one(&self, inside: &mut Inside<T, K>) -> Option<Waker> {
        match inside.waiters.front() {
            None => self.free_one(&mut inside.state),
            Some(wanted) => {
                *wanted -= 1;
                if *wanted == 0 {
                    return inside.waiters.pop_front();
                }
            }
        }
        None
    }

    /// A place is free that nobody waits for.
    #[inline(always)]
    fn free_one(&self, state: &mut State<T>) {
        state.free += 1;
        self.unset_quiet(FULL);
    }

    /// The same for several; what is left when the list is full.
    fn give(&self, inside: &mut Inside<T, K>, mut count: usize, wakers: &mut WakeList) -> usize {
        while count > 0 && !wakers.is_full() {
            let Some(wanted) = inside.waiters.front() else {
                inside.state.free += count;
                self.unset_quiet(FULL);
                return 0;
            };
            let given = count.min(*wanted);
            *wanted -= given;
            count -= given;
            if *wanted == 0 {
                if let Some(waker) = inside.waiters.pop_front() {
                    wakers.push(waker);
                }
            }
        }
        count
    }

    /// Gives places back that were held and not used.
    pub(crate) fn give_back(&self, mut count: usize) {
        if count == 0 {
            return;
        }
        let mut wakers = WakeList::new();
        loop {
            let receiver;
            (count, receiver) = self.places.with(|inside| {
                let left = self.give(inside, count, &mut wakers);
                let state = &mut inside.state;
                let over = left == 0 && state.is_over(self.limit);
                (left, if over { state.receiver.take() } else { None })
            });
            wakers.wake_all();
            if let Some(receiver) = receiver {
                task::wake(receiver);
            }
            if count == 0 {
                return;
            }
        }
    }

    /// Sends into a place that was held. A value that nobody will receive is dropped.
    pub(crate) fn send_held(&self, value: T) {
        let mut value = Some(value);
        let receiver = self.with(|state| {
            if state.gone {
                return None;
            }
            self.fill(state, &mut value)
        });
        if let Some(receiver) = receiver {
            task::wake(receiver);
        }
        if value.is_some() {
            self.give_back(1);
        }
    }

    pub(super) fn free(&self) -> usize {
        self.with(|state| state.free)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.with(|state| state.closed)
    }

    fn close(&self) {
        self.places.wake_all(|state| {
            state.closed = true;
            self.unset_quiet(EMPTY | FULL);
        });
        self.closing.0.wake_all(|closed| *closed = true);
    }
}

// SAFETY: the same field at each call.
unsafe impl<T, K: Kind> Queued for Chan<T, K> {
    type Domain = K;
    type State = State<T>;
    type Payload = usize;

    fn queue(&self) -> &WaitQueue<K, State<T>, usize> {
        &self.places
    }
}

// SAFETY: as above.
unsafe impl<K: Kind> Queued for Closing<K> {
    type Domain = K;
    type State = bool;
    type Payload = ();

    fn queue(&self) -> &WaitQueue<K, bool, ()> {
        &self.0
    }
}

/// Makes a channel.
pub(crate) fn channel<T, K: Kind>(limit: usize) -> (Tx<T, K>, Rx<T, K>) {
    let chan = K::share(Chan::new(limit));
    (Tx { chan: chan.clone() }, Rx { chan, waits: true })
}

/// A sending end; counted.
pub(crate) struct Tx<T, K: Kind> {
    chan: K::Shared<Chan<T, K>>,
}

impl<T, K: Kind> Tx<T, K> {
    #[inline(always)]
    pub fn chan(&self) -> &Chan<T, K> {
        &self.chan
    }

    #[inline]
    pub fn try_send(&self, value: T) -> Result<(), (NoPlace, T)> {
        let mut value = Some(value);
        match self.chan.try_take(1, &mut value) {
            Ok(()) => Ok(()),
            Err(why) => Err((why, value.expect("a value that was not sent is still here"))),
        }
    }

    /// What most calls of `send` find: there is a place, and some budget. Else the value comes back.
    #[inline]
    pub fn send_now(&self, value: T) -> Result<(), T> {
        let Some(proceed) = coop::try_proceed() else { return Err(value) };
        self.try_send(value).map_err(|(_, value)| value)?;
        proceed.made_progress();
        Ok(())
    }

    pub fn try_reserve(&self, count: usize) -> Result<(), NoPlace> {
        if count > self.chan.limit {
            return Err(NoPlace::Full);
        }
        self.chan.try_take(count, &mut None)
    }

    pub fn is_closed(&self) -> bool {
        self.chan.is_closed()
    }

    /// Waits until the receiver is closed or gone.
    pub async fn closed(&self) {
        super::acquire::Closed::new(&self.chan.closing).await;
    }

    pub fn free(&self) -> usize {
        self.chan.free()
    }

    pub fn limit(&self) -> usize {
        self.chan.limit
    }

    pub fn same(&self, other: &Self) -> bool {
        kind::same(&self.chan, &other.chan)
    }

    pub fn counts(&self) -> (usize, usize) {
        self.chan.with(|state| (state.senders, state.weak_senders))
    }

    pub fn downgrade(&self) -> Weak<T, K> {
        Weak::new(&self.chan)
    }
}

impl<T, K: Kind> Clone for Tx<T, K> {
    fn clone(&self) -> Self {
        self.chan.with(|state| state.senders += 1);
        Self { chan: self.chan.clone() }
    }
}

impl<T, K: Kind> Drop for Tx<T, K> {
    fn drop(&mut self) {
        let receiver = self.chan.with(|state| {
            state.senders -= 1;
            if state.senders > 0 {
                return None;
            }
            self.chan.unset_quiet(EMPTY);
            state.receiver.take()
        });
        if let Some(receiver) = receiver {
            task::wake(receiver);
        }
    }
}

/// Leads to a sending end while there is one. Counted until it [leaves](Self::leave).
pub(crate) struct Weak<T, K: Kind> {
    chan: K::Shared<Chan<T, K>>,
}

impl<T, K: Kind> Weak<T, K> {
    fn new(chan: &K::Shared<Chan<T, K>>) -> Self {
        chan.with(|state| state.weak_senders += 1);
        Self { chan: chan.clone() }
    }

    pub fn upgrade(&self) -> Option<Tx<T, K>> {
        let alive = self.chan.with(|state| {
            if state.senders == 0 {
                return false;
            }
            state.senders += 1;
            true
        });
        alive.then(|| Tx { chan: self.chan.clone() })
    }

    /// Takes this one out of the count. By the drop of what holds it, since Tokio's weak senders have one of their own.
    pub fn leave(&self) {
        self.chan.with(|state| state.weak_senders -= 1);
    }

    pub fn counts(&self) -> (usize, usize) {
        self.chan.with(|state| (state.senders, state.weak_senders))
    }
}

impl<T, K: Kind> Clone for Weak<T, K> {
    fn clone(&self) -> Self {
        Self::new(&self.chan)
    }
}

/// The receiving end.
pub(crate) struct Rx<T, K: Kind> {
    chan: K::Shared<Chan<T, K>>,
    /// Whether the next poll will probably have to wait: the last one emptied the channel.
    waits: bool,
}

/// What a look at the queue found.
enum Found<T> {
    Value {
        value: T,
        sender: Option<Waker>,
        emptied: bool,
    },
    /// Nothing will come.
    Over,
    /// Nothing yet. The waker is there; this one was there before or is not needed.
    Waits(Option<Waker>),
    /// Nothing yet, and there is no waker to leave.
    NeedsWaker,
}

impl<T, K: Kind> Rx<T, K> {
    /// The next value; `None` at the end of the stream.
    #[inline(always)]
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        // The usual case of those that need not wait: there is a value, and nobody waits for its place.
        if !self.waits {
            if let Some(proceed) = coop::try_proceed() {
                let chan = &*self.chan;
                let taken = chan.places.with(|inside| {
                    if inside.waiters.front().is_some() {
                        return None;
                    }
                    let value = inside.state.values.pop()?;
                    chan.free_one(&mut inside.state);
                    Some((value, inside.state.values.is_empty()))
                });
                if let Some((value, emptied)) = taken {
                    self.waits = emptied;
                    proceed.made_progress();
                    return Poll::Ready(Some(value));
                }
            }
        }
        self.poll_recv_slow(cx)
    }

    #[inline(never)]
    fn poll_recv_slow(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let proceed = ready!(coop::poll_proceed(cx));
        let chan = &*self.chan;
        let mut waker = None;
        if self.waits {
            waker = Some(task::clone_waker(cx.waker()));
        }
        loop {
            let found = chan.places.with(|inside| {
                // Empty is the usual case here.
                let values = &mut inside.state.values;
                let Some(value) = (if values.is_empty() { None } else { values.pop() }) else {
                    return wait(&mut inside.state, chan.limit, cx, &mut waker);
                };
                let sender = chan.give_one(inside);
                Found::Value { value, sender, emptied: inside.state.values.is_empty() }
            });
            match found {
                Found::Value { value, sender, emptied } => {
                    self.waits = emptied;
                    proceed.made_progress();
                    if let Some(sender) = sender {
                        task::wake(sender);
                    }
                    return Poll::Ready(Some(value));
                }
                Found::Over => {
                    proceed.made_progress();
                    return Poll::Ready(None);
                }
                Found::Waits(before) => {
                    // What wakes it is a value, so the next poll will find one.
                    self.waits = false;
                    drop(before);
                    return Poll::Pending;
                }
                Found::NeedsWaker => waker = Some(cx.waker().clone()),
            }
        }
    }

    /// Appends up to `limit` values; how many there were, 0 at the end of the stream.
    pub fn poll_recv_many(&mut self, cx: &mut Context<'_>, buffer: &mut Vec<T>, limit: usize) -> Poll<usize> {
        enum Step<T> {
            Took {
                emptied: bool,
            },
            /// The vector is too short for so many; it grows outside of the lock.
            NeedsRoom(usize),
            Nothing(Found<T>),
        }
        let proceed = ready!(coop::poll_proceed(cx));
        if limit == 0 {
            proceed.made_progress();
            return Poll::Ready(0);
        }
        let chan = &*self.chan;
        let mut waker = None;
        let mut wakers = WakeList::new();
        let mut received = 0;
        loop {
            let room = buffer.capacity() - buffer.len();
            let step = chan.places.with(|inside| {
                let batch = inside.state.values.len().min(limit - received).min(WAKE_LIST_LEN);
                if batch > room {
                    return Step::NeedsRoom(batch);
                }
                if batch == 0 && received == 0 {
                    return Step::Nothing(wait(&mut inside.state, chan.limit, cx, &mut waker));
                }
                buffer.extend((0..batch).map_while(|_| inside.state.values.pop()));
                received += batch;
                // The list has room for each: nobody waits for less than a place.
                chan.give(inside, batch, &mut wakers);
                Step::Took { emptied: inside.state.values.is_empty() }
            });
            wakers.wake_all();
            match step {
                Step::Took { emptied } if emptied || received == limit => {
                    self.waits = emptied;
                    proceed.made_progress();
                    return Poll::Ready(received);
                }
                Step::Took { .. } => {}
                Step::NeedsRoom(batch) => buffer.reserve(batch),
                Step::Nothing(Found::NeedsWaker) => waker = Some(cx.waker().clone()),
                Step::Nothing(Found::Over) => {
                    proceed.made_progress();
                    return Poll::Ready(0);
                }
                Step::Nothing(_) => {
                    self.waits = false;
                    return Poll::Pending;
                }
            }
        }
    }

    /// The next value, or whether one may come.
    pub fn try_recv(&mut self) -> Result<T, NoValue> {
        let chan = &*self.chan;
        if chan.is_quiet(EMPTY) {
            return Err(NoValue::Empty);
        }
        let (value, sender) = chan.places.with(|inside| match inside.state.values.pop() {
            Some(value) => Ok((value, chan.give_one(inside))),
            None if inside.state.is_over(chan.limit) => Err(NoValue::Over),
            None => {
                // Closed, a place that comes back would end the stream.
                if !inside.state.closed {
                    chan.set_quiet(EMPTY);
                }
                Err(NoValue::Empty)
            }
        })?;
        if let Some(sender) = sender {
            task::wake(sender);
        }
        Ok(value)
    }

    pub fn close(&mut self) {
        self.chan.close();
    }

    pub fn is_closed(&self) -> bool {
        self.chan.with(|state| state.closed || state.senders == 0)
    }

    pub fn len(&self) -> usize {
        self.chan.with(|state| state.values.len())
    }

    pub fn free(&self) -> usize {
        self.chan.free()
    }

    pub fn limit(&self) -> usize {
        self.chan.limit
    }

    pub fn counts(&self) -> (usize, usize) {
        self.chan.with(|state| (state.senders, state.weak_senders))
    }
}

/// Why there was no value.
pub(crate) enum NoValue {
    Empty,
    Over,
}

/// Sees to the receiver's waker after nothing was found.
fn wait<T>(state: &mut State<T>, limit: usize, cx: &Context<'_>, waker: &mut Option<Waker>) -> Found<T> {
    if state.is_over(limit) {
        return Found::Over;
    }
    if state.receiver.as_ref().is_some_and(|receiver| receiver.will_wake(cx.waker())) {
        return Found::Waits(None);
    }
    match waker.take() {
        Some(waker) => Found::Waits(state.receiver.replace(waker)),
        None => Found::NeedsWaker,
    }
}

impl<T, K: Kind> Drop for Rx<T, K> {
    fn drop(&mut self) {
        self.chan.close();
        // Out of the lock before they are dropped: both may come back here.
        let (values, waker) = self.chan.with(|state| {
            let values = std::mem::replace(&mut state.values, Values::new());
            state.free += values.len();
            state.gone = true;
            (values, state.receiver.take())
        });
        drop(waker);
        drop(values);
    }
}
