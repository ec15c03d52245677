//! The echo server as a loop over mio, without futures.
//!
//! It does what any server has to, or comparing with it would be idle: what the peer does not take now is kept and written
//! later, before more is read; a connection that always has more gives way to the others; places are used again.
//!
//! `benches/src/bin/echo_load` has this file too.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};

use super::{ANY_PORT, served};

/// Serves until the process ends, or fails. `report` is told where it listens.
pub fn serve(report: impl FnOnce(SocketAddr) -> io::Result<()>) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut listener = TcpListener::bind(ANY_PORT.into())?;
    report(listener.local_addr()?)?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut connections = Connections::default();
    let mut buffer = [0; 2048];
    // Those that had more when their turn was over.
    let (mut again, mut next) = (Vec::<usize>::new(), Vec::new());
    loop {
        let timeout = (!again.is_empty()).then_some(Duration::ZERO);
        match poll.poll(&mut events, timeout) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in events.iter() {
            match event.token() {
                LISTENER => connections.accept(&listener, poll.registry())?,
                Token(at) => connections.serve(at, &mut buffer, &mut next),
            }
        }
        for at in again.drain(..) {
            if let Some(connection) = &mut connections.all[at] {
                connection.again = false;
            }
            connections.serve(at, &mut buffer, &mut next);
        }
        (again, next) = (next, again);
    }
}

const LISTENER: Token = Token(usize::MAX);

/// Messages that a connection has echoed before it is the others' turn: as many operations as a task may do in one poll.
const TURN: usize = 64;

#[derive(Default)]
struct Connections {
    all: Vec<Option<Connection>>,
    free: Vec<usize>,
}

struct Connection {
    stream: TcpStream,
    /// What is to be written before more is read.
    rest: Vec<u8>,
    /// It is among those to be served again.
    again: bool,
}

/// How a connection's turn ended.
enum Served {
    /// It waits for an event.
    Waits,
    More,
    Ended,
}

impl Connections {
    fn accept(&mut self, listener: &TcpListener, registry: &Registry) -> io::Result<()> {
        loop {
            let mut stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            let at = self.free.pop().unwrap_or_else(|| {
                self.all.push(None);
                self.all.len() - 1
            });
            let both = Interest::READABLE | Interest::WRITABLE;
            registry.register(&mut stream, Token(at), both)?;
            self.all[at] = Some(Connection { stream, rest: Vec::new(), again: false });
        }
    }

    #[inline(always)]
    fn serve(&mut self, at: usize, buffer: &mut [u8], again: &mut Vec<usize>) {
        // It may have ended while it was to be served again.
        let Some(connection) = &mut self.all[at] else { return };
        match connection.serve(buffer) {
            Served::Waits => {}
            Served::More if connection.again => {}
            Served::More => {
                connection.again = true;
                again.push(at);
            }
            Served::Ended => {
                self.all[at] = None;
                self.free.push(at);
            }
        }
    }
}

impl Connection {
    /// Echoes what is there. A read that leaves room in the buffer took all there was: what comes later is another edge.
    #[inline(always)]
    fn serve(&mut self, buffer: &mut [u8]) -> Served {
        if !self.rest.is_empty() {
            match write(&mut self.stream, &self.rest) {
                Some(written) => drop(self.rest.drain(..written)),
                None => return Served::Ended,
            }
            if !self.rest.is_empty() {
                return Served::Waits;
            }
        }
        for _ in 0..TURN {
            match self.stream.read(buffer) {
                Ok(0) => return Served::Ended,
                Ok(read) => {
                    let Some(written) = write(&mut self.stream, &buffer[..read]) else {
                        return Served::Ended;
                    };
                    if written < read {
                        self.rest.extend_from_slice(&buffer[written..read]);
                        return Served::Waits;
                    }
                    served();
                    if read < buffer.len() {
                        return Served::Waits;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Served::Waits,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Served::Ended,
            }
        }
        Served::More
    }
}

/// Writes as much as is taken. `None` if nothing ever will be.
#[inline(always)]
fn write(stream: &mut TcpStream, data: &[u8]) -> Option<usize> {
    let mut written = 0;
    while written < data.len() {
        match stream.write(&data[written..]) {
            Ok(0) => return None,
            Ok(n) => written += n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    Some(written)
}
