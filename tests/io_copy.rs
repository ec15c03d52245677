//! Copying: what is written when, when it is flushed, and how each direction ends.

use std::future::Future;
use std::io::ErrorKind;
use std::pin::pin;
use std::task::{Context, Poll};

use corelane::io::{
    AsyncReadExt, AsyncWriteExt, BufReader, copy, copy_bidirectional, copy_bidirectional_with_sizes,
    copy_buf, duplex, join, repeat,
};

#[path = "support/io.rs"]
mod support;
use support::*;

const INTERRUPTED: Step = Fail(ErrorKind::Interrupted);

#[test]
fn what_was_written_is_flushed_while_the_reader_waits() {
    let script = [Data(b"ab"), Pending, Pending, Data(b"c"), Data(b"d"), Pending, Data(b"e")];
    let expected = ["write", "flush", "write", "write", "flush", "write", "flush"];
    let mut writer = Writer::default();
    assert_eq!(run(copy(&mut Reader::new(&script), &mut writer)).unwrap(), 5);
    assert_eq!((&writer.data[..], &writer.log[..]), (&b"abcde"[..], &expected[..]));

    let mut writer = Writer::default();
    assert_eq!(run(copy_buf(&mut BufReader::new(Reader::new(&script)), &mut writer)).unwrap(), 5);
    assert_eq!((&writer.data[..], &writer.log[..]), (&b"abcde"[..], &expected[..]));
}

#[test]
fn nothing_is_flushed_before_anything_was_written() {
    let mut writer = Writer::default();
    assert_eq!(run(copy(&mut Reader::new(&[Pending, Pending]), &mut writer)).unwrap(), 0);
    assert_eq!(writer.log, ["flush"]);
    let mut writer = Writer::default();
    assert_eq!(run(copy_buf(&mut BufReader::new(Reader::new(&[Pending])), &mut writer)).unwrap(), 0);
    assert_eq!(writer.log, ["flush"]);
}

#[test]
fn a_slow_writer_gets_everything_in_order() {
    let room = [Room(1), Pending, INTERRUPTED, Room(2), Pending];
    let script = [Data(b"abcd"), INTERRUPTED, Data(b"ef"), Pending, Data(b"g")];
    let mut writer = Writer::new(&room);
    assert_eq!(run(copy(&mut Reader::new(&script), &mut writer)).unwrap(), 7);
    assert_eq!(writer.data, b"abcdefg");
    let mut writer = Writer::new(&room);
    assert_eq!(
        run(copy_buf(&mut BufReader::with_capacity(3, Reader::new(&script)), &mut writer)).unwrap(),
        7
    );
    assert_eq!(writer.data, b"abcdefg");
    // More than one buffer full.
    let mut writer = Writer::new(&[Room(5000), Pending]);
    assert_eq!(run(copy(&mut repeat(3).take(100_000), &mut writer)).unwrap(), 100_000);
    assert_eq!(writer.data, [3; 100_000]);
}

#[test]
fn while_the_writer_waits_more_is_read() {
    let mut reader = Reader::new(&[Data(b"ab"), Data(b"cd")]);
    let mut writer = Writer::new(&[Pending, Pending]);
    assert_eq!(run(copy(&mut reader, &mut writer)).unwrap(), 4);
    // All four bytes in one write: the second read came before the writer had room.
    assert_eq!(writer.log, ["write", "pending", "write", "pending", "write", "flush"]);
}

#[test]
fn who_has_to_be_read_from_may_be_who_has_to_read() {
    let (mut near, mut reader) = duplex(1);
    let (mut writer, _far) = duplex(1);
    let (wakes, waker) = Wakes::new();
    let mut copying = pin!(copy(&mut reader, &mut writer));
    for woken in 0..100 {
        assert!(copying.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert!(matches!(now(near.write(b"x")), Poll::Ready(Ok(1))), "the copy has made room");
        assert_eq!(wakes.count(), woken + 1, "the copy waits for its reader too");
    }
}

#[test]
fn errors_end_a_copy() {
    let error = run(copy(&mut &b"ab"[..], &mut Writer::new(&[Room(1), Room(0)]))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WriteZero);
    assert_eq!(error.to_string(), "write zero byte into writer");
    let error = run(copy_buf(&mut &b"ab"[..], &mut Writer::new(&[Room(0)]))).unwrap_err();
    assert_eq!((error.kind(), error.get_ref().is_none()), (ErrorKind::WriteZero, true));
    let mut failing = Reader::new(&[Data(b"a"), Fail(ErrorKind::TimedOut)]);
    assert_eq!(run(copy(&mut failing, &mut Writer::default())).unwrap_err().kind(), ErrorKind::TimedOut);
    let mut writer = Writer::new(&[Fail(ErrorKind::BrokenPipe)]);
    assert_eq!(run(copy(&mut &b"a"[..], &mut writer)).unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[test]
fn each_direction_ends_on_its_own() {
    let (mut client, mut near) = duplex(16);
    let (mut far, mut server) = duplex(16);
    let mut both = std::pin::pin!(copy_bidirectional(&mut near, &mut far));

    run(client.write_all(b"ask")).unwrap();
    run(client.shutdown()).unwrap();
    assert!(now(both.as_mut()).is_pending());
    // The question and its end have arrived, and the answer still gets through.
    let mut asked = String::new();
    assert_eq!(run(server.read_to_string(&mut asked)).unwrap(), 3);
    run(server.write_all(b"answer")).unwrap();
    assert!(now(both.as_mut()).is_pending());
    let mut answer = [0; 6];
    run(client.read_exact(&mut answer)).unwrap();
    assert_eq!((&asked[..], &answer), ("ask", b"answer"));

    run(server.shutdown()).unwrap();
    assert_eq!(run(both).unwrap(), (3, 6));
    assert_eq!(run(client.read(&mut answer)).unwrap(), 0);
}

#[test]
fn each_end_is_flushed_then_shut_down_once() {
    let mut a = join(Reader::new(&[Data(b"ab")]), Writer::new(&[Pending]));
    let mut b = join(Reader::new(&[Pending, Data(b"c"), Pending]), Writer::default());
    assert_eq!(run(copy_bidirectional_with_sizes(&mut a, &mut b, 1, 1)).unwrap(), (2, 1));
    assert_eq!(b.writer().log, ["write", "write", "flush", "shutdown"]);
    // Once while the reader paused, once more at the end.
    assert_eq!(a.writer().log, ["write", "pending", "write", "flush", "flush", "shutdown"]);
    assert_eq!((&a.writer().data[..], &b.writer().data[..]), (&b"c"[..], &b"ab"[..]));
}

#[test]
fn an_error_in_one_direction_ends_both() {
    let mut a = join(Reader::new(&[Pending]), Writer::default());
    let mut b = join(Reader::new(&[Fail(ErrorKind::ConnectionReset)]), Writer::default());
    let error = run(copy_bidirectional(&mut a, &mut b)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn buffers_are_not_empty() {
    let (mut a, mut b) = duplex(1);
    let message = panic_of(|| run(copy_bidirectional_with_sizes(&mut a, &mut b, 0, 1)));
    assert_eq!(message, "`a_to_b_buf_size` must be greater than 0");
    let message = panic_of(|| run(copy_bidirectional_with_sizes(&mut a, &mut b, 1, 0)));
    assert_eq!(message, "`b_to_a_buf_size` must be greater than 0");
}
