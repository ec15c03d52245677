//! Streams without a source or a destination: `Empty`, `Repeat`, `Sink`.
//!
//! They are always ready, so each call spends from the task's budget.

use std::fmt;
use std::io::{self, IoSlice, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, ReadBuf, poll_proceed};

/// A stream that has ended before it began, and that swallows what is written. Made by [`empty`].
pub struct Empty {
    _private: (),
}

/// A stream of one byte without end. Made by [`repeat`].
#[derive(Debug)]
pub struct Repeat {
    byte: u8,
}

/// A stream that swallows what is written. Made by [`sink`].
pub struct Sink {
    _private: (),
}

/// Makes a stream that reads as ended and swallows what is written.
pub fn empty() -> Empty {
    Empty { _private: () }
}

/// Makes a stream of which every byte read is `byte`.
pub fn repeat(byte: u8) -> Repeat {
    Repeat { byte }
}

/// Makes a stream that swallows what is written.
pub fn sink() -> Sink {
    Sink { _private: () }
}

/// Answers at once, at the price of a unit of budget.
fn answer<T>(cx: &mut Context<'_>, value: T) -> Poll<io::Result<T>> {
    ready!(poll_proceed(cx)).made_progress();
    Poll::Ready(Ok(value))
}

impl AsyncRead for Empty {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, _buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        answer(cx, ())
    }
}

impl AsyncBufRead for Empty {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        answer(cx, &[])
    }

    fn consume(self: Pin<&mut Self>, _amt: usize) {}
}

impl AsyncSeek for Empty {
    fn start_seek(self: Pin<&mut Self>, _position: SeekFrom) -> io::Result<()> {
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        answer(cx, 0)
    }
}

impl AsyncRead for Repeat {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(answer(cx, ()))?;
        let room = buf.initialize_unfilled();
        room.fill(self.byte);
        let len = room.len();
        buf.advance(len);
        Poll::Ready(Ok(()))
    }
}

macro_rules! swallows {
    ($($name:ident)*) => {$(
        impl AsyncWrite for $name {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                answer(cx, buf.len())
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                answer(cx, bufs.iter().map(|buf| buf.len()).sum())
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                answer(cx, ())
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                answer(cx, ())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}
swallows! { Empty Sink }
