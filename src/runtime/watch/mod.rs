//! The placement of a runtime that runs: noticing that the machine or the config file has changed, and moving shards.
//!
//! Here: when to look, and who does. In reading order:
//! - `placed`: the plan in force and the threads it is about; `steered`: the listeners.
//! - `keeper`: what has changed, and what becomes of it. No thread, no clock: who steps it decides when.
//! - `change`: what is told of it.
//!
//! Not here: the new plan, a pure function (`topology::Plan::replan`), and what is read (`topology::Pulse`).
//!
//! *Why it polls.* An affinity mask tells nobody that it was changed, so somebody has to look. The files of control groups could
//! be watched by inotify, but not for this: a write to a file of a group is an event for that file alone, while
//! `cpuset.cpus.effective` follows from the files of the ancestors without one (tried on Linux 6.18; the only events are those
//! of our own reading), and the ancestors of a container's group can't be seen at all. So all of it is polled.
//!
//! *Why a thread.* It is the one thread that the runtime never binds, so its mask is the process's where the main thread is a
//! shard's. The files are the kernel's, some are read under locks that control groups' changes hold for long, and a shard must not wait
//! there. A thread of the blocking pool would do for that, but comes and goes, and is bound; and a timer of shard 0 would not fire
//! while the shard is in a long poll, which may be what the change is to put an end to. It sleeps in one system call, wakes once a
//! second, and reads a handful of files and one mask: see `INTERVAL`. Without `watch` it wakes for `SIGHUP` only, and with neither
//! it is not there.
//!
//! Threads: the watcher's own; `wake` from any.

mod change;
mod keeper;
mod placed;
mod steered;
#[cfg(all(test, not(loom)))]
mod tests;

use std::fmt;
use std::io::{self, ErrorKind, Write as _};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use corelane_shards::util::swallow::swallow;
use mio::unix::SourceFd;
use mio::{Events, Interest, Token, Waker};

use crate::config::OnError;
use crate::error;
use crate::signal::bell::Bell;

use super::context::{self, Blocking};
use super::inner::Inner;

pub use change::{PlacementCause, PlacementChange};
pub(crate) use keeper::{Keeper, Live, Told};
pub(crate) use placed::{MainBound, Placed, beside_the_shards};
pub(crate) use steered::Steered;

/// A callback of the builder's.
pub(crate) type ChangeCallback = Arc<dyn Fn(&PlacementChange) + Send + Sync>;

/// Prints what somebody should look at, if the config says so. That nobody reads it is no reason to end the program, as
/// `eprintln` would.
pub(crate) fn warn(on_error: OnError, warnings: impl IntoIterator<Item = impl fmt::Display>) {
    if on_error == OnError::Warn {
        for warning in warnings {
            let _ = writeln!(io::stderr(), "corelane: {warning}");
        }
    }
}

/// How often to look. A second is short beside what moves CPUs about, which is people and orchestrators, and costs little.
const INTERVAL: Duration = Duration::from_secs(1);

/// The kernel keeps 15 bytes of a name.
const THREAD_NAME: &str = "corelane-watch";

const STOP: Token = Token(0);
const HANGUP: Token = Token(1);

/// The thread that watches, seen from the runtime that it watches over.
#[derive(Debug)]
pub(crate) struct Watcher {
    waker: Waker,
    go: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Starts the thread, which waits for [`go`](Self::go). It has the affinity mask of the calling thread, and keeps it.
    ///
    /// # Errors
    ///
    /// When the system refuses the thread, a descriptor or the signal's handler.
    pub fn start(inner: &Arc<Inner>, keeper: Keeper, callback: Option<ChangeCallback>) -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let waker = Waker::new(poll.registry(), STOP)?;
        let hangups = keeper.reloads().then(|| Hangups::listen(&poll)).transpose()?;
        let (go, gone) = mpsc::channel();
        let rounds = Rounds { keeper, callback, poll, hangups, inner: inner.clone() };
        let thread = thread::Builder::new().name(THREAD_NAME.into()).spawn(move || {
            // The sender is dropped if there is nothing to watch after all.
            if gone.recv().is_ok() {
                rounds.run();
            }
        });
        let thread = thread.map_err(error::no_thread)?;
        Ok(Self { waker, go: Some(go), thread: Some(thread) })
    }

    /// All shards stand where the plan says.
    pub fn go(&mut self) {
        if let Some(go) = self.go.take() {
            let _ = go.send(());
        }
    }

    /// Has the thread see that the runtime is ending. It says nothing more, but for what it is saying.
    pub fn wake(&self) {
        // Refused if the counter of the waker is full, and then the thread wakes already.
        let _ = self.waker.wake();
    }

    /// Waits for the thread to end, unless this is the thread.
    pub fn join(&mut self) {
        self.go = None;
        if let Some(thread) = self.thread.take().filter(|other| other.thread().id() != thread::current().id())
        {
            let _ = thread.join();
        }
    }
}

/// Listens for `SIGHUP`.
struct Hangups {
    bell: Arc<Bell>,
    seen: usize,
    /// Watched for edges; never read.
    _file: OwnedFd,
}

impl Hangups {
    fn listen(poll: &mio::Poll) -> io::Result<Self> {
        let bell = Bell::of(libc::SIGHUP)?;
        let file = bell.listen()?;
        poll.registry().register(&mut SourceFd(&file.as_raw_fd()), HANGUP, Interest::READABLE)?;
        Ok(Self { seen: bell.tally().start(), bell, _file: file })
    }

    /// Whether one has come since this was last asked.
    fn came(&mut self) -> bool {
        self.bell.tally().poll(&mut self.seen, || Poll::Pending).is_ready()
    }
}

/// What the thread has.
struct Rounds {
    keeper: Keeper,
    callback: Option<ChangeCallback>,
    poll: mio::Poll,
    hangups: Option<Hangups>,
    inner: Arc<Inner>,
}

impl Rounds {
    fn run(mut self) {
        let inner = Arc::clone(&self.inner);
        let _entered = context::enter(&inner, Blocking::Allowed);
        let mut events = Events::with_capacity(2);
        loop {
            let told = self.hangups.as_mut().is_some_and(Hangups::came);
            let change = if told { Some(self.keeper.reload()) } else { self.keeper.look() };
            // What was found while the runtime ends is nobody's business.
            if inner.is_shutting_down() {
                return;
            }
            if let Some(change) = change {
                self.tell(&change);
            }
            let waited = self.poll.poll(&mut events, self.keeper.watches().then_some(INTERVAL));
            match waited {
                // A signal's handler may have run on this very thread. Any other error would come again and again.
                Err(error) if error.kind() != ErrorKind::Interrupted => {
                    panic!("the kernel refuses to wait for changes of the placement: {error}");
                }
                _ => {}
            }
        }
    }

    fn tell(&self, change: &PlacementChange) {
        warn(self.keeper.on_error(), change.warnings());
        #[cfg(feature = "tracing")]
        change.trace();
        if let Some(callback) = &self.callback {
            // The panic has been reported by its hook, and the next change is to be told all the same.
            swallow(|| callback(change));
        }
    }
}
