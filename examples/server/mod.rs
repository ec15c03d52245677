//! What a TCP server needs besides its protocol: options, a runtime, listeners, and an end without a bang.
//!
//! In reading order: [`run`] is the whole life; `accept` is one listener's; `connections` knows who is open; `stop` tells
//! everybody that it is over. The servers in this folder say with a function what they do with a [`Connection`].

mod accept;
#[path = "../args/mod.rs"]
pub mod args;
mod connections;
mod options;
mod stop;

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use corelane::config::Flavor;
use corelane::net::TcpListener;
use corelane::runtime::{Builder, Handle, LocalOptions, RuntimeFlavor};
use corelane::signal::unix::{Signal, SignalKind, signal};
use corelane::{select, shard, task};

use accept::{Served, Server};
use args::{say, warn};
pub use connections::Connection;
pub use options::Options;
use stop::{Phase, Stop};

/// The exit code for a command line or a config that can't be.
const USAGE: u8 = 2;

/// Runs a server until ctrl-c or SIGTERM: starts the runtime, calls `start` in it, and has every connection served by the function that it
/// gives.
pub fn run<S, H, F>(options: &Options, start: S) -> ExitCode
where
    S: AsyncFnOnce() -> io::Result<H>,
    H: Fn(Connection) -> F + Clone + Send + 'static,
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let (flavor, builder) = match options.builder() {
        Ok(asked) => asked,
        Err(error) => return fail(USAGE, format_args!("{error}")),
    };
    match run_with(options, flavor, builder, start) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => fail(USAGE, format_args!("{error}")),
        result => options.args.end(result),
    }
}

fn run_with<S, H, F>(options: &Options, flavor: Flavor, mut builder: Builder, start: S) -> io::Result<()>
where
    S: AsyncFnOnce() -> io::Result<H>,
    H: Fn(Connection) -> F + Clone + Send + 'static,
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    builder.enable_all();
    // If the file says `watch` or `reload`.
    builder.on_placement_change(|change| {
        say(format_args!("{change}"));
        change.warnings().for_each(|warning| warn(format_args!("warning: {warning}")));
    });
    let life = async {
        let runtime = Handle::current();
        say(format_args!("{}", runtime.plan().to_string().trim_end()));
        let handler = start().await?;
        serve(options, runtime.runtime_flavor() != RuntimeFlavor::MultiThread, handler).await
    };
    match flavor {
        // One shard on this thread, with tasks that stay.
        Flavor::CurrentThread => {
            builder.build_local(LocalOptions::default()).map_err(not_started)?.block_on(life)
        }
        _ => builder.build().map_err(not_started)?.block_on(life),
    }
}

/// What the system refused. An error about the config says itself where it is.
fn not_started(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::InvalidInput => error,
        kind => io::Error::new(kind, format!("cannot start the runtime: {error}")),
    }
}

async fn serve<H, F>(options: &Options, stays: bool, handler: H) -> io::Result<()>
where
    H: Fn(Connection) -> F + Clone + Send + 'static,
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let bound = match stays {
        true => bind_sharded(&options.addr).await,
        false => TcpListener::bind(&options.addr).await.map(|listener| vec![listener]),
    };
    let listeners = bound.map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen at {}: {error}", options.addr))
    })?;
    let addr = listeners[0].local_addr()?;
    let server = Arc::new(Server {
        stop: Stop::default(),
        drain: options.drain,
        stays,
        said_why_not: AtomicBool::new(false),
    });
    let mut tasks = Vec::new();
    for (id, listener) in shard::ids().zip(listeners) {
        let (server, handler) = (Arc::clone(&server), handler.clone());
        tasks.push(match stays {
            true => shard::spawn_on(id, move || accept::run(listener, server, handler)),
            false => task::spawn(accept::run(listener, server, handler)),
        });
    }

    let mut signals = Signals::new()?;
    say(format_args!("listening on {addr}"));
    signals.come().await;
    say(format_args!("stopping: open connections have {} ms; ctrl-c cuts them", options.drain.as_millis()));
    server.stop.advance(Phase::Draining);

    let mut end = pin!(async {
        let mut all = Served::default();
        for task in tasks {
            let served = task.await.map_err(io::Error::other)?;
            all.connections += served.connections;
            all.reset += served.reset;
            all.cut += served.cut;
        }
        io::Result::Ok(all)
    });
    let all = select! {
        biased;
        all = &mut end => all?,
        () = signals.come() => {
            server.stop.advance(Phase::Cutting);
            end.await?
        }
    };
    let Served { connections, reset, cut } = all;
    say(format_args!("served {connections} connections, {reset} reset by the peer, {cut} cut"));
    Ok(())
}

/// A listener for each shard, unless another server listens there.
async fn bind_sharded(addr: &str) -> io::Result<Vec<TcpListener>> {
    // Listeners that share their port share it with those of another instance too, which would get part of the clients. One
    // that does not share tells whether there is another.
    let alone = TcpListener::bind(addr).await?.local_addr()?;
    TcpListener::bind_sharded(alone).await
}

/// What stops the server: ctrl-c, and SIGTERM from what runs it. Each takes a file descriptor, so both listen from the start: when
/// the signal comes, clients may have taken them all.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for one of them to come, for the next one each time.
    async fn come(&mut self) {
        select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

fn fail(code: u8, line: fmt::Arguments<'_>) -> ExitCode {
    warn(line);
    ExitCode::from(code)
}
