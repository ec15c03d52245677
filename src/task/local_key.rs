//! Values that belong to a task and not to a thread.
//!
//! A key is a thread-local that is empty while no scope runs. A scope holds its value, and puts it there for the time of each
//! poll, so that the value travels with the future. Scopes of one key nest: what the inner one finds, it keeps in place of
//! its own value and puts back.
//!
//! Threads: each its own.

use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::marker::PhantomPinned;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

use pin_project_lite::pin_project;

/// Declares task-local keys, each a [`LocalKey`](crate::task::LocalKey).
///
/// # Examples
///
/// ```
/// corelane::task_local! {
///     /// Which request this task serves.
///     pub static REQUEST: u64;
/// }
///
/// # corelane::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let task = corelane::spawn(REQUEST.scope(7, async { REQUEST.get() }));
/// assert_eq!(task.await.unwrap(), 7);
/// # })
/// ```
#[macro_export]
macro_rules! task_local {
    ($($(#[$attr:meta])* $vis:vis static $name:ident: $t:ty);* $(;)?) => {
        $(
            $(#[$attr])*
            $vis static $name: $crate::task::LocalKey<$t> = {
                ::std::thread_local! {
                    // Items have no hygiene: the type may name something, which must not be this.
                    static __TASK_LOCAL: ::std::cell::RefCell<::std::option::Option<$t>> =
                        const { ::std::cell::RefCell::new(::std::option::Option::None) };
                }
                $crate::task::LocalKey::new(&__TASK_LOCAL)
            };
        )*
    };
}

/// A value that a scope of the running task set; made by [`task_local!`](crate::task_local).
pub struct LocalKey<T: 'static> {
    value: &'static thread::LocalKey<RefCell<Option<T>>>,
}

impl<T: 'static> LocalKey<T> {
    #[doc(hidden)]
    pub const fn new(value: &'static thread::LocalKey<RefCell<Option<T>>>) -> Self {
        Self { value }
    }

    /// Runs a future with the key set to a value, which is dropped with it. It is set in drops of the future's too.
    ///
    /// # Panics
    ///
    /// When polled inside of [`with`](Self::with) of the same key.
    pub fn scope<F: Future>(&'static self, value: T, f: F) -> TaskLocalFuture<T, F> {
        TaskLocalFuture { key: self, value: Some(value), future: Some(f), _pinned: PhantomPinned }
    }

    /// Runs a closure with the key set to a value.
    ///
    /// # Panics
    ///
    /// Inside of [`with`](Self::with) of the same key.
    #[track_caller]
    pub fn sync_scope<F, R>(&'static self, value: T, f: F) -> R
    where
        F: FnOnce() -> R,
    {
        let mut value = Some(value);
        let _set = self.set(&mut value);
        f()
    }

    /// Runs a closure with the value.
    ///
    /// # Panics
    ///
    /// Outside of a scope.
    #[track_caller]
    pub fn with<F, R>(&'static self, f: F) -> R
    where
        F: FnOnce(&T) -> R,
    {
        match self.try_with(f) {
            Ok(result) => result,
            Err(_) => panic!("cannot access a task-local storage value without setting it first"),
        }
    }

    /// Runs a closure with the value.
    ///
    /// # Errors
    ///
    /// Outside of a scope.
    pub fn try_with<F, R>(&'static self, f: F) -> Result<R, AccessError>
    where
        F: FnOnce(&T) -> R,
    {
        let found = self.value.try_with(|value| value.borrow().as_ref().map(f));
        found.ok().flatten().ok_or(AccessError(()))
    }

    /// Puts a scope's value where `with` finds it.
    #[track_caller]
    fn set<'a>(&'static self, scoped: &'a mut Option<T>) -> Set<'a, T> {
        match self.swap(scoped) {
            Ok(()) => Set { key: self, scoped },
            Err(problem) => panic!("cannot enter a task-local scope {problem}"),
        }
    }

    fn swap(&'static self, scoped: &mut Option<T>) -> Result<(), &'static str> {
        let swap = |value: &RefCell<Option<T>>| {
            let mut value = value.try_borrow_mut().map_err(|_| "while the task-local storage is borrowed")?;
            mem::swap(&mut *value, scoped);
            Ok(())
        };
        let gone = "during or after destruction of the underlying thread-local";
        self.value.try_with(swap).unwrap_or(Err(gone))
    }
}

impl<T: Clone + 'static> LocalKey<T> {
    /// The value.
    ///
    /// # Panics
    ///
    /// Outside of a scope.
    #[track_caller]
    pub fn get(&'static self) -> T {
        self.with(T::clone)
    }

    /// The value.
    ///
    /// # Errors
    ///
    /// Outside of a scope.
    pub fn try_get(&'static self) -> Result<T, AccessError> {
        self.try_with(T::clone)
    }
}

impl<T: 'static> fmt::Debug for LocalKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("LocalKey { .. }")
    }
}

/// A scope that runs; the value goes back when this drops.
struct Set<'a, T: 'static> {
    key: &'static LocalKey<T>,
    scoped: &'a mut Option<T>,
}

impl<T: 'static> Drop for Set<'_, T> {
    fn drop(&mut self) {
        // Nothing can be borrowed, since borrows end within calls made by the scope; and if the thread-local is gone, so
        // is the value.
        let _ = self.key.swap(self.scoped);
    }
}

pin_project! {
    /// A future in the scope of a task-local value; made by [`LocalKey::scope`].
    #[must_use = "futures do nothing unless polled"]
    pub struct TaskLocalFuture<T, F>
    where
        T: 'static,
    {
        key: &'static LocalKey<T>,
        value: Option<T>,
        #[pin]
        future: Option<F>,
        #[pin]
        _pinned: PhantomPinned,
    }

    impl<T: 'static, F> PinnedDrop for TaskLocalFuture<T, F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.future.is_some() && this.key.swap(this.value).is_ok() {
                let _set = Set { key: this.key, scoped: this.value };
                this.future.set(None);
            }
        }
    }
}

impl<T, F> TaskLocalFuture<T, F>
where
    T: 'static,
{
    /// Takes the value out. The future goes on without it.
    pub fn take_value(self: Pin<&mut Self>) -> Option<T> {
        self.project().value.take()
    }
}

impl<T: 'static, F: Future> Future for TaskLocalFuture<T, F> {
    type Output = F::Output;

    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let _set = this.key.set(this.value);
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            panic!("`TaskLocalFuture` polled after completion");
        };
        let polled = future.poll(cx);
        if polled.is_ready() {
            this.future.set(None);
        }
        polled
    }
}

impl<T, F> fmt::Debug for TaskLocalFuture<T, F>
where
    T: fmt::Debug + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missing: &dyn fmt::Debug = &format_args!("<missing>");
        f.debug_struct("TaskLocalFuture")
            .field("value", self.value.as_ref().map_or(missing, |value| value))
            .finish()
    }
}

/// A task-local value was asked for outside of its scopes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AccessError(());

impl fmt::Debug for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessError")
    }
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("task-local value not set")
    }
}

impl Error for AccessError {}
