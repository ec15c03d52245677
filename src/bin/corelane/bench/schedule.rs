//! When requests are due, on which connection, and how much work they ask for. All of it follows from a seed, so each server
//! gets the same load.
//!
//! Here: pure decisions on times in nanoseconds since the start. Not here: a clock or a socket.

use clap::ValueEnum;
use serde::Serialize;

/// Gaps between requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Arrivals {
    /// Of exponential length, as many clients have that do not know of each other. The short gaps among them queue up, which is
    /// what a server meets in life.
    Poisson,
    /// All the same, as from one clock.
    Fixed,
}

/// How the work of requests is distributed. All have the same mean, so that a server that is as busy differs by nothing but the
/// dispersion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Work {
    Constant,
    Exponential,
    /// 99.5% of 5 µs and 0.5% of 500 µs.
    Bimodal,
}

/// Nanoseconds.
const SHORT: u32 = 5_000;
const LONG: u32 = 500_000;
const LONG_SHARE: f64 = 0.005;
const MEAN: u32 = 7_475;
const _: () = assert!(MEAN as u64 * 1_000 == SHORT as u64 * 995 + LONG as u64 * 5);

impl Work {
    /// What a request asks for, in nanoseconds.
    pub fn draw(self, rng: &mut Rng) -> u32 {
        match self {
            Self::Constant => MEAN,
            Self::Exponential => (f64::from(MEAN) * rng.exponential()) as u32,
            Self::Bimodal if rng.unit() <= LONG_SHARE => LONG,
            Self::Bimodal => SHORT,
        }
    }
}

/// Which connections carry the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
pub enum Skew {
    /// All the same.
    #[serde(rename = "even")]
    Even,
    /// A tenth of the connections carries nine tenths.
    #[serde(rename = "90/10")]
    #[value(name = "90/10")]
    Tenth,
    /// One connection carries half.
    #[serde(rename = "hot")]
    Hot,
}

impl Skew {
    /// How many connections are hot, and what they carry together.
    fn hot(self, connections: usize) -> (usize, f64) {
        match self {
            Self::Even => (0, 0.0),
            Self::Tenth => ((connections / 10).max(1), 0.9),
            Self::Hot => (1, 0.5),
        }
    }
}

/// A thread's part of the connections, the hot ones first, and how it picks one of them.
///
/// Connection `i` of all belongs to thread `i % threads`, as its connection `i / threads`.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    pub connections: usize,
    /// What this thread carries of all requests.
    pub share: f64,
    hot: usize,
    /// What its hot ones carry of the thread's requests.
    hot_share: f64,
}

impl Part {
    pub fn new(skew: Skew, connections: usize, thread: usize, threads: usize) -> Self {
        let own = |all: usize| (all + threads - 1 - thread) / threads;
        let (hot, carried) = skew.hot(connections);
        let cold = connections - hot;
        // Where all are hot, they carry everything.
        let carried = if cold == 0 { 1.0 } else { carried };
        let each = |of: usize, carried: f64| if of == 0 { 0.0 } else { carried / of as f64 };
        let hot_part = own(hot) as f64 * each(hot, carried);
        let share = hot_part + (own(connections) - own(hot)) as f64 * each(cold, 1.0 - carried);
        let hot_share = if share > 0.0 { hot_part / share } else { 0.0 };
        Self { connections: own(connections), share, hot: own(hot), hot_share }
    }

    pub fn pick(&self, rng: &mut Rng) -> usize {
        if self.hot == self.connections || (self.hot > 0 && rng.unit() <= self.hot_share) {
            rng.below(self.hot)
        } else {
            self.hot + rng.below(self.connections - self.hot)
        }
    }
}

/// When requests are due. They are whether or not the server answers, and whether or not the generator is on time.
#[derive(Debug)]
pub struct Schedule {
    arrivals: Arrivals,
    gap_ns: f64,
    /// Kept as a float, since a gap is no whole number of nanoseconds, and what is cut off would change the rate.
    next_ns: f64,
}

impl Schedule {
    /// `rate` is in requests a second.
    pub fn new(rate: f64, arrivals: Arrivals, rng: &mut Rng) -> Self {
        let mut schedule = Self { arrivals, gap_ns: 1e9 / rate, next_ns: 0.0 };
        // A phase of its own, or the threads of a fixed schedule would send at the same moment.
        schedule.next_ns = schedule.gap_ns * rng.unit();
        schedule
    }

    pub fn next_ns(&self) -> u64 {
        self.next_ns as u64
    }

    /// The time that the next request was meant for, if that has come.
    pub fn due(&mut self, now_ns: u64, rng: &mut Rng) -> Option<u64> {
        let due = self.next_ns();
        if due > now_ns {
            return None;
        }
        self.next_ns += match self.arrivals {
            Arrivals::Poisson => self.gap_ns * rng.exponential(),
            Arrivals::Fixed => self.gap_ns,
        };
        Some(due)
    }
}

/// SplitMix64: chance enough for a load, from eight lines.
#[derive(Debug)]
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Above 0, at most 1.
    pub fn unit(&mut self) -> f64 {
        ((self.bits() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    /// Of mean 1.
    fn exponential(&mut self) -> f64 {
        -self.unit().ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: usize = 200_000;

    #[test]
    fn all_work_has_the_same_mean() {
        for work in [Work::Constant, Work::Exponential, Work::Bimodal] {
            let mut rng = Rng::new(1);
            let sum: f64 = (0..DRAWS).map(|_| f64::from(work.draw(&mut rng))).sum();
            let mean = sum / DRAWS as f64;
            assert!((mean / f64::from(MEAN) - 1.0).abs() < 0.03, "{work:?}: {mean}");
        }
    }

    #[test]
    fn a_schedule_keeps_its_rate() {
        for arrivals in [Arrivals::Poisson, Arrivals::Fixed] {
            let mut rng = Rng::new(7);
            let mut schedule = Schedule::new(30_000.0, arrivals, &mut rng);
            let mut due = Vec::new();
            while let Some(at) = schedule.due(10_000_000_000, &mut rng) {
                due.push(at);
            }
            assert!(due.is_sorted(), "{arrivals:?}");
            let off = due.len() as f64 / 300_000.0 - 1.0;
            assert!(off.abs() < 0.01, "{arrivals:?}: {}", due.len());
        }
    }

    #[test]
    fn skew_holds_for_any_number_of_threads() {
        for (skew, hot, carried) in [(Skew::Even, 6, 0.094), (Skew::Tenth, 6, 0.9), (Skew::Hot, 1, 0.5)] {
            for threads in [1, 3, 64] {
                let parts: Vec<Part> =
                    (0..threads).map(|thread| Part::new(skew, 64, thread, threads)).collect();
                assert_eq!(parts.iter().map(|part| part.connections).sum::<usize>(), 64);
                assert!((parts.iter().map(|part| part.share).sum::<f64>() - 1.0).abs() < 1e-9);
                let mut rng = Rng::new(3);
                let mut on_hot = 0.0;
                for (thread, part) in parts.iter().enumerate() {
                    let hits = (0..DRAWS).filter(|_| part.pick(&mut rng) * threads + thread < hot).count();
                    on_hot += part.share * hits as f64 / DRAWS as f64;
                }
                assert!((on_hot - carried).abs() < 0.01, "{skew:?} of {threads}: {on_hot}");
            }
        }
    }

    #[test]
    fn a_lone_connection_carries_everything() {
        for skew in [Skew::Even, Skew::Tenth, Skew::Hot] {
            let part = Part::new(skew, 1, 0, 1);
            assert_eq!((part.connections, part.share), (1, 1.0));
            assert_eq!(part.pick(&mut Rng::new(1)), 0);
        }
    }
}
