//! Datagrams in the Unix domain.

use std::io;
use std::net::Shutdown;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net;
use std::path::Path;
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use corelane_shards::reactor::Direction;
use socket2::{SockAddr, SockRef};

use crate::io::{Interest, ReadBuf};
use crate::net::datagram::{ARRIVAL, datagram_methods};
use crate::net::source::{Source, fd_traits, fill, fill_read_buf, fill_with};

use super::{SocketAddr, addr_of};

/// A datagram socket in the Unix domain. All its methods take it by reference, so tasks share it in an
/// [`Arc`](std::sync::Arc). The path it is bound to stays when it is dropped.
pub struct UnixDatagram {
    pub(super) io: Source<net::UnixDatagram>,
}

impl UnixDatagram {
    /// A socket with a path, which must not exist. A path that begins with a zero byte is an abstract name.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixDatagram> {
        Self::new(net::UnixDatagram::bind_addr(&addr_of(path.as_ref())?)?)
    }

    /// A socket without a name.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn unbound() -> io::Result<UnixDatagram> {
        Self::new(net::UnixDatagram::unbound()?)
    }

    /// Two sockets that are connected to each other.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let (a, b) = net::UnixDatagram::pair()?;
        a.set_nonblocking(true)?;
        b.set_nonblocking(true)?;
        Ok((Self { io: Source::one_of_pair(a)? }, Self { io: Source::one_of_pair(b)? }))
    }

    #[track_caller]
    fn new(socket: net::UnixDatagram) -> io::Result<UnixDatagram> {
        socket.set_nonblocking(true)?;
        Ok(Self { io: Source::new(socket)? })
    }

    /// Goes on with a socket of the standard library, which must not block.
    ///
    /// # Panics
    ///
    /// Outside of a runtime; in debug builds also if the socket would block.
    #[track_caller]
    pub fn from_std(socket: net::UnixDatagram) -> io::Result<UnixDatagram> {
        Ok(Self { io: Source::from_user(socket)? })
    }

    /// Goes on with the standard library. The socket still does not block.
    pub fn into_std(self) -> io::Result<net::UnixDatagram> {
        Ok(self.io.into_inner())
    }

    /// Sets where [`send`](Self::send) sends to.
    pub fn connect<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        self.io.io.connect_addr(&addr_of(path.as_ref())?)
    }

    datagram_methods!(SocketAddr, SocketAddr, unix);

    /// Sends one datagram to a path.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is done, nothing was sent.
    pub async fn send_to<P: AsRef<Path>>(&self, buf: &[u8], target: P) -> io::Result<usize> {
        let target = addr_of(target.as_ref())?;
        self.io.registration.async_io(Interest::WRITABLE, || self.io.io.send_to_addr(buf, &target)).await
    }

    /// Polls to send one datagram to a path. Of the tasks that poll to send, the last is woken.
    pub fn poll_send_to<P: AsRef<Path>>(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
        target: P,
    ) -> Poll<io::Result<usize>> {
        let target = addr_of(target.as_ref())?;
        self.io.registration.poll_io(cx, Direction::Write, || self.io.io.send_to_addr(buf, &target))
    }

    /// As [`send_to`](Self::send_to), if there is room.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is none.
    pub fn try_send_to<P: AsRef<Path>>(&self, buf: &[u8], target: P) -> io::Result<usize> {
        let target = addr_of(target.as_ref())?;
        self.io.registration.try_io(Interest::WRITABLE, || self.io.io.send_to_addr(buf, &target))
    }

    /// Closes one direction, or both.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.io.io.shutdown(how)
    }
}

fn unix(addr: SockAddr) -> io::Result<SocketAddr> {
    let addr = match (addr.as_pathname(), addr.as_abstract_namespace()) {
        (Some(path), _) => net::SocketAddr::from_pathname(path),
        (None, Some(name)) => net::SocketAddr::from_abstract_name(name),
        // The kernel writes nothing at all for a sender without a name, not even the family.
        (None, None) => net::SocketAddr::from_pathname(""),
    };
    addr.map(SocketAddr)
}

impl TryFrom<net::UnixDatagram> for UnixDatagram {
    type Error = io::Error;

    /// See [`UnixDatagram::from_std`].
    #[track_caller]
    fn try_from(socket: net::UnixDatagram) -> io::Result<Self> {
        Self::from_std(socket)
    }
}

fd_traits!(UnixDatagram);
