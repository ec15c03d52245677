//! How the server of the example `graceful` ends.

#[path = "../examples/testing/mod.rs"]
mod testing;

use std::io::Write;
use std::net::TcpStream;

use testing::{Server, ends, exchange, finish};

/// A connection that has one answer, and of whose second request the server has read the beginning: it came in the same
/// segment.
fn within_a_request(server: &Server) -> TcpStream {
    let mut stream = server.connect();
    exchange(&mut stream, b"one\ntw", b"ONE\n");
    stream
}

#[test]
fn open_requests_are_answered_and_idle_connections_end() {
    let server = Server::start("graceful", &["--drain-ms", "86400000"]);
    let mut idle = server.connect();
    exchange(&mut idle, b"hello\n", b"HELLO\n");
    let mut open = within_a_request(&server);
    let gone = server.connect();
    assert_eq!(finish(gone), b"");
    server.interrupt();
    assert_eq!(server.expect_out("stopping: "), "open requests have 86400000 ms");
    ends(&mut idle);
    // Nobody listens any more.
    let refused = TcpStream::connect(server.addr).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    exchange(&mut open, b"o\n", b"TWO\n");
    ends(&mut open);
    server.wait().assert_summary("wrote down 3 requests, cut 0 connections");
}

#[test]
fn what_is_open_at_the_deadline_is_cut_by_name() {
    let server = Server::start("graceful", &["--drain-ms=20"]);
    let mut open = within_a_request(&server);
    let mut other = within_a_request(&server);
    server.interrupt();
    let mut cut = [server.expect_err("cut "), server.expect_err("cut ")];
    let mut expected = [&open, &other].map(|stream| stream.local_addr().unwrap().to_string());
    cut.sort();
    expected.sort();
    assert_eq!(cut, expected);
    ends(&mut open);
    ends(&mut other);
    server.wait().assert_summary("wrote down 2 requests, cut 2 connections");
}

#[test]
fn a_second_signal_cuts_at_once_and_sigterm_is_one() {
    let server = Server::start("graceful", &["--drain-ms", "86400000"]);
    let mut open = within_a_request(&server);
    server.signal("TERM");
    server.expect_out("stopping");
    server.signal("TERM");
    ends(&mut open);
    server.wait().assert_summary("wrote down 1 requests, cut 1 connections");
}

#[test]
fn a_request_without_an_end_is_not_answered() {
    let server = Server::start("graceful", &[]);
    let mut long = server.connect();
    long.write_all(&[b'x'; 4096]).unwrap();
    ends(&mut long);
    let mut short = server.connect();
    short.write_all(b"x").unwrap();
    assert_eq!(finish(short), b"");
    server.stop().assert_summary("wrote down 0 requests, cut 0 connections");
}

#[test]
fn what_was_asked_before_the_signal_is_answered() {
    let server = Server::start("graceful", &["--drain-ms", "86400000"]);
    let mut streams: Vec<_> = (0..8).map(|_| server.connect()).collect();
    streams.iter_mut().for_each(|stream| exchange(stream, b"hello\n", b"HELLO\n"));
    // The kernel takes it all: what is asked, and whom nobody has accepted.
    server.suspend();
    streams.extend((0..8).map(|_| server.connect()));
    streams.iter_mut().for_each(|stream| stream.write_all(b"one\n").unwrap());
    server.interrupt();
    server.resume();
    for stream in &mut streams {
        exchange(stream, b"", b"ONE\n");
        ends(stream);
    }
    server.wait().assert_summary("wrote down 24 requests, cut 0 connections");
}
