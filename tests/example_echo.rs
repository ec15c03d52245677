//! The echo server, as its users see it.

#[path = "../examples/testing/mod.rs"]
mod testing;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::ffi::OsStrExt;
use std::process::{self, Command};
use std::{env, thread};

use testing::{Server, ends, eventually, exchange, finish, path_of, reset, run};

/// With time enough for connections to end, however slow the machine is.
const MODES: [&[&str]; 2] =
    [&["--mode", "sharded", "--drain-ms", "86400000"], &["--mode", "stealing", "--drain-ms", "86400000"]];

fn with(mode: &[&'static str], more: &[&'static str]) -> Vec<&'static str> {
    [mode, more].concat()
}

#[test]
fn many_connections_get_back_what_they_send() {
    for mode in MODES {
        let server = Server::start("echo", mode);
        let idle = server.files();
        let clients: Vec<_> = (0..8u8)
            .map(|n| {
                let streams: Vec<_> = (0..50).map(|_| server.connect()).collect();
                thread::spawn(move || {
                    for mut stream in streams {
                        for len in [1, 2047, 2048, 2049, 100_000] {
                            let sent: Vec<_> = (0..len).map(|i| n.wrapping_add(i as u8)).collect();
                            exchange(&mut stream, &sent, &sent);
                        }
                        assert_eq!(finish(stream), []);
                    }
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
        eventually("connections are closed", || server.files() == idle);
        server.stop().assert_summary("served 400 connections, 0 reset by the peer, 0 cut");
    }
}

#[test]
fn a_half_closed_connection_gets_the_rest() {
    for mode in MODES {
        let server = Server::start("echo", mode);
        let mut stream = server.connect();
        // More than the kernel holds, so most of it is read after the sending side is closed.
        let sent = vec![7; 8 << 20];
        let mut writing = stream.try_clone().unwrap();
        let (len, writer) = (
            sent.len(),
            thread::spawn(move || {
                writing.write_all(&sent).unwrap();
                finish_writing(&writing);
            }),
        );
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        writer.join().unwrap();
        assert_eq!(received.len(), len);
        assert!(received.iter().all(|&byte| byte == 7));
        server.stop().assert_summary("served 1 connections, 0 reset by the peer, 0 cut");
    }
}

fn finish_writing(stream: &TcpStream) {
    stream.shutdown(std::net::Shutdown::Write).unwrap();
}

#[test]
fn resets_are_counted_and_hurt_nobody_else() {
    for mode in MODES {
        let server = Server::start("echo", mode);
        let mut other = server.connect();
        exchange(&mut other, b"before", b"before");
        let idle = server.files();
        for _ in 0..50 {
            let mut stream = server.connect();
            exchange(&mut stream, b"x", b"x");
            reset(stream);
        }
        eventually("connections are closed", || server.files() == idle);
        exchange(&mut other, b"after", b"after");
        assert_eq!(finish(other), []);
        server.stop().assert_summary("served 51 connections, 50 reset by the peer, 0 cut");
    }
}

#[test]
fn ctrl_c_lets_connections_end() {
    for mode in MODES {
        let server = Server::start("echo", mode);
        let mut open: Vec<_> = (0..10).map(|_| server.connect()).collect();
        open.iter_mut().for_each(|stream| exchange(stream, b"before", b"before"));
        server.interrupt();
        server.expect_out("stopping");
        eventually("new connections are refused", || {
            TcpStream::connect(server.addr).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
        });
        open.iter_mut().for_each(|stream| exchange(stream, b"after", b"after"));
        open.into_iter().for_each(|stream| assert_eq!(finish(stream), []));
        let left = server.wait();
        assert_eq!(left.code, Some(0));
        let summary = left.out.last().unwrap();
        assert!(summary.starts_with("served ") && summary.ends_with(" 0 cut"), "{summary}");
        assert_eq!(left.err, [""; 0]);
    }
}

#[test]
fn connections_that_do_not_end_are_cut_by_name() {
    for mode in MODES {
        let server = Server::start("echo", &with(mode, &["--drain-ms", "20"]));
        let mut silent = server.connect();
        exchange(&mut silent, b"12345", b"12345");
        // One that sends and never reads: in the end the server waits for it to.
        let mut deaf = server.connect();
        // Answered, so accepted: one that waits in the kernel's queue when the listener closes is not cut but reset.
        exchange(&mut deaf, b"once", b"once");
        deaf.set_nonblocking(true).unwrap();
        let mut sent = 0;
        while let Ok(n) = deaf.write(&[1; 65536]) {
            sent += n;
        }
        assert!(sent > 0);
        server.interrupt();
        server.expect_out("stopping");
        ends(&mut silent);
        let left = server.wait();
        assert_eq!(left.out, ["served 2 connections, 0 reset by the peer, 2 cut"]);
        assert_eq!(left.code, Some(0));
        assert_eq!(left.err.len(), 2, "{:?}", left.err);
        // An answer may be here before it is counted.
        let name = silent.local_addr().unwrap();
        let silent = [0, 5].map(|n| format!("cut {name}: {n} bytes in flight, {} bytes served", 5 - n));
        assert!(left.err.iter().any(|line| silent.contains(line)), "{:?}", left.err);
        let deaf = format!("cut {}: ", deaf.local_addr().unwrap());
        assert!(left.err.iter().any(|line| line.starts_with(&deaf)), "{:?}", left.err);
    }
}

#[test]
fn a_second_signal_cuts_at_once() {
    for mode in MODES {
        for signal in ["INT", "TERM"] {
            let server = Server::start("echo", mode);
            let mut stream = server.connect();
            exchange(&mut stream, b"before", b"before");
            server.signal(signal);
            server.expect_out("stopping");
            exchange(&mut stream, b"after", b"after");
            server.signal(signal);
            server.wait().assert_summary("served 1 connections, 0 reset by the peer, 1 cut");
        }
    }
}

#[test]
fn it_stops_in_order_when_no_file_can_be_opened() {
    for mode in MODES {
        let server = Server::start("echo", mode);
        let mut stream = server.connect();
        exchange(&mut stream, b"before", b"before");
        server.forbid_files();
        server.interrupt();
        server.expect_out("stopping");
        exchange(&mut stream, b"after", b"after");
        assert_eq!(finish(stream), []);
        server.wait().assert_summary("served 1 connections, 0 reset by the peer, 0 cut");
    }
}

#[test]
fn without_files_it_says_so_once_and_goes_on() {
    const LIMIT: u32 = 48;
    for mode in MODES {
        let server = Server::start_with_files(LIMIT, "echo", mode);
        let idle = server.files();
        assert!(idle < LIMIT as usize - 8, "the limit leaves no room: {idle} files");
        let mut waiting: Vec<_> = (0..100).map(|_| server.connect()).collect();
        for stream in &mut waiting {
            stream.write_all(b"x").unwrap();
            stream.set_nonblocking(true).unwrap();
        }
        let why = server.expect_err("cannot accept: ");
        assert!(why.contains("os error 24"), "{why}");
        // Who is served makes room for others.
        eventually("all are served", || {
            waiting.retain_mut(|stream| match stream.read(&mut [0]) {
                Ok(n) => {
                    assert_eq!(n, 1, "closed without an answer");
                    false
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    true
                }
            });
            waiting.is_empty()
        });
        eventually("connections are closed", || server.files() == idle);
        let mut late = server.connect();
        exchange(&mut late, b"late", b"late");
        drop(late);
        let left = server.stop();
        left.assert_summary("served 101 connections, 0 reset by the peer, 0 cut");
        assert_eq!(left.err, [""; 0]);
    }
}

#[test]
fn it_says_where_its_shards_are() {
    let (code, out, _) = run("echo", &["--help"]);
    assert_eq!(code, Some(0));
    assert!(out.starts_with("Usage: echo [OPTIONS]\n"), "{out}");
    let server = Server::start("echo", &[]);
    // Those of the first server share their port; another server gets nothing of it all the same.
    for mode in ["sharded", "stealing"] {
        let second = run("echo", &["--addr", &server.addr.to_string(), "--mode", mode]);
        assert_eq!(second.0, Some(1), "{second:?}");
        assert!(second.2.starts_with(&format!("echo: cannot listen at {}: ", server.addr)), "{second:?}");
    }
    server.stop().assert_summary("served 0 connections, 0 reset by the peer, 0 cut");
}

#[test]
fn workers_that_take_over_tasks_are_not_bound() {
    let server = Server::start("echo", &["--mode", "stealing"]);
    // No machine has this address, so this one ends by itself, and leaves all that it said.
    let (code, out, _) = run("echo", &["--addr", "192.0.2.1:7777", "--mode", "stealing"]);
    assert_eq!(code, Some(1));
    assert!(out.starts_with("shard 0 → any cpu (not placed)\n"), "{out}");
    let masks = server.cpus_of_threads();
    assert!(masks.iter().all(|mask| *mask == masks[0]), "{masks:?}");
}

#[test]
fn a_wrong_command_line_is_an_error_that_says_what_is_accepted() {
    for (args, error) in [
        (&["--addr", "nowhere"][..], "--addr nowhere: expected HOST:PORT to listen at"),
        (&["--addr=:1"], "--addr :1: expected HOST:PORT"),
        (&["--addr", "host:65536"], "--addr host:65536: expected HOST:PORT"),
        (&["--addr"], "--addr: a value is missing: expected HOST:PORT"),
        (&["--drain-ms", "-1"], "--drain-ms -1: expected a whole number of milliseconds from 0 to 86400000"),
        (&["--drain-ms=86400001"], "--drain-ms 86400001: expected a whole number"),
        (&["--mode", "fast"], "--mode fast: expected sharded (a shard a core, connections stay) or stealing"),
        (&["--max-bulk", "1"], "--max-bulk: unknown option: expected --config, --addr"),
        (&["echo"], "echo: unknown option: expected --config, --addr, --mode, --drain-ms or --help"),
    ] {
        let (code, out, err) = run("echo", args);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{args:?}");
        assert!(err.starts_with(&format!("echo: {error}")), "{args:?}: {err}");
    }
    let (code, _, err) = run("echo", &["--config", "/no/such/file.toml"]);
    assert_eq!(code, Some(2));
    assert!(err.starts_with("/no/such/file.toml: cannot read the file: "), "{err}");
}

#[test]
fn words_that_are_no_text_are_an_error() {
    let output = Command::new(path_of("echo")).arg(OsStr::from_bytes(b"--config=\xff")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(err, "echo: \"--config=\\xFF\": expected UTF-8 text\n");
}

/// The address is one that no machine has, so that the server ends by itself.
#[test]
fn a_warning_that_nobody_can_read_stops_nothing() {
    let file = env::temp_dir().join(format!("corelane-echo-{}.toml", process::id()));
    fs::write(&file, "[placement]\ndrop = [\"node:8191\"]\non_error = \"warn\"\n").unwrap();
    let mut echo = Command::new(path_of("echo"));
    echo.args(["--addr", "192.0.2.1:7777", "--config"]).arg(&file);
    let heard = echo.output().unwrap();
    let unheard = echo.stderr(File::create("/dev/full").unwrap()).output().unwrap();
    fs::remove_file(file).unwrap();
    let err = String::from_utf8(heard.stderr).unwrap();
    assert!(err.starts_with("corelane: ") && err.contains("nothing here is \"node:8191\""), "{err}");
    assert_eq!((heard.status.code(), unheard.status.code()), (Some(1), Some(1)));
}
