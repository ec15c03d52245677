//! The two words of a pinned task.
//!
//! ```text
//! owner word   31..8 references made on the owner | flags: QUEUED RUNNING COMPLETE FAILED ABORT JOIN JOIN_WAKER JOIN_REMOTE
//! remote word  31..8 references, signed           | flags: NOTIFIED MAILED ABORT JOINER JOIN_DROPPED OWNER_ZERO ORPHAN TAKEN
//! ```
//!
//! **Biased counting.** The number of references is the sum of both counts. The owner's thread counts in the owner
//! word with plain loads and stores. Other threads count in the remote word, which may go below zero when they drop
//! references that were made on the owner. Whoever takes it below zero sets MAILED in the same step and puts the
//! task into the owner's mailbox; the owner merges. While the owner's count is positive the task can't be freed,
//! so a remote count that passes zero needs nobody's attention. When the owner's count falls to zero:
//! - remote word without MAILED and with count zero: nobody holds a reference, so nobody can make one. Free.
//! - MAILED: the mail is still to be drained; the drain looks again.
//! - count above zero: OWNER_ZERO is set; the remote drop that then reaches zero mails the task to be freed.
//!
//! **Mail.** MAILED is set by exactly one thread at a time, which pushes the task into the mailbox. MAILED also keeps
//! the task alive: the owner frees nothing that has it set, and clears it only after taking the task out of the
//! mailbox. So the pusher may have given up its own reference, provided it touches nothing after the push; who has
//! to wake the shard after the push keeps its reference until then.
//!
//! Who posts something while MAILED is set neither pushes nor wakes the shard: the pusher does both. So a drop that mails a
//! task wakes the shard too, although it has nothing to say itself: a wake may be posted between its MAILED and its push.
//! Only if the drop has seen COMPLETE does it push quietly. Then nothing posted later waits for the drain, since its poster
//! acquires, by its own step on the remote word, what the drop had seen: it looks at COMPLETE once more after posting.
//!
//! **Completion.** The owner writes the output, then stores COMPLETE with Release. A JoinHandle elsewhere that reads
//! COMPLETE with Acquire owns the output. One that does not leaves its waker in the remote slot, then mails JOINER. The
//! owner learns of it in the drain and either answers at once or remembers it in JOIN_REMOTE, so completing needs a
//! look at the owner's own word and no fence. All stores to the owner word are Release: a reader may see COMPLETE in a
//! later store than the one that set it.
//!
//! **Closing.** When the shard shuts down it cancels all its tasks, closes the mailbox, then calls
//! [`orphan`](Words::orphan): the owner's count moves into the remote word and ORPHAN says that whoever reaches zero
//! frees. A pusher that finds the mailbox closed clears MAILED again with [`unmail`](Words::unmail). A closed mailbox
//! implies that the task has completed. Both steps are read-modify-writes of one word, so exactly one of the owner,
//! the late pusher and the last dropper sees the state in which the task is to be freed.
//!
//! Threads: methods named `owner_…` only on the owner's thread; the others from any thread.

use crate::loom::atomic::AtomicU32;
use crate::loom::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use super::homing::Fate;
use super::movable::State;

/// In the run queue, or to be put there when the running poll ends.
const QUEUED: u32 = 1;
/// The future is being polled or dropped.
const RUNNING: u32 = 1 << 1;
/// The output is written and belongs to the JoinHandle.
const COMPLETE: u32 = 1 << 2;
/// The output is a failure: a panic or a cancellation.
const FAILED: u32 = 1 << 3;
/// The next run cancels instead of polling.
const ABORT: u32 = 1 << 4;
/// Somebody wants the output.
const JOIN: u32 = 1 << 5;
/// The local slot holds the joiner's waker.
const JOIN_WAKER: u32 = 1 << 6;
/// The remote slot may hold the joiner's waker.
const JOIN_REMOTE: u32 = 1 << 7;

/// A remote wake has not been drained yet.
const R_NOTIFIED: u32 = 1;
/// Somebody is putting the task into the mailbox, or it is there.
const R_MAILED: u32 = 1 << 1;
/// A remote abort has not been drained yet.
const R_ABORT: u32 = 1 << 2;
/// The remote slot was filled and the owner has not learned of it yet.
const R_JOINER: u32 = 1 << 3;
/// The JoinHandle was dropped elsewhere before it saw COMPLETE.
const R_JOIN_DROPPED: u32 = 1 << 4;
/// The owner's count is zero: who takes this count to zero mails the task.
const R_OWNER_ZERO: u32 = 1 << 5;
/// The shard is gone: who takes this count to zero frees the task.
const R_ORPHAN: u32 = 1 << 6;
/// A JoinHandle elsewhere took the output.
const R_TAKEN: u32 = 1 << 7;
/// What a drain takes out of the remote word.
const R_MAIL: u32 = R_NOTIFIED | R_MAILED | R_ABORT | R_JOINER | R_JOIN_DROPPED | R_OWNER_ZERO;

/// One reference, in both words.
const REF: u32 = 1 << 8;
/// Beyond this the owner counts in the remote word, so that the sum of both always fits the remote word's count.
const OWNER_MAX: u32 = REF << 22;
/// Beyond this a leak of wakers is certain and the count is about to overflow.
const REMOTE_MAX: i32 = 1 << 21;

const fn count(remote: u32) -> i32 {
    remote as i32 >> 8
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Words {
    owner: AtomicU32,
    remote: AtomicU32,
}

/// What to do after giving up a reference.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// Others remain.
    Keep,
    /// Push the task into its owner's mailbox, touch it no more, and wake the owner.
    Mail,
    /// As `Mail` without the wake: the memory of a finished task is all that waits.
    MailQuietly,
    /// That was the last one.
    Free,
}

/// What a run of the task has to do.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Run {
    Poll,
    Cancel,
}

/// What follows a poll that returned `Pending`.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Idle {
    Wait,
    Requeue,
    Cancel,
}

/// What a JoinHandle finds.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// The task completed well, and the handle's reference is the only one anywhere: it may take the output and free the task,
    /// without a step on the words.
    Alone,
    /// The task has not completed.
    Running,
    Complete,
}

/// What completing has to do.
#[must_use]
#[derive(Debug)]
pub(crate) struct Completed {
    pub wake_local: bool,
    pub wake_remote: bool,
    pub drop_output: bool,
}

/// What a pusher that found the mailbox closed has to do.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unmail {
    /// Wake the joiner in the remote slot, and ask again.
    WakeJoiner,
    /// Free the task if this was the last reference; else touch it no more.
    Done { last: bool },
}

/// What the closing owner has to do.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Orphan {
    /// Drop the output, and ask again: the JoinHandle gave its claim up by a mail that will not be drained.
    DropOutput,
    /// Free the task if this was the last reference; else touch it no more.
    Done { last: bool },
}

/// What was in the mail.
#[must_use]
#[derive(Debug, Default)]
pub(crate) struct Mail {
    /// The task has to go into the run queue.
    pub enqueue: bool,
    /// The task has completed and a joiner waits in the remote slot.
    pub wake_remote: bool,
    /// Nobody wants the output any more.
    pub drop_output: bool,
    /// That was the last reference.
    pub free: bool,
}

impl Words {
    /// A task spawned by its owner, to be put into the run queue: its own reference and the JoinHandle's.
    pub fn owner_new() -> Self {
        Self { owner: AtomicU32::new((2 * REF) | QUEUED | JOIN), remote: AtomicU32::new(0) }
    }

    /// A task spawned elsewhere, to be put into the mailbox: the JoinHandle counts in the remote word.
    pub fn remote_new() -> Self {
        Self { owner: AtomicU32::new(REF | JOIN), remote: AtomicU32::new(REF | R_NOTIFIED | R_MAILED) }
    }

    /// For movable tasks, whose whole state is the first word.
    pub fn as_state(&self) -> &State {
        State::from_word(&self.owner)
    }

    /// The second word of a movable task.
    pub fn fate(&self) -> &Fate {
        Fate::from_word(&self.remote)
    }

    /// The words of a movable task.
    pub fn with_state(state: State) -> Self {
        Self { owner: state.into_word(), remote: AtomicU32::new(0) }
    }

    #[inline(always)]
    fn load(&self) -> u32 {
        // Relaxed: the owner reads its own stores.
        self.owner.load(Relaxed)
    }

    #[inline(always)]
    fn store(&self, word: u32) {
        // Release: pairs with the Acquire in `is_complete`.
        self.owner.store(word, Release);
    }

    /// Whether the output is there (and, for the reader, readable).
    #[inline(always)]
    pub fn is_complete(&self) -> bool {
        // Acquire: pairs with the Release in `store`.
        self.owner.load(Acquire) & COMPLETE != 0
    }

    /// Whether the task ended by panic or cancellation; only after `is_complete`.
    #[inline(always)]
    pub fn is_failed(&self) -> bool {
        self.owner.load(Relaxed) & FAILED != 0
    }

    // ---- the owner's thread ----

    /// Wakes; true if the task has to go into the run queue.
    #[inline(always)]
    pub fn owner_wake(&self) -> bool {
        let word = self.load();
        if word & (QUEUED | COMPLETE) != 0 {
            return false;
        }
        self.store(word | QUEUED);
        word & RUNNING == 0
    }

    /// Wakes a task that is idle, the usual case; it has to go into the run queue. If false, nothing was done.
    #[inline(always)]
    pub fn owner_wake_idle(&self) -> bool {
        let word = self.load();
        let idle = word & (QUEUED | RUNNING | COMPLETE) == 0;
        if idle {
            self.store(word | QUEUED);
        }
        idle
    }

    /// Wakes and gives the waker's reference up in one step, the usual case: the task is idle and that reference is not the
    /// last one counted here. If false, nothing was done.
    #[inline(always)]
    pub fn owner_wake_and_unref(&self) -> bool {
        let word = self.load();
        if word & (QUEUED | RUNNING | COMPLETE) != 0 || word < 2 * REF {
            return false;
        }
        self.store((word | QUEUED) - REF);
        true
    }

    /// Makes a reference.
    #[inline(always)]
    pub fn owner_ref(&self) {
        let word = self.load();
        if word < OWNER_MAX {
            self.store(word + REF);
        } else {
            self.remote_ref();
        }
    }

    /// Gives a reference up, wherever it was made.
    #[inline(always)]
    pub fn owner_unref(&self) -> Dropped {
        let word = self.load();
        if word < REF {
            return self.owner_unref_remote();
        }
        self.store(word - REF);
        if word - REF >= REF { Dropped::Keep } else { self.owner_zero() }
    }

    /// The owner's count is zero, so the reference being dropped was counted in the remote word.
    #[cold]
    fn owner_unref_remote(&self) -> Dropped {
        // AcqRel: Release hands our accesses to whoever frees; Acquire takes theirs if that is us.
        let left = self.remote.fetch_sub(REF, AcqRel) - REF;
        if count(left) == 0 && left & R_MAILED == 0 { Dropped::Free } else { Dropped::Keep }
    }

    fn owner_zero(&self) -> Dropped {
        // Acquire: pairs with the AcqRel of the remote drops, whose accesses must precede the free.
        let mut remote = self.remote.load(Acquire);
        loop {
            if remote & R_MAILED != 0 {
                return Dropped::Keep;
            }
            if count(remote) == 0 {
                return Dropped::Free;
            }
            match self.remote.compare_exchange(remote, remote | R_OWNER_ZERO, AcqRel, Acquire) {
                Ok(_) => return Dropped::Keep,
                Err(now) => remote = now,
            }
        }
    }

    /// Takes the task out of the run queue.
    #[inline(always)]
    pub fn owner_start(&self) -> Run {
        let word = self.load();
        debug_assert!(word & (QUEUED | RUNNING | COMPLETE) == QUEUED, "{word:#x}");
        self.store(word ^ (QUEUED | RUNNING));
        if word & ABORT == 0 { Run::Poll } else { Run::Cancel }
    }

    /// The poll returned `Pending`.
    #[inline(always)]
    pub fn owner_idle(&self) -> Idle {
        let word = self.load();
        if word & ABORT != 0 {
            return Idle::Cancel;
        }
        self.store(word & !RUNNING);
        if word & QUEUED != 0 { Idle::Requeue } else { Idle::Wait }
    }

    /// Begins to cancel a task that shutdown found, queued or not; false if it has completed or is running.
    pub fn owner_start_cancel(&self) -> bool {
        let word = self.load();
        if word & (COMPLETE | RUNNING) != 0 {
            return false;
        }
        self.store(word & !QUEUED | RUNNING);
        true
    }

    /// Publishes the output. The caller still holds the task's own reference.
    #[inline(always)]
    pub fn owner_complete(&self, failed: bool) -> Completed {
        let word = self.load();
        let failed = if failed { FAILED } else { 0 };
        self.store(word & !(RUNNING | QUEUED | ABORT | JOIN_WAKER | JOIN_REMOTE) | COMPLETE | failed);
        Completed {
            wake_local: word & JOIN_WAKER != 0,
            wake_remote: word & JOIN_REMOTE != 0,
            drop_output: word & JOIN == 0,
        }
    }

    /// Publishes a good output and gives the task's own reference up in one step, the usual case: the output is wanted, no
    /// joiner waits elsewhere, and another reference is counted here, so that the task stays. Says whether the local slot's
    /// waker has to be woken; if `None`, nothing was done.
    #[inline(always)]
    pub fn owner_complete_and_unref(&self) -> Option<bool> {
        let word = self.load();
        if word & (JOIN | JOIN_REMOTE) != JOIN || word < 2 * REF {
            return None;
        }
        self.store((word & !(RUNNING | QUEUED | ABORT | JOIN_WAKER) | COMPLETE) - REF);
        Some(word & JOIN_WAKER != 0)
    }

    /// What a JoinHandle finds that has not taken the output.
    #[inline(always)]
    pub fn owner_look(&self) -> Look {
        let word = self.load();
        // Acquire: as in `owner_zero`.
        if word == (REF | COMPLETE | JOIN) && self.remote.load(Acquire) == 0 {
            Look::Alone
        } else if word & COMPLETE == 0 {
            Look::Running
        } else {
            Look::Complete
        }
    }

    /// Asks for cancellation; true if the task has to go into the run queue.
    pub fn owner_abort(&self) -> bool {
        let word = self.load();
        if word & COMPLETE != 0 {
            return false;
        }
        self.store(word | ABORT | QUEUED);
        word & (RUNNING | QUEUED) == 0
    }

    /// Whether the local slot holds a waker.
    #[inline(always)]
    pub fn owner_has_join_waker(&self) -> bool {
        self.load() & JOIN_WAKER != 0
    }

    /// The local slot was filled.
    #[inline(always)]
    pub fn owner_set_join_waker(&self) {
        self.store(self.load() | JOIN_WAKER);
    }

    /// The JoinHandle took the output, or goes away. True if the local slot's waker has to be dropped.
    #[inline(always)]
    pub fn owner_unjoin(&self) -> bool {
        let word = self.load();
        self.store(word & !(JOIN | JOIN_WAKER));
        word & JOIN_WAKER != 0
    }

    /// Takes the mail of a task that was just taken out of the mailbox. The link is free again from here on.
    pub fn owner_drain(&self) -> Mail {
        // AcqRel: Acquire sees what was written before each post; Release orders our use of the link before the next push.
        let remote = self.remote.fetch_and(!R_MAIL, AcqRel);
        let mut word = self.load();
        let surplus = count(remote);
        if surplus < 0 {
            // Relaxed: only moves the count; the references themselves were given up with AcqRel and read above.
            self.remote.fetch_add(surplus.unsigned_abs() * REF, Relaxed);
            word -= surplus.unsigned_abs() * REF;
        }
        let mut mail = Mail::default();
        let complete = word & COMPLETE != 0;
        if remote & R_JOIN_DROPPED != 0 {
            mail.drop_output = complete && word & JOIN != 0;
            word &= !JOIN;
        }
        if remote & R_JOINER != 0 {
            mail.wake_remote = complete;
            word |= JOIN_REMOTE;
        }
        if !complete && remote & (R_NOTIFIED | R_ABORT) != 0 {
            mail.enqueue = word & (QUEUED | RUNNING) == 0;
            word |= QUEUED;
            if remote & R_ABORT != 0 {
                word |= ABORT;
            }
        }
        self.store(word);
        mail.free = word < REF && self.owner_zero() == Dropped::Free;
        mail
    }

    /// The task was refused before its owner knew of it: its own reference is given up.
    pub fn owner_forget(&self) {
        self.store(self.load() - REF);
    }

    /// The shard is closing and the task has completed: hands the owner's references to the other threads.
    pub fn orphan(&self) -> Orphan {
        let word = self.load();
        if word & JOIN != 0 && self.remote_rejoin() {
            self.store(word & !JOIN);
            return Orphan::DropOutput;
        }
        self.store(word & (REF - 1));
        let moved = word & !(REF - 1);
        // Relaxed: the compare-exchange below orders.
        let mut remote = self.remote.load(Relaxed);
        loop {
            let next = (remote.wrapping_add(moved) | R_ORPHAN) & !R_OWNER_ZERO;
            // AcqRel: Release hands the task's memory to whoever frees; Acquire sees the drops before if that is us.
            match self.remote.compare_exchange(remote, next, AcqRel, Relaxed) {
                Ok(_) => return Orphan::Done { last: count(next) == 0 && next & R_MAILED == 0 },
                Err(now) => remote = now,
            }
        }
    }

    // ---- any thread ----

    /// Makes a reference.
    pub fn remote_ref(&self) {
        // Relaxed: made from a reference that exists; publishes nothing.
        let before = self.remote.fetch_add(REF, Relaxed);
        if count(before) > REMOTE_MAX {
            super::too_many_references();
        }
    }

    /// Gives a reference up.
    pub fn remote_unref(&self) -> Dropped {
        // Relaxed: the compare-exchange below orders.
        let mut remote = self.remote.load(Relaxed);
        loop {
            let mut next = remote.wrapping_sub(REF);
            let mailed = next & R_MAILED != 0;
            let mut step = Dropped::Keep;
            if next & R_ORPHAN != 0 {
                if count(next) == 0 && !mailed {
                    step = Dropped::Free;
                }
            } else if !mailed && (count(next) < 0 || (count(next) == 0 && next & R_OWNER_ZERO != 0)) {
                next |= R_MAILED;
                step = if self.is_complete() { Dropped::MailQuietly } else { Dropped::Mail };
            }
            // AcqRel: Release hands our accesses to whoever frees; Acquire takes theirs if that is us.
            match self.remote.compare_exchange(remote, next, AcqRel, Relaxed) {
                Ok(_) => return step,
                Err(now) => remote = now,
            }
        }
    }

    fn post(&self, bits: u32) -> bool {
        // AcqRel: Release publishes what the poster wrote before; Acquire orders our use of the link after the drain's.
        self.remote.fetch_or(bits | R_MAILED, AcqRel) & R_MAILED == 0
    }

    /// Wakes from another thread; true if the caller has to push the task into the mailbox.
    pub fn remote_wake(&self) -> bool {
        self.post(R_NOTIFIED)
    }

    /// Aborts from another thread; true if the caller has to push the task into the mailbox.
    pub fn remote_abort(&self) -> bool {
        self.post(R_ABORT)
    }

    /// The remote slot was filled; true if the caller has to push the task into the mailbox.
    pub fn remote_joiner(&self) -> bool {
        self.post(R_JOINER)
    }

    /// The JoinHandle goes away before COMPLETE; true if the caller has to push the task into the mailbox.
    pub fn remote_unjoin(&self) -> bool {
        self.post(R_JOIN_DROPPED)
    }

    /// Takes back what `remote_unjoin` gave up: true if nobody has acted upon it, and the claim is the caller's. For the
    /// JoinHandle that sees COMPLETE after all, since a finished task's mail may lie for long; and for the closing owner.
    pub fn remote_rejoin(&self) -> bool {
        // AcqRel: of the two sides that want the claim one clears the bit.
        self.remote.fetch_and(!R_JOIN_DROPPED, AcqRel) & R_JOIN_DROPPED != 0
    }

    /// A JoinHandle elsewhere took the output.
    pub fn remote_taken(&self) {
        // Release: the free that looks at the flag must come after our reading of the output.
        self.remote.fetch_or(R_TAKEN, Release);
    }

    /// Whether an output is still there to be dropped, asked by whoever frees.
    pub fn has_output(&self) -> bool {
        // Relaxed: the step that decided to free was the Acquire.
        self.owner.load(Relaxed) & (COMPLETE | JOIN) == COMPLETE | JOIN
            && self.remote.load(Relaxed) & R_TAKEN == 0
    }

    /// Whether the task keeps its mesh alive, asked by whoever frees.
    pub fn is_orphan(&self) -> bool {
        // Relaxed: as above.
        self.remote.load(Relaxed) & R_ORPHAN != 0
    }

    /// The push found the mailbox closed: takes MAILED back, once no joiner waits for the wake that its drain would have
    /// been. MAILED keeps the task alive until `Done`.
    pub fn unmail(&self) -> Unmail {
        // Relaxed: the compare-exchange below orders.
        let mut remote = self.remote.load(Relaxed);
        loop {
            let (next, step) = if remote & R_JOINER != 0 {
                (remote & !R_JOINER, Unmail::WakeJoiner)
            } else {
                let last = remote & R_ORPHAN != 0 && count(remote) == 0;
                (remote & !(R_NOTIFIED | R_MAILED | R_ABORT), Unmail::Done { last })
            };
            // AcqRel: as in `remote_unref`; and Acquire sees the slot that a joiner filled.
            match self.remote.compare_exchange(remote, next, AcqRel, Relaxed) {
                Ok(_) => return step,
                Err(now) => remote = now,
            }
        }
    }
}

const _: () = assert!(REF == R_TAKEN << 1 && REF == JOIN_REMOTE << 1);
