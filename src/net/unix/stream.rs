//! A connection in the Unix domain.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net;
use std::path::Path;

use crate::net::source::Source;
use crate::net::stream::stream;

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

    /// Two streams that are connected to each other.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let (a, b) = mio::net::UnixStream::pair()?;
        Ok((Self::of(Source::one_of_pair(a.into())?), Self::of(Source::one_of_pair(b.into())?)))
    }

    /// Who is on the other side, as of when it connected.
    pub fn peer_cred(&self) -> io::Result<UCred> {
        UCred::of(self.io.io.as_fd())
    }

    pub(super) fn of(io: Source<net::UnixStream>) -> Self {
        Self { io }
    }
}

stream!(UnixStream, net::UnixStream, SocketAddr, SocketAddr);
