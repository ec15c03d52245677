//! A TCP proxy: what comes in at one address goes to another one, and back.
//!
//! ```text
//! cargo run --release --example proxy -- --to example.org:80
//! curl -H "Host: example.org" http://127.0.0.1:7080/
//! ```
//!
//! At most `--max` connections are open. Further ones wait in the kernel's queue, where they cost nothing. When one side
//! has sent all it has, the other one is told, and what comes back still goes through. A direction in which nothing moves
//! for too long ends the connection; the two directions have a limit each, since a client that only listens is
//! usual and a server that does may be not.

#[path = "args/mod.rs"]
mod args;

use std::fmt::Display;
use std::io;
use std::num::{NonZeroU16, NonZeroU32};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use corelane::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use corelane::net::TcpStream;
use corelane::signal::unix::{SignalKind, signal};
use corelane::sync::Semaphore;
use corelane::time::{sleep, timeout};
use corelane::{select, spawn, try_join};

use args::{Args, HostPort, LISTEN, Opt, say, warn};

/// Each direction's buffer in bytes.
const BUFFER: usize = 16 * 1024;

const MILLIS: &str = "a whole number of milliseconds from 1 to 4294967295";

const OPTIONS: &[Opt] = &[
    Opt { name: "--addr", expected: LISTEN, default: Some("127.0.0.1:7080") },
    Opt { name: "--to", expected: "HOST:PORT to connect to; has to be given", default: None },
    Opt { name: "--max", expected: "how many connections, from 1 to 65535", default: Some("1024") },
    Opt { name: "--connect-ms", expected: MILLIS, default: Some("5000") },
    Opt { name: "--idle-up-ms", expected: MILLIS, default: Some("60000") },
    Opt { name: "--idle-down-ms", expected: MILLIS, default: Some("60000") },
];

/// Where connections go to, and how long they may take.
struct Route {
    to: String,
    connect: Duration,
    idle_up: Duration,
    idle_down: Duration,
}

#[corelane::main]
async fn main() -> ExitCode {
    let args = Args::read("proxy", OPTIONS);
    let (HostPort(addr), HostPort(to)) = (args.get("--addr"), args.get("--to"));
    let max: NonZeroU16 = args.get("--max");
    let millis = |name| Duration::from_millis(args.get::<NonZeroU32>(name).get().into());
    let route = Route {
        to,
        connect: millis("--connect-ms"),
        idle_up: millis("--idle-up-ms"),
        idle_down: millis("--idle-down-ms"),
    };
    args.end(serve(&addr, usize::from(max.get()), Arc::new(route)).await)
}

async fn serve(addr: &str, max: usize, route: Arc<Route>) -> io::Result<()> {
    let listener = args::listen(addr).await?;
    // Before it says that it listens, so that whoever reads that may interrupt.
    let mut interrupt = signal(SignalKind::interrupt())?;
    say(format_args!("listening on {}", listener.local_addr()?));
    let room = Arc::new(Semaphore::new(max));
    // The permit comes first: who waits for one is not accepted yet.
    let next = async || {
        let permit = Arc::clone(&room).acquire_owned().await.map_err(io::Error::other)?;
        let (client, peer) = listener.accept().await?;
        io::Result::Ok((permit, client, peer))
    };
    loop {
        select! {
            accepted = next() => match accepted {
                Ok((permit, client, peer)) => {
                    let route = Arc::clone(&route);
                    spawn(async move {
                        if let Err(error) = carry(client, &route).await {
                            warn(format_args!("{peer}: {error}"));
                        }
                        drop(permit);
                    });
                }
                Err(error) => {
                    warn(format_args!("cannot accept: {error}"));
                    // Likely all file descriptors are in use, and stay so for a while.
                    sleep(Duration::from_millis(100)).await;
                }
            },
            _ = interrupt.recv() => return Ok(()),
        }
    }
}

/// A connection from its accept to its end.
async fn carry(mut client: TcpStream, route: &Route) -> io::Result<()> {
    let reached = timeout(route.connect, TcpStream::connect(&route.to)).await;
    let reached = reached.unwrap_or_else(|_| Err(too_long(route.connect, "no answer")));
    let mut server = reached.map_err(|error| named(&error, format_args!("cannot reach {}", route.to)))?;
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    // The first direction that fails ends both; one that has come to its end waits for the other.
    try_join!(
        one_way(from_client, to_server, route.idle_up, "from the client"),
        one_way(from_server, to_client, route.idle_down, "from the server"),
    )?;
    Ok(())
}

/// Carries bytes until there are no more, and passes that on.
async fn one_way(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    idle: Duration,
    name: &str,
) -> io::Result<()> {
    let mut buf = vec![0; BUFFER];
    loop {
        let n = moved(from.read(&mut buf), idle, name).await?;
        if n == 0 {
            return to.shutdown().await;
        }
        let mut rest = &buf[..n];
        while !rest.is_empty() {
            // Some of it at a time: who takes little is slow, and not idle.
            if moved(to.write_buf(&mut rest), idle, name).await? == 0 {
                return Err(named(&io::ErrorKind::WriteZero.into(), name));
            }
        }
    }
}

/// One step of a direction, which must not take too long.
async fn moved(
    step: impl Future<Output = io::Result<usize>>,
    idle: Duration,
    name: &str,
) -> io::Result<usize> {
    let step = timeout(idle, step).await.unwrap_or_else(|_| Err(too_long(idle, "nothing moved")));
    step.map_err(|error| named(&error, name))
}

fn too_long(limit: Duration, what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("{what} within {} ms", limit.as_millis()))
}

fn named(error: &io::Error, what: impl Display) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}
