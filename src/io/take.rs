//! `Take`: the first bytes of a stream as a stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::read_buf::poll_read_within;
use super::{AsyncBufRead, AsyncRead, ReadBuf};

pin_project! {
    /// A stream that ends after a number of bytes. Made by [`AsyncReadExt::take`](super::AsyncReadExt::take).
    #[derive(Debug)]
    #[must_use = "streams do nothing unless you `.await` or poll them"]
    pub struct Take<R> {
        #[pin]
        inner: R,
        limit: u64,
    }
}

impl<R: AsyncRead> Take<R> {
    pub(super) fn new(inner: R, limit: u64) -> Self {
        Take { inner, limit }
    }

    /// How many more bytes may be read. The stream behind may end before.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Allows `limit` more bytes, whatever was allowed or read before.
    pub fn set_limit(&mut self, limit: u64) {
        self.limit = limit
    }

    /// The stream behind.
    pub fn get_ref(&self) -> &R {
        &self.inner
    }

    /// The stream behind. What is read from it directly does not count.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.inner
    }

    /// The stream behind, pinned. What is read from it directly does not count.
    pub fn get_pin_mut(self: Pin<&mut Self>) -> Pin<&mut R> {
        self.project().inner
    }

    /// Gives the stream behind back.
    pub fn into_inner(self) -> R {
        self.inner
    }
}

/// `limit` as the length of something in memory.
fn in_memory(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

impl<R: AsyncRead> AsyncRead for Take<R> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        // At the limit the stream behind is left alone: it might wait for what nobody wants.
        if *this.limit > 0 {
            let limit = in_memory(*this.limit);
            *this.limit -= ready!(poll_read_within(this.inner, cx, buf, limit))? as u64;
        }
        Poll::Ready(Ok(()))
    }
}

impl<R: AsyncBufRead> AsyncBufRead for Take<R> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.project();
        if *this.limit == 0 {
            return Poll::Ready(Ok(&[]));
        }
        let data = ready!(this.inner.poll_fill_buf(cx))?;
        Poll::Ready(Ok(&data[..data.len().min(in_memory(*this.limit))]))
    }

    fn consume(self: Pin<&mut Self>, amt: usize) {
        let this = self.project();
        let amt = amt.min(in_memory(*this.limit));
        *this.limit -= amt as u64;
        this.inner.consume(amt);
    }
}
