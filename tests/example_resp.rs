//! The parser of the key-value example: whole, in pieces, and broken.

#![expect(dead_code, reason = "the example uses all of it")]

#[path = "../examples/kv/resp.rs"]
mod resp;

use resp::{LINE_MAX, Limits, Parser, ProtocolError, number};

const LIMITS: Limits = Limits { bulk: 1000, args: 100, request: 5000 };

type Requests = Vec<Vec<Vec<u8>>>;

/// Parses bytes that come in pieces of that size, moving what is left to the front as the server does.
fn parse_in_pieces(input: &[u8], piece: usize) -> (Requests, Option<ProtocolError>, usize) {
    let mut parser = Parser::new(LIMITS);
    let (mut buffer, mut requests) = (Vec::new(), Vec::new());
    for piece in input.chunks(piece) {
        buffer.extend_from_slice(piece);
        loop {
            match parser.parse(&buffer) {
                Ok(Some(len)) => {
                    requests.push(parser.args().iter().map(|arg| buffer[arg.clone()].to_vec()).collect());
                    buffer.drain(..len);
                }
                Ok(None) => break,
                Err(error) => return (requests, Some(error), buffer.len()),
            }
        }
    }
    (requests, None, buffer.len())
}

fn requests(texts: &[&[&str]]) -> Requests {
    texts.iter().map(|args| args.iter().map(|arg| arg.as_bytes().to_vec()).collect()).collect()
}

const GOOD: &[(&str, &[&[&str]])] = &[
    ("*1\r\n$4\r\nPING\r\n", &[&["PING"]]),
    ("*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n", &[&["GET", "key"]]),
    ("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n", &[&["SET", "k", ""]]),
    ("*2\r\n$4\r\nECHO\r\n$6\r\na\r\nb\r\n\r\n", &[&["ECHO", "a\r\nb\r\n"]]),
    ("*0\r\n", &[&[]]),
    ("*-1\r\n", &[&[]]),
    ("*1\n$4\nPING\r\n", &[&["PING"]]),
    ("PING\r\n", &[&["PING"]]),
    ("  set   key\tvalue  \r\n", &[&["set", "key", "value"]]),
    ("PING\n", &[&["PING"]]),
    ("\r\n", &[&[]]),
    ("PING\r\n*1\r\n$4\r\nPING\r\nQUIT\r\n", &[&["PING"], &["PING"], &["QUIT"]]),
    ("*1\r\n$4\r\n*1\r\n\r\n*2\r\n$1\r\n$\r\n$1\r\n*\r\n", &[&["*1\r\n"], &["$", "*"]]),
];

#[test]
fn good_requests() {
    for (text, expected) in GOOD {
        for piece in 1..=text.len() {
            let result = parse_in_pieces(text.as_bytes(), piece);
            assert_eq!(result, (requests(expected), None, 0), "{text:?} in pieces of {piece}");
        }
    }
}

#[test]
fn a_part_of_a_request_is_none() {
    for (text, expected) in GOOD.iter().filter(|(_, expected)| expected.len() == 1) {
        for len in 0..text.len() {
            let mut parser = Parser::new(LIMITS);
            assert_eq!(parser.parse(&text.as_bytes()[..len]), Ok(None), "{text:?} up to {len}");
            assert_eq!(parser.parse(text.as_bytes()), Ok(Some(text.len())), "{text:?} after {len}");
            assert_eq!(parser.args().len(), expected[0].len());
        }
    }
}

#[test]
fn what_follows_is_not_looked_at() {
    for (text, _) in GOOD.iter().filter(|(_, expected)| expected.len() == 1) {
        let followed = format!("{text}*x\r\n");
        let mut parser = Parser::new(LIMITS);
        assert_eq!(parser.parse(followed.as_bytes()), Ok(Some(text.len())));
        assert_eq!(parser.parse(&followed.as_bytes()[text.len()..]), Err(ProtocolError::ArrayLength));
    }
}

#[test]
fn broken_requests() {
    use ProtocolError::{ArrayLength, BulkLength, NoBulk, NoLineEnd};
    for (text, expected) in [
        ("*x\r\n", ArrayLength),
        ("*\r\n", ArrayLength),
        ("*+1\r\n", ArrayLength),
        ("*1 \r\n", ArrayLength),
        ("*101\r\n", ArrayLength),
        ("*9223372036854775807\r\n", ArrayLength),
        ("*99999999999999999999\r\n", ArrayLength),
        ("*1\r\nPING\r\n", NoBulk(b'P')),
        ("*1\r\n\r\n", NoBulk(b'\r')),
        ("*1\r\n*1\r\n", NoBulk(b'*')),
        ("*1\r\n$\r\n", BulkLength),
        ("*1\r\n$-1\r\n", BulkLength),
        ("*1\r\n$x\r\n", BulkLength),
        ("*1\r\n$1001\r\n", BulkLength),
        ("*1\r\n$18446744073709551615\r\n", BulkLength),
        ("*1\r\n$4\r\nPINGPONG", NoLineEnd),
        ("*1\r\n$4\r\nPING\n\r", NoLineEnd),
    ] {
        for piece in 1..=text.len() {
            let (requests, error, _) = parse_in_pieces(text.as_bytes(), piece);
            assert_eq!((requests, error), (vec![], Some(expected)), "{text:?} in pieces of {piece}");
        }
    }
}

#[test]
fn limits_hold_at_their_edge() {
    let bulk = |len: usize| format!("${len}\r\n{}\r\n", "x".repeat(len));
    let fits = format!("*4\r\n{}{}{}{}", bulk(1000), bulk(1000), bulk(1000), bulk(1000));
    assert_eq!(parse_in_pieces(fits.as_bytes(), 7).1, None);
    let long = format!("*6\r\n{}", bulk(1000).repeat(5));
    assert_eq!(parse_in_pieces(long.as_bytes(), 1000).1, Some(ProtocolError::LongRequest));
    let args = format!("*100\r\n{}", bulk(1).repeat(100));
    assert_eq!(parse_in_pieces(args.as_bytes(), 9).0[0].len(), 100);
    let mut line = vec![b'x'; LINE_MAX];
    line.extend_from_slice(b"\r\n");
    // The return counts.
    assert_eq!(parse_in_pieces(&line, 4096).1, Some(ProtocolError::LongLine));
    assert_eq!(parse_in_pieces(&line[1..], 4096).1, None);
    // No end of the line ever comes, and it stops asking for more.
    assert_eq!(parse_in_pieces(&vec![b'x'; 2 * LINE_MAX], 4096).1, Some(ProtocolError::LongLine));
}

#[test]
fn numbers() {
    for (text, expected) in [
        ("0", Some(0)),
        ("-1", Some(-1)),
        ("9223372036854775807", Some(i64::MAX)),
        ("9223372036854775808", None),
        ("+1", None),
        ("", None),
        (" 1", None),
        ("1.0", None),
        ("x", None),
    ] {
        assert_eq!(number(text.as_bytes()), expected, "{text:?}");
    }
}
