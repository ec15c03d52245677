//! The same answers before and after.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// Does not outlive a test that fails.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
    }
}

/// The status line's end and the body of the answer.
fn ask(addr: &str, method_and_path: &str, body: &str) -> (String, String) {
    let mut stream = TcpStream::connect(addr).unwrap();
    let length = body.len();
    let head = format!(
        "{method_and_path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all((head + body).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().replace("HTTP/1.1 ", ""), body.to_owned())
}

#[test]
fn the_program_keeps_notes_and_ends_when_told() {
    let program = Command::new(env!("CARGO_BIN_EXE_moving")).stdout(Stdio::piped()).spawn();
    let Server(server) = &mut Server(program.unwrap());
    let mut line = String::new();
    BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let (addr, runtime) = line.trim_start_matches("http://").split_once(" on ").unwrap();
    let of = if env!("CARGO_MANIFEST_DIR").ends_with("after") { "corelane::" } else { "tokio::" };
    assert!(runtime.starts_with(of), "{runtime}");

    assert_eq!(ask(addr, "POST /notes", "buy milk"), ("201 Created".into(), "0".into()));
    assert_eq!(ask(addr, "POST /notes", "sell eggs"), ("201 Created".into(), "1".into()));
    assert_eq!(ask(addr, "GET /notes/0", ""), ("200 OK".into(), "buy milk".into()));
    assert_eq!(ask(addr, "GET /notes/2", ""), ("404 Not Found".into(), "".into()));

    let killed = Command::new("kill").arg(server.id().to_string()).status().unwrap();
    assert!(killed.success());
    assert!(server.wait().unwrap().success());
}
