//! What one run showed: how long answers took, counted from when their requests were *meant* to be sent.
//!
//! A generator that waits for a slow answer before it sends the next request leaves out what that request would have seen
//! (coordinated omission). Here each request has the time of the schedule, and what is late counts from there, be it the server
//! that was late or the generator.
//!
//! A quantile of a whole run is that of its worst moments: where the machine itself stands still for a millisecond or two again and
//! again, as virtual ones do, p99 is the machine's, whatever the server. So the window is also cut into *stretches* of some 20 ms,
//! by the time at which requests were due, and the quantile taken of each. That of the calmest quarter of them leaves out what
//! happens in fewer than three quarters, be it the machine's doing or the server's. Both are told.

use std::ops::Range;

use hdrhistogram::Histogram;
use serde::Serialize;

/// A request that is sent later than this after its time was sent late.
pub const LATE_NS: u64 = 100_000;

/// Longer ones are counted as this long: a minute.
const LONGEST_NS: u64 = 60_000_000_000;

/// About the length of a stretch.
const STRETCH_NS: u64 = 20_000_000;

/// Counts of the requests that were due within the window.
#[derive(Clone, Debug)]
pub struct Record {
    window: Range<u64>,
    latency_ns: Histogram<u64>,
    /// The latencies in nanoseconds of what was due in each stretch; those above four seconds count as that.
    stretches: Vec<Vec<u32>>,
    pub requests: u64,
    pub late: u64,
    pub latest_ns: u64,
    /// Answers that came within the window, whenever their request was due: the throughput.
    pub answers: u64,
}

impl Record {
    /// The window is in nanoseconds since the start.
    pub fn new(window: Range<u64>) -> Self {
        let latency_ns = Histogram::new_with_bounds(1, LONGEST_NS, 3).expect("three digits of a minute fit");
        let stretches = ((window.end - window.start + STRETCH_NS / 2) / STRETCH_NS).max(1);
        let stretches = vec![Vec::new(); stretches as usize];
        Self { window, latency_ns, stretches, requests: 0, late: 0, latest_ns: 0, answers: 0 }
    }

    /// A request that was due then is sent now.
    pub fn sent(&mut self, due_ns: u64, now_ns: u64) {
        if self.window.contains(&due_ns) {
            let late = now_ns - due_ns;
            self.requests += 1;
            self.late += u64::from(late > LATE_NS);
            self.latest_ns = self.latest_ns.max(late);
        }
    }

    /// The request that was due then is answered now.
    pub fn answered(&mut self, due_ns: u64, now_ns: u64) {
        self.answers += u64::from(self.window.contains(&now_ns));
        if self.window.contains(&due_ns) {
            self.latency_ns.saturating_record(now_ns - due_ns);
            let Range { start, end } = self.window;
            let stretch = (due_ns - start) as usize * self.stretches.len() / (end - start) as usize;
            self.stretches[stretch].push(u32::try_from(now_ns - due_ns).unwrap_or(u32::MAX));
        }
    }

    /// In the closed loop, before an answer counts: if it is the first one and the window is over, the window begins anew with it. A
    /// server or a generator that was kept from running for so long has shown nothing.
    pub fn begin_anew_if_empty(&mut self, now_ns: u64) {
        if self.answers == 0 && now_ns >= self.window.end {
            *self = Self::new(now_ns..now_ns + (self.window.end - self.window.start));
        }
    }

    pub fn end_ns(&self) -> u64 {
        self.window.end
    }

    /// Answers to the requests of the window.
    pub fn answered_requests(&self) -> u64 {
        self.latency_ns.len()
    }

    pub fn add(&mut self, other: &Self) {
        self.latency_ns.add(&other.latency_ns).expect("all have the same bounds");
        for (stretch, other) in self.stretches.iter_mut().zip(&other.stretches) {
            stretch.extend(other);
        }
        self.requests += other.requests;
        self.late += other.late;
        self.latest_ns = self.latest_ns.max(other.latest_ns);
        self.answers += other.answers;
    }

    /// The time within which this part of the requests was answered, in microseconds.
    pub fn within_us(&self, part: f64) -> f64 {
        self.latency_ns.value_at_quantile(part) as f64 / 1e3
    }

    /// As `within_us`, in each of the stretches that have requests.
    pub fn within_us_by_stretch(&self, part: f64) -> Vec<f64> {
        let busy = self.stretches.iter().filter(|stretch| !stretch.is_empty());
        let within = |stretch: &Vec<u32>| {
            let mut sorted = stretch.clone();
            sorted.sort_unstable();
            let rank = (part * sorted.len() as f64).ceil() as usize;
            f64::from(sorted[rank.saturating_sub(1)]) / 1e3
        };
        busy.map(within).collect()
    }

    /// Points evenly spaced on a scale of log(1 / (1 - part)), ten for each further nine, as far as there are requests beyond.
    pub fn points(&self) -> Vec<Point> {
        let beyond = |k: i32| 0.1_f64.powf(f64::from(k) / 10.0);
        let known = |k: &i32| beyond(*k) * self.latency_ns.len() as f64 >= 1.0;
        (0..)
            .take_while(known)
            .map(|k| 1.0 - beyond(k))
            .map(|part| Point { part, us: self.within_us(part) })
            .collect()
    }
}

/// This part of the requests was answered within that time.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Point {
    pub part: f64,
    pub us: f64,
}

#[cfg(test)]
mod tests {
    use super::super::schedule::{Arrivals, Rng, Schedule};
    use super::*;

    const RATE: f64 = 20_000.0;
    const MS: u64 = 1_000_000;
    const STALL: Range<u64> = 400 * MS..500 * MS;

    /// A second of load by a virtual clock. The server takes 20 µs; it stands still during the stall if it is the server's.
    /// The generator looks at its schedule every 10 µs, but not during the stall if that is its own.
    fn run(arrivals: Arrivals, server_stalls: bool, generator_stalls: bool) -> Record {
        let mut rng = Rng::new(5);
        let mut schedule = Schedule::new(RATE, arrivals, &mut rng);
        let mut record = Record::new(0..1000 * MS);
        for now in (0..1000 * MS).step_by(10_000) {
            if generator_stalls && STALL.contains(&now) {
                continue;
            }
            while let Some(due) = schedule.due(now, &mut rng) {
                record.sent(due, now);
                let start = if server_stalls && STALL.contains(&now) { STALL.end } else { now };
                record.answered(due, start + 20_000);
            }
        }
        record
    }

    fn slow(record: &Record) -> u64 {
        record
            .latency_ns
            .iter_recorded()
            .filter(|v| v.value_iterated_to() > MS)
            .map(|v| v.count_since_last_iteration())
            .sum()
    }

    #[test]
    fn a_server_that_stalls_is_slow_for_all_that_was_due_meanwhile() {
        for arrivals in [Arrivals::Fixed, Arrivals::Poisson] {
            let record = run(arrivals, true, false);
            let expected = RATE * 0.1;
            assert!((slow(&record) as f64 / expected - 1.0).abs() < 0.1, "{arrivals:?}: {}", slow(&record));
            // A tenth is slow, and evenly between nothing and the whole stall.
            let p95 = record.within_us(0.95);
            assert!((40_000.0..60_000.0).contains(&p95), "{arrivals:?}: {p95}");
            assert_eq!(record.late, 0);
            assert_eq!(record.answered_requests(), record.requests);
        }
    }

    #[test]
    fn a_generator_that_stalls_says_so_and_does_not_leave_requests_out() {
        let record = run(Arrivals::Fixed, false, true);
        assert!((slow(&record) as f64 / (RATE * 0.1) - 1.0).abs() < 0.1, "{}", slow(&record));
        assert!((record.late as f64 / (RATE * 0.1) - 1.0).abs() < 0.1, "{}", record.late);
        assert!(record.latest_ns > 99 * MS, "{}", record.latest_ns);
        assert_eq!(record.requests, 20_000);
    }

    #[test]
    fn a_stall_is_in_the_stretches_in_which_it_is() {
        let record = run(Arrivals::Poisson, true, false);
        let p99 = record.within_us_by_stretch(0.99);
        let slow: Vec<usize> = (0..50).filter(|&at| p99[at] > 1_000.0).collect();
        assert_eq!((p99.len(), slow), (50, (20..25).collect()));
        let counted: usize = record.stretches.iter().map(Vec::len).sum();
        assert_eq!(counted as u64, record.requests);
        let mut few = Record::new(0..60 * MS);
        for (due, ms) in [(0, 1), (1, 9), (59 * MS, 3)] {
            few.answered(due, due + ms * MS);
        }
        assert_eq!(few.within_us_by_stretch(0.5), [1_000.0, 3_000.0]);
        assert_eq!(few.within_us_by_stretch(1.0), [9_000.0, 3_000.0]);
        assert!(Record::new(0..MS).within_us_by_stretch(0.5).is_empty());
    }

    #[test]
    fn without_a_stall_nothing_is_slow() {
        let record = run(Arrivals::Fixed, false, false);
        assert_eq!((slow(&record), record.late), (0, 0));
        let points = record.points();
        assert_eq!(points[0].part, 0.0);
        assert!((points[10].part - 0.9).abs() < 1e-9 && (points[30].part - 0.999).abs() < 1e-9);
        assert_eq!(points.len(), 44, "20,000 requests have 4.3 nines");
    }

    #[test]
    fn only_the_window_counts() {
        let mut record = Record::new(100..200);
        for due in [99, 100, 199, 200] {
            record.sent(due, due);
        }
        record.answered(99, 100);
        record.answered(100, 150);
        record.answered(199, 500);
        record.answered(200, 600);
        assert_eq!((record.requests, record.answered_requests(), record.answers), (2, 2, 2));
    }

    #[test]
    fn a_window_without_an_answer_begins_anew_with_the_first() {
        let mut record = Record::new(100..200);
        let answered = |record: &mut Record, due, now| {
            record.begin_anew_if_empty(now);
            record.answered(due, now);
        };
        record.sent(50, 50);
        record.sent(150, 150);
        answered(&mut record, 50, 700);
        assert_eq!((record.requests, record.answered_requests(), record.answers), (0, 0, 1));
        record.sent(700, 700);
        answered(&mut record, 150, 750);
        answered(&mut record, 700, 900);
        assert_eq!((record.requests, record.answered_requests(), record.answers), (1, 1, 2));
        assert_eq!(record.end_ns(), 800);
    }
}
