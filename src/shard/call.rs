//! A closure goes to a shard and its result comes back.
//!
//! A message is a task of the target, sent by the engine's `spawn_at`: it needs no channel, its output comes back through the
//! task's own JoinHandle, and what becomes of it when the target closes is the engine's protocol. The task holds a permit
//! of a [gate](super::gate) until the closure (or the future it made) is through, also when the caller has given up.
//!
//! Which gate: one for each pair of a calling and a called shard, kept by the calling thread, so that pairs don't meet; and one
//! for each called shard that all aliens share. Deadlock is the limit's price: [`IN_FLIGHT`] futures of `call_async` from A to B that
//! each wait for such a call from B to A, all of which wait for another one from A to B, wait for ever. Closures of `call`
//! wait for nothing, so they can't.
//!
//! Threads: any.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Poll, ready};

use corelane_shards::coop;
use corelane_shards::mesh::{Mesh, Remote, ShardId};
use corelane_shards::shard as engine;
use corelane_shards::task::JoinHandle;

use super::error::CallError;
use super::gate::{Gate, Permit};
use super::{assert_has, assert_stays, here, mesh};

/// How many calls may be under way from one shard to another, and from all threads outside of the runtime's shards to one
/// shard. Enough to keep a shard busy for a quantum of 100 µs at 1 µs a call, few enough that a slow shard holds its
/// callers back before it holds their memory.
pub const IN_FLIGHT: usize = 128;

/// Runs a closure on a shard of the current runtime and gives its result. It starts when it is first polled.
///
/// On the caller's own shard the closure runs at once, inside the poll. On another one it runs as a task of its own, with at most
/// [`IN_FLIGHT`] under way from here to there; further calls wait their turn, first come, first served. Calls that start one
/// after another without waiting arrive in that order.
///
/// The closure should be short, as the poll of a task should. [`call_async`] is for what waits.
///
/// A shard that nobody drives answers when somebody does: that of a [`LocalRuntime`](crate::runtime::LocalRuntime) in its next
/// `block_on`, and that of a worker in [`block_in_place`](crate::task::block_in_place) after the closure, which must not wait for
/// such an answer.
///
/// # Cancel safety
///
/// A call that is dropped before it had its turn sends nothing. Dropped later the closure still runs, and its result is
/// dropped.
///
/// # Panics
///
/// Outside of a runtime, and if the runtime has no such shard; both when called, not when awaited.
///
/// # Errors
///
/// A panic of the closure comes back as an error with its payload, on the own shard too. A shard that is closed, or closes before the
/// closure ran, is an error.
///
/// # Examples
///
/// ```
/// use corelane::shard;
///
/// let rt = corelane::runtime::Builder::new_sharded().worker_threads(2).build().unwrap();
/// rt.block_on(async {
///     let last = shard::ids().last().unwrap();
///     assert_eq!(shard::call(last, || 6 * 7).await.unwrap(), 42);
///     assert!(shard::call(last, || panic!("no")).await.unwrap_err().is_panic());
/// });
/// ```
#[track_caller]
pub fn call<F, R>(id: ShardId, f: F) -> impl Future<Output = Result<R, CallError>> + Send
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    Target::new(mesh(), id).call(f)
}

/// Runs a closure on a shard of the current runtime, there awaits the future that it makes, which need not be `Send`, and
/// gives its output. As [`call`], except that the future runs as a task on the caller's own shard too.
///
/// The call is under way until the future has completed. So futures that wait for calls from the other shard to theirs may use
/// up both limits and wait for ever; [`spawn_on`](super::spawn_on) has no limit.
///
/// # Cancel safety
///
/// As [`call`]: a future that was sent runs to its end.
///
/// # Panics
///
/// As [`call`], and in a current-thread runtime that is not a [`LocalRuntime`](crate::runtime::LocalRuntime).
///
/// # Errors
///
/// As [`call`].
#[track_caller]
pub fn call_async<F, Fut>(id: ShardId, f: F) -> impl Future<Output = Result<Fut::Output, CallError>> + Send
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future + 'static,
    Fut::Output: Send + 'static,
{
    let target = Target::new(mesh(), id);
    assert_stays(&target.mesh);
    async move { target.send(f).await.await.map_err(CallError::from_join) }
}

/// A shard that messages go to.
pub(super) struct Target {
    mesh: Arc<Mesh>,
    id: ShardId,
}

impl Target {
    #[track_caller]
    pub fn new(mesh: Arc<Mesh>, id: ShardId) -> Self {
        assert_has(&mesh, id);
        Self { mesh, id }
    }

    /// What [`call`] does.
    pub async fn call<F, R>(self, f: F) -> Result<R, CallError>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        // Without a unit of budget a loop of calls to the own shard would never let others run.
        let is_here = poll_fn(|cx| {
            let is_here = here(&self.mesh) == Some(self.id);
            if is_here {
                ready!(coop::poll_proceed(cx)).made_progress();
            }
            Poll::Ready(is_here)
        });
        if is_here.await {
            return catch_unwind(AssertUnwindSafe(f)).map_err(CallError::panicked);
        }
        // All that the task ever holds is `Send`, so this goes to every shard.
        let permit = self.enter().await;
        let task = engine::spawn_to(self.mesh.remote(self.id), async move {
            let _permit = permit;
            f()
        });
        task.await.map_err(CallError::from_join)
    }

    /// Waits for the gate, if there is one in the way, then sends the closure.
    pub async fn send<F, Fut>(&self, f: F) -> JoinHandle<Fut::Output>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future + 'static,
        Fut::Output: Send + 'static,
    {
        let permit = self.enter().await;
        engine::spawn_at(self.mesh.remote(self.id), move || async move {
            let _permit = permit;
            f().await
        })
    }

    /// Waits until one more message may be on its way.
    async fn enter(&self) -> Option<Permit> {
        match self.gate() {
            Some(gate) => Some(gate.enter().await),
            None => None,
        }
    }

    /// The gate between this thread and the target; `None` on the target itself.
    fn gate(&self) -> Option<Arc<Gate>> {
        match here(&self.mesh) {
            Some(id) if id == self.id => None,
            Some(id) => Some(gate_between(&self.mesh, id, self.id)),
            None => Some(gate_for_aliens(self.mesh.remote(self.id))),
        }
    }
}

/// A mesh's address, which is its own for as long as somebody refers to it, and which of its shards calls which.
type Ends = (*const Mesh, ShardId, ShardId);

/// A pair's gate, and the mesh without which it is of no use.
struct Kept {
    ends: Ends,
    mesh: Weak<Mesh>,
    gate: Arc<Gate>,
}

thread_local! {
    /// By ends, ascending.
    static GATES: RefCell<Vec<Kept>> = const { RefCell::new(Vec::new()) };
}

fn gate_between(mesh: &Arc<Mesh>, caller: ShardId, target: ShardId) -> Arc<Gate> {
    let ends = (Arc::as_ptr(mesh), caller, target);
    let kept = GATES.try_with(|gates| {
        let mut gates = gates.borrow_mut();
        let find = |gates: &[Kept]| gates.binary_search_by_key(&ends, |kept| kept.ends);
        let place = find(&gates).unwrap_or_else(|_| {
            // Those of runtimes that are gone don't pile up. Nobody waits at them, so this drops no waker.
            gates.retain(|kept| kept.mesh.strong_count() > 0);
            let place = find(&gates).unwrap_or_else(|free| free);
            gates.insert(place, Kept { ends, mesh: Arc::downgrade(mesh), gate: Gate::new(IN_FLIGHT) });
            place
        });
        Arc::clone(&gates[place].gate)
    });
    // A thread that is ending has no locals left, and few messages to send.
    kept.unwrap_or_else(|_| gate_for_aliens(mesh.remote(target)))
}

/// A remote half's address, as its name. When another runtime comes to lie at the address of one that is gone, it may inherit
/// a gate; all that does is to count messages of the old one until they are dropped.
fn name(remote: &Remote) -> usize {
    ptr::from_ref(remote).addr()
}

/// Gates live while messages are under way, so those of runtimes that are gone don't pile up.
fn gate_for_aliens(target: &Remote) -> Arc<Gate> {
    static GATES: Mutex<Vec<(usize, Weak<Gate>)>> = Mutex::new(Vec::new());
    let mut gates = GATES.lock().unwrap_or_else(PoisonError::into_inner);
    gates.retain(|(_, gate)| gate.strong_count() > 0);
    if let Some(gate) = gates.iter().find(|(of, _)| *of == name(target)).and_then(|(_, gate)| gate.upgrade())
    {
        return gate;
    }
    let gate = Gate::new(IN_FLIGHT);
    gates.push((name(target), Arc::downgrade(&gate)));
    gate
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::runtime::Builder;

    #[test]
    fn gates_of_runtimes_that_are_gone_do_not_pile_up() {
        // All at once, so that none comes to lie where another was.
        let runtimes: Vec<_> = (0..8)
            .map(|_| {
                let runtime = Builder::new_sharded().worker_threads(2).build().unwrap();
                // On this thread, as if it had driven a shard of each.
                gate_between(&runtime.handle().inner().mesh, ShardId(0), ShardId(1));
                runtime
            })
            .collect();
        let kept = || GATES.with_borrow(Vec::len);
        assert_eq!(kept(), 8);
        drop(runtimes);
        let runtime = Builder::new_sharded().worker_threads(2).build().unwrap();
        let mesh = &runtime.handle().inner().mesh;
        let gate = gate_between(mesh, ShardId(0), ShardId(1));
        assert_eq!(kept(), 1);
        assert!(Arc::ptr_eq(&gate, &gate_between(mesh, ShardId(0), ShardId(1))));
        assert!(!Arc::ptr_eq(&gate, &gate_between(mesh, ShardId(1), ShardId(0))));
    }
}
