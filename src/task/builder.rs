//! Spawning with a name.

use std::future::Future;
use std::io;

use corelane_shards::task::JoinHandle;

use crate::runtime::hooks::Origin;
use crate::runtime::large::boxed_if_large;
use crate::runtime::{Handle, context};

use super::LocalSet;
use super::spawn::{spawn_as, spawn_local_as};

/// Spawns a task that has a name, which task hooks are told: see [`TaskMeta::name`](crate::runtime::TaskMeta::name). With the feature
/// `tracing` and `--cfg tokio_unstable` Tokio's console shows it. Tasks of a [`LocalSet`] and closures on blocking threads have no
/// hooks; the console shows their names all the same.
///
/// # Examples
///
/// ```
/// # corelane::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let answer = corelane::task::Builder::new().name("answer").spawn(async { 42 })?;
/// assert_eq!(answer.await?, 42);
/// # std::io::Result::Ok(())
/// # }).unwrap()
/// ```
#[derive(Debug, Default, Clone, Copy)]
#[must_use = "a builder spawns nothing by itself"]
pub struct Builder<'a> {
    name: Option<&'a str>,
}

impl<'a> Builder<'a> {
    /// A task without a name.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives it a name.
    pub fn name(&self, name: &'a str) -> Self {
        Self { name: Some(name) }
    }

    /// As [`spawn`](super::spawn()).
    ///
    /// # Errors
    ///
    /// None; nor have the other methods that spawn a future.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Ok(boxed_if_large!(future: F => spawn_as(future, Origin::caller(self.name))))
    }

    /// As [`Handle::spawn`].
    #[track_caller]
    pub fn spawn_on<F>(self, future: F, handle: &Handle) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Ok(boxed_if_large!(future: F => handle.spawn_as(future, Origin::caller(self.name))))
    }

    /// As [`spawn_local`](super::spawn_local).
    ///
    /// # Panics
    ///
    /// Where `spawn_local` does.
    #[track_caller]
    pub fn spawn_local<F>(self, future: F) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        Ok(boxed_if_large!(future: F => spawn_local_as(future, Origin::caller(self.name))))
    }

    /// As [`LocalSet::spawn_local`].
    #[track_caller]
    pub fn spawn_local_on<F>(self, future: F, local_set: &LocalSet) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        Ok(local_set.spawn_local_as(future, Origin::caller(self.name)))
    }

    /// As [`spawn_blocking`](super::spawn_blocking).
    ///
    /// # Errors
    ///
    /// If the system gives the pool no thread at all.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn spawn_blocking<F, R>(self, function: F) -> io::Result<JoinHandle<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let origin = Origin::caller(self.name);
        context::with_current(|inner| inner.try_spawn_blocking(function, origin))
    }

    /// As [`Handle::spawn_blocking`].
    ///
    /// # Errors
    ///
    /// If the system gives the pool no thread at all.
    #[track_caller]
    pub fn spawn_blocking_on<F, R>(self, function: F, handle: &Handle) -> io::Result<JoinHandle<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        handle.inner().try_spawn_blocking(function, Origin::caller(self.name))
    }
}
