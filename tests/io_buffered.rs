//! `BufReader`, `BufWriter`, `BufStream`: what is buffered, when it moves on, and where seeks lead.

use std::future::poll_fn;
use std::io::{Cursor, ErrorKind, IoSlice, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll};

use corelane::io::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncSeek, AsyncSeekExt, AsyncWrite, AsyncWriteExt, BufReader,
    BufStream, BufWriter, ReadBuf, Result, empty,
};

#[path = "support/io.rs"]
mod support;
use support::*;

#[test]
fn small_reads_come_out_of_the_buffer_and_large_ones_go_past_it() {
    let mut reader = BufReader::with_capacity(4, Reader::new(&[Data(b"abcdef"), Pending, Data(b"ghijklm")]));
    let mut buf = [0; 5];
    assert_eq!(run(reader.read(&mut buf[..2])).unwrap(), 2);
    assert_eq!(reader.buffer(), b"cd");
    // What is buffered comes first, even if there is room for more.
    assert_eq!(run(reader.read(&mut buf)).unwrap(), 2);
    assert_eq!(run(reader.read(&mut buf)).unwrap(), 2);
    assert_eq!((&buf[..2], reader.buffer()), (&b"ef"[..], &b""[..]));
    assert!(now(reader.read(&mut buf)).is_pending());
    assert_eq!(run(reader.read(&mut buf)).unwrap(), 5);
    assert_eq!((&buf, reader.buffer()), (b"ghijk", &b""[..]));
    assert_eq!(run(reader.fill_buf()).unwrap(), b"lm");
    reader.consume(1);
    assert_eq!(run(reader.fill_buf()).unwrap(), b"m");
    reader.consume(9);
    assert_eq!(run(reader.fill_buf()).unwrap(), b"");
}

#[test]
fn capacity_of_a_reader_is_not_zero() {
    assert_eq!(panic_of(|| BufReader::with_capacity(0, empty())), "capacity must be greater than zero");
    assert_eq!(panic_of(|| BufStream::with_capacity(0, 1, empty())), "capacity must be greater than zero");
    BufStream::with_capacity(1, 0, empty());
}

#[test]
fn seeks_count_from_what_was_consumed() {
    let mut reader = BufReader::with_capacity(4, Cursor::new(b"0123456789"));
    assert_eq!(run(reader.read_u16()).unwrap(), u16::from_be_bytes(*b"01"));
    assert_eq!(run(reader.stream_position()).unwrap(), 2);
    assert_eq!(reader.buffer(), b"");
    assert_eq!(run(reader.read_u8()).unwrap(), b'2');
    assert_eq!(run(reader.seek(SeekFrom::Current(-2))).unwrap(), 1);
    assert_eq!(run(reader.read_u8()).unwrap(), b'1');
    assert_eq!(run(reader.seek(SeekFrom::Current(5))).unwrap(), 7);
    assert_eq!(run(reader.read_u8()).unwrap(), b'7');
    assert_eq!(run(reader.seek(SeekFrom::End(-1))).unwrap(), 9);
    assert_eq!(run(reader.read_u8()).unwrap(), b'9');
    // A seek that fails leaves the buffer and the position alone.
    assert_eq!(run(reader.rewind()).unwrap(), 0);
    assert_eq!(run(reader.read_u8()).unwrap(), b'0');
    assert_eq!(run(reader.seek(SeekFrom::Current(-5))).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(reader.buffer(), b"123");
    assert_eq!(run(reader.read_u8()).unwrap(), b'1');
    // Without a seek under way, asking for completion drops nothing.
    run(poll_fn(|cx| Pin::new(&mut reader).poll_complete(cx))).unwrap();
    assert_eq!(reader.buffer(), b"23");
}

#[test]
fn a_seek_too_far_for_one_step_takes_two() {
    #[derive(Default)]
    struct Wraps {
        position: u64,
        seeks: Vec<SeekFrom>,
        busy: bool,
    }
    impl AsyncRead for Wraps {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<Result<()>> {
            self.position += buf.initialize_unfilled().len() as u64;
            buf.advance(buf.remaining());
            Poll::Ready(Ok(()))
        }
    }
    impl AsyncSeek for Wraps {
        fn start_seek(mut self: Pin<&mut Self>, position: SeekFrom) -> Result<()> {
            self.seeks.push(position);
            self.busy = true;
            match position {
                SeekFrom::Current(n) => self.position = self.position.wrapping_add_signed(n),
                SeekFrom::Start(n) => self.position = n,
                SeekFrom::End(_) => unreachable!(),
            }
            Ok(())
        }
        fn poll_complete(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<u64>> {
            if std::mem::take(&mut self.busy) { Poll::Pending } else { Poll::Ready(Ok(self.position)) }
        }
    }
    let mut reader = BufReader::with_capacity(5, Wraps::default());
    run(reader.seek(SeekFrom::Start(1 << 63))).unwrap();
    assert_eq!(run(reader.fill_buf()).unwrap().len(), 5);
    assert_eq!(run(reader.seek(SeekFrom::Current(i64::MIN))).unwrap(), 0);
    assert_eq!(reader.get_ref().seeks[1..], [SeekFrom::Current(-5), SeekFrom::Current(i64::MIN)]);
    assert_eq!(reader.buffer(), b"");
}

#[test]
fn writes_are_collected_until_they_do_not_fit() {
    let mut writer = BufWriter::with_capacity(4, Writer::default());
    assert_eq!(run(writer.write(b"ab")).unwrap(), 2);
    assert_eq!(run(writer.write(b"cd")).unwrap(), 2);
    assert_eq!((writer.buffer(), &writer.get_ref().data[..]), (&b"abcd"[..], &b""[..]));
    assert_eq!(run(writer.write(b"e")).unwrap(), 1);
    assert_eq!((writer.buffer(), &writer.get_ref().data[..]), (&b"e"[..], &b"abcd"[..]));
    assert_eq!(run(writer.write(b"fghij")).unwrap(), 5);
    assert_eq!((writer.buffer(), &writer.get_ref().data[..]), (&b""[..], &b"abcdefghij"[..]));
    assert_eq!(writer.get_ref().log, ["write"; 3]);
}

#[test]
fn flush_and_shutdown_pass_the_buffer_on_first() {
    let mut writer = BufWriter::new(Writer::new(&[Room(1), Pending, Fail(ErrorKind::Interrupted)]));
    run(writer.write_all(b"abc")).unwrap();
    assert!(now(writer.flush()).is_pending());
    assert_eq!((&writer.get_ref().data[..], writer.buffer()), (&b"a"[..], &b"abc"[..]));
    run(writer.flush()).unwrap();
    assert_eq!((&writer.get_ref().data[..], writer.buffer()), (&b"abc"[..], &b""[..]));
    run(writer.write_all(b"de")).unwrap();
    run(writer.shutdown()).unwrap();
    assert_eq!(writer.get_ref().data, b"abcde");
    assert_eq!(
        writer.get_ref().log,
        ["write", "write", "pending", "write", "write", "flush", "write", "shutdown"]
    );
}

#[test]
fn a_failed_flush_keeps_what_was_not_written() {
    let mut writer = BufWriter::new(Writer::new(&[Room(1), Room(0)]));
    run(writer.write_all(b"abc")).unwrap();
    let error = run(writer.flush()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WriteZero);
    assert_eq!(error.to_string(), "failed to write the buffered data");
    assert_eq!(writer.buffer(), b"bc");
    run(writer.flush()).unwrap();
    assert_eq!(writer.get_ref().data, b"abc");
}

#[test]
fn vectored_writes_are_collected() {
    let bufs = [&b"abc"[..], b"", b"def", b"gh"].map(IoSlice::new);
    for inner in [Writer::default(), Writer::vectored(&[])] {
        let mut writer = BufWriter::with_capacity(9, inner);
        assert!(writer.is_write_vectored());
        assert_eq!(run(writer.write_vectored(&bufs)).unwrap(), 8);
        assert_eq!((writer.buffer(), writer.get_ref().log.len()), (&b"abcdefgh"[..], 0));
    }
    // More than the buffer holds: as many whole ones as fit, or all of it past the buffer.
    let mut writer = BufWriter::with_capacity(7, Writer::default());
    assert_eq!(run(writer.write_vectored(&bufs)).unwrap(), 6);
    assert_eq!(writer.buffer(), b"abcdef");
    assert_eq!(run(writer.write_vectored(&bufs[3..])).unwrap(), 2);
    assert_eq!((writer.buffer(), &writer.get_ref().data[..]), (&b"gh"[..], &b"abcdef"[..]));
    let mut writer = BufWriter::with_capacity(7, Writer::vectored(&[Room(1), Room(5)]));
    run(writer.write_all(b"+")).unwrap();
    assert_eq!(run(writer.write_vectored(&bufs)).unwrap(), 5);
    assert_eq!((writer.buffer(), &writer.get_ref().data[..]), (&b""[..], &b"+abcde"[..]));
    assert_eq!(writer.get_ref().log, ["write", "write_vectored"]);
    // One that is too large for the buffer goes past it alone.
    let mut writer = BufWriter::with_capacity(3, Writer::default());
    assert_eq!(run(writer.write_vectored(&bufs)).unwrap(), 3);
    assert_eq!((writer.buffer(), &writer.get_ref().data[..]), (&b""[..], &b"abc"[..]));
}

#[test]
fn a_seek_flushes_the_writer_first() {
    let mut writer = BufWriter::with_capacity(8, Cursor::new(Vec::new()));
    run(writer.write_all(b"abcd")).unwrap();
    run(poll_fn(|cx| Pin::new(&mut writer).poll_complete(cx))).unwrap();
    assert_eq!(writer.buffer(), b"abcd");
    assert_eq!(run(writer.seek(SeekFrom::Start(1))).unwrap(), 1);
    run(writer.write_all(b"X")).unwrap();
    assert_eq!(run(writer.seek(SeekFrom::Current(-9))).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(run(writer.stream_position()).unwrap(), 2);
    assert_eq!(writer.into_inner().into_inner(), b"aXcd");
}

#[test]
fn a_seek_waits_for_the_write_behind() {
    /// Writes in the background: until that is done, no seek may start.
    #[derive(Default)]
    struct Background {
        data: Vec<u8>,
        busy: bool,
        sought: bool,
    }
    impl AsyncWrite for Background {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
            self.busy = true;
            self.data.extend_from_slice(buf);
            Poll::Ready(Ok(buf.len()))
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
            unreachable!()
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
            unreachable!()
        }
    }
    impl AsyncSeek for Background {
        fn start_seek(mut self: Pin<&mut Self>, _: SeekFrom) -> Result<()> {
            assert!(!self.busy, "a write is still going on");
            self.sought = true;
            Ok(())
        }
        fn poll_complete(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<u64>> {
            if std::mem::take(&mut self.busy) { Poll::Pending } else { Poll::Ready(Ok(5)) }
        }
    }
    let mut writer = BufWriter::new(Background::default());
    run(writer.write_all(b"ab")).unwrap();
    assert_eq!(run(writer.seek(SeekFrom::Start(5))).unwrap(), 5);
    assert_eq!((&writer.get_ref().data[..], writer.get_ref().sought), (&b"ab"[..], true));
}

#[test]
fn both_directions_at_once() {
    let mut stream = BufStream::with_capacity(4, 4, Cursor::new(b"0123456789".to_vec()));
    assert_eq!(run(stream.read_u8()).unwrap(), b'0');
    assert_eq!(run(stream.seek(SeekFrom::Current(1))).unwrap(), 2);
    run(stream.write_all(b"ab")).unwrap();
    assert_eq!(stream.get_ref().position(), 2);
    assert_eq!(run(stream.seek(SeekFrom::Start(0))).unwrap(), 0);
    let mut text = String::new();
    assert_eq!(run(stream.read_line(&mut text)).unwrap(), 10);
    assert_eq!(text, "01ab456789");

    // The layers may be given in either order, with what they hold.
    let mut inside = BufWriter::new(BufReader::with_capacity(4, Cursor::new(b"0123456789".to_vec())));
    assert_eq!(run(inside.read_u8()).unwrap(), b'0');
    run(inside.write_all(b"x")).unwrap();
    let mut stream = BufStream::from(inside);
    assert_eq!(run(stream.read_u8()).unwrap(), b'1');
    run(stream.flush()).unwrap();
    assert_eq!(stream.into_inner().into_inner(), b"0123x56789");
    let stream = BufStream::from(BufReader::new(BufWriter::new(empty())));
    let layers = "BufStream { inner: BufReader { reader: BufWriter { writer: Empty { .. }, buffer: 0/8192, \
                  written: 0 }, buffer: 0/8192 } }";
    assert_eq!(format!("{stream:?}"), layers);
}
