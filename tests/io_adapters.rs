//! Limits, chains, pairs, and what splits a stream at delimiters.

use std::io::{Cursor, ErrorKind};
use std::pin::Pin;
use std::str::Utf8Error;
use std::string::FromUtf8Error;
use std::task::{Context, Poll};

use corelane::io::{
    AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader, ReadBuf, join, repeat,
};

#[path = "support/io.rs"]
mod support;
use support::*;

#[test]
fn take_ends_at_its_limit() {
    let mut buf = [0; 9];
    let mut taken = Reader::new(&[Data(b"abc"), Data(b"defg")]).take(5);
    assert_eq!(run(taken.read(&mut buf)).unwrap(), 3);
    assert_eq!(taken.limit(), 2);
    assert_eq!(run(taken.read(&mut buf)).unwrap(), 2);
    assert_eq!(&buf[..3], b"dec");
    // At the limit the reader is not asked.
    taken.set_limit(0);
    assert_eq!(run(taken.read(&mut buf)).unwrap(), 0);
    taken.set_limit(u64::MAX);
    assert_eq!(run(taken.read(&mut buf)).unwrap(), 2);
    assert_eq!(run(Reader::new(&[Fail(ErrorKind::Other)]).take(0).read(&mut buf)).unwrap(), 0);

    let mut all = Vec::new();
    assert_eq!(run(repeat(1).take(10_000).read_to_end(&mut all)).unwrap(), 10_000);
}

#[test]
fn take_adds_to_what_is_filled_and_keeps_what_is_initialized() {
    let mut memory = [b'.'; 8];
    let mut buf = ReadBuf::new(&mut memory);
    buf.put_slice(b"AB");
    let mut taken = (&b"hello"[..]).take(3);
    let polled = Pin::new(&mut taken).poll_read(&mut Context::from_waker(std::task::Waker::noop()), &mut buf);
    assert!(matches!(polled, Poll::Ready(Ok(()))));
    assert_eq!((buf.filled(), buf.initialized()), (&b"ABhel"[..], &b"ABhel..."[..]));
}

#[test]
fn take_passes_on_what_is_initialized() {
    /// Initializes four bytes, uses one, and notes how many were initialized before.
    struct Generous(Vec<usize>);
    impl AsyncRead for Generous {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<corelane::io::Result<()>> {
            self.0.push(buf.initialized().len());
            buf.initialize_unfilled_to(4)[0] = b'x';
            buf.advance(1);
            Poll::Ready(Ok(()))
        }
    }
    let mut memory = [std::mem::MaybeUninit::uninit(); 8];
    let mut buf = ReadBuf::uninit(&mut memory);
    let mut taken = Generous(Vec::new()).take(5);
    for initialized in [4, 5] {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(Pin::new(&mut taken).poll_read(&mut cx, &mut buf).is_ready());
        assert_eq!(buf.initialized().len(), initialized);
    }
    assert_eq!((buf.filled(), &taken.get_ref().0[..]), (&b"xx"[..], &[0, 3][..]));

    // Never more than the limit lets through.
    let mut memory = [0; 8];
    let mut taken = Generous(Vec::new()).take(4);
    assert_eq!(run(taken.read(&mut memory)).unwrap(), 1);
    assert_eq!(taken.get_ref().0, [4]);
}

#[test]
fn take_limits_the_buffer_it_shows() {
    let mut taken = (&b"abcdef"[..]).take(4);
    assert_eq!(run(taken.fill_buf()).unwrap(), b"abcd");
    taken.consume(3);
    assert_eq!(run(taken.fill_buf()).unwrap(), b"d");
    // More than was shown cannot be consumed.
    taken.consume(9);
    assert_eq!((taken.limit(), run(taken.fill_buf()).unwrap()), (0, &b""[..]));
    assert_eq!(taken.into_inner(), b"ef");
}

#[test]
fn chain_goes_on_with_the_second() {
    let mut text = String::new();
    let first = Reader::new(&[Data(b"ab"), Pending, Data(b"c")]);
    let mut chain = first.chain(Reader::new(&[Data(b"de")]));
    // A read without room is no end.
    assert_eq!(run(chain.read(&mut [])).unwrap(), 0);
    assert_eq!(run(chain.read_to_string(&mut text)).unwrap(), 5);
    assert_eq!(text, "abcde");

    let mut chain = (&b"ab"[..]).chain(&b"c\nd"[..]);
    assert_eq!(run(chain.read_line(&mut text)).unwrap(), 4);
    assert_eq!((&text[..], chain.get_ref()), ("abcdeabc\n", (&&b""[..], &&b"d"[..])));
    assert_eq!(format!("{chain:?}"), "Chain { t: [], u: [100] }");
}

#[test]
fn join_reads_here_and_writes_there() {
    let mut both = join(&b"abc"[..], Writer::vectored(&[]));
    assert_eq!(run(both.read_u8()).unwrap(), b'a');
    run(both.write_all(b"xy")).unwrap();
    assert_eq!(run(both.fill_buf()).unwrap(), b"bc");
    let (reader, writer) = both.into_inner();
    assert_eq!((reader, &writer.data[..]), (&b"bc"[..], &b"xy"[..]));
}

#[test]
fn read_until_stops_behind_the_delimiter() {
    let mut bytes = b"> ".to_vec();
    let mut reader = BufReader::new(Reader::new(&[
        Data(b"ab"),
        Fail(ErrorKind::Interrupted),
        Pending,
        Data(b"c,,d"),
        Fail(ErrorKind::TimedOut),
        Data(b"e"),
    ]));
    assert_eq!(run(reader.read_until(b',', &mut bytes)).unwrap(), 4);
    assert_eq!(bytes, b"> abc,");
    assert_eq!(run(reader.read_until(b',', &mut bytes)).unwrap(), 1);
    assert_eq!(run(reader.read_until(b',', &mut bytes)).unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(run(reader.read_until(b',', &mut bytes)).unwrap(), 1);
    assert_eq!(bytes, b"> abc,,de");
    assert_eq!(run(reader.read_until(b',', &mut bytes)).unwrap(), 0);
}

#[test]
fn read_line_keeps_text_and_only_text() {
    let mut line = "> ".to_string();
    let mut cursor = Cursor::new(b"one\r\ntw\xffo\nthree");
    assert_eq!(run(cursor.read_line(&mut line)).unwrap(), 5);
    assert_eq!(line, "> one\r\n");
    let error = run(cursor.read_line(&mut line)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert_eq!(error.into_inner().unwrap().downcast::<Utf8Error>().unwrap().valid_up_to(), 9);
    assert_eq!(line, "> one\r\n");
    assert_eq!(run(cursor.read_line(&mut line)).unwrap(), 5);
    assert_eq!(run(cursor.read_line(&mut line)).unwrap(), 0);
    assert_eq!(line, "> one\r\nthree");

    let mut reader = BufReader::new(Reader::new(&[Data(b"ab"), Fail(ErrorKind::TimedOut), Data(b"\xff")]));
    line.clear();
    assert_eq!(run(reader.read_line(&mut line)).unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(line, "ab");
    let mut reader = BufReader::new(Reader::new(&[Data(b"\xff"), Fail(ErrorKind::TimedOut)]));
    // Both go wrong: the stream's error is told, and the string is as it was.
    assert_eq!(run(reader.read_line(&mut line)).unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(line, "ab");
}

#[test]
fn lines_lose_their_ends() {
    let mut lines = (&b"a\r\n\n\rb\r\r\nlast\r"[..]).lines();
    for expected in ["a", "", "\rb\r", "last\r"] {
        assert_eq!(run(lines.next_line()).unwrap().as_deref(), Some(expected));
    }
    assert_eq!(run(lines.next_line()).unwrap(), None);
}

#[test]
fn lines_survive_errors_and_cancelling() {
    let mut lines = BufReader::new(Reader::new(&[
        Data(b"ab\xc3"),
        Fail(ErrorKind::TimedOut),
        Data(b"\xa9"),
        Pending,
        Data(b"c\n\xffx\r\nd"),
    ]))
    .lines();
    assert_eq!(run(lines.next_line()).unwrap_err().kind(), ErrorKind::TimedOut);
    // `now` drops the future at its first pause.
    assert!(now(lines.next_line()).is_pending());
    assert_eq!(run(lines.next_line()).unwrap().as_deref(), Some("abéc"));
    let error = run(lines.next_line()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert_eq!(error.into_inner().unwrap().downcast::<FromUtf8Error>().unwrap().into_bytes(), b"\xffx");
    assert_eq!(run(lines.next_line()).unwrap().as_deref(), Some("d"));
    assert_eq!(run(lines.next_line()).unwrap(), None);
    assert!(lines.get_ref().buffer().is_empty());
}

#[test]
fn split_gives_the_pieces_between() {
    let mut pieces =
        BufReader::new(Reader::new(&[Data(b"a,"), Pending, Data(b",b\n"), Data(b"c")])).split(b',');
    for expected in [&b"a"[..], b"", b"b\nc"] {
        assert_eq!(run(pieces.next_segment()).unwrap().as_deref(), Some(expected));
    }
    assert_eq!(run(pieces.next_segment()).unwrap(), None);
    // A delimiter at the end leaves no empty piece behind it.
    let mut pieces = AsyncBufReadExt::split(&b"a,"[..], b',');
    assert_eq!(run(pieces.next_segment()).unwrap(), Some(b"a".to_vec()));
    assert_eq!(run(pieces.next_segment()).unwrap(), None);
}

#[test]
fn fill_buf_reads_once_and_lends_for_as_long_as_asked() {
    // Ready every other time: a second look at the buffer within one poll would see `Pending`.
    struct EveryOther(bool);
    impl AsyncRead for EveryOther {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<corelane::io::Result<()>> {
            unreachable!()
        }
    }
    impl AsyncBufRead for EveryOther {
        fn poll_fill_buf(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<corelane::io::Result<&[u8]>> {
            self.0 = !self.0;
            if self.0 { Poll::Pending } else { Poll::Ready(Ok(b"data")) }
        }
        fn consume(self: Pin<&mut Self>, _: usize) {}
    }
    fn lend(reader: &mut EveryOther) -> &[u8] {
        run(reader.fill_buf()).unwrap()
    }
    assert_eq!(lend(&mut EveryOther(false)), b"data");
}
