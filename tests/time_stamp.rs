//! A timeout costs no look at the clock as long as nobody has to know. Here no clock is ever paused: after that, timeouts
//! read it when they are made.

use std::future::{Future, pending, ready};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use corelane::time::timeout;
use corelane_shards::config::Config;
use corelane_shards::mesh::{Mesh, ShardId};
use corelane_shards::park::Unpark;
use corelane_shards::shard::{Driver, Shard, Turn};
use corelane_shards::timer::Clock;

struct NoEvents;

impl Driver for NoEvents {
    fn wait(&mut self, _: Option<Duration>) -> usize {
        0
    }

    fn unparker(&self) -> Arc<dyn Unpark> {
        Arc::new(Self)
    }
}

impl Unpark for NoEvents {
    fn unpark(&self) {}
}

fn shard() -> Shard {
    Shard::new(Mesh::new(Config::new(1), Clock::new()), ShardId(0), Box::new(NoEvents))
}

#[test]
fn a_ready_future_leaves_the_clock_alone() {
    let mut shard = shard();
    for _ in 0..100 {
        shard.enter(|local| {
            let mut limit = pin!(timeout(Duration::from_secs(1), ready(())));
            assert!(local.stamps().is_awaited());
            let polled = limit.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert_eq!(polled, Poll::Ready(Ok(())));
        });
        assert!(!shard.local().stamps().is_awaited());
        assert_eq!(shard.turn(), Turn::Idle);
        assert_eq!(shard.local().stamps().read_ns(), 0, "nobody asked for the time");
    }
}

#[test]
fn a_turn_dates_what_was_made_in_it() {
    let mut shard = shard();
    let clock = Clock::new();
    let made_ns = clock.now_ns();
    let mut limit = Box::pin(shard.enter(|_| timeout(Duration::from_secs(1_000), pending::<()>())));
    assert_eq!(shard.turn(), Turn::Idle);
    let turned_ns = clock.now_ns();
    let read_ns = shard.local().stamps().read_ns();
    assert!((made_ns..=turned_ns).contains(&read_ns));
    assert!(!shard.local().stamps().is_awaited());

    // Polled now, it is armed for what was written down then.
    let polled = shard.enter(|_| limit.as_mut().poll(&mut Context::from_waker(Waker::noop())));
    assert!(polled.is_pending());
    let at_ns = shard.local().remote().lane().next_deadline_ns();
    assert!(at_ns >= made_ns, "{at_ns}");
    assert_eq!(shard.local().remote().lane().counts().armed, 1);
    drop(limit);
    assert_eq!(shard.local().remote().lane().counts().armed, 0);
}
