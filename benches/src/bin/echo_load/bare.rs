//! The echo server as a loop over mio, without futures.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};

use super::batches::served;

/// Serves until the process ends.
pub(super) fn serve() -> ! {
    let mut poll = Poll::new().expect("the system gives an epoll");
    let mut events = Events::with_capacity(1024);
    let mut listener =
        TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port is there");
    super::report(listener.local_addr().expect("a listener has an address").port());
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE).expect("a socket can be polled");
    let mut connections: Vec<Option<TcpStream>> = Vec::new();
    let mut buffer = [0; 2048];
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result.expect("an epoll can be waited for"),
        }
        for event in events.iter() {
            if event.token() == LISTENER {
                accept(&listener, poll.registry(), &mut connections);
                continue;
            }
            let connection = &mut connections[event.token().0];
            if connection.as_mut().is_some_and(|stream| !echo(stream, &mut buffer)) {
                *connection = None;
            }
        }
    }
}

const LISTENER: Token = Token(usize::MAX);

fn accept(listener: &TcpListener, registry: &Registry, connections: &mut Vec<Option<TcpStream>>) {
    while let Ok((mut stream, _)) = listener.accept() {
        stream.set_nodelay(true).expect("TCP has nodelay");
        let token = Token(connections.len());
        registry.register(&mut stream, token, Interest::READABLE).expect("a socket can be polled");
        connections.push(Some(stream));
    }
}

/// Echoes what is there; false when the connection is at its end. A read that leaves room in the buffer took all there was:
/// what comes later is another edge.
fn echo(stream: &mut TcpStream, buffer: &mut [u8]) -> bool {
    loop {
        match stream.read(buffer) {
            Ok(0) => return false,
            Ok(read) => {
                if stream.write_all(&buffer[..read]).is_err() {
                    return false;
                }
                served();
                if read < buffer.len() {
                    return true;
                }
            }
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}
