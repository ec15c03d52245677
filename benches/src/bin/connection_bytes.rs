//! What an idle connection weighs beside its buffer: the growth of resident memory while connections come in that each have a
//! task waiting to read. What the kernel keeps for a socket is not in it.
//!
//! ```text
//! connection_bytes [--connections N]
//! ```

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use corelane_benches::process;

/// Part of each connection's task, and not counted.
const BUFFER: usize = 64;

fn main() -> ExitCode {
    process::mode_by_mode(
        "connection_bytes",
        // Twice as many descriptors, of which most systems let a process have 20,000.
        ("--connections", 9_000),
        &format!("{:>18}", "bytes a connection"),
        &[
            ("sharded", sharded),
            ("current_thread", current_thread),
            ("tokio-ct", tokio_ct),
            ("tokio-local", tokio_local),
        ],
    )
}

/// Connects as many times as it is told, and keeps all connections.
fn client() -> mpsc::Sender<(SocketAddr, u64)> {
    let (order, orders) = mpsc::channel::<(SocketAddr, u64)>();
    let mut open = Vec::with_capacity(1 << 16);
    thread::spawn(move || {
        for (addr, count) in orders {
            open.extend(
                (0..count).map(|_| TcpStream::connect(addr).expect("the listener takes connections")),
            );
        }
    });
    order
}

macro_rules! mode {
    ($name:ident, $krate:ident, $build:expr, $spawn:ident) => {
        fn $name(count: u64) -> String {
            use $krate::io::AsyncReadExt;

            process::raise_descriptor_limit();
            let runtime = $build.expect("the system lets a runtime be built");
            let client = client();
            let bytes = runtime.block_on(async move {
                let listener = $krate::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
                let listener = listener.expect("a free port is there");
                let addr = listener.local_addr().expect("a listener has an address");
                let waiting = Arc::new(AtomicU64::new(0));
                let mut before = 0;
                // What the runtime keeps for itself is there before the first look.
                for count in [100, count] {
                    before = process::resident_bytes();
                    let target = waiting.load(Ordering::Relaxed) + count;
                    client.send((addr, count)).expect("the client goes on");
                    for _ in 0..count {
                        let (mut stream, _) = listener.accept().await.expect("there are enough descriptors");
                        let waiting = Arc::clone(&waiting);
                        drop($krate::task::$spawn(async move {
                            let mut buffer = [0; BUFFER];
                            waiting.fetch_add(1, Ordering::Relaxed);
                            let read = stream.read(&mut buffer).await;
                            unreachable!("nobody writes or leaves: {read:?}");
                        }));
                    }
                    while waiting.load(Ordering::Relaxed) < target {
                        $krate::task::yield_now().await;
                    }
                    // The runtime comes to rest.
                    $krate::time::sleep(Duration::from_millis(2)).await;
                }
                process::resident_bytes() - before
            });
            // Ending thousands of connections is another question.
            std::mem::forget(runtime);
            format!("{:>18.1}", bytes as f64 / count as f64 - BUFFER as f64)
        }
    };
}

mode!(sharded, corelane, corelane::runtime::LocalRuntime::new(), spawn_local);
mode!(current_thread, corelane, corelane::runtime::Builder::new_current_thread().enable_all().build(), spawn);
mode!(tokio_ct, tokio, tokio::runtime::Builder::new_current_thread().enable_all().build(), spawn);
mode!(tokio_local, tokio, tokio::runtime::LocalRuntime::new(), spawn_local);
