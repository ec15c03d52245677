//! A TCP connection.

use std::io;
use std::net::{self, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use corelane_shards::reactor::Direction;
use socket2::SockRef;

use crate::io::{Interest, ReadBuf};
use crate::net::addr::{ToSocketAddrs, no_address, resolve};
use crate::net::source::{Source, fill_read_buf};
use crate::net::stream::stream;

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

    /// Has closing wait for what is not sent yet (`SO_LINGER`). It blocks the thread that drops the stream for as long.
    #[deprecated(note = "it has the drop of the stream block its thread; `set_zero_linger` does not")]
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        SockRef::from(&self.io.io).set_linger(linger)
    }

    /// Has closing drop what is not sent yet and reset the connection (`SO_LINGER` of zero).
    pub fn set_zero_linger(&self) -> io::Result<()> {
        SockRef::from(&self.io.io).set_linger(Some(Duration::ZERO))
    }

    /// The hops that packets may take (`IP_TTL`).
    pub fn ttl(&self) -> io::Result<u32> {
        self.io.io.ttl()
    }

    /// Sets the hops that packets may take (`IP_TTL`).
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.io.io.set_ttl(ttl)
    }

    pub(super) fn of(io: Source<net::TcpStream>) -> Self {
        Self { io, seat: None }
    }
}

stream!(TcpStream, net::TcpStream, SocketAddr, std::convert::identity);
