//! How one learns that a child has ended: by a file that becomes readable.
//!
//! Where the kernel has them (Linux 5.3), the file is the child's pidfd, and says so of this child alone. Elsewhere it is the
//! bell of `SIGCHLD`, which says that some child may have ended. Either way who waits asks `waitpid` first, waits for an
//! edge, and asks again:
//!
//! *Why no end is missed.* The file is watched, edge-triggered, since before the first question. A child that ends after a
//! question makes an edge after it. [`Watch::poll`] takes the edge before the next question.
//!
//! *Why the answer may be no.* `SIGCHLD` may be another child's. And a child that is traced tells the end to who traces it
//! first, and to its parent later, with an edge each.

#![expect(unsafe_code, reason = "the standard library has no pidfds yet")]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use crate::io::Watch;
use crate::signal::bell::Bell;

/// Watches for the end of a child that has not been reaped.
///
/// # Panics
///
/// Outside of a runtime.
#[track_caller]
pub(super) fn watch(pid: u32) -> io::Result<Watch> {
    Watch::new(pidfd(pid).or_else(|_| sigchld())?)
}

fn pidfd(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: no pointers. The pid is the child's, since nobody has reaped it.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    match i32::try_from(fd) {
        // SAFETY: just opened, and nobody else's. It closes on exec.
        Ok(fd @ 0..) => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// For a kernel without pidfds.
pub(super) fn sigchld() -> io::Result<OwnedFd> {
    Bell::of(libc::SIGCHLD)?.listen()
}
