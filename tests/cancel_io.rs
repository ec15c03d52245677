//! Reading, writing and accepting that gives up loses no byte, no datagram and no connection: a row for each claim of the docs.

#![expect(deprecated, reason = "the constructors of `AsyncFd` that most programs use")]

#[path = "support/give_up.rs"]
mod give_up;
#[path = "support/poll.rs"]
mod poll;
#[path = "support/scratch.rs"]
mod scratch;

use std::io::{IoSlice, Read, Write};
use std::os::unix::net as std_unix;

use corelane::io::unix::AsyncFd;
use corelane::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, Interest, duplex};
use corelane::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream, unix::pipe};
use give_up::give_up;
use scratch::Scratch;

async fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let far = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    // Of the two the accepted one counts as readable until it is read.
    (listener.accept().await.unwrap().0, far)
}

async fn udp() -> (UdpSocket, UdpSocket) {
    let near = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let far = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    near.connect(far.local_addr().unwrap()).await.unwrap();
    far.connect(near.local_addr().unwrap()).await.unwrap();
    (near, far)
}

/// A stream that takes no more for now, and how much it took.
async fn full() -> (UnixStream, UnixStream, usize) {
    let (near, far) = UnixStream::pair().unwrap();
    near.writable().await.unwrap();
    let mut taken = 0;
    while let Ok(n) = near.try_write(&[0; 4096]) {
        taken += n;
    }
    (near, far, taken)
}

/// A socket whose peer's queue is full, and how many are in it.
async fn full_queue() -> (UnixDatagram, UnixDatagram, usize) {
    let (near, far) = UnixDatagram::pair().unwrap();
    near.writable().await.unwrap();
    let mut taken = 0;
    while near.try_send(b"old").is_ok() {
        taken += 1;
    }
    (near, far, taken)
}

/// Reads what is there, and gives its length.
fn drain(from: &UnixStream) -> usize {
    let mut buf = [0; 4096];
    std::iter::from_fn(|| from.try_read(&mut buf).ok().filter(|n| *n > 0)).sum()
}

/// Takes what is there out of the queue, and gives the number of datagrams.
fn drain_queue(from: &UnixDatagram) -> usize {
    let mut buf = [0; 8];
    std::iter::from_fn(|| from.try_recv(&mut buf).ok()).count()
}

/// Reads so many bytes.
async fn gets(from: &mut (impl AsyncReadExt + Unpin), expected: &[u8]) -> bool {
    let mut buf = vec![0; expected.len()];
    from.read_exact(&mut buf).await.unwrap();
    buf == expected
}

/// A pipe in memory that takes no more for now.
async fn full_duplex() -> (DuplexStream, DuplexStream) {
    let (mut near, far) = duplex(2);
    near.write_all(b"ab").await.unwrap();
    (near, far)
}

/// The two bytes that were there before, and then nothing but these.
async fn then(far: &mut DuplexStream, near: DuplexStream, rest: &[u8]) -> bool {
    drop(near);
    let mut all = Vec::new();
    far.read_to_end(&mut all).await.unwrap();
    all == rest
}

// The methods of `AsyncReadExt` and the other traits, on a pipe in memory.
give_up! {
    read: {let (mut near, mut far) = duplex(8); let mut buf = [0; 8];}
        far.read(&mut buf), near.write_all(b"abc").await.unwrap() => gets(&mut far, b"abc").await && buf == [0; 8];
    read_buf: {let (mut near, mut far) = duplex(8); let mut buf = Vec::with_capacity(8);}
        far.read_buf(&mut buf), near.write_all(b"abc").await.unwrap() => gets(&mut far, b"abc").await && buf.is_empty();
    fill_buf: {let (mut near, far) = duplex(8); let mut far = BufReader::new(far);}
        far.fill_buf(), near.write_all(b"abc").await.unwrap() => far.fill_buf().await.unwrap() == b"abc";
    next_line: {let (mut near, far) = duplex(8); let mut lines = BufReader::new(far).lines(); near.write_all(b"ab").await.unwrap();}
        lines.next_line(), near.write_all(b"c\n").await.unwrap()
        => lines.next_line().await.unwrap().as_deref() == Some("abc");
    next_segment: {let (mut near, far) = duplex(8); let mut pieces = BufReader::new(far).split(b';'); near.write_all(b"ab").await.unwrap();}
        pieces.next_segment(), near.write_all(b"c;").await.unwrap()
        => pieces.next_segment().await.unwrap().as_deref() == Some(b"abc");
    write: {let (mut near, mut far) = full_duplex().await;}
        near.write(b"x"), assert!(gets(&mut far, b"ab").await) => then(&mut far, near, b"").await;
    write_vectored: {let (mut near, mut far) = full_duplex().await; let bufs = [IoSlice::new(b"x")];}
        near.write_vectored(&bufs), assert!(gets(&mut far, b"ab").await) => then(&mut far, near, b"").await;
    write_buf: {let (mut near, mut far) = full_duplex().await; let mut buf = &b"xy"[..];}
        near.write_buf(&mut buf), assert!(gets(&mut far, b"ab").await) => buf == b"xy" && then(&mut far, near, b"").await;
    // Two of the four fit. The buffer says so, and who calls again goes on there.
    write_all_buf: {let (mut near, mut far) = duplex(2); let mut buf = &b"wxyz"[..];}
        near.write_all_buf(&mut buf), assert!(gets(&mut far, b"wx").await)
        => { near.write_all_buf(&mut buf).await.unwrap(); buf.is_empty() && then(&mut far, near, b"yz").await };
}

give_up! {
    tcp_accept: {let listener = TcpListener::bind("127.0.0.1:0").await.unwrap(); let addr = listener.local_addr().unwrap();}
        listener.accept(), std::net::TcpStream::connect(addr).unwrap()
        => listener.accept().await.is_ok();
    unix_accept: {let dir = Scratch::new(); let path = dir.path("socket"); let listener = UnixListener::bind(&path).unwrap();}
        listener.accept(), std_unix::UnixStream::connect(&path).unwrap() => listener.accept().await.is_ok();

    stream_read: {let (mut near, mut far) = tcp().await; let mut buf = [0; 8];}
        far.read(&mut buf), near.write_all(b"abc").await.unwrap() => gets(&mut far, b"abc").await && buf == [0; 8];
    stream_peek: {let (mut near, mut far) = tcp().await; let mut buf = [0; 8];}
        far.peek(&mut buf), near.write_all(b"abc").await.unwrap() => gets(&mut far, b"abc").await && buf == [0; 8];
    stream_readable: {let (mut near, mut far) = tcp().await;}
        far.readable(), near.write_all(b"abc").await.unwrap()
        => { far.readable().await.unwrap(); gets(&mut far, b"abc").await };
    stream_ready: {let (mut near, mut far) = tcp().await;}
        far.ready(Interest::READABLE), near.write_all(b"abc").await.unwrap()
        => far.ready(Interest::READABLE).await.unwrap().is_readable() && gets(&mut far, b"abc").await;
    half_readable: {let (mut near, far) = tcp().await; let (mut far, _out) = far.into_split();}
        far.readable(), near.write_all(b"abc").await.unwrap()
        => { far.readable().await.unwrap(); gets(&mut far, b"abc").await };
    half_ready: {let (mut near, mut far) = tcp().await; let (mut far, _out) = far.split();}
        far.ready(Interest::READABLE), near.write_all(b"abc").await.unwrap()
        => far.ready(Interest::READABLE).await.unwrap().is_readable() && gets(&mut far, b"abc").await;
    stream_write: {let (mut near, far, taken) = full().await;}
        near.write(b"x"), assert_eq!(drain(&far), taken) => { drop(near); far.readable().await.unwrap(); drain(&far) == 0 };
    stream_writable: {let (near, far, taken) = full().await;}
        near.writable(), assert_eq!(drain(&far), taken)
        => { near.writable().await.unwrap(); near.try_write(b"x").unwrap() == 1 };
    half_writable: {let (near, far, taken) = full().await; let (_in, near) = near.into_split();}
        near.writable(), assert_eq!(drain(&far), taken)
        => { near.writable().await.unwrap(); near.try_write(b"x").unwrap() == 1 };

    recv: {let (near, far) = udp().await; let mut buf = [0; 8];}
        far.recv(&mut buf), near.send(b"abc").await.unwrap() => far.recv(&mut buf).await.unwrap() == 3 && buf[..3] == *b"abc";
    recv_from: {let (near, far) = udp().await; let mut buf = [0; 8];}
        far.recv_from(&mut buf), near.send(b"abc").await.unwrap()
        => far.recv_from(&mut buf).await.unwrap() == (3, near.local_addr().unwrap());
    recv_buf: {let (near, far) = udp().await; let mut buf = Vec::with_capacity(8);}
        far.recv_buf(&mut buf), near.send(b"abc").await.unwrap()
        => buf.is_empty() && far.recv_buf(&mut buf).await.unwrap() == 3 && buf == b"abc";
    recv_buf_from: {let (near, far) = udp().await; let mut buf = Vec::with_capacity(8);}
        far.recv_buf_from(&mut buf), near.send(b"abc").await.unwrap()
        => buf.is_empty() && far.recv_buf_from(&mut buf).await.unwrap().0 == 3 && buf == b"abc";
    datagram_peek: {let (near, far) = udp().await; let mut buf = [0; 8];}
        far.peek(&mut buf), near.send(b"abc").await.unwrap() => far.recv(&mut buf).await.unwrap() == 3;
    unix_recv: {let (near, far) = UnixDatagram::pair().unwrap(); let mut buf = [0; 8];}
        far.recv(&mut buf), near.send(b"abc").await.unwrap() => far.recv(&mut buf).await.unwrap() == 3;
    unix_recv_from: {let (near, far) = UnixDatagram::pair().unwrap(); let mut buf = [0; 8];}
        far.recv_from(&mut buf), near.send(b"abc").await.unwrap() => far.recv_from(&mut buf).await.unwrap().0 == 3;
    send: {let (near, far, taken) = full_queue().await;}
        near.send(b"new"), assert_eq!(drain_queue(&far), taken) => { drop(near); drain_queue(&far) == 0 };
    send_to: {
        let dir = Scratch::new();
        let path = dir.path("socket");
        let far = UnixDatagram::bind(&path).unwrap();
        let near = UnixDatagram::unbound().unwrap();
        // The kernel tells of room at a peer only who is connected to it.
        near.connect(&path).unwrap();
        near.writable().await.unwrap();
        let mut taken = 0;
        while near.try_send_to(b"old", &path).is_ok() {
            taken += 1;
        }
    }
        near.send_to(b"new", &path), {
            far.readable().await.unwrap();
            assert_eq!(drain_queue(&far), taken);
        } => drain_queue(&far) == 0;

    pipe_readable: {let (near, far) = pipe::pipe().unwrap();}
        far.readable(), near.try_write(b"abc").unwrap()
        => { far.readable().await.unwrap(); far.try_read(&mut [0; 8]).unwrap() == 3 };
    watched_file: {let (far, mut near) = watched();}
        far.readable(), near.write_all(b"abc").unwrap()
        => far.readable().await.unwrap().try_io(|far| far.get_ref().read(&mut [0; 8])).unwrap().unwrap() == 3;
    watched_file_io: {let (far, mut near) = watched();}
        far.async_io(Interest::READABLE, |mut far| far.read(&mut [0; 8])), near.write_all(b"abc").unwrap()
        => far.async_io(Interest::READABLE, |mut far| far.read(&mut [0; 8])).await.unwrap() == 3;
}

/// One end of a socket of the standard library, watched, and the other one.
fn watched() -> (AsyncFd<std_unix::UnixStream>, std_unix::UnixStream) {
    let (far, near) = std_unix::UnixStream::pair().unwrap();
    far.set_nonblocking(true).unwrap();
    (AsyncFd::new(far).unwrap(), near)
}
