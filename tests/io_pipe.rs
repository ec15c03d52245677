//! Pipes within the process and the halves of a split stream: room, wakeups, ends.

use std::future::Future;
use std::io::{Cursor, ErrorKind, IoSlice};
use std::marker::PhantomPinned;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use corelane::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, Result, SimplexStream, duplex,
    simplex, split,
};

#[path = "support/io.rs"]
mod support;
use support::*;

#[test]
fn what_is_written_here_is_read_there() {
    let (mut a, mut b) = duplex(8);
    let mut buf = [0; 8];
    run(a.write_all(b"ping")).unwrap();
    run(b.write_all(b"pong!")).unwrap();
    assert_eq!(run(b.read(&mut buf)).unwrap(), 4);
    assert_eq!(&buf[..4], b"ping");
    assert_eq!(run(a.read(&mut buf)).unwrap(), 5);
    assert_eq!(&buf[..5], b"pong!");
}

#[test]
fn a_full_pipe_takes_what_fits_and_then_waits() {
    let (mut a, mut b) = duplex(4);
    let bufs = [&b"ab"[..], b"", b"cdef"].map(IoSlice::new);
    assert_eq!(run(a.write_vectored(&bufs)).unwrap(), 4);
    let (wakes, waker) = Wakes::new();
    {
        let mut write = pin!(a.write(b"ghijkl"));
        assert!(write.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(wakes.count(), 0);
        assert_eq!(run(b.read(&mut [0; 3])).unwrap(), 3);
        assert_eq!(wakes.count(), 1);
        assert_eq!(run(write).unwrap(), 3);
    }
    // Around the end of the ring, in order.
    let mut buf = [0; 4];
    assert_eq!(run(b.read(&mut buf)).unwrap(), 4);
    assert_eq!(&buf, b"dghi");
    // The waker was used up: a further read wakes nobody.
    assert_eq!((wakes.count(), a.is_write_vectored()), (1, true));
}

#[test]
fn a_reader_is_woken_by_data_and_by_the_end() {
    let (mut a, mut b) = duplex(4);
    let (wakes, waker) = Wakes::new();
    let mut buf = [0; 4];
    assert!(pin!(b.read(&mut buf)).poll(&mut Context::from_waker(&waker)).is_pending());
    // Nothing came, so nobody is woken.
    assert_eq!(run(a.write(b"")).unwrap(), 0);
    assert_eq!(wakes.count(), 0);
    run(a.write_all(b"x")).unwrap();
    assert_eq!(wakes.count(), 1);
    assert_eq!(run(b.read(&mut buf)).unwrap(), 1);

    assert!(pin!(b.read(&mut buf)).poll(&mut Context::from_waker(&waker)).is_pending());
    run(a.shutdown()).unwrap();
    assert_eq!(wakes.count(), 2);
    assert_eq!(run(b.read(&mut buf)).unwrap(), 0);
    // The way back is open, and this one is closed for good.
    run(b.write_all(b"y")).unwrap();
    assert_eq!(run(a.read(&mut buf)).unwrap(), 1);
    assert_eq!(run(a.write(b"z")).unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!(run(a.write(b"")).unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[test]
fn dropping_an_end_closes_both_directions() {
    let (mut a, mut b) = duplex(2);
    let (wakes, waker) = Wakes::new();
    run(a.write_all(b"ab")).unwrap();
    run(b.write_all(b"cd")).unwrap();
    assert!(pin!(b.write_all(b"e")).poll(&mut Context::from_waker(&waker)).is_pending());
    drop(a);
    assert_eq!(wakes.count(), 1);
    assert_eq!(run(b.write(b"e")).unwrap_err().kind(), ErrorKind::BrokenPipe);
    let mut rest = Vec::new();
    assert_eq!(run(b.read_to_end(&mut rest)).unwrap(), 2);
    assert_eq!(rest, b"ab");
    run(b.flush()).unwrap();
    run(b.shutdown()).unwrap();

    let (mut a, b) = duplex(2);
    assert!(pin!(a.read_u8()).poll(&mut Context::from_waker(&waker)).is_pending());
    drop(b);
    assert_eq!(wakes.count(), 2);
}

#[test]
fn no_room_to_read_into_is_no_reason_to_wait() {
    let (mut a, _b) = duplex(1);
    assert!(matches!(now(a.read(&mut [])), Poll::Ready(Ok(0))));
    run(a.write_all(b"x")).unwrap();
    assert!(matches!(now(a.write(b"")), Poll::Ready(Ok(0))));
    assert!(now(a.write(b"y")).is_pending());
}

/// Reads from the pipe when it is woken, and closes an end of it when it is dropped.
struct Reenters(Mutex<DuplexStream>);

impl Wake for Reenters {
    fn wake(self: Arc<Self>) {
        let mut stream = self.0.try_lock().unwrap();
        assert!(now(stream.read(&mut [0; 9])).is_ready());
    }
}

#[test]
fn wakers_run_and_are_dropped_outside_the_lock() {
    let (mut a, b) = duplex(4);
    let reenters = Arc::new(Reenters(Mutex::new(b)));
    let waker = Waker::from(Arc::clone(&reenters));
    let polled = Pin::new(&mut *reenters.0.lock().unwrap())
        .poll_read(&mut Context::from_waker(&waker), &mut ReadBuf::new(&mut [0; 1]));
    assert!(polled.is_pending());
    // The waker reads what is being written: with the lock held it would wait for itself.
    run(a.write_all(b"abcd")).unwrap();
    assert!(matches!(now(a.write(b"efgh")), Poll::Ready(Ok(4))));

    // The last reference to the other end is a waker that another one replaces: its drop closes the pipe.
    let (mut a, b) = duplex(4);
    let owner = Waker::from(Arc::new(Reenters(Mutex::new(b))));
    let mut buf = [0; 1];
    let mut read = pin!(a.read(&mut buf));
    assert!(read.as_mut().poll(&mut Context::from_waker(&owner)).is_pending());
    drop(owner);
    assert!(now(read.as_mut()).is_pending());
    assert_eq!(run(read).unwrap(), 0);
}

#[test]
fn a_waker_that_panics_keeps_neither_direction_open() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker that panics");
        }
    }
    let (a, mut b) = duplex(1);
    run(b.write_all(b"x")).unwrap();
    let panics = Waker::from(Arc::new(Panics));
    assert!(pin!(b.read(&mut [0])).poll(&mut Context::from_waker(&panics)).is_pending());
    let (wakes, waker) = Wakes::new();
    assert!(pin!(b.write(b"y")).poll(&mut Context::from_waker(&waker)).is_pending());
    drop(a);
    assert_eq!(wakes.count(), 1);
    assert_eq!(run(b.write(b"y")).unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[test]
fn simplex_ends_at_shutdown_only() {
    let (mut reader, mut writer) = simplex(4);
    run(writer.write_all(b"abc")).unwrap();
    let (wakes, waker) = Wakes::new();
    {
        let mut rest = pin!(writer.write_all(b"def"));
        assert!(rest.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(run(reader.read(&mut [0; 4])).unwrap(), 4);
        assert_eq!(wakes.count(), 1);
        run(rest).unwrap();
    }
    assert_eq!(run(reader.read_u16()).unwrap(), u16::from_be_bytes(*b"ef"));
    assert!(pin!(reader.read_u8()).poll(&mut Context::from_waker(&waker)).is_pending());
    run(writer.shutdown()).unwrap();
    assert_eq!(wakes.count(), 2);
    assert_eq!(run(writer.write(b"x")).unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!(run(reader.read(&mut [0])).unwrap(), 0);

    let (mut reader, writer) = simplex(4);
    drop(writer);
    assert!(now(reader.read_u8()).is_pending());
    let (reader, mut writer) = simplex(4);
    drop(reader);
    run(writer.write_all(b"abcd")).unwrap();

    let mut both = SimplexStream::new_unsplit(2);
    run(both.write_all(b"ab")).unwrap();
    assert!(now(both.write(b"c")).is_pending());
    assert_eq!(run(both.read_u16()).unwrap(), u16::from_be_bytes(*b"ab"));
}

#[test]
fn a_pipe_has_room() {
    let message = "`max_buf_size` must be greater than 0";
    assert_eq!(panic_of(|| duplex(0)), message);
    assert_eq!(panic_of(|| simplex(0)), message);
    assert_eq!(panic_of(|| SimplexStream::new_unsplit(0)), message);
}

#[test]
fn halves_know_each_other_and_come_together() {
    let (mut r1, mut w1) = split(Cursor::new(b"abc".to_vec()));
    let (r2, w2) = split(Cursor::new(Vec::new()));
    assert!(r1.is_pair_of(&w1) && w1.is_pair_of(&r1) && !r1.is_pair_of(&w2) && !w2.is_pair_of(&r1));
    assert_eq!(format!("{r1:?} {w1:?}"), "split::ReadHalf split::WriteHalf");
    assert!(w1.is_write_vectored());

    assert_eq!(run(r1.read_u8()).unwrap(), b'a');
    run(w1.write_all(b"X")).unwrap();
    assert_eq!(run(r1.read_u8()).unwrap(), b'c');
    assert_eq!(r1.unsplit(w1).into_inner(), b"aXc");
    drop(w2);
    let (_, w3) = split(Cursor::new(Vec::new()));
    assert_eq!(panic_of(|| r2.unsplit(w3)), "Unrelated `split::Write` passed to `split::Read::unsplit`.");
}

#[test]
fn a_stream_that_may_not_move_can_be_split() {
    /// Remembers where it was first polled.
    #[derive(Default)]
    struct Fixed(Option<usize>, PhantomPinned);
    fn here(stream: &Pin<&mut Fixed>) -> usize {
        &raw const **stream as usize
    }
    impl AsyncRead for Fixed {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<Result<()>> {
            assert_eq!(self.0, Some(here(&self)));
            Poll::Ready(Ok(()))
        }
    }
    impl AsyncWrite for Fixed {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<Result<usize>> {
            let here = here(&self);
            self.as_mut().set(Fixed(Some(here), PhantomPinned));
            Poll::Ready(Ok(1))
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
            Poll::Ready(Ok(()))
        }
    }
    let (mut reader, mut writer) = split(Fixed::default());
    run(writer.write_u8(1)).unwrap();
    let mut moved = Box::new(reader);
    assert_eq!(run(moved.read(&mut [0])).unwrap(), 0);
    reader = *moved;
    assert!(reader.is_pair_of(&writer));
}
