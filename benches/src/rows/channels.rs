//! Rows over a runtime's own channels and sockets. The bodies are written once and stand here twice, since Corelane's channels and
//! Tokio's are different types.
//!
//! Within one runtime: [`pp_mpsc`](ours::pp_mpsc) and its like. Between two threads that are of no runtime and never
//! sleep, so that what is measured is how the ends meet: the bodies that end in `_threads`.

use std::hint;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use super::Size;
use super::tasks::in_task;
use crate::process;
use crate::runtimes::Rt;

/// Room of the channels between threads.
const ROOM: usize = 256;

macro_rules! bodies {
    ($(#[$doc:meta])* $module:ident: $krate:ident, $Local:ty, $local:path) => {
        $(#[$doc])*
        pub mod $module {
            use super::*;
            use $krate::io::{AsyncReadExt, AsyncWriteExt};
            use $krate::net::UnixStream;
            use $krate::sync::{broadcast, mpsc, oneshot, watch};
            use $local as local;

            /// Two tasks, a channel of one place each way, one number there and back.
            pub fn pp_mpsc<R: Rt>(runtime: &R, size: Size) -> Duration {
                in_task(runtime, size, |count| async move {
                    let (there, mut arrived) = mpsc::channel(1);
                    let (back, mut returned) = mpsc::channel(1);
                    let echo = R::spawn(async move {
                        while let Some(i) = arrived.recv().await {
                            back.send(i).await.expect("somebody waits");
                        }
                    });
                    for i in 0..count {
                        there.send(i).await.expect("the echo waits");
                        assert_eq!(returned.recv().await, Some(i));
                    }
                    drop(there);
                    echo.await.expect("the echo ends well");
                })
            }

            /// The same over the channels that a runtime has for one thread.
            pub fn own_chan(size: Size) -> Duration {
                let trips = |count| async move {
                    let (there, mut arrived) = local::channel(1);
                    let (back, mut returned) = local::channel(1);
                    let echo = $krate::task::spawn_local(async move {
                        while let Some(i) = arrived.recv().await {
                            back.send(i).await.expect("somebody waits");
                        }
                    });
                    for i in 0..count {
                        there.send(i).await.expect("the echo waits");
                        assert_eq!(returned.recv().await, Some(i));
                    }
                    drop(there);
                    echo.await.expect("the echo ends well");
                };
                let task = async move {
                    trips(size.warm).await;
                    let start = Instant::now();
                    trips(size.batches).await;
                    start.elapsed()
                };
                let runtime = <$Local>::new();
                runtime.0.block_on(async { $krate::task::spawn_local(task).await.expect("the body ends well") })
            }

            /// A request over an unbounded channel that carries the channel for its answer.
            pub fn pp_oneshot<R: Rt>(runtime: &R, size: Size) -> Duration {
                in_task(runtime, size, |count| async move {
                    let (requests, mut arrived) = mpsc::unbounded_channel::<(u64, oneshot::Sender<u64>)>();
                    let server = R::spawn(async move {
                        while let Some((i, answer)) = arrived.recv().await {
                            answer.send(i).expect("somebody waits");
                        }
                    });
                    for i in 0..count {
                        let (answer, answered) = oneshot::channel();
                        requests.send((i, answer)).expect("the server waits");
                        assert_eq!(answered.await, Ok(i));
                    }
                    drop(requests);
                    server.await.expect("the server ends well");
                })
            }

            /// Two tasks, a pair of Unix sockets, 64 bytes there and back: each wait is one of the reactor's.
            pub fn pp_socket<R: Rt>(runtime: &R, size: Size) -> Duration {
                in_task(runtime, size, |count| async move {
                    let (mut here, mut there) = UnixStream::pair().expect("the system gives sockets");
                    let echo = R::spawn(async move {
                        let mut bytes = [0; 64];
                        while there.read_exact(&mut bytes).await.is_ok() {
                            there.write_all(&bytes).await.expect("somebody waits");
                        }
                    });
                    let mut bytes = [1; 64];
                    for _ in 0..count {
                        here.write_all(&bytes).await.expect("the echo waits");
                        here.read_exact(&mut bytes).await.expect("the echo answers");
                    }
                    drop(here);
                    echo.await.expect("the echo ends well");
                })
            }

            /// A send and a receive that need not wait.
            pub fn mpsc_ready<R: Rt>(runtime: &R, size: Size) -> Duration {
                in_task(runtime, size, |count| async move {
                    let (tx, mut rx) = mpsc::channel(4);
                    for i in 0..count {
                        tx.send(i).await.expect("the receiver is here");
                        assert_eq!(rx.recv().await, Some(i));
                    }
                })
            }

            /// A change that is seen at once.
            pub fn watch_ready<R: Rt>(runtime: &R, size: Size) -> Duration {
                in_task(runtime, size, |count| async move {
                    let (tx, mut rx) = watch::channel(0);
                    for i in 0..count {
                        tx.send(i).expect("the receiver is here");
                        rx.changed().await.expect("the sender is here");
                        assert_eq!(*rx.borrow_and_update(), i);
                    }
                })
            }

            /// A value for one receiver, received at once.
            pub fn broadcast_ready<R: Rt>(runtime: &R, size: Size) -> Duration {
                in_task(runtime, size, |count| async move {
                    let (tx, mut rx) = broadcast::channel(4);
                    for i in 0..count {
                        tx.send(i).expect("the receiver is here");
                        assert_eq!(rx.recv().await, Ok(i));
                    }
                })
            }

            /// Two tasks, a watch channel each way.
            pub fn pp_watch<R: Rt>(runtime: &R, size: Size) -> Duration {
                in_task(runtime, size, |count| async move {
                    let (there, mut arrived) = watch::channel(0);
                    let (back, mut returned) = watch::channel(0);
                    let echo = R::spawn(async move {
                        while arrived.changed().await.is_ok() {
                            let i = *arrived.borrow_and_update();
                            back.send(i).expect("somebody waits");
                        }
                    });
                    for i in 1..=count {
                        there.send(i).expect("the echo waits");
                        returned.changed().await.expect("the echo is here");
                        assert_eq!(*returned.borrow_and_update(), i);
                    }
                    drop(there);
                    echo.await.expect("the echo ends well");
                })
            }

            /// Two tasks, a broadcast channel each way.
            pub fn pp_broadcast<R: Rt>(runtime: &R, size: Size) -> Duration {
                in_task(runtime, size, |count| async move {
                    let (there, mut arrived) = broadcast::channel(1);
                    let (back, mut returned) = broadcast::channel(1);
                    let echo = R::spawn(async move {
                        while let Ok(i) = arrived.recv().await {
                            back.send(i).expect("somebody waits");
                        }
                    });
                    for i in 0..count {
                        there.send(i).expect("the echo waits");
                        assert_eq!(returned.recv().await, Ok(i));
                    }
                    drop(there);
                    echo.await.expect("the echo ends well");
                })
            }

            /// One thread sends while another receives.
            pub fn mpsc_threads(size: Size) -> Duration {
                let (tx, mut rx) = mpsc::channel(ROOM);
                let count = size.batches;
                let left = move || {
                    (0..count).for_each(|i| while tx.try_send(i).is_err() { hint::spin_loop() })
                };
                let right = move || {
                    (0..count).for_each(|i| {
                        let got = loop {
                            match rx.try_recv() {
                                Ok(got) => break got,
                                Err(_) => hint::spin_loop(),
                            }
                        };
                        assert_eq!(got, i);
                    })
                };
                at_once(left, right)
            }

            /// Two threads send at once; what they sent is received afterwards, outside of the timed part.
            pub fn mpsc_senders_threads(size: Size) -> Duration {
                let (tx, mut rx) = mpsc::unbounded_channel();
                let count = size.batches;
                let send = |tx: mpsc::UnboundedSender<u64>| {
                    move || (0..count).for_each(|i| tx.send(i).expect("the receiver is here"))
                };
                let time = at_once(send(tx.clone()), send(tx));
                let sum: u64 = std::iter::from_fn(|| rx.blocking_recv()).sum();
                assert_eq!(sum, count * count.saturating_sub(1));
                time
            }

            /// One thread sends while another looks.
            pub fn watch_threads(size: Size) -> Duration {
                let (tx, rx) = watch::channel(0);
                let count = size.batches;
                let left = move || (1..=count).for_each(|i| { tx.send_replace(i); });
                let right = move || {
                    let mut last = 0;
                    for _ in 0..count {
                        let now = *rx.borrow();
                        assert!(now >= last);
                        last = now;
                    }
                };
                at_once(left, right)
            }

            /// One thread sends while another receives; what it misses counts as received.
            pub fn broadcast_threads(size: Size) -> Duration {
                use broadcast::error::TryRecvError::{Closed, Empty, Lagged};
                let (tx, mut rx) = broadcast::channel(ROOM);
                let count = size.batches;
                let left = move || (0..count).for_each(|i| { let _ = tx.send(i); });
                let right = move || {
                    let mut next = 0;
                    loop {
                        match rx.try_recv() {
                            Ok(i) => {
                                assert_eq!(i, next);
                                next += 1;
                            }
                            Err(Lagged(missed)) => next += missed,
                            Err(Empty) => hint::spin_loop(),
                            Err(Closed) => break assert_eq!(next, count),
                        }
                    }
                };
                at_once(left, right)
            }
        }
    };
}

bodies! {
    /// Over Corelane's channels.
    ours: corelane, crate::runtimes::Sharded, corelane::local::mpsc
}
bodies! {
    /// Over Tokio's, which has none for one thread.
    tokios: tokio, crate::runtimes::TokioLocal, tokio::sync::mpsc
}

/// Runs both at the same time on two cores; how long until both are done.
fn at_once(left: impl FnOnce() + Send + 'static, right: impl FnOnce() + Send + 'static) -> Duration {
    let cores = process::two_cores();
    let start = Arc::new(Barrier::new(2));
    let started = Arc::clone(&start);
    let right = thread::spawn(move || {
        process::pin(cores[1]);
        started.wait();
        right();
        Instant::now()
    });
    let left = thread::spawn(move || {
        process::pin(cores[0]);
        start.wait();
        let begin = Instant::now();
        left();
        (begin, Instant::now())
    });
    let (begin, left) = left.join().expect("the left side ends well");
    let right = right.join().expect("the right side ends well");
    left.max(right).saturating_duration_since(begin)
}
