//! An echo server on every allowed core, until ctrl-c or SIGTERM.
//!
//! ```text
//! cargo run --release --example echo
//! cargo run --release --example echo -- --addr 0.0.0.0:7777 --mode stealing --config config/throughput.toml
//! ```
//!
//! In sharded mode each shard has a listener of its own, and a connection stays on the shard that took it. After the
//! signal the open connections go on until their peers end them or the time is up.

#[path = "../server/mod.rs"]
mod server;

use std::io;
use std::process::ExitCode;

use server::{Connection, Options};

/// A connection's buffer in bytes. It is what an idle connection costs most.
const BUFFER: usize = 2 * 1024;

fn main() -> ExitCode {
    server::run(&Options::read("echo", "127.0.0.1:7777", &[]), async || Ok(echo))
}

/// Sends back what comes in. A peer that has closed its sending side gets the rest first.
async fn echo(mut connection: Connection) -> io::Result<()> {
    let mut buf = vec![0; BUFFER];
    loop {
        // Nothing is known about what the bytes mean, so no moment is better than another one to end.
        let n = connection.read(&mut buf, false).await?;
        if n == 0 {
            return Ok(());
        }
        connection.write_all(&buf[..n]).await?;
        connection.answered(n);
    }
}
