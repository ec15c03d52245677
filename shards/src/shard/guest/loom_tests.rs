//! The bell with the sleep word. Each model names what it fails without.

use std::task::{Wake, Waker};

use loom::sync::Notify;

use super::Bell;
use crate::loom::atomic::AtomicBool;
use crate::loom::atomic::Ordering::{Acquire, Release};
use crate::loom::{Arc, thread};
use crate::park::{SleepWord, Unpark};
use crate::util::lock::Lock;

/// Polls again once for each wake.
struct Task(Notify);

impl Wake for Task {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.notify();
    }
}

/// Two senders ring for a future that polls as a guest does: it sees what both published, and loom finds no deadlock. Fails if the
/// waker is hung up after the second look, if there is no second look, and if the waker is hung up by the first poll
/// alone.
#[test]
fn loom_bell_against_poll() {
    let mut builder = loom::model::Builder::new();
    // Unbounded it runs for minutes.
    builder.preemption_bound = Some(3);
    builder.check(|| {
        let shared = Arc::new((SleepWord::new(), Bell(Lock::new(None))));
        let mail: Arc<[AtomicBool; 2]> = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        let senders: Vec<_> = (0..2)
            .map(|n| {
                let (shared, mail) = (shared.clone(), mail.clone());
                thread::spawn(move || {
                    // P1. A mailbox does this with a SeqCst read-modify-write.
                    mail[n].store(true, Release);
                    if shared.0.must_wake() {
                        shared.1.unpark();
                    }
                })
            })
            .collect();
        let (word, bell) = &*shared;
        let task = std::sync::Arc::new(Task(Notify::new()));
        let waker = Waker::from(task.clone());
        let seen = || mail.iter().filter(|mail| mail.load(Acquire)).count();
        loop {
            bell.hang(&waker);
            word.awake();
            let before = seen();
            if before == 2 {
                break;
            }
            word.announce();
            crate::loom::seq_cst();
            if seen() != before {
                word.awake();
                task.0.notify();
            }
            task.0.wait();
        }
        for sender in senders {
            sender.join().unwrap();
        }
    });
}
