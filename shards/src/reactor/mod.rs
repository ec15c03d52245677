//! The reactor: how a shard waits for the world, and how the world wakes tasks.
//!
//! Here: the owner half, which waits and delivers events. One `mio::Poll` a shard, edge-triggered.
//! - [`registration`](Registration): what a socket holds; it is bound to a reactor by the first shard that has to wait for it.
//! - `registry`: the remote half; adds and takes away, from any thread.
//! - `readiness`: what a resource is ready for and who waits, with the protocol between the owner and everybody else.
//! - `interest`: the two sets that users see.
//!
//! Not here: when to wait, and for how long (`shard::turn`); ending a wait (`park`).
//!
//! Threads: the one that owns the shard. While the shard is [lent](mod@crate::shard::lend) that is its caretaker's, and nobody is inside
//! the shard; so what is the owner's here still has one thread.

#![expect(unsafe_code, reason = "looks states up by token, and is their owner")]

mod interest;
mod readiness;
mod registration;
mod registry;
mod timerfd;

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;

pub use interest::{Interest, Ready};
pub use readiness::Direction;
pub(crate) use registration::Unbound;
pub use registration::{Readiness, ReadyEvent, Registration, Start};
pub use registry::Registry;

use std::io;
use std::mem::{self, MaybeUninit};
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use mio::{Events, Poll};

use crate::context;
use crate::loom::atomic::Ordering::SeqCst;
use crate::loom::atomic::fence;
use crate::park::Unpark;
use crate::shard::Driver;
use crate::util::abort::die;

use readiness::State;
use timerfd::TimerFd;

/// Below this the kernel's timeout, which is in milliseconds and rounded up, is too coarse.
const TIMEOUT_RESOLUTION_US: u32 = 1_000;

/// Batches taken in one wait. A full one means that there may be more; but tasks are waiting too.
const BATCHES: usize = 4;

/// Events taken at once at most, whoever asks for more: the kernel refuses some numbers, and the memory is there for all of them.
const MOST_EVENTS: usize = 1 << 16;

/// See the module's head.
pub struct Reactor {
    poll: Poll,
    events: Events,
    /// In place of `events` for a look that does not wait, if that is to take fewer.
    busy_events: Option<Events>,
    /// How often `events` is filled in one wait.
    batches: usize,
    registry: Arc<Registry>,
    unpark: Arc<Waker>,
    timer: Option<TimerFd>,
    /// Whom the events of the batch in hand are for. As long as the longest batch; none of them is read before it was written.
    batch: Box<[MaybeUninit<*const State>]>,
}

// SAFETY: the pointers are to states of the registry, which this holds and whose states may be reached from any thread; the
// owner's half of a state goes to whoever has the reactor.
unsafe impl Send for Reactor {}

struct Waker(mio::Waker);

impl Unpark for Waker {
    fn unpark(&self) {
        while let Err(error) = self.0.wake() {
            // That its counter is full is no error, and all others mean that the program has closed a file that is not its own.
            if error.kind() != io::ErrorKind::Interrupted {
                // What was to be seen by the shard is never seen: its tasks wait for ever, and who ends the runtime for them.
                die(&format!("the kernel refuses to wake a shard: {error}"));
            }
        }
    }
}

impl Reactor {
    /// A reactor that takes up to `capacity` events from the kernel at once, for timers of that resolution in microseconds.
    ///
    /// # Errors
    ///
    /// When the kernel gives no more files.
    pub fn new(capacity: usize, resolution_us: u32) -> io::Result<Self> {
        let poll = Poll::new()?;
        let events = Events::with_capacity(capacity);
        let registry = Arc::new(Registry::new(poll.registry().try_clone()?));
        let timer = match resolution_us {
            TIMEOUT_RESOLUTION_US.. => None,
            _ => Some(TimerFd::new(poll.registry(), registry.silent())?),
        };
        Ok(Self {
            unpark: Arc::new(Waker(mio::Waker::new(poll.registry(), registry.silent())?)),
            registry,
            batch: Box::new_uninit_slice(events.capacity()),
            events,
            busy_events: None,
            batches: BATCHES,
            timer,
            poll,
        })
    }

    /// Takes up to `capacity` events at once, in memory that the calling thread allocates.
    pub fn make_room(&mut self, capacity: usize) {
        self.events = Events::with_capacity(capacity);
        // It may have become more.
        self.batch = Box::new_uninit_slice(self.events.capacity());
    }

    /// Bounds the events that are taken in one wait, and in one look that does not wait.
    pub fn limit(&mut self, per_wait: Option<usize>, per_look: Option<usize>) {
        let places = |most: usize| Events::with_capacity(most.min(MOST_EVENTS));
        if let Some(most) = per_wait {
            self.events = places(most);
            self.batches = 1;
        }
        self.busy_events = per_look.map(places);
        let most = self.busy_events.as_ref().map_or(0, Events::capacity).max(self.events.capacity());
        self.batch = Box::new_uninit_slice(most);
    }

    /// The remote half.
    pub(crate) fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Waits for one batch; false if the wait was cut short by a signal.
    fn poll(&mut self, timeout: Option<Duration>) -> bool {
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => true,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => false,
            Err(e) => panic!("the kernel refuses to wait for events: {e}"),
        }
    }

    /// Delivers the batch in hand; gives its size.
    fn deliver(&mut self) -> usize {
        let Self { events, batch, registry, .. } = self;
        // SAFETY: null, or the owner half of the shard that this thread is inside, for as long as it stays.
        let local = unsafe { context::local().as_ref() };
        let local = local.filter(|local| local.remote().registry().is_some_and(|r| Arc::ptr_eq(r, registry)));
        assert!(events.capacity() <= batch.len(), "a place for each event");
        registry.acquire_added();
        let mut len = 0;
        for event in events.iter() {
            // SAFETY: what this polls was registered with tokens of the registry.
            let state = unsafe { registry.find(event.token()) };
            // SAFETY: as just asserted.
            unsafe { batch.get_unchecked_mut(len) }.write(ptr::from_ref(state));
            len += 1;
            match Ready::usual(event) {
                // SAFETY: this is the owner.
                Some(ready) => unsafe { state.event(ready, local) },
                // SAFETY: this is the owner.
                None => unsafe { state.last_event(Ready::of(event), local) },
            }
        }
        if len > 0 {
            // E2, for the whole batch.
            fence(SeqCst);
            // SAFETY: written above, and states live as long as the registry.
            let states = batch[..len].iter().map(|state| unsafe { &*state.assume_init() });
            if states.clone().any(State::has_shared) {
                states.zip(events.iter()).for_each(|(state, event)| {
                    state.wake_shared(Ready::of(event));
                });
            }
        }
        len
    }

    /// Waits, and delivers up to so many batches.
    #[inline]
    fn batches(&mut self, mut timeout: Option<Duration>, most: usize) -> usize {
        let mut events = 0;
        for _ in 0..most {
            if !self.poll(timeout) {
                break;
            }
            let len = self.deliver();
            events += len;
            if len < self.events.capacity() {
                break;
            }
            timeout = Some(Duration::ZERO);
        }
        events
    }
}

impl Driver for Reactor {
    fn wait(&mut self, timeout: Option<Duration>) -> usize {
        let mut timeout = timeout;
        // Between two batches, and after sleep was announced: what is retired from now on wakes the shard.
        // SAFETY: this is the owner.
        if self.registry.has_retired() && unsafe { self.registry.recycle() } {
            timeout = Some(Duration::ZERO);
        }
        if let (Some(timer), Some(1..)) = (&self.timer, timeout.map(|timeout| timeout.as_nanos())) {
            // Refused, epoll's own timeout is late, and not early.
            if timer.arm(timeout.unwrap_or_default()) {
                timeout = None;
            }
        }
        let looks = timeout == Some(Duration::ZERO);
        if let Some(fewer) = self.busy_events.take_if(|_| looks) {
            let usual = mem::replace(&mut self.events, fewer);
            let events = self.batches(timeout, 1);
            self.busy_events = Some(mem::replace(&mut self.events, usual));
            return events;
        }
        self.batches(timeout, self.batches)
    }

    fn unparker(&self) -> Arc<dyn Unpark> {
        self.unpark.clone()
    }
}

/// Whoever waits is woken, and finds an error.
impl Drop for Reactor {
    fn drop(&mut self) {
        self.registry.close();
        let states = || self.registry.chunks().flatten();
        for state in states() {
            // SAFETY: this is the owner.
            unsafe { state.publish_shutdown() };
        }
        fence(SeqCst);
        for state in states() {
            // SAFETY: this is the owner.
            unsafe { state.wake_all() };
            // SAFETY: this is the owner.
            unsafe { state.forget_own() };
        }
    }
}
