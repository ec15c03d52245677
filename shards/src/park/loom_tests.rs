//! The sleep word. Each model names what it fails without.

use super::SleepWord;
use crate::loom::atomic::Ordering::{Acquire, Relaxed, Release};
use crate::loom::atomic::{AtomicBool, AtomicUsize};
use crate::loom::{Arc, thread};

/// Two senders and a sleeper that looks, announces and looks again: it never sleeps on its mail, and of both senders at most one
/// writes in a sleep. Fails without the fence
/// that stands for P2's place in the order, and if P3 is not exclusive.
#[test]
fn loom_sleep_against_send() {
    let mut builder = loom::model::Builder::new();
    // Unbounded it runs for minutes.
    builder.preemption_bound = Some(3);
    builder.check(|| {
        let word = Arc::new(SleepWord::new());
        let mail: Arc<[AtomicBool; 2]> = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        let writes = Arc::new(AtomicUsize::new(0));
        let senders: Vec<_> = (0..2)
            .map(|n| {
                let (word, mail, writes) = (word.clone(), mail.clone(), writes.clone());
                thread::spawn(move || {
                    // P1. A mailbox does this with a SeqCst read-modify-write.
                    mail[n].store(true, Release);
                    if word.must_wake() {
                        writes.fetch_add(1, Relaxed);
                    }
                })
            })
            .collect();
        word.announce();
        crate::loom::seq_cst();
        let seen = mail.iter().filter(|mail| mail.load(Acquire)).count();
        let asleep = seen == 0;
        if !asleep {
            word.awake();
        }
        for sender in senders {
            sender.join().unwrap();
        }
        let writes = writes.load(Relaxed);
        assert!(!asleep || writes == 1, "asleep: {asleep}, {writes} writes");
        assert!(writes <= 1, "one write a sleep");
    });
}
