//! A connection in the Unix domain.

use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net;
use std::path::Path;

use crate::net::source::{Source, fd_traits, ready_methods, stream_traits, try_methods};

use super::{
    OwnedReadHalf, OwnedWriteHalf, ReadHalf, SocketAddr, UCred, UnixSocket, WriteHalf, addr_of, split,
};

/// A connection in the Unix domain. Read and write with [`AsyncReadExt`](crate::io::AsyncReadExt) and
/// [`AsyncWriteExt`](crate::io::AsyncWriteExt).
///
/// Dropping it closes the connection; `shutdown` closes the writing side alone.
pub struct UnixStream {
    pub(in crate::net) io: Source<net::UnixStream>,
}

impl UnixStream {
    /// Connects to a path. One that begins with a zero byte is an abstract name.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub async fn connect<P: AsRef<Path>>(path: P) -> io::Result<UnixStream> {
        let addr = addr_of(path.as_ref())?;
        UnixSocket::new_stream()?.connect_std(&addr).await
    }

    /// Connects to an address.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub async fn connect_addr(addr: &SocketAddr) -> io::Result<UnixStream> {
        UnixSocket::new_stream()?.connect_std(&addr.0).await
    }

    /// For a socket that has begun to connect: waits until it has, or failed.
    pub(super) async fn connecting(stream: net::UnixStream) -> io::Result<UnixStream> {
        let stream = Self { io: Source::new(stream)? };
        stream.io.connected().await?;
        match stream.take_error()? {
            None => Ok(stream),
            Some(error) => Err(error),
        }
    }

    /// Two streams that are connected to each other.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let (a, b) = mio::net::UnixStream::pair()?;
        Ok((Self { io: Source::one_of_pair(a.into())? }, Self { io: Source::one_of_pair(b.into())? }))
    }

    /// Goes on with a stream of the standard library, which must not block.
    ///
    /// # Panics
    ///
    /// Outside of a runtime; in debug builds also if the stream would block.
    #[track_caller]
    pub fn from_std(stream: net::UnixStream) -> io::Result<UnixStream> {
        Ok(Self { io: Source::from_user(stream)? })
    }

    /// Goes on with the standard library. The stream still does not block.
    pub fn into_std(self) -> io::Result<net::UnixStream> {
        Ok(self.io.into_inner())
    }

    /// The address of this side.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.io.local_addr().map(SocketAddr)
    }

    /// The address of the other side.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.io.peer_addr().map(SocketAddr)
    }

    /// Who is on the other side, as of when it connected.
    pub fn peer_cred(&self) -> io::Result<UCred> {
        UCred::of(self.io.io.as_fd())
    }

    /// Takes the error that the socket has to report (`SO_ERROR`).
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.io.io.take_error()
    }

    ready_methods!(poll_read_ready, poll_write_ready);
    try_methods!(read);
    try_methods!(write);

    /// Borrows two halves, to read and write at the same time in one task.
    pub fn split<'a>(&'a mut self) -> (ReadHalf<'a>, WriteHalf<'a>) {
        split::split(self)
    }

    /// Makes two halves, for two tasks. They share the stream, which stays bound where it is.
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        split::into_split(self)
    }

    pub(super) fn shutdown_write(&self) -> io::Result<()> {
        match self.io.io.shutdown(Shutdown::Write) {
            // Gone already: there is nobody to tell.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        }
    }
}

impl AsRef<UnixStream> for UnixStream {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl TryFrom<net::UnixStream> for UnixStream {
    type Error = io::Error;

    /// See [`UnixStream::from_std`].
    #[track_caller]
    fn try_from(stream: net::UnixStream) -> io::Result<Self> {
        Self::from_std(stream)
    }
}

stream_traits!(UnixStream);
fd_traits!(UnixStream);
