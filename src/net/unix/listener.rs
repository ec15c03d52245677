//! Taking connections.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net;
use std::path::Path;
use std::task::{Context, Poll, ready};

use corelane_shards::reactor::Direction;

use crate::io::Interest;
use crate::net::source::{Source, fd_traits};

use super::{SocketAddr, UnixStream, addr_of};

/// Takes connections in the Unix domain. The path it is bound to stays when it is dropped.
pub struct UnixListener {
    /// Mio's, since it accepts a stream that does not block in one system call.
    pub(super) io: Source<mio::net::UnixListener>,
}

impl UnixListener {
    /// Listens at a path, which must not exist. A path that begins with a zero byte is an abstract name.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixListener> {
        Self::bind_std(&addr_of(path.as_ref())?)
    }

    /// Listens at an address.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn bind_addr(addr: &SocketAddr) -> io::Result<UnixListener> {
        Self::bind_std(&addr.0)
    }

    #[track_caller]
    fn bind_std(addr: &net::SocketAddr) -> io::Result<UnixListener> {
        Ok(Self { io: Source::new(mio::net::UnixListener::bind_addr(addr)?)? })
    }

    /// Goes on listening with a listener of the standard library, which must not block.
    ///
    /// # Panics
    ///
    /// Outside of a runtime; in debug builds also if the listener would block.
    #[track_caller]
    pub fn from_std(listener: net::UnixListener) -> io::Result<UnixListener> {
        Ok(Self { io: Source::from_user(mio::net::UnixListener::from_std(listener))? })
    }

    /// Goes on listening with the standard library. The listener still does not block.
    pub fn into_std(self) -> io::Result<net::UnixListener> {
        Ok(OwnedFd::from(self.io.into_inner()).into())
    }

    /// The address it listens at.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.io.local_addr().map(SocketAddr)
    }

    /// Takes the error that the socket has to report (`SO_ERROR`).
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.io.io.take_error()
    }

    /// Takes the next connection. After an error, such as too many open files, the listener goes on being usable.
    ///
    /// # Cancel safety
    ///
    /// No connection is lost when the future is dropped.
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let (stream, addr) =
            self.io.registration.async_io(Interest::READABLE, || self.io.io.accept()).await?;
        Ok((self.accepted(stream), SocketAddr(addr)))
    }

    /// Polls for the next connection. Of the tasks that do, the last is woken.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(UnixStream, SocketAddr)>> {
        let (stream, addr) =
            ready!(self.io.registration.poll_io(cx, Direction::Read, || self.io.io.accept()))?;
        Poll::Ready(Ok((self.accepted(stream), SocketAddr(addr))))
    }

    fn accepted(&self, stream: mio::net::UnixStream) -> UnixStream {
        UnixStream::of(Source::accepted(&self.io, stream.into()))
    }
}

impl TryFrom<net::UnixListener> for UnixListener {
    type Error = io::Error;

    /// See [`UnixListener::from_std`].
    #[track_caller]
    fn try_from(listener: net::UnixListener) -> io::Result<Self> {
        Self::from_std(listener)
    }
}

fd_traits!(UnixListener);
