//! On which CPUs jobs are submitted and run.
//!
//! A thread that looks for a job, or for a job's answer, is quicker than one that sleeps, unless the other side waits for the very CPU
//! that it looks on. So each side leaves the number of its CPU, and looks only if the other's is another one. The numbers are the
//! last submitter's and the last runner's, a moment old; they decide how long things take and nothing else, so the atomics
//! are none of the models'.

#![cfg_attr(target_os = "linux", expect(unsafe_code, reason = "asks the system for the CPU"))]

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// See the module's head.
pub(super) struct Sides {
    submits: AtomicU32,
    runs: AtomicU32,
}

/// No CPU's.
const NOWHERE: u32 = u32::MAX;

impl Default for Sides {
    fn default() -> Self {
        Self { submits: AtomicU32::new(NOWHERE), runs: AtomicU32::new(NOWHERE) }
    }
}

impl Sides {
    pub fn submit_here(&self) {
        note(&self.submits);
    }

    pub fn run_here(&self) {
        note(&self.runs);
    }

    pub fn submits_elsewhere(&self) -> bool {
        is_elsewhere(&self.submits)
    }

    pub fn runs_elsewhere(&self) -> bool {
        is_elsewhere(&self.runs)
    }
}

fn note(side: &AtomicU32) {
    let cpu = cpu();
    // Mostly it is the same, and the other side's core keeps the line.
    if side.load(Relaxed) != cpu {
        side.store(cpu, Relaxed);
    }
}

/// Where the system does not tell: yes.
fn is_elsewhere(side: &AtomicU32) -> bool {
    let cpu = cpu();
    cpu == NOWHERE || side.load(Relaxed) != cpu
}

#[cfg(target_os = "linux")]
fn cpu() -> u32 {
    // Models take the same way again wherever they run.
    if cfg!(loom) {
        return NOWHERE;
    }
    // SAFETY: takes nothing and changes nothing. It is a load where the kernel has restartable sequences.
    let cpu = unsafe { libc::sched_getcpu() };
    u32::try_from(cpu).unwrap_or(NOWHERE)
}

#[cfg(not(target_os = "linux"))]
fn cpu() -> u32 {
    NOWHERE
}

#[cfg(all(test, target_os = "linux", not(loom)))]
mod tests {
    use super::*;
    use crate::topology::pin;

    #[test]
    fn a_side_is_elsewhere_unless_it_was_on_this_cpu() {
        // A thread of its own, since it stays pinned.
        let pinned = std::thread::spawn(|| {
            let cpu = pin::current().and_then(|cpus| cpus.iter().next()).expect("runs somewhere");
            pin::pin(&[cpu]).expect("it may run there");
            let sides = Sides::default();
            assert!(sides.submits_elsewhere() && sides.runs_elsewhere());
            sides.submit_here();
            assert!(!sides.submits_elsewhere() && sides.runs_elsewhere());
            sides.run_here();
            assert!(!sides.runs_elsewhere());
        });
        pinned.join().unwrap();
    }
}
