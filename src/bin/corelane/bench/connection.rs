//! One connection of the generator: what is to be written, what has come, and which requests are under way.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::protocol::Server;

pub struct Connection {
    stream: TcpStream,
    server: Server,
    /// Among all connections, whichever thread they belong to.
    id: u64,
    next: u64,
    /// In the order of their answers.
    under_way: VecDeque<Request>,
    output: Vec<u8>,
    /// The beginning of an answer whose rest is still to come.
    input: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Request {
    number: u64,
    due_ns: u64,
    work_ns: u32,
}

impl Connection {
    /// Connects, and has the poll give events with that token.
    pub fn new(
        server: Server,
        to: SocketAddr,
        id: u64,
        registry: &Registry,
        token: Token,
    ) -> Result<Self, String> {
        let connect = || {
            let stream = std::net::TcpStream::connect(to)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
            Ok(stream)
        };
        let stream = connect().map_err(|error: std::io::Error| format!("cannot connect: {error}"))?;
        let (under_way, output, input) = (VecDeque::new(), Vec::new(), Vec::new());
        Ok(Self { stream, server, id, next: 0, under_way, output, input })
    }

    /// Has a request written by the next [`flush`](Self::flush). Gives whether it is the first one since the last.
    pub fn push(&mut self, due_ns: u64, work_ns: u32) -> bool {
        let was_empty = self.output.is_empty();
        self.server.request(&mut self.output, self.id, self.next, work_ns);
        self.under_way.push_back(Request { number: self.next, due_ns, work_ns });
        self.next += 1;
        was_empty
    }

    /// Writes as much as the socket takes. An event says when it takes more.
    pub fn flush(&mut self) -> Result<(), String> {
        let mut written = 0;
        while written < self.output.len() {
            match self.stream.write(&self.output[written..]) {
                Ok(n) => written += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.lost(&error)),
            }
        }
        self.output.drain(..written);
        Ok(())
    }

    /// Reads once, and tells of each answer when its request was due. Gives whether there may be more to read.
    pub fn read(&mut self, scratch: &mut [u8], mut answered: impl FnMut(u64)) -> Result<bool, String> {
        let read = loop {
            match self.stream.read(scratch) {
                Ok(0) => return Err(self.lost(&"the server closed it")),
                Ok(n) => break n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.lost(&error)),
            }
        };
        // A read that leaves room has taken all there was: what comes later is another edge.
        let more = read == scratch.len();
        let mut held = std::mem::take(&mut self.input);
        let mut bytes = &scratch[..read];
        if !held.is_empty() {
            held.extend_from_slice(bytes);
            bytes = &held;
        }
        while !bytes.is_empty() {
            let Some(&Request { number, due_ns, work_ns }) = self.under_way.front() else {
                return Err(format!("connection {}: {} bytes that nobody asked for", self.id, bytes.len()));
            };
            let answer = self.server.answer(bytes, self.id, number, work_ns);
            match answer.map_err(|error| format!("connection {}: {error}", self.id))? {
                Some(len) => bytes = &bytes[len..],
                None => break,
            }
            self.under_way.pop_front();
            answered(due_ns);
        }
        if held.is_empty() {
            self.input.extend_from_slice(bytes);
        } else {
            let rest = bytes.len();
            held.drain(..held.len() - rest);
            self.input = held;
        }
        Ok(more)
    }

    fn lost(&self, why: &dyn std::fmt::Display) -> String {
        format!("connection {} is lost: {why}", self.id)
    }
}
