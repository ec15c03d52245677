//! A TCP connection.

use std::io;
use std::net::{self, Shutdown, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use corelane_shards::reactor::Direction;
use socket2::SockRef;

use crate::io::{Interest, ReadBuf};
use crate::net::addr::{ToSocketAddrs, no_address, resolve};
use crate::net::source::{Source, fd_traits, fill_read_buf, ready_methods, stream_traits, try_methods};

use super::steer::Seat;
use super::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, TcpSocket, WriteHalf, split};

/// A TCP connection. Read and write with [`AsyncReadExt`](crate::io::AsyncReadExt) and
/// [`AsyncWriteExt`](crate::io::AsyncWriteExt).
///
/// Dropping it closes the connection; `shutdown` closes the writing side alone.
///
/// # On shards
///
/// The stream is bound to a reactor by the first shard that has to wait for it. It may be used from every shard, at the cost
/// of a cross-core wake; where tasks move, it follows the task that has it to itself.
///
/// # Examples
///
/// ```no_run
/// use corelane::io::AsyncWriteExt;
///
/// # async fn example() -> std::io::Result<()> {
/// let mut stream = corelane::net::TcpStream::connect("127.0.0.1:8080").await?;
/// stream.write_all(b"hello").await?;
/// # Ok(())
/// # }
/// ```
pub struct TcpStream {
    pub(in crate::net) io: Source<net::TcpStream>,
    /// Where it counts, if it came from one of several listeners that share evenly.
    pub(super) seat: Option<Arc<Seat>>,
}

impl TcpStream {
    /// Connects to an address; of several, to the first that answers.
    ///
    /// # Errors
    ///
    /// What became of the last address.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub async fn connect<A: ToSocketAddrs>(addr: A) -> io::Result<TcpStream> {
        let mut last = None;
        for addr in resolve(addr).await? {
            // Where a family is switched off there is not even a socket.
            let socket = TcpSocket::new_for(addr);
            match async { socket?.connect(addr).await }.await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(no_address))
    }

    /// For a socket that has begun to connect: waits until it has, or failed.
    pub(super) async fn connecting(stream: net::TcpStream) -> io::Result<TcpStream> {
        let stream = Self { io: Source::new(stream)?, seat: None };
        stream.io.connected().await?;
        match stream.take_error()? {
            None => Ok(stream),
            Some(error) => Err(error),
        }
    }

    /// Goes on with a stream of the standard library, which must not block.
    ///
    /// # Panics
    ///
    /// Outside of a runtime; in debug builds also if the stream would block.
    #[track_caller]
    pub fn from_std(stream: net::TcpStream) -> io::Result<TcpStream> {
        Ok(Self { io: Source::from_user(stream)?, seat: None })
    }

    /// Goes on with the standard library. The stream still does not block.
    pub fn into_std(self) -> io::Result<net::TcpStream> {
        Ok(self.io.into_inner())
    }

    /// The address of this side.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.io.local_addr()
    }

    /// The address of the other side.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.io.peer_addr()
    }

    /// Takes the error that the socket has to report (`SO_ERROR`).
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.io.io.take_error()
    }

    /// Reads without taking: what is read next is the same again.
    ///
    /// # Cancel safety
    ///
    /// Nothing is taken, so nothing is lost.
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.registration.async_io(Interest::READABLE, || self.io.io.peek(buf)).await
    }

    /// Polls to read without taking. Gives how many bytes are new in `buf`. Of the tasks that poll for reading, the last is
    /// woken.
    pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        let socket = SockRef::from(&self.io.io);
        fill_read_buf(buf, |room| {
            self.io.registration.poll_io(cx, Direction::Read, || Ok((socket.peek(room)?, ())))
        })
        .map_ok(|(n, ())| n)
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

    /// Whether small writes are sent at once (`TCP_NODELAY`).
    pub fn nodelay(&self) -> io::Result<bool> {
        self.io.io.nodelay()
    }

    /// Has small writes sent at once, or gathered (`TCP_NODELAY`).
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.io.io.set_nodelay(nodelay)
    }

    /// Whether acknowledgements are sent at once (`TCP_QUICKACK`).
    pub fn quickack(&self) -> io::Result<bool> {
        SockRef::from(&self.io.io).tcp_quickack()
    }

    /// Has acknowledgements sent at once, or delayed (`TCP_QUICKACK`). The kernel may change it back.
    pub fn set_quickack(&self, quickack: bool) -> io::Result<()> {
        SockRef::from(&self.io.io).set_tcp_quickack(quickack)
    }

    /// How long closing waits for what is not sent yet (`SO_LINGER`).
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        SockRef::from(&self.io.io).linger()
    }

    /// Has closing wait for what is not sent yet (`SO_LINGER`). It blocks the thread that drops the stream for as long:
    /// [`set_zero_linger`](Self::set_zero_linger) is the one use that is harmless here.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        SockRef::from(&self.io.io).set_linger(linger)
    }

    /// Has closing drop what is not sent yet and reset the connection (`SO_LINGER` of zero).
    pub fn set_zero_linger(&self) -> io::Result<()> {
        self.set_linger(Some(Duration::ZERO))
    }

    /// The hops that packets may take (`IP_TTL`).
    pub fn ttl(&self) -> io::Result<u32> {
        self.io.io.ttl()
    }

    /// Sets the hops that packets may take (`IP_TTL`).
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.io.io.set_ttl(ttl)
    }

    pub(super) fn shutdown_write(&self) -> io::Result<()> {
        match self.io.io.shutdown(Shutdown::Write) {
            // Gone already: there is nobody to tell.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        }
    }
}

impl AsRef<TcpStream> for TcpStream {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl TryFrom<net::TcpStream> for TcpStream {
    type Error = io::Error;

    /// See [`TcpStream::from_std`].
    #[track_caller]
    fn try_from(stream: net::TcpStream) -> io::Result<Self> {
        Self::from_std(stream)
    }
}

stream_traits!(TcpStream);
fd_traits!(TcpStream);
