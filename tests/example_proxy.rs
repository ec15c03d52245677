//! The proxy, between clients and a server of the standard library.

#[path = "../examples/testing/mod.rs"]
mod testing;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

use socket2::{Domain, Socket, Type};

use testing::{PATIENCE, Server, ends, exchange, finish};

/// A proxy and the server behind it.
fn start(args: &[&str]) -> (Server, TcpListener) {
    let behind = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = behind.local_addr().unwrap().to_string();
    (Server::start("proxy", &[&["--to", &to], args].concat()), behind)
}

fn accept(behind: &TcpListener) -> TcpStream {
    let (stream, _) = behind.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn read(stream: &mut TcpStream, len: usize) -> Vec<u8> {
    let mut buf = vec![0; len];
    stream.read_exact(&mut buf).unwrap();
    buf
}

/// Bytes that show if some are lost or change places.
fn pattern(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + i / 251 + seed) as u8).collect()
}

#[test]
fn bytes_go_both_ways_and_a_half_close_is_passed_on() {
    let (proxy, behind) = start(&[]);
    let mut client = proxy.connect();
    let mut server = accept(&behind);
    client.write_all(b"question").unwrap();
    assert_eq!(read(&mut server, 8), b"question");
    // The client has no more to say, and still wants its answer.
    client.shutdown(Shutdown::Write).unwrap();
    ends(&mut server);
    server.write_all(b"answer").unwrap();
    assert_eq!(read(&mut client, 6), b"answer");
    drop(server);
    ends(&mut client);

    // The other way round.
    let mut client = proxy.connect();
    let mut server = accept(&behind);
    server.write_all(b"hello").unwrap();
    server.shutdown(Shutdown::Write).unwrap();
    let mut hello = Vec::new();
    client.read_to_end(&mut hello).unwrap();
    assert_eq!(hello, b"hello");
    client.write_all(b"bye").unwrap();
    assert_eq!(read(&mut server, 3), b"bye");
    assert_eq!(finish(client), b"");
    ends(&mut server);
    let left = proxy.stop();
    assert_eq!((left.code, left.err), (Some(0), vec![]));
}

#[test]
fn nothing_is_lost_when_both_sides_send_much_at_once() {
    const LEN: usize = 4 << 20;
    let (proxy, behind) = start(&[]);
    let client = proxy.connect();
    let server = accept(&behind);
    let sides = [(client, 1, 2), (server, 2, 1)].map(|(stream, sent, expected)| {
        let mut sending = stream.try_clone().unwrap();
        thread::spawn(move || {
            let sender = thread::spawn(move || {
                sending.write_all(&pattern(LEN, sent)).unwrap();
                sending.shutdown(Shutdown::Write).unwrap();
            });
            let (mut stream, mut all) = (stream, Vec::new());
            stream.read_to_end(&mut all).unwrap();
            assert!(all == pattern(LEN, expected), "{} bytes", all.len());
            sender.join().unwrap();
        })
    });
    sides.into_iter().for_each(|side| side.join().unwrap());
    assert_eq!(proxy.stop().err, [""; 0]);
}

#[test]
fn those_past_the_limit_wait_until_one_ends() {
    let (proxy, behind) = start(&["--max", "2"]);
    let mut first = proxy.connect();
    let mut one = accept(&behind);
    let second = proxy.connect();
    let two = accept(&behind);
    let mut third = proxy.connect();
    third.write_all(b"third").unwrap();
    // It is in the kernel's queue, and nothing of it has arrived behind. Seen after a round trip through the proxy.
    behind.set_nonblocking(true).unwrap();
    for _ in 0..100 {
        first.write_all(b"x").unwrap();
        assert_eq!(read(&mut one, 1), b"x");
        assert_eq!(behind.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    }
    behind.set_nonblocking(false).unwrap();
    drop((second, two));
    let mut three = accept(&behind);
    assert_eq!(read(&mut three, 5), b"third");
    exchange_through(&mut third, &mut three);
    let left = proxy.stop();
    assert_eq!((left.code, left.err), (Some(0), vec![]));
}

fn exchange_through(client: &mut TcpStream, server: &mut TcpStream) {
    client.write_all(b"ping").unwrap();
    assert_eq!(read(server, 4), b"ping");
    server.write_all(b"pong").unwrap();
    exchange(client, b"", b"pong");
}

#[test]
fn each_direction_has_its_own_idle_limit() {
    const LONG: &str = "86400000";
    for (args, named) in [
        (["--idle-up-ms", "20", "--idle-down-ms", LONG], "from the client: nothing moved within 20 ms"),
        (["--idle-up-ms", LONG, "--idle-down-ms", "20"], "from the server: nothing moved within 20 ms"),
    ] {
        let (proxy, behind) = start(&args);
        let mut client = proxy.connect();
        let mut server = accept(&behind);
        let peer = client.local_addr().unwrap();
        assert_eq!(proxy.expect_err(&format!("{peer}: ")), named);
        // Both sides are told.
        ends(&mut client);
        ends(&mut server);
        assert_eq!(proxy.stop().err, [""; 0]);
    }
}

#[test]
fn a_direction_that_has_ended_is_not_idle() {
    let (proxy, behind) = start(&["--idle-up-ms", "20", "--idle-down-ms", "86400000"]);
    // The end is there before the proxy looks, however slow this thread is.
    proxy.suspend();
    let mut client = proxy.connect();
    client.shutdown(Shutdown::Write).unwrap();
    proxy.resume();
    let mut server = accept(&behind);
    // Gone past by a second connection that is idle for as long, and began later.
    let second = proxy.connect();
    proxy.expect_err(&format!("{}: ", second.local_addr().unwrap()));
    server.write_all(b"late").unwrap();
    assert_eq!(read(&mut client, 4), b"late");
    assert_eq!(proxy.stop().err, [""; 0]);
}

#[test]
fn a_server_that_cannot_be_reached_is_reported() {
    // Bound, so that nobody else gets the port, and not listening yet.
    let behind = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    behind.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let to = behind.local_addr().unwrap().as_socket().unwrap().to_string();
    let proxy = Server::start("proxy", &["--to", &to]);
    let mut client = proxy.connect();
    let peer = client.local_addr().unwrap();
    let why = proxy.expect_err(&format!("{peer}: "));
    assert!(why.starts_with(&format!("cannot reach {to}: ")) && why.contains("os error 111"), "{why}");
    ends(&mut client);
    // Its permit is given back, and the proxy goes on once the server is there.
    behind.listen(1).unwrap();
    let behind = TcpListener::from(behind);
    let mut client = proxy.connect();
    let mut server = accept(&behind);
    exchange_through(&mut client, &mut server);
    assert_eq!(proxy.stop().err, [""; 0]);
}
