//! The key-value store, as its clients see it.

#[path = "../examples/testing/mod.rs"]
mod testing;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::{iter, thread};

use testing::{Server, ends, eventually, exchange, finish, reset, run};

/// With time enough for connections to end, however slow the machine is.
const MODES: [&[&str]; 2] =
    [&["--mode", "sharded", "--drain-ms", "86400000"], &["--mode", "stealing", "--drain-ms", "86400000"]];

fn each(test: impl Fn(&Server)) {
    for mode in MODES {
        let server = Server::start("kv", mode);
        test(&server);
        let left = server.stop();
        assert_eq!(left.code, Some(0), "{:?}", left.err);
        assert_eq!(left.err, [""; 0]);
    }
}

/// A request as clients send it.
fn request(args: &[&str]) -> Vec<u8> {
    let mut text = format!("*{}\r\n", args.len());
    args.iter().for_each(|arg| text.push_str(&format!("${}\r\n{arg}\r\n", arg.len())));
    text.into_bytes()
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// Sends a line of words as an array, and expects this answer.
#[track_caller]
fn ask(stream: &mut TcpStream, words: &str, answer: &str) {
    exchange(stream, &request(&words.split(' ').collect::<Vec<_>>()), answer.as_bytes());
}

/// Sends a request whose answer is a number of one digit.
fn number(stream: &mut TcpStream, args: &[&str]) -> u8 {
    stream.write_all(&request(args)).unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).unwrap();
    assert!(answer[0] == b':' && answer.ends_with(b"\r\n"), "{}", answer.escape_ascii());
    answer[1] - b'0'
}

/// The text of INFO.
fn info(stream: &mut TcpStream) -> String {
    stream.write_all(&request(&["INFO"])).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let len: usize = std::str::from_utf8(&head[1..head.len() - 2]).unwrap().parse().unwrap();
    let mut text = vec![0; len + 2];
    stream.read_exact(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

/// A number that INFO tells of each shard, summed.
fn sum_of(info: &str, name: &str) -> u64 {
    let fields =
        info.lines().filter(|line| line.starts_with("shard")).flat_map(|line| line.split([':', ',']));
    fields
        .filter_map(|field| field.strip_prefix(name)?.strip_prefix('='))
        .map(|n| n.parse::<u64>().unwrap())
        .sum()
}

#[test]
fn every_command() {
    each(|server| {
        let mut s = server.connect();
        for (words, answer) in [
            ("PING", "+PONG\r\n"),
            ("ping hello", "$5\r\nhello\r\n"),
            ("ECHO hello", "$5\r\nhello\r\n"),
            ("GET a", "$-1\r\n"),
            ("SET a 1", "+OK\r\n"),
            ("GET a", "$1\r\n1\r\n"),
            ("SET a 2 NX", "$-1\r\n"),
            ("SET b 2 XX", "$-1\r\n"),
            ("SET a 2 XX", "+OK\r\n"),
            ("SET b 3 nx", "+OK\r\n"),
            ("SET c 4 EX 1000 NX", "+OK\r\n"),
            ("SET d 5 PX 1000000", "+OK\r\n"),
            ("MGET a x b c d", "*5\r\n$1\r\n2\r\n$-1\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n"),
            ("EXISTS a a x b", ":3\r\n"),
            ("DEL a a x", ":1\r\n"),
            ("EXISTS a", ":0\r\n"),
            ("INCR n", ":1\r\n"),
            ("INCR n", ":2\r\n"),
            ("GET n", "$1\r\n2\r\n"),
            ("SET n -1", "+OK\r\n"),
            ("INCR n", ":0\r\n"),
            ("SET n 9223372036854775807", "+OK\r\n"),
            ("INCR n", "-ERR increment or decrement would overflow\r\n"),
            ("SET n one", "+OK\r\n"),
            ("INCR n", "-ERR value is not an integer or out of range\r\n"),
            ("COMMAND", "*0\r\n"),
            ("COMMAND DOCS", "*0\r\n"),
            ("CONFIG GET save", "*0\r\n"),
            ("CONFIG SET save x", "-ERR unknown subcommand: expected CONFIG GET\r\n"),
            ("GET", "-ERR wrong number of arguments for 'get' command\r\n"),
            ("GET a b", "-ERR wrong number of arguments for 'get' command\r\n"),
            ("MGET", "-ERR wrong number of arguments for 'mget' command\r\n"),
            ("SET a", "-ERR wrong number of arguments for 'set' command\r\n"),
            ("SET a b c", "-ERR syntax error\r\n"),
            ("SET a b NX XX", "-ERR syntax error\r\n"),
            ("SET a b EX 1 PX 1", "-ERR syntax error\r\n"),
            ("SET a b EX", "-ERR syntax error\r\n"),
            ("SET a b EX x", "-ERR value is not an integer or out of range\r\n"),
            ("SET a b EX 0", "-ERR invalid expire time in 'set' command\r\n"),
            ("SET a b PX -1", "-ERR invalid expire time in 'set' command\r\n"),
            ("SET a b EX 9223372036854775807", "-ERR invalid expire time in 'set' command\r\n"),
            ("SET a b PX 9223372036854775807", "+OK\r\n"),
            ("GET a", "$1\r\nb\r\n"),
            ("NONE of this", "-ERR unknown command 'none', with args beginning with: 'of' 'this' \r\n"),
        ] {
            ask(&mut s, words, answer);
        }
        exchange(&mut s, b"SET inline yes\r\nGET inline\r\n\r\n", b"+OK\r\n$3\r\nyes\r\n");
        let text = info(&mut s);
        assert_eq!(sum_of(&text, "keys"), 6, "{text}");
        assert_eq!(sum_of(&text, "connections"), 1, "{text}");
        assert!(sum_of(&text, "commands") >= 44, "{text}");
        exchange(&mut s, b"QUIT\r\nPING\r\n", b"+OK\r\n");
        let mut rest = Vec::new();
        // What followed is not read, which may reset the connection.
        let _ = s.read_to_end(&mut rest);
        assert_eq!(rest, []);
    });
}

#[test]
fn a_pipeline_is_answered_in_order() {
    const KEYS: usize = 3000;
    each(|server| {
        let clients: Vec<_> = (0..8)
            .map(|client| {
                let mut s = server.connect();
                thread::spawn(move || {
                    let (mut sent, mut expected) = (Vec::new(), String::new());
                    for n in 0..KEYS {
                        let (key, value) = (format!("{client}:{n}"), format!("value {n}"));
                        let before = format!("{client}:{}", n / 2);
                        for args in [&["SET", &key, &value][..], &["GET", &key], &["PING"]] {
                            sent.extend(request(args));
                        }
                        expected += &format!("+OK\r\n{}+PONG\r\n", bulk(&value));
                        sent.extend(request(&["MGET", &key, "none", &before]));
                        expected +=
                            &format!("*3\r\n{}$-1\r\n{}", bulk(&value), bulk(&format!("value {}", n / 2)));
                        sent.extend(request(&["EXISTS", &key, &before]));
                        expected += ":2\r\n";
                    }
                    let mut sending = s.try_clone().unwrap();
                    let sender = thread::spawn(move || sending.write_all(&sent).unwrap());
                    let mut answers = vec![0; expected.len()];
                    s.read_exact(&mut answers).unwrap();
                    assert!(answers == expected.as_bytes(), "client {client}");
                    sender.join().unwrap();
                    assert_eq!(finish(s), []);
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
        let text = info(&mut server.connect());
        assert_eq!(sum_of(&text, "keys"), 8 * KEYS as u64, "{text}");
        // Shards have about the same number each.
        let shards = text.lines().filter(|line| line.starts_with("shard")).count();
        for line in text.lines().filter(|line| line.starts_with("shard")) {
            let keys = sum_of(line, "keys") as usize;
            assert!(keys > 8 * KEYS / shards / 2, "{text}");
        }
    });
}

#[test]
fn clients_that_die_in_a_pipeline_lose_nothing_for_others() {
    const ROUNDS: usize = 100;
    each(|server| {
        let idle = server.files();
        let address = server.addr;
        let killers: Vec<_> = (0..4)
            .map(|_| {
                thread::spawn(move || {
                    for round in 0..ROUNDS {
                        let mut stream = TcpStream::connect(address).unwrap();
                        let mut pipeline = request(&["SET", "of the dead", "x"]).repeat(round * 7 % 300 + 1);
                        // Sometimes in the middle of a request.
                        pipeline.truncate(pipeline.len() - round % 5);
                        stream.write_all(&pipeline).unwrap();
                        if round % 2 == 0 {
                            reset(stream);
                        }
                    }
                })
            })
            .collect();
        let mut s = server.connect();
        for n in 1..=ROUNDS {
            let mut sent = Vec::new();
            let mut expected = String::new();
            for i in 0..50 {
                let key = format!("counter {i}");
                sent.extend(request(&["INCR", &key]));
                sent.extend(request(&["GET", &key]));
                expected += &format!(":{n}\r\n{}", bulk(&n.to_string()));
            }
            exchange(&mut s, &sent, expected.as_bytes());
        }
        killers.into_iter().for_each(|killer| killer.join().unwrap());
        eventually("the dead are gone", || sum_of(&info(&mut s), "connections") == 1);
        assert_eq!(finish(s), []);
        eventually("connections are closed", || server.files() == idle);
    });
}

#[test]
fn keys_expire() {
    each(|server| {
        let mut s = server.connect();
        // Nobody looks at these: the sweep removes them.
        for n in 0..1000 {
            ask(&mut s, &format!("SET k{n} x PX {}", 1 + n % 50), "+OK\r\n");
        }
        ask(&mut s, "SET stays x EX 1000", "+OK\r\n");
        ask(&mut s, "SET kept x PX 30", "+OK\r\n");
        ask(&mut s, "SET kept y", "+OK\r\n");
        eventually("the sweep", || sum_of(&info(&mut s), "keys") == 2);
        ask(&mut s, "MGET stays kept k1", "*3\r\n$1\r\nx\r\n$1\r\ny\r\n$-1\r\n");
        // An earlier deadline than the one the sweep sleeps for.
        ask(&mut s, "SET soon 1 PX 20", "+OK\r\n");
        eventually("an earlier expiry", || number(&mut s, &["EXISTS", "soon"]) == 0);
        // Counting keeps the deadline, unless that has passed already: then it makes a key that stays.
        ask(&mut s, "SET count 1 PX 20", "+OK\r\n");
        if number(&mut s, &["INCR", "count"]) == 2 {
            eventually("expiry", || number(&mut s, &["EXISTS", "count"]) == 0);
        } else {
            ask(&mut s, "GET count", "$1\r\n1\r\n");
        }
    });
}

#[test]
fn large_values_and_small_pieces() {
    each(|server| {
        let mut s = server.connect();
        let value = "v".repeat(5 << 20);
        exchange(&mut s, &request(&["SET", "large", &value]), b"+OK\r\n");
        exchange(&mut s, &request(&["GET", "large"]), bulk(&value).as_bytes());
        for byte in request(&["GET", "none"]) {
            s.write_all(&[byte]).unwrap();
        }
        exchange(&mut s, b"", b"$-1\r\n");
    });
}

/// However much a client asks for before it reads.
#[test]
fn answers_that_wait_take_little_memory() {
    const VALUE: usize = 256 << 10;
    const ROUNDS: usize = 100;
    each(|server| {
        let mut s = server.connect();
        // On all shards.
        let keys = ["a", "b", "c", "d"];
        let values = keys.map(|key| key.repeat(VALUE));
        for (key, value) in keys.iter().zip(&values) {
            exchange(&mut s, &request(&["SET", key, value]), b"+OK\r\n");
        }
        let before = server.memory();
        let mut sent = Vec::new();
        for args in [&["GET", "a"][..], &["INCR", "n"], &["MGET", "b", "none", "c", "d", "a"]] {
            sent.extend(request(args));
        }
        sent.extend(request(&["EXISTS", "a", "b", "none", "c", "d"]));
        s.write_all(&sent.repeat(ROUNDS)).unwrap();
        for round in 1..=ROUNDS {
            let [a, b, c, d] = values.each_ref().map(|value| bulk(value));
            let expected = format!("{a}:{round}\r\n*5\r\n{b}$-1\r\n{c}{d}{a}:4\r\n");
            let mut answer = vec![0; expected.len()];
            s.read_exact(&mut answer).unwrap();
            assert!(answer == expected.as_bytes(), "round {round}");
        }
        let most = server.most_memory();
        assert!(most < before + 64 * VALUE, "{before} bytes before, then up to {most}");
        assert_eq!(finish(s), []);
    });
}

#[test]
fn a_large_request_leaves_little_behind() {
    const KEYS: usize = 200_000;
    const LARGE: usize = 4 << 20;
    each(|server| {
        let before = server.memory();
        let mut keys = server.connect();
        let many = iter::once("MGET").chain(iter::repeat_n("k", KEYS)).collect::<Vec<_>>();
        exchange(&mut keys, &request(&many), format!("*{KEYS}\r\n{}", "$-1\r\n".repeat(KEYS)).as_bytes());
        let mut text = server.connect();
        let large = "x".repeat(LARGE);
        exchange(&mut text, &request(&["ECHO", &large]), bulk(&large).as_bytes());
        exchange(&mut text, &request(&["SET", "key", &large]), b"+OK\r\n");
        exchange(&mut text, &request(&["GET", "key"]), bulk(&large).as_bytes());
        // The value stays, and both connections.
        eventually("the memory is given back", || server.memory() < before + 2 * LARGE);
        ask(&mut keys, "PING", "+PONG\r\n");
        ask(&mut text, "PING", "+PONG\r\n");
    });
}

#[test]
fn a_broken_protocol_is_answered_and_closed() {
    for mode in MODES {
        let server = Server::start("kv", &[mode, &["--max-bulk", "10"]].concat());
        for (sent, error) in [
            ("*1\r\nPING\r\n", "expected '$', got 'P'"),
            ("*x\r\n", "invalid multibulk length"),
            ("*1048577\r\n", "invalid multibulk length"),
            ("*1\r\n$11\r\n", "invalid bulk length"),
            ("*1\r\n$-1\r\n", "invalid bulk length"),
        ] {
            let mut s = server.connect();
            let expected = format!("+PONG\r\n-ERR Protocol error: {error}\r\n");
            exchange(&mut s, format!("PING\r\n{sent}").as_bytes(), expected.as_bytes());
            ends(&mut s);
        }
        let mut s = server.connect();
        ask(&mut s, "ECHO 0123456789", "$10\r\n0123456789\r\n");
        drop(s);
        let left = server.stop();
        assert_eq!((left.code, left.err), (Some(0), vec![]));
    }
}

/// A client that has one answer, and of whose second request the server has read the beginning: it came in the same segment.
fn within_a_request(server: &Server) -> TcpStream {
    let mut s = server.connect();
    exchange(&mut s, &[&request(&["PING"])[..], b"*1\r\n$4\r\nPI"].concat(), b"+PONG\r\n");
    s
}

#[test]
fn ctrl_c_ends_idle_connections_and_lets_the_others_end() {
    for mode in MODES {
        let server = Server::start("kv", mode);
        let mut idle = server.connect();
        ask(&mut idle, "PING", "+PONG\r\n");
        let mut half = within_a_request(&server);
        server.interrupt();
        server.expect_out("stopping");
        ends(&mut idle);
        exchange(&mut half, b"NG\r\n", b"+PONG\r\n");
        ends(&mut half);
        let left = server.wait();
        assert_eq!((left.code, left.err), (Some(0), vec![]));
        assert_eq!(left.out, ["served 2 connections, 0 reset by the peer, 0 cut"]);
    }
}

#[test]
fn what_is_open_at_the_deadline_is_cut_by_name() {
    for mode in MODES {
        let server = Server::start("kv", &[mode, &["--drain-ms", "20"]].concat());
        let half = within_a_request(&server);
        server.interrupt();
        server.expect_out("stopping");
        let left = server.wait();
        assert_eq!(left.code, Some(0));
        // An answer may be here before it is counted.
        let name = half.local_addr().unwrap();
        let cut = [10, 24].map(|n| format!("cut {name}: {n} bytes in flight, {} bytes served", 24 - n));
        assert!(left.err.len() == 1 && cut.contains(&left.err[0]), "{:?}", left.err);
        assert_eq!(left.out, ["served 1 connections, 0 reset by the peer, 1 cut"]);
    }
}

#[test]
fn a_wrong_command_line_is_an_error_that_says_what_is_accepted() {
    let (code, out, err) = run("kv", &["--max-bulk", "0"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert_eq!(
        err,
        "kv: --max-bulk 0: expected a whole number of bytes from 1 to 536870912, for the longest key or value\n"
    );
}
