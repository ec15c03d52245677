//! The methods to `.await`: counts, ends, interruptions, errors, and use through `dyn`.

use std::io::{Cursor, ErrorKind, IoSlice, SeekFrom};
use std::pin::Pin;
use std::str::Utf8Error;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use corelane::io::{
    AsyncRead, AsyncReadExt, AsyncSeek, AsyncSeekExt, AsyncWrite, AsyncWriteExt, ReadBuf, Result, empty,
    repeat, sink,
};

#[path = "support/io.rs"]
mod support;
use support::*;

const INTERRUPTED: Step = Fail(ErrorKind::Interrupted);

#[test]
fn read_makes_one_read() {
    let mut reader = Reader::new(&[Pending, Data(b"ab"), INTERRUPTED, Data(b"c")]);
    let mut buf = [0; 4];
    assert!(now(reader.read(&mut buf)).is_pending());
    assert_eq!(run(reader.read(&mut buf)).unwrap(), 2);
    assert_eq!(run(reader.read(&mut buf)).unwrap_err().kind(), ErrorKind::Interrupted);
    assert_eq!(run(reader.read(&mut buf)).unwrap(), 1);
    assert_eq!(run(reader.read(&mut buf)).unwrap(), 0);
}

#[test]
fn read_exact_fills_or_fails() {
    let mut buf = [0; 5];
    let mut reader = Reader::new(&[Data(b"ab"), Pending, INTERRUPTED, Data(b"cdef")]);
    assert_eq!(run(reader.read_exact(&mut buf)).unwrap(), 5);
    assert_eq!(&buf, b"abcde");
    // No room: the reader is left alone.
    assert_eq!(run(Reader::new(&[Fail(ErrorKind::Other)]).read_exact(&mut [])).unwrap(), 0);

    let error = run(reader.read_exact(&mut buf)).unwrap_err();
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::UnexpectedEof, "early eof".to_string()));
}

#[test]
fn read_buf_moves_the_cursor() {
    let mut buf = BytesMut::new();
    let mut reader = Reader::new(&[Data(b"hello"), Data(b" world")]);
    assert_eq!(run(reader.read_buf(&mut buf)).unwrap(), 5);
    assert_eq!(run(reader.read_buf(&mut buf)).unwrap(), 6);
    assert_eq!(run(reader.read_buf(&mut buf)).unwrap(), 0);
    assert_eq!(buf, "hello world");

    let mut fixed = [0; 2];
    let mut room = &mut fixed[..];
    let mut reader = Reader::new(&[Data(b"abc")]);
    assert_eq!(run(reader.read_buf(&mut room)).unwrap(), 2);
    assert_eq!(run(reader.read_u8()).unwrap(), b'c');
    // Full: the reader is left alone.
    assert_eq!(run(Reader::new(&[Fail(ErrorKind::Other)]).read_buf(&mut room)).unwrap(), 0);
}

#[test]
#[should_panic(expected = "exchanged the buffer")]
fn a_reader_that_swaps_the_buffer_is_caught() {
    struct Swaps;
    impl AsyncRead for Swaps {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<Result<()>> {
            *buf = ReadBuf::new(Box::leak(Box::new([1; 16])));
            buf.advance(16);
            Poll::Ready(Ok(()))
        }
    }
    let _ = run(Swaps.read_buf(&mut Vec::with_capacity(16)));
}

#[test]
fn read_to_end_appends() {
    let mut buf = b"> ".to_vec();
    let mut reader = Reader::new(&[Data(b"ab"), INTERRUPTED, Pending, Data(b"cd")]);
    assert_eq!(run(reader.read_to_end(&mut buf)).unwrap(), 4);
    assert_eq!(buf, b"> abcd");

    let mut reader = Reader::new(&[Data(b"ef"), Fail(ErrorKind::TimedOut)]);
    assert_eq!(run(reader.read_to_end(&mut buf)).unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(buf, b"> abcdef");
}

#[test]
fn read_to_end_does_not_grow_a_vector_that_fits() {
    let data = [9; 100];
    for capacity in 100..140 {
        let mut buf = Vec::with_capacity(capacity);
        assert_eq!(run((&data[..]).read_to_end(&mut buf)).unwrap(), 100);
        assert_eq!((&buf[..], buf.capacity()), (&data[..], capacity));
    }
    let mut buf = Vec::with_capacity(50);
    assert_eq!(run((&data[..]).read_to_end(&mut buf)).unwrap(), 100);
    assert_eq!(buf, data);
}

#[test]
fn read_to_end_zeroes_no_byte_twice() {
    // Initializes all it is given, uses one byte of it, and checks that the rest is known the next time.
    struct Checks(usize);
    impl AsyncRead for Checks {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<Result<()>> {
            assert_eq!(buf.initialized().len(), if self.0 == 0 { 0 } else { buf.capacity() });
            self.0 += 1;
            buf.initialize_unfilled();
            if self.0 < 20 {
                buf.advance(1);
            }
            Poll::Ready(Ok(()))
        }
    }
    let mut buf = Vec::with_capacity(64);
    assert_eq!(run(Checks(0).read_to_end(&mut buf)).unwrap(), 19);
}

#[test]
fn read_to_string_keeps_what_was_there() {
    let mut text = "é".to_string();
    assert_eq!(run(Reader::new(&[Data(b"a\xc3"), Data(b"\xa9")]).read_to_string(&mut text)).unwrap(), 3);
    assert_eq!(text, "éaé");

    let error = run(Reader::new(&[Data(b"ok\xff")]).read_to_string(&mut text)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    // The position counts from the start of the string, not from the first byte read.
    let error = error.into_inner().unwrap().downcast::<Utf8Error>().unwrap();
    assert_eq!((error.valid_up_to(), &text[..]), (7, "éaé"));

    let mut reader = Reader::new(&[Data(b"ok"), Fail(ErrorKind::TimedOut)]);
    assert_eq!(run(reader.read_to_string(&mut text)).unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(text, "éaé");
}

macro_rules! numbers {
    ($($read:ident $write:ident $value:expr, $bytes:expr;)*) => {$(
        let mut written = Writer::new(&[Room(1), Pending, INTERRUPTED]);
        run(written.$write($value)).unwrap();
        assert_eq!(written.data, $bytes, stringify!($write));
        let (first, rest) = const { (&$bytes).split_at(1) };
        let mut reader = Reader::new(&[INTERRUPTED, Data(first), Pending, Data(rest), Data(b"more")]);
        assert_eq!(run(reader.$read()).unwrap(), $value, stringify!($read));
        assert_eq!(run(reader.read(&mut [0; 9])).unwrap(), 4 , stringify!($read));
        let short = run((&$bytes[1..]).$read()).unwrap_err();
        assert_eq!((short.kind(), short.get_ref().is_none()), (ErrorKind::UnexpectedEof, true));
        let full = run(Writer::new(&[Room(0)]).$write($value)).unwrap_err();
        assert_eq!((full.kind(), full.get_ref().is_none()), (ErrorKind::WriteZero, true));
    )*};
}

#[test]
fn numbers_go_both_ways() {
    numbers! {
        read_u8 write_u8 0xFE, [0xFE];
        read_i8 write_i8 -2, [0xFE];
        read_u16 write_u16 0x0102, [1, 2];
        read_i16 write_i16 -2, [0xFF, 0xFE];
        read_u32 write_u32 0x01020304, [1, 2, 3, 4];
        read_i32 write_i32 -2, [0xFF, 0xFF, 0xFF, 0xFE];
        read_u64 write_u64 0x0102030405060708, [1, 2, 3, 4, 5, 6, 7, 8];
        read_i64 write_i64 i64::MIN, [0x80, 0, 0, 0, 0, 0, 0, 0];
        read_u128 write_u128 1, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        read_i128 write_i128 i128::MIN, [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        read_f32 write_f32 -2.0, [0xC0, 0, 0, 0];
        read_f64 write_f64 -2.0, [0xC0, 0, 0, 0, 0, 0, 0, 0];
        read_u16_le write_u16_le 0x0102, [2, 1];
        read_i16_le write_i16_le -2, [0xFE, 0xFF];
        read_u32_le write_u32_le 0x01020304, [4, 3, 2, 1];
        read_i32_le write_i32_le -2, [0xFE, 0xFF, 0xFF, 0xFF];
        read_u64_le write_u64_le 0x0102030405060708, [8, 7, 6, 5, 4, 3, 2, 1];
        read_i64_le write_i64_le i64::MIN, [0, 0, 0, 0, 0, 0, 0, 0x80];
        read_u128_le write_u128_le 1, [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        read_i128_le write_i128_le i128::MIN, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80];
        read_f32_le write_f32_le -2.0, [0, 0, 0, 0xC0];
        read_f64_le write_f64_le -2.0, [0, 0, 0, 0, 0, 0, 0, 0xC0];
    }
}

#[test]
fn write_all_writes_all_or_fails() {
    let mut writer = Writer::new(&[Room(2), INTERRUPTED, Pending, Room(1)]);
    run(writer.write_all(b"hello")).unwrap();
    assert_eq!(writer.data, b"hello");

    let mut writer = Writer::new(&[Room(2), Room(0)]);
    let error = run(writer.write_all(b"hello")).unwrap_err();
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::WriteZero, "write zero".to_string()));
    run(Writer::new(&[Room(0)]).write_all(b"")).unwrap();

    let mut space = [0; 2];
    let mut cursor = Cursor::new(&mut space[..]);
    assert_eq!(run(cursor.write_all(b"abc")).unwrap_err().kind(), ErrorKind::WriteZero);
    assert_eq!(&space, b"ab");
}

#[test]
fn write_makes_one_write() {
    let mut writer = Writer::new(&[Room(2), INTERRUPTED]);
    assert_eq!(run(writer.write(b"abc")).unwrap(), 2);
    assert_eq!(run(writer.write(b"abc")).unwrap_err().kind(), ErrorKind::Interrupted);
    run(writer.flush()).unwrap();
    run(writer.shutdown()).unwrap();
    assert_eq!(writer.log, ["write", "write", "flush", "shutdown"]);
}

#[test]
fn write_vectored_without_support_takes_the_first_that_holds_something() {
    struct Plain(Vec<u8>);
    impl AsyncWrite for Plain {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
            self.0.extend_from_slice(buf);
            Poll::Ready(Ok(buf.len()))
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
            Poll::Ready(Ok(()))
        }
    }
    let bufs = [IoSlice::new(b""), IoSlice::new(b"ab"), IoSlice::new(b"cd")];
    let mut plain = Plain(Vec::new());
    assert!(!plain.is_write_vectored());
    assert_eq!(run(plain.write_vectored(&bufs)).unwrap(), 2);
    assert_eq!(run(plain.write_vectored(&[])).unwrap(), 0);
    assert_eq!(plain.0, b"ab");
    let mut vec = Vec::new();
    assert_eq!(run(vec.write_vectored(&bufs)).unwrap(), 4);
    assert_eq!(vec, b"abcd");
}

#[test]
fn write_buf_hands_over_pieces_where_they_are_wanted() {
    let pieces = || Bytes::from_static(b"hello").chain(Bytes::from_static(b" world"));
    let (mut plain, mut src) = (Writer::new(&[Room(3)]), pieces());
    assert_eq!(run(plain.write_buf(&mut src)).unwrap(), 3);
    assert_eq!((src.remaining(), &plain.log[..]), (8, &["write"][..]));

    let (mut vectored, mut src) = (Writer::vectored(&[Room(7), INTERRUPTED]), pieces());
    run(vectored.write_all_buf(&mut src)).unwrap();
    assert_eq!((src.remaining(), &vectored.data[..]), (0, &b"hello world"[..]));
    assert_eq!(vectored.log, ["write_vectored"; 3]);

    // Used up: nothing is asked of the writer.
    assert_eq!(run(Writer::new(&[Fail(ErrorKind::Other)]).write_buf(&mut src)).unwrap(), 0);

    let mut src = pieces();
    let error = run(Writer::new(&[Room(3), Room(0)]).write_all_buf(&mut src)).unwrap_err();
    assert_eq!((error.kind(), src.remaining()), (ErrorKind::WriteZero, 8));
}

#[test]
fn seek_waits_for_what_went_before() {
    #[derive(Default)]
    struct Slow {
        log: Vec<&'static str>,
        busy: bool,
    }
    impl AsyncSeek for Slow {
        fn start_seek(mut self: Pin<&mut Self>, _: SeekFrom) -> Result<()> {
            assert!(!self.busy);
            self.busy = true;
            self.log.push("start");
            Ok(())
        }
        fn poll_complete(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<u64>> {
            if std::mem::take(&mut self.busy) {
                self.log.push("busy");
                return Poll::Pending;
            }
            self.log.push("done");
            Poll::Ready(Ok(7))
        }
    }
    let mut slow = Slow { busy: true, ..Slow::default() };
    assert_eq!(run(slow.seek(SeekFrom::Start(3))).unwrap(), 7);
    assert_eq!(slow.log, ["busy", "done", "start", "busy", "done"]);

    let mut cursor = Cursor::new(b"0123456789");
    assert_eq!(run(cursor.seek(SeekFrom::End(-3))).unwrap(), 7);
    assert_eq!(run(cursor.read_u8()).unwrap(), b'7');
    assert_eq!(run(cursor.stream_position()).unwrap(), 8);
    assert_eq!(run(cursor.seek(SeekFrom::Current(-9))).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(run(cursor.rewind()).unwrap(), 0);
}

#[test]
fn nothing_in_nothing_out() {
    let mut buf = [0; 3];
    assert_eq!(run(empty().read(&mut buf)).unwrap(), 0);
    assert_eq!(run(empty().seek(SeekFrom::Start(9))).unwrap(), 0);
    assert_eq!(run(repeat(7).read(&mut buf)).unwrap(), 3);
    assert_eq!(buf, [7; 3]);
    let bufs = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"c")];
    assert_eq!(run(sink().write_vectored(&bufs)).unwrap(), 3);
    assert_eq!(run(empty().write_vectored(&bufs)).unwrap(), 3);
    assert!(sink().is_write_vectored() && empty().is_write_vectored());
    assert_eq!(
        format!("{:?} {:?} {:?}", empty(), sink(), repeat(1)),
        "Empty { .. } Sink { .. } Repeat { byte: 1 }"
    );
}

#[test]
fn streams_behind_pointers_and_dyn() {
    let mut slice = &b"abcdefgh"[..];
    let plain: &mut (dyn AsyncRead + Unpin) = &mut slice;
    assert_eq!(run(plain.read_u8()).unwrap(), b'a');
    let mut buf = [0; 1];
    assert_eq!(run(plain.read(&mut buf)).unwrap(), 1);
    assert_eq!(run(plain.read_buf(&mut &mut buf[..])).unwrap(), 1);

    let mut boxed: Box<dyn AsyncRead + Unpin> = Box::new(plain);
    assert_eq!(run(boxed.read_u8()).unwrap(), b'd');
    let mut pinned: Pin<Box<dyn AsyncRead>> = Box::pin(boxed.take(2));
    assert_eq!(run(pinned.read_u8()).unwrap(), b'e');
    let mut again: Pin<&mut dyn AsyncRead> = pinned.as_mut();
    assert_eq!(run(again.read_u8()).unwrap(), b'f');
    assert_eq!(run(again.read(&mut buf)).unwrap(), 0);

    let mut vec = Vec::new();
    let writer: &mut (dyn AsyncWrite + Unpin) = &mut vec;
    assert!(writer.is_write_vectored());
    run(writer.write_all(b"ab")).unwrap();
    run(writer.write_u8(b'c')).unwrap();
    let mut pinned: Pin<Box<dyn AsyncWrite + '_>> = Box::pin(writer);
    run(pinned.write_all_buf(&mut &b"de"[..])).unwrap();
    run(pinned.shutdown()).unwrap();
    drop(pinned);
    assert_eq!(vec, b"abcde");
}
