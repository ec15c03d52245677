//! Listeners that want the packets of a shard's CPU (`SO_INCOMING_CPU`), wherever that shard is moved to.
//!
//! Here: who they are, and telling the kernel. Not here: which CPU (`topology::Plan::incoming_cpus`), and when (`placed`).
//! Threads: any, under the lock of `placed`.
//!
//! The kernel knows a listener by a descriptor, and its number may be another file's once the listener is closed. So a
//! listener has a guard that takes the number away, under the same lock, and closes its file after that.

#![expect(unsafe_code, reason = "descriptors go to the kernel by number")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;

use crate::topology::Plan;

use super::placed::Placed;

/// The listeners, and the shard of each.
#[derive(Debug, Default)]
pub(super) struct Listeners(Vec<(usize, RawFd)>);

impl Listeners {
    pub fn add(&mut self, plan: &Plan, shard: usize, listener: BorrowedFd<'_>) -> io::Result<()> {
        want(listener, plan.incoming_cpus[shard])?;
        self.0.push((shard, listener.as_raw_fd()));
        Ok(())
    }

    pub fn remove(&mut self, listener: RawFd) {
        self.0.retain(|(_, other)| *other != listener);
    }

    /// Has them want what this plan says.
    pub fn follow(&self, plan: &Plan) {
        for &(shard, listener) in &self.0 {
            // SAFETY: it is open: its guard takes it out of the list before it is closed, under the lock that we have.
            let listener = unsafe { BorrowedFd::borrow_raw(listener) };
            // A kernel that took one CPU takes another.
            let _ = want(listener, plan.incoming_cpus.get(shard).copied().flatten());
        }
    }
}

fn want(listener: BorrowedFd<'_>, cpu: Option<u32>) -> io::Result<()> {
    // The kernel's -1 is no CPU, which is what a socket begins with.
    let cpu = cpu.map_or(usize::MAX, |cpu| cpu as usize);
    socket2::SockRef::from(&listener).set_cpu_affinity(cpu)
}

/// What such a listener holds. To be dropped before the listener is closed.
pub(crate) struct Steered {
    placed: Arc<Placed>,
    listener: RawFd,
}

impl Steered {
    /// Has a listener want what its shard's CPU takes, now and after each move. `None` where the plan does not steer.
    pub fn new(placed: &Arc<Placed>, shard: usize, listener: impl AsFd) -> io::Result<Option<Self>> {
        let listener = listener.as_fd();
        let steers = placed.steer(shard, listener)?;
        Ok(steers.then(|| Self { placed: placed.clone(), listener: listener.as_raw_fd() }))
    }
}

impl Drop for Steered {
    fn drop(&mut self) {
        self.placed.let_steer(self.listener);
    }
}
