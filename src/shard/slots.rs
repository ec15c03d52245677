//! Where a shard's instances of services are found.
//!
//! A task of the shard, the keeper, owns the instance; the thread's map says where it is. The owner is a task because that is
//! what the engine drops on the shard's own thread in every case: aborted from anywhere, or cancelled when the shard
//! closes. The map holds weak references: it keeps nothing alive past the keeper, not even at the thread's end.
//!
//! The key has the shard's id, since one thread may drive several shards.
//!
//! Threads: each its own.

use std::any::Any;
use std::cell::RefCell;
use std::rc::{Rc, Weak};

use corelane_shards::mesh::ShardId;

/// Which service, process-wide, and on which shard.
pub(super) type Key = (u64, ShardId);

thread_local! {
    /// By key, ascending.
    static SLOTS: RefCell<Vec<(Key, Weak<dyn Any>)>> = const { RefCell::new(Vec::new()) };
}

/// An instance, found for as long as this is there. Fields drop in order: an instance that is being dropped is not found.
pub(super) struct Kept<T> {
    _listed: Listed,
    _instance: Rc<T>,
}

struct Listed(Key);

impl<T: 'static> Kept<T> {
    pub fn new(key: Key, instance: T) -> Self {
        let instance = Rc::new(instance);
        let weak: Weak<T> = Rc::downgrade(&instance);
        SLOTS.with_borrow_mut(|slots| match place(slots, key) {
            Ok(found) => slots[found].1 = weak,
            Err(free) => slots.insert(free, (key, weak)),
        });
        Self { _listed: Listed(key), _instance: instance }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        // An ending thread may have lost its map before it drops a `LocalRuntime`.
        let _ = SLOTS.try_with(|slots| {
            let mut slots = slots.borrow_mut();
            place(&slots, self.0).map(|found| slots.remove(found))
        });
    }
}

fn place(slots: &[(Key, Weak<dyn Any>)], key: Key) -> Result<usize, usize> {
    slots.binary_search_by_key(&key, |(key, _)| *key)
}

/// The instance on a shard that this thread drives.
pub(super) fn find<T: 'static>(key: Key) -> Option<Rc<T>> {
    let instance = SLOTS.try_with(|slots| {
        let slots = slots.borrow();
        place(&slots, key).ok().and_then(|found| slots[found].1.upgrade())
    });
    let instance = instance.ok()??;
    Some(instance.downcast::<T>().expect("a service has one type"))
}
