//! Each model names the line that it fails without. Loom's threads are not inside a shard, so every reference counts as given
//! back elsewhere.

use super::Stamps;
use crate::loom::cell::UnsafeCell;
use crate::loom::{Arc, thread};

/// What a holder does with a mark, and what the owner does when it uses the mark again, must not meet. Fails when the
/// give-back in `Stamp::drop` or the look in `Mark::is_free` is Relaxed.
#[test]
fn loom_give_back_against_reuse() {
    loom::model(|| {
        let stamps = Stamps::new();
        let touched = Arc::new(UnsafeCell::new(0));
        let stamp = stamps.stamp();
        let mark = stamp.0;
        let holder = {
            let touched = touched.clone();
            thread::spawn(move || {
                let time_ns = stamp.time_ns();
                assert!(time_ns.is_none_or(|time_ns| time_ns == 1), "the time of a later use");
                touched.with(|_| ());
                drop(stamp);
            })
        };
        stamps.settle(1);
        // Looks at the mark, and takes it if it is free, for the last of these.
        for now_ns in 2..4 {
            let again = stamps.stamp();
            if std::ptr::eq(again.0, mark) {
                touched.with_mut(|_| ());
            }
            stamps.settle(now_ns);
        }
        holder.join().unwrap();
    });
}

/// The owner must not take a stamp for free while another is held: it would stay undated. Fails when one give-back elsewhere is
/// enough for `Mark::is_free`.
#[test]
fn loom_a_held_stamp_is_dated() {
    loom::model(|| {
        let stamps = Stamps::new();
        let (kept, given) = (stamps.stamp(), stamps.stamp());
        let other = thread::spawn(move || drop(given));
        stamps.settle(1);
        assert_eq!(kept.time_ns(), Some(1));
        other.join().unwrap();
        assert!(!stamps.is_awaited());
    });
}
