//! The plan in force, and the threads that it places.
//!
//! Here: which thread is which shard's or the pool's, and binding them anew. Not here: why (`keeper`).
//! Threads: each says itself that it comes and goes; the watcher binds them.
//!
//! A thread is named by the kernel's number, which may be another thread's once it has ended. So a number is in the list only while its
//! thread lives: the thread puts it there, and its last act is to take it away, under the lock under which it is used. That is the
//! destructor of a thread-local (`STAYS`), and not of something that a program can forget, as it can a `LocalRuntime`, or
//! whose turn does not come if a hook panics. The system calls under the lock take a microsecond each and run no foreign code.
//! Shards take the lock when they start and end, threads of the pool too, and nobody in between.

use std::cell::RefCell;
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use corelane_shards::mesh::ShardId;

use crate::config::{CpuList, OnError};
use crate::topology::Plan;
use crate::topology::pin::{self, Tid};

use super::keeper::Kernel;
use super::steered::Listeners;

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Placed(Mutex<State>);

#[derive(Debug)]
struct State {
    plan: Arc<Plan>,
    /// The threads of the shards, while they live.
    shards: Vec<Option<Bound>>,
    pool: Vec<Tid>,
    listeners: Listeners,
    /// What the process may use, once that has changed.
    allowed: Option<CpuList>,
}

#[derive(Debug)]
struct Bound {
    thread: Tid,
    /// Its mask, as it was when we were done with it.
    cpus: Option<CpuList>,
    /// It has another one until it has started a process: see [`beside_the_shards`].
    beside: bool,
}

impl Placed {
    pub fn new(plan: Plan) -> Self {
        let shards = plan.shards.iter().map(|_| None).collect();
        let (pool, listeners) = (Vec::new(), Listeners::default());
        Self(Mutex::new(State { plan: Arc::new(plan), shards, pool, listeners, allowed: None }))
    }

    /// The plan in force.
    pub fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.state().plan)
    }

    /// What the process may use now, if that is not what it was.
    pub fn allowed(&self) -> Option<CpuList> {
        self.state().allowed.clone()
    }

    /// This thread drives a shard, and is bound as the plan says.
    pub fn enter_shard(self: &Arc<Self>, id: ShardId) {
        self.stay(|| self.enter(id, Tid::current(), Tid::CALLING.cpus()));
    }

    pub(super) fn enter(&self, id: ShardId, thread: Tid, cpus: Option<CpuList>) {
        self.state().shards[id.index()] = Some(Bound { thread, cpus, beside: false });
    }

    /// This shard's thread is nobody's to bind any more.
    pub fn leave_shard(&self, id: ShardId) {
        self.state().shards[id.index()] = None;
    }

    /// This thread is one of the pool's: binds it as the plan says.
    pub fn enter_pool(self: &Arc<Self>) {
        let enter = |state: &mut State| {
            // A refusal leaves the thread where it is, which is slower and not wrong.
            let _ = pin::pin(&state.plan.blocking_cpus);
            state.pool.push(Tid::current());
        };
        self.stay(|| enter(&mut self.state()));
    }

    /// Has a listener follow a shard, if the plan steers; until `let_steer`.
    pub(super) fn steer(&self, shard: usize, listener: BorrowedFd<'_>) -> io::Result<bool> {
        let state = &mut *self.state();
        let steers = shard < state.plan.incoming_cpus.len();
        if steers {
            state.listeners.add(&state.plan, shard, listener)?;
        }
        Ok(steers)
    }

    pub(super) fn let_steer(&self, listener: RawFd) {
        self.state().listeners.remove(listener);
    }

    /// Enters this thread, and sees to it that it leaves. One that has destroyed its thread-locals stays unknown: no change of
    /// the plan moves it.
    fn stay(self: &Arc<Self>, enter: impl FnOnce()) {
        let _ = STAYS.try_with(|Stays(all)| {
            let mut all = all.borrow_mut();
            all.retain(|other| other.strong_count() > 0);
            all.push(Arc::downgrade(self));
            enter();
        });
    }

    /// This thread ends.
    fn leave(&self) {
        let (thread, mut state) = (Tid::current(), self.state());
        state.pool.retain(|other| *other != thread);
        for bound in &mut state.shards {
            bound.take_if(|bound| bound.thread == thread);
        }
    }

    #[cfg(all(test, not(loom)))]
    pub(super) fn threads(&self) -> Vec<Tid> {
        let state = self.state();
        state.shards.iter().flatten().map(|bound| bound.thread).chain(state.pool.iter().copied()).collect()
    }

    /// Whether somebody else has changed the mask of a shard's thread that the plan binds.
    pub fn is_disturbed(&self, kernel: &mut dyn Kernel) -> bool {
        let state = self.state();
        let mut shards = state.plan.shards.iter().zip(&state.shards);
        shards.any(|(shard, bound)| {
            let is_bound = |bound: &&Bound| !shard.cpus.is_empty() && !bound.beside;
            let Some(bound) = bound.as_ref().filter(is_bound) else { return false };
            // One that the kernel does not tell is no other one.
            kernel.cpus(bound.thread).is_some_and(|now| Some(now) != bound.cpus)
        })
    }

    /// Binds all threads as this plan says, of a process that may use these CPUs. Gives what the kernel refused.
    ///
    /// # Errors
    ///
    /// With `fail` a refusal. Then the plan before stays, and the threads go back as far as the kernel lets them.
    pub fn adopt(
        &self,
        kernel: &mut dyn Kernel,
        plan: Arc<Plan>,
        allowed: &CpuList,
        on_error: OnError,
    ) -> io::Result<Vec<String>> {
        let mut state = self.state();
        let result = state.bind(kernel, &plan, allowed, on_error);
        if result.is_ok() {
            let pool = match (&*plan.blocking_cpus, &*state.plan.blocking_cpus) {
                ([], [_, ..]) => allowed.iter().collect(),
                (cpus, _) => cpus.to_vec(),
            };
            if !pool.is_empty() {
                // As in `enter_pool`.
                state.pool.iter().for_each(|thread| drop(kernel.pin(*thread, &pool)));
            }
            state.listeners.follow(&plan);
            state.plan = plan;
        } else {
            for (shard, bound) in state.plan.shards.iter().zip(&state.shards) {
                if let (Some(bound @ Bound { beside: false, .. }), false) = (bound, shard.cpus.is_empty()) {
                    // What is refused now the kernel has taken away, and put the thread elsewhere.
                    let _ = kernel.pin(bound.thread, &shard.cpus);
                }
            }
        }
        state.allowed = Some(allowed.clone());
        for bound in state.shards.iter_mut().flatten().filter(|bound| !bound.beside) {
            bound.cpus = kernel.cpus(bound.thread);
        }
        result
    }

    /// Gives this thread the CPUs of the pool until the answer drops, if it is a shard's and bound.
    fn step_aside(self: &Arc<Self>) -> Option<Beside> {
        let (here, mut state) = (Tid::current(), self.state());
        let before = pin::current().filter(|_| state.binds(here))?;
        let plan = Arc::clone(&state.plan);
        // A refusal leaves the mask as it is.
        let _ = pin::pin(&plan.blocking_cpus);
        state
            .shards
            .iter_mut()
            .flatten()
            .filter(|bound| bound.thread == here)
            .for_each(|bound| bound.beside = true);
        Some(Beside { placed: Arc::clone(self), plan, before })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether this thread is a shard's, and bound.
    fn binds(&self, thread: Tid) -> bool {
        let mut shards = self.plan.shards.iter().zip(&self.shards);
        shards.any(|(shard, bound)| {
            !shard.cpus.is_empty() && bound.as_ref().is_some_and(|bound| bound.thread == thread)
        })
    }

    fn bind(
        &self,
        kernel: &mut dyn Kernel,
        plan: &Plan,
        allowed: &CpuList,
        on_error: OnError,
    ) -> io::Result<Vec<String>> {
        let allowed: Vec<u32> = allowed.iter().collect();
        let mut refusals = Vec::new();
        for ((shard, before), bound) in plan.shards.iter().zip(&self.plan.shards).zip(&self.shards) {
            // Who is beside sees to it when it is back.
            let Some(Bound { thread, beside: false, .. }) = *bound else { continue };
            if !shard.cpus.is_empty() {
                refusals.extend(pin::bind(shard, on_error, &allowed, |cpus| kernel.pin(thread, cpus))?);
            } else if !before.cpus.is_empty() {
                // Only who was bound is let go: a thread that never was may have been bound by the program.
                let refused = kernel.pin(thread, &allowed).err();
                refusals.extend(refused.map(|error| format!("shard {} is not let go: {error}", shard.id)));
            }
        }
        Ok(refusals)
    }
}

/// Runs what starts a process, or a thread that is no shard's: on the CPUs of the pool, if this thread is a shard's. What is started
/// begins with the mask of who starts it, and would compete with the shard for its CPU, and have no other, as long as it lives.
///
/// It may take long, as a program on a file server does until it is found, so no lock is held meanwhile. The watcher takes the mask
/// for nobody else's doing and leaves it alone; a plan that comes meanwhile binds this thread when it is back.
pub(crate) fn beside_the_shards<R>(f: impl FnOnce() -> R) -> R {
    let all: Vec<_> = STAYS
        .try_with(|Stays(all)| all.borrow().iter().filter_map(Weak::upgrade).collect())
        .unwrap_or_default();
    let _beside = all.iter().find_map(Placed::step_aside);
    f()
}

/// The shard's thread that is on other CPUs for now.
struct Beside {
    placed: Arc<Placed>,
    /// In force then.
    plan: Arc<Plan>,
    before: CpuList,
}

impl Drop for Beside {
    /// The thread has the CPUs that it had before, or those of a plan that came meanwhile. If the process may not use them any more,
    /// the watcher finds others.
    fn drop(&mut self) {
        let (here, state) = (Tid::current(), &mut *self.placed.state());
        for (shard, bound) in state.plan.shards.iter().zip(&mut state.shards) {
            let Some(bound) = bound.as_mut().filter(|bound| bound.thread == here) else { continue };
            let cpus = match &*shard.cpus {
                _ if Arc::ptr_eq(&state.plan, &self.plan) => self.before.iter().collect(),
                [] => state.allowed.as_ref().unwrap_or(&self.before).iter().collect(),
                cpus => cpus.to_vec(),
            };
            let _ = pin::pin(&cpus);
            (bound.beside, bound.cpus) = (false, pin::current());
        }
    }
}

/// The lists that a thread is in, perhaps; it leaves them when it ends.
struct Stays(RefCell<Vec<Weak<Placed>>>);

thread_local! {
    static STAYS: Stays = const { Stays(RefCell::new(Vec::new())) };
}

impl Drop for Stays {
    fn drop(&mut self) {
        for placed in self.0.get_mut().iter().filter_map(Weak::upgrade) {
            placed.leave();
        }
    }
}

/// The main thread is a shard's, and its mask says nothing about the process until this drops.
#[derive(Debug)]
pub(crate) struct MainBound(());

/// How many there are: a thread may have several local runtimes, one inside of the other.
static MAIN_BOUND: AtomicUsize = AtomicUsize::new(0);

impl MainBound {
    /// If this is the main thread. To be made before it is bound, and dropped after it is let go.
    pub fn here() -> Option<Self> {
        (Tid::current() == Tid::main()).then(|| {
            // SeqCst: before the system call that binds.
            MAIN_BOUND.fetch_add(1, Ordering::SeqCst);
            Self(())
        })
    }

    pub(super) fn is_so() -> bool {
        // SeqCst: asked before and after a system call that reads the mask.
        MAIN_BOUND.load(Ordering::SeqCst) > 0
    }
}

impl Drop for MainBound {
    fn drop(&mut self) {
        // SeqCst: after the system call that lets go.
        MAIN_BOUND.fetch_sub(1, Ordering::SeqCst);
    }
}
