//! The servers' tasks, by the names that both crates have: `rt` is one of them.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;

use super::rt::io::{AsyncReadExt, AsyncWriteExt};
use super::rt::net::{TcpListener, TcpStream};
use super::{App, HyperIo, rt};
use crate::bench::protocol::{MESSAGE, Server, WORK};
use crate::bench::serve::{compute, resp::Parser, store};

/// What a connection's buffer has room for, in bytes.
const BUFFER: usize = 2 * 1024;

/// Accepts for ever. The tasks of connections stay on this thread, or go where the runtime likes.
pub async fn accept(listener: TcpListener, app: Arc<App>, stay: bool) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let app = Arc::clone(&app);
        // Each as a future of its own, or a connection's task would be as large as the largest of them.
        match app.server {
            Server::Echo => start(stay, echo(stream)),
            Server::Work => start(stay, work(stream, app)),
            Server::Http => start(stay, http(stream)),
            Server::Kv => start(stay, kv(stream, app)),
        }
    }
}

/// Has a connection served. An error is the peer's end, as is a read of nothing.
fn start(stay: bool, connection: impl Future<Output = io::Result<()>> + Send + 'static) {
    if stay {
        drop(rt::task::spawn_local(connection));
    } else {
        drop(rt::spawn(connection));
    }
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; BUFFER];
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..read]).await?;
    }
}

/// Answers each message when its work is done: who waits for a short one does not wait for a long one behind it.
async fn work(mut stream: TcpStream, app: Arc<App>) -> io::Result<()> {
    let mut buffer = [0; BUFFER];
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        let whole = filled - filled % MESSAGE;
        for message in buffer[..whole].chunks_exact(MESSAGE) {
            let wanted_ns = message[WORK].iter().rev().fold(0, |sum, &byte| sum << 8 | u32::from(byte));
            compute((f64::from(wanted_ns) * app.turns_ns) as u64);
            stream.write_all(message).await?;
        }
        buffer.copy_within(whole..filled, 0);
        filled -= whole;
    }
}

/// The body is the path without its slash.
async fn http(stream: TcpStream) -> io::Result<()> {
    let answer = |request: Request<Incoming>| async move {
        Ok::<_, Infallible>(hyper::Response::new(request.uri().path()[1..].to_owned()))
    };
    let served = http1::Builder::new().serve_connection(HyperIo::new(stream), service_fn(answer)).await;
    served.map_err(io::Error::other)
}

async fn kv(mut stream: TcpStream, app: Arc<App>) -> io::Result<()> {
    let mut parser = Parser::new(store::LIMITS);
    let mut input = vec![0; BUFFER];
    let mut output = Vec::with_capacity(BUFFER);
    let mut filled = 0;
    loop {
        let mut taken = 0;
        while let Some(len) =
            parser.parse(&input[taken..filled]).map_err(|error| io::Error::other(error.to_string()))?
        {
            app.store.answer(&input[taken..], parser.args(), &mut output);
            taken += len;
        }
        stream.write_all(&output).await?;
        output.clear();
        input.copy_within(taken..filled, 0);
        filled -= taken;
        let read = stream.read(&mut input[filled..]).await?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
    }
}
