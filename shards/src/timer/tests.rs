use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

use super::{Clock, Counts, Entry, Filed, Lane, NEVER, Status};

const MS: u64 = 1_000_000;
const YEAR: u64 = 365 * 24 * 3600 * 1_000 * MS;

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

struct Timer {
    entry: Pin<Box<Entry>>,
    wakes: Arc<Wakes>,
}

impl Timer {
    fn new() -> Self {
        Self { entry: Box::pin(Entry::new()), wakes: Arc::default() }
    }

    fn armed(lane: &Lane, deadline_ns: u64) -> Self {
        let mut timer = Self::new();
        assert_ne!(timer.arm(lane, deadline_ns), Filed::Refused);
        timer
    }

    fn arm(&mut self, lane: &Lane, deadline_ns: u64) -> Filed {
        let waker = Waker::from(self.wakes.clone());
        self.entry.as_mut().arm(lane, deadline_ns, waker)
    }

    fn wakes(&self) -> usize {
        self.wakes.0.load(Ordering::Relaxed)
    }
}

/// xorshift64*: seeded, so that a failure can be run again.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((u128::from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)) * u128::from(end)) >> 64) as u64
    }

    /// Mostly near, sometimes beyond two years, with all magnitudes between.
    fn span_ns(&mut self) -> u64 {
        let magnitude = self.below(58);
        self.below(1 << magnitude)
    }
}

/// Prints the seed when the run it stands for panics.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}", self.0);
        }
    }
}

/// Runs a lane beside a map from timer to deadline.
fn run_beside_model(seed: u64, resolution_us: u32, steps: usize) {
    let _seed = Seed(seed);
    let tick_ns = u64::from(resolution_us) * 1_000;
    let mut random = Random(seed);
    let mut now = random.span_ns();
    let lane = Lane::new(resolution_us, now);
    let mut timers: Vec<Timer> = (0..64).map(|_| Timer::new()).collect();
    let mut deadlines: BTreeMap<usize, u64> = BTreeMap::new();
    // Armed for a duration, which began by now, and not dated.
    let mut undated: BTreeMap<usize, u64> = BTreeMap::new();
    let mut expected = Counts::default();
    for _ in 0..steps {
        let id = random.below(timers.len() as u64) as usize;
        let deadline = if random.below(20) == 0 { now / 2 } else { now.saturating_add(random.span_ns()) };
        let known = lane.next_deadline_ns();
        match random.below(10) {
            0 | 1 => {
                let wakes = timers[id].wakes();
                expected.cancelled += u64::from(deadlines.contains_key(&id) || undated.remove(&id).is_some());
                let filed = timers[id].arm(&lane, deadline);
                assert!(filed == Filed::Earliest || lane.next_deadline_ns() == known);
                assert_eq!(timers[id].wakes(), wakes);
                deadlines.insert(id, deadline);
            }
            2 => {
                let cancelled = timers[id].entry.as_mut().cancel();
                assert_eq!(cancelled, deadlines.remove(&id).or(undated.remove(&id)).is_some());
                expected.cancelled += u64::from(cancelled);
            }
            3 => {
                if deadlines.remove(&id).or(undated.remove(&id)).is_some() {
                    expected.cancelled += 1;
                }
                timers[id] = Timer::new();
            }
            4 => {
                let filed = timers[id].entry.as_mut().reset(deadline);
                let was_undated = undated.remove(&id).is_some();
                assert_eq!(filed == Filed::Refused, !deadlines.contains_key(&id) && !was_undated);
                assert!(filed == Filed::Earliest || lane.next_deadline_ns() == known);
                if was_undated {
                    deadlines.insert(id, deadline);
                }
                deadlines.entry(id).and_modify(|d| *d = deadline);
            }
            5 => {
                let until = lane.settle();
                assert_eq!(until == NEVER, deadlines.is_empty() && undated.is_empty());
                assert_eq!(until, lane.next_deadline_ns());
            }
            6 => {
                let (span, waker) = (random.span_ns().min(NEVER / 4), Waker::from(timers[id].wakes.clone()));
                expected.cancelled += u64::from(deadlines.remove(&id).or(undated.remove(&id)).is_some());
                assert_eq!(timers[id].entry.as_mut().arm_for(&lane, span, now, waker), Filed::Later);
                undated.insert(id, span);
                assert_eq!(lane.undated() as usize, undated.len());
            }
            7 if undated.contains_key(&id) => {
                // Whoever asks for a deadline has it dated, once.
                let at = now + undated.remove(&id).expect("as just seen");
                assert_eq!(timers[id].entry.deadline_ns(|| now), at);
                assert_eq!(timers[id].entry.deadline_ns(|| unreachable!("it is known")), at);
                deadlines.insert(id, at);
            }
            _ => {
                now = match random.below(3) {
                    0 if lane.next_deadline_ns() != NEVER => now.max(lane.next_deadline_ns()),
                    _ => now.saturating_add(random.span_ns()),
                }
                .min(NEVER / 2);
                lane.date(|| now);
                for (id, span) in std::mem::take(&mut undated) {
                    deadlines.insert(id, now + span);
                    assert_eq!(timers[id].entry.deadline_ns(|| unreachable!("it is known")), now + span);
                }
                let before: Vec<usize> = timers.iter().map(Timer::wakes).collect();
                let fired = lane.turn(now);
                for (id, timer) in timers.iter().enumerate() {
                    let woken = timer.wakes() - before[id];
                    match deadlines.get(&id) {
                        Some(&deadline) if woken == 1 => {
                            assert!(deadline <= now, "fired {} ns early", deadline - now);
                            assert_eq!(timer.entry.status(), Status::Fired);
                            deadlines.remove(&id);
                        }
                        Some(&deadline) => {
                            assert_eq!(woken, 0);
                            assert!(now < deadline + tick_ns, "late by {} ns", now - deadline);
                            assert_eq!(timer.entry.status(), Status::Armed);
                        }
                        None => assert_eq!(woken, 0, "woken without being armed"),
                    }
                }
                expected.fired += fired as u64;
                assert!(lane.next_deadline_ns() > now, "a turn left something due");
            }
        }
        expected.armed = (deadlines.len() + undated.len()) as u64;
        assert_eq!(lane.counts(), expected);
        let undated_due = undated.values().map(|span| now + span);
        if let Some(earliest) = deadlines.values().copied().chain(undated_due).min() {
            let published = lane.next_deadline_ns();
            assert!(published < now.max(earliest).saturating_add(tick_ns), "a sleeper would oversleep");
        }
    }
}

#[test]
fn agrees_with_a_sorted_map() {
    let (seeds, steps) = if cfg!(miri) { (1, 20) } else { (60, 2_000) };
    for seed in 1..=seeds {
        run_beside_model(seed, 1_000, steps);
        run_beside_model(seed + 1_000, 50, steps);
        run_beside_model(seed + 2_000, 333, steps / 4);
    }
}

#[test]
fn a_sleeper_reaches_the_deadline_in_few_steps() {
    for deadline in
        [1, MS, 63 * MS, 64 * MS, 2_047 * MS, 4_097 * MS, YEAR / 7, 2 * YEAR, 200 * YEAR, NEVER / 2]
    {
        let lane = Lane::new(1_000, 0);
        let timer = Timer::armed(&lane, deadline);
        let mut steps = 0;
        while !timer.entry.is_fired() {
            steps += 1;
            let next = lane.settle();
            assert!(timer.wakes() == 0 && next < deadline + MS);
            lane.turn(next);
        }
        // One step unless the last level's window, 69 years less a slot, is too short.
        assert_eq!(steps as u64, 1 + deadline / (68 * YEAR), "{deadline}");
        assert_eq!((timer.wakes(), lane.settle()), (1, NEVER));
    }
}

#[test]
fn the_last_level_goes_round() {
    // Start just before the places of the last level are used for the second time.
    let lane = Lane::new(1_000, 0);
    let round = (1 << 41) * MS;
    lane.turn(0);
    let outpost = Timer::armed(&lane, round - 2 * MS);
    lane.turn(lane.settle());
    lane.turn(lane.settle());
    assert!(outpost.entry.is_fired());
    let behind: Vec<Timer> = (0..200).map(|i| Timer::armed(&lane, round - MS + i * 40 * MS)).collect();
    for i in 0..200 {
        lane.turn(round - MS + i * 40 * MS - 1);
        assert_eq!(behind.iter().filter(|t| t.entry.is_fired()).count() as u64, i);
    }
    lane.turn(round + YEAR);
    assert!(behind.iter().all(|t| t.wakes() == 1));
}

#[test]
fn ticks_fire_in_order_and_in_the_order_armed() {
    struct Note(std::sync::Mutex<Vec<u64>>);
    struct Numbered(Arc<Note>, u64);
    impl Wake for Numbered {
        fn wake(self: Arc<Self>) {
            self.0.0.lock().unwrap().push(self.1);
        }
    }
    let note = Arc::new(Note(Default::default()));
    let lane = Lane::new(1_000, 0);
    let mut random = Random(7);
    let mut entries = Vec::new();
    for number in 0..1_000 {
        let tick = random.below(50) * 100;
        let mut entry = Box::pin(Entry::new());
        let waker = Waker::from(Arc::new(Numbered(note.clone(), tick * 1_000 + number)));
        let _ = entry.as_mut().arm(&lane, tick * MS, waker);
        entries.push(entry);
    }
    // More than one turn's work.
    while lane.next_deadline_ns() <= YEAR {
        lane.turn(YEAR);
    }
    let order = note.0.lock().unwrap();
    assert_eq!(order.len(), 1_000);
    assert!(order.is_sorted());
}

#[test]
fn what_comes_next_has_come_down_before() {
    let lane = Lane::new(1_000, 0);
    // Ten thousand for one slot of level 1, and in each tick before that a timer by which the lane is turned.
    let near: Vec<Timer> = (64..96).cycle().take(10_000).map(|tick| Timer::armed(&lane, tick * MS)).collect();
    let _before: Vec<Timer> = (1..64).map(|tick| Timer::armed(&lane, tick * MS)).collect();
    for tick in 1..64 {
        assert_eq!(lane.turn(tick * MS), 1);
    }
    // In one turn, which could bring down a fifth of them at most.
    let due = near.iter().step_by(32).count();
    assert_eq!(lane.turn(64 * MS), due);
}

#[test]
fn a_turn_leaves_some_work_to_the_next() {
    let lane = Lane::new(1_000, 0);
    let timers: Vec<Timer> = (0..2_000).map(|_| Timer::armed(&lane, MS)).collect();
    let mut turns = 0;
    while lane.next_deadline_ns() <= MS {
        assert!(lane.turn(MS) <= 2_000 / 3, "others would wait for a third of the timers");
        turns += 1;
    }
    assert!(turns > 3);
    assert!(timers.iter().all(|timer| timer.wakes() == 1));
}

#[test]
fn postponing_does_not_move_the_next_deadline_until_it_comes() {
    let lane = Lane::new(1_000, 0);
    let mut timer = Timer::armed(&lane, 10 * MS);
    for i in 11..1_000 {
        assert_eq!(timer.entry.as_mut().reset(i * MS), Filed::Later);
    }
    assert_eq!(lane.next_deadline_ns(), 10 * MS);
    assert_eq!(lane.turn(10 * MS), 0);
    assert_eq!(lane.next_deadline_ns(), 999 * MS);
    assert_eq!(timer.entry.as_mut().reset(20 * MS), Filed::Earliest);
    assert_eq!((lane.turn(20 * MS - 1), lane.turn(20 * MS)), (0, 1));
    assert_eq!(timer.entry.as_mut().reset(30 * MS), Filed::Refused);
    assert_eq!(timer.entry.status(), Status::Idle);
}

#[test]
fn settle_forgets_what_was_cancelled() {
    let lane = Lane::new(1_000, 0);
    let mut early = Timer::armed(&lane, 10 * MS);
    let _late = Timer::armed(&lane, 500 * MS);
    assert!(early.entry.as_mut().cancel());
    assert_eq!((lane.next_deadline_ns(), lane.settle()), (10 * MS, 500 * MS));
    assert_eq!(early.arm(&lane, 20 * MS), Filed::Earliest);
}

#[test]
fn the_waker_set_last_is_woken() {
    let lane = Lane::new(1_000, 0);
    let mut timer = Timer::armed(&lane, MS);
    let other = Arc::new(Wakes::default());
    assert_eq!(timer.entry.as_mut().set_waker(&Waker::from(other.clone())), Status::Armed);
    assert_eq!(timer.entry.as_mut().set_waker(&Waker::from(other.clone())), Status::Armed);
    assert_eq!(lane.turn(MS), 1);
    assert_eq!((timer.wakes(), other.0.load(Ordering::Relaxed)), (0, 1));
    assert_eq!(Arc::strong_count(&timer.wakes), 1);
    assert_eq!(timer.entry.as_mut().set_waker(&Waker::from(other.clone())), Status::Fired);
    drop(timer);
    assert_eq!(Arc::strong_count(&other), 1);
}

#[test]
fn close_wakes_everyone_and_refuses_from_then_on() {
    let lane = Lane::new(1_000, 0);
    let mut timers: Vec<Timer> = (0..100).map(|i| Timer::armed(&lane, i * i * 1_000 * MS)).collect();
    lane.close();
    lane.close();
    for timer in &mut timers {
        assert_eq!((timer.entry.status(), timer.wakes()), (Status::Closed, 1));
        assert_eq!(timer.arm(&lane, 0), Filed::Refused);
        assert_eq!(timer.entry.status(), Status::Closed);
        assert_eq!(Arc::strong_count(&timer.wakes), 1);
    }
    assert_eq!((lane.turn(YEAR), lane.settle(), lane.counts().armed), (0, NEVER, 0));
}

#[test]
fn an_entry_may_outlive_its_lane_and_the_door_gets_another() {
    let mut orphan = Timer::armed(&Lane::new(1_000, 0), MS);
    assert_eq!((orphan.entry.status(), orphan.wakes()), (Status::Closed, 1));
    let lanes: Vec<Lane> = (0..8).map(|_| Lane::new(1_000, 0)).collect();
    let others: Vec<Timer> = lanes.iter().map(|lane| Timer::armed(lane, MS)).collect();
    assert!(!orphan.entry.as_mut().cancel());
    assert_eq!(orphan.entry.as_mut().reset(0), Filed::Refused);
    drop(orphan);
    assert!(lanes.iter().all(|lane| lane.turn(MS) == 1 && lane.counts().cancelled == 0));
    assert!(others.iter().all(|other| other.entry.is_fired()));
}

#[test]
fn threads_arm_reset_and_cancel_while_two_turn() {
    let lane = Lane::new(50, 0);
    let clock = Clock::new();
    let start = clock.now_ns();
    let busy = AtomicUsize::new(3);
    std::thread::scope(|scope| {
        for seed in 1..=3 {
            let (lane, clock, busy) = (&lane, &clock, &busy);
            scope.spawn(move || {
                let mut random = Random(seed);
                let mut timers: Vec<Timer> = (0..32).map(|_| Timer::new()).collect();
                for _ in 0..if cfg!(miri) { 100 } else { 20_000 } {
                    let timer = &mut timers[random.below(32) as usize];
                    let deadline = clock.now_ns() - start + random.below(MS / 4);
                    match random.below(4) {
                        0 => _ = timer.entry.as_mut().cancel(),
                        1 => _ = timer.entry.as_mut().reset(deadline),
                        2 => *timer = Timer::new(),
                        _ => _ = timer.arm(lane, deadline),
                    }
                }
                busy.fetch_sub(1, Ordering::Relaxed);
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                while busy.load(Ordering::Relaxed) > 0 {
                    lane.turn(clock.now_ns() - start);
                }
            });
        }
    });
    lane.turn(YEAR);
    assert_eq!((lane.counts().armed, lane.settle()), (0, NEVER));
}

#[test]
fn a_paused_clock_moves_only_when_told() {
    let clock = Clock::new();
    assert!(!clock.is_paused() && !clock.resume() && !clock.advance(Duration::from_millis(1)));
    let before = clock.now_ns();
    assert!(clock.pause() && clock.is_paused() && !clock.pause());
    let paused = clock.now_ns();
    assert!(before <= paused && paused == clock.now_ns());
    assert!(clock.advance(Duration::from_secs(5)));
    assert_eq!(clock.now_ns(), paused + 5_000 * MS);
    assert_eq!(clock.from_instant(clock.now()), paused + 5_000 * MS);
    assert!(clock.resume() && !clock.is_paused());
    assert!(clock.now_ns() >= paused + 5_000 * MS);
    assert!(clock.pause() && clock.advance(Duration::MAX));
    assert_eq!(clock.now_ns(), NEVER - 1, "never is not reached");
    assert!(clock.resume());
    assert_eq!(clock.now_ns(), NEVER - 1);
}

#[test]
fn a_paused_clock_and_exact_milliseconds_fire_on_the_spot() {
    let clock = Clock::new();
    assert!(clock.pause());
    let start = clock.now_ns();
    let lane = Lane::new(1_000, start);
    let timers: Vec<Timer> = [1, 60, 450].map(|ms| Timer::armed(&lane, start + ms * MS)).into();
    for (fired, timer) in timers.iter().enumerate() {
        let idle = lane.settle() - clock.now_ns();
        assert!(clock.advance(Duration::from_nanos(idle)));
        assert_eq!(lane.turn(clock.now_ns()), 1);
        assert!(timer.entry.is_fired() && fired < 3);
    }
    assert_eq!(clock.now_ns(), start + 450 * MS);
}

#[test]
fn instants_and_numbers_agree() {
    let clock = Clock::new();
    let instant = std::time::Instant::now();
    assert_eq!(clock.to_instant(clock.from_instant(instant)), instant);
    assert_eq!(Clock::new().from_instant(instant), clock.from_instant(instant));
    assert!(clock.from_instant(clock.now()) >= clock.from_instant(instant));
}

#[test]
fn a_closed_lane_leaves_undated_entries_marked_and_their_deadlines_told() {
    let lane = Lane::new(1_000, 0);
    let mut timer = Timer::new();
    let waker = || Waker::from(Arc::<Wakes>::default());
    assert_eq!(timer.entry.as_mut().arm_for(&lane, 5 * MS, 2 * MS, waker()), Filed::Later);
    assert_eq!(lane.next_deadline_ns(), 7 * MS, "a time before which it is not due");
    lane.close();
    assert_eq!((timer.entry.status(), lane.undated(), lane.next_deadline_ns()), (Status::Closed, 0, NEVER));
    assert_eq!(timer.entry.deadline_ns(|| 3 * MS), 8 * MS);
    let mut refused = Timer::new();
    assert_eq!(refused.entry.as_mut().arm_for(&lane, MS, 0, waker()), Filed::Refused);
    assert_eq!((refused.entry.status(), lane.undated()), (Status::Closed, 0));
}

#[test]
fn an_entry_is_not_lost_if_nobody_can_tell_the_time() {
    let lane = Lane::new(1_000, 0);
    let mut timers = [(); 3].map(|()| Timer::new());
    for Timer { entry, wakes } in &mut timers {
        assert_eq!(entry.as_mut().arm_for(&lane, MS, 0, Waker::from(wakes.clone())), Filed::Later);
    }
    let no_time = || std::panic::resume_unwind(Box::new("no time"));
    let asked = std::panic::AssertUnwindSafe(|| timers[1].entry.deadline_ns(no_time));
    assert!(std::panic::catch_unwind(asked).is_err());
    assert_eq!(lane.undated(), 3);
    lane.date(|| 0);
    assert_eq!(lane.turn(MS), 3);
}
