//! A worker thread: pins itself, builds its shard, turns it until the runtime ends.
//!
//! The shard is built after pinning, on the thread that will drive it: first touch puts its memory on the right node. Its files, and
//! all that others need to reach it, were made before (`ShardBuilder`), so who builds the runtime waits for no worker, unless there may
//! be a refusal to tell: see `Builder::build_threads`.
//!
//! Then the worker waits until all others have a thread too. If one has not, those that do end again without having called a hook,
//! so who builds may wait for them: hooks are foreign, and may wait for a worker that there will never be.

use std::io;
use std::sync::{Arc, mpsc};
use std::thread;

use corelane_shards::mesh::{Mesh, ShardId};
use corelane_shards::reactor::Reactor;
use corelane_shards::shard::{Shard, ShardBuilder, Turn};

use crate::config::OnError;
use crate::error;
use crate::topology::ShardPlan;
use crate::topology::{memory, pin};

use super::block_on::hook;
use super::context::{self, Blocking};
use super::handle::RuntimeFlavor;
use super::inner::Inner;

/// What one worker is told.
pub(crate) struct Order {
    pub shard: ShardBuilder,
    pub place: ShardPlan,
    /// The NUMA nodes to interleave memory over; none: as the process does.
    pub memory_nodes: Vec<u32>,
    pub on_error: OnError,
    pub thread_name: String,
    pub stack_size: Option<usize>,
    /// Told once all workers have a thread, and stand if that was waited for; hung up if one can't.
    pub go: mpsc::Receiver<()>,
}

/// Makes a shard known to all, before its thread builds it. What can fail of a shard does here.
pub(crate) fn found_shard(mesh: &Arc<Mesh>, id: ShardId) -> io::Result<ShardBuilder> {
    let reactor = Reactor::new(0, mesh.config().timer_resolution_us)?;
    Ok(ShardBuilder::new(Arc::clone(mesh), id, reactor))
}

/// Builds the shard of this thread.
pub(crate) fn build_shard(shard: ShardBuilder, limits: EventLimits) -> Shard {
    shard.build(|reactor| {
        reactor.make_room(EVENTS);
        reactor.limit(limits.per_tick, limits.per_busy_tick);
    })
}

/// How many events a reactor takes at once, where the builder was told.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct EventLimits {
    pub per_tick: Option<usize>,
    pub per_busy_tick: Option<usize>,
}

/// Events taken from the kernel at once: 12 KiB of buffer.
const EVENTS: usize = 1024;

/// What a worker says once it stands: what the kernel refused it.
pub(crate) type Started = io::Result<Vec<String>>;

/// Starts a worker. It reports through `started` when its shard is built, or why it could not be.
pub(crate) fn start(
    inner: &Arc<Inner>,
    order: Order,
    started: mpsc::Sender<Started>,
) -> io::Result<thread::JoinHandle<()>> {
    let inner = Arc::clone(inner);
    let mut builder = thread::Builder::new().name(order.thread_name.clone());
    if let Some(size) = order.stack_size {
        builder = builder.stack_size(size);
    }
    let thread = builder.spawn(move || {
        /// Says that the worker ended, also when a panic of the engine or a hook ends it.
        struct Ended<'a>(&'a Inner);
        impl Drop for Ended<'_> {
            fn drop(&mut self) {
                self.0.shard_ended();
            }
        }
        let _ended = Ended(&inner);
        let ready = memory::interleave(&order.memory_nodes, order.on_error).and_then(|memory| {
            let (shard, pin) = prepare(&inner, order.shard, &order.place, order.on_error)?;
            Ok((shard, memory.into_iter().chain(pin).collect()))
        });
        match ready {
            Ok((shard, warnings)) => {
                let _ = started.send(Ok(warnings));
                drop(started);
                if order.go.recv().is_ok() {
                    run(&inner, shard);
                }
            }
            Err(error) => {
                let _ = started.send(Err(error));
            }
        }
    });
    thread.map_err(error::no_thread)
}

/// Pins this thread, then builds its shard. Gives a warning if the kernel refused and that is no error.
pub(crate) fn prepare(
    inner: &Inner,
    shard: ShardBuilder,
    place: &ShardPlan,
    on_error: OnError,
) -> io::Result<(Shard, Option<String>)> {
    let warning = pin::pin_shard(place, on_error)?;
    inner.placed.enter_shard(shard.id());
    inner.drivers.drive(shard.id());
    Ok((build_shard(shard, inner.event_limits), warning))
}

fn run(inner: &Inner, shard: Shard) {
    let blocking = match inner.flavor {
        RuntimeFlavor::MultiThread if inner.mesh.steals() => Blocking::InPlaceOnly,
        _ => Blocking::Forbidden,
    };
    let _entered = context::enter(inner, blocking);
    let _seeded = inner.seed_thread();
    // Dropped before these, also when a hook panics: futures are dropped in the runtime's context.
    let mut shard = shard;
    shard.resume();
    if let Some(start) = &inner.hooks.start {
        start();
    }
    while !inner.is_shutting_down() {
        if shard.turn() == Turn::Idle && !hook(&mut shard, inner.hooks.park.as_ref()) {
            shard.park(|| inner.is_shutting_down());
            hook(&mut shard, inner.hooks.unpark.as_ref());
        }
    }
    drop(shard);
    if let Some(stop) = &inner.hooks.stop {
        stop();
    }
}
