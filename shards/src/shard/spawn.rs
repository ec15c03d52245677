//! Spawning: make the task, then put it where it belongs.

#![expect(unsafe_code, reason = "sends a future that is Send only until it is first polled")]

use std::future::Future;

use crate::config::Place;
use crate::context;
use crate::mesh::{Mesh, Remote};
use crate::task::{self, Id, JoinHandle};

use super::placement::stay_below;
use super::schedule::{self, Why};
use super::{Local, current, home};

/// Spawns onto the shard this thread is inside; the task stays there.
///
/// # Panics
///
/// If the thread is not inside it, and without [`Config::local_tasks`](crate::config::Config::local_tasks): the shard may change
/// threads.
#[inline(always)]
#[track_caller]
pub fn spawn_local<F>(local: &Local, future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    spawn_local_as(local, task::next_id(), future)
}

/// As [`spawn_local`], for a task whose id was taken before.
#[inline(always)]
#[track_caller]
pub fn spawn_local_as<F>(local: &Local, id: Id, future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    // While the shard is lent, the arena is not this thread's.
    assert!(std::ptr::eq(context::local(), local), "this thread is not inside the shard");
    assert_stays(local.mesh());
    spawn_here(local, id, future)
}

/// Spawns onto the shard this thread is inside, if [`Local::trust`] was last called there with that surrounding; else gives the future
/// back.
#[inline(always)]
pub fn spawn_local_if_trusted<F>(surrounding: *const (), future: F) -> Result<JoinHandle<F::Output>, F>
where
    F: Future + 'static,
    F::Output: 'static,
{
    // Not by `current`: its closure would have the future copied.
    // SAFETY: while the thread is inside a shard its owner half is there.
    match unsafe { context::local().as_ref() } {
        Some(local) if local.trusted.get() == surrounding => Ok(spawn_open(local, task::next_id(), future)),
        _ => Err(future),
    }
}

/// Refuses tasks that are not `Send` where the shard may change threads. Who moves a shard relies on it.
#[inline(always)]
#[track_caller]
pub(super) fn assert_stays(mesh: &Mesh) {
    assert!(mesh.config().local_tasks, "this shard may change threads, so its tasks have to be `Send`");
}

/// As `spawn_local`, for what is `Send` or stays by another promise.
#[inline(always)]
fn spawn_here<F: Future>(local: &Local, id: Id, future: F) -> JoinHandle<F::Output> {
    if local.closing.get() {
        return task::cancelled(id, future);
    }
    spawn_open(local, id, future)
}

/// As `spawn_here` while the shard is not closing.
#[inline(always)]
fn spawn_open<F: Future>(local: &Local, id: Id, future: F) -> JoinHandle<F::Output> {
    let (task, handle) = task::pinned_here(local, id, future);
    local.spawned();
    local.run_queue(|run| run.push_new(task));
    handle
}

/// Spawns onto a given shard. The closure runs there, so what it makes need not be `Send`.
///
/// # Panics
///
/// Without [`Config::local_tasks`](crate::config::Config::local_tasks).
#[track_caller]
pub fn spawn_at<C, F>(remote: &Remote, make: C) -> JoinHandle<F::Output>
where
    C: FnOnce() -> F + Send + 'static,
    F: Future + 'static,
    F::Output: Send + 'static,
{
    spawn_at_as(remote, task::next_id(), make)
}

/// As [`spawn_at`], for a task whose id was taken before.
#[track_caller]
pub fn spawn_at_as<C, F>(remote: &Remote, id: Id, make: C) -> JoinHandle<F::Output>
where
    C: FnOnce() -> F + Send + 'static,
    F: Future + 'static,
    F::Output: Send + 'static,
{
    assert_stays(remote.mesh());
    current(|local| match local {
        Some(local) if std::ptr::eq(local.remote(), remote) => {
            spawn_here(local, id, async move { make().await })
        }
        _ => {
            // SAFETY: until it is polled the future holds the closure alone, which is `Send`.
            unsafe { send(remote, id, async move { make().await }) }
        }
    })
}

/// Spawns onto a given shard what may go anywhere and then stays there.
pub fn spawn_to<F>(remote: &Remote, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let id = task::next_id();
    current(|local| match local {
        Some(local) if std::ptr::eq(local.remote(), remote) => spawn_here(local, id, future),
        // SAFETY: the future is `Send`.
        _ => unsafe { send(remote, id, future) },
    })
}

/// Spawns onto the mesh: movable if tasks move, else placed.
#[inline]
pub fn spawn<F>(mesh: &Mesh, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    spawn_as(mesh, task::next_id(), future)
}

/// As [`spawn`], for a task whose id was taken before.
#[inline]
pub fn spawn_as<F>(mesh: &Mesh, id: Id, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    // From inside a guest too the task belongs here, if this is the mesh.
    home(|local| {
        let local = local.filter(|local| std::ptr::eq(&**local.mesh(), mesh));
        if mesh.steals() {
            return spawn_movable(mesh, local, id, future);
        }
        let target = match local {
            Some(local) => match local.place(mesh) {
                None => return spawn_here(local, id, future),
                Some(other) => other,
            },
            None => mesh.least_loaded(),
        };
        // SAFETY: the future is `Send`.
        unsafe { send(target, id, future) }
    })
}

fn spawn_movable<F>(mesh: &Mesh, local: Option<&Local>, id: Id, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send,
    F::Output: Send,
{
    if let (Some(local), true) = (local, task::fits_arena::<F>()) {
        if local.closing.get() || local.remote().refuses_movable() {
            return task::cancelled(id, future);
        }
        let (task, handle) = task::movable_here(local, id, future);
        local.remote().movable.add(1);
        if std::ptr::eq(context::local(), local) {
            schedule::submit_here(local, task, Why::Spawned);
        } else {
            // Inside a guest.
            schedule::submit(task, Why::Spawned);
        }
        return handle;
    }
    let lister = match local {
        Some(local) => local.remote(),
        None => mesh.next_lister(),
    };
    let (task, handle) = task::movable_on_heap(lister, id, future);
    if lister.list(task) {
        schedule::submit(task, Why::Spawned);
    } else {
        task::refuse(task);
    }
    handle
}

/// # Safety
/// The future is `Send` for as long as it has not been polled, or this is the one thread that ever drives the shard.
pub(super) unsafe fn send<F: Future>(remote: &Remote, id: Id, future: F) -> JoinHandle<F::Output> {
    // SAFETY: by contract.
    let (task, handle) = unsafe { task::pinned_there(remote, id, future) };
    // Relaxed: an impression for placement.
    remote.sent.fetch_add(1, crate::loom::atomic::Ordering::Relaxed);
    if schedule::mail_new(task) {
        remote.wake();
    }
    handle
}

impl Local {
    /// Where a spawn goes: `None` is here.
    #[inline]
    fn place<'a>(&self, mesh: &'a Mesh) -> Option<&'a Remote> {
        if mesh.remotes().len() == 1
            || mesh.config().place == Place::Local
            || self.live() < self.stay_below.get()
        {
            return None;
        }
        // What was spawned since the last turn counts too, or this shard would seem the least loaded and be sent its own tasks.
        self.publish_load();
        let least = mesh.least_loaded();
        self.stay_below.set(stay_below(least.load()));
        (self.live() >= self.stay_below.get()).then_some(least)
    }
}
