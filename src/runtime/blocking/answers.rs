//! How a shard waits for what it has handed to the pool.
//!
//! A shard whose thread is pinned looks for a while before it sleeps. One whose thread is not would take the CPU from whoever else
//! runs there, and sleeps at once. But after it has submitted a job a thread works for it on another CPU, and to be woken from that takes
//! longer than most jobs: 20 to 40 µs on a virtual machine, against half a microsecond for the way there and back if both look. So then it
//! looks as a pinned one does, for as long as it has paid: an idle time that was long closes the window.
//!
//! Here: when and how long. Not here: what is looked at ([`Shard::look_for`]). Threads: each shard's own.

use std::cell::Cell;
use std::time::Duration;

use corelane_shards::park::{Spin, Window};
use corelane_shards::shard::Shard;

use super::super::inner::Inner;

thread_local!(static ASKED: Cell<bool> = const { Cell::new(false) });

/// This thread submits a job.
pub(super) fn ask() {
    ASKED.set(true);
}

/// What a shard's thread knows of how soon answers come.
pub(crate) struct Answers(Window);

impl Answers {
    pub(crate) fn new() -> Self {
        Self(Window::new(Spin::Auto))
    }

    /// As [`Shard::park`]; if the shard has submitted a job since it last parked, it looks for the answer before it sleeps.
    pub(crate) fn park(&mut self, inner: &Inner, shard: &mut Shard, look_again: impl Fn() -> bool) {
        let Self(window) = self;
        let asked = ASKED.take() && inner.looks_for_answers && inner.pool.runs_elsewhere();
        // One that looks anyway needs no second window.
        if !asked || inner.mesh.spin() != Spin::Fixed(Duration::ZERO) {
            return shard.park(look_again);
        }
        let since_ns = inner.mesh.clock().now_ns();
        if window.ns() == 0 || !shard.look_for(window.ns(), &look_again) {
            shard.park(look_again);
        }
        window.idled(inner.mesh.clock().now_ns() - since_ns);
    }
}
