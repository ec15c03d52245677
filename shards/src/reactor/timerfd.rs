//! A timer that ends a wait with the kernel's own precision, where epoll's timeout counts milliseconds.
//!
//! It is armed anew for each wait and never read: an edge comes for each expiry. A wait that ends for another reason leaves it
//! armed, and the next may end early by it; that costs one look at the lane, disarming would cost a system call each time.

#![expect(unsafe_code, reason = "mio and std have no timerfd")]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

/// See the module's head.
pub(super) struct TimerFd(OwnedFd);

impl TimerFd {
    pub(super) fn new(epoll: &Registry, token: Token) -> io::Result<Self> {
        // SAFETY: takes no pointers.
        let fd =
            unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: new, and nobody else's.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        epoll.register(&mut SourceFd(&fd.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Self(fd))
    }

    /// Expires once, after that time, which is not zero. False if the kernel refuses.
    #[must_use]
    pub(super) fn arm(&self, after: Duration) -> bool {
        // SAFETY: plain numbers, for which zero is a value.
        let mut spec: libc::itimerspec = unsafe { MaybeUninit::zeroed().assume_init() };
        spec.it_value.tv_sec = libc::time_t::try_from(after.as_secs()).unwrap_or(libc::time_t::MAX);
        spec.it_value.tv_nsec = after.subsec_nanos().into();
        // SAFETY: the pointers are to live values, or null where that is allowed.
        unsafe { libc::timerfd_settime(self.0.as_raw_fd(), 0, &raw const spec, ptr::null_mut()) == 0 }
    }
}
