//! Waiting without a reactor: what a shard waits with to which no resource is bound. It needs no file.
//!
//! A lock guards whether the wait was ended. Who unparks sets that and rings; who waits looks before it waits, and takes it back. So a
//! wake that comes before the wait ends that at once. One without a reason does no harm: the shard looks, and lies down again.
//!
//! Threads: the shard's waits, any unparks.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::loom::{Condvar, Mutex, MutexGuard};
use crate::shard::Driver;

use super::Unpark;

/// See the module's head.
#[derive(Debug)]
pub struct Parker(Arc<Bell>);

#[derive(Debug)]
struct Bell {
    is_rung: Mutex<bool>,
    rings: Condvar,
}

impl Bell {
    fn lock(&self) -> MutexGuard<'_, bool> {
        self.is_rung.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Parker {
    /// One that nobody has woken.
    #[expect(clippy::new_without_default, reason = "it allocates")]
    pub fn new() -> Self {
        Self(Arc::new(Bell { is_rung: Mutex::new(false), rings: Condvar::new() }))
    }
}

impl Driver for Parker {
    fn wait(&mut self, timeout: Option<Duration>) -> usize {
        let Bell { rings, .. } = &*self.0;
        let mut is_rung = self.0.lock();
        if !*is_rung {
            is_rung = match timeout {
                None => rings.wait(is_rung).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => is_rung,
                Some(timeout) => {
                    rings.wait_timeout(is_rung, timeout).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        *is_rung = false;
        0
    }

    fn unparker(&self) -> Arc<dyn Unpark> {
        Arc::<Bell>::clone(&self.0)
    }
}

impl Unpark for Bell {
    fn unpark(&self) {
        *self.lock() = true;
        self.rings.notify_one();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_wake_ends_one_wait_before_or_during_it() {
        let mut parker = Parker::new();
        let unparker = parker.unparker();
        unparker.unpark();
        unparker.unpark();
        parker.wait(None);
        // Taken by that wait, as by a look.
        assert!(!*parker.0.lock());
        unparker.unpark();
        parker.wait(Some(Duration::ZERO));
        assert!(!*parker.0.lock());
        parker.wait(Some(Duration::from_nanos(1)));
        let waits = std::thread::spawn(move || parker.wait(None));
        unparker.unpark();
        assert_eq!(waits.join().unwrap(), 0);
    }
}
