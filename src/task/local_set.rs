//! Tasks that need not be `Send`, in whatever polls them.
//!
//! A set is a [guest](Guest) of the engine: a shard that runs while it is polled. Here: which set `spawn_local` means, and the
//! ways to poll one. Not here: the tasks' scheduling, and how a wake from another thread reaches who polls.
//!
//! Threads: one for each set. The thread-local is a thread's own.

use std::cell::Cell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use corelane_shards::shard::Guest;
use corelane_shards::task::{self, JoinHandle};

use crate::error;
use crate::runtime::context::{self, Blocking, BlockingGuard};
use crate::runtime::hooks::Origin;
use crate::runtime::large::boxed_if_large;
use crate::runtime::span;
use crate::runtime::stall::{self, Polled};
use crate::runtime::{Id, Runtime, UnhandledPanic};

thread_local! {
    /// The set that `spawn_local` means. Counted, since guards may be dropped in any order and after their set.
    static CURRENT: Cell<Option<Rc<Tasks>>> = const { Cell::new(None) };
    /// Whether `CURRENT` holds one: a look that costs each spawn one load, since this one needs no destructor.
    static IN_SET: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is in a set.
#[inline(always)]
pub(super) fn is_inside() -> bool {
    IN_SET.with(Cell::get)
}

/// Says which set the thread is in; gives the one before.
fn replace(tasks: Option<Rc<Tasks>>) -> Option<Rc<Tasks>> {
    let is_some = tasks.is_some();
    let before = CURRENT.try_with(|current| {
        IN_SET.with(|in_set| in_set.set(is_some));
        current.replace(tasks)
    });
    before.ok().flatten()
}

/// The set that this thread is in, if any.
pub(super) fn current() -> Option<Rc<Tasks>> {
    // A thread that is ending is in no set.
    let look = |current: &Cell<Option<Rc<Tasks>>>| {
        let tasks = current.take();
        current.set(tasks.clone());
        tasks
    };
    CURRENT.try_with(look).ok().flatten()
}

/// What a set and the guards that entered it share.
pub(super) struct Tasks {
    guest: Guest,
    /// Whether a panic in a task ends the set.
    shuts_down: bool,
    /// Whether one did.
    panicked: Cell<bool>,
    /// Whether tasks are spawned as [`Watched`], for that or for a runtime that tells of long polls.
    watches: Cell<bool>,
}

impl Tasks {
    /// Has the polls of later tasks noted, if this thread's runtime wants to tell of long ones. A set is asked rarely: not for each spawn.
    fn watch_if_asked(&self) {
        if stall::here().is_some() {
            self.watches.set(true);
        }
    }

    pub fn spawn<F>(self: &Rc<Self>, future: F, origin: Origin<'_>) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let id = task::next_id();
        let future = span::of_task(future, "local", id, &origin);
        if !self.watches.get() {
            return self.guest.spawn(id, future);
        }
        let future: Pin<Box<dyn Future<Output = F::Output>>> = Box::pin(future);
        let polled = Polled { task: Some(id), at: origin.at };
        // Weak: the guest owns the task.
        let tasks = if self.shuts_down { Rc::downgrade(self) } else { Weak::new() };
        self.guest.spawn(id, Watched { future, tasks, polled })
    }

    /// One turn. True if no task is left.
    fn poll(&self, cx: &mut Context<'_>) -> bool {
        let was_closed = self.panicked.get();
        let is_empty = self.guest.poll(cx);
        if self.panicked.get() {
            // Once, by the poll that ran the task: others may be nested in a visit of the guest.
            if !was_closed {
                self.guest.close();
            }
            panic!("{}", error::LOCAL_UNHANDLED_PANIC);
        }
        is_empty
    }
}

/// A task of a set that a panic ends, or whose polls are noted. Boxed, so that it is compiled once for each type of output.
struct Watched<F> {
    future: F,
    /// The set, if a panic ends it.
    tasks: Weak<Tasks>,
    polled: Polled,
}

impl<F: Future + Unpin> Future for Watched<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let tasks = self.tasks.upgrade();
        // Those that come later in the turn that ends the set do not run any more; then they are dropped.
        if tasks.as_ref().is_some_and(|tasks| tasks.panicked.get()) {
            return Poll::Pending;
        }
        let stalls = stall::here();
        let _noted = stalls.as_ref().and_then(|stalls| stalls.note(self.polled));
        catch_unwind(AssertUnwindSafe(|| Pin::new(&mut self.future).poll(cx))).unwrap_or_else(|panic| {
            tasks.inspect(|tasks| tasks.panicked.set(true));
            resume_unwind(panic)
        })
    }
}

/// Tasks that stay on the thread that made the set, and run while the set is polled there.
///
/// The set is polled as a future, which ends when all its tasks have, or by [`run_until`](Self::run_until). Dropping it
/// cancels the tasks.
///
/// # On shards
///
/// A set is for code that was written for it, and for threads that are no shards. In a sharded runtime
/// [`spawn_local`](super::spawn_local) needs none.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
///
/// let runtime = corelane::runtime::Builder::new_current_thread().build()?;
/// let set = corelane::task::LocalSet::new();
/// let answer = runtime.block_on(set.run_until(async {
///     let shared = Rc::new(42);
///     corelane::task::spawn_local(async move { *shared }).await
/// }));
/// assert_eq!(answer.unwrap(), 42);
/// # std::io::Result::Ok(())
/// ```
pub struct LocalSet {
    tasks: Rc<Tasks>,
    id: Id,
}

impl LocalSet {
    /// A set without tasks. It need not be in a runtime.
    pub fn new() -> Self {
        let tasks = Tasks {
            guest: Guest::new(),
            shuts_down: false,
            panicked: Cell::new(false),
            watches: Cell::new(false),
        };
        tasks.watch_if_asked();
        Self { tasks: Rc::new(tasks), id: Id::next() }
    }

    /// What a panic in a task does. With [`ShutdownRuntime`](UnhandledPanic::ShutdownRuntime) it ends the set: all its tasks are
    /// dropped, and whoever polls the set panics. By default it becomes the task's
    /// [`JoinError`](crate::task::JoinError), and that is all.
    ///
    /// # Panics
    ///
    /// If the set has been entered, or a task was spawned that such a panic would end.
    #[track_caller]
    pub fn unhandled_panic(&mut self, behavior: UnhandledPanic) -> &mut Self {
        let tasks = Rc::get_mut(&mut self.tasks).expect(error::LOCAL_SET_STARTED);
        tasks.shuts_down = behavior == UnhandledPanic::ShutdownRuntime;
        *tasks.watches.get_mut() |= tasks.shuts_down;
        self
    }

    /// Makes `spawn_local` on this thread mean this set until the guard drops.
    pub fn enter(&self) -> LocalEnterGuard {
        LocalEnterGuard { before: replace(Some(self.tasks.clone())) }
    }

    /// Spawns a task, which runs while the set is polled.
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.spawn_local_as(future, Origin::caller(None))
    }

    pub(super) fn spawn_local_as<F>(&self, future: F, origin: Origin<'_>) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        boxed_if_large!(future: F => self.tasks.spawn(future, origin))
    }

    /// Runs a future to its end on this thread, and the set's tasks meanwhile. Tasks that are left run on when the set is
    /// polled next.
    ///
    /// # Panics
    ///
    /// As [`Runtime::block_on`] does.
    #[track_caller]
    pub fn block_on<F: Future>(&self, rt: &Runtime, future: F) -> F::Output {
        boxed_if_large!(future: F => rt.block_on(self.run_until(future)))
    }

    /// Polls a future, which may call `spawn_local`, and the set's tasks until the future is ready.
    ///
    /// # Cancel safety
    ///
    /// Safe if the future is; the tasks stay in the set.
    pub async fn run_until<F: Future>(&self, future: F) -> F::Output {
        self.tasks.watch_if_asked();
        let mut future = pin!(future);
        poll_fn(|cx| {
            let _inside = self.inside();
            let polled = self.tasks.guest.visit(|| future.as_mut().poll(cx));
            if polled.is_ready() {
                self.tasks.guest.pass_on();
            } else {
                self.tasks.poll(cx);
            }
            polled
        })
        .await
    }

    /// The set's id, unique among all sets and runtimes of the process.
    pub fn id(&self) -> Id {
        self.id
    }

    /// What holds while the set's tasks run or are dropped: `spawn_local` means this set, and nothing may block in place, for it
    /// would keep all of them from running.
    fn inside(&self) -> (LocalEnterGuard, Option<BlockingGuard>) {
        let blocking = (context::blocking() == Blocking::InPlaceOnly)
            .then(|| context::set_blocking(Blocking::Forbidden));
        (self.enter(), blocking)
    }
}

impl Future for LocalSet {
    type Output = ();

    /// Ready when no task is left.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let _inside = self.inside();
        if self.tasks.poll(cx) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for LocalSet {
    fn drop(&mut self) {
        let _inside = self.inside();
        self.tasks.guest.close();
    }
}

impl Default for LocalSet {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for LocalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSet").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Keeps `spawn_local` on this thread meaning a set; made by [`LocalSet::enter`].
#[must_use = "dropping the guard leaves the set"]
pub struct LocalEnterGuard {
    before: Option<Rc<Tasks>>,
}

impl Drop for LocalEnterGuard {
    fn drop(&mut self) {
        // A thread that is ending has nothing to go back to.
        drop(replace(self.before.take()));
    }
}

impl fmt::Debug for LocalEnterGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalEnterGuard").finish_non_exhaustive()
    }
}
