//! What is sent to each server, and what has to come back.
//!
//! A request follows from its connection's number and its own, so the right answer is known without keeping anything.

use std::io::Write as _;

use clap::ValueEnum;
use serde::Serialize;

/// What the server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Server {
    /// Sends back what comes, in messages of 64 bytes.
    Echo,
    /// The same, after it has computed for as long as the message says.
    Work,
    /// HTTP/1.1 by hyper: GET, and a short body.
    Http,
    /// Keys and values, in the protocol of Redis and of `examples/kv`: SET, then GET, in turn.
    Kv,
}

/// Bytes of a message.
pub const MESSAGE: usize = 64;
/// Where in a message the nanoseconds of work stand, as a little-endian `u32`.
pub const WORK: std::ops::Range<usize> = 8..12;

/// Keys that a store comes to have.
const KEYS: u64 = 10_000;

impl Server {
    /// Appends a connection's request of that number.
    pub fn request(self, out: &mut Vec<u8>, connection: u64, number: u64, work_ns: u32) {
        match self {
            Self::Echo | Self::Work => out.extend_from_slice(&message(connection, number, work_ns)),
            Self::Http => {
                out.extend_from_slice(b"GET /");
                out.extend_from_slice(&hex(id(connection, number)));
                out.extend_from_slice(b" HTTP/1.1\r\nhost: bench\r\n\r\n");
            }
            Self::Kv => {
                let key = key(connection, number);
                if number % 2 == 0 {
                    out.extend_from_slice(b"*3\r\n$3\r\nSET\r\n");
                    bulk(out, &key);
                    bulk(out, &value(key));
                } else {
                    out.extend_from_slice(b"*2\r\n$3\r\nGET\r\n");
                    bulk(out, &key);
                }
            }
        }
    }

    /// The length of the answer to that request, if the bytes begin with all of it.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn answer(
        self,
        bytes: &[u8],
        connection: u64,
        number: u64,
        work_ns: u32,
    ) -> Result<Option<usize>, String> {
        match self {
            Self::Echo | Self::Work => exact(bytes, &message(connection, number, work_ns)),
            Self::Http => http(bytes, &hex(id(connection, number))),
            Self::Kv if number % 2 == 0 => exact(bytes, b"+OK\r\n"),
            Self::Kv => {
                let mut expected = Vec::with_capacity(MESSAGE + 8);
                bulk(&mut expected, &value(key(connection, number)));
                exact(bytes, &expected)
            }
        }
    }
}

fn exact(bytes: &[u8], expected: &[u8]) -> Result<Option<usize>, String> {
    let there = bytes.len().min(expected.len());
    if bytes[..there] != expected[..there] {
        let shown = |bytes: &[u8]| bytes[..there].escape_ascii().to_string();
        return Err(format!("a wrong answer: expected {}, got {}", shown(expected), shown(bytes)));
    }
    Ok((there == expected.len()).then_some(there))
}

/// The response's length if it has this body.
fn http(bytes: &[u8], body: &[u8]) -> Result<Option<usize>, String> {
    let Some(head_len) = bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4) else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(&bytes[..head_len]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    if !head.starts_with("http/1.1 200 ") || length != Some(body.len()) {
        return Err(format!("a wrong answer: expected status 200 and {} bytes, got {head}", body.len()));
    }
    Ok(exact(&bytes[head_len..], body)?.map(|body_len| head_len + body_len))
}

fn message(connection: u64, number: u64, work_ns: u32) -> [u8; MESSAGE] {
    let mut message = [0x5a; MESSAGE];
    message[..WORK.start].copy_from_slice(&id(connection, number).to_le_bytes());
    message[WORK].copy_from_slice(&work_ns.to_le_bytes());
    message
}

fn id(connection: u64, number: u64) -> u64 {
    connection << 40 | number
}

fn hex(id: u64) -> [u8; 16] {
    std::array::from_fn(|i| b"0123456789abcdef"[(id >> (60 - 4 * i) & 15) as usize])
}

/// A pair of SET and GET has one key. Its value depends on nothing else, so it does not matter who else sets it.
fn key(connection: u64, number: u64) -> [u8; 16] {
    let spread = id(connection, number / 2).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hex((spread >> 32) % KEYS)
}

fn value(key: [u8; 16]) -> [u8; MESSAGE] {
    std::array::from_fn(|i| key[i % 16])
}

fn bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    // Writing to a vector does not fail.
    let _ = write!(out, "${}\r\n", bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_when_it_is_whole() {
        let response = b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n0000010000000002";
        let mut echo = Vec::new();
        Server::Echo.request(&mut echo, 1, 2, 0);
        for (server, number, whole) in
            [(Server::Echo, 2, &echo[..]), (Server::Http, 2, response), (Server::Kv, 2, b"+OK\r\n")]
        {
            for cut in 0..whole.len() {
                assert_eq!(server.answer(&whole[..cut], 1, number, 0), Ok(None), "{server:?} {cut}");
            }
            let more = [whole, b"next"].concat();
            assert_eq!(server.answer(&more, 1, number, 0), Ok(Some(whole.len())), "{server:?}");
        }
    }

    #[test]
    fn a_wrong_answer_is_an_error() {
        let mut echo = Vec::new();
        Server::Echo.request(&mut echo, 1, 3, 0);
        for (server, answer) in [
            (Server::Echo, &echo[..]),
            (Server::Http, b"HTTP/1.1 404 Not Found\r\ncontent-length: 16\r\n\r\n"),
            (Server::Http, b"HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n0000010000000003"),
            (Server::Kv, b"-ERR\r\n"),
        ] {
            let error = server.answer(answer, 1, 2, 0).unwrap_err();
            assert!(error.starts_with("a wrong answer: expected "), "{error}");
        }
    }

    #[test]
    fn a_get_asks_for_what_the_set_before_it_has_set() {
        let (mut set, mut get) = (Vec::new(), Vec::new());
        Server::Kv.request(&mut set, 7, 4, 0);
        Server::Kv.request(&mut get, 7, 5, 0);
        let key = &get[get.len() - 18..];
        assert!(set.windows(18).any(|part| part == key));
    }
}
