//! A socket in the Unix domain that is not yet a stream, a listener or a datagram socket.

#![expect(unsafe_code, reason = "`FromRawFd` is unsafe to call, and to implement")]

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net;
use std::path::Path;

use socket2::{Domain, SockAddr, Socket, Type};

use crate::net::source::Source;

use super::{UnixDatagram, UnixListener, UnixStream, addr_of};

/// A socket in the Unix domain that has yet to connect or to listen, or to become a datagram socket.
pub struct UnixSocket {
    inner: Socket,
    is_datagram: bool,
}

impl UnixSocket {
    /// A socket that will connect or listen.
    pub fn new_stream() -> io::Result<UnixSocket> {
        Self::new(Type::STREAM)
    }

    /// A socket that will carry datagrams.
    pub fn new_datagram() -> io::Result<UnixSocket> {
        Self::new(Type::DGRAM)
    }

    fn new(kind: Type) -> io::Result<UnixSocket> {
        let inner = Socket::new_raw(Domain::UNIX, kind.nonblocking().cloexec(), None)?;
        Ok(Self { inner, is_datagram: kind == Type::DGRAM })
    }

    /// Gives the socket its own path. One that begins with a zero byte is an abstract name.
    pub fn bind(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.inner.bind(&SockAddr::unix(path)?)
    }

    /// Listens, with that many connections that may wait to be accepted; the kernel has a limit too.
    ///
    /// # Errors
    ///
    /// Of a datagram socket.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn listen(self, backlog: u32) -> io::Result<UnixListener> {
        self.expect_stream("listen cannot be called on a datagram socket")?;
        self.inner.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        let listener = net::UnixListener::from(OwnedFd::from(self.inner));
        Ok(UnixListener { io: Source::new(mio::net::UnixListener::from_std(listener))? })
    }

    /// Connects to a path.
    ///
    /// # Errors
    ///
    /// What became of it; of a datagram socket.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub async fn connect(self, path: impl AsRef<Path>) -> io::Result<UnixStream> {
        self.expect_stream("connect cannot be called on a datagram socket")?;
        let addr = addr_of(path.as_ref())?;
        self.connect_std(&addr).await
    }

    pub(super) async fn connect_std(self, addr: &net::SocketAddr) -> io::Result<UnixStream> {
        match self.inner.connect(&raw_addr(addr)?) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
            _ => UnixStream::connecting(OwnedFd::from(self.inner).into()).await,
        }
    }

    /// Becomes a datagram socket.
    ///
    /// # Errors
    ///
    /// Of a stream socket.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn datagram(self) -> io::Result<UnixDatagram> {
        if !self.is_datagram {
            return Err(io::Error::other("datagram cannot be called on a stream socket"));
        }
        Ok(UnixDatagram { io: Source::new(OwnedFd::from(self.inner).into())? })
    }

    fn expect_stream(&self, text: &'static str) -> io::Result<()> {
        if self.is_datagram { Err(io::Error::other(text)) } else { Ok(()) }
    }
}

/// Socket2's address for one of the standard library's.
fn raw_addr(addr: &net::SocketAddr) -> io::Result<SockAddr> {
    use std::ffi::OsStr;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStrExt;
    match (addr.as_pathname(), addr.as_abstract_name()) {
        (Some(path), _) => SockAddr::unix(path),
        (None, Some(name)) => SockAddr::unix(OsStr::from_bytes(&[&[0], name].concat())),
        // The kernel says what is wrong with none.
        (None, None) => SockAddr::unix(""),
    }
}

impl fmt::Debug for UnixSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixSocket").field("inner", &self.inner).finish()
    }
}

impl AsFd for UnixSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

impl AsRawFd for UnixSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.inner.as_raw_fd()
    }
}

impl IntoRawFd for UnixSocket {
    fn into_raw_fd(self) -> RawFd {
        self.inner.into_raw_fd()
    }
}

impl FromRawFd for UnixSocket {
    /// Takes a socket over. It must not block, and must be of the Unix domain.
    ///
    /// # Safety
    ///
    /// It is open, and nobody else closes it.
    unsafe fn from_raw_fd(fd: RawFd) -> UnixSocket {
        // SAFETY: by contract.
        let inner = Socket::from(unsafe { OwnedFd::from_raw_fd(fd) });
        let is_datagram = inner.r#type().is_ok_and(|kind| kind == Type::DGRAM);
        Self { inner, is_datagram }
    }
}
