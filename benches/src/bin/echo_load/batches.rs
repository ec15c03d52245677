//! The same number of instructions on every run: requests come in batches, and the server waits for each batch to be whole.
//!
//! Else what a wait finds depends on the time that requests take. The server is this process, so that callgrind can watch it; the
//! client is a process of its own, which writes a byte once all messages of a batch are there.

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};

use super::MESSAGE;

/// Connections, each of which has one message in a batch.
const BATCH: usize = 64;

thread_local! {
    /// Requests until the batch in hand is done.
    static LEFT: Cell<usize> = const { Cell::new(usize::MAX) };
    static CLIENT: RefCell<Option<Child>> = const { RefCell::new(None) };
}

/// Starts the client for the server on this thread.
pub(super) fn start(port: u16, requests: &str) {
    let program = std::env::current_exe().expect("the program is a file");
    let port = port.to_string();
    let client = Command::new(program).args(["client", &port, requests]).stdout(Stdio::piped()).spawn();
    CLIENT.set(Some(client.expect("the program starts")));
    LEFT.set(BATCH);
}

/// The server has echoed a message.
#[inline(always)]
pub(super) fn served() {
    let left = LEFT.get() - 1;
    LEFT.set(left);
    if left == 0 {
        wait();
    }
}

/// Waits for the next batch.
#[cold]
fn wait() {
    LEFT.set(BATCH);
    CLIENT.with_borrow_mut(|client| {
        let client = client.as_mut().expect("batches are counted once the client was started");
        let output = client.stdout.as_mut().expect("it is a pipe");
        if output.read(&mut [0]).expect("a pipe can be read") == 0 {
            let status = client.wait().expect("a child can be waited for");
            std::process::exit(status.code().unwrap_or(1));
        }
    });
}

/// What the client does.
pub(super) fn client(port: &str, requests: &str) {
    let port: u16 = port.parse().expect("the server gives its port");
    let batches = requests.parse::<usize>().expect("a number of requests") / BATCH;
    let mut connections: Vec<_> = (0..BATCH)
        .map(|_| {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the server listens");
            stream.set_nodelay(true).expect("TCP has nodelay");
            stream
        })
        .collect();
    for batch in 0..batches {
        let message = [batch as u8; MESSAGE];
        for connection in &mut connections {
            connection.write_all(&message).expect("the server reads");
        }
        // The first batch is not waited for: until then, the server accepts.
        if batch > 0 {
            let mut output = std::io::stdout();
            output.write_all(&[0]).and_then(|()| output.flush()).expect("the server reads");
        }
        for connection in &mut connections {
            let mut echo = [0; MESSAGE];
            connection.read_exact(&mut echo).expect("the server writes");
            assert_eq!(echo, message, "the echo of another message");
        }
    }
}
