//! How a shard sleeps, and how it is woken.
//!
//! The sleep word of a shard is AWAKE, ASLEEP or WOKEN.
//!
//! ```text
//!  sleeper (owner)                      sender (any thread)
//!  S1  word := ASLEEP        SeqCst     P1  publish: mail, message, deadline   SeqCst
//!  S2  look again            SeqCst     P2  word = ASLEEP?                     SeqCst
//!  S3  nothing: wait in the kernel      P3  yes: ASLEEP → WOKEN, and who did that writes the eventfd
//!  S4  word := AWAKE
//! ```
//!
//! **The race.** The sender publishes while the sleeper lies down. If both S2 missed P1 and P2 missed S1, the shard would
//! sleep on its mail. All four are SeqCst, so there is one order of them that both threads agree on. S2 missing P1 puts
//! S2 before P1; S1 is before S2 and P1 before P2; so S1 is before P2, and P2 reads ASLEEP or something newer. Newer is
//! WOKEN (somebody else writes the eventfd, and the shard looks at everything when it wakes) or AWAKE (the shard is up
//! again, and looks at everything before it sleeps next).
//!
//! **One write a sleep.** P3 is a compare-exchange, so of many senders one writes. A shard whose word says
//! AWAKE is sent no system call; one that has just got up may be sent one late, see S4.
//!
//! **A late wake.** A sender may be held up between P3 and its write, until the shard sleeps again. The write then
//! ends that sleep early; the shard looks, finds nothing, and lies down once more.
//!
//! The order that is rejected: look, then announce. It loses what is published between the two.

pub mod caution;
mod parker;
mod window;

#[cfg(all(test, loom))]
mod loom_tests;

pub use parker::Parker;
pub use window::Spin;
pub(crate) use window::Window;

use std::sync::{Arc, OnceLock};

use crate::loom::atomic::AtomicU32;
use crate::loom::atomic::Ordering::{Relaxed, SeqCst};

const AWAKE: u32 = 0;
const ASLEEP: u32 = 1;
const WOKEN: u32 = 2;

/// Ends a shard's wait in the kernel: the remote half of its driver.
pub trait Unpark: Send + Sync {
    /// Makes the wait that is going on, or else the next one, return at once.
    fn unpark(&self);
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct SleepWord(AtomicU32);

impl SleepWord {
    /// A shard that is awake.
    pub fn new() -> Self {
        Self(AtomicU32::new(AWAKE))
    }

    /// S1. The caller looks again before it waits.
    pub fn announce(&self) {
        self.0.store(ASLEEP, SeqCst);
    }

    /// S4.
    pub fn awake(&self) {
        // Relaxed: a sender that still reads ASLEEP wakes once too often, and the shard has yet to look at its mail.
        self.0.store(AWAKE, Relaxed);
    }

    /// P2 and P3, after publishing with SeqCst: true if the caller has to write the eventfd.
    pub fn must_wake(&self) -> bool {
        crate::loom::seq_cst();
        // The load first: a shard that is awake costs its senders no read-modify-write.
        self.0.load(SeqCst) == ASLEEP && self.0.compare_exchange(ASLEEP, WOKEN, SeqCst, Relaxed).is_ok()
    }

    /// Whether the shard is waiting in the kernel, as a moment's impression.
    pub fn is_asleep(&self) -> bool {
        self.0.load(SeqCst) != AWAKE
    }
}

/// The remote half: the word, and the way into the kernel once the shard's driver exists.
pub(crate) struct Sleeper {
    pub word: SleepWord,
    unpark: OnceLock<Arc<dyn Unpark>>,
}

impl Sleeper {
    pub fn new() -> Self {
        Self { word: SleepWord::new(), unpark: OnceLock::new() }
    }

    /// Says how to end the shard's wait; once, before the shard first sleeps.
    pub fn set_unpark(&self, unpark: Arc<dyn Unpark>) {
        assert!(self.unpark.set(unpark).is_ok(), "a shard of the mesh is built once");
    }

    /// Wakes the shard if it sleeps, after publishing what it is to see.
    #[inline]
    pub fn wake(&self) {
        if self.word.must_wake() {
            if let Some(unpark) = self.unpark.get() {
                unpark.unpark();
            }
        }
    }
}
