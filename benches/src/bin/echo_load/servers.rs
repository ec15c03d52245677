//! The echo server on each runtime: the same body, with each crate's own sockets.

use std::net::Ipv4Addr;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use super::bare;
use super::batches::served;

/// The servers by name, and whether each stays on one core.
pub(super) const SERVERS: &[(&str, bool, fn() -> !)] = &[
    ("bare", true, bare::serve),
    ("tokio-ct", true, tokio_ct),
    ("tokio-local", true, tokio_local),
    ("sharded", true, sharded),
    ("current_thread", true, current_thread),
    ("two-drawn", false, || two_shards("reuseport")),
    ("two-least", false, || two_shards("least-connections")),
];

/// Connections that each shard was given, where there are two.
static GIVEN: [AtomicUsize; 2] = [AtomicUsize::new(0), AtomicUsize::new(0)];

/// Those of the shard that has most; 0 where there is one.
pub(super) fn most() -> usize {
    // Relaxed: counts, read while nobody connects.
    GIVEN.iter().map(|given| given.load(Relaxed)).max().unwrap_or(0)
}

/// What a connection's task does, with the traits of whatever crate is in scope.
macro_rules! echo {
    ($stream:ident) => {{
        let mut buffer = [0; 2048];
        // An error is the peer's end, as is a read of nothing.
        while let Ok(read @ 1..) = $stream.read(&mut buffer).await {
            if $stream.write_all(&buffer[..read]).await.is_err() {
                break;
            }
            served();
        }
    }};
}

macro_rules! server {
    ($name:ident, $krate:ident, $build:expr, $spawn:ident) => {
        fn $name() -> ! {
            use $krate::io::{AsyncReadExt, AsyncWriteExt};

            let runtime = $build.expect("the system lets a runtime be built");
            runtime.block_on(async {
                // The listener has a task of its own: the future in `block_on` is scheduled differently everywhere.
                let listener = $krate::task::$spawn(async {
                    let listener = $krate::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
                    let listener = listener.expect("a free port is there");
                    super::report(listener.local_addr().expect("a listener has an address").port());
                    loop {
                        let (mut stream, _) = listener.accept().await.expect("there are enough descriptors");
                        stream.set_nodelay(true).expect("TCP has nodelay");
                        $krate::task::$spawn(async move { echo!(stream) });
                    }
                });
                listener.await.expect("the listener goes on")
            })
        }
    };
}

server!(tokio_ct, tokio, tokio::runtime::Builder::new_current_thread().enable_all().build(), spawn);
server!(tokio_local, tokio, tokio::runtime::LocalRuntime::new(), spawn_local);
server!(sharded, corelane, corelane::runtime::LocalRuntime::new(), spawn_local);
server!(
    current_thread,
    corelane,
    corelane::runtime::Builder::new_current_thread().enable_all().build(),
    spawn
);

/// Two shards on both cores, one of which the generator uses as well.
fn two_shards(steering: &str) -> ! {
    use corelane::io::{AsyncReadExt, AsyncWriteExt};
    use corelane::{config::Config, net::TcpListener, runtime::Builder, shard, task};

    let text = format!("[placement]\nshards = 2\nsmt = \"all\"\n[listen]\nsteering = \"{steering}\"");
    let config = Config::parse("echo_load", &text).expect("the keys are right");
    let runtime = Builder::from_config(config).enable_all().build();
    runtime.expect("the system lets a runtime be built").block_on(async {
        let listeners = TcpListener::bind_sharded((Ipv4Addr::LOCALHOST, 0)).await;
        let listeners = listeners.expect("a free port is there");
        let port = listeners[0].local_addr().expect("a listener has an address").port();
        for (id, listener) in shard::ids().zip(listeners) {
            shard::spawn_on(id, move || async move {
                loop {
                    let (mut stream, _) = listener.accept().await.expect("there are enough descriptors");
                    GIVEN[id.index()].fetch_add(1, Relaxed);
                    stream.set_nodelay(true).expect("TCP has nodelay");
                    task::spawn_local(async move { echo!(stream) });
                }
            });
        }
        super::report(port);
        std::future::pending().await
    })
}
