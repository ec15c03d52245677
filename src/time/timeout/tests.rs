use std::future::{pending, poll_fn, ready};

use corelane_shards::shard;

use super::super::tests::{Hand, Sim, ms};
use super::*;

#[test]
fn a_ready_future_wins_even_against_zero() {
    let sim = Sim::new();
    for duration in [Duration::ZERO, ms(1), Duration::MAX] {
        assert_eq!(Hand::new(sim.enter(|| timeout(duration, ready(1)))).poll(&sim), Poll::Ready(Ok(1)));
    }
    let past = sim.enter(Instant::now) - ms(1_000);
    assert_eq!(Hand::new(sim.enter(|| timeout_at(past, ready(2)))).poll(&sim), Poll::Ready(Ok(2)));
}

#[test]
fn a_pending_future_has_its_time_and_no_more() {
    let mut sim = Sim::new();
    let mut limit = Hand::new(sim.enter(|| timeout(ms(10), pending::<()>())));
    let mut none = Hand::new(sim.enter(|| timeout(Duration::ZERO, pending::<()>())));
    assert!(limit.poll(&sim).is_pending());
    assert_eq!(none.poll(&sim), Poll::Ready(Err(Elapsed::new())));
    sim.advance(ms(9));
    assert!(limit.poll(&sim).is_pending());
    sim.advance(ms(1));
    assert_eq!(limit.poll(&sim), Poll::Ready(Err(Elapsed::new())));
}

#[test]
fn it_counts_from_its_making_not_from_its_first_poll() {
    let mut sim = Sim::new();
    let mut limit = Hand::new(sim.enter(|| timeout(ms(10), pending::<()>())));
    sim.advance(ms(9));
    assert!(limit.poll(&sim).is_pending());
    sim.advance(ms(1));
    assert!(limit.poll(&sim).is_ready());
}

#[test]
fn the_future_can_be_had_back() {
    let sim = Sim::new();
    let mut limit = sim.enter(|| timeout(ms(10), ready(1)));
    *limit.get_mut() = ready(2);
    assert_eq!(Hand::new(limit.get_ref().clone()).poll(&sim), Poll::Ready(2));
    assert_eq!(Hand::new(limit.into_inner()).poll(&sim), Poll::Ready(2));
}

#[test]
fn a_future_that_uses_the_budget_up_is_ended_all_the_same() {
    let mut sim = Sim::new();
    let greedy = poll_fn(|cx| {
        while let Poll::Ready(unit) = coop::poll_proceed(cx) {
            unit.made_progress();
        }
        Poll::<()>::Pending
    });
    let mut limit = Hand::new(sim.enter(|| timeout(ms(5), greedy)));
    assert!(limit.poll(&sim).is_pending());
    sim.advance(ms(5));
    assert_eq!(limit.poll(&sim), Poll::Ready(Err(Elapsed::new())));
}

/// As `timeout` makes it where the clock was never paused.
fn stamped(duration: Duration) -> Timeout<std::future::Pending<()>> {
    let stamp = shard::current(|local| local.expect("inside a shard").stamps().stamp());
    Timeout { value: pending(), limit: Limit::Since { stamp: Some(stamp), duration } }
}

fn deadline<T>(timeout: &Timeout<T>) -> Instant {
    match &timeout.limit {
        Limit::Until { sleep } => sleep.deadline(),
        Limit::Since { .. } => panic!("not asked for so far"),
    }
}

#[test]
fn a_stamped_timeout_counts_from_the_end_of_its_stretch_at_the_latest() {
    let mut sim = Sim::new();
    let made = sim.enter(Instant::now);
    let mut early = Hand::new(sim.enter(|| stamped(ms(10))));
    let mut late = Hand::new(sim.enter(|| stamped(ms(10))));
    // The rest of the stretch: first poll, then the reading at the end of the turn.
    sim.pass(ms(1));
    assert!(early.poll(&sim).is_pending());
    assert_eq!(deadline(early.future()), made + ms(1) + ms(10));
    sim.pass(ms(1));
    sim.settle();
    // A much later turn.
    sim.advance(ms(5));
    assert!(late.poll(&sim).is_pending());
    assert_eq!(deadline(late.future()), made + ms(2) + ms(10));
    sim.advance(ms(4));
    assert!(early.poll(&sim).is_ready() && late.poll(&sim).is_pending());
    sim.advance(ms(1));
    assert!(late.poll(&sim).is_ready());
}

#[test]
fn a_stamped_timeout_may_end_where_it_likes() {
    // First, so that its clock stands at an earlier time.
    let other = Sim::new();
    let mut sim = Sim::new();
    let awaited = |sim: &Sim| sim.enter(|| shard::current(|local| local.unwrap().stamps().is_awaited()));
    let (here, elsewhere) = sim.enter(|| (stamped(ms(1)), stamped(ms(1))));
    assert!(awaited(&sim));
    sim.enter(|| drop(here));
    std::thread::scope(|scope| {
        scope.spawn(|| drop(elsewhere));
    });
    assert!(!awaited(&sim));
    let mut moved = Hand::new(sim.enter(|| stamped(ms(10))));
    sim.advance(ms(3));
    assert!(moved.poll(&other).is_pending());
    assert_eq!(deadline(moved.future()), sim.enter(Instant::now) + ms(10));
}
