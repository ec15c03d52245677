//! A shard of which the remote half stands, and the owner half does not yet.
//!
//! What can fail, and what others reach, is made first, by whoever builds the runtime: files, registry, the way to end the shard's
//! wait. What the owner touches is allocated by the thread that will drive the shard, when it runs where it should. In between the
//! shard is as one in a long poll is: awake, so that nobody writes its eventfd, and what is sent to it, armed or bound there
//! waits for its first turn. So nobody has to wait for the thread.
//!
//! If the thread does not come that far, what was sent there is cancelled, and the rest finds the shard closed: it is built to be
//! dropped, on whatever thread that is. The futures are `Send` as long as they have not been polled.
//!
//! Threads: any, one after the other; `build` is called by the shard's.

use std::sync::Arc;

use crate::mesh::{Mesh, ShardId};
use crate::reactor::Reactor;

use super::{Driver, Shard};

/// See the module's head. Dropped in place of `build`, it closes the shard.
pub struct ShardBuilder {
    mesh: Arc<Mesh>,
    id: ShardId,
    /// Until it is the shard's.
    reactor: Option<Reactor>,
}

impl ShardBuilder {
    /// Makes the shard with that id known to all of the mesh. Resources are bound to the reactor from now on.
    ///
    /// # Panics
    ///
    /// If the mesh knows that shard already.
    pub fn new(mesh: Arc<Mesh>, id: ShardId, reactor: Reactor) -> Self {
        mesh.shard_stands(id, reactor.unparker());
        mesh.remote(id).set_registry(Arc::clone(reactor.registry()));
        Self { mesh, id, reactor: Some(reactor) }
    }

    /// The shard's place.
    pub fn id(&self) -> ShardId {
        self.id
    }

    /// Builds the shard on the calling thread, which first touches its memory. `prepare` may give the reactor room.
    pub fn build(mut self, prepare: impl FnOnce(&mut Reactor)) -> Shard {
        if let Some(reactor) = &mut self.reactor {
            // It may panic, and then the reactor is there for the drop.
            prepare(reactor);
        }
        self.finish().expect("finished here or by the drop")
    }

    fn finish(&mut self) -> Option<Shard> {
        let reactor = self.reactor.take()?;
        Some(Shard::build(Arc::clone(&self.mesh), self.id, Box::new(reactor)))
    }
}

impl Drop for ShardBuilder {
    fn drop(&mut self) {
        drop(self.finish());
    }
}
