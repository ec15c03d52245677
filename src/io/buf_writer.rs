//! `BufWriter`: few large writes in place of many small ones.

use std::fmt;
use std::io::{self, ErrorKind, IoSlice, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::future::poll_write_all;
use super::traits::delegate;
use super::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, DEFAULT_BUF_SIZE};

pin_project! {
    /// Collects small writes in a buffer and passes them on when it is full, on a flush, a shutdown or a seek.
    ///
    /// A write at least as large as the buffer goes past it once it is empty. Reads go straight through.
    /// **Dropping the writer loses what it holds**: flush or shut down before.
    pub struct BufWriter<W> {
        #[pin]
        pub(super) inner: W,
        pub(super) buf: Vec<u8>,
        // How much of the front of `buf` a flush under way has passed on.
        pub(super) written: usize,
        // Where to go once the buffer is flushed.
        pub(super) seek: Option<SeekFrom>,
    }
}

impl<W: AsyncWrite> BufWriter<W> {
    /// Puts a buffer of 8 KiB before a stream.
    pub fn new(inner: W) -> Self {
        Self::with_capacity(DEFAULT_BUF_SIZE, inner)
    }

    /// Puts a buffer of `cap` bytes before a stream. With none, every write goes straight through.
    pub fn with_capacity(cap: usize, inner: W) -> Self {
        BufWriter { inner, buf: Vec::with_capacity(cap), written: 0, seek: None }
    }

    /// The stream behind.
    pub fn get_ref(&self) -> &W {
        &self.inner
    }

    /// The stream behind. Writing to it directly overtakes what is buffered.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.inner
    }

    /// The stream behind, pinned. Writing to it directly overtakes what is buffered.
    pub fn get_pin_mut(self: Pin<&mut Self>) -> Pin<&mut W> {
        self.project().inner
    }

    /// Gives the stream behind back. What is buffered is lost.
    pub fn into_inner(self) -> W {
        self.inner
    }

    /// What is buffered.
    pub fn buffer(&self) -> &[u8] {
        &self.buf
    }

    /// Passes on what is buffered.
    fn flush_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        let zero = || io::Error::new(ErrorKind::WriteZero, "failed to write the buffered data");
        let result = ready!(poll_write_all(this.inner, cx, this.buf, this.written, zero));
        this.buf.drain(..*this.written);
        *this.written = 0;
        Poll::Ready(result)
    }

    /// Flushes the buffer if `len` more bytes do not fit.
    fn make_room(self: Pin<&mut Self>, cx: &mut Context<'_>, len: usize) -> Poll<io::Result<()>> {
        if len > self.room() { self.flush_buf(cx) } else { Poll::Ready(Ok(())) }
    }

    fn room(&self) -> usize {
        self.buf.capacity() - self.buf.len()
    }
}

impl<W: AsyncWrite> AsyncWrite for BufWriter<W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.as_mut().make_room(cx, buf.len()))?;
        let this = self.project();
        if buf.len() >= this.buf.capacity() {
            return this.inner.poll_write(cx, buf);
        }
        this.buf.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.inner.is_write_vectored() {
            let total = bufs.iter().fold(0, |sum: usize, buf| sum.saturating_add(buf.len()));
            ready!(self.as_mut().make_room(cx, total))?;
            let this = self.project();
            if total >= this.buf.capacity() {
                return this.inner.poll_write_vectored(cx, bufs);
            }
            bufs.iter().for_each(|buf| this.buf.extend_from_slice(buf));
            return Poll::Ready(Ok(total));
        }
        // The stream behind would take the first buffer only, so as many whole buffers as fit are collected.
        let mut bufs = bufs.iter().filter(|buf| !buf.is_empty());
        let Some(first) = bufs.next() else { return Poll::Ready(Ok(0)) };
        let mut total = ready!(self.as_mut().poll_write(cx, first))?;
        if first.len() < self.buf.capacity() {
            while let Some(buf) = bufs.next().filter(|buf| buf.len() <= self.room()) {
                self.as_mut().project().buf.extend_from_slice(buf);
                total += buf.len();
            }
        }
        Poll::Ready(Ok(total))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().flush_buf(cx))?;
        self.project().inner.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().flush_buf(cx))?;
        self.project().inner.poll_shutdown(cx)
    }
}

/// A seek flushes the buffer first.
impl<W: AsyncWrite + AsyncSeek> AsyncSeek for BufWriter<W> {
    fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        *self.project().seek = Some(position);
        Ok(())
    }

    fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        if let Some(position) = self.seek {
            let mut flushed = ready!(self.as_mut().flush_buf(cx));
            let mut this = self.as_mut().project();
            if flushed.is_ok() {
                // A write may go on in the background, and a seek may not start before it is done.
                flushed = ready!(this.inner.as_mut().poll_complete(cx)).map(drop);
            }
            *this.seek = None;
            flushed?;
            this.inner.start_seek(position)?;
        }
        self.project().inner.poll_complete(cx)
    }
}

impl<W: AsyncWrite + AsyncRead> AsyncRead for BufWriter<W> {
    delegate!(AsyncRead, self => self.project().inner);
}

impl<W: AsyncWrite + AsyncBufRead> AsyncBufRead for BufWriter<W> {
    delegate!(AsyncBufRead, self => self.project().inner);
}

impl<W: fmt::Debug> fmt::Debug for BufWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufWriter")
            .field("writer", &self.inner)
            .field("buffer", &format_args!("{}/{}", self.buf.len(), self.buf.capacity()))
            .field("written", &self.written)
            .finish()
    }
}
