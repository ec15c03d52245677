//! A shard on one thread, with a clock that moves when told.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use corelane_shards::config::Config;
use corelane_shards::coop;
use corelane_shards::mesh::{Mesh, ShardId};
use corelane_shards::park::Unpark;
use corelane_shards::shard::{Driver, Shard, Turn, spawn_local};
use corelane_shards::timer::Clock;

use super::error::{Elapsed, Error};
use super::*;

pub(super) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

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

pub(super) struct Sim {
    mesh: Arc<Mesh>,
    /// None once it is closed.
    shard: Option<Shard>,
    start: Instant,
}

impl Sim {
    pub(super) fn new() -> Self {
        let clock = Clock::new();
        assert!(pause_clock(&clock));
        let start = Instant::from_std(clock.now());
        let mesh = Mesh::new(Config::new(1), clock);
        let shard = Some(Shard::new(mesh.clone(), ShardId(0), Box::new(NoEvents)));
        Self { mesh, shard, start }
    }

    fn shard(&self) -> &Shard {
        self.shard.as_ref().expect("open")
    }

    pub(super) fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        self.shard().enter(|_| f())
    }

    pub(super) fn spawn<F: Future<Output = ()> + 'static>(&self, future: F) {
        self.shard().enter(|local| drop(spawn_local(local, future)));
    }

    /// Turns until there is nothing to do.
    pub(super) fn settle(&mut self) {
        for _ in 0..1_000 {
            if self.shard.as_mut().expect("open").turn() == Turn::Idle {
                return;
            }
        }
        panic!("the shard does not come to rest");
    }

    /// Moves the clock on, and no turn.
    pub(super) fn pass(&self, by: Duration) {
        assert!(self.mesh.clock().advance(by));
    }

    pub(super) fn advance(&mut self, by: Duration) {
        self.pass(by);
        self.settle();
    }

    /// Milliseconds since the start of the simulation.
    pub(super) fn elapsed_ms(&self) -> f64 {
        self.enter(|| self.start.elapsed()).as_secs_f64() * 1e3
    }

    fn armed(&self) -> u64 {
        self.mesh.remote(ShardId(0)).lane().counts().armed
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        drop(self.shard.take());
    }
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A future polled by hand, and how often it was woken.
pub(super) struct Hand<F: Future>(Pin<Box<F>>, Arc<Wakes>);

impl<F: Future> Hand<F> {
    pub(super) fn new(future: F) -> Self {
        Self(Box::pin(future), Arc::default())
    }

    /// As a task is polled: inside the shard, with a budget.
    pub(super) fn poll(&mut self, sim: &Sim) -> Poll<F::Output> {
        let waker = Waker::from(self.1.clone());
        let cx = &mut Context::from_waker(&waker);
        sim.enter(|| coop::with_budget(coop::Budget::initial(), || self.0.as_mut().poll(cx)))
    }

    pub(super) fn future(&self) -> &F {
        &self.0
    }

    fn woken(&self) -> usize {
        self.1.0.load(Ordering::Relaxed)
    }
}

fn panic_text<R>(f: impl FnOnce() -> R) -> String {
    let Err(payload) = catch_unwind(AssertUnwindSafe(f)) else { panic!("no panic") };
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => (*payload.downcast::<&str>().expect("a text")).to_owned(),
    }
}

#[test]
fn sleeps_end_in_order_and_never_early() {
    let mut sim = Sim::new();
    let log = Rc::new(RefCell::new(Vec::new()));
    for micros in [7_000, 3_000, 12_000, 3_001, 900, 64_000, 0, 4_200_000] {
        let log = log.clone();
        sim.spawn(async move {
            let start = Instant::now();
            sleep(Duration::from_micros(micros)).await;
            log.borrow_mut().push((micros, start.elapsed().as_micros() as u64));
        });
    }
    sim.settle();
    for _ in 0..4_200 * 4 {
        sim.advance(Duration::from_micros(250));
    }
    // Deadlines are rounded up to a tick of a millisecond.
    let expected = [(0, 0), (900, 1_000), (3_000, 3_000), (3_001, 4_000), (7_000, 7_000), (12_000, 12_000)];
    assert_eq!(log.borrow()[..6], expected);
    assert_eq!(log.borrow()[6..], [(64_000, 64_000), (4_200_000, 4_200_000)]);
}

#[test]
fn a_reset_moves_the_deadline_and_keeps_the_waker() {
    let mut sim = Sim::new();
    let mut timer = Hand::new(sim.enter(|| sleep(ms(100))));
    let after = |to| sim.start + ms(to);
    let (later, earlier, again) = (after(200), after(80), after(90));
    assert!(timer.poll(&sim).is_pending());
    sim.enter(|| timer.0.as_mut().reset(later));
    assert_eq!(timer.0.deadline(), later);
    sim.enter(|| timer.0.as_mut().reset(earlier));
    sim.advance(ms(79));
    assert_eq!((timer.woken(), timer.0.is_elapsed()), (0, false));
    sim.advance(ms(1));
    assert_eq!((timer.woken(), timer.0.is_elapsed()), (1, true));
    assert!(timer.poll(&sim).is_ready());
    assert!(timer.poll(&sim).is_ready());
    sim.enter(|| timer.0.as_mut().reset(again));
    assert!(!sim.enter(|| timer.0.is_elapsed()));
    assert!(timer.poll(&sim).is_pending());
    sim.advance(ms(10));
    assert!(timer.poll(&sim).is_ready());
}

#[test]
fn a_reset_to_the_past_is_done_at_once() {
    let mut sim = Sim::new();
    let mut timer = Hand::new(sim.enter(|| sleep(ms(100))));
    assert!(timer.poll(&sim).is_pending());
    sim.advance(ms(50));
    let past = sim.start + ms(40);
    sim.enter(|| timer.0.as_mut().reset(past));
    assert_eq!((timer.woken(), sim.armed()), (1, 0));
    assert!(timer.poll(&sim).is_ready());
}

#[test]
fn a_reset_counts_without_a_poll() {
    let mut sim = Sim::new();
    let mut timer = Hand::new(sim.enter(|| sleep(ms(1))));
    assert!(!timer.0.is_elapsed());
    sim.advance(ms(1));
    assert!(!sim.enter(|| timer.0.is_elapsed()), "never polled");
    let deadline = sim.start + ms(5);
    sim.enter(|| timer.0.as_mut().reset(deadline));
    sim.advance(ms(3));
    assert!(!sim.enter(|| timer.0.is_elapsed()));
    sim.advance(ms(1));
    assert!(sim.enter(|| timer.0.is_elapsed()));
}

#[test]
fn a_reset_from_elsewhere_is_taken_up_by_the_next_poll() {
    let mut sim = Sim::new();
    let other = Sim::new();
    let mut timer = Hand::new(sim.enter(|| sleep(ms(100))));
    assert!(timer.poll(&sim).is_pending());
    let (inside, outside) = (sim.start + ms(30), sim.start + ms(20));
    other.enter(|| timer.0.as_mut().reset(inside));
    assert_eq!((timer.woken(), sim.armed(), other.armed()), (1, 0, 0));
    assert!(timer.poll(&sim).is_pending());
    std::thread::scope(|scope| {
        let timer = &mut timer.0;
        scope.spawn(move || timer.as_mut().reset(outside));
    });
    assert_eq!((timer.woken(), sim.armed()), (2, 0));
    assert!(timer.poll(&sim).is_pending());
    sim.advance(ms(20));
    assert_eq!(timer.woken(), 3);
    assert!(timer.poll(&sim).is_ready());
}

#[test]
fn a_dropped_sleep_leaves_nothing() {
    let sim = Sim::new();
    let mut timers: Vec<_> = (0..10).map(|i| Hand::new(sim.enter(|| sleep(ms(i + 1))))).collect();
    assert_eq!(sim.armed(), 0, "not before it is polled");
    assert!(timers.iter_mut().all(|timer| timer.poll(&sim).is_pending()));
    assert_eq!(sim.armed(), 10);
    drop(timers);
    assert_eq!(sim.armed(), 0);
}

#[test]
fn a_deadline_in_the_past_is_done_at_the_first_poll() {
    let sim = Sim::new();
    for back in [ms(0), ms(1), Duration::from_secs(24 * 3600)] {
        let deadline = sim.start - back;
        let mut timer = Hand::new(sim.enter(|| sleep_until(deadline)));
        assert_eq!(timer.0.deadline(), deadline);
        assert!(timer.poll(&sim).is_ready());
        assert!(timer.0.is_elapsed());
    }
}

#[test]
fn durations_have_no_end() {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    let mut sim = Sim::new();
    let mut timer = Hand::new(sim.enter(|| sleep(Duration::MAX)));
    let mut limit = Hand::new(sim.enter(|| timeout(Duration::MAX, std::future::pending::<()>())));
    let mut ticks = sim.enter(|| interval(Duration::MAX));
    assert!(timer.poll(&sim).is_pending() && limit.poll(&sim).is_pending());
    assert!(Hand::new(ticks.tick()).poll(&sim).is_ready());
    sim.enter(|| ticks.reset());
    sim.enter(|| ticks.reset_after(Duration::MAX));
    for year in 1..30 {
        sim.advance(YEAR);
        assert!(timer.poll(&sim).is_pending(), "{year}");
    }
    assert!(limit.poll(&sim).is_pending());
    sim.advance(YEAR);
    assert!(timer.poll(&sim).is_ready() && limit.poll(&sim).is_ready());
}

#[test]
fn a_sleep_takes_from_the_budget_when_it_is_done() {
    let sim = Sim::new();
    sim.enter(|| {
        coop::with_budget(coop::Budget::initial(), || {
            let waker = Waker::noop();
            let cx = &mut Context::from_waker(waker);
            let mut pending = pin!(sleep(ms(1)));
            for _ in 0..1_000 {
                assert!(pending.as_mut().poll(cx).is_pending());
            }
            assert!(coop::has_budget_remaining());
            let mut done = pin!(sleep(ms(0)));
            let polls = (0..1_000).take_while(|_| done.as_mut().poll(cx).is_ready()).count();
            assert_eq!(polls, usize::from(coop::INITIAL));
        });
    });
}

#[test]
fn a_sleep_whose_runtime_is_gone_says_so() {
    let sim = Sim::new();
    let mut timer = Hand::new(sim.enter(|| sleep(ms(1))));
    assert!(timer.poll(&sim).is_pending());
    drop(sim);
    assert_eq!(timer.woken(), 1);
    let other = Sim::new();
    let text = panic_text(|| timer.poll(&other));
    assert_eq!(text, "A Tokio 1.x context was found, but it is being shutdown.");
}

#[test]
fn an_interval_ticks_at_once_and_then_by_its_period() {
    let mut sim = Sim::new();
    let log = Rc::new(RefCell::new(Vec::new()));
    let ticks = log.clone();
    sim.spawn(async move {
        let start = Instant::now();
        let mut interval = interval(ms(10));
        loop {
            let at = interval.tick().await;
            ticks.borrow_mut().push((at - start, start.elapsed()));
        }
    });
    sim.settle();
    for _ in 0..35 {
        sim.advance(ms(1));
    }
    assert_eq!(*log.borrow(), [0, 10, 20, 30].map(|at| (ms(at), ms(at))));
}

/// The ticks of an interval of 10 ms that is polled at these milliseconds: for each poll, those that are ready.
fn ticks(behavior: MissedTickBehavior, polls: &[f64]) -> Vec<Vec<f64>> {
    let mut sim = Sim::new();
    let mut interval = sim.enter(|| interval_at(sim.start, ms(10)));
    interval.set_missed_tick_behavior(behavior);
    assert_eq!((interval.missed_tick_behavior(), interval.period()), (behavior, ms(10)));
    let mut at_ms = 0.0;
    let mut all = Vec::new();
    for poll_ms in polls {
        sim.advance(Duration::from_secs_f64((poll_ms - at_ms) / 1e3));
        at_ms = *poll_ms;
        let mut ready = Vec::new();
        while let Poll::Ready(at) = Hand::new(interval.tick()).poll(&sim) {
            ready.push((at - sim.start).as_secs_f64() * 1e3);
        }
        all.push(ready);
    }
    all
}

#[test]
fn missed_ticks_come_in_a_burst() {
    let ticks = ticks(MissedTickBehavior::Burst, &[0.0, 10.0, 45.0, 49.0, 50.0]);
    assert_eq!(ticks, [vec![0.0], vec![10.0], vec![20.0, 30.0, 40.0], vec![], vec![50.0]]);
}

#[test]
fn missed_ticks_delay_the_others() {
    let ticks = ticks(MissedTickBehavior::Delay, &[0.0, 10.0, 45.0, 54.0, 55.0, 65.0]);
    assert_eq!(ticks, [vec![0.0], vec![10.0], vec![20.0], vec![], vec![55.0], vec![65.0]]);
}

#[test]
fn missed_ticks_are_skipped() {
    let ticks = ticks(MissedTickBehavior::Skip, &[0.0, 10.0, 45.0, 49.0, 50.0, 80.0, 89.0, 90.0]);
    let expected = [vec![0.0], vec![10.0], vec![20.0], vec![], vec![50.0], vec![60.0], vec![], vec![90.0]];
    assert_eq!(ticks, expected);
}

#[test]
fn a_tick_is_missed_past_five_milliseconds() {
    for behavior in [MissedTickBehavior::Delay, MissedTickBehavior::Skip] {
        let on_time = ticks(behavior, &[0.0, 15.0, 20.0]);
        assert_eq!(on_time, [vec![0.0], vec![10.0], vec![20.0]]);
    }
    let late = ticks(MissedTickBehavior::Delay, &[0.0, 15.5, 20.0, 26.0]);
    assert_eq!(late, [vec![0.0], vec![10.0], vec![], vec![25.5]]);
    let late = ticks(MissedTickBehavior::Skip, &[0.0, 15.5, 19.0, 20.0]);
    assert_eq!(late, [vec![0.0], vec![10.0], vec![], vec![20.0]]);
}

#[test]
fn an_interval_is_reset() {
    type Reset = fn(&mut Interval);
    let cases: [(Reset, u64); 4] = [
        (|interval| interval.reset(), 14),
        (|interval| interval.reset_immediately(), 4),
        (|interval| interval.reset_after(ms(3)), 7),
        (|interval| interval.reset_at(Instant::now() + ms(25)), 29),
    ];
    for (reset, expected) in cases {
        for armed in [false, true] {
            let mut sim = Sim::new();
            let mut interval = sim.enter(|| interval(ms(10)));
            assert!(Hand::new(interval.tick()).poll(&sim).is_ready());
            let wakes = Arc::<Wakes>::default();
            if armed {
                let waker = Waker::from(wakes.clone());
                assert!(sim.enter(|| interval.poll_tick(&mut Context::from_waker(&waker))).is_pending());
            }
            sim.advance(ms(4));
            sim.enter(|| reset(&mut interval));
            while sim.elapsed_ms() < expected as f64 {
                assert!(!armed || wakes.0.load(Ordering::Relaxed) == 0);
                sim.advance(ms(1));
            }
            assert_eq!(wakes.0.load(Ordering::Relaxed), usize::from(armed));
            let Poll::Ready(at) = Hand::new(interval.tick()).poll(&sim) else { panic!("not due") };
            assert_eq!(at, sim.start + ms(expected));
            assert!(Hand::new(interval.tick()).poll(&sim).is_pending());
            sim.advance(ms(10));
            assert!(Hand::new(interval.tick()).poll(&sim).is_ready());
        }
    }
}

#[test]
fn a_burst_uses_the_budget_up() {
    let mut sim = Sim::new();
    let taken = Rc::new(Cell::new(0));
    let count = taken.clone();
    sim.spawn(async move {
        let mut interval = interval(ms(1));
        poll_fn(|cx| {
            while interval.poll_tick(cx).is_ready() {
                count.set(count.get() + 1);
            }
            Poll::<()>::Pending
        })
        .await;
    });
    sim.settle();
    assert_eq!(taken.replace(0), 1);
    sim.pass(ms(1_000));
    sim.settle();
    assert_eq!(taken.get(), 1_000);
}

#[test]
fn the_clock_is_paused_advanced_and_resumed() {
    let mut sim = Sim::new();
    let done = Rc::new(Cell::new(false));
    let flag = done.clone();
    sim.spawn(async move {
        let (real, start) = (std::time::Instant::now(), Instant::now());
        resume();
        pause();
        let ran = start.elapsed();
        assert!(ran <= real.elapsed(), "it goes on where it stood: {ran:?}");
        let mut sleep = Box::pin(sleep(ms(10)));
        assert!(poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx))).await.is_pending());
        let before = Instant::now();
        advance(Duration::from_micros(9_000)).await;
        assert_eq!(before.elapsed(), ms(9));
        assert!(!sleep.is_elapsed());
        advance(Duration::from_micros(2_000)).await;
        assert!(sleep.is_elapsed(), "fired before advance returns");
        flag.set(true);
    });
    sim.settle();
    assert!(done.get());
}

#[test]
fn misuse_of_the_clock_has_tokios_words() {
    const OUTSIDE: &str = "time cannot be frozen from outside the Tokio runtime";
    let sim = Sim::new();
    let advance_now = || Hand::new(advance(ms(1))).0.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(panic_text(pause), OUTSIDE);
    assert_eq!(panic_text(resume), OUTSIDE);
    assert_eq!(panic_text(advance_now), OUTSIDE);
    assert_eq!(sim.enter(|| panic_text(pause)), "time is already frozen");
    sim.enter(resume);
    assert_eq!(sim.enter(|| panic_text(resume)), "time is not frozen");
    assert_eq!(sim.enter(|| panic_text(advance_now)), "time is not frozen");

    let mesh = Mesh::new(Config::new(2), Clock::new());
    let shard = Shard::new(mesh, ShardId(0), Box::new(NoEvents));
    let text = shard.enter(|_| panic_text(pause));
    assert!(
        text.starts_with("`time::pause()` requires the `current_thread` Tokio runtime. This is the"),
        "{text}"
    );
    assert_eq!(shard.enter(|_| panic_text(resume)), "time is not frozen");
    assert_eq!(shard.enter(|_| panic_text(advance_now)), "time is not frozen");
}

#[test]
fn instants_are_the_runtimes_inside_and_the_machines_outside() {
    let sim = Sim::new();
    sim.pass(Duration::from_secs(3_600));
    assert_eq!(sim.enter(Instant::now), sim.start + Duration::from_secs(3_600));
    assert!(Instant::now() < sim.start + Duration::from_secs(1_800));
    let (start, later) = (sim.start, sim.start + ms(5));
    assert_eq!(start - later, Duration::ZERO);
    assert_eq!(start.duration_since(later), Duration::ZERO);
    assert_eq!(start.checked_duration_since(later), None);
    assert_eq!(later - start, ms(5));
    assert_eq!(start.checked_add(Duration::MAX), None);
    assert_eq!(start.checked_sub(Duration::MAX), None);
    let mut moved = start;
    moved += ms(5);
    assert_eq!(moved, later);
    moved -= ms(5);
    assert_eq!((moved, later - ms(5)), (start, start));
    assert_eq!(Instant::from_std(start.into_std()), start);
    assert_eq!(format!("{start:?}"), format!("{:?}", start.into_std()));
}

#[test]
fn errors_say_what_tokios_say() {
    assert_eq!(Elapsed::new().to_string(), "deadline has elapsed");
    assert_eq!(format!("{:?}", Elapsed::new()), "Elapsed(())");
    assert_eq!(std::io::Error::from(Elapsed::new()).kind(), std::io::ErrorKind::TimedOut);
    let shutdown = "the timer is shutdown, must be called from the context of Tokio runtime";
    assert_eq!(Error::shutdown().to_string(), shutdown);
    assert_eq!(Error::at_capacity().to_string(), "timer is at capacity and cannot create a new entry");
    assert_eq!(Error::invalid().to_string(), "timer duration exceeds maximum duration");
    let is = |error: Error| [error.is_shutdown(), error.is_at_capacity(), error.is_invalid()];
    assert_eq!(is(Error::shutdown()), [true, false, false]);
    assert_eq!(is(Error::at_capacity()), [false, true, false]);
    assert_eq!(is(Error::invalid()), [false, false, true]);
}

/// Whether a type has the auto trait, decided by which of two candidates the compiler prefers.
macro_rules! has {
    ($type:ty: $trait:ident) => {{
        struct Probe<T>(std::marker::PhantomData<T>);
        #[allow(dead_code)]
        impl<T: $trait> Probe<T> {
            fn answer(&self) -> bool {
                true
            }
        }
        #[allow(dead_code)]
        trait Otherwise {
            fn answer(&self) -> bool {
                false
            }
        }
        impl<T> Otherwise for &Probe<T> {}
        (&Probe::<$type>(std::marker::PhantomData)).answer()
    }};
}

#[test]
fn auto_traits_are_tokios() {
    macro_rules! assert_traits {
        ($($type:ty: $send:literal $sync:literal $unpin:literal;)*) => {$(
            let traits = [has!($type: Send), has!($type: Sync), has!($type: Unpin)];
            assert_eq!(traits, [$send, $sync, $unpin], stringify!($type));
        )*};
    }
    type Both = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;
    type OnlySend = Pin<Box<dyn Future<Output = ()> + Send>>;
    type Neither = Pin<Box<dyn Future<Output = ()>>>;
    assert_traits! {
        Instant: true true true;
        Sleep: true true false;
        Timeout<Both>: true true false;
        Timeout<OnlySend>: true false false;
        Timeout<Neither>: false false false;
        Interval: true true true;
        MissedTickBehavior: true true true;
        Elapsed: true true true;
        Error: true true true;
    }
    fn both<T: Send + Sync>(_: &T) {}
    both(&advance(ms(1)));
}
