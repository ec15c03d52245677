//! Bells: how a signal reaches those who listen, in whatever runtime they are.
//!
//! Here: one bell a signal, made when it is first listened for and kept for good, as its handler is.
//! Not here: listening in a runtime (`unix::Signal`, `process` for `SIGCHLD`, and `runtime::watch` for `SIGHUP`).
//!
//! A bell is a count and an eventfd. The handler adds to the count, then writes to the eventfd. That is all it does:
//! one atomic addition and one system call, which takes no lock, allocates nothing and can't block.
//! `signal-hook-registry` keeps the list of handlers, since it can do so without a lock in the handler and gets along with other
//! crates that listen; it also restores `errno`.
//!
//! Nobody reads the eventfd. It is watched edge-triggered, and each write is an edge. So it can have any number of listeners
//! that know nothing of each other: each has a duplicate of the descriptor in the reactor of its own runtime, and there is no
//! thread or runtime that has to live for the others to be told. (One pipe for all signals, read by whichever runtime is awake,
//! would take one descriptor a runtime in place of one a listener, and a list of listeners with wakers of other
//! runtimes, and somebody to go through it.)
//!
//! ```text
//!   handler        came += 1 ──▶ write         any thread, at any point of any code
//!                             │ (kernel)
//!   listener   readiness ◀────┘  clear ──▶ look at came        and wait if it is what was seen last
//! ```
//!
//! *Why none is lost.* A listener clears its readiness before it looks. A handler that counts after the look writes after it
//! too, so the edge comes after the clearing and stays. A handler that has counted before the look is seen by it.
//! Adding before writing is needed for that, and clearing before looking: `loom_tests` has both.
//!
//! *Coalescing.* The look takes all that came since the last one for one.
//!
//! *Where a listener starts.* At the count that some listener has been told of last (`told`), not at the current one: what came
//! while nobody listened is told to the next who does, as a signal that a process blocks stays pending. So a loop
//! that makes a listener each round misses none.
//!
//! Threads: any.

#![expect(unsafe_code, reason = "what a signal handler may do, the compiler can't check")]

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::task::{Poll, ready};

use corelane_shards::loom::atomic::AtomicUsize;
use corelane_shards::loom::atomic::Ordering::{Acquire, Relaxed, Release};

/// One more than the highest signal that there is.
const SIGNALS: usize = 65;

/// Std's lock: this is a static, and taken where nothing is fast.
static BELLS: Mutex<[Option<Arc<Bell>>; SIGNALS]> = Mutex::new([const { None }; SIGNALS]);

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Bell {
    tally: Tally,
    eventfd: File,
}

/// How often a signal came, and how much of that has been told.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    came: AtomicUsize,
    told: AtomicUsize,
}

impl Bell {
    /// The bell of a signal. From the first time on the signal does no more what it does by default.
    ///
    /// # Errors
    ///
    /// For a signal that must not be handled, or that there is not; and when the system has no descriptor.
    pub(crate) fn of(signal: libc::c_int) -> io::Result<Arc<Self>> {
        if signal <= 0 || signal_hook_registry::FORBIDDEN.contains(&signal) {
            return Err(io::Error::other(format!("Refusing to register signal {signal}")));
        }
        let mut bells = BELLS.lock().unwrap_or_else(|poison| poison.into_inner());
        let Some(place) = bells.get_mut(signal as usize) else {
            return Err(io::Error::other("signal too large"));
        };
        if let Some(bell) = place {
            return Ok(Arc::clone(bell));
        }
        let bell = Arc::new(Self { tally: Tally::default(), eventfd: eventfd()? });
        let hung = Arc::clone(&bell);
        // SAFETY: a handler may do what is async-signal-safe. `ring` adds to an atomic, calls `write` on a file that it owns, and
        // makes at most an error of a number, without allocating. The registry restores `errno`.
        unsafe { signal_hook_registry::register(signal, move || hung.ring())? };
        Ok(Arc::clone(place.insert(bell)))
    }

    /// In the handler.
    fn ring(&self) {
        // Full after 2^64 signals, if at all.
        self.tally.add(|| drop((&self.eventfd).write(&1u64.to_ne_bytes())));
    }

    /// A file of the listener's own, which becomes readable anew with each signal.
    pub(crate) fn listen(&self) -> io::Result<OwnedFd> {
        self.eventfd.try_clone().map(OwnedFd::from)
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }
}

impl Tally {
    /// Counts a signal, then has it told.
    pub(super) fn add(&self, tell: impl FnOnce()) {
        // Release, with the Acquire in `look`: who sees the count may rely on what the signal's sender did.
        self.came.fetch_add(1, Release);
        tell();
    }

    /// The count that a new listener has seen.
    pub(crate) fn start(&self) -> usize {
        // Relaxed: which of two listeners is told of a signal in between is open.
        self.told.load(Relaxed)
    }

    /// Waits for a signal beyond what the listener has seen. `edge` is ready when there was an edge since it last was.
    ///
    /// None if there are no edges for now, or never again.
    pub(crate) fn poll(
        &self,
        seen: &mut usize,
        mut edge: impl FnMut() -> Poll<io::Result<()>>,
    ) -> Poll<Option<()>> {
        while !self.look(seen) {
            if ready!(edge()).is_err() {
                return Poll::Ready(None);
            }
        }
        Poll::Ready(Some(()))
    }

    /// Whether a signal came since what the listener has seen, which is up to date then.
    fn look(&self, seen: &mut usize) -> bool {
        let came = self.came.load(Acquire);
        // Relaxed: see `start`.
        self.told.fetch_max(came, Relaxed);
        std::mem::replace(seen, came) != came
    }
}

fn eventfd() -> io::Result<File> {
    // SAFETY: no pointers.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just opened, and nobody else's.
    Ok(unsafe { File::from_raw_fd(fd) })
}
