//! The row over the channel that a runtime has for tasks of one thread.

use std::future::Future;
use std::time::{Duration, Instant};

use corelane_benches::rows::Size;

use crate::one_thread::OneThread;

/// A runtime that has such a channel, or whose family has.
pub trait OwnChannel: OneThread {
    /// The sending end.
    type Tx: 'static;
    /// The receiving end.
    type Rx: 'static;

    /// A channel of one place.
    fn channel() -> (Self::Tx, Self::Rx);
    /// Sends.
    fn send(tx: &Self::Tx, value: u64) -> impl Future<Output = ()>;
    /// Receives; `None` once no sender is left.
    fn recv(rx: &mut Self::Rx) -> impl Future<Output = Option<u64>>;
}

/// Two tasks, a channel of one place each way, one number there and back.
pub fn own_chan<L: OwnChannel>(size: Size) -> Duration {
    let task = async move {
        round_trips::<L>(size.warm).await;
        let start = Instant::now();
        round_trips::<L>(size.batches).await;
        start.elapsed()
    };
    L::new().block_on(async { L::spawn(task).await.expect("the body ends well") })
}

async fn round_trips<L: OwnChannel>(count: u64) {
    let (there, mut arrived) = L::channel();
    let (back, mut returned) = L::channel();
    let echo = L::spawn(async move {
        while let Some(i) = L::recv(&mut arrived).await {
            L::send(&back, i).await;
        }
    });
    for i in 0..count {
        L::send(&there, i).await;
        assert_eq!(L::recv(&mut returned).await, Some(i));
    }
    drop(there);
    echo.await.expect("the echo ends well");
}
