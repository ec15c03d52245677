//! The ends of a child's pipes that are here.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::process::{self, Stdio};
use std::task::{Context, Poll};

use crate::io::{AsyncWrite, Interest};
use crate::net::source::{Source, fd_traits, stream_traits};
use crate::net::unix::pipe::set_nonblocking;

/// What a child reads as its standard input.
///
/// Drop it to have the child see the end. Writing to a child that does not read any more is an error, `BrokenPipe`.
pub struct ChildStdin {
    io: Source<process::ChildStdin>,
}

/// What a child writes as its standard output. Reading gives 0 bytes, the end, once nobody has the other end any more: the
/// child, and all that it has passed it on to.
pub struct ChildStdout {
    io: Source<process::ChildStdout>,
}

/// What a child writes as its standard error. Reading gives 0 bytes, the end, once nobody has the other end any more: the
/// child, and all that it has passed it on to.
pub struct ChildStderr {
    io: Source<process::ChildStderr>,
}

macro_rules! conversions {
    ($pipe:ident, $interest:expr) => {
        impl $pipe {
            /// Goes on with the standard library's, which is made not to block.
            ///
            /// # Errors
            ///
            /// What the system says.
            ///
            /// # Panics
            ///
            /// Outside of a runtime.
            #[track_caller]
            pub fn from_std(inner: process::$pipe) -> io::Result<Self> {
                set_nonblocking(inner.as_fd(), true)?;
                Ok(Self { io: Source::with_interest(inner, $interest)? })
            }

            /// Takes the pipe out of the runtime, and makes it block.
            ///
            /// # Errors
            ///
            /// What the system says.
            pub fn into_owned_fd(self) -> io::Result<OwnedFd> {
                let fd = OwnedFd::from(self.io.into_inner());
                set_nonblocking(fd.as_fd(), false)?;
                Ok(fd)
            }
        }

        /// For giving the pipe to another child.
        impl TryInto<Stdio> for $pipe {
            type Error = io::Error;

            fn try_into(self) -> Result<Stdio, Self::Error> {
                self.into_owned_fd().map(Stdio::from)
            }
        }

        fd_traits!($pipe);
    };
}

conversions!(ChildStdin, Interest::WRITABLE);
conversions!(ChildStdout, Interest::READABLE);
conversions!(ChildStderr, Interest::READABLE);

impl AsyncWrite for ChildStdin {
    stream_traits!(@write);

    /// A pipe's end is closed by dropping it.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

stream_traits!(@read ChildStdout);
stream_traits!(@read ChildStderr);
