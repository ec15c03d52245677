//! Signals of Unix.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::raw::c_int;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::error;
use crate::io::{Watch, poll_proceed};
use crate::runtime::context;

use super::bell::Bell;

/// A signal, by its number.
#[derive(Debug, Clone, Copy, Hash, PartialEq, Eq)]
pub struct SignalKind(c_int);

impl SignalKind {
    /// Any signal of the system, the real-time ones too. Whether there is one of that number, and whether it may be listened
    /// for, [`signal`] says.
    ///
    /// # Examples
    ///
    /// ```
    /// use corelane::signal::unix::SignalKind;
    ///
    /// assert_eq!(SignalKind::from_raw(15), SignalKind::terminate());
    /// ```
    pub const fn from_raw(signum: c_int) -> Self {
        Self(signum)
    }

    /// Its number.
    pub const fn as_raw_value(&self) -> c_int {
        self.0
    }

    /// `SIGALRM`: a timer of the system has run out. By default it ends the process.
    pub const fn alarm() -> Self {
        Self(libc::SIGALRM)
    }

    /// `SIGCHLD`: a child process has ended or stopped. By default nothing happens.
    pub const fn child() -> Self {
        Self(libc::SIGCHLD)
    }

    /// `SIGHUP`: the terminal is gone; often used for reading the configuration again. By default it ends the process.
    pub const fn hangup() -> Self {
        Self(libc::SIGHUP)
    }

    /// `SIGINT`: ctrl-c. By default it ends the process.
    pub const fn interrupt() -> Self {
        Self(libc::SIGINT)
    }

    /// `SIGIO`: a file that asked for it is ready. By default it ends the process.
    pub const fn io() -> Self {
        Self(libc::SIGIO)
    }

    /// `SIGPIPE`: written to a pipe that nobody reads. Rust programs ignore it from the start, and see the error.
    pub const fn pipe() -> Self {
        Self(libc::SIGPIPE)
    }

    /// `SIGQUIT`: ctrl-\. By default it ends the process with a core dump.
    pub const fn quit() -> Self {
        Self(libc::SIGQUIT)
    }

    /// `SIGTERM`: somebody asks the process to end. By default it does.
    pub const fn terminate() -> Self {
        Self(libc::SIGTERM)
    }

    /// `SIGUSR1`: whatever the program says. By default it ends the process.
    pub const fn user_defined1() -> Self {
        Self(libc::SIGUSR1)
    }

    /// `SIGUSR2`: whatever the program says. By default it ends the process.
    pub const fn user_defined2() -> Self {
        Self(libc::SIGUSR2)
    }

    /// `SIGWINCH`: the terminal has another size. By default nothing happens.
    pub const fn window_change() -> Self {
        Self(libc::SIGWINCH)
    }
}

impl From<c_int> for SignalKind {
    fn from(signum: c_int) -> Self {
        Self(signum)
    }
}

impl From<SignalKind> for c_int {
    fn from(kind: SignalKind) -> Self {
        kind.0
    }
}

/// Listens for a signal.
///
/// From the first call on the signal does no more what it does by default, also when nobody listens any more. Every listener
/// is told of every signal, in whatever runtime it is; signals that come before a listener asks are one.
///
/// A listener takes one of the process's descriptors. Where many tasks want to know, let one listen and tell them.
///
/// # Errors
///
/// For signals that must not be handled, `SIGKILL`, `SIGSTOP`, `SIGILL`, `SIGFPE` and `SIGSEGV`, for numbers that are none,
/// and when the system has no descriptor.
///
/// # Panics
///
/// Outside of a runtime, or of one whose I/O is enabled.
///
/// # Examples
///
/// ```no_run
/// use corelane::signal::unix::{SignalKind, signal};
///
/// # async fn read_config() {}
/// # async fn example() -> std::io::Result<()> {
/// let mut hangups = signal(SignalKind::hangup())?;
/// loop {
///     hangups.recv().await;
///     read_config().await;
/// }
/// # }
/// ```
#[track_caller]
pub fn signal(kind: SignalKind) -> io::Result<Signal> {
    let driven = context::with(|inner| inner.map(|inner| inner.io_enabled));
    match driven {
        Some(true) => {}
        Some(false) => panic!("{}", error::NO_IO),
        None => panic!("{}", error::NO_RUNTIME),
    }
    let bell = Bell::of(kind.0)?;
    let watch = Watch::new(bell.listen()?)?;
    Ok(Signal { seen: bell.tally().start(), bell, watch })
}

/// One who listens for a signal: see [`signal`].
///
/// Told of what comes from when it is made, and of what came before if nobody was told of that.
#[must_use = "a signal is told to who asks"]
pub struct Signal {
    bell: Arc<Bell>,
    seen: usize,
    watch: Watch,
}

impl Signal {
    /// Waits for the signal. None if the runtime is shut down: then no more are told here. None also if this was made in another
    /// runtime, and the system refuses to watch one file more (`fs.epoll.max_user_watches`): who asks again tries again, and is
    /// told what came meanwhile.
    ///
    /// # Cancel safety
    ///
    /// No signal is lost when this is dropped.
    ///
    /// # Examples
    ///
    /// See [`signal`].
    pub async fn recv(&mut self) -> Option<()> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Polls for the signal. None as for [`recv`](Self::recv). Of the tasks that poll, the last is woken.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        // A flood of signals holds nobody up.
        let coop = ready!(poll_proceed(cx));
        let told = ready!(self.bell.tally().poll(&mut self.seen, || self.watch.poll(cx)));
        coop.made_progress();
        Poll::Ready(told)
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal").field("seen", &self.seen).finish_non_exhaustive()
    }
}
