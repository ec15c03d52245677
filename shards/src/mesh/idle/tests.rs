//! The count of searchers at its edges.

use super::Idle;
use crate::mesh::ShardId;

const BOTH: [ShardId; 2] = [ShardId(0), ShardId(1)];

/// A shard that was claimed gets up, finds nothing and stops before its waker has counted it.
#[test]
fn a_searcher_that_stops_before_it_is_counted_puts_nobody_off() {
    let idle = Idle::new(2);
    idle.set(ShardId(0));
    // The first half of `claim_for_work`.
    assert!(idle.claim(ShardId(0)));
    assert!(!idle.unset(ShardId(0)), "claimed");
    assert!(idle.stop_searching(), "nobody else searches");
    assert!(idle.start_searching(), "another may search");
    assert!(idle.stop_searching());
    idle.set(ShardId(1));
    assert_eq!(idle.claim_for_work(BOTH.into_iter()), Some(ShardId(1)), "and somebody pushes meanwhile");
    assert!(idle.stop_searching());
    // The second half.
    idle.searching.fetch_add(1, crate::loom::atomic::Ordering::SeqCst);
    assert!(idle.start_searching(), "nobody is left over");
}

#[test]
fn one_searches_at_a_time_for_pushes_and_half_of_all_for_themselves() {
    let idle = Idle::new(2);
    idle.set(ShardId(0));
    idle.set(ShardId(1));
    assert_eq!(idle.claim_for_work(BOTH.into_iter()), Some(ShardId(0)));
    assert_eq!(idle.claim_for_work(BOTH.into_iter()), None, "one searches already");
    assert!(!idle.start_searching(), "half of the shards search");
    assert!(idle.stop_searching());
    assert_eq!(idle.claim_for_work([ShardId(0)].into_iter()), None, "it is up");
    assert_eq!(idle.claim_for_work(BOTH.into_iter()), Some(ShardId(1)));
}
