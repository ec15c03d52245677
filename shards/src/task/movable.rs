//! The state word of a movable task.
//!
//! ```text
//! 31..8 references | flags: QUEUED RUNNING COMPLETE FAILED ABORT JOIN JOIN_WAKER
//! ```
//!
//! One word, so every transition is one read-modify-write whose result says what to do next. A queue entry holds a
//! reference; starting to run turns it into the run's reference, and going idle gives it up or, if the task was
//! woken meanwhile, turns it into the next queue entry's. If no other task waits, the run goes on with the next poll instead.
//!
//! Only the thread that moved the state to RUNNING touches the future. COMPLETE is set after the output is written,
//! and from then on the output belongs to the JoinHandle (JOIN set) or to the completer (JOIN clear): each side gives up
//! its claim in the step that reads the other's, so exactly one drops the output.
//!
//! The joiner's waker is in a slot that belongs to the JoinHandle while JOIN_WAKER is clear. The handle fills the slot, then
//! sets JOIN_WAKER; the completer sets COMPLETE, and if it saw JOIN_WAKER the slot is its own from then on. Of the two
//! read-modify-writes of this word one comes second and sees the other: either the handle sees COMPLETE and keeps the slot, or
//! the completer sees JOIN_WAKER and thereby the filled slot. To put another waker in, or to go away, the handle first takes
//! JOIN_WAKER back, which fails if the task has completed. (Tokio's tasks do the same.)
//!
//! A handle whose reference is the only one left, and who sees COMPLETE, is alone with the task: nobody can make another
//! reference (a shard that finds the task in its arena makes one only before COMPLETE). It takes the output and frees the task without a step on the word.

#![expect(unsafe_code, reason = "views a word of the shared header as a state")]

use crate::loom::atomic::AtomicU32;
use crate::loom::atomic::Ordering::{AcqRel, Acquire, Relaxed};

use super::pinned::{Dropped, Run};

/// In a queue, or to be put there when the running poll ends.
const QUEUED: u32 = 1;
/// One thread has the future.
const RUNNING: u32 = 1 << 1;
/// The output is written.
const COMPLETE: u32 = 1 << 2;
/// The output is a failure: a panic or a cancellation.
const FAILED: u32 = 1 << 3;
/// The next run cancels instead of polling.
const ABORT: u32 = 1 << 4;
/// Somebody wants the output.
const JOIN: u32 = 1 << 5;
/// The joiner's waker was put into the slot.
const JOIN_WAKER: u32 = 1 << 6;
const REF: u32 = 1 << 8;

// So that the difference of the two, added to a word with QUEUED and without RUNNING, carries from the one into the other.
const _: () = assert!(RUNNING == 2 * QUEUED);
const MAX: u32 = 1 << 31;

/// See the module's head.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct State(AtomicU32);

/// What a wake or an abort has to do.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// Somebody else sees to it, or there is nothing to run.
    Nothing,
    /// Put the task into a queue; the entry's reference is made.
    Submit,
    /// The reference that the wake consumed was the last.
    Free,
}

/// What follows a poll that returned `Pending`.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Idle {
    Wait,
    /// Put it into a queue again; the run's reference is the entry's now.
    Requeue,
    /// Asked to cancel: the caller still has the future and the reference.
    Cancel,
    Free,
}

/// What completing has to do.
#[must_use]
#[derive(Debug)]
pub(crate) struct Completed {
    pub wake: bool,
    pub drop_output: bool,
}

/// What a JoinHandle that goes away has to do.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unjoin {
    /// The output is there, and the caller's to drop.
    DropOutput,
    /// The slot holds a waker, and is the caller's again.
    EmptySlot,
    Done,
}

impl State {
    /// A task about to be queued: the references of the task itself, of its queue entry and of the JoinHandle.
    pub fn new() -> Self {
        Self(AtomicU32::new((3 * REF) | QUEUED | JOIN))
    }

    /// As `new` for a task that no list owns: the references of the queue entry and of the JoinHandle.
    pub fn new_unowned() -> Self {
        Self(AtomicU32::new((2 * REF) | QUEUED | JOIN))
    }

    /// Views the word as a state.
    pub fn from_word(word: &AtomicU32) -> &Self {
        // SAFETY: `State` is a transparent wrapper.
        unsafe { &*std::ptr::from_ref(word).cast::<State>() }
    }

    pub fn into_word(self) -> AtomicU32 {
        self.0
    }

    fn update<R>(&self, mut step: impl FnMut(u32) -> (Option<u32>, R)) -> R {
        // Acquire: an answer without a write may still say that the output is readable.
        let mut word = self.0.load(Acquire);
        loop {
            let (next, result) = step(word);
            let Some(next) = next else { return result };
            // AcqRel: every transition hands over the future, the output or the right to free.
            match self.0.compare_exchange_weak(word, next, AcqRel, Acquire) {
                Ok(_) => return result,
                Err(now) => word = now,
            }
        }
    }

    /// Wakes, keeping the caller's reference.
    pub fn wake_by_ref(&self) -> Wake {
        self.update(|word| {
            if word & (QUEUED | COMPLETE) != 0 {
                // A write all the same: the run that is to come must see what the waker did before. (An Acquire of the
                // run pairs with the Release of this.) After COMPLETE there is no run.
                (if word & COMPLETE != 0 { None } else { Some(word) }, Wake::Nothing)
            } else if word & RUNNING != 0 {
                (Some(word | QUEUED), Wake::Nothing)
            } else {
                (Some((word | QUEUED) + REF), Wake::Submit)
            }
        })
    }

    /// Wakes, consuming the caller's reference.
    pub fn wake(&self) -> Wake {
        self.update(|word| {
            if word & (QUEUED | COMPLETE | RUNNING) == 0 {
                return (Some(word | QUEUED), Wake::Submit);
            }
            let queued = if word & COMPLETE == 0 { QUEUED } else { 0 };
            let next = (word | queued) - REF;
            (Some(next), if next < REF { Wake::Free } else { Wake::Nothing })
        })
    }

    /// Takes the task out of a queue.
    pub fn start(&self) -> Run {
        // An addition takes QUEUED away and sets RUNNING in one instruction that cannot fail. AcqRel: as in `update`.
        let word = self.0.fetch_add(RUNNING - QUEUED, AcqRel);
        debug_assert!(word & (QUEUED | RUNNING | COMPLETE) == QUEUED, "{word:#x}");
        if word & ABORT == 0 { Run::Poll } else { Run::Cancel }
    }

    /// The poll returned `Pending`, and no other task waits: whether the task was woken meanwhile and is to be polled again, which
    /// takes the wake. One step in place of three, for a queue that nobody would find it in. If not, [`idle`](Self::idle) follows.
    pub fn again(&self) -> bool {
        self.update(|word| match word & (QUEUED | ABORT) {
            // As in `start`.
            QUEUED => (Some(word & !QUEUED), true),
            _ => (None, false),
        })
    }

    /// The poll returned `Pending`.
    pub fn idle(&self) -> Idle {
        self.update(|word| {
            if word & ABORT != 0 {
                (None, Idle::Cancel)
            } else if word & QUEUED != 0 {
                (Some(word & !RUNNING), Idle::Requeue)
            } else {
                let next = (word & !RUNNING) - REF;
                (Some(next), if next < REF { Idle::Free } else { Idle::Wait })
            }
        })
    }

    /// Publishes the output.
    pub fn complete(&self, failed: bool) -> Completed {
        let failed = if failed { FAILED } else { 0 };
        let before = self.update(|word| (Some(word & !(RUNNING | QUEUED | ABORT) | COMPLETE | failed), word));
        Completed { wake: before & JOIN_WAKER != 0, drop_output: before & JOIN == 0 }
    }

    /// Publishes the output and gives `n` references up, if nobody waits for it yet and it is the JoinHandle's; else does
    /// nothing.
    pub fn complete_for_handle(&self, n: u32) -> bool {
        self.update(|word| {
            if word & (JOIN | JOIN_WAKER) != JOIN {
                return (None, false);
            }
            // The handle's reference remains.
            (Some((word & !(RUNNING | QUEUED | ABORT) | COMPLETE) - n * REF), true)
        })
    }

    /// Asks for cancellation.
    pub fn abort(&self) -> Wake {
        self.update(|word| {
            if word & (COMPLETE | ABORT) != 0 {
                (None, Wake::Nothing)
            } else if word & (RUNNING | QUEUED) != 0 {
                (Some(word | ABORT | QUEUED), Wake::Nothing)
            } else {
                (Some((word | ABORT | QUEUED) + REF), Wake::Submit)
            }
        })
    }

    /// Shutdown found the task in the list of owned tasks: takes the future if nobody has it. A queued task is left to
    /// whoever takes it out of its queue, which then cancels it.
    pub fn start_shutdown(&self) -> bool {
        self.update(|word| {
            if word & (COMPLETE | RUNNING | QUEUED) != 0 {
                (Some(word | ABORT), false)
            } else {
                (Some((word | RUNNING | ABORT) + REF), true)
            }
        })
    }

    /// Makes a reference.
    pub fn make_ref(&self) {
        // Relaxed: made from a reference that exists; publishes nothing.
        if self.0.fetch_add(REF, Relaxed) >= MAX {
            super::too_many_references();
        }
    }

    /// Makes a reference for somebody who found the task in its arena and has none. False if it has completed: then the last
    /// reference may be gone.
    pub fn make_ref_unless_complete(&self) -> bool {
        self.update(|word| match word & COMPLETE {
            // The task's own reference is there.
            0 => (Some(word + REF), true),
            _ => (None, false),
        })
    }

    /// Gives `n` references up.
    pub fn unref(&self, n: u32) -> Dropped {
        // AcqRel: Release hands our accesses to whoever frees; Acquire takes theirs if that is us.
        let before = self.0.fetch_sub(n * REF, AcqRel);
        debug_assert!(before >= n * REF);
        if before - n * REF < REF { Dropped::Free } else { Dropped::Keep }
    }

    pub fn is_complete(&self) -> bool {
        // Acquire: pairs with the AcqRel in `complete`; the output is readable.
        self.0.load(Acquire) & COMPLETE != 0
    }

    /// Only after `is_complete`.
    pub fn is_failed(&self) -> bool {
        self.0.load(Relaxed) & FAILED != 0
    }

    /// The slot was filled; true if the task completed before and will not look into it.
    pub fn set_join_waker(&self) -> bool {
        self.0.fetch_or(JOIN_WAKER, AcqRel) & COMPLETE != 0
    }

    /// Whether the slot was announced to the completer.
    pub fn has_join_waker(&self) -> bool {
        // Relaxed: only the JoinHandle sets and clears the flag.
        self.0.load(Relaxed) & JOIN_WAKER != 0
    }

    /// The JoinHandle takes the announced slot back; false if the task has completed, and the slot stays the completer's.
    pub fn take_join_waker_back(&self) -> bool {
        self.update(|word| match word & COMPLETE {
            0 => (Some(word & !JOIN_WAKER), true),
            _ => (None, false),
        })
    }

    /// The JoinHandle goes away.
    pub fn unjoin(&self) -> Unjoin {
        self.update(|word| {
            if word & COMPLETE != 0 {
                return (None, Unjoin::DropOutput);
            }
            let step = if word & JOIN_WAKER != 0 { Unjoin::EmptySlot } else { Unjoin::Done };
            (Some(word & !(JOIN | JOIN_WAKER)), step)
        })
    }

    /// Whether the task has completed and the JoinHandle's reference is the only one.
    pub fn is_handle_alone(&self) -> bool {
        // Acquire: as in `unref`; whoever gave the other references up is done with the task.
        self.0.load(Acquire) & !(JOIN_WAKER | FAILED) == (REF | COMPLETE | JOIN)
    }

    /// As [`is_handle_alone`](Self::is_handle_alone), with an output that is no failure.
    pub fn is_handle_alone_with_output(&self) -> bool {
        // Acquire: as above.
        self.0.load(Acquire) & !JOIN_WAKER == (REF | COMPLETE | JOIN)
    }

    /// The JoinHandle took the output, and goes away.
    pub fn taken(&self) -> Dropped {
        // AcqRel: as in `unref`. JOIN is set, so the subtraction clears it.
        let before = self.0.fetch_sub(REF | JOIN, AcqRel);
        debug_assert!(before & JOIN != 0 && before >= REF);
        if before < 2 * REF { Dropped::Free } else { Dropped::Keep }
    }
}
