//! What a socket is ready for before its reactor has said anything, through the public API.

#![expect(deprecated, reason = "the constructors of `AsyncFd` that most programs use")]

use std::future::{Future, poll_fn};
use std::io::{self, Write};
use std::os::unix::net::UnixStream as StdStream;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use corelane::io::unix::AsyncFd;
use corelane::io::{AsyncReadExt, AsyncWriteExt, Interest};
use corelane::net::unix::pipe;
use corelane::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};
use corelane::runtime::{Builder, Runtime};
use corelane::sync::Semaphore;
use corelane::task::yield_now;

#[path = "support/scratch.rs"]
mod scratch;
use scratch::Scratch;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn each(f: impl Fn(Runtime)) {
    f(runtime());
    f(Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());
    f(Builder::new_sharded().worker_threads(2).enable_all().build().unwrap());
}

/// Whether the future is ready when it is polled for the first time.
fn is_ready(future: impl Future) -> bool {
    pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

fn would_block<T>(result: io::Result<T>) -> bool {
    result.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

#[test]
fn a_connection_just_accepted_is_taken_for_ready_until_a_read_finds_nothing() {
    each(|rt| {
        rt.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let addr = listener.local_addr().unwrap();
            let (client, accepted) = corelane::join!(TcpStream::connect(addr), listener.accept());
            let (mut client, (stream, _)) = (client.unwrap(), accepted.unwrap());
            assert!(is_ready(stream.readable()) && is_ready(stream.writable()));
            let tried = stream.try_read(&mut [0; 8]).unwrap_err();
            assert!(!is_ready(stream.readable()), "the read has told");
            let not_tried = stream.try_read(&mut [0; 8]).unwrap_err();
            assert_eq!(tried.to_string(), not_tried.to_string(), "whoever asked the kernel");
            assert_eq!(tried.kind(), io::ErrorKind::WouldBlock);
            assert_eq!(stream.try_write(b"first").unwrap(), 5, "that there is room was not tried yet");

            client.write_all(b"second").await.unwrap();
            stream.readable().await.unwrap();
            let mut buf = [0; 8];
            assert_eq!(stream.try_read(&mut buf).unwrap(), 6);
            client.read_exact(&mut buf[..5]).await.unwrap();
            assert_eq!(&buf, b"firstd\0\0");
        });
    });
}

#[test]
fn one_of_a_pair_has_room_and_nothing_to_read() {
    each(|rt| {
        rt.block_on(async {
            let (a, b) = UnixStream::pair().unwrap();
            assert!(is_ready(a.writable()) && !is_ready(a.readable()));
            assert!(would_block(a.try_read(&mut [0; 1])));
            assert_eq!(a.try_write(b"x").unwrap(), 1);
            b.readable().await.unwrap();
            assert_eq!(b.try_read(&mut [0; 8]).unwrap(), 1);

            let (a, b) = UnixDatagram::pair().unwrap();
            assert!(is_ready(poll_fn(|cx| a.poll_send_ready(cx))));
            assert!(!is_ready(poll_fn(|cx| a.poll_recv_ready(cx))));
            a.send(b"x").await.unwrap();
            assert_eq!(b.recv(&mut [0; 8]).await.unwrap(), 1);
        });
    });
}

#[test]
fn a_read_that_would_block_leaves_room_to_write() {
    runtime().block_on(async {
        let (std, _other) = StdStream::pair().unwrap();
        std.set_nonblocking(true).unwrap();
        let mut stream = UnixStream::from_std(std).unwrap();
        assert!(!is_ready(stream.read(&mut [0; 1])));
        assert!(is_ready(stream.write(b"at once")));
    });
}

#[test]
fn who_has_no_room_waits_for_bytes_all_the_same() {
    each(|rt| {
        rt.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let addr = listener.local_addr().unwrap();
            let (client, accepted) = corelane::join!(TcpStream::connect(addr), listener.accept());
            let (mut client, (mut stream, _)) = (client.unwrap(), accepted.unwrap());
            assert!(!is_ready(stream.read(&mut [])), "not at once, nor as if it were the end");
            client.write_all(b"x").await.unwrap();
            assert_eq!(stream.read(&mut []).await.unwrap(), 0);
            assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 1, "which took nothing");

            let (mut a, mut b) = UnixStream::pair().unwrap();
            assert!(!is_ready(a.read(&mut [])));
            b.write_all(b"x").await.unwrap();
            assert_eq!(a.read(&mut []).await.unwrap(), 0);
        });
    });
}

#[test]
fn a_fifo_that_nobody_has_opened_for_writing_is_waited_for() {
    runtime().block_on(async {
        let dir = Scratch::new();
        let path = dir.fifo();
        let mut receiver = pipe::OpenOptions::new().open_receiver(&path).unwrap();
        let mut buf = [0; 5];
        {
            let mut read = pin!(receiver.read_exact(&mut buf));
            assert!(!is_ready(read.as_mut()), "not its end");
            let mut sender = pipe::OpenOptions::new().open_sender(&path).unwrap();
            sender.write_all(b"hello").await.unwrap();
            read.await.unwrap();
        }
        assert_eq!(&buf, b"hello");
        assert_eq!(receiver.read(&mut buf).await.unwrap(), 0, "the end, now that the sender is gone");
    });
}

#[test]
fn a_receiver_is_not_tried_before_there_is_something() {
    runtime().block_on(async {
        let (mut sender, receiver) = pipe::pipe().unwrap();
        let tried = || receiver.try_io(|| Ok(())).is_ok();
        assert!(!tried());
        sender.write_all(b"x").await.unwrap();
        yield_now().await;
        assert!(tried());
        assert!(would_block(receiver.try_io(|| Err::<(), _>(io::ErrorKind::WouldBlock.into()))));
        assert!(!tried(), "cleared");
    });
}

#[test]
fn connecting_ends_when_the_other_side_is_gone() {
    runtime().block_on(async {
        let dir = Scratch::new();
        let path = dir.path("gone");
        let listener = UnixListener::bind(&path).unwrap();
        let mut connect = pin!(UnixStream::connect(&path));
        assert!(!is_ready(connect.as_mut()));
        drop(listener);
        let error = connect.await.unwrap_err();
        assert!(matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset));
    });
}

#[test]
fn a_unix_listener_is_polled_for_connections() {
    each(|rt| {
        let dir = Scratch::new();
        let path = dir.path("polled");
        rt.block_on(async {
            let listener = UnixListener::bind(&path).unwrap();
            assert!(!is_ready(poll_fn(|cx| listener.poll_accept(cx))), "nobody has come");
            let (taken, client) =
                corelane::join!(biased; poll_fn(|cx| listener.poll_accept(cx)), UnixStream::connect(&path));
            let (mut server, _) = taken.unwrap();
            client.unwrap().write_all(b"first").await.unwrap();
            let mut bytes = Vec::new();
            server.read_to_end(&mut bytes).await.unwrap();
            assert_eq!(bytes, b"first");
            assert!(!is_ready(poll_fn(|cx| listener.poll_accept(cx))), "one has come");
        });
    });
}

#[test]
fn a_root_future_that_gives_way_sees_the_events_of_the_time_before() {
    for rt in [runtime(), Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()] {
        let is_driven = rt.handle().runtime_flavor() == corelane::runtime::RuntimeFlavor::CurrentThread;
        rt.block_on(async {
            let (a, mut b) = StdStream::pair().unwrap();
            a.set_nonblocking(true).unwrap();
            let a = AsyncFd::new(a).unwrap();
            yield_now().await;
            assert!(a.try_io(Interest::READABLE, |_| Ok(())).is_err());
            b.write_all(b"x").unwrap();
            if is_driven {
                yield_now().await;
            } else {
                drop(a.readable().await.unwrap());
            }
            a.try_io(Interest::READABLE, |_| Ok(())).unwrap();
        });
    }
}

#[test]
fn all_who_wait_for_an_event_run_before_one_of_them_that_gives_way() {
    runtime().block_on(async {
        let (a, mut b) = StdStream::pair().unwrap();
        a.set_nonblocking(true).unwrap();
        let a = Arc::new(AsyncFd::new(a).unwrap());
        let waiting = Arc::new(Semaphore::new(0));
        let tasks: Vec<_> = (0..10)
            .map(|_| {
                let (a, waiting) = (a.clone(), waiting.clone());
                corelane::spawn(async move {
                    let mut readable = pin!(a.readable());
                    let first = poll_fn(|cx| Poll::Ready(readable.as_mut().poll(cx).is_ready())).await;
                    assert!(!first, "nothing was sent");
                    waiting.add_permits(1);
                    let mut guard = readable.await.unwrap();
                    yield_now().await;
                    // Were another task still to look, it would wait for ever.
                    guard.clear_ready();
                })
            })
            .collect();
        let _ = waiting.acquire_many(10).await.unwrap();
        b.write_all(b"x").unwrap();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn who_waits_for_a_datagram_learns_that_nobody_is_there() {
    each(|rt| {
        rt.block_on(async {
            // It hears itself alone. Were it closed, its port could be another socket's, even this one's.
            let deaf = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            deaf.connect(deaf.local_addr().unwrap()).await.unwrap();
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            socket.connect(deaf.local_addr().unwrap()).await.unwrap();
            let mut buf = [0; 8];
            let mut answer = pin!(socket.recv(&mut buf));
            assert!(!is_ready(answer.as_mut()));
            // The kernel answers this with an error, which is nothing to read.
            socket.send(b"x").await.unwrap();
            assert_eq!(answer.await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        });
    });
}
