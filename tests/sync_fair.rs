//! First come, first served, among tasks of several shards that ask, give up and hold for as long as a seeded generator says.
//!
//! Whoever asks takes a place in a log at the same moment, under one lock; whoever is served looks who stands before it there.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex as StdMutex};
use std::task::Poll;

use corelane::runtime::Builder;
use corelane::sync::{Mutex, RwLock, Semaphore};
use corelane::task::{JoinSet, yield_now};

const SHARDS: usize = 4;
const TASKS: u64 = 16;
const ROUNDS: usize = 150;

/// A generator of Marsaglia's. Its seed is in what a failure prints.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// Who waits, in the order in which they came, and whether they want to be alone.
#[derive(Default)]
struct Log {
    next: u64,
    waiting: VecDeque<(u64, bool)>,
}

/// Waits for the future, or polls it once and gives up.
async fn fair<F: Future>(
    log: &StdMutex<Log>,
    alone: bool,
    gives_up: bool,
    future: Pin<Box<F>>,
) -> Option<F::Output> {
    let mut future = Some(future);
    let mut place = None;
    let output = poll_fn(|cx| {
        // The first poll is the one that takes a place in the queue.
        let asks = place.is_none().then(|| log.lock().unwrap());
        if let Some(mut log) = asks {
            let n = log.next;
            log.next += 1;
            log.waiting.push_back((n, alone));
            place = Some(n);
            match future.as_mut().unwrap().as_mut().poll(cx) {
                Poll::Pending if gives_up => {
                    // With its place, so that nobody is served before it is gone from the log.
                    future = None;
                    log.waiting.retain(|(other, _)| *other != n);
                    return Poll::Ready(None);
                }
                polled => return polled.map(Some),
            }
        }
        future.as_mut().unwrap().as_mut().poll(cx).map(Some)
    })
    .await?;
    let mut log = log.lock().unwrap();
    let before = log.waiting.iter().position(|(n, _)| Some(*n) == place).unwrap();
    // Readers who were let in together may come here in any order.
    let overtaken = log.waiting.range(..before).any(|(_, other)| alone || *other);
    assert!(!overtaken, "{place:?} was served before some of {:?}", log.waiting);
    log.waiting.remove(before);
    Some(output)
}

/// Runs tasks on all shards, each with a generator of its own.
fn crowd<F: Future<Output = ()> + Send + 'static>(task: impl Fn(Random) -> F) {
    for seed in 1..4 {
        let rt = Builder::new_sharded().worker_threads(SHARDS).build().unwrap();
        println!("seed {seed}");
        let mut tasks = JoinSet::new();
        for n in 1..=TASKS {
            tasks.spawn_on(task(Random((seed << 32) + n)), rt.handle());
        }
        rt.block_on(tasks.join_all());
    }
}

/// Holds for a while, or not.
async fn hold(random: &mut Random) {
    for _ in 0..random.below(3) {
        yield_now().await;
    }
}

#[test]
fn a_mutex_is_given_in_the_order_of_asking() {
    let shared = Arc::new((Mutex::new(0), StdMutex::new(Log::default())));
    crowd(|mut random| {
        let shared = Arc::clone(&shared);
        async move {
            for _ in 0..ROUNDS {
                let gives_up = random.below(4) == 0;
                let lock = Box::pin(shared.0.lock());
                if let Some(mut n) = fair(&shared.1, true, gives_up, lock).await {
                    let seen = *n;
                    hold(&mut random).await;
                    *n = seen + 1;
                }
            }
        }
    });
    assert!(shared.1.lock().unwrap().waiting.is_empty());
    // As many as there were, less those that gave up.
    let served = *shared.0.try_lock().unwrap();
    assert!(served > TASKS as usize * ROUNDS && served <= 3 * TASKS as usize * ROUNDS, "{served}");
}

#[test]
fn permits_are_given_in_the_order_of_asking() {
    // No two have room at a time, and some are gathered for who stands first.
    const PERMITS: usize = 3;
    let shared = Arc::new((Semaphore::new(PERMITS), StdMutex::new(Log::default())));
    crowd(|mut random| {
        let shared = Arc::clone(&shared);
        async move {
            for _ in 0..ROUNDS {
                let gives_up = random.below(4) == 0;
                let acquire = Box::pin(shared.0.acquire_many(2 + random.below(2) as u32));
                if let Some(permit) = fair(&shared.1, true, gives_up, acquire).await {
                    hold(&mut random).await;
                    drop(permit.unwrap());
                }
            }
        }
    });
    assert_eq!(shared.0.available_permits(), PERMITS);
}

#[test]
fn no_reader_passes_a_writer_who_waits() {
    let shared = Arc::new((RwLock::new((0, 0)), StdMutex::new(Log::default())));
    crowd(|mut random| {
        let shared = Arc::clone(&shared);
        async move {
            for _ in 0..ROUNDS {
                let gives_up = random.below(4) == 0;
                if random.below(4) == 0 {
                    let write = Box::pin(shared.0.write());
                    if let Some(mut pair) = fair(&shared.1, true, gives_up, write).await {
                        pair.0 += 1;
                        hold(&mut random).await;
                        pair.1 += 1;
                    }
                } else {
                    let read = Box::pin(shared.0.read());
                    if let Some(pair) = fair(&shared.1, false, gives_up, read).await {
                        assert_eq!(pair.0, pair.1);
                        hold(&mut random).await;
                        assert_eq!(pair.0, pair.1);
                    }
                }
            }
        }
    });
    let pair = *shared.0.try_write().unwrap();
    assert!(pair.0 == pair.1 && pair.0 > 0, "{pair:?}");
}
