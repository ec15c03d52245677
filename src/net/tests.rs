#![expect(deprecated, reason = "the constructors of `AsyncFd` that most programs use")]

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use corelane_shards::config::Config;
use corelane_shards::mesh::{Mesh, ShardId};
use corelane_shards::park::Spin;
use corelane_shards::reactor::Reactor;
use corelane_shards::shard::{Shard, Turn, spawn_local};
use corelane_shards::timer::Clock;

use super::{
    TcpListener, TcpSocket, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixSocket, UnixStream,
    lookup_host, unix,
};
use crate::io::unix::AsyncFd;
use crate::io::{AsyncReadExt, AsyncWriteExt, Interest, ReadBuf};

fn shards(n: usize) -> Vec<Shard> {
    let mut config = Config::new(n);
    config.spin = Spin::Fixed(Duration::ZERO);
    let mesh = Mesh::new(config, Clock::new());
    let build = |id| {
        let reactor = Reactor::new(64, 1_000).unwrap();
        Shard::with_reactor(Arc::clone(&mesh), ShardId(id), reactor)
    };
    (0..n as u32).map(build).collect()
}

/// Runs a future on a shard until it is done.
fn run_on<T: 'static>(shard: &mut Shard, future: impl Future<Output = T> + 'static) -> T {
    let output = Rc::new(RefCell::new(None));
    let task = {
        let output = Rc::clone(&output);
        shard.enter(|local| {
            spawn_local(local, async move {
                let result = future.await;
                *output.borrow_mut() = Some(result);
            })
        })
    };
    loop {
        while shard.turn() == Turn::Again {}
        if task.is_finished() {
            return output.borrow_mut().take().expect("the task panicked");
        }
        shard.park(|| false);
    }
}

fn run<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
    let mut shard = shards(1).remove(0);
    let output = run_on(&mut shard, future);
    drop(shard);
    output
}

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, addr) = listener.accept().await.unwrap();
    assert_eq!(client.local_addr().unwrap(), addr);
    (client, server)
}

fn noop() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

#[test]
fn tcp_carries_bytes_both_ways() {
    run(async {
        let (mut client, mut server) = tcp_pair().await;
        for _ in 0..3 {
            client.write_all(b"ping").await.unwrap();
            let mut buf = [0; 4];
            server.read_exact(&mut buf).await.unwrap();
            assert_eq!(&buf, b"ping");
            server.write_all(b"pong").await.unwrap();
            client.read_exact(&mut buf).await.unwrap();
            assert_eq!(&buf, b"pong");
        }
        client.shutdown().await.unwrap();
        let mut rest = Vec::new();
        assert_eq!(server.read_to_end(&mut rest).await.unwrap(), 0);
        // Never bound until now: that there is something to read is taken for granted, that it is the end comes with the event.
        while !server.ready(Interest::READABLE).await.unwrap().is_read_closed() {
            crate::task::yield_now().await;
        }
        server.write_all(b"still open").await.unwrap();
        drop(server);
        client.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"still open");
    });
}

/// More than the buffers of the kernel hold: writing has to wait for reading.
#[test]
fn tcp_waits_for_room() {
    const LEN: usize = 16 << 20;
    run(async {
        let (mut client, server) = tcp_pair().await;
        let (mut reader, writer) = server.into_split();
        drop(writer);
        let read = async move {
            let mut buf = vec![0; 64 << 10];
            let mut total = 0;
            loop {
                match reader.read(&mut buf).await.unwrap() {
                    0 => return total,
                    n => total += n,
                }
            }
        };
        let write = async move {
            let data = vec![7; LEN];
            client.write_all(&data).await.unwrap();
            drop(client);
        };
        let (mut read, mut write) = (Box::pin(read), Box::pin(write));
        let mut written = false;
        let mut pending = 0;
        let total = poll_fn(|cx| {
            if !written {
                written = write.as_mut().poll(cx).is_ready();
                pending += usize::from(!written);
            }
            read.as_mut().poll(cx)
        });
        assert_eq!(total.await, LEN);
        assert!(written && pending > 0);
    });
}

#[test]
fn tcp_refusal_is_an_error() {
    run(async {
        // Bound, so that nobody else gets the port, and not listening.
        let closed = TcpSocket::new_v4().unwrap();
        closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let addr = closed.local_addr().unwrap();
        assert_eq!(TcpStream::connect(addr).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        // The second address answers.
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let both = [addr, listener.local_addr().unwrap()];
        let stream = TcpStream::connect(&both[..]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), both[1]);
        let none = TcpStream::connect(&[][..]).await.unwrap_err();
        assert_eq!(
            (none.kind(), &*none.to_string()),
            (ErrorKind::InvalidInput, "could not resolve to any address")
        );
    });
}

#[test]
fn tcp_halves_part_and_meet() {
    run(async {
        let (client, server) = tcp_pair().await;
        let (mut read, mut write) = client.into_split();
        let (other_read, other_write) = server.into_split();
        write.write_all(b"over").await.unwrap();
        let error = read.reunite(other_write).unwrap_err();
        assert_eq!(error.to_string(), "tried to reunite halves that are not from the same socket");
        let super::tcp::ReuniteError(read_again, other_write) = error;
        read = read_again;
        let mut server = other_write.reunite(other_read).unwrap();
        let mut buf = [0; 8];
        assert_eq!(server.read(&mut buf).await.unwrap(), 4);
        // Dropping the writing half ends the stream; forgetting it does not.
        let (server_read, server_write) = server.into_split();
        server_write.forget();
        assert!(Pin::new(&mut read).poll_read_now().is_pending());
        drop(write);
        let mut server_read = server_read;
        assert_eq!(server_read.read(&mut buf).await.unwrap(), 0);
        drop(server_read);
        assert_eq!(read.read(&mut buf).await.unwrap(), 0);
    });
}

/// Polls a read once, with no task to wake.
trait PollReadNow {
    fn poll_read_now(self) -> Poll<io::Result<()>>;
}

impl<R: crate::io::AsyncRead> PollReadNow for Pin<&mut R> {
    fn poll_read_now(self) -> Poll<io::Result<()>> {
        self.poll_read(&mut noop(), &mut ReadBuf::new(&mut [0; 8]))
    }
}

#[test]
fn tcp_peeks_tries_and_gathers() {
    run(async {
        let (mut client, server) = tcp_pair().await;
        let mut buf = [0; 8];
        assert_eq!(server.try_read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        let parts = [IoSlice::new(b"ab"), IoSlice::new(b"cd")];
        assert_eq!(client.write_vectored(&parts).await.unwrap(), 4);
        server.readable().await.unwrap();
        assert_eq!(server.peek(&mut buf).await.unwrap(), 4);
        let mut peeked = ReadBuf::new(&mut buf);
        let poll = poll_fn(|cx| server.poll_peek(cx, &mut peeked)).await.unwrap();
        assert_eq!((poll, peeked.filled()), (4, &b"abcd"[..]));
        let mut growing = bytes::BytesMut::with_capacity(16);
        assert_eq!(server.try_read_buf(&mut growing).unwrap(), 4);
        assert_eq!(&growing[..], b"abcd");
        assert_eq!(server.try_read_buf(&mut growing).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(server.poll_read_ready(&mut noop()).is_pending());
        server.writable().await.unwrap();
        assert!(server.poll_write_ready(&mut noop()).is_ready());
        assert_eq!(server.try_write(b"efg").unwrap(), 3);
        assert_eq!(client.read(&mut buf).await.unwrap(), 3);
    });
}

#[test]
fn tcp_sockets_have_options() {
    run(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.set_reuseport(true).unwrap();
        socket.set_keepalive(true).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_send_buffer_size(64 << 10).unwrap();
        assert!(socket.reuseaddr().unwrap() && socket.reuseport().unwrap());
        assert!(socket.keepalive().unwrap() && socket.nodelay().unwrap());
        assert!(socket.send_buffer_size().unwrap() >= 64 << 10);
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(8).unwrap();
        listener.set_ttl(40).unwrap();
        assert_eq!(listener.ttl().unwrap(), 40);
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_zero_linger().unwrap();
        stream.set_quickack(true).unwrap();
        assert!(stream.nodelay().unwrap() && stream.linger().unwrap() == Some(Duration::ZERO));
        assert!(stream.take_error().unwrap().is_none());
    });
}

/// Accepted on one shard, served on another: watched where it is served.
#[test]
fn a_connection_is_watched_where_it_waits() {
    let mut shards = shards(2);
    let (client, server) = run_on(&mut shards[0], tcp_pair());
    assert!(server.io.registration.home().is_none());
    client.try_write(b"x").unwrap();
    let mut server = run_on(&mut shards[1], async move {
        let mut server = server;
        // The kernel may take a moment to carry it over.
        while socket2::SockRef::from(&server).peek(&mut [std::mem::MaybeUninit::uninit()]).is_err() {
            std::thread::yield_now();
        }
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 1);
        assert!(server.io.registration.home().is_none());
        assert!(Pin::new(&mut server).poll_read_now().is_pending());
        server
    });
    assert_eq!(server.io.registration.home().map(|home| home.id()), Some(ShardId(1)));
    client.try_write(b"y").unwrap();
    run_on(&mut shards[1], async move { assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 1) });
    shards.into_iter().for_each(drop);
}

#[test]
fn a_listener_for_each_shard() {
    let mut shards = shards(2);
    let listeners = run_on(&mut shards[0], TcpListener::bind_sharded("127.0.0.1:0")).unwrap();
    assert_eq!(listeners.len(), 2);
    let addr = listeners[0].local_addr().unwrap();
    assert!(listeners.iter().all(|listener| listener.local_addr().unwrap() == addr));
    // Which one gets a connection is the kernel's choice, by the ports.
    run_on(&mut shards[0], async move {
        let mut taken = [0; 2];
        for _ in 0..64 {
            let _client = TcpStream::connect(addr).await.unwrap();
            let at = poll_fn(|cx| {
                for (at, listener) in listeners.iter().enumerate() {
                    if let Poll::Ready(result) = listener.poll_accept(cx) {
                        result.unwrap();
                        return Poll::Ready(at);
                    }
                }
                Poll::Pending
            })
            .await;
            taken[at] += 1;
        }
        assert!(taken[0] > 0 && taken[1] > 0, "{taken:?}");
    });
    shards.into_iter().for_each(drop);
}

#[test]
fn names_are_looked_up() {
    // The blocking pool asks the system, so this takes a whole runtime.
    crate::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        let known = lookup_host("127.0.0.1:80").await.unwrap().collect::<Vec<_>>();
        assert_eq!(known, ["127.0.0.1:80".parse().unwrap()]);
        let mut named = lookup_host(("localhost", 80)).await.unwrap();
        assert!(named.all(|addr| addr.ip().is_loopback() && addr.port() == 80));
        assert_eq!(lookup_host("no port").await.map(drop).unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn the_standard_librarys_sockets_are_taken_and_given_back() {
    run(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let mut stream = stream.into_std().unwrap();
        std::io::Write::write_all(&mut stream, b"std").unwrap();
        let mut accepted = TcpStream::try_from(accepted.into_std().unwrap()).unwrap();
        assert_eq!(accepted.read(&mut [0; 8]).await.unwrap(), 3);
        listener.into_std().unwrap();
    });
}

#[test]
#[should_panic = "there is no reactor running, must be called from the context of a Tokio 1.x runtime"]
fn a_socket_needs_a_runtime() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let _ = TcpListener::from_std(listener);
}

#[test]
#[cfg(debug_assertions)]
#[should_panic = "Registering a blocking socket with the tokio runtime is unsupported"]
fn a_socket_that_blocks_is_refused() {
    let shard = shards(1).remove(0);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    shard.enter(|_| drop(TcpListener::from_std(listener)));
}

#[test]
fn udp_carries_datagrams() {
    run(async {
        let a = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let b = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (a_addr, b_addr) = (a.local_addr().unwrap(), b.local_addr().unwrap());
        let mut buf = [0; 16];
        assert_eq!(b.try_recv(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        let receive = async {
            let first = b.peek_sender().await.unwrap();
            let peeked = b.peek_from(&mut [0; 2]).await.unwrap();
            let mut growing = bytes::BytesMut::with_capacity(16);
            let second = b.recv_buf_from(&mut growing).await.unwrap();
            assert_eq!(
                (first, peeked, second, &growing[..]),
                (a_addr, (2, a_addr), (5, a_addr), &b"hello"[..])
            );
        };
        let mut receive = Box::pin(receive);
        assert!(receive.as_mut().poll(&mut noop()).is_pending());
        assert_eq!(a.send_to(b"hello", b_addr).await.unwrap(), 5);
        receive.await;
        a.connect(b_addr).await.unwrap();
        assert_eq!(a.peer_addr().unwrap(), b_addr);
        a.send(b"one").await.unwrap();
        a.try_send(b"two").unwrap();
        assert_eq!(b.recv_from(&mut buf).await.unwrap(), (3, a_addr));
        let mut read = ReadBuf::new(&mut buf);
        assert_eq!(poll_fn(|cx| b.poll_recv_from(cx, &mut read)).await.unwrap(), a_addr);
        assert_eq!(read.filled(), b"two");
        // An empty datagram is not an end.
        a.send(b"").await.unwrap();
        assert_eq!(b.recv(&mut buf).await.unwrap(), 0);
        assert!(b.poll_recv_ready(&mut noop()).is_ready());
        assert_eq!(b.try_recv_from(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(b.poll_recv_ready(&mut noop()).is_pending());
    });
}

#[test]
fn unix_streams_carry_bytes() {
    run(async {
        let name = format!("\0corelane-net-test-{}", std::process::id());
        let listener = UnixListener::bind(&name).unwrap();
        let addr = listener.local_addr().unwrap();
        assert_eq!(addr.as_abstract_name(), Some(&name.as_bytes()[1..]));
        let mut client = UnixStream::connect_addr(&addr).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let cred = server.peer_cred().unwrap();
        assert_eq!(cred.pid(), Some(std::process::id() as i32));
        client.write_all(b"unix").await.unwrap();
        client.shutdown().await.unwrap();
        let mut all = Vec::new();
        server.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"unix");
        let (read, write) = client.into_split();
        client = write.reunite(read).unwrap();
        drop(server);
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
        let nobody = UnixStream::connect(format!("{name}-nobody")).await.unwrap_err();
        assert_eq!(nobody.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(UnixStream::connect("").await.unwrap_err().raw_os_error(), Some(libc::EINVAL));
        let error = UnixSocket::new_datagram().unwrap().listen(1).unwrap_err();
        assert_eq!(error.to_string(), "listen cannot be called on a datagram socket");
        let (mut a, mut b) = UnixStream::pair().unwrap();
        a.write_all(b"pair").await.unwrap();
        assert_eq!(b.read(&mut [0; 8]).await.unwrap(), 4);
    });
}

#[test]
fn unix_datagrams_are_carried() {
    run(async {
        let name = format!("\0corelane-datagram-test-{}", std::process::id());
        let (a, b) = (UnixDatagram::unbound().unwrap(), UnixDatagram::bind(&name).unwrap());
        assert_eq!(a.send_to(b"path", &name).await.unwrap(), 4);
        let mut buf = [0; 8];
        let (len, from) = b.recv_from(&mut buf).await.unwrap();
        assert!(len == 4 && from.is_unnamed());
        a.connect(&name).unwrap();
        a.send(b"peer").await.unwrap();
        let mut growing = Vec::new();
        assert_eq!(b.recv_buf_from(&mut growing).await.unwrap().0, 4);
        assert_eq!(growing, b"peer");
        // Who sends is told by each way to receive: a path, an abstract name, or none.
        let path = std::env::temp_dir().join(format!("corelane-datagram-test-{}", std::process::id()));
        let abstract_name = format!("{name}-sender");
        let named = [UnixDatagram::bind(&path).unwrap(), UnixDatagram::bind(&abstract_name).unwrap()];
        std::fs::remove_file(&path).unwrap();
        for sender in named.into_iter().chain([UnixDatagram::unbound().unwrap()]) {
            let own = format!("{:?}", sender.local_addr().unwrap());
            for _ in 0..4 {
                sender.send_to(b"who", &name).await.unwrap();
            }
            let mut read_buf = ReadBuf::new(&mut buf);
            let polled = poll_fn(|cx| b.poll_recv_from(cx, &mut read_buf)).await.unwrap();
            let from = [
                polled,
                b.recv_buf_from(&mut growing).await.unwrap().1,
                b.try_recv_buf_from(&mut growing).unwrap().1,
                b.recv_from(&mut buf).await.unwrap().1,
            ];
            assert!(from.iter().all(|from| format!("{from:?}") == own), "{from:?}, not {own}");
        }
        let (c, d) = UnixDatagram::pair().unwrap();
        c.try_send(b"pair").unwrap();
        assert_eq!(poll_fn(|cx| d.poll_recv(cx, &mut ReadBuf::new(&mut buf))).await.unwrap(), ());
    });
}

#[test]
fn pipes_carry_bytes() {
    run(async {
        let (mut sender, mut receiver) = unix::pipe::pipe().unwrap();
        let mut buf = [0; 8];
        assert!(Pin::new(&mut receiver).poll_read_now().is_pending());
        sender.write_all(b"pipe").await.unwrap();
        receiver.readable().await.unwrap();
        assert_eq!(receiver.read(&mut buf).await.unwrap(), 4);
        let fd = sender.into_blocking_fd().unwrap();
        let mut sender = unix::pipe::Sender::from_owned_fd(fd).unwrap();
        sender.write_all(b"more").await.unwrap();
        drop(sender);
        assert_eq!(receiver.read(&mut buf).await.unwrap(), 4);
        assert_eq!(receiver.read(&mut buf).await.unwrap(), 0);
        let (sender, receiver) = unix::pipe::pipe().unwrap();
        let shown = [format!("{sender:?}"), format!("{receiver:?}")];
        assert!(shown[0].starts_with("Sender { ") && shown[1].starts_with("Receiver { "), "{shown:?}");
        let wrong = unix::pipe::Sender::from_owned_fd(receiver.into_nonblocking_fd().unwrap());
        assert_eq!(wrong.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(sender.try_write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        assert_eq!(unix::pipe::Receiver::from_file(file).unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn any_file_is_waited_for() {
    use std::io::{Read, Write};
    run(async {
        let (a, b) = std::os::unix::net::UnixStream::pair().unwrap();
        a.set_nonblocking(true).unwrap();
        let mut fd = AsyncFd::new(a).unwrap();
        let mut buf = [0; 8];
        assert!(fd.poll_read_ready(&mut noop()).is_pending());
        (&b).write_all(b"x").unwrap();
        let mut guard = fd.readable().await.unwrap();
        assert!(guard.ready().is_readable() && !guard.ready().is_writable());
        assert_eq!(guard.try_io(|fd| fd.get_ref().read(&mut buf)).unwrap().unwrap(), 1);
        // Not told, so it is ready still; told, it waits for the next event.
        let mut guard = fd.readable_mut().await.unwrap();
        assert!(guard.try_io(|fd| fd.get_mut().read(&mut buf)).is_err());
        assert!(guard.ready().is_empty());
        assert!(fd.poll_read_ready(&mut noop()).is_pending());
        let mut guard = fd.ready(Interest::READABLE | Interest::WRITABLE).await.unwrap();
        guard.clear_ready_matching(crate::io::Ready::READABLE);
        assert!(guard.ready().is_writable());
        guard.clear_ready();
        assert!(fd.poll_write_ready(&mut noop()).is_pending());
        (&b).write_all(b"yz").unwrap();
        assert_eq!(fd.async_io(Interest::READABLE, |mut inner| inner.read(&mut buf)).await.unwrap(), 2);
        drop(fd.into_inner());
        assert_eq!((&b).read(&mut buf).unwrap(), 0);
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        let (_file, error) = AsyncFd::try_new(file).unwrap_err().into_parts();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    });
}

/// What tasks that move must be able to hold.
#[test]
fn sockets_and_their_futures_move() {
    fn moves<T: Send>(_: &T) {}
    fn is_shared<T: Send + Sync>() {}
    is_shared::<(TcpListener, TcpStream, TcpSocket, UdpSocket)>();
    is_shared::<(UnixListener, UnixStream, UnixDatagram, UnixSocket)>();
    is_shared::<(unix::pipe::Sender, unix::pipe::Receiver, AsyncFd<std::fs::File>)>();
    run(async {
        moves(&TcpStream::connect("127.0.0.1:1"));
        moves(&TcpStream::connect(String::new()));
        moves(&TcpListener::bind(("localhost", 0)));
        moves(&TcpListener::bind_sharded("127.0.0.1:0"));
        moves(&lookup_host("127.0.0.1:1"));
        moves(&UnixStream::connect("/nowhere"));
        moves(&UnixSocket::new_stream().unwrap().connect("/nowhere"));
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        moves(&udp.send_to(b"", "127.0.0.1:1"));
        moves(&udp.connect("127.0.0.1:1"));
        moves(&udp.recv_from(&mut []));
        let (a, b) = unix::pipe::pipe().unwrap();
        moves(&(a.writable(), b.readable()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        moves(&listener.accept());
    });
}

/// The seats by themselves: which listener the kernel gives a connection to is not ours to say.
#[test]
fn what_waits_for_a_listener_goes_to_another_one() {
    use super::tcp::steer::{Place, QUEUED_MAX};

    let addr = "127.0.0.1:1".parse().unwrap();
    let take_all = |place: &Place| (0..).take_while(|_| place.poll_given(&mut noop()).is_ready()).count();
    run(async move {
        let mut places: Vec<_> = Place::group(3).collect();
        let mut kept = Vec::new();
        // The first one's task accepts, and no other one comes: each is given so many, and the rest stays here.
        for _ in 0..4 * QUEUED_MAX {
            kept.extend(places[0].assign((tcp_pair().await.0, addr)));
        }
        assert_eq!(kept.len(), 2 * QUEUED_MAX);
        // What waits for the second goes to the third, which has fewer, and then evenly.
        drop(kept.drain(QUEUED_MAX..));
        drop(places.remove(1));
        assert_eq!(take_all(&places[0]), QUEUED_MAX / 2);
        assert_eq!(take_all(&places[1]), QUEUED_MAX + QUEUED_MAX / 2);
        // The last to leave closes what waits.
        let (stream, mut other) = tcp_pair().await;
        assert!(places[0].assign((stream, addr)).is_none());
        drop(places);
        assert_eq!(other.read(&mut [0]).await.unwrap(), 0);
    });
}

/// As Tokio says it, and as the standard library does.
#[test]
fn addresses_of_other_families_are_refused() {
    let mut shard = shards(1).remove(0);
    run_on(&mut shard, async {
        let (a, b) = std::os::unix::net::UnixDatagram::pair().unwrap();
        a.set_nonblocking(true).unwrap();
        let udp = UdpSocket::from_std(std::os::fd::OwnedFd::from(a).into()).unwrap();
        b.send(b"x").unwrap();
        let mut buf = [0; 4];
        let kind = |error: io::Error| error.kind();
        assert_eq!(udp.peek_from(&mut buf).await.map_err(kind), Err(ErrorKind::InvalidInput));
        let mut room = ReadBuf::new(&mut buf);
        let peeked = poll_fn(|cx| udp.poll_peek_from(cx, &mut room)).await;
        assert_eq!(peeked.map_err(kind), Err(ErrorKind::InvalidInput));
        assert_eq!(udp.peek_sender().await.map_err(kind), Err(ErrorKind::Other));
        let (a, _b) = std::os::unix::net::UnixStream::pair().unwrap();
        let tcp = TcpSocket::from_std_stream(std::os::fd::OwnedFd::from(a).into());
        assert_eq!(tcp.local_addr().map_err(kind), Err(ErrorKind::InvalidInput));
    });
}
