//! `BufReader`: few large reads in place of many small ones.

use std::fmt;
use std::io::{self, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::traits::delegate;
use super::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, DEFAULT_BUF_SIZE, ReadBuf};

pin_project! {
    /// Reads ahead into a buffer, so that small reads rarely reach the stream behind.
    ///
    /// A read at least as large as the buffer goes past it when it is empty. Writes go straight through. What
    /// was read ahead is lost when the reader is dropped, and so two of them on one stream lose data.
    pub struct BufReader<R> {
        #[pin]
        pub(super) inner: R,
        // Read ahead and not yet consumed: `buf[start..end]`.
        pub(super) buf: Box<[u8]>,
        pub(super) start: usize,
        pub(super) end: usize,
        pub(super) seek: Seek,
    }
}

/// How far a seek has come.
pub(super) enum Seek {
    Idle,
    /// The seek behind is under way, and the last.
    Last,
    /// The seek behind is the first of two; then go this far from where it led.
    First(i64),
}

impl<R: AsyncRead> BufReader<R> {
    /// Puts a buffer of 8 KiB before a stream.
    pub fn new(inner: R) -> Self {
        Self::with_capacity(DEFAULT_BUF_SIZE, inner)
    }

    /// Puts a buffer of `capacity` bytes before a stream.
    ///
    /// # Panics
    ///
    /// When `capacity` is zero.
    #[track_caller]
    pub fn with_capacity(capacity: usize, inner: R) -> Self {
        assert!(capacity > 0, "capacity must be greater than zero");
        let buf = vec![0; capacity].into_boxed_slice();
        BufReader { inner, buf, start: 0, end: 0, seek: Seek::Idle }
    }

    /// The stream behind.
    pub fn get_ref(&self) -> &R {
        &self.inner
    }

    /// The stream behind. Reading from it directly skips what was read ahead.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.inner
    }

    /// The stream behind, pinned. Reading from it directly skips what was read ahead.
    pub fn get_pin_mut(self: Pin<&mut Self>) -> Pin<&mut R> {
        self.project().inner
    }

    /// Gives the stream behind back. What was read ahead is lost.
    pub fn into_inner(self) -> R {
        self.inner
    }

    /// What was read ahead and not yet consumed.
    pub fn buffer(&self) -> &[u8] {
        &self.buf[self.start..self.end]
    }
}

impl<R: AsyncRead> AsyncRead for BufReader<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.start == self.end && buf.remaining() >= self.buf.len() {
            return self.project().inner.poll_read(cx, buf);
        }
        let data = ready!(self.as_mut().poll_fill_buf(cx))?;
        let len = data.len().min(buf.remaining());
        buf.put_slice(&data[..len]);
        self.consume(len);
        Poll::Ready(Ok(()))
    }
}

impl<R: AsyncRead> AsyncBufRead for BufReader<R> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.project();
        if *this.start == *this.end {
            let mut room = ReadBuf::new(this.buf);
            ready!(this.inner.poll_read(cx, &mut room))?;
            (*this.start, *this.end) = (0, room.filled().len());
        }
        Poll::Ready(Ok(&this.buf[*this.start..*this.end]))
    }

    fn consume(self: Pin<&mut Self>, amt: usize) {
        let this = self.project();
        *this.start = this.start.saturating_add(amt).min(*this.end);
    }
}

/// Positions are those of the bytes consumed, not of those read ahead. A seek drops what was read ahead, wherever
/// it leads.
impl<R: AsyncRead + AsyncSeek> AsyncSeek for BufReader<R> {
    fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        let mut this = self.project();
        // The stream behind is this much further on than we are. A slice is never longer than an `i64` holds.
        let ahead = (*this.end - *this.start) as i64;
        let (position, seek) = match position {
            SeekFrom::Current(n) => match n.checked_sub(ahead) {
                Some(n) => (SeekFrom::Current(n), Seek::Last),
                None => (SeekFrom::Current(-ahead), Seek::First(n)),
            },
            absolute => (absolute, Seek::Last),
        };
        this.inner.as_mut().start_seek(position)?;
        *this.seek = seek;
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        let mut this = self.project();
        loop {
            let position = ready!(this.inner.as_mut().poll_complete(cx));
            let seek = std::mem::replace(this.seek, Seek::Idle);
            let position = position?;
            if let Seek::First(_) | Seek::Last = seek {
                (*this.start, *this.end) = (0, 0);
            }
            let Seek::First(n) = seek else { return Poll::Ready(Ok(position)) };
            this.inner.as_mut().start_seek(SeekFrom::Current(n))?;
            *this.seek = Seek::Last;
        }
    }
}

impl<R: AsyncRead + AsyncWrite> AsyncWrite for BufReader<R> {
    delegate!(AsyncWrite, self => self.project().inner, &self.inner);
}

impl<R: fmt::Debug> fmt::Debug for BufReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufReader")
            .field("reader", &self.inner)
            .field("buffer", &format_args!("{}/{}", self.end - self.start, self.buf.len()))
            .finish()
    }
}
