//! The traits of `futures-io`, in both directions.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::futures_io as theirs;

use super::{Compat, wrapper};
use crate::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf, delegate};

/// Writes the methods of `AsyncWrite` by handing them to the trait of that name of the other side. The last one has two names.
macro_rules! write {
    ($close:ident => $Other:path, $their_close:ident) => {
        fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            <_ as $Other>::poll_write(self.project().inner, cx, buf)
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bufs: &[io::IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            <_ as $Other>::poll_write_vectored(self.project().inner, cx, bufs)
        }

        fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            <_ as $Other>::poll_flush(self.project().inner, cx)
        }

        fn $close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            <_ as $Other>::$their_close(self.project().inner, cx)
        }
    };
}

impl<T: AsyncRead> theirs::AsyncRead for Compat<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        ready!(self.project().inner.poll_read(cx, &mut buf))?;
        Poll::Ready(Ok(buf.filled().len()))
    }
}

impl<T: AsyncBufRead> theirs::AsyncBufRead for Compat<T> {
    delegate!(AsyncBufRead, self => self.project().inner);
}

impl<T: AsyncWrite> theirs::AsyncWrite for Compat<T> {
    write!(poll_close => AsyncWrite, poll_shutdown);
}

wrapper! {
    /// A stream that has `AsyncRead` or `AsyncWrite` of the `futures-io` crate, under this crate's traits.
    ///
    /// # Examples
    ///
    /// ```
    /// # corelane::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// use corelane::adapt::FromFutures;
    /// use corelane::io::AsyncReadExt;
    /// use futures_util::io::Cursor;
    ///
    /// let mut text = String::new();
    /// FromFutures::new(Cursor::new("hello")).read_to_string(&mut text).await.unwrap();
    /// assert_eq!(text, "hello");
    /// # });
    /// ```
    FromFutures
}

impl<T: theirs::AsyncRead> AsyncRead for FromFutures<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = ready!(self.project().inner.poll_read(cx, buf.initialize_unfilled()))?;
        buf.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl<T: theirs::AsyncWrite> AsyncWrite for FromFutures<T> {
    write!(poll_shutdown => theirs::AsyncWrite, poll_close);
}
