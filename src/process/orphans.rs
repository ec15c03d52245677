//! Children that nobody waits for, so that none stays a zombie.
//!
//! Here: a list of them, and a thread that reaps them, which lives while there are any.
//!
//! *Why a thread.* Whoever reaps has to outlive the child, and no runtime promises that: the last one may be dropped a moment
//! after the last child. A task, or a look whenever a reactor turns, would leave zombies then. A thread needs no runtime, and
//! it sleeps in the kernel until `SIGCHLD`. One that blocked in `waitpid` would have to be one a child, or take the children of
//! others, whose status is theirs.
//!
//! *Why no end is missed.* The bell of `SIGCHLD` is hung before a child is put on the list, and it is asked for once more then. If
//! it ends later the bell rings later, and the reaper asks for all that are on the list. It watches the bell since before
//! its first round. What is put on the list during a round is asked for in the next, which the bell rings for.
//!
//! *What it costs.* Who drops a child asks for that one alone, however many there are. The reaper asks for all after each ring, since
//! the signal does not say whose end it is; rings that come during a round make one more together. It has the list to itself
//! meanwhile, so that nobody waits for a round.
//!
//! *Who starts the reaper.* Who puts a child on the list and finds that there is none. The reaper leaves when the list is
//! empty, and says so, under the same lock. If it can't be started the list waits for the next child that ends or is dropped.
//!
//! Threads: any. A static, so its lock is std's; what is done under it are system calls that don't wait.

use std::io::{self, ErrorKind};
use std::mem;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Child;
use std::sync::{Mutex, MutexGuard};
use std::thread;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use crate::runtime::beside_the_shards;

use super::exit::sigchld;

struct Orphans {
    list: Vec<Child>,
    has_reaper: bool,
}

static ORPHANS: Mutex<Orphans> = Mutex::new(Orphans { list: Vec::new(), has_reaper: false });

/// Has a child reaped when it ends.
pub(super) fn adopt(mut child: Child) {
    let runs = is_running(&mut child);
    if !runs && !lock().is_deserted() {
        return;
    }
    let bell = sigchld();
    let mut orphans = lock();
    if runs && is_running(&mut child) {
        orphans.list.push(child);
    }
    if orphans.is_deserted() {
        orphans.has_reaper = bell.and_then(start_reaper).is_ok();
        if !orphans.has_reaper {
            orphans.list.retain_mut(is_running);
        }
    }
}

impl Orphans {
    /// Whether there are some that no reaper comes for.
    fn is_deserted(&self) -> bool {
        !self.list.is_empty() && !self.has_reaper
    }
}

/// Reaps it if not. One that can't be asked for was reaped by somebody else.
fn is_running(child: &mut Child) -> bool {
    matches!(child.try_wait(), Ok(None))
}

fn start_reaper(bell: OwnedFd) -> io::Result<()> {
    let poll = Poll::new()?;
    poll.registry().register(&mut SourceFd(&bell.as_raw_fd()), Token(0), Interest::READABLE)?;
    let reaper = thread::Builder::new().name("corelane-reaper".into());
    beside_the_shards(|| reaper.spawn(move || reap(poll, bell))).map(drop)
}

fn reap(mut poll: Poll, _bell: OwnedFd) {
    let mut events = Events::with_capacity(1);
    loop {
        let mut list = mem::take(&mut lock().list);
        list.retain_mut(is_running);
        let mut orphans = lock();
        orphans.list.append(&mut list);
        if orphans.list.is_empty() {
            orphans.has_reaper = false;
            return;
        }
        drop(orphans);
        match poll.poll(&mut events, None) {
            // As by the very signal: look again.
            Err(error) if error.kind() != ErrorKind::Interrupted => {
                // It would come again and again. The next child has another reaper started, for all.
                lock().has_reaper = false;
                panic!("the kernel refuses to wait for the end of children: {error}");
            }
            _ => {}
        }
    }
}

fn lock() -> MutexGuard<'static, Orphans> {
    ORPHANS.lock().unwrap_or_else(|poison| poison.into_inner())
}
