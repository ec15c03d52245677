//! A meeting point for a fixed number of tasks.
//!
//! How many have arrived is the state of the [wait list](super::wait_list): the last one to come sets it back and
//! releases the others in one step, so that those of the next round, who may be early, are not released with them.
//! Threads: any.

#![expect(unsafe_code, reason = "vouches for the queue being one field")]

use std::fmt;
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::pin;
use std::task::Poll;

use super::domain::Threads;
use super::wait_list::{Queued, Status, WaitQueue, Waiter};

/// Lets nobody pass until `n` tasks have arrived; then it starts anew.
///
/// # Examples
///
/// ```
/// # #[corelane::main]
/// # async fn main() {
/// use corelane::sync::Barrier;
/// use std::sync::Arc;
///
/// let barrier = Arc::new(Barrier::new(3));
/// let tasks: Vec<_> = (0..3)
///     .map(|_| {
///         let barrier = barrier.clone();
///         corelane::spawn(async move { barrier.wait().await.is_leader() })
///     })
///     .collect();
/// let mut leaders = 0;
/// for task in tasks {
///     leaders += usize::from(task.await.unwrap());
/// }
/// assert_eq!(leaders, 1);
/// # }
/// ```
pub struct Barrier {
    n: usize,
    /// The state: how many have arrived.
    queue: WaitQueue<Threads, usize, ()>,
}

// SAFETY: always that field.
unsafe impl Queued for Barrier {
    type Domain = Threads;
    type State = usize;
    type Payload = ();

    fn queue(&self) -> &WaitQueue<Threads, usize, ()> {
        &self.queue
    }
}

impl Barrier {
    /// A barrier for `n` tasks. With none it stops nobody, as with one.
    pub fn new(n: usize) -> Self {
        Self { n: n.max(1), queue: WaitQueue::<Threads, _, _>::new(0) }
    }

    /// Arrives, and waits for the others. One of them, the last, is told that it is the leader.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: who has been polled has arrived, also if it is dropped, and arrives once more if it calls again.
    pub async fn wait(&self) -> BarrierWaitResult {
        let mut waiter = pin!(Waiter::new(self, ()));
        let leader = poll_fn(|cx| {
            if waiter.status() != Status::Idle {
                return match waiter.as_mut().refresh(Some(cx.waker())) {
                    Status::Idle | Status::Queued => Poll::Pending,
                    Status::Chosen | Status::Released => Poll::Ready(false),
                };
            }
            let last = waiter.as_mut().enqueue(Some(cx.waker()), |barrier, locked| {
                locked.state += 1;
                if locked.state < barrier.n {
                    return ControlFlow::Continue(());
                }
                locked.state = 0;
                locked.waiters.start_leaving();
                ControlFlow::Break(())
            });
            match last {
                Some(()) => Poll::Ready(true),
                None => Poll::Pending,
            }
        })
        .await;
        if leader {
            self.queue.wake_leaving();
        }
        BarrierWaitResult(leader)
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier").field("n", &self.n).finish_non_exhaustive()
    }
}

/// What [`Barrier::wait`] says once everybody is there.
#[derive(Debug, Clone)]
pub struct BarrierWaitResult(bool);

impl BarrierWaitResult {
    /// Whether this one came last. It is true for one of the tasks that meet.
    pub fn is_leader(&self) -> bool {
        self.0
    }
}
