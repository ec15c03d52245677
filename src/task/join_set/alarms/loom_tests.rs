//! Alarms against the joiner. Each model names what it fails without.

use std::sync::Arc;
use std::task::{Wake, Waker};

use corelane_shards::loom::atomic::{AtomicUsize, Ordering::Relaxed};
use corelane_shards::loom::thread;
use loom::sync::Notify;

use super::Alarms;

/// Polls again once for each wake.
struct Joiner(Notify);

impl Wake for Joiner {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

/// Two alarms go off, one of them twice: the joiner sees all that was told before. Fails if the joiner leaves its waker without
/// looking once more, if an alarm does not take the waker in the step that queues the key, and if a key stays marked as
/// queued after it was taken.
#[test]
fn loom_alarms_against_joiner() {
    let mut builder = loom::model::Builder::new();
    // Unbounded it runs for minutes.
    builder.preemption_bound = Some(2);
    builder.check(|| {
        let alarms = Alarms::new();
        alarms.reserve(2);
        let told: Arc<[AtomicUsize; 2]> = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let task = {
            let (alarms, told) = (Arc::clone(&alarms), Arc::clone(&told));
            thread::spawn(move || {
                for key in [0, 1, 0] {
                    // Relaxed: the lock shows it.
                    told[key].fetch_add(1, Relaxed);
                    alarms.push(key);
                }
            })
        };
        let joiner = Arc::new(Joiner(Notify::new()));
        let waker = Waker::from(Arc::clone(&joiner));
        let mut seen = [0; 2];
        while seen != [2, 1] {
            match alarms.pop_or_wait(&waker) {
                // Relaxed: the lock shows it.
                Some(key) => seen[key] = told[key].load(Relaxed),
                None => joiner.0.wait(),
            }
        }
        task.join().unwrap();
    });
}
