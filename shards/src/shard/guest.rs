//! A guest: a shard that is polled as a future is.
//!
//! A guest has tasks of its own and neither reactor nor lane. It runs while somebody polls it, on the one thread it stays on, be
//! that thread an alien or inside a shard, the guest's host. Its tasks need not be `Send`; what they wait for belongs to the
//! host or to the runtime that the thread is in. It is what stands behind a `LocalSet`.
//!
//! Nothing of the engine knows of guests but the context, which tells apart whose tasks run here (`local`) and whose reactor
//! and lane serve the thread ([`home`](super::home)). Seen from the guest, the host's tasks are another shard's, and the
//! other way round: they wake each other through mailboxes.
//!
//! **No wake is lost.** Between two polls the guest sleeps by the protocol of [`park`](crate::park), with a bell in the
//! eventfd's place. The bell holds the waker of whoever polled last:
//!
//! ```text
//!  poll (owner)                               sender (any thread)
//!  B1  the bell's waker := the poller's       P1  publish
//!  B2  get up, one turn                       P2  word = ASLEEP?
//!  S1  word := ASLEEP                         P3  ASLEEP → WOKEN, and who did that rings:
//!  S2  look again; something there: up        P4  take the waker out of the bell, wake it
//!  S3  nothing there: return `Pending`
//! ```
//!
//! Who rings in a sleep finds a waker, because B1 comes before S1; or finds none, because a late ringer, held up between P3 and P4
//! of an earlier sleep, has taken it. The task behind that waker is then polled after P4 of the late one. Either that poll's B1 comes
//! after the P4 that found none, so its S2 sees what was published; or it came before, so P4 found its waker. B1 and P4
//! are critical sections of one lock, so there is nothing in between. The order that is rejected: B1 after S2. It loses what is
//! sent between the two.
//!
//! Of several who poll one guest by turns only the last is woken for it, as for any other future.
//!
//! Threads: one; the bell's ringers may be any.

#![expect(unsafe_code, reason = "mails futures that are not `Send` to a shard that stays on this thread")]

#[cfg(all(test, loom))]
mod loom_tests;

use std::cell::{Cell, OnceCell, RefCell};
use std::future::Future;
use std::marker::PhantomData;
use std::ptr;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use crate::config::Config;
use crate::context;
use crate::mesh::{Mesh, Remote, ShardId};
use crate::park::{Spin, Unpark};
use crate::task::{self, Id, JoinHandle};
use crate::timer::Clock;
use crate::util::lock::Lock;
use crate::util::swallow::swallow;

use super::spawn::{send, spawn_local_as};
use super::{Driver, Shard, Turn, current};

const ID: ShardId = ShardId(0);

/// See the module's head.
pub struct Guest {
    /// `None` until the guest is used, and once it is closed. Borrowed while it turns, and while it is visited.
    shard: RefCell<Option<Shard>>,
    /// The remote half, once the shard was built; it lives as long as `mesh`.
    remote: Cell<*const Remote>,
    mesh: OnceCell<Arc<Mesh>>,
    bell: Arc<Bell>,
    closed: Cell<bool>,
    _stays: PhantomData<*const ()>,
}

impl Guest {
    /// A guest without tasks. Its shard is built when it is first visited, or given a task.
    #[expect(clippy::new_without_default, reason = "it allocates")]
    pub fn new() -> Self {
        Self {
            shard: RefCell::new(None),
            remote: Cell::new(ptr::null()),
            mesh: OnceCell::new(),
            bell: Arc::new(Bell(Lock::new(None))),
            closed: Cell::new(false),
            _stays: PhantomData,
        }
    }

    /// Builds the shard, unless that was done, or the guest is closed.
    #[cold]
    #[inline(never)]
    fn build(&self) {
        if self.closed.get() || self.mesh.get().is_some() {
            return;
        }
        let config = Config { spin: Spin::Fixed(Duration::ZERO), ..Config::new(1) };
        let mesh = self.mesh.get_or_init(|| Mesh::new(config, Clock::new()));
        let mut shard = Shard::new(Arc::clone(mesh), ID, Box::new(NoDriver(Arc::clone(&self.bell))));
        shard.is_guest = true;
        self.remote.set(mesh.remote(ID));
        // Nobody turns or visits what was not there.
        *self.shard.borrow_mut() = Some(shard);
    }

    /// Spawns a task with that id, and has whoever polls the guest poll it again.
    pub fn spawn<F>(&self, id: Id, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        current(|local| match local {
            Some(local) if ptr::eq(local.remote(), self.remote.get()) => spawn_local_as(local, id, future),
            _ => self.mail(id, future),
        })
    }

    /// As `spawn`, from outside of the guest.
    fn mail<F>(&self, id: Id, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        if self.mesh.get().is_none() {
            self.build();
        }
        match self.mesh.get() {
            // SAFETY: a guest can't leave its thread.
            Some(mesh) => unsafe { send(mesh.remote(ID), id, future) },
            // Closed before it was used.
            None => task::cancelled(id, future),
        }
    }

    /// Runs `f` inside the guest, as part of the task that runs on this thread now.
    pub fn visit<R>(&self, f: impl FnOnce() -> R) -> R {
        // Already inside, or inside another guest that this one polls: there spawns come by mail.
        let Ok(mut shard) = self.shard.try_borrow() else { return f() };
        if shard.is_none() {
            drop(shard);
            self.build();
            shard = self.shard.borrow();
        }
        let _visit = shard.as_ref().map(|shard| context::visit(shard.local(), shard.local().remote_ptr()));
        f()
    }

    /// To be called after a visit that no [`poll`](Self::poll) follows: if it left something to run, somebody else who polls the
    /// guest is woken for it.
    pub fn pass_on(&self) {
        let Ok(shard) = self.shard.try_borrow() else { return };
        if let Some(shard) = shard.as_ref().filter(|shard| shard.has_work()) {
            shard.local().remote().wake();
        }
    }

    /// One turn. Has the waker woken when there is more to do. True if no task is left.
    pub fn poll(&self, cx: &mut Context<'_>) -> bool {
        // Polled by a task of its own: the poll that runs this task goes on afterwards.
        let Ok(mut shard) = self.shard.try_borrow_mut() else { return false };
        let Some(shard) = shard.as_mut() else { return true };
        self.bell.hang(cx.waker());
        shard.get_up();
        // Tasks that give way do so to whoever polls the guest, too.
        shard.local().hold();
        if shard.turn() == Turn::Again || shard.lie_down(|| false).is_none() {
            shard.get_up();
            cx.waker().wake_by_ref();
            return false;
        }
        // All spawns come from this thread, so the number is exact.
        shard.local().remote().load() == 0
    }

    /// Cancels all tasks here and now; later ones are born cancelled.
    pub fn close(&self) {
        self.closed.set(true);
        let shard = self.shard.take();
        drop(shard);
        drop(self.bell.take());
    }
}

/// What ends a guest's sleep.
struct Bell(Lock<Option<Waker>>);

impl Bell {
    /// B1.
    fn hang(&self, waker: &Waker) {
        let hangs = self.0.with(|hanging| hanging.as_ref().is_some_and(|it| it.will_wake(waker)));
        if !hangs {
            let waker = waker.clone();
            let old = self.0.with(|hanging| hanging.replace(waker));
            // Outside of the lock: it may run anything.
            drop(old);
        }
    }

    fn take(&self) -> Option<Waker> {
        self.0.with(Option::take)
    }
}

impl Unpark for Bell {
    /// P4.
    fn unpark(&self) {
        if let Some(waker) = self.take() {
            // The ringer may be a shard in the middle of its end.
            swallow(|| waker.wake());
        }
    }
}

/// A guest waits for mail alone, and not in the kernel.
struct NoDriver(Arc<Bell>);

impl Driver for NoDriver {
    fn wait(&mut self, _: Option<Duration>) -> usize {
        0
    }

    fn unparker(&self) -> Arc<dyn Unpark> {
        Arc::<Bell>::clone(&self.0)
    }
}
