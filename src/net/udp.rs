//! UDP.

use std::io;
use std::net::{self, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use corelane_shards::reactor::Direction;
use socket2::SockRef;

use crate::io::{Interest, ReadBuf};

use super::addr::{ToSocketAddrs, ip, resolve, with_each};
use super::datagram::{ARRIVAL, datagram_methods};
use super::source::{Source, fd_traits, fill, fill_read_buf, fill_with};

/// A UDP socket. All its methods take it by reference, so tasks share it in an [`Arc`](std::sync::Arc).
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// let socket = corelane::net::UdpSocket::bind("127.0.0.1:8080").await?;
/// let mut buf = [0; 1024];
/// loop {
///     let (len, from) = socket.recv_from(&mut buf).await?;
///     socket.send_to(&buf[..len], from).await?;
/// }
/// # }
/// ```
pub struct UdpSocket {
    io: Source<net::UdpSocket>,
}

impl UdpSocket {
    /// Binds to an address; of several, to the first that it can. Port 0 lets the system choose.
    ///
    /// # Errors
    ///
    /// What the system says of the last address.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub async fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<UdpSocket> {
        with_each(addr, |addr| {
            let socket = net::UdpSocket::bind(addr)?;
            socket.set_nonblocking(true)?;
            Ok(Self { io: Source::new(socket)? })
        })
        .await
    }

    /// Goes on with a socket of the standard library, which must not block.
    ///
    /// # Panics
    ///
    /// Outside of a runtime; in debug builds also if the socket would block.
    #[track_caller]
    pub fn from_std(socket: net::UdpSocket) -> io::Result<UdpSocket> {
        Ok(Self { io: Source::from_user(socket)? })
    }

    /// Goes on with the standard library. The socket still does not block.
    pub fn into_std(self) -> io::Result<net::UdpSocket> {
        Ok(self.io.into_inner())
    }

    /// Sets where [`send`](Self::send) sends to; only from there the socket receives then.
    pub async fn connect<A: ToSocketAddrs>(&self, addr: A) -> io::Result<()> {
        with_each(addr, |addr| self.io.io.connect(addr)).await
    }

    datagram_methods!(SocketAddr, std::convert::identity, ip);

    /// Sends one datagram to an address; of several, to the first.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is done, nothing was sent.
    pub async fn send_to<A: ToSocketAddrs>(&self, buf: &[u8], target: A) -> io::Result<usize> {
        let Some(target) = resolve(target).await?.next() else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no addresses to send data to"));
        };
        self.io.registration.async_io(Interest::WRITABLE, || self.io.io.send_to(buf, target)).await
    }

    /// Polls to send one datagram to an address. Of the tasks that poll to send, the last is woken.
    pub fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
        target: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.io.registration.poll_io(cx, Direction::Write, || self.io.io.send_to(buf, target))
    }

    /// As [`send_to`](Self::send_to), if there is room.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is none.
    pub fn try_send_to(&self, buf: &[u8], target: SocketAddr) -> io::Result<usize> {
        self.io.registration.try_io(Interest::WRITABLE, || self.io.io.send_to(buf, target))
    }

    /// Looks at the next datagram from the connected address, which stays.
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.registration.async_io(ARRIVAL, || self.io.io.peek(buf)).await
    }

    /// Polls to look at the next datagram from the connected address. Of the tasks that poll to receive, the last is woken.
    pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let socket = SockRef::from(&self.io.io);
        fill_read_buf(buf, |room| {
            self.io.registration.poll_io(cx, Direction::Read, || Ok((socket.peek(room)?, ())))
        })
        .map_ok(drop)
    }

    /// As [`peek`](Self::peek), if a datagram is there.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if none is.
    pub fn try_peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.registration.try_io(Interest::READABLE, || self.io.io.peek(buf))
    }

    /// Looks at the next datagram, which stays, and says where it came from.
    pub async fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io.registration.async_io(ARRIVAL, || self.io.io.peek_from(buf)).await
    }

    /// Polls to look at the next datagram and say where it came from. Of the tasks that poll to receive, the last is woken.
    pub fn poll_peek_from(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<SocketAddr>> {
        let socket = SockRef::from(&self.io.io);
        let (_, addr) = ready!(fill_read_buf(buf, |room| {
            self.io.registration.poll_io(cx, Direction::Read, || socket.peek_from(room))
        }))?;
        Poll::Ready(ip(addr))
    }

    /// As [`peek_from`](Self::peek_from), if a datagram is there.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if none is.
    pub fn try_peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io.registration.try_io(Interest::READABLE, || self.io.io.peek_from(buf))
    }

    /// Says where the next datagram came from, which stays.
    pub async fn peek_sender(&self) -> io::Result<SocketAddr> {
        self.io.registration.async_io(ARRIVAL, || self.sender()).await
    }

    /// Polls to say where the next datagram came from. Of the tasks that poll to receive, the last is woken.
    pub fn poll_peek_sender(&self, cx: &mut Context<'_>) -> Poll<io::Result<SocketAddr>> {
        self.io.registration.poll_io(cx, Direction::Read, || self.sender())
    }

    /// As [`peek_sender`](Self::peek_sender), if a datagram is there.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if none is.
    pub fn try_peek_sender(&self) -> io::Result<SocketAddr> {
        self.io.registration.try_io(Interest::READABLE, || self.sender())
    }

    fn sender(&self) -> io::Result<SocketAddr> {
        let addr = SockRef::from(&self.io.io).peek_sender()?;
        addr.as_socket().ok_or_else(|| io::Error::other("sender not available"))
    }

    /// Whether datagrams may go to broadcast addresses (`SO_BROADCAST`).
    pub fn broadcast(&self) -> io::Result<bool> {
        self.io.io.broadcast()
    }

    /// Lets datagrams go to broadcast addresses (`SO_BROADCAST`).
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        self.io.io.set_broadcast(on)
    }

    /// Whether what is sent to a group also comes back here (`IP_MULTICAST_LOOP`).
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        self.io.io.multicast_loop_v4()
    }

    /// Has what is sent to a group come back here too (`IP_MULTICAST_LOOP`).
    pub fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()> {
        self.io.io.set_multicast_loop_v4(on)
    }

    /// The hops that datagrams to a group may take (`IP_MULTICAST_TTL`).
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        self.io.io.multicast_ttl_v4()
    }

    /// Sets the hops that datagrams to a group may take (`IP_MULTICAST_TTL`).
    pub fn set_multicast_ttl_v4(&self, ttl: u32) -> io::Result<()> {
        self.io.io.set_multicast_ttl_v4(ttl)
    }

    /// Whether what is sent to a group also comes back here (`IPV6_MULTICAST_LOOP`).
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        self.io.io.multicast_loop_v6()
    }

    /// Has what is sent to a group come back here too (`IPV6_MULTICAST_LOOP`).
    pub fn set_multicast_loop_v6(&self, on: bool) -> io::Result<()> {
        self.io.io.set_multicast_loop_v6(on)
    }

    /// Joins a group (`IP_ADD_MEMBERSHIP`) on the interface with that address.
    pub fn join_multicast_v4(&self, multiaddr: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.io.io.join_multicast_v4(&multiaddr, &interface)
    }

    /// Joins a group (`IPV6_ADD_MEMBERSHIP`) on the interface with that index.
    pub fn join_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.io.io.join_multicast_v6(multiaddr, interface)
    }

    /// Leaves a group (`IP_DROP_MEMBERSHIP`).
    pub fn leave_multicast_v4(&self, multiaddr: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.io.io.leave_multicast_v4(&multiaddr, &interface)
    }

    /// Leaves a group (`IPV6_DROP_MEMBERSHIP`).
    pub fn leave_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.io.io.leave_multicast_v6(multiaddr, interface)
    }

    /// The hops that datagrams may take (`IP_TTL`).
    pub fn ttl(&self) -> io::Result<u32> {
        self.io.io.ttl()
    }

    /// Sets the hops that datagrams may take (`IP_TTL`).
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.io.io.set_ttl(ttl)
    }

    /// The type of service of IPv4 packets (`IP_TOS`).
    pub fn tos_v4(&self) -> io::Result<u32> {
        SockRef::from(&self.io.io).tos_v4()
    }

    /// Sets the type of service of IPv4 packets (`IP_TOS`).
    pub fn set_tos_v4(&self, tos: u32) -> io::Result<()> {
        SockRef::from(&self.io.io).set_tos_v4(tos)
    }

    /// The traffic class of IPv6 packets (`IPV6_TCLASS`).
    pub fn tclass_v6(&self) -> io::Result<u32> {
        SockRef::from(&self.io.io).tclass_v6()
    }

    /// Sets the traffic class of IPv6 packets (`IPV6_TCLASS`).
    pub fn set_tclass_v6(&self, tclass: u32) -> io::Result<()> {
        SockRef::from(&self.io.io).set_tclass_v6(tclass)
    }

    /// The network device that the socket is bound to, if any (`SO_BINDTODEVICE`).
    pub fn device(&self) -> io::Result<Option<Vec<u8>>> {
        SockRef::from(&self.io.io).device()
    }

    /// Binds the socket to a network device, or to none (`SO_BINDTODEVICE`).
    pub fn bind_device(&self, interface: Option<&[u8]>) -> io::Result<()> {
        SockRef::from(&self.io.io).bind_device(interface)
    }
}

impl TryFrom<net::UdpSocket> for UdpSocket {
    type Error = io::Error;

    /// See [`UdpSocket::from_std`].
    #[track_caller]
    fn try_from(socket: net::UdpSocket) -> io::Result<Self> {
        Self::from_std(socket)
    }
}

fd_traits!(UdpSocket);
