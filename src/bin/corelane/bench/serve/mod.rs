//! `corelane bench serve`: the server under load, in a process of its own.
//!
//! - `on_tokio`, `on_corelane`: the same file, `tasks`, compiled for each crate; the servers differ in nothing but the runtime
//! - [`bare`]: an echo server without a runtime, which shows what the kernel leaves to gain
//! - [`store`]: the keys and values of the kv server

mod bare;
mod on_corelane;
mod on_tokio;
#[path = "../../../../../examples/kv/resp.rs"]
#[allow(dead_code, reason = "it is an example's, which uses all of it")]
mod resp;
mod store;

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use corelane::config::{Config, CpuList, Flavor};
use serde::Serialize;
use socket2::{Domain, Protocol, Socket, Type};

use super::process;
use super::protocol::Server;
use store::Store;

/// What runs the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Runtime {
    /// Corelane: pinned shards, a listener on each, tasks that stay.
    Sharded,
    /// Corelane's multi-thread flavor: idle workers steal tasks.
    Stealing,
    /// Tokio's multi-thread runtime.
    Tokio,
    /// A LocalRuntime of Tokio's on each CPU, with a listener of its own.
    TokioLocal,
    /// A loop over mio. It can do nothing but echo.
    Bare,
}

#[derive(Debug, Args)]
pub struct Serve {
    #[arg(long)]
    runtime: Runtime,
    #[arg(long)]
    server: Server,
    #[arg(long)]
    workers: usize,
    #[arg(long, value_parser = super::cpus)]
    cpus: CpuList,
    /// Turns of the loop that is called work, in a microsecond.
    #[arg(long)]
    turns: f64,
    /// A config file, which says everything about workers and CPUs.
    #[arg(long)]
    config: Option<PathBuf>,
}

/// What the tasks of a server share.
pub struct App {
    server: Server,
    turns_ns: f64,
    store: Store,
}

/// Serves until the input ends, and with it whoever started this process.
pub fn serve(options: &Serve) -> Result<(), String> {
    let cpus: Vec<u32> = options.cpus.iter().collect();
    process::bind(&cpus)?;
    process::allow_descriptors(0)?;
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let app =
        Arc::new(App { server: options.server, turns_ns: options.turns / 1e3, store: Store::default() });
    let failed = |error: io::Error| error.to_string();
    if let Some(file) = &options.config {
        let config = Config::from_file(file).map_err(|error| error.to_string())?;
        return on_corelane::config(config, &app).map_err(failed);
    }
    match options.runtime {
        Runtime::Sharded => on_corelane::sharded(options.workers, &app),
        Runtime::Stealing => on_corelane::stealing(options.workers, &app),
        Runtime::Tokio => on_tokio::multi_thread(options.workers, &app),
        Runtime::TokioLocal => on_tokio::local(options.workers, &cpus, &app),
        Runtime::Bare => bare::serve(report),
    }
    .map_err(failed)
}

/// Says where the server listens.
fn report(at: SocketAddr) -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{}", at.port())?;
    out.flush()
}

/// An echo is done. Whoever counts instructions waits here for the next batch of requests.
#[inline(always)]
fn served() {}

const ANY_PORT: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// A listener among which the kernel spreads connections.
fn reuseport(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&at.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

/// So many turns of a loop that the compiler cannot shorten: the same work in each server, whoever else uses the CPU.
fn compute(turns: u64) {
    let mut state = turns;
    for _ in 0..turns {
        state = std::hint::black_box(state.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17));
    }
}

/// Turns in a microsecond on this CPU: the most of some samples, as what disturbs makes them fewer.
pub fn calibrate() -> f64 {
    const TURNS: u64 = 200_000;
    let sample = |_| {
        let start = Instant::now();
        compute(TURNS);
        start.elapsed()
    };
    let fastest = (0..20).map(sample).min().unwrap_or(Duration::from_secs(1));
    TURNS as f64 / (fastest.as_secs_f64() * 1e6)
}
