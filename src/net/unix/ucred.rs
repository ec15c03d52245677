//! Who is on the other side.

#![expect(unsafe_code, reason = "the standard library's way is not stable")]

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::{gid_t, pid_t, uid_t};

/// The credentials of the process on the other side, as of when it connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UCred {
    pid: Option<pid_t>,
    uid: uid_t,
    gid: gid_t,
}

impl UCred {
    /// The user.
    pub fn uid(&self) -> uid_t {
        self.uid
    }

    /// The group.
    pub fn gid(&self) -> gid_t {
        self.gid
    }

    /// The process, if the system says.
    pub fn pid(&self) -> Option<pid_t> {
        self.pid
    }

    pub(super) fn of(socket: BorrowedFd<'_>) -> io::Result<UCred> {
        let mut cred = libc::ucred { pid: 0, uid: 0, gid: 0 };
        let mut len = mem::size_of_val(&cred) as libc::socklen_t;
        // SAFETY: the kernel writes at most `len` bytes of plain numbers there.
        let result = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERCRED,
                (&raw mut cred).cast(),
                &raw mut len,
            )
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { pid: Some(cred.pid), uid: cred.uid, gid: cred.gid })
    }
}
