//! Copying from one stream to another: `copy`, `copy_buf`, and both directions at once.
//!
//! One rule runs through all three: while the reader has nothing to give, what was written is flushed, once. A
//! writer that buffers would otherwise keep back the very bytes the other side must answer before the reader
//! gets more.
//!
//! What has a buffer of its own reads on while the writer takes nothing, until the reader has nothing to give or the buffer is
//! full. It waits for both then: the writer may be emptied by the very one who must first be read from.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::future::retry;
use super::read_buf::poll_read_into;
use super::{AsyncBufRead, AsyncRead, AsyncWrite, DEFAULT_BUF_SIZE, ReadBuf, poll_proceed};

/// Copies through a buffer of its own: reads into `buf[end..]`, writes `buf[start..end]`.
struct Pump {
    buf: Box<[u8]>,
    start: usize,
    end: usize,
    written: u64,
    ended: bool,
    unflushed: bool,
}

impl Pump {
    fn new(buf_size: usize) -> Self {
        let buf = vec![0; buf_size].into_boxed_slice();
        Pump { buf, start: 0, end: 0, written: 0, ended: false, unflushed: false }
    }

    fn wants_more(&self) -> bool {
        !self.ended && self.end < self.buf.len()
    }

    /// Reads once.
    fn poll_read<R: AsyncRead + ?Sized>(
        &mut self,
        cx: &mut Context<'_>,
        mut reader: Pin<&mut R>,
    ) -> Poll<io::Result<()>> {
        let mut room = ReadBuf::new(&mut self.buf[self.end..]);
        let read = ready!(retry(|| poll_read_into(reader.as_mut(), cx, &mut room)))?;
        self.ended = read == 0;
        self.end += read;
        Poll::Ready(Ok(()))
    }

    /// Copies until the reader ends, then flushes; says how many bytes were written.
    fn poll<R: AsyncRead + ?Sized, W: AsyncWrite + ?Sized>(
        &mut self,
        cx: &mut Context<'_>,
        mut reader: Pin<&mut R>,
        mut writer: Pin<&mut W>,
    ) -> Poll<io::Result<u64>> {
        let coop = ready!(poll_proceed(cx));
        loop {
            // What is left from before does not keep us from reading more: both sides shall be busy.
            if self.wants_more() {
                match self.poll_read(cx, reader.as_mut())? {
                    Poll::Ready(()) => coop.made_progress(),
                    Poll::Pending if self.start == self.end => {
                        if self.unflushed {
                            ready!(writer.poll_flush(cx))?;
                            coop.made_progress();
                            self.unflushed = false;
                        }
                        return Poll::Pending;
                    }
                    Poll::Pending => {}
                }
            }
            while self.start < self.end {
                let data = &self.buf[self.start..self.end];
                let Poll::Ready(written) = retry(|| writer.as_mut().poll_write(cx, data))? else {
                    while self.wants_more() {
                        ready!(self.poll_read(cx, reader.as_mut()))?;
                        coop.made_progress();
                    }
                    return Poll::Pending;
                };
                if written == 0 {
                    let error = io::Error::new(ErrorKind::WriteZero, "write zero byte into writer");
                    return Poll::Ready(Err(error));
                }
                coop.made_progress();
                self.start += written;
                self.written += written as u64;
                self.unflushed = true;
            }
            (self.start, self.end) = (0, 0);
            if self.ended {
                ready!(writer.poll_flush(cx))?;
                coop.made_progress();
                return Poll::Ready(Ok(self.written));
            }
        }
    }
}

/// Copies everything from `reader` to `writer`, flushes, and says how many bytes that were.
///
/// Reads into a buffer of 8 KiB while it writes. [`copy_buf`] does without for a reader that has one.
///
/// # Cancel safety
///
/// Not cancel safe: bytes that were read but not yet written are lost with the future.
///
/// # Errors
///
/// `WriteZero` when `writer` takes no more, and what either stream gives; part of the data may have been copied
/// then. Interrupted reads and writes are repeated.
pub async fn copy<R, W>(reader: &mut R, writer: &mut W) -> io::Result<u64>
where
    R: AsyncRead + Unpin + ?Sized,
    W: AsyncWrite + Unpin + ?Sized,
{
    let mut pump = Pump::new(DEFAULT_BUF_SIZE);
    poll_fn(|cx| pump.poll(cx, Pin::new(&mut *reader), Pin::new(&mut *writer))).await
}

/// Copies everything from `reader` to `writer` out of the reader's own buffer, flushes, and says how many bytes
/// that were.
///
/// # Cancel safety
///
/// Bytes that were not written when the future is dropped are still in `reader`; how many were is not known.
///
/// # Errors
///
/// `WriteZero` when `writer` takes no more, and what either stream gives; part of the data may have been copied
/// then. Interrupted reads and writes are repeated.
pub async fn copy_buf<R, W>(reader: &mut R, writer: &mut W) -> io::Result<u64>
where
    R: AsyncBufRead + Unpin + ?Sized,
    W: AsyncWrite + Unpin + ?Sized,
{
    let (mut reader, mut writer) = (Pin::new(reader), Pin::new(writer));
    let (mut total, mut ended, mut unflushed) = (0, false, false);
    poll_fn(|cx| {
        let coop = ready!(poll_proceed(cx));
        while !ended {
            let data = match reader.as_mut().poll_fill_buf(cx) {
                Poll::Ready(Err(e)) if e.kind() == ErrorKind::Interrupted => continue,
                Poll::Ready(data) => data?,
                Poll::Pending => {
                    if unflushed {
                        ready!(writer.as_mut().poll_flush(cx))?;
                        coop.made_progress();
                        unflushed = false;
                    }
                    return Poll::Pending;
                }
            };
            coop.made_progress();
            ended = data.is_empty();
            if !ended {
                let written = ready!(retry(|| writer.as_mut().poll_write(cx, data)))?;
                if written == 0 {
                    return Poll::Ready(Err(ErrorKind::WriteZero.into()));
                }
                reader.as_mut().consume(written);
                total += written as u64;
                unflushed = true;
            }
        }
        ready!(writer.as_mut().poll_flush(cx))?;
        coop.made_progress();
        Poll::Ready(Ok(total))
    })
    .await
}

/// One direction of a connection: copies, then passes the end on.
enum Leg {
    Copying(Pump),
    Closing(u64),
    Closed(u64),
}

impl Leg {
    fn poll<R: AsyncRead + Unpin + ?Sized, W: AsyncWrite + Unpin + ?Sized>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
    ) -> Poll<io::Result<u64>> {
        loop {
            *self = match self {
                Leg::Copying(pump) => {
                    Leg::Closing(ready!(pump.poll(cx, Pin::new(reader), Pin::new(writer)))?)
                }
                Leg::Closing(copied) => {
                    ready!(Pin::new(&mut *writer).poll_shutdown(cx))?;
                    Leg::Closed(*copied)
                }
                Leg::Closed(copied) => return Poll::Ready(Ok(*copied)),
            }
        }
    }
}

/// Copies in both directions between `a` and `b` until both have ended. Says how many bytes went from `a` to `b`
/// and how many from `b` to `a`.
///
/// When one stream ends, the other is flushed and shut down, and the way back stays open. Each direction has a
/// buffer of 8 KiB.
///
/// # Cancel safety
///
/// Not cancel safe: bytes that were read but not yet written are lost with the future.
///
/// # Errors
///
/// `WriteZero` when a stream takes no more, and what either stream gives; the other direction is then given up
/// as well. Interrupted reads and writes are repeated.
pub async fn copy_bidirectional<A, B>(a: &mut A, b: &mut B) -> io::Result<(u64, u64)>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    copy_bidirectional_with_sizes(a, b, DEFAULT_BUF_SIZE, DEFAULT_BUF_SIZE).await
}

/// [`copy_bidirectional`] with buffers of the given sizes, in bytes.
///
/// # Cancel safety
///
/// Not cancel safe: bytes that were read but not yet written are lost with the future.
///
/// # Panics
///
/// When a size is zero.
///
/// # Errors
///
/// `WriteZero` when a stream takes no more, and what either stream gives; the other direction is then given up
/// as well. Interrupted reads and writes are repeated.
pub async fn copy_bidirectional_with_sizes<A, B>(
    a: &mut A,
    b: &mut B,
    a_to_b_buf_size: usize,
    b_to_a_buf_size: usize,
) -> io::Result<(u64, u64)>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    assert!(a_to_b_buf_size > 0, "`a_to_b_buf_size` must be greater than 0");
    assert!(b_to_a_buf_size > 0, "`b_to_a_buf_size` must be greater than 0");
    let mut a_to_b = Leg::Copying(Pump::new(a_to_b_buf_size));
    let mut b_to_a = Leg::Copying(Pump::new(b_to_a_buf_size));
    poll_fn(|cx| {
        let there = a_to_b.poll(cx, a, b)?;
        let back = b_to_a.poll(cx, b, a)?;
        Poll::Ready(Ok((ready!(there), ready!(back))))
    })
    .await
}
