//! The echo server on each runtime: the same body, with each crate's own sockets.

use std::net::Ipv4Addr;

use super::bare;
use super::batches::served;

/// The servers by name.
pub(super) const SERVERS: &[(&str, fn() -> !)] = &[
    ("bare", bare::serve),
    ("tokio-ct", tokio_ct),
    ("tokio-local", tokio_local),
    ("sharded", sharded),
    ("current_thread", current_thread),
];

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
                        $krate::task::$spawn(async move {
                            let mut buffer = [0; 2048];
                            // An error is the peer's end, as is a read of nothing.
                            while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                                if stream.write_all(&buffer[..read]).await.is_err() {
                                    break;
                                }
                                served();
                            }
                        });
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
