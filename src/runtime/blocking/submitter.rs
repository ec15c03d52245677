//! On which CPU jobs are submitted.
//!
//! A thread that looks for the next job is quicker than one that sleeps, unless who would submit it waits for the very CPU that is looked
//! on. So the submitter leaves the number of its CPU, and a thread looks only on another one. The number is the last submitter's, a
//! moment old; it decides how long things take and nothing else, so the atomic is none of the models'.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use corelane_shards::park::caution::cpu;

/// See the module's head.
pub(super) struct Submitter(AtomicU32);

/// No CPU's.
const NOWHERE: u32 = u32::MAX;

impl Default for Submitter {
    fn default() -> Self {
        Self(AtomicU32::new(NOWHERE))
    }
}

impl Submitter {
    /// This thread submits.
    pub fn is_here(&self) {
        let cpu = cpu().unwrap_or(NOWHERE);
        // Mostly it is the same, and the other core keeps the line.
        if self.0.load(Relaxed) != cpu {
            self.0.store(cpu, Relaxed);
        }
    }

    /// Whether jobs come from another CPU than this thread's. Where the system does not tell: yes.
    pub fn is_elsewhere(&self) -> bool {
        cpu().is_none_or(|cpu| self.0.load(Relaxed) != cpu)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::topology::pin;

    #[test]
    fn a_submitter_is_elsewhere_unless_it_was_on_this_cpu() {
        // A thread of its own, since it stays pinned.
        let pinned = std::thread::spawn(|| {
            let cpu = pin::current().and_then(|cpus| cpus.iter().next()).expect("runs somewhere");
            pin::pin(&[cpu]).expect("it may run there");
            let submitter = Submitter::default();
            assert!(submitter.is_elsewhere());
            submitter.is_here();
            assert!(!submitter.is_elsewhere());
        });
        pinned.join().unwrap();
    }
}
