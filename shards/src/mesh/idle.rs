//! Which shards have nothing to do and which search: whom to wake for movable work.
//!
//! Here: the bits and the count. Not here: the wake itself (`park`), the queues that are searched. Threads: any.
//!
//! That a task can be stolen and that somebody is woken for it are two decisions. A push into a ring or the overflow wakes one
//! idle shard unless one is searching already; but tasks that their shard will have run before another one is awake wake nobody: one
//! that is alone in its shard's ring or next slot, or as many as the shard, by what its polls took lately, runs in 50 µs. A wake
//! for each spawn that is awaited at once cost a fifth of it, and a wake for every few events takes connections from the shard that
//! watches them. In case the shard does not run them, one idle shard, the *watcher*, sleeps only a millisecond at a time while others
//! that it reaches run, and looks at their rings, next slots and late lanes; if there is no watcher, such a push makes one, and a
//! watcher that has other things to do calls the next one if there is something to be found. A searcher that finds work and was the
//! last searcher wakes the next if there is more, so load spreads in a chain and not in a storm. A shard does not begin to search
//! while half of them do: a throttle, not a bound.
//!
//! ```text
//!  pusher                               shard that goes idle
//!  N1  publish the task                 I1  set the own bit in `idle`      SeqCst
//!  N2  fence SeqCst                     I2  fence SeqCst
//!  N3  read `idle` and `searching`      I3  look at all queues again
//!  N4  clear a bit: its shard is mine to wake
//! ```
//! By the fences either N3 sees the bit or I3 sees the task. The bit is cleared by exactly one thread: a waker, who then
//! counts the shard as searching and wakes it through its sleep word, or the shard itself when it finds work or mail. A shard
//! about to sleep that finds its bit cleared does not sleep.
//!
//! A pusher that finds a searcher at N3 leaves the task to it. So the last searcher looks once more when it ends its search: F1 counts
//! down `searching`, F2 a fence SeqCst, F3 looks at all queues and, if there is something, does as a pusher does. Either N3
//! sees no searcher or F3 sees the task. A search in vain needs no F3, since I3 follows; but one whose thread then neither sleeps nor
//! turns the shard, as a root future's may, does F2 and F3 before it goes.
//!
//! A shard that pushes into its own ring or next slot leaves N2 out, which was a tenth of a spawn. Then a shard that goes idle in
//! the very moment of the push may miss it, and be missed. The pusher takes the task itself unless it is held up; and since the
//! pusher runs, the other one becomes the watcher or there is one, and finds the task a millisecond later. Should that one stop
//! watching in the very moment of the push, the task is found by the next shard that goes idle, or at the next push.

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;

use crate::loom::atomic::Ordering::{Relaxed, SeqCst};
use crate::loom::atomic::{AtomicI32, AtomicU64, fence};
use crate::util::CachePadded;

use super::ShardId;

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Idle {
    /// A bit for each shard that has nothing to do.
    bits: Box<[AtomicU64]>,
    /// A claimed shard may stop before its waker has counted it, so this is below zero at times.
    searching: CachePadded<AtomicI32>,
    most_searching: i32,
}

impl Idle {
    pub fn new(shards: usize) -> Self {
        Self {
            bits: (0..shards.div_ceil(64)).map(|_| AtomicU64::new(0)).collect(),
            searching: CachePadded(AtomicI32::new(0)),
            most_searching: shards.div_ceil(2) as i32,
        }
    }

    /// N2 to N4, after publishing: one of the candidates that is idle, unless somebody searches already. The caller wakes it; it
    /// counts as searching.
    pub fn claim_for_work(&self, candidates: impl Iterator<Item = ShardId>) -> Option<ShardId> {
        // N2: pairs with I2.
        fence(SeqCst);
        self.claim_near(candidates)
    }

    /// N3 and N4, for a push that a watcher finds if nobody else does.
    pub fn claim_near(&self, candidates: impl Iterator<Item = ShardId>) -> Option<ShardId> {
        if self.searching.load(Relaxed) > 0 || self.bits.iter().all(|word| word.load(Relaxed) == 0) {
            return None;
        }
        self.claim_one(candidates)
    }

    /// As [`claim_for_work`](Self::claim_for_work), for what who searches does not look for: he may find something else first, or not
    /// reach it.
    pub fn claim_for_timer(&self, candidates: impl Iterator<Item = ShardId>) -> Option<ShardId> {
        fence(SeqCst);
        self.claim_one(candidates)
    }

    /// N4.
    fn claim_one(&self, mut candidates: impl Iterator<Item = ShardId>) -> Option<ShardId> {
        let claimed = candidates.find(|id| self.claim(*id))?;
        self.searching.fetch_add(1, SeqCst);
        Some(claimed)
    }

    fn bit(&self, id: ShardId) -> (&AtomicU64, u64) {
        (&self.bits[id.index() / 64], 1 << (id.index() % 64))
    }

    /// N4: clears a shard's bit; true for the one who did.
    fn claim(&self, id: ShardId) -> bool {
        let (word, bit) = self.bit(id);
        word.load(Relaxed) & bit != 0 && word.fetch_and(!bit, SeqCst) & bit != 0
    }

    /// I1 and I2. The caller looks again before it sleeps.
    pub fn set(&self, id: ShardId) {
        let (word, bit) = self.bit(id);
        word.fetch_or(bit, SeqCst);
        fence(SeqCst);
    }

    /// Whether nobody has claimed the shard since `set`; asked after the sleep has been announced.
    pub fn is_set(&self, id: ShardId) -> bool {
        let (word, bit) = self.bit(id);
        crate::loom::seq_cst();
        word.load(SeqCst) & bit != 0
    }

    /// The shard got up. False if a waker claimed it, and thereby counted it as searching.
    pub fn unset(&self, id: ShardId) -> bool {
        self.claim(id)
    }

    /// Asks to search, which is refused while half of the shards do.
    pub fn start_searching(&self) -> bool {
        // Relaxed: a throttle.
        if self.searching.load(Relaxed) >= self.most_searching {
            return false;
        }
        self.searching.fetch_add(1, SeqCst);
        true
    }

    /// The search is over; true if this was the last searcher.
    pub fn stop_searching(&self) -> bool {
        // Less than one: another shard stopped early, see the field.
        self.searching.fetch_sub(1, SeqCst) <= 1
    }
}
