//! Connections that live long: more requests, one after the other, than 16 bits count, over what is watched by a reactor, on every
//! kind of runtime. Nothing here ever finds a socket full, so readiness to write is never used up.

#![expect(deprecated, reason = "the constructors of `AsyncFd` that most programs use")]

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream as StdStream;
use std::sync::Arc;
use std::time::Duration;

use corelane::io::unix::AsyncFd;
use corelane::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest};
use corelane::net::unix::pipe;
use corelane::net::{TcpListener, TcpStream, UnixDatagram, UnixStream};
use corelane::runtime::{Builder, LocalRuntime};
use corelane::time::timeout;

const REQUESTS: u64 = 70_000;

/// Only a failure takes so long.
const LONGEST: Duration = Duration::from_secs(600);

/// Asks again when there is an answer. A macro, since the futures of asynchronous closures can't be spawned.
macro_rules! ask {
    ($n:ident => $answer:expr) => {
        for $n in 0..REQUESTS {
            let answer: Result<io::Result<u64>, _> = timeout(LONGEST, async { $answer }).await;
            assert_eq!(answer.expect("an answer").unwrap(), $n);
        }
    };
}

async fn answer(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    while let Ok(n) = from.read_u64().await {
        to.write_u64(n).await.unwrap();
    }
}

async fn tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    corelane::spawn(async move {
        while let Ok(n) = server.read_u64().await {
            server.write_u64(n).await.unwrap();
        }
    });
    ask!(n => {
        client.write_u64(n).await?;
        client.read_u64().await
    });
}

async fn owned_halves() {
    let (client, server) = UnixStream::pair().unwrap();
    let (reader, writer) = server.into_split();
    corelane::spawn(answer(reader, writer));
    let (mut reader, mut writer) = client.into_split();
    ask!(n => {
        writer.write_u64(n).await?;
        reader.read_u64().await
    });
}

async fn pipes() {
    let (mut requests, from) = pipe::pipe().unwrap();
    let (to, mut answers) = pipe::pipe().unwrap();
    corelane::spawn(answer(from, to));
    ask!(n => {
        requests.write_u64(n).await?;
        answers.read_u64().await
    });
}

/// Both ends are shared, the one by two tasks.
async fn datagrams() {
    let (client, server) = UnixDatagram::pair().unwrap();
    let server = Arc::new(server);
    for server in [server.clone(), server] {
        corelane::spawn(async move {
            let mut buf = [0; 8];
            while server.recv(&mut buf).await.is_ok() {
                if server.send(&buf).await.is_err() {
                    break;
                }
            }
        });
    }
    ask!(n => {
        let mut buf = [0; 8];
        client.send(&n.to_le_bytes()).await?;
        client.recv(&mut buf).await?;
        Ok(u64::from_le_bytes(buf))
    });
}

/// Waits for readiness, and tries.
async fn tries() {
    async fn read(stream: &UnixStream) -> io::Result<[u8; 8]> {
        let mut buf = [0; 8];
        loop {
            stream.readable().await?;
            match stream.try_read(&mut buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => break read.map(|_| buf),
            }
        }
    }
    async fn write(stream: &UnixStream, buf: [u8; 8]) -> io::Result<()> {
        stream.writable().await?;
        stream.try_write(&buf).map(|wrote| assert_eq!(wrote, 8))
    }
    let (client, server) = UnixStream::pair().unwrap();
    corelane::spawn(async move {
        while let Ok(buf) = read(&server).await {
            if write(&server, buf).await.is_err() {
                break;
            }
        }
    });
    ask!(n => {
        write(&client, n.to_le_bytes()).await?;
        read(&client).await.map(u64::from_le_bytes)
    });
}

/// What is used up is cleared by hand at the one end, and by the guard's try at the other.
async fn guards() {
    let (client, server) = StdStream::pair().unwrap();
    let both = |stream: StdStream| {
        stream.set_nonblocking(true).unwrap();
        AsyncFd::with_interest(stream, Interest::READABLE | Interest::WRITABLE).unwrap()
    };
    let (client, server) = (both(client), both(server));
    corelane::spawn(async move {
        let mut buf = [0; 8];
        loop {
            let mut guard = server.readable().await.unwrap();
            match server.get_ref().read(&mut buf) {
                Ok(0) => break,
                Ok(_) => {
                    let wrote = server.async_io(Interest::WRITABLE, |mut stream| stream.write(&buf)).await;
                    assert_eq!(wrote.unwrap(), 8);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => guard.clear_ready(),
                Err(error) => panic!("{error}"),
            }
        }
    });
    ask!(n => {
        let wrote = client.writable().await?.try_io(|client| client.get_ref().write(&n.to_le_bytes()));
        assert_eq!(wrote.expect("there is room")?, 8);
        let mut buf = [0; 8];
        loop {
            let mut guard = client.readable().await?;
            if let Ok(read) = guard.try_io(|client| client.get_ref().read(&mut buf)) {
                break read.map(|_| u64::from_le_bytes(buf));
            }
        }
    });
}

/// All at once, which takes less time than one after the other.
async fn all() {
    let tasks = [
        ("tcp", corelane::spawn(tcp())),
        ("owned halves", corelane::spawn(owned_halves())),
        ("pipes", corelane::spawn(pipes())),
        ("datagrams", corelane::spawn(datagrams())),
        ("tries", corelane::spawn(tries())),
        ("guards", corelane::spawn(guards())),
    ];
    for (kind, task) in tasks {
        task.await.unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
}

#[test]
fn on_a_local_runtime() {
    LocalRuntime::new().unwrap().block_on(all());
}

#[test]
fn on_a_current_thread_runtime() {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(all());
}

#[test]
fn on_a_multi_thread_runtime() {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(all());
}

#[test]
fn on_a_sharded_runtime() {
    Builder::new_sharded().worker_threads(2).enable_all().build().unwrap().block_on(all());
}
