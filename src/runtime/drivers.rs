//! Which thread each shard is on, for whoever asks.
//!
//! Not here: driving. Threads: any. A thread says so when it begins, not each time that it turns the shard.

use corelane_shards::loom::thread::ThreadId;
use corelane_shards::mesh::ShardId;
use corelane_shards::util::lock::Lock;

use super::context;

/// For each shard its threads.
pub(crate) struct Drivers(Box<[Lock<Threads>]>);

#[derive(Default)]
struct Threads {
    /// The last that drove the shard.
    own: Option<ThreadId>,
    /// The last that was called to take care of it, until it leaves.
    caretaker: Option<ThreadId>,
}

impl Drivers {
    pub fn new(shards: usize) -> Self {
        Self((0..shards).map(|_| Lock::new(Threads::default())).collect())
    }

    /// This thread drives a shard from now on.
    #[cold]
    pub fn drive(&self, shard: ShardId) {
        let own = Some(context::thread_id());
        self.0[shard.index()].with(|threads| threads.own = own);
    }

    /// This thread takes care of a shard until the guard drops.
    pub fn care(&self, shard: ShardId) -> Caring<'_> {
        let (threads, caretaker) = (&self.0[shard.index()], context::thread_id());
        threads.with(|threads| threads.caretaker = Some(caretaker));
        Caring { threads, caretaker }
    }

    /// The thread that the shard is on, or was on last.
    #[track_caller]
    pub fn thread(&self, worker: usize) -> Option<ThreadId> {
        self.0[worker].with(|threads| threads.caretaker.or(threads.own))
    }
}

/// See [`Drivers::care`].
pub(crate) struct Caring<'a> {
    threads: &'a Lock<Threads>,
    caretaker: ThreadId,
}

impl Drop for Caring<'_> {
    fn drop(&mut self) {
        // Another one may have come since.
        self.threads.with(|threads| threads.caretaker = threads.caretaker.filter(|id| *id != self.caretaker));
    }
}
