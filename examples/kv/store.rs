//! A shard's part of the keys. It belongs to its shard's thread, so there is no lock.
//!
//! Requests come as a [`Batch`]: all that one pipeline asks of this shard, in order. Its buffers go back and forth, so that a
//! connection's next batch allocates nothing. One that has come to much text goes back half done, and comes again when the client
//! has taken that.
//!
//! A key that has expired is never seen, and is removed by whoever looks; those that nobody looks at are removed by
//! [`sweep`], which sleeps until the earliest deadline.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::future::poll_fn;
use std::ops::Range;
use std::rc::Rc;
use std::task::{Poll, Waker};

use corelane::time::{Duration, Instant, sleep_until};
use corelane::{select, task};

use crate::resp::number;

/// What a shard is asked, and then what it answers.
#[derive(Default)]
pub struct Batch {
    /// Keys and values.
    data: Vec<u8>,
    ops: Vec<Op>,
    /// To the first of them.
    replies: Vec<Reply>,
    /// The bulk strings of replies.
    text: Vec<u8>,
}

/// Bytes of text from which on a batch goes back: what a client that is slow to read has waiting, and at most one value more.
const TEXT_MAX: usize = 1 << 20;

/// One thing to do. Ranges are places in the batch's data.
pub enum Op {
    Get {
        key: Range<usize>,
    },
    Set {
        key: Range<usize>,
        value: Range<usize>,
        ttl: Option<Duration>,
        only: Option<Only>,
    },
    Del {
        key: Range<usize>,
    },
    Exists {
        key: Range<usize>,
    },
    Incr {
        key: Range<usize>,
    },
    /// How many keys there are.
    Count,
}

/// A condition of SET.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Only {
    IfMissing,
    IfThere,
}

pub enum Reply {
    Done,
    Nothing,
    Number(i64),
    Error(&'static str),
    /// A place in the batch's text.
    Text(Range<usize>),
}

impl Batch {
    /// Adds bytes that an op names.
    pub fn put(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.data.len();
        self.data.extend_from_slice(bytes);
        start..self.data.len()
    }

    /// Adds an op, and gives the number of its reply.
    pub fn push(&mut self, op: Op) -> usize {
        self.ops.push(op);
        self.ops.len() - 1
    }

    /// Whether there is something to do, and room for what it may come to.
    pub fn is_ready(&self) -> bool {
        self.replies.len() < self.ops.len() && self.text.len() < TEXT_MAX
    }

    /// The reply to an op that was done.
    pub fn reply(&self, index: usize) -> Option<&Reply> {
        self.replies.get(index)
    }

    /// The replies up to this one are written.
    pub fn written(&mut self, index: usize) {
        if index + 1 == self.replies.len() {
            empty(&mut self.text);
        }
    }

    pub fn text(&self, range: &Range<usize>) -> &[u8] {
        &self.text[range.clone()]
    }

    pub fn clear(&mut self) {
        empty(&mut self.data);
        empty(&mut self.ops);
        empty(&mut self.replies);
        empty(&mut self.text);
    }
}

/// Empties a buffer. It keeps its memory unless it is much: one large request is no reason to hold that until the connection ends.
pub fn empty<T>(buffer: &mut Vec<T>) {
    buffer.clear();
    buffer.shrink_to(64 * 1024 / size_of::<T>());
}

/// A shard's keys.
#[derive(Default)]
pub struct Store {
    inner: RefCell<Inner>,
}

#[derive(Default)]
struct Inner {
    values: HashMap<Box<[u8]>, Value>,
    /// The keys that expire, the earliest first; the number keeps keys of one instant apart.
    deadlines: BTreeMap<Deadline, Box<[u8]>>,
    next_number: u64,
    /// The sweeper, and until when it sleeps.
    sweeper: Option<(Waker, Option<Deadline>)>,
}

type Deadline = (Instant, u64);

struct Value {
    bytes: Box<[u8]>,
    deadline: Option<Deadline>,
}

/// Redis's words.
const NOT_A_NUMBER: &str = "ERR value is not an integer or out of range";
const OVERFLOW: &str = "ERR increment or decrement would overflow";

/// How many keys are removed in one go, so that others on the shard need not wait for more.
const SWEPT: usize = 256;

impl Store {
    /// Does what the batch says, as far as there is room.
    pub fn apply(&self, batch: &mut Batch) {
        let inner = &mut *self.inner.borrow_mut();
        // One moment for all of it: between these requests nothing expires.
        let now = Instant::now();
        let Batch { data, ops, replies, text } = batch;
        for op in &ops[replies.len()..] {
            if text.len() >= TEXT_MAX {
                break;
            }
            replies.push(match op {
                Op::Get { key } => match inner.get(&data[key.clone()], now) {
                    None => Reply::Nothing,
                    Some(value) => {
                        let start = text.len();
                        text.extend_from_slice(&value.bytes);
                        Reply::Text(start..text.len())
                    }
                },
                Op::Set { key, value, ttl, only } => {
                    let key = &data[key.clone()];
                    let is_there = inner.get(key, now).is_some();
                    if only.is_some_and(|only| is_there != (only == Only::IfThere)) {
                        Reply::Nothing
                    } else {
                        inner.set(key, &data[value.clone()], ttl.and_then(|ttl| now.checked_add(ttl)));
                        Reply::Done
                    }
                }
                Op::Del { key } => {
                    let key = &data[key.clone()];
                    let is_there = inner.get(key, now).is_some();
                    inner.remove(key);
                    Reply::Number(is_there.into())
                }
                Op::Exists { key } => Reply::Number(inner.get(&data[key.clone()], now).is_some().into()),
                Op::Incr { key } => inner.incr(&data[key.clone()], now),
                Op::Count => Reply::Number(inner.values.len() as i64),
            });
        }
        inner.wake_sweeper();
    }

    /// Removes what has expired; some of it, if it is much.
    fn remove_expired(&self) {
        let inner = &mut *self.inner.borrow_mut();
        let now = Instant::now();
        for _ in 0..SWEPT {
            match inner.deadlines.first_entry() {
                Some(entry) if entry.key().0 <= now => {
                    let key = entry.remove();
                    inner.values.remove(&key);
                }
                _ => return,
            }
        }
    }

    fn earliest(&self) -> Option<Deadline> {
        self.inner.borrow().deadlines.first_key_value().map(|(deadline, _)| *deadline)
    }
}

impl Inner {
    /// The value of a key that has not expired.
    fn get(&mut self, key: &[u8], now: Instant) -> Option<&mut Value> {
        let deadline = self.values.get(key)?.deadline;
        if deadline.is_some_and(|(deadline, _)| deadline <= now) {
            self.remove(key);
            return None;
        }
        self.values.get_mut(key)
    }

    fn set(&mut self, key: &[u8], bytes: &[u8], deadline: Option<Instant>) {
        let deadline = deadline.map(|deadline| {
            self.next_number += 1;
            (deadline, self.next_number)
        });
        if let Some(deadline) = deadline {
            self.deadlines.insert(deadline, key.into());
        }
        let value = Value { bytes: bytes.into(), deadline };
        let before = match self.values.get_mut(key) {
            Some(there) => std::mem::replace(there, value).deadline,
            None => {
                self.values.insert(key.into(), value);
                None
            }
        };
        self.forget(before);
    }

    fn remove(&mut self, key: &[u8]) {
        let removed = self.values.remove(key);
        self.forget(removed.and_then(|value| value.deadline));
    }

    fn forget(&mut self, deadline: Option<Deadline>) {
        deadline.map(|deadline| self.deadlines.remove(&deadline));
    }

    fn incr(&mut self, key: &[u8], now: Instant) -> Reply {
        let Some(value) = self.get(key, now) else {
            self.set(key, b"1", None);
            return Reply::Number(1);
        };
        let Some(before) = number(&value.bytes) else { return Reply::Error(NOT_A_NUMBER) };
        let Some(after) = before.checked_add(1) else { return Reply::Error(OVERFLOW) };
        // The deadline stays.
        value.bytes = after.to_string().into_bytes().into();
        Reply::Number(after)
    }

    /// Wakes the sweeper if it sleeps too long.
    fn wake_sweeper(&mut self) {
        let earliest = self.deadlines.first_key_value().map(|(deadline, _)| *deadline);
        let is_late =
            |until: &Option<Deadline>| earliest.is_some() && until.is_none_or(|until| earliest < Some(until));
        if let Some((waker, _)) = self.sweeper.take_if(|(_, until)| is_late(until)) {
            waker.wake();
        }
    }
}

/// Removes expired keys for as long as the shard lives.
pub async fn sweep(store: Rc<Store>) {
    loop {
        store.remove_expired();
        let until = store.earliest();
        if until.is_some_and(|(until, _)| until <= Instant::now()) {
            task::yield_now().await;
            continue;
        }
        let earlier = poll_fn(|cx| {
            // Woken by `apply`, which takes the waker, or by the timer.
            if store.earliest().is_some_and(|earliest| until.is_none_or(|until| earliest < until)) {
                return Poll::Ready(());
            }
            store.inner.borrow_mut().sweeper = Some((cx.waker().clone(), until));
            Poll::Pending
        });
        match until {
            None => earlier.await,
            Some((until, _)) => select! {
                () = sleep_until(until) => {}
                () = earlier => {}
            },
        }
    }
}
