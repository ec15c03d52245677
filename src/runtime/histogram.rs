//! How long polls of tasks take, and how long tasks wait for them, counted in buckets.
//!
//! Here: which buckets there are, and each worker's counts. Not here: taking the time ([`hooks`](super::hooks)), the builder's methods,
//! reading ([`RuntimeMetrics`](super::RuntimeMetrics)). Threads: any.
//!
//! A runtime that does not count has nothing of this and pays nothing: polls are timed by the wrapper that the task hooks use.

use std::error::Error;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How the buckets of a histogram grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HistogramScale {
    /// All are as wide.
    Linear,
    /// Each is twice as wide as the one before.
    Log,
}

/// Which buckets durations are counted in. The first begins at zero and the last has no end.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use corelane::runtime::{Builder, HistogramConfiguration};
///
/// let runtime = Builder::new_current_thread()
///     .enable_metrics_poll_time_histogram()
///     .metrics_poll_time_histogram_configuration(HistogramConfiguration::linear(Duration::from_micros(50), 3))
///     .build()?;
/// let metrics = runtime.metrics();
/// assert_eq!(metrics.poll_time_histogram_num_buckets(), 3);
/// assert_eq!(metrics.poll_time_histogram_bucket_range(1), Duration::from_micros(50)..Duration::from_micros(100));
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug, Clone)]
pub struct HistogramConfiguration(Buckets);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Buckets {
    Linear { width_ns: u64, len: usize },
    Log(LogHistogram),
}

/// Buckets whose width follows their value, so that each tells a duration with the same relative error.
///
/// Between two powers of two there are as many buckets as the error asks for. What is shorter than the least value is in the first
/// bucket, what is longer than the greatest in the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogHistogram {
    len: usize,
    /// Of how many buckets between two powers of two this is the logarithm.
    precision: u32,
    /// The last slot of the first bucket; see [`slot`].
    first: usize,
}

/// Makes a [`LogHistogram`].
#[derive(Debug, Clone, Copy)]
pub struct LogHistogramBuilder {
    min_value: Duration,
    max_value: Duration,
    precision: u32,
}

/// Why a histogram was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidHistogramConfiguration {
    /// It would have more buckets than it may.
    TooManyBuckets {
        /// How many it would have.
        required_bucket_count: usize,
    },
}

impl HistogramConfiguration {
    /// So many buckets of the same width.
    ///
    /// # Panics
    ///
    /// If either is zero.
    #[track_caller]
    pub fn linear(bucket_width: Duration, num_buckets: usize) -> Self {
        assert!(!bucket_width.is_zero(), "the buckets of a histogram have a width");
        assert!(num_buckets > 0, "a histogram has buckets");
        Self(Buckets::Linear { width_ns: nanos(bucket_width), len: num_buckets })
    }

    /// Buckets as wide as their values are long.
    pub fn log(configuration: impl Into<LogHistogram>) -> Self {
        Self(Buckets::Log(configuration.into()))
    }

    /// So many buckets, each twice as wide as the one before. The first is as wide as the next power of two, in nanoseconds.
    fn doubling(first_width: Duration, num_buckets: usize) -> Self {
        let width_ns = nanos(first_width).checked_next_power_of_two().unwrap_or(1 << 63);
        Self(Buckets::Log(LogHistogram { len: num_buckets, precision: 0, first: slot(width_ns, 0) - 1 }))
    }
}

impl Default for HistogramConfiguration {
    /// Ten of 100 µs.
    fn default() -> Self {
        Self::linear(Duration::from_micros(100), 10)
    }
}

impl Buckets {
    fn len(self) -> usize {
        match self {
            Self::Linear { len, .. } => len,
            Self::Log(log) => log.len,
        }
    }

    fn of(self, ns: u64) -> usize {
        let bucket = match self {
            Self::Linear { width_ns, .. } => usize::try_from(ns / width_ns).unwrap_or(usize::MAX),
            Self::Log(log) => slot(ns, log.precision).saturating_sub(log.first),
        };
        bucket.min(self.len() - 1)
    }

    fn start_ns(self, bucket: usize) -> u64 {
        match self {
            _ if bucket == 0 => 0,
            Self::Linear { width_ns, .. } => width_ns.saturating_mul(bucket as u64),
            Self::Log(log) => slot_start(log.first + bucket, log.precision),
        }
    }

    #[track_caller]
    fn range(self, bucket: usize) -> Range<Duration> {
        assert!(bucket < self.len(), "the histogram has {} buckets", self.len());
        let end = if bucket + 1 == self.len() { u64::MAX } else { self.start_ns(bucket + 1) };
        Duration::from_nanos(self.start_ns(bucket))..Duration::from_nanos(end)
    }
}

/// The place of a value among all buckets of that precision: below 2^precision each has one of its own, and from there on each power of
/// two begins a row of so many.
fn slot(value: u64, precision: u32) -> usize {
    if value < 1 << precision {
        return value as usize;
    }
    let octave = value.ilog2() - precision;
    ((octave as usize) << precision) + (value >> octave) as usize
}

/// The least value there.
fn slot_start(slot: usize, precision: u32) -> u64 {
    let row = slot >> precision;
    if row == 0 {
        return slot as u64;
    }
    let octave = row as u32 - 1;
    let within = (slot - ((octave as usize) << precision)) as u128;
    // Past the last row too, for a bucket that has nothing.
    u64::try_from(within << octave.min(u64::BITS)).unwrap_or(u64::MAX)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl LogHistogram {
    /// A builder for buckets from 100 ns to 60 s with an error of at most 25 %.
    pub fn builder() -> LogHistogramBuilder {
        LogHistogramBuilder::default()
    }

    /// The greatest number of nanoseconds that is not in the last bucket, which has no end.
    pub fn max_value(&self) -> u64 {
        Buckets::Log(*self).start_ns(self.len - 1) - 1
    }
}

impl Default for LogHistogram {
    fn default() -> Self {
        Self::builder().build()
    }
}

impl Default for LogHistogramBuilder {
    fn default() -> Self {
        Self { min_value: Duration::from_nanos(100), max_value: Duration::from_secs(60), precision: 2 }
    }
}

impl From<LogHistogramBuilder> for LogHistogram {
    fn from(builder: LogHistogramBuilder) -> Self {
        builder.build()
    }
}

const MAX_PRECISION: u32 = 10;

impl LogHistogramBuilder {
    /// The greatest relative error: how much longer than its beginning a bucket may say that a duration is. It is rounded down to a
    /// power of two; 0.25 unless set.
    ///
    /// # Panics
    ///
    /// If it is not between 0 and 1, or below 2⁻¹⁰.
    #[track_caller]
    pub fn max_error(self, max_error: f64) -> Self {
        assert!(max_error > 0.0 && max_error < 1.0, "max_error must be above 0 and below 1");
        self.precision_exact((-max_error.log2()).ceil() as u32)
    }

    /// Two to the power of this many buckets between two powers of two: an error of one to that number.
    ///
    /// # Panics
    ///
    /// If above 10.
    #[track_caller]
    pub fn precision_exact(mut self, precision: u32) -> Self {
        assert!(precision <= MAX_PRECISION, "a histogram's precision is at most {MAX_PRECISION}");
        self.precision = precision;
        self
    }

    /// The least duration with a bucket of its own kind; 100 ns unless set.
    pub fn min_value(mut self, duration: Duration) -> Self {
        self.min_value = duration;
        self
    }

    /// The greatest duration with a bucket of its own kind; 60 s unless set.
    pub fn max_value(mut self, duration: Duration) -> Self {
        self.max_value = duration;
        self
    }

    /// As [`build`](Self::build), with at most so many buckets.
    ///
    /// # Errors
    ///
    /// If it would have more.
    #[track_caller]
    pub fn max_buckets(&mut self, max_buckets: usize) -> Result<LogHistogram, InvalidHistogramConfiguration> {
        let histogram = self.build();
        if histogram.len > max_buckets {
            let required_bucket_count = histogram.len;
            return Err(InvalidHistogramConfiguration::TooManyBuckets { required_bucket_count });
        }
        Ok(histogram)
    }

    /// The histogram.
    ///
    /// # Panics
    ///
    /// If the least value is above the greatest.
    #[track_caller]
    pub fn build(&self) -> LogHistogram {
        assert!(self.min_value <= self.max_value, "a histogram's least value is above its greatest");
        let [least, greatest] =
            [self.min_value, self.max_value].map(|value| slot(nanos(value), self.precision));
        let first = least.saturating_sub(1);
        LogHistogram { len: greatest + 2 - first, precision: self.precision, first }
    }
}

impl fmt::Display for InvalidHistogramConfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::TooManyBuckets { required_bucket_count } = self;
        write!(f, "the histogram would have {required_bucket_count} buckets; allow more, or a greater error")
    }
}

impl Error for InvalidHistogramConfiguration {}

/// What a builder was told of a histogram.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    pub enabled: bool,
    pub configuration: HistogramConfiguration,
    /// What the older methods were told, which win.
    pub legacy: Option<Legacy>,
}

#[derive(Debug, Clone)]
pub(crate) struct Legacy {
    pub scale: HistogramScale,
    pub resolution: Duration,
    pub buckets: usize,
}

impl Default for Legacy {
    fn default() -> Self {
        Self { scale: HistogramScale::Linear, resolution: Duration::from_micros(100), buckets: 10 }
    }
}

impl Wanted {
    /// The histogram for so many workers, if there is to be one.
    pub fn build(self, workers: usize) -> Option<Histogram> {
        let HistogramConfiguration(buckets) = match self.legacy {
            None => self.configuration,
            Some(Legacy { scale, resolution, buckets }) => match scale {
                HistogramScale::Linear => HistogramConfiguration::linear(resolution, buckets),
                HistogramScale::Log => HistogramConfiguration::doubling(resolution, buckets),
            },
        };
        let counts = || (0..buckets.len()).map(|_| AtomicU64::new(0)).collect();
        self.enabled.then(|| Histogram { buckets, workers: (0..workers).map(|_| counts()).collect() })
    }
}

/// Each worker's counts.
pub(crate) struct Histogram {
    buckets: Buckets,
    workers: Vec<Box<[AtomicU64]>>,
}

impl Histogram {
    pub fn add(&self, worker: usize, duration: Duration) {
        // Relaxed: a count. Added and not stored: while a worker's thread blocks in place, another stands in for it.
        self.workers[worker][self.buckets.of(nanos(duration))].fetch_add(1, Ordering::Relaxed);
    }

    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    #[track_caller]
    pub fn range(&self, bucket: usize) -> Range<Duration> {
        self.buckets.range(bucket)
    }

    #[track_caller]
    pub fn count(&self, worker: usize, bucket: usize) -> u64 {
        self.workers[worker][bucket].load(Ordering::Relaxed)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn log(builder: LogHistogramBuilder) -> Buckets {
        HistogramConfiguration::log(builder).0
    }

    fn all() -> Vec<Buckets> {
        let builder = LogHistogram::builder;
        vec![
            HistogramConfiguration::default().0,
            HistogramConfiguration::linear(Duration::from_nanos(7), 1).0,
            HistogramConfiguration::linear(Duration::MAX, 3).0,
            HistogramConfiguration::doubling(Duration::from_micros(50), 3).0,
            HistogramConfiguration::doubling(Duration::MAX, 100).0,
            HistogramConfiguration::doubling(Duration::from_nanos(1), 4).0,
            log(builder()),
            log(builder().precision_exact(0)),
            log(builder().precision_exact(10).min_value(Duration::ZERO).max_value(Duration::MAX)),
            log(builder().precision_exact(0).min_value(Duration::ZERO).max_value(Duration::MAX)),
            log(builder()
                .max_error(0.01)
                .min_value(Duration::from_secs(1))
                .max_value(Duration::from_secs(1))),
        ]
    }

    #[test]
    fn buckets_follow_each_other_and_a_value_is_in_the_one_whose_range_has_it() {
        for buckets in all() {
            let mut end = Duration::ZERO;
            for bucket in 0..buckets.len() {
                let range = buckets.range(bucket);
                assert_eq!(range.start, end, "{buckets:?}, {bucket}");
                end = range.end;
                if range.is_empty() {
                    continue;
                }
                for edge in [range.start, range.end - Duration::from_nanos(1)] {
                    assert_eq!(buckets.of(nanos(edge)), bucket, "{buckets:?}, {edge:?}");
                }
            }
            assert_eq!(end, Duration::from_nanos(u64::MAX));
            assert_eq!(buckets.of(0), 0);
        }
    }

    #[test]
    fn no_bucket_between_the_least_and_the_greatest_is_wider_than_the_error() {
        for (max_error, is_exact) in [(0.5, true), (0.25, true), (0.1, false), (0.001, false)] {
            let Buckets::Log(histogram) = log(LogHistogram::builder().max_error(max_error)) else { panic!() };
            let buckets = Buckets::Log(histogram);
            let mut greatest = 0.0_f64;
            for bucket in 1..buckets.len() - 1 {
                let Range { start, end } = buckets.range(bucket);
                if end - start == Duration::from_nanos(1) {
                    continue;
                }
                greatest = greatest.max((end - start).as_secs_f64() / start.as_secs_f64());
            }
            assert!(greatest <= max_error, "{greatest} > {max_error}");
            assert!(!is_exact || greatest == max_error, "{greatest} < {max_error}");
            assert!(buckets.range(0).end <= Duration::from_nanos(100));
            assert!(buckets.range(buckets.len() - 1).start > Duration::from_secs(60));
        }
    }

    #[test]
    fn the_number_of_buckets_may_be_bounded() {
        assert_eq!(LogHistogram::default().len, 119);
        let last = Buckets::Log(LogHistogram::default());
        assert_eq!(last.of(LogHistogram::default().max_value()), 117);
        assert_eq!(last.of(LogHistogram::default().max_value() + 1), 118);
        let mut builder = LogHistogram::builder();
        assert_eq!(builder.max_buckets(119).unwrap(), LogHistogram::default());
        let error = builder.max_buckets(118).unwrap_err();
        assert_eq!(error, InvalidHistogramConfiguration::TooManyBuckets { required_bucket_count: 119 });
        assert_eq!(error.to_string(), "the histogram would have 119 buckets; allow more, or a greater error");
    }

    #[test]
    #[should_panic(expected = "precision is at most 10")]
    fn an_error_that_takes_too_many_buckets_is_refused() {
        let _ = LogHistogram::builder().max_error(0.0001);
    }
}
