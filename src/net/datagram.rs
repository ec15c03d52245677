//! What sockets that carry datagrams have in common, as a macro: UDP's and the Unix domain's differ in their addresses.

use crate::io::Interest;

/// What ends the wait for a datagram: an error ends it too, such as that nobody listens where the last one was sent.
pub(in crate::net) const ARRIVAL: Interest = Interest::READABLE.add(Interest::ERROR);

/// Receiving, and sending to the peer. `$from_std` makes an address of the standard library's, `$from_raw` of socket2's.
macro_rules! datagram_methods {
    ($SocketAddr:ty, $from_std:expr, $from_raw:expr) => {
        $crate::net::source::ready_methods!(poll_recv_ready, poll_send_ready);

        /// Receives one datagram. What does not fit in `buf` is lost.
        ///
        /// # Cancel safety
        ///
        /// No datagram is lost when the future is dropped.
        pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
            self.io.registration.async_io(ARRIVAL, || self.io.io.recv(buf)).await
        }

        /// Polls to receive one datagram. Of the tasks that poll to receive, the last is woken.
        pub fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            let socket = SockRef::from(&self.io.io);
            fill_read_buf(buf, |room| {
                self.io.registration.poll_io(cx, Direction::Read, || Ok((socket.recv(room)?, ())))
            })
            .map_ok(drop)
        }

        /// Receives a datagram that is there.
        ///
        /// # Errors
        ///
        /// `WouldBlock` if none is.
        pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> {
            self.io.registration.try_io(Interest::READABLE, || self.io.io.recv(buf))
        }

        /// Receives one datagram into the next free bytes of a growing buffer, which counts them.
        ///
        /// # Cancel safety
        ///
        /// No datagram is lost when the future is dropped.
        pub async fn recv_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
            let recv = || fill(buf, |room| SockRef::from(&self.io.io).recv(room));
            self.io.registration.async_io(ARRIVAL, recv).await
        }

        /// As `recv_buf`, if a datagram is there.
        ///
        /// # Errors
        ///
        /// `WouldBlock` if none is.
        pub fn try_recv_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
            let recv = || fill(buf, |room| SockRef::from(&self.io.io).recv(room));
            self.io.registration.try_io(Interest::READABLE, recv)
        }

        /// Receives one datagram and says where it came from. What does not fit in `buf` is lost.
        ///
        /// # Cancel safety
        ///
        /// No datagram is lost when the future is dropped.
        pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, $SocketAddr)> {
            let (n, addr) = self.io.registration.async_io(ARRIVAL, || self.io.io.recv_from(buf)).await?;
            Ok((n, $from_std(addr)))
        }

        /// Polls to receive one datagram and say where it came from. Of the tasks that poll to receive, the last is woken.
        pub fn poll_recv_from(
            &self,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<$SocketAddr>> {
            let socket = SockRef::from(&self.io.io);
            let (_, addr) = ready!(fill_read_buf(buf, |room| {
                self.io.registration.poll_io(cx, Direction::Read, || socket.recv_from(room))
            }))?;
            Poll::Ready($from_raw(addr))
        }

        /// As `recv_from`, if a datagram is there.
        ///
        /// # Errors
        ///
        /// `WouldBlock` if none is.
        pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, $SocketAddr)> {
            let (n, addr) = self.io.registration.try_io(Interest::READABLE, || self.io.io.recv_from(buf))?;
            Ok((n, $from_std(addr)))
        }

        /// As `recv_from`, into the next free bytes of a growing buffer, which counts them.
        ///
        /// # Cancel safety
        ///
        /// No datagram is lost when the future is dropped.
        pub async fn recv_buf_from<B: BufMut>(&self, buf: &mut B) -> io::Result<(usize, $SocketAddr)> {
            let recv = || fill_with(buf, |room| SockRef::from(&self.io.io).recv_from(room));
            let (n, addr) = self.io.registration.async_io(ARRIVAL, recv).await?;
            Ok((n, $from_raw(addr)?))
        }

        /// As `recv_buf_from`, if a datagram is there.
        ///
        /// # Errors
        ///
        /// `WouldBlock` if none is.
        pub fn try_recv_buf_from<B: BufMut>(&self, buf: &mut B) -> io::Result<(usize, $SocketAddr)> {
            let recv = || fill_with(buf, |room| SockRef::from(&self.io.io).recv_from(room));
            let (n, addr) = self.io.registration.try_io(Interest::READABLE, recv)?;
            Ok((n, $from_raw(addr)?))
        }

        /// Sends one datagram to the address that the socket is connected to.
        ///
        /// # Cancel safety
        ///
        /// If the future is dropped before it is done, nothing was sent.
        pub async fn send(&self, buf: &[u8]) -> io::Result<usize> {
            self.io.registration.async_io(Interest::WRITABLE, || self.io.io.send(buf)).await
        }

        /// Polls to send one datagram to the address that the socket is connected to. Of the tasks that poll to send, the last
        /// is woken.
        pub fn poll_send(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            self.io.registration.poll_io(cx, Direction::Write, || self.io.io.send(buf))
        }

        /// As `send`, if there is room.
        ///
        /// # Errors
        ///
        /// `WouldBlock` if there is none.
        pub fn try_send(&self, buf: &[u8]) -> io::Result<usize> {
            self.io.registration.try_io(Interest::WRITABLE, || self.io.io.send(buf))
        }

        /// The address of this side.
        pub fn local_addr(&self) -> io::Result<$SocketAddr> {
            self.io.io.local_addr().map($from_std)
        }

        /// The address that the socket is connected to.
        pub fn peer_addr(&self) -> io::Result<$SocketAddr> {
            self.io.io.peer_addr().map($from_std)
        }

        /// Takes the error that the socket has to report (`SO_ERROR`).
        pub fn take_error(&self) -> io::Result<Option<io::Error>> {
            self.io.io.take_error()
        }
    };
}

pub(crate) use datagram_methods;
