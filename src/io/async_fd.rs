//! Any file that the kernel can watch.

#![expect(unsafe_code, reason = "two constructors are unsafe, and the descriptor of any file is lent")]

use std::error::Error;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::task::{Context, Poll, ready};

use corelane_shards::reactor::{Direction, ReadyEvent, Registration};

use crate::runtime::context;

use super::{Interest, Ready};

/// Waits for the readiness of a file that something else reads and writes.
///
/// The file must not block, and has to keep its descriptor while it is inside. What is done with it is up to the user: wait
/// for a guard, try the operation, and when it would have blocked tell the guard so, by [`clear_ready`] or through its
/// `try_io`. A guard that is not told finds the file ready again.
///
/// The file is watched from the start, so that a constructor reports what can't be: an ordinary file, for instance.
///
/// # Cancel safety
///
/// Readiness is found, not taken, so nothing is lost when a waiting future is dropped.
///
/// # Errors
///
/// Waiting fails if the runtime is shut down: see [`is_rt_shutdown_err`](crate::runtime::is_rt_shutdown_err).
///
/// # Examples
///
/// ```no_run
/// use std::io::{self, Read};
/// use std::os::fd::AsRawFd;
/// use corelane::io::unix::AsyncFd;
///
/// async fn read(socket: &AsyncFd<std::net::TcpStream>, buf: &mut [u8]) -> io::Result<usize> {
///     loop {
///         let mut guard = socket.readable().await?;
///         match guard.try_io(|inner| inner.get_ref().read(buf)) {
///             Ok(result) => return result,
///             Err(_would_block) => continue,
///         }
///     }
/// }
/// ```
///
/// [`clear_ready`]: AsyncFdReadyGuard::clear_ready
pub struct AsyncFd<T: AsRawFd> {
    registration: Registration,
    /// There until it is taken out of the runtime.
    inner: Option<T>,
}

/// Found ready. Dropping it leaves the readiness as it is.
#[must_use = "tell it whether the operation would have blocked, or the file is found ready again"]
pub struct AsyncFdReadyGuard<'a, T: AsRawFd> {
    async_fd: &'a AsyncFd<T>,
    event: Option<ReadyEvent>,
}

/// Found ready, with the file to itself. Dropping it leaves the readiness as it is.
#[must_use = "tell it whether the operation would have blocked, or the file is found ready again"]
pub struct AsyncFdReadyMutGuard<'a, T: AsRawFd> {
    async_fd: &'a mut AsyncFd<T>,
    event: Option<ReadyEvent>,
}

/// The operation would have blocked, which the guard's `try_io` has taken note of.
#[derive(Debug)]
pub struct TryIoError(());

/// The file can't be watched: it and the reason are inside.
pub struct AsyncFdRegisterError<T> {
    inner: T,
    cause: io::Error,
}

const THERE: &str = "the file is there until it is taken out";
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

impl<T: AsRawFd> AsyncFd<T> {
    /// Watches a file for reading and writing. [`AsFd`] then lends its descriptor, which may be one that is closed or another file's:
    /// nothing here asks for a promise.
    ///
    /// # Errors
    ///
    /// If the kernel can't watch it. The file is dropped.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    #[deprecated(note = "a number need not be an open file; use `AsyncFd::register`, which asks for that")]
    pub fn new(inner: T) -> io::Result<Self> {
        Ok(Self::watch(inner, BOTH)?)
    }

    /// As [`new`](Self::new), for the given interest. Waiting for anything else then waits for ever.
    #[track_caller]
    #[deprecated(
        note = "a number need not be an open file; use `AsyncFd::register_with_interest`, which asks for that"
    )]
    pub fn with_interest(inner: T, interest: Interest) -> io::Result<Self> {
        Ok(Self::watch(inner, interest)?)
    }

    /// As [`new`](Self::new); the error gives the file back.
    #[track_caller]
    #[deprecated(note = "a number need not be an open file; use `AsyncFd::register`, which asks for that")]
    pub fn try_new(inner: T) -> Result<Self, AsyncFdRegisterError<T>> {
        Self::watch(inner, BOTH)
    }

    /// As [`with_interest`](Self::with_interest); the error gives the file back.
    #[track_caller]
    #[deprecated(
        note = "a number need not be an open file; use `AsyncFd::register_with_interest`, which asks for that"
    )]
    pub fn try_with_interest(inner: T, interest: Interest) -> Result<Self, AsyncFdRegisterError<T>> {
        Self::watch(inner, interest)
    }

    /// Watches a file for reading and writing.
    ///
    /// # Errors
    ///
    /// If the kernel can't watch it. The error gives the file back.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    ///
    /// # Safety
    ///
    /// The descriptor is open, and stays so and the same until the value is dropped.
    #[track_caller]
    pub unsafe fn register(inner: T) -> Result<Self, AsyncFdRegisterError<T>> {
        Self::watch(inner, BOTH)
    }

    /// As [`register`](Self::register), for the given interest. Waiting for anything else then waits for ever.
    ///
    /// # Safety
    ///
    /// As there.
    #[track_caller]
    pub unsafe fn register_with_interest(
        inner: T,
        interest: Interest,
    ) -> Result<Self, AsyncFdRegisterError<T>> {
        Self::watch(inner, interest)
    }

    #[track_caller]
    fn watch(inner: T, interest: Interest) -> Result<Self, AsyncFdRegisterError<T>> {
        let bound = context::io_mesh().and_then(|mesh| {
            let registration = Registration::new(&mesh, inner.as_raw_fd(), interest);
            registration.bind_now().map(|()| registration)
        });
        match bound {
            Ok(registration) => Ok(Self { registration, inner: Some(inner) }),
            Err(cause) => Err(AsyncFdRegisterError { inner, cause }),
        }
    }

    /// The file.
    pub fn get_ref(&self) -> &T {
        self.inner.as_ref().expect(THERE)
    }

    /// The file, to be changed. It has to keep its descriptor.
    pub fn get_mut(&mut self) -> &mut T {
        self.inner.as_mut().expect(THERE)
    }

    /// Takes the file out of the runtime.
    pub fn into_inner(mut self) -> T {
        self.take().expect(THERE)
    }

    /// The file must not be closed, nor be used elsewhere, before it is taken out of the reactor.
    fn take(&mut self) -> Option<T> {
        self.registration.take_out();
        self.inner.take()
    }

    /// Polls until the file is readable. Of the tasks that poll for reading, the last is woken.
    pub fn poll_read_ready<'a>(&'a self, cx: &mut Context<'_>) -> Poll<io::Result<AsyncFdReadyGuard<'a, T>>> {
        self.poll_guard(cx, Direction::Read)
    }

    /// Polls until the file is writable. Of the tasks that poll for writing, the last is woken.
    pub fn poll_write_ready<'a>(
        &'a self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyGuard<'a, T>>> {
        self.poll_guard(cx, Direction::Write)
    }

    /// As [`poll_read_ready`](Self::poll_read_ready), with the file to be changed.
    pub fn poll_read_ready_mut<'a>(
        &'a mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyMutGuard<'a, T>>> {
        self.poll_guard_mut(cx, Direction::Read)
    }

    /// As [`poll_write_ready`](Self::poll_write_ready), with the file to be changed.
    pub fn poll_write_ready_mut<'a>(
        &'a mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AsyncFdReadyMutGuard<'a, T>>> {
        self.poll_guard_mut(cx, Direction::Write)
    }

    fn poll_guard(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<io::Result<AsyncFdReadyGuard<'_, T>>> {
        let event = ready!(self.registration.poll_ready(cx, direction))?;
        Poll::Ready(Ok(AsyncFdReadyGuard { async_fd: self, event: Some(event) }))
    }

    fn poll_guard_mut(
        &mut self,
        cx: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<io::Result<AsyncFdReadyMutGuard<'_, T>>> {
        let event = ready!(self.registration.poll_ready(cx, direction))?;
        Poll::Ready(Ok(AsyncFdReadyMutGuard { async_fd: self, event: Some(event) }))
    }

    /// Waits until something of the interest is ready.
    pub async fn ready(&self, interest: Interest) -> io::Result<AsyncFdReadyGuard<'_, T>> {
        let event = self.registration.readiness(interest).await?;
        Ok(AsyncFdReadyGuard { async_fd: self, event: Some(event) })
    }

    /// As [`ready`](Self::ready), with the file to be changed.
    pub async fn ready_mut(&mut self, interest: Interest) -> io::Result<AsyncFdReadyMutGuard<'_, T>> {
        let event = self.registration.readiness(interest).await?;
        Ok(AsyncFdReadyMutGuard { async_fd: self, event: Some(event) })
    }

    /// Waits until the file is readable.
    pub async fn readable<'a>(&'a self) -> io::Result<AsyncFdReadyGuard<'a, T>> {
        self.ready(Interest::READABLE).await
    }

    /// As [`readable`](Self::readable), with the file to be changed.
    pub async fn readable_mut<'a>(&'a mut self) -> io::Result<AsyncFdReadyMutGuard<'a, T>> {
        self.ready_mut(Interest::READABLE).await
    }

    /// Waits until the file is writable.
    pub async fn writable<'a>(&'a self) -> io::Result<AsyncFdReadyGuard<'a, T>> {
        self.ready(Interest::WRITABLE).await
    }

    /// As [`writable`](Self::writable), with the file to be changed.
    pub async fn writable_mut<'a>(&'a mut self) -> io::Result<AsyncFdReadyMutGuard<'a, T>> {
        self.ready_mut(Interest::WRITABLE).await
    }

    /// Does something with the file, again and again until it does not answer `WouldBlock`.
    ///
    /// `f` must not block, and should do one operation: what it did before `WouldBlock` it does again.
    pub async fn async_io<R>(
        &self,
        interest: Interest,
        mut f: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.registration.async_io(interest, || f(self.get_ref())).await
    }

    /// As [`async_io`](Self::async_io), with the file to be changed.
    pub async fn async_io_mut<R>(
        &mut self,
        interest: Interest,
        mut f: impl FnMut(&mut T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.registration.async_io(interest, || f(self.inner.as_mut().expect(THERE))).await
    }

    /// Does something with the file if the interest is ready, which only `WouldBlock` clears.
    ///
    /// # Errors
    ///
    /// What `f` gives, or `WouldBlock` without calling it.
    pub fn try_io<R>(&self, interest: Interest, f: impl FnOnce(&T) -> io::Result<R>) -> io::Result<R> {
        self.registration.try_io(interest, || f(self.get_ref()))
    }

    /// As [`try_io`](Self::try_io), with the file to be changed.
    pub fn try_io_mut<R>(
        &mut self,
        interest: Interest,
        f: impl FnOnce(&mut T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.registration.try_io(interest, || f(self.inner.as_mut().expect(THERE)))
    }
}

impl<T: AsRawFd> Drop for AsyncFd<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

impl<T: fmt::Debug + AsRawFd> fmt::Debug for AsyncFd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncFd").field("inner", self.get_ref()).finish()
    }
}

impl<T: AsRawFd> AsRawFd for AsyncFd<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.get_ref().as_raw_fd()
    }
}

impl<T: AsRawFd> AsFd for AsyncFd<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: promised to `register`. The deprecated constructors take it for granted.
        unsafe { BorrowedFd::borrow_raw(self.as_raw_fd()) }
    }
}

/// What both guards do with their event.
macro_rules! guard {
    ($Guard:ident) => {
        impl<'a, Inner: AsRawFd> $Guard<'a, Inner> {
            /// The file is not ready any more: the operation would have blocked. What has become ready since stays.
            pub fn clear_ready(&mut self) {
                if let Some(event) = self.event.take() {
                    self.async_fd.registration.clear_readiness(event);
                }
            }

            /// As [`clear_ready`](Self::clear_ready), for some of what was found ready.
            pub fn clear_ready_matching(&mut self, ready: Ready) {
                let Some(mut event) = self.event.take() else { return };
                let left = event.ready - ready;
                event.ready = event.ready & ready;
                self.async_fd.registration.clear_readiness(event);
                event.ready = left;
                self.event = (!left.is_empty()).then_some(event);
            }

            /// The file may still be ready. Does nothing, as dropping the guard does.
            pub fn retain_ready(&mut self) {}

            /// What was found ready and has not been cleared.
            pub fn ready(&self) -> Ready {
                self.event.map_or(Ready::EMPTY, |event| event.ready)
            }
        }

        impl<'a, T: fmt::Debug + AsRawFd> fmt::Debug for $Guard<'a, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($Guard)).field("async_fd", &self.async_fd).finish()
            }
        }
    };
}
guard!(AsyncFdReadyGuard);
guard!(AsyncFdReadyMutGuard);

impl<'a, Inner: AsRawFd> AsyncFdReadyGuard<'a, Inner> {
    /// Does something with the file, and clears the readiness if that would block.
    ///
    /// # Errors
    ///
    /// If it would block.
    pub fn try_io<R>(
        &mut self,
        f: impl FnOnce(&'a AsyncFd<Inner>) -> io::Result<R>,
    ) -> Result<io::Result<R>, TryIoError> {
        match f(self.async_fd) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.clear_ready();
                Err(TryIoError(()))
            }
            result => Ok(result),
        }
    }

    /// What waits.
    pub fn get_ref(&self) -> &'a AsyncFd<Inner> {
        self.async_fd
    }

    /// The file.
    pub fn get_inner(&self) -> &'a Inner {
        self.async_fd.get_ref()
    }
}

impl<'a, Inner: AsRawFd> AsyncFdReadyMutGuard<'a, Inner> {
    /// Does something with the file, and clears the readiness if that would block.
    ///
    /// # Errors
    ///
    /// If it would block.
    pub fn try_io<R>(
        &mut self,
        f: impl FnOnce(&mut AsyncFd<Inner>) -> io::Result<R>,
    ) -> Result<io::Result<R>, TryIoError> {
        match f(self.async_fd) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.clear_ready();
                Err(TryIoError(()))
            }
            result => Ok(result),
        }
    }

    /// What waits.
    pub fn get_ref(&self) -> &AsyncFd<Inner> {
        self.async_fd
    }

    /// What waits, to be changed.
    pub fn get_mut(&mut self) -> &mut AsyncFd<Inner> {
        self.async_fd
    }

    /// The file.
    pub fn get_inner(&self) -> &Inner {
        self.async_fd.get_ref()
    }

    /// The file, to be changed.
    pub fn get_inner_mut(&mut self) -> &mut Inner {
        self.async_fd.get_mut()
    }
}

impl<T> AsyncFdRegisterError<T> {
    /// The file, and why it can't be watched.
    pub fn into_parts(self) -> (T, io::Error) {
        (self.inner, self.cause)
    }
}

impl<T> fmt::Display for AsyncFdRegisterError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl<T> fmt::Debug for AsyncFdRegisterError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.cause, f)
    }
}

impl<T> Error for AsyncFdRegisterError<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

impl<T> From<AsyncFdRegisterError<T>> for io::Error {
    fn from(error: AsyncFdRegisterError<T>) -> Self {
        error.cause
    }
}
