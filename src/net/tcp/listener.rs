//! Taking connections.

use std::future::poll_fn;
use std::io;
use std::net::{self, SocketAddr};
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use corelane_shards::coop;
use corelane_shards::reactor::Direction;
use socket2::SockRef;

use crate::io::Interest;
use crate::net::addr::{ToSocketAddrs, with_each};
use crate::net::source::{Source, fd_traits};
use crate::runtime::Steered;

use super::steer::{Connection, Place};
use super::{TcpSocket, TcpStream};

/// How many connections may wait to be accepted: the kernel's own limit, `net.core.somaxconn`, is usually the one that counts.
const BACKLOG: u32 = 4_096;

/// Takes TCP connections.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// let listener = corelane::net::TcpListener::bind("127.0.0.1:8080").await?;
/// loop {
///     let (stream, peer) = listener.accept().await?;
///     println!("{peer} came in");
///     drop(stream);
/// }
/// # }
/// ```
pub struct TcpListener {
    /// It wants the packets of a shard's CPU. Dropped before the file is closed.
    pub(super) steered: Option<Steered>,
    /// Mio's, since it accepts a stream that does not block in one system call.
    pub(super) io: Source<mio::net::TcpListener>,
    /// In a group that shares evenly.
    pub(super) place: Option<Place>,
}

impl TcpListener {
    /// Listens at an address; of several, at the first that it can. Port 0 lets the system choose.
    ///
    /// The address may be bound again while connections of an earlier listener linger (`SO_REUSEADDR`).
    ///
    /// # Errors
    ///
    /// What the system says of the last address.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub async fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<TcpListener> {
        with_each(addr, |addr| listen(addr, false)).await
    }

    /// Listens at an address with a listener for each shard of the runtime, in their order, for a task on each to accept
    /// from. They share a port (`SO_REUSEPORT`), and a connection stays on the shard whose listener returns it.
    ///
    /// In the config file `[listen] steering` says which listener gets a connection:
    ///
    /// - `"reuseport"`: one that the kernel draws. Of 64 connections one of two shards may well have 40.
    /// - `"least-connections"`: the one with the fewest that are open, that is, whose [`TcpStream`] was neither dropped nor taken
    ///   out with [`into_std`](TcpStream::into_std). A listener that another one's task accepted for returns the connection
    ///   from its own `accept`. If 16 wait for that, it gets no more. When a listener is dropped, those that wait go to the
    ///   others, and with the last of them they are closed.
    /// - `"incoming-cpu"`: that of the shard whose CPU the packet came in on, if the kernel can (`SO_INCOMING_CPU`). When a shard
    ///   is moved while the program runs, so is what its listeners want.
    ///
    /// With port 0 the system chooses one port for all.
    ///
    /// The port is not closed to other processes of the same user that share it too: a second instance of the program is not
    /// refused, and takes part of the connections. Where that would be a mistake, [`bind`](Self::bind) first, which fails if
    /// somebody listens there, and drop that listener.
    ///
    /// # Errors
    ///
    /// What the system says of the last address.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub async fn bind_sharded<A: ToSocketAddrs>(addr: A) -> io::Result<Vec<TcpListener>> {
        let shards = crate::net::mesh()?.remotes().len();
        let evens_out = crate::net::evens_out() && shards > 1;
        with_each(addr, |mut addr| {
            let mut all = Vec::with_capacity(shards);
            for shard in 0..shards {
                let mut listener = listen(addr, true)?;
                addr = listener.local_addr()?;
                listener.steered = crate::net::steer(shard, &listener)?;
                all.push(listener);
            }
            if evens_out {
                all.iter_mut()
                    .zip(Place::group(shards))
                    .for_each(|(listener, place)| listener.place = Some(place));
            }
            Ok(all)
        })
        .await
    }

    /// Takes the next connection.
    ///
    /// # Cancel safety
    ///
    /// No connection is lost when the future is dropped.
    ///
    /// # Errors
    ///
    /// What the system says, for instance that there are too many open files. The listener goes on being usable, and the
    /// connection goes on waiting: back off before the next call.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let kernel = || self.io.registration.async_io(Interest::READABLE, || self.io.io.accept());
        let Some(place) = &self.place else { return Ok(self.accepted(kernel().await?)) };
        let mut given = pin!(place.given());
        loop {
            let mut kernel = pin!(kernel());
            let next = poll_fn(|cx| {
                let coop = ready!(coop::poll_proceed(cx));
                if let Poll::Ready(connection) = given.as_mut().poll(cx) {
                    coop.made_progress();
                    return Poll::Ready(Ok(Some(connection)));
                }
                kernel.as_mut().poll(cx).map_ok(|taken| place.assign(self.accepted(taken)))
            });
            if let Some(connection) = next.await? {
                return Ok(connection);
            }
        }
    }

    /// Polls for the next connection. Of the tasks that do, the last is woken.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let kernel = |cx: &mut Context<'_>| {
            let taken = self.io.registration.poll_io(cx, Direction::Read, || self.io.io.accept());
            taken.map_ok(|taken| self.accepted(taken))
        };
        let Some(place) = &self.place else { return kernel(cx) };
        loop {
            let coop = ready!(coop::poll_proceed(cx));
            if let Poll::Ready(connection) = place.poll_given(cx) {
                coop.made_progress();
                return Poll::Ready(Ok(connection));
            }
            drop(coop);
            if let Some(connection) = place.assign(ready!(kernel(cx))?) {
                return Poll::Ready(Ok(connection));
            }
        }
    }

    fn accepted(&self, (stream, addr): (mio::net::TcpStream, SocketAddr)) -> Connection {
        (TcpStream::of(Source::accepted(&self.io, stream.into())), addr)
    }

    /// Goes on listening with a listener of the standard library, which must not block.
    ///
    /// # Panics
    ///
    /// Outside of a runtime; in debug builds also if the listener would block.
    #[track_caller]
    pub fn from_std(listener: net::TcpListener) -> io::Result<TcpListener> {
        let io = Source::from_user(mio::net::TcpListener::from_std(listener))?;
        Ok(Self { steered: None, io, place: None })
    }

    /// Goes on listening with the standard library. The listener still does not block.
    pub fn into_std(self) -> io::Result<net::TcpListener> {
        Ok(OwnedFd::from(self.io.into_inner()).into())
    }

    /// The address it listens at.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.io.local_addr()
    }

    /// The hops that packets may take (`IP_TTL`).
    pub fn ttl(&self) -> io::Result<u32> {
        SockRef::from(&self.io.io).ttl_v4()
    }

    /// Sets the hops that packets may take (`IP_TTL`).
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        SockRef::from(&self.io.io).set_ttl_v4(ttl)
    }
}

fn listen(addr: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_for(addr)?;
    socket.set_reuseaddr(true)?;
    if shared {
        socket.set_reuseport(true)?;
    }
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

impl TryFrom<net::TcpListener> for TcpListener {
    type Error = io::Error;

    /// See [`TcpListener::from_std`].
    #[track_caller]
    fn try_from(listener: net::TcpListener) -> io::Result<Self> {
        Self::from_std(listener)
    }
}

fd_traits!(TcpListener);
