//! Which entries of a set have something to tell, and who is to be woken for it.
//!
//! Each entry has an alarm, the waker that its task gets. An alarm queues its entry's key and takes the joiner's waker, in one
//! critical section; the joiner takes a key or leaves its waker, in one critical section. So the joiner either sees the key or
//! is woken for it. A key is queued once, however often its alarm goes off, so it has its place in the queue from the
//! start: ringing allocates nothing.
//!
//! A key that is taken may be queued again from then on, also before the joiner looks at the entry. Whoever queues it after the
//! joiner took it has it looked at again; whoever finds it still queued published what it has to tell before the joiner
//! takes the key, and the lock shows it to the joiner. An entry that left the set may still have an alarm, whose key is
//! another entry's by now: that one is looked at once too often.
//!
//! Threads: `push` from any; the others by the one that has the set.

#[cfg(all(test, loom))]
mod loom_tests;

use std::sync::Arc;
use std::task::{Wake, Waker};

use corelane_shards::util::lock::Lock;

/// The last one of the queue.
const END: usize = usize::MAX;
/// Not in the queue.
const OUT: usize = usize::MAX - 1;

/// See the module's head.
#[derive(Debug)]
pub(super) struct Alarms(Lock<Queue>);

#[derive(Debug)]
struct Queue {
    /// By key: the key behind it, or one of the two above.
    next: Vec<usize>,
    first: usize,
    last: usize,
    joiner: Option<Waker>,
}

impl Queue {
    fn pop(&mut self) -> Option<usize> {
        let key = self.first;
        let next = self.next.get_mut(key)?;
        self.first = std::mem::replace(next, OUT);
        Some(key)
    }
}

impl Alarms {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Lock::new(Queue { next: Vec::new(), first: END, last: END, joiner: None })))
    }

    /// Makes room for keys below `keys`.
    pub fn reserve(&self, keys: usize) {
        // Allocated and freed outside of the lock.
        let mut next = Vec::with_capacity(keys);
        let old = self.0.with(|queue| {
            next.extend_from_slice(&queue.next);
            next.resize(keys, OUT);
            std::mem::replace(&mut queue.next, next)
        });
        drop(old);
    }

    /// Queues a key and wakes the joiner.
    pub fn push(&self, key: usize) {
        let joiner = self.0.with(|queue| {
            if queue.next[key] != OUT {
                return None;
            }
            queue.next[key] = END;
            if queue.first == END {
                queue.first = key;
            } else {
                let last = queue.last;
                queue.next[last] = key;
            }
            queue.last = key;
            queue.joiner.take()
        });
        if let Some(joiner) = joiner {
            joiner.wake();
        }
    }

    /// Takes a key.
    pub fn pop(&self) -> Option<usize> {
        self.0.with(Queue::pop)
    }

    /// Takes a key, or leaves the waker.
    pub fn pop_or_wait(&self, waker: &Waker) -> Option<usize> {
        let waits = |queue: &mut Queue| queue.joiner.as_ref().is_some_and(|joiner| joiner.will_wake(waker));
        let (key, waits) = self.0.with(|queue| (queue.pop(), waits(queue)));
        if key.is_some() || waits {
            return key;
        }
        // Cloned and dropped outside of the lock: both may run anything.
        let mut joiner = Some(waker.clone());
        let key = self.0.with(|queue| {
            let key = queue.pop();
            if key.is_none() {
                std::mem::swap(&mut queue.joiner, &mut joiner);
            }
            key
        });
        drop(joiner);
        key
    }
}

/// The waker of one entry.
#[derive(Debug)]
pub(super) struct Alarm {
    pub key: usize,
    pub alarms: Arc<Alarms>,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.alarms.push(self.key);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.alarms.push(self.key);
    }
}
