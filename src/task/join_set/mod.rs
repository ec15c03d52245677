//! A set of tasks that are joined as they complete.
//!
//! Here: the entries, by key, and joining. Not here: which entries to look at, in [`alarms`], which makes joining independent
//! of how many tasks are in the set.
//!
//! Threads: whoever has the set.

mod alarms;
mod builder;
mod entries;

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use corelane_shards::coop::{self, Budget};
use corelane_shards::task::{self, AbortHandle, Id, JoinError, JoinHandle};

use crate::runtime::Handle;

use super::LocalSet;
use alarms::{Alarm, Alarms};
use entries::Entries;

pub use builder::Builder;

/// Tasks with outputs of one type, joined in the order in which they complete. Dropping the set aborts those that are in it.
///
/// # Examples
///
/// ```
/// # corelane::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let mut squares: corelane::task::JoinSet<u32> = (1..=3).map(|n| async move { n * n }).collect();
/// let mut sum = 0;
/// while let Some(square) = squares.join_next().await {
///     sum += square.unwrap();
/// }
/// assert_eq!(sum, 14);
/// # })
/// ```
pub struct JoinSet<T> {
    entries: Entries<Entry<T>>,
    alarms: Arc<Alarms>,
}

struct Entry<T> {
    handle: JoinHandle<T>,
    /// The entry's [`Alarm`].
    waker: Waker,
}

impl<T> JoinSet<T> {
    /// An empty set.
    pub fn new() -> Self {
        Self { entries: Entries::new(), alarms: Alarms::new() }
    }

    /// How many tasks are in the set, completed or not.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no task is in the set.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: 'static> JoinSet<T> {
    /// Gives a task that is spawned into the set a name.
    pub fn build_task(&mut self) -> Builder<'_, T> {
        Builder::new(self)
    }

    /// Spawns a task into the current runtime, and adds it.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn spawn<F>(&mut self, task: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        self.insert(super::spawn(task))
    }

    /// Spawns a task into the given runtime, and adds it.
    #[track_caller]
    pub fn spawn_on<F>(&mut self, task: F, handle: &Handle) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        self.insert(handle.spawn(task))
    }

    /// Spawns a task that need not be `Send`, and adds it. See [`spawn_local`](super::spawn_local).
    ///
    /// # Panics
    ///
    /// Where `spawn_local` does.
    #[track_caller]
    pub fn spawn_local<F>(&mut self, task: F) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        self.insert(super::spawn_local(task))
    }

    /// Spawns a task into the given local set, and adds it.
    #[track_caller]
    pub fn spawn_local_on<F>(&mut self, task: F, local_set: &LocalSet) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        self.insert(local_set.spawn_local(task))
    }

    /// Runs a closure on a thread that may block, and adds it. See [`spawn_blocking`](super::spawn_blocking).
    ///
    /// # Panics
    ///
    /// Where `spawn_blocking` does.
    #[track_caller]
    pub fn spawn_blocking<F>(&mut self, f: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        self.insert(super::spawn_blocking(f))
    }

    /// Runs a closure on a thread of the given runtime that may block, and adds it.
    ///
    /// # Panics
    ///
    /// If the system gives the pool no thread at all.
    #[track_caller]
    pub fn spawn_blocking_on<F>(&mut self, f: F, handle: &Handle) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        self.insert(handle.spawn_blocking(f))
    }

    fn insert(&mut self, handle: JoinHandle<T>) -> AbortHandle {
        let abort = handle.abort_handle();
        let (alarms, before) = (&self.alarms, self.entries.capacity());
        let key = self.entries.insert_with(|key| {
            let alarm = Alarm { key, alarms: Arc::clone(alarms) };
            Entry { handle, waker: Waker::from(Arc::new(alarm)) }
        });
        if self.entries.capacity() != before {
            self.alarms.reserve(self.entries.capacity());
        }
        // From the start, so that keys are queued in the order in which the tasks end, whenever the set is looked at.
        let ends = |entry: &mut Entry<T>| task::wake_at_end(&mut entry.handle, &entry.waker);
        if !self.entries.get_mut(key).is_some_and(ends) {
            self.alarms.push(key);
        }
        abort
    }

    /// Waits until a task completes, takes it out of the set, and gives its output. `None` if the set is empty.
    ///
    /// # Cancel safety
    ///
    /// Safe: what was not given stays in the set.
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        poll_fn(|cx| self.poll_join_next(cx)).await
    }

    /// As [`join_next`](Self::join_next), with the task's id. That of a task that failed is in the error.
    ///
    /// # Cancel safety
    ///
    /// Safe: what was not given stays in the set.
    pub async fn join_next_with_id(&mut self) -> Option<Result<(Id, T), JoinError>> {
        poll_fn(|cx| self.poll_join_next_with_id(cx)).await
    }

    /// Takes a task that has completed out of the set, and gives its output. `None` if there is none.
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        self.try_join_next_with_id().map(without_id)
    }

    /// As [`try_join_next`](Self::try_join_next), with the task's id.
    pub fn try_join_next_with_id(&mut self) -> Option<Result<(Id, T), JoinError>> {
        loop {
            let key = self.alarms.pop()?;
            if let Some(joined) = self.join(key) {
                return Some(joined);
            }
        }
    }

    /// Polls for a task that has completed. Only the waker of the last poll is woken.
    pub fn poll_join_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, JoinError>>> {
        self.poll_join_next_with_id(cx).map(|joined| joined.map(without_id))
    }

    /// As [`poll_join_next`](Self::poll_join_next), with the task's id.
    pub fn poll_join_next_with_id(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<(Id, T), JoinError>>> {
        // An empty set has nothing to give, and takes nothing for it.
        if self.is_empty() {
            return Poll::Ready(None);
        }
        let proceed = ready!(coop::poll_proceed(cx));
        loop {
            let Some(key) = self.alarms.pop_or_wait(cx.waker()) else { return Poll::Pending };
            if let Some(joined) = self.join(key) {
                proceed.made_progress();
                return Poll::Ready(Some(joined));
            }
        }
    }

    /// Looks at one entry, and takes it out if its task has completed.
    fn join(&mut self, key: usize) -> Option<Result<(Id, T), JoinError>> {
        let Entry { handle, waker } = self.entries.get_mut(key)?;
        let id = handle.id();
        // The set counts, not the handles: one without budget would set off its alarm, and be looked at again at once.
        let poll = || Pin::new(&mut *handle).poll(&mut Context::from_waker(waker));
        let Poll::Ready(joined) = coop::with_budget(Budget::unconstrained(), poll) else { return None };
        self.entries.remove(key);
        Some(joined.map(|output| (id, output)))
    }

    /// Aborts all tasks. They stay in the set until they are joined.
    pub fn abort_all(&mut self) {
        self.entries.iter().for_each(|entry| entry.handle.abort());
    }

    /// Takes all tasks out of the set. They go on.
    pub fn detach_all(&mut self) {
        self.entries = Entries::new();
        // Of their own, so that what is left of the old alarms reaches nobody.
        self.alarms = Alarms::new();
    }

    /// Aborts all tasks and waits until they have ended. Panics of theirs are not reported.
    ///
    /// # Cancel safety
    ///
    /// Once polled all tasks are aborted. Those that were not waited for stay in the set.
    pub async fn shutdown(&mut self) {
        self.abort_all();
        while self.join_next().await.is_some() {}
    }

    /// Waits for all tasks and gives their outputs in the order in which they completed.
    ///
    /// # Cancel safety
    ///
    /// The set is dropped with the future: tasks that run are aborted, and outputs that were gathered are lost.
    ///
    /// # Panics
    ///
    /// With the panic of the first task that panics, or when a task was cancelled. The other tasks are aborted.
    pub async fn join_all(mut self) -> Vec<T> {
        let mut outputs = Vec::with_capacity(self.len());
        while let Some(joined) = self.join_next().await {
            match joined.map_err(JoinError::try_into_panic) {
                Ok(output) => outputs.push(output),
                Err(Ok(panic)) => resume_unwind(panic),
                Err(Err(cancelled)) => panic!("{cancelled}"),
            }
        }
        outputs
    }
}

fn without_id<T>(joined: Result<(Id, T), JoinError>) -> Result<T, JoinError> {
    joined.map(|(_, output)| output)
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.entries.iter().for_each(|entry| entry.handle.abort());
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("len", &self.len()).finish()
    }
}

/// Spawns each future into the current runtime.
impl<T, F> Extend<F> for JoinSet<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    fn extend<I>(&mut self, iter: I)
    where
        I: IntoIterator<Item = F>,
    {
        for task in iter {
            self.spawn(task);
        }
    }
}

/// Spawns each future into the current runtime.
impl<T, F> FromIterator<F> for JoinSet<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    fn from_iter<I: IntoIterator<Item = F>>(iter: I) -> Self {
        let mut set = Self::new();
        set.extend(iter);
        set
    }
}
