//! The load: each connection sends a message, waits for its echo, and sends the next.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::MESSAGE;

/// What one window showed.
#[derive(Clone)]
pub(super) struct Sample {
    pub(super) requests_per_s: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    pub(super) requests: usize,
    /// User time of the server's process.
    pub(super) user: Duration,
    /// Connections of the server's fullest shard; 0 if it has but one.
    pub(super) most: u64,
}

struct Connection {
    stream: TcpStream,
    sent_at: Instant,
    /// In each message, so that an echo that belongs to another one shows.
    number: u64,
    received: usize,
    buffer: [u8; MESSAGE],
}

/// Before the window: connections are accepted, caches and predictors warm.
const WARM_UP: Duration = Duration::from_millis(200);

/// Loads the server for that long.
pub(super) fn run(
    port: u16,
    connections: usize,
    window: Duration,
    usage: &mut dyn FnMut() -> (Duration, u64),
) -> Sample {
    let mut poll = Poll::new().expect("the system gives an epoll");
    let mut events = Events::with_capacity(1024);
    let mut all: Vec<_> = (0..connections).map(|i| connect(&poll, port, i)).collect();
    let mut latencies_ns = Vec::with_capacity(1 << 20);
    drive(&mut poll, &mut events, &mut all, WARM_UP, &mut latencies_ns);
    latencies_ns.clear();
    let (user_before, _) = usage();
    let start = Instant::now();
    drive(&mut poll, &mut events, &mut all, window, &mut latencies_ns);
    let elapsed = start.elapsed();
    let (user_after, most) = usage();
    latencies_ns.sort_unstable();
    let requests = latencies_ns.len();
    assert!(requests > 0, "the server answers nothing");
    let quantile_us = |q: usize| f64::from(latencies_ns[(requests - 1) * q / 100]) / 1e3;
    Sample {
        requests_per_s: requests as f64 / elapsed.as_secs_f64(),
        p50_us: quantile_us(50),
        p99_us: quantile_us(99),
        requests,
        user: user_after - user_before,
        most,
    }
}

fn connect(poll: &Poll, port: u16, token: usize) -> Connection {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = std::net::TcpStream::connect(address).expect("the server listens");
    stream.set_nodelay(true).expect("TCP has nodelay");
    stream.set_nonblocking(true).expect("a socket can be nonblocking");
    let mut stream = TcpStream::from_std(stream);
    poll.registry().register(&mut stream, Token(token), Interest::READABLE).expect("a socket can be polled");
    let mut connection = Connection {
        stream,
        sent_at: Instant::now(),
        number: (token as u64) << 32,
        received: 0,
        buffer: [0; MESSAGE],
    };
    connection.send();
    connection
}

fn drive(
    poll: &mut Poll,
    events: &mut Events,
    connections: &mut [Connection],
    window: Duration,
    latencies_ns: &mut Vec<u32>,
) {
    let end = Instant::now() + window;
    while Instant::now() < end {
        match poll.poll(events, Some(Duration::from_millis(100))) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result.expect("an epoll can be waited for"),
        }
        for event in events.iter() {
            connections[event.token().0].receive(latencies_ns);
        }
    }
}

impl Connection {
    fn send(&mut self) {
        self.number += 1;
        let mut message = [0x5a; MESSAGE];
        message[..8].copy_from_slice(&self.number.to_le_bytes());
        self.sent_at = Instant::now();
        let written = self.stream.write(&message).expect("the server reads");
        assert_eq!(written, MESSAGE, "an empty socket buffer holds a message");
    }

    /// Reads what is there; sends the next message when the echo is whole. Then there can't be more to read, so the
    /// edge needs no read that fails.
    fn receive(&mut self, latencies_ns: &mut Vec<u32>) {
        while self.received < MESSAGE {
            match self.stream.read(&mut self.buffer[self.received..]) {
                Ok(0) => panic!("the server closed a connection"),
                Ok(read) => self.received += read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("{error}"),
            }
        }
        latencies_ns.push(u32::try_from(self.sent_at.elapsed().as_nanos()).unwrap_or(u32::MAX));
        assert_eq!(self.buffer[..8], self.number.to_le_bytes(), "the echo of another message");
        self.received = 0;
        self.send();
    }
}
