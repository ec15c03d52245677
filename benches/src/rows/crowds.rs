//! Rows of many that one task wakes, joins or chooses from, within one runtime. The bodies are written once and stand here
//! twice, over Corelane's types and over Tokio's.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use super::tasks::in_task;
use super::{MANY, Size};
use crate::crowd::Crowd;
use crate::runtimes::Rt;

macro_rules! bodies {
    ($(#[$doc:meta])* $module:ident: $krate:ident) => {
        $(#[$doc])*
        pub mod $module {
            use super::*;
            use $krate::sync::{Notify, Semaphore, broadcast, mpsc};
            use $krate::task::JoinSet;

            /// A `Notify` wakes a thousand tasks, which wait for it again.
            pub fn storm_notify<R: Rt>(runtime: &R, size: Size) -> Duration {
                in_task(runtime, size, |batches| async move {
                    let notify = Arc::new(Notify::new());
                    let crowd = Arc::new(Crowd::new(MANY));
                    let waiter = |_| {
                        let (notify, crowd) = (Arc::clone(&notify), Arc::clone(&crowd));
                        R::spawn(async move {
                            // Whoever has arrived must not miss the next wake, so it waits from before on.
                            let mut notified = pin!(notify.notified());
                            crowd.arrive();
                            for _ in 0..batches {
                                notified.as_mut().await;
                                notified.set(notify.notified());
                                crowd.arrive();
                            }
                        })
                    };
                    let tasks: Vec<_> = (0..MANY).map(waiter).collect();
                    crowd.wait().await;
                    for _ in 0..batches {
                        notify.notify_waiters();
                        crowd.wait().await;
                    }
                    for task in tasks {
                        task.await.expect("the task ends well");
                    }
                })
            }

            /// A broadcast channel wakes a thousand receivers.
            pub fn storm_broadcast<R: Rt>(runtime: &R, size: Size) -> Duration {
                in_task(runtime, size, |batches| async move {
                    let tx = broadcast::Sender::new(4);
                    let crowd = Arc::new(Crowd::new(MANY));
                    let receiver = |_| {
                        let (mut rx, crowd) = (tx.subscribe(), Arc::clone(&crowd));
                        R::spawn(async move {
                            for i in 0..batches {
                                assert_eq!(rx.recv().await, Ok(i));
                                crowd.arrive();
                            }
                        })
                    };
                    let tasks: Vec<_> = (0..MANY).map(receiver).collect();
                    for i in 0..batches {
                        tx.send(i).expect("a thousand receivers are here");
                        crowd.wait().await;
                    }
                    for task in tasks {
                        task.await.expect("the task ends well");
                    }
                })
            }

            /// A thousand tasks in a `JoinSet`, joined as they end.
            pub fn join_set<R: Rt>(runtime: &R, size: Size) -> Duration {
                in_task(runtime, size, |batches| async move {
                    let mut set = JoinSet::new();
                    for _ in 0..batches {
                        for i in 0..MANY {
                            set.spawn(async move { i });
                        }
                        let mut sum = 0;
                        while let Some(output) = set.join_next().await {
                            sum += output.expect("the task ends well");
                        }
                        assert_eq!(sum, MANY * (MANY - 1) / 2);
                    }
                })
            }

            /// `select!` over four channels of which one has something.
            pub fn select4<R: Rt>(runtime: &R, size: Size) -> Duration {
                in_task(runtime, size, |count| async move {
                    let (txs, rxs): (Vec<_>, Vec<_>) = (0..4).map(|_| mpsc::channel(1)).unzip();
                    let Ok([mut a, mut b, mut c, mut d]) = <[_; 4]>::try_from(rxs) else {
                        unreachable!("there are four")
                    };
                    for i in 0..count {
                        txs[i as usize % 4].try_send(i).expect("there is room");
                        let got = $krate::select! {
                            got = a.recv() => got,
                            got = b.recv() => got,
                            got = c.recv() => got,
                            got = d.recv() => got,
                        };
                        assert_eq!(got, Some(i));
                    }
                })
            }

            /// A notification that is there already.
            pub fn notify_ready<R: Rt>(runtime: &R, size: Size) -> Duration {
                in_task(runtime, size, |count| async move {
                    let notify = Notify::new();
                    for _ in 0..count {
                        notify.notify_one();
                        notify.notified().await;
                    }
                })
            }

            /// A permit that is free.
            pub fn semaphore_ready<R: Rt>(runtime: &R, size: Size) -> Duration {
                in_task(runtime, size, |count| async move {
                    let semaphore = Semaphore::new(1);
                    for _ in 0..count {
                        drop(semaphore.acquire().await.expect("nobody closes it"));
                    }
                })
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
