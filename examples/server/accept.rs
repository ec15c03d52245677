//! One listener's life: accept, serve, and at the end drain.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use corelane::net::TcpListener;
use corelane::time::sleep;
use corelane::{select, task};

use super::args::warn;
use super::connections::{Connection, Connections, Cut};
use super::stop::{Phase, Stop};

/// What became of a listener's connections.
#[derive(Default)]
pub struct Served {
    pub connections: u64,
    /// Ended by the peer without a goodbye.
    pub reset: u64,
    pub cut: u64,
}

/// What all listeners of a server share.
pub struct Server {
    pub stop: Stop,
    pub drain: Duration,
    /// Whether connections stay on the shard of their listener.
    pub stays: bool,
    /// Whether it was said that connections have to wait.
    pub said_why_not: AtomicBool,
}

/// After an accept that failed for want of something: the first wait, doubled up to the last.
const BACK_OFF: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(1)];

/// How long cut connections may take to notice. They are only waiting, so this is for those stuck in a handler.
const CUT: Duration = Duration::from_secs(1);

/// Accepts until the server stops, then waits for the connections, and cuts what is left when time is up.
pub async fn run<H, F>(listener: TcpListener, server: Arc<Server>, handler: H) -> Served
where
    H: Fn(Connection) -> F,
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let connections = Arc::new(Connections::default());
    let reset = Arc::new(AtomicU64::new(0));
    let mut accepted = 0;
    let mut back_off = BACK_OFF[0];
    loop {
        let next = select! {
            biased;
            () = server.stop.reached(Phase::Draining) => break,
            next = listener.accept() => next,
        };
        match next {
            Ok((stream, addr)) => {
                accepted += 1;
                back_off = BACK_OFF[0];
                let serve = serve(handler(connections.admit(stream, addr)), addr, Arc::clone(&reset));
                // Detached: the connection is listed, and its end is waited for there.
                drop(if server.stays { task::spawn_local(serve) } else { task::spawn(serve) });
            }
            Err(error) if is_the_peers(&error) => {}
            Err(error) => {
                // The connection stays in the kernel's queue until a file descriptor is free, here or on another shard.
                if !server.said_why_not.swap(true, Ordering::Relaxed) {
                    warn(format_args!("cannot accept: {error}; new connections wait until others close"));
                }
                select! {
                    () = connections.one_ended() => {}
                    () = sleep(back_off) => {}
                    () = server.stop.reached(Phase::Draining) => {}
                }
                back_off = (back_off * 2).min(BACK_OFF[1]);
            }
        }
    }
    // Closes it: whoever comes now is refused by the kernel.
    drop(listener);
    let cut = drain(&connections, &server).await;
    Served { connections: accepted, reset: reset.load(Ordering::Relaxed), cut }
}

async fn serve(connection: impl Future<Output = io::Result<()>>, addr: SocketAddr, reset: Arc<AtomicU64>) {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, NotConnected, TimedOut};
    match connection.await {
        Ok(()) => {}
        // Everyday life of a server.
        Err(error) if matches!(error.kind(), ConnectionReset | BrokenPipe | NotConnected) => {
            reset.fetch_add(1, Ordering::Relaxed);
        }
        // Cut, and named by who cut it; or the network gave the peer up.
        Err(error) if error.kind() == TimedOut => {}
        Err(error) => warn(format_args!("{addr}: {error}")),
    }
}

/// Whether an accept failed because of the connection that it would have given: see accept(2).
fn is_the_peers(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNABORTED
                | libc::EINTR
                | libc::EPERM
                | libc::EPROTO
                | libc::ENOPROTOOPT
                | libc::EHOSTDOWN
                | libc::ENONET
                | libc::EHOSTUNREACH
                | libc::EOPNOTSUPP
                | libc::ENETDOWN
                | libc::ENETUNREACH
        )
    )
}

async fn drain(connections: &Connections, server: &Server) -> u64 {
    connections.tell(Phase::Draining);
    select! {
        biased;
        () = connections.all_ended() => return 0,
        () = sleep(server.drain) => {}
        () = server.stop.reached(Phase::Cutting) => {}
    }
    let cut = connections.describe();
    for Cut { addr, in_flight, served } in &cut {
        warn(format_args!("cut {addr}: {in_flight} bytes in flight, {served} bytes served"));
    }
    connections.tell(Phase::Cutting);
    select! {
        () = connections.all_ended() => {}
        () = sleep(CUT) => {}
    }
    cut.len() as u64
}
