//! Rows in which tasks on two cores use one channel, notification or semaphore at the same time. The bodies are written once
//! and stand here twice, over Corelane's types and over Tokio's.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{CROWD, Size};
use crate::crowd::Crowd;
use crate::runtimes::Rt;
use crate::two_cores::TwoCores;

/// Room of the channels, and how much is sent before the sender waits for its receivers.
pub const ROOM: u64 = 64;
/// What tells a receiver that a part is over.
const END: u64 = u64::MAX;

/// Warms up and times the left side. What it holds is dropped before the right side is waited for.
fn timed<T, F>(
    size: Size,
    left: impl Fn(u64) -> F + Send + 'static,
    right: impl Future<Output = ()> + Send + 'static,
) -> Duration
where
    T: TwoCores,
    F: Future<Output = ()> + Send,
{
    let left = async move {
        left(size.warm).await;
        let start = Instant::now();
        left(size.batches).await;
        start.elapsed()
    };
    T::run(left, right)
}

/// A crowd of tasks on this core, until the last one ends.
async fn crowd<R: Rt, F: Future<Output = ()> + Send + 'static>(make: impl Fn() -> F + Send) {
    let tasks: Vec<_> = (0..CROWD).map(|_| R::spawn(make())).collect();
    for task in tasks {
        task.await.expect("the task ends well");
    }
}

/// So many parts of as many values as the channels have room, each waited for by all who read it.
async fn publish(count: u64, arrived: Arc<Crowd>, send: impl Fn(u64)) {
    for _ in 0..count {
        (1..ROOM).for_each(&send);
        send(END);
        arrived.wait().await;
    }
}

macro_rules! bodies {
    ($(#[$doc:meta])* $module:ident: $krate:ident) => {
        $(#[$doc])*
        pub mod $module {
            use super::*;
            use $krate::sync::{Notify, Semaphore, broadcast, mpsc, watch};

            /// A crowd sends to one receiver on the other core. A batch is a value of each.
            pub fn mpsc<T: TwoCores>(size: Size) -> Duration {
                let (tx, mut rx) = mpsc::channel(ROOM as usize);
                let arrived = Arc::new(Crowd::new(1));
                let all = Arc::clone(&arrived);
                let left = move |count| {
                    let (tx, all) = (tx.clone(), Arc::clone(&all));
                    async move {
                        crowd::<T::Rt, _>(|| {
                            let tx = tx.clone();
                            async move {
                                for i in 0..count {
                                    tx.send(i).await.expect("the receiver is here");
                                }
                            }
                        })
                        .await;
                        tx.send(END).await.expect("the receiver is here");
                        all.wait().await;
                    }
                };
                let right = async move {
                    while let Some(i) = rx.recv().await {
                        if i == END {
                            arrived.arrive();
                        }
                    }
                };
                timed::<T, _>(size, left, right)
            }

            /// One task sends to a crowd on the other core, and waits for it when the channel is full. A batch fills it once.
            pub fn broadcast<T: TwoCores>(size: Size) -> Duration {
                let tx = broadcast::Sender::new(ROOM as usize);
                let (arrived, receivers) = crowd_of_receivers(|| tx.subscribe());
                let all = Arc::clone(&arrived);
                let left = move |count| {
                    let tx = tx.clone();
                    publish(count, Arc::clone(&all), move |i| {
                        tx.send(i).expect("the receivers are here");
                    })
                };
                let right = each::<T::Rt, _, _>(receivers, move |mut rx: broadcast::Receiver<u64>| {
                    let arrived = Arc::clone(&arrived);
                    async move {
                        let mut last = 0;
                        while let Ok(i) = rx.recv().await {
                            assert!(i == last + 1 || i == END, "{i} follows {last}");
                            last = i;
                            if i == END {
                                last = 0;
                                arrived.arrive();
                            }
                        }
                    }
                });
                timed::<T, _>(size, left, right)
            }

            /// One task changes what a crowd on the other core watches; a batch is as many changes as the channels have room.
            pub fn watch<T: TwoCores>(size: Size) -> Duration {
                let tx = watch::Sender::new(0);
                let (arrived, receivers) = crowd_of_receivers(|| tx.subscribe());
                let all = Arc::clone(&arrived);
                let left = move |count| {
                    let tx = tx.clone();
                    publish(count, Arc::clone(&all), move |i| {
                        tx.send(i).expect("the receivers are here");
                    })
                };
                let right = each::<T::Rt, _, _>(receivers, move |mut rx: watch::Receiver<u64>| {
                    let arrived = Arc::clone(&arrived);
                    async move {
                        while rx.changed().await.is_ok() {
                            if *rx.borrow_and_update() == END {
                                arrived.arrive();
                            }
                        }
                    }
                });
                timed::<T, _>(size, left, right)
            }

            /// A crowd of pairs across the cores, each over two notifications. A batch is a round trip of each.
            pub fn notify<T: TwoCores>(size: Size) -> Duration {
                let pairs: Arc<[(Notify, Notify)]> = (0..CROWD).map(|_| Default::default()).collect();
                let over = Arc::new(AtomicBool::new(false));
                let (rights, end) = (Arc::clone(&pairs), Arc::clone(&over));
                let left = async move {
                    let trips = |count| {
                        let sides = (0..pairs.len()).map(|i| (i, Arc::clone(&pairs))).collect();
                        each::<T::Rt, _, _>(sides, move |(i, pairs): (usize, Arc<[(Notify, Notify)]>)| async move {
                            for _ in 0..count {
                                pairs[i].0.notify_one();
                                pairs[i].1.notified().await;
                            }
                        })
                    };
                    trips(size.warm).await;
                    let start = Instant::now();
                    trips(size.batches).await;
                    let elapsed = start.elapsed();
                    end.store(true, Ordering::Release);
                    pairs.iter().for_each(|(there, _)| there.notify_one());
                    elapsed
                };
                let sides = (0..rights.len()).map(|i| (i, Arc::clone(&rights), Arc::clone(&over))).collect();
                type Side = (usize, Arc<[(Notify, Notify)]>, Arc<AtomicBool>);
                let right = each::<T::Rt, _, _>(sides, |(i, pairs, over): Side| async move {
                    loop {
                        pairs[i].0.notified().await;
                        // Acquire: pairs with the Release of the left side, whose notification comes after it.
                        if over.load(Ordering::Acquire) {
                            return;
                        }
                        pairs[i].1.notify_one();
                    }
                });
                T::run(left, right)
            }

            /// A crowd on each core takes turns with half as many permits. A batch is a permit of each of the left ones.
            pub fn semaphore<T: TwoCores>(size: Size) -> Duration {
                let semaphore = Arc::new(Semaphore::new(CROWD as usize / 2));
                let over = Arc::new(AtomicBool::new(false));
                let (theirs, end) = (Arc::clone(&semaphore), Arc::clone(&over));
                let left = async move {
                    let turns = |count| {
                        crowd::<T::Rt, _>({
                            let semaphore = Arc::clone(&semaphore);
                            move || {
                                let semaphore = Arc::clone(&semaphore);
                                async move {
                                    for _ in 0..count {
                                        let permit = semaphore.acquire().await.expect("nobody closes it");
                                        T::Rt::yield_now().await;
                                        drop(permit);
                                    }
                                }
                            }
                        })
                    };
                    turns(size.warm).await;
                    let start = Instant::now();
                    turns(size.batches).await;
                    let elapsed = start.elapsed();
                    end.store(true, Ordering::Relaxed);
                    elapsed
                };
                let right = crowd::<T::Rt, _>(move || {
                    let (semaphore, over) = (Arc::clone(&theirs), Arc::clone(&over));
                    async move {
                        // Relaxed: it says when to end and nothing else.
                        while !over.load(Ordering::Relaxed) {
                            let permit = semaphore.acquire().await.expect("nobody closes it");
                            T::Rt::yield_now().await;
                            drop(permit);
                        }
                    }
                });
                T::run(left, right)
            }

            /// One task sends to a receiver on each core in turn. A batch is a value for each.
            pub fn one_to_all<T: TwoCores>(size: Size) -> Duration {
                let (near_tx, mut near_rx) = mpsc::channel(ROOM as usize);
                let (far_tx, mut far_rx) = mpsc::channel(ROOM as usize);
                let arrived = Arc::new(Crowd::new(2));
                let (all, near_arrived) = (Arc::clone(&arrived), Arc::clone(&arrived));
                let left = async move {
                    let near = T::Rt::spawn(async move {
                        while let Some(i) = near_rx.recv().await {
                            if i == END {
                                near_arrived.arrive();
                            }
                        }
                    });
                    let send = |count| {
                        let (near_tx, far_tx, all) = (&near_tx, &far_tx, &all);
                        async move {
                            for i in (0..count).chain([END]) {
                                far_tx.send(i).await.expect("the receiver is here");
                                near_tx.send(i).await.expect("the receiver is here");
                            }
                            all.wait().await;
                        }
                    };
                    send(size.warm).await;
                    let start = Instant::now();
                    send(size.batches).await;
                    let elapsed = start.elapsed();
                    drop((near_tx, far_tx));
                    near.await.expect("the receiver ends well");
                    elapsed
                };
                let right = async move {
                    while let Some(i) = far_rx.recv().await {
                        if i == END {
                            arrived.arrive();
                        }
                    }
                };
                T::run(left, right)
            }
        }
    };
}

bodies! {
    /// Over Corelane's types.
    ours: corelane
}
bodies! {
    /// Over Tokio's.
    tokios: tokio
}

/// So many receivers, all there before the first value is sent.
fn crowd_of_receivers<X>(subscribe: impl Fn() -> X) -> (Arc<Crowd>, Vec<X>) {
    (Arc::new(Crowd::new(CROWD)), (0..CROWD).map(|_| subscribe()).collect())
}

/// A task for each of these on this core, until the last one ends.
async fn each<R: Rt, X, F>(sides: Vec<X>, make: impl Fn(X) -> F + Send)
where
    X: Send,
    F: Future<Output = ()> + Send + 'static,
{
    let tasks: Vec<_> = sides.into_iter().map(|side| R::spawn(make(side))).collect();
    for task in tasks {
        task.await.expect("the task ends well");
    }
}
