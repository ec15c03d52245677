//! A file that is only waited for, by whoever polls.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use corelane_shards::reactor::{Direction, Registration};

use crate::runtime::context;

use super::Interest;

/// A file that becomes readable when something happens, and is never read.
///
/// It is watched by the runtime that waits for it. A socket belongs to the runtime it was made in; what happens to the
/// whole process does not, and who waits for it may be in another runtime, while the first is gone or driven by nobody.
pub(crate) struct Watch {
    // In this order: the file must not be closed before it is taken out of the reactor.
    registration: Registration,
    file: OwnedFd,
}

impl Watch {
    /// Watched from now on.
    ///
    /// # Errors
    ///
    /// If the kernel can't watch it, or the runtime is shut down.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub(crate) fn new(file: OwnedFd) -> io::Result<Self> {
        let registration = Registration::new(&context::io_mesh()?, file.as_raw_fd(), Interest::READABLE);
        registration.bind_now()?;
        Ok(Self { registration, file })
    }

    /// Ready if the file was found readable since this was last ready.
    ///
    /// # Errors
    ///
    /// If the runtime is shut down.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let here = context::with(|inner| {
            let inner = inner.filter(|inner| inner.io_enabled)?;
            (!Arc::ptr_eq(&inner.mesh, self.registration.mesh())).then(|| Arc::clone(&inner.mesh))
        });
        if let Some(mesh) = here {
            self.registration = Registration::new(&mesh, self.file.as_raw_fd(), Interest::READABLE);
        }
        let event = ready!(self.registration.poll_ready(cx, Direction::Read))?;
        self.registration.clear_readiness(event);
        Poll::Ready(Ok(()))
    }
}
