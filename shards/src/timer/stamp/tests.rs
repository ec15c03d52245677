use super::{Stamp, Stamps};
use crate::loom::thread;

/// Gives it back as another thread does.
fn drop_elsewhere(stamps: impl Iterator<Item = Stamp> + Send) {
    thread::scope(|scope| {
        scope.spawn(|| stamps.for_each(drop));
    });
}

#[test]
fn the_next_reading_dates_those_who_still_ask() {
    let stamps = Stamps::new();
    assert!(!stamps.is_awaited());
    let first = stamps.stamp();
    assert!(stamps.is_awaited());
    assert_eq!(first.time_ns(), None);
    stamps.settle(5);
    assert_eq!((first.time_ns(), stamps.read_ns(), stamps.is_awaited()), (Some(5), 5, false));
    let second = stamps.stamp();
    stamps.settle(9);
    stamps.settle(12);
    assert_eq!((first.time_ns(), second.time_ns()), (Some(5), Some(9)));
}

#[test]
fn a_stamp_that_was_given_back_uses_nothing_up() {
    let stamps = Stamps::new();
    let current = stamps.current.get();
    for now_ns in 0..100 {
        drop(stamps.stamp());
        drop_elsewhere([stamps.stamp(), stamps.stamp()].into_iter());
        stamps.settle(now_ns);
        assert!(std::ptr::eq(stamps.current.get(), current));
    }
}

/// However the stamps in use lie among the others, marks are used again.
#[test]
#[cfg_attr(miri, ignore = "marks run out after too many to be interpreted")]
fn marks_are_used_again_though_some_stay_in_use() {
    let stamps = Stamps::new();
    let mut now_ns = 0;
    let mut take = |stamps: &Stamps| {
        now_ns += 1;
        let stamp = stamps.stamp();
        stamps.settle(now_ns);
        (stamp, now_ns)
    };
    let kept: Vec<_> = (0..300).map(|_| take(&stamps)).collect();
    for _ in 0..20_000 {
        let (stamp, time_ns) = take(&stamps);
        assert_eq!(stamp.time_ns(), Some(time_ns));
    }
    for (stamp, time_ns) in &kept {
        assert_eq!(stamp.time_ns(), Some(*time_ns));
    }
    let marks = stamps.marks.borrow();
    let all = marks.free.len() + marks.used.len();
    assert!(all <= 3 * kept.len(), "{all} marks for {} in use", kept.len());
}

#[test]
fn a_stamp_outlives_its_shard() {
    let stamps = Stamps::new();
    let (settled, open) = (stamps.stamp(), {
        stamps.settle(7);
        stamps.stamp()
    });
    drop(stamps);
    let others: Vec<_> = (0..4).map(|_| Stamps::new()).collect();
    for other in &others {
        assert!(!other.is_awaited(), "a shard starts with a stamp of its own");
        other.settle(100);
    }
    assert_eq!((settled.time_ns(), open.time_ns()), (Some(7), None));
    drop_elsewhere([settled, open].into_iter());
}
