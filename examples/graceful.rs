//! A server that ends in order: it stops accepting, lets open requests finish, cuts those that take too long, and has its
//! background task write down the rest at the very end.
//!
//! ```text
//! cargo run --release --example graceful -- --drain-ms 5000
//! ```
//!
//! A request is a line, and its answer is the line in capitals. On ctrl-c or SIGTERM connections between two requests end at
//! once, and those within one have until the deadline; a second signal moves the deadline up. What is left then is
//! cut and named. What has reached the machine before the signal is answered, also on a connection that nobody had accepted.
//! The server's phase is in a `watch`, so that each task sees the newest one whenever it looks.

#[path = "args/mod.rs"]
mod args;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use corelane::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use corelane::net::{TcpListener, TcpStream};
use corelane::signal::unix::{Signal, SignalKind, signal};
use corelane::sync::{Notify, watch};
use corelane::task::{self, JoinError, JoinSet};
use corelane::time::{Instant, sleep, sleep_until, timeout_at};
use corelane::{select, spawn};

use args::{Args, HostPort, LISTEN, Opt, say, warn};

/// The longest request in bytes.
const REQUEST_MAX: u64 = 4096;

/// How long what came before the stop has to be seen. A timer fires after the reactor has been asked, and what is ready then comes
/// first, so the shortest time would do.
const GRACE: Duration = Duration::from_millis(5);

/// Connections that the kernel keeps for a listener of this runtime.
const BACKLOG: usize = 4096;

const OPTIONS: &[Opt] = &[
    Opt { name: "--addr", expected: LISTEN, default: Some("127.0.0.1:7090") },
    Opt {
        name: "--drain-ms",
        expected: "how many milliseconds open requests have at the end, from 0 to 4294967295",
        default: Some("5000"),
    },
];

/// How far the server is. It only ever goes on to the next one.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Phase {
    Serving,
    /// No new requests.
    Draining,
    /// All connections have ended.
    Ended,
}

#[corelane::main]
async fn main() -> ExitCode {
    let args = Args::read("graceful", OPTIONS);
    let HostPort(addr) = args.get("--addr");
    let drain = Duration::from_millis(args.get::<u32>("--drain-ms").into());
    args.end(run(&addr, drain).await)
}

/// The life of the server. Its parts end in the opposite order of their beginning.
async fn run(addr: &str, drain: Duration) -> io::Result<()> {
    let (phase, _) = watch::channel(Phase::Serving);
    let ledger = Arc::new(Ledger::default());
    let writer = spawn(write_down(Arc::clone(&ledger), phase.subscribe()));

    let listener = args::listen(addr).await?;
    let mut stop =
        Stop { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? };
    say(format_args!("listening on {}", listener.local_addr()?));
    let mut connections = Connections::default();
    accept(&listener, &mut connections, &phase, &ledger, &mut stop).await;
    // Whoever comes now is refused by the kernel.
    drop(listener);

    say(format_args!("stopping: open requests have {} ms", drain.as_millis()));
    phase.send_replace(Phase::Draining);
    let cut = connections.drain(Instant::now() + drain, &mut stop).await;

    phase.send_replace(Phase::Ended);
    let written = writer.await.map_err(io::Error::other)?;
    say(format_args!("wrote down {written} requests, cut {cut} connections"));
    Ok(())
}

/// Accepts until it is told to stop, and then those whom the kernel has accepted by that time.
async fn accept(
    listener: &TcpListener,
    connections: &mut Connections,
    phase: &watch::Sender<Phase>,
    ledger: &Arc<Ledger>,
    stop: &mut Stop,
) {
    loop {
        select! {
            () = stop.told() => break,
            // Those that ended are forgotten as time goes by, not only at the end.
            Some(_) = connections.one_ended() => {}
            accepted = listener.accept() => match accepted {
                Ok(accepted) => connections.begin(accepted, phase, ledger),
                Err(error) => {
                    warn(format_args!("cannot accept: {error}"));
                    // Likely all file descriptors are in use, and stay so for a while.
                    sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    let end = Instant::now() + GRACE;
    // As many as the kernel keeps at most: those who come later are no reason to go on.
    for _ in 0..BACKLOG {
        let Ok(Ok(accepted)) = timeout_at(end, listener.accept()).await else { return };
        connections.begin(accepted, phase, ledger);
    }
}

/// Answers one connection's requests.
async fn serve(stream: TcpStream, mut phase: watch::Receiver<Phase>, ledger: Arc<Ledger>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    loop {
        // Only here may the stop come in between. This waits for a request to begin and takes nothing of it.
        select! {
            biased;
            begun = stream.fill_buf() => if begun?.is_empty() { return Ok(()) },
            () = idle_at_stop(&mut phase) => return Ok(()),
        }
        request.clear();
        (&mut stream).take(REQUEST_MAX).read_line(&mut request).await?;
        if !request.ends_with('\n') {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a request without an end"));
        }
        stream.write_all(request.to_uppercase().as_bytes()).await?;
        ledger.add();
    }
}

/// Waits for the stop, and a moment more.
async fn idle_at_stop(phase: &mut watch::Receiver<Phase>) {
    reached(phase, Phase::Draining).await;
    sleep(GRACE).await;
}

/// Waits for a phase.
async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    // An error says that the sender is gone, which it is after the last phase.
    drop(phase.wait_for(|phase| *phase >= wanted).await);
}

/// What a user may stop the server with.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    /// Waits to be told so, once more each time.
    async fn told(&mut self) {
        select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// The tasks that serve connections, and whom each one serves.
#[derive(Default)]
struct Connections {
    tasks: JoinSet<io::Result<()>>,
    peers: HashMap<task::Id, SocketAddr>,
}

impl Connections {
    /// Has one served.
    fn begin(
        &mut self,
        (stream, peer): (TcpStream, SocketAddr),
        phase: &watch::Sender<Phase>,
        ledger: &Arc<Ledger>,
    ) {
        let task = self.tasks.spawn(serve(stream, phase.subscribe(), Arc::clone(ledger)));
        self.peers.insert(task.id(), peer);
    }

    /// Waits for one to end; `None` if there is none.
    async fn one_ended(&mut self) -> Option<()> {
        let ended = self.tasks.join_next_with_id().await?;
        let id = ended.map_or_else(|error: JoinError| error.id(), |(id, _)| id);
        self.peers.remove(&id);
        Some(())
    }

    /// Waits for all to end, and cuts those that have not by the deadline. Gives their number.
    async fn drain(mut self, deadline: Instant, stop: &mut Stop) -> usize {
        loop {
            select! {
                biased;
                ended = self.one_ended() => if ended.is_none() { return 0 },
                () = sleep_until(deadline) => break,
                () = stop.told() => break,
            }
        }
        for peer in self.peers.values() {
            warn(format_args!("cut {peer}"));
        }
        // Aborts the tasks and waits until they are dropped, which closes their sockets.
        self.tasks.shutdown().await;
        self.peers.len()
    }
}

/// What has been done and is not written down yet.
#[derive(Default)]
struct Ledger {
    requests: AtomicU64,
    news: Notify,
}

impl Ledger {
    fn add(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        // Many of these before the writer looks are one.
        self.news.notify_one();
    }

    fn take(&self) -> u64 {
        self.requests.swap(0, Ordering::Relaxed)
    }
}

/// The background task: writes down what connections add, and ends after the last of them. Gives how many there were.
async fn write_down(ledger: Arc<Ledger>, mut phase: watch::Receiver<Phase>) -> u64 {
    let mut written = 0;
    loop {
        let is_last = select! {
            () = ledger.news.notified() => false,
            () = reached(&mut phase, Phase::Ended) => true,
        };
        // A real one would append to a file here.
        written += ledger.take();
        if is_last {
            return written;
        }
    }
}
