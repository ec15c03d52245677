//! A timeout or a sleep costs no look at the clock as long as nobody has to know. Here no clock is ever paused: after that, they
//! read it when they are made.

use std::future::{Future, pending, ready};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use corelane::runtime::Builder;
use corelane::time::{Instant, Sleep, interval, sleep, timeout};
use corelane_shards::config::{Config, Reach};
use corelane_shards::mesh::{Mesh, ShardId};
use corelane_shards::park::Unpark;
use corelane_shards::shard::{self, Driver, Shard, Turn};
use corelane_shards::timer::{Clock, Stamp};

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

/// So that what is ready at once comes before it: Rocket's event streams begin with a message or with a heartbeat by that.
#[test]
fn the_first_tick_of_an_interval_comes_from_the_lane() {
    let shard = shard();
    shard.enter(|local| {
        let lane = local.remote().lane();
        let cx = &mut Context::from_waker(Waker::noop());
        let mut interval = interval(Duration::from_secs(1_000));
        assert!(interval.poll_tick(cx).is_pending());
        assert_eq!(lane.counts().armed, 1);
        assert!(
            lane.next_deadline_ns() <= Clock::new().now_ns() + 1_000_000,
            "at once, but for the lane's tick"
        );

        interval.reset_after(Duration::from_secs(1_000));
        interval.reset_immediately();
        assert!(interval.poll_tick(cx).is_pending());
        assert!(lane.next_deadline_ns() <= Clock::new().now_ns() + 1_000_000);
    });
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

fn poll(sleep: &mut Pin<Box<Sleep>>) -> Poll<()> {
    sleep.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

fn clocks() -> (Clock, Instant) {
    (Clock::new(), Instant::now())
}

#[test]
fn a_sleep_that_is_dropped_soon_leaves_the_clock_alone() {
    let shard = shard();
    for _ in 0..1_000 {
        shard.enter(|local| {
            let mut sleep = Box::pin(sleep(Duration::from_secs(1)));
            assert!(poll(&mut sleep).is_pending());
            assert_eq!(local.remote().lane().undated(), 1);
            assert!(poll(&mut sleep).is_pending());
        });
        assert_eq!(shard.local().remote().lane().undated(), 0);
        assert_eq!(shard.local().stamps().read_ns(), 0, "nobody asked for the time");
    }
    assert_eq!(shard.local().remote().lane().counts().cancelled, 1_000);
}

#[test]
fn a_turn_dates_the_sleeps_armed_before_it() {
    let (mut shard, (clock, before)) = (shard(), clocks());
    let second = Duration::from_secs(1_000);
    let mut sleeps: Vec<_> = shard.enter(|_| (0..3).map(|_| Box::pin(sleep(second))).collect());
    shard.enter(|_| sleeps.iter_mut().for_each(|sleep| assert!(poll(sleep).is_pending())));
    let armed = Instant::now();
    // Who asks is told, and no turn changes that.
    let told = shard.enter(|_| sleeps[1].deadline());
    assert!(armed + second <= told);
    assert_eq!(shard.local().remote().lane().undated(), 2);
    assert_eq!(shard.turn(), Turn::Idle);
    let (turned, turned_ns) = (Instant::now(), clock.now_ns());
    assert_eq!(shard.local().remote().lane().undated(), 0);
    assert_eq!(shard.enter(|_| sleeps[1].deadline()), told);
    for sleep in [&sleeps[0], &sleeps[2]] {
        // On a thread that is in no runtime as well.
        let deadline = std::thread::scope(|scope| scope.spawn(|| sleep.deadline()).join().unwrap());
        assert!((before + second..=turned + second).contains(&deadline));
    }
    let published = shard.local().remote().lane().next_deadline_ns();
    assert!((turned_ns..=turned_ns + 1_001_000_000_000).contains(&published), "{published}");
}

#[test]
fn a_sleep_first_polled_later_counts_from_its_making() {
    let mut shard = shard();
    let second = Duration::from_secs(1_000);
    let before = Instant::now();
    let mut late = Box::pin(shard.enter(|_| sleep(second)));
    assert_eq!(shard.turn(), Turn::Idle);
    let turned = Instant::now();
    std::thread::scope(|scope| {
        // And elsewhere: a stamp can be read anywhere, but armed for only where it was taken.
        let polled = scope.spawn(|| self::shard().enter(|_| poll(&mut late)));
        assert!(polled.join().unwrap().is_pending());
    });
    assert!((before + second..=turned + second).contains(&late.deadline()));
}

#[test]
fn many_sleeps_at_once_read_the_clock_now_and_then() {
    let shard = shard();
    let mut sleeps: Vec<_> = Vec::new();
    shard.enter(|local| {
        for _ in 0..1_000 {
            sleeps.push(Box::pin(sleep(Duration::from_secs(1))));
            assert!(poll(sleeps.last_mut().unwrap()).is_pending());
            assert!(local.remote().lane().undated() <= corelane_shards::timer::UNDATED_MOST);
        }
        assert!(local.stamps().read_ns() > 0);
    });
    let (lane, clock) = (shard.local().remote().lane(), Clock::new());
    assert_eq!(lane.counts().armed, 1_000);
    assert!(lane.next_deadline_ns() <= clock.now_ns() + 1_000_000_000);
}

#[test]
fn no_sleep_is_early_whatever_the_poll_that_armed_it_does() {
    let runtime = Builder::new_sharded().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..200_u64)
            .map(|i| {
                corelane::spawn(async move {
                    let duration = Duration::from_micros(i * 37 % 3_000);
                    let before = Instant::now();
                    let nap = sleep(duration);
                    if i % 7 == 0 {
                        corelane::task::yield_now().await;
                    }
                    let mut nap = pin!(nap);
                    std::future::poll_fn(|cx| {
                        let polled = nap.as_mut().poll(cx);
                        if i % 50 == 0 && polled.is_pending() {
                            // A poll that goes on for long after it armed.
                            let busy = Instant::now();
                            while busy.elapsed() < Duration::from_millis(1) {}
                        }
                        polled
                    })
                    .await;
                    let after = Instant::now();
                    assert!(after >= before + duration, "early by {:?}", before + duration - after);
                    assert!(
                        nap.is_elapsed() && nap.deadline() <= after && nap.deadline() >= before + duration
                    );
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// However many tasks are run between two looks at the mailbox.
#[test]
fn few_polls_lie_between_two_readings() {
    for (steal, polls_per_mail) in [(Reach::Off, 100), (Reach::Off, 10), (Reach::All, 100), (Reach::All, 5)] {
        let config = Config { steal, polls_per_mail, ..Config::new(1) };
        let mesh = Mesh::new(config, Clock::new());
        let mut shard = Shard::new(Arc::clone(&mesh), ShardId(0), Box::new(NoEvents));
        let stamps = Arc::new(Mutex::new((Vec::new(), 0)));
        let stamp = |stamps: &Arc<Mutex<(Vec<Stamp>, usize)>>| {
            let stamps = Arc::clone(stamps);
            async move {
                let (taken, most) = &mut *stamps.lock().unwrap();
                taken.push(shard::current(|local| local.unwrap().stamps().stamp()));
                *most = taken.iter().filter(|stamp| stamp.time_ns().is_none()).count().max(*most);
            }
        };
        shard.enter(|local| {
            for _ in 0..100 {
                drop(shard::spawn_local(local, stamp(&stamps)));
                drop(shard::spawn(&mesh, stamp(&stamps)));
            }
        });
        while shard.turn() == Turn::Again {}
        let (taken, most) = &*stamps.lock().unwrap();
        assert_eq!(taken.len(), 200);
        assert!((16..=17).contains(most), "{most} with {steal:?} and {polls_per_mail}");
    }
}

#[test]
fn a_deadline_is_the_same_each_time_it_is_asked_for() {
    let shard = shard();
    shard.enter(|_| {
        let sleep = sleep(Duration::from_secs(1));
        let told = sleep.deadline();
        let now = Instant::now();
        while Instant::now() == now {}
        assert_eq!(sleep.deadline(), told);
        assert!(told <= now + Duration::from_secs(1));
    });
}

/// Not from whenever the thread comes back.
#[test]
#[expect(clippy::async_yields_async, reason = "the timer is what is left behind")]
fn what_a_root_future_leaves_behind_counts_from_when_it_was_made() {
    const LONG: Duration = Duration::from_secs(3600);
    let rt = Builder::new_current_thread().enable_all().build().unwrap();
    let root = |yields, is_armed| {
        rt.block_on(async move {
            if yields {
                corelane::task::yield_now().await;
            }
            let mut nap = Box::pin(sleep(LONG));
            if is_armed {
                assert!(poll(&mut nap).is_pending());
            }
            nap
        })
    };
    for (yields, is_armed) in [(false, false), (false, true), (true, false), (true, true)] {
        let nap = root(yields, is_armed);
        let left = Instant::now();
        while Instant::now() == left {}
        let _entered = rt.enter();
        let late = nap.deadline().saturating_duration_since(left + LONG);
        assert_eq!(late, Duration::ZERO, "yields {yields} armed {is_armed}");
    }
}

/// A hook may make a timer, and nobody reads the clock for the shard until somebody drives it again.
#[test]
fn what_a_hook_makes_between_two_block_ons_counts_from_when_it_was_made() {
    static MADE: Mutex<Option<Pin<Box<Sleep>>>> = Mutex::new(None);
    const LONG: Duration = Duration::from_secs(3600);
    for is_armed in [false, true] {
        let mut builder = Builder::new_current_thread();
        builder.enable_all().on_task_spawn(move |_| {
            let mut nap = Box::pin(sleep(LONG));
            if is_armed {
                assert!(poll(&mut nap).is_pending());
            }
            *MADE.lock().unwrap() = Some(nap);
        });
        let rt = builder.build_local(Default::default()).unwrap();
        drop(rt.spawn_local(async {}));
        let left = Instant::now();
        while Instant::now() == left {}
        let nap = MADE.lock().unwrap().take().unwrap();
        let _entered = rt.enter();
        let late = nap.deadline().saturating_duration_since(left + LONG);
        assert_eq!(late, Duration::ZERO, "armed {is_armed}");
    }
}
