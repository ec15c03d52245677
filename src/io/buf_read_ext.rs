//! `AsyncBufReadExt`: reading up to a delimiter with `.await`, and what splits a stream at each one.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use memchr::memchr;
use pin_project_lite::pin_project;

use super::AsyncBufRead;
use super::fill_buf::FillBuf;
use super::future::{Io, Op};
use super::uninit::put_back;

/// Appends what comes to `bytes`, up to and including `delimiter` or to the end of the stream.
#[inline]
fn poll_until<R: AsyncBufRead + ?Sized>(
    mut io: Pin<&mut R>,
    cx: &mut Context<'_>,
    delimiter: u8,
    bytes: &mut Vec<u8>,
) -> Poll<io::Result<()>> {
    loop {
        let data = match ready!(io.as_mut().poll_fill_buf(cx)) {
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            data => data?,
        };
        let found = memchr(delimiter, data);
        let len = found.map_or(data.len(), |at| at + 1);
        bytes.extend_from_slice(&data[..len]);
        io.as_mut().consume(len);
        if found.is_some() || len == 0 {
            return Poll::Ready(Ok(()));
        }
    }
}

/// Takes `last` off the end if it is there.
fn cut(bytes: &mut Vec<u8>, last: u8) -> bool {
    let there = bytes.last() == Some(&last);
    bytes.truncate(bytes.len() - there as usize);
    there
}

/// Reads up to a delimiter.
pub struct ReadUntil<'a> {
    delimiter: u8,
    bytes: &'a mut Vec<u8>,
    start_len: usize,
}

impl<R: AsyncBufRead + ?Sized> Op<R> for ReadUntil<'_> {
    type Output = usize;

    fn poll(&mut self, io: Pin<&mut R>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        ready!(poll_until(io, cx, self.delimiter, self.bytes))?;
        Poll::Ready(Ok(self.bytes.len() - self.start_len))
    }
}

/// Reads a line into a string, whose bytes are kept apart until they are known to be text.
pub struct ReadLine<'a> {
    string: &'a mut String,
    bytes: Vec<u8>,
    start_len: usize,
}

impl<R: AsyncBufRead + ?Sized> Op<R> for ReadLine<'_> {
    type Output = usize;

    fn poll(&mut self, io: Pin<&mut R>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let read = ready!(poll_until(io, cx, b'\n', &mut self.bytes));
        let read = read.map(|()| self.bytes.len() - self.start_len);
        Poll::Ready(put_back(self.string, &mut self.bytes, self.start_len, read))
    }
}

/// The methods every [`AsyncBufRead`] has.
pub trait AsyncBufReadExt: AsyncBufRead {
    /// Appends everything up to and including the next `byte`, or up to the end of the stream, to `buf`. Says how
    /// many bytes that were; zero means that the stream has ended.
    ///
    /// # Cancel safety
    ///
    /// What was read before the future is dropped stays in `buf`, so calling again goes on with the rest; but the
    /// count starts anew.
    ///
    /// # Errors
    ///
    /// What reading gives; what was read before stays in `buf`. Interrupted reads are repeated.
    fn read_until<'a>(&'a mut self, byte: u8, buf: &'a mut Vec<u8>) -> Io<'a, Self, ReadUntil<'a>>
    where
        Self: Unpin,
    {
        Io::new(self, ReadUntil { delimiter: byte, start_len: buf.len(), bytes: buf })
    }

    /// Appends the next line, its line feed included, to `buf`. Says how many bytes that were; zero means that
    /// the stream has ended. The last line may lack the line feed.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: `buf` is empty while the future lives, and stays so if it is dropped before it is ready.
    /// [`lines`](Self::lines) keeps what it has read.
    ///
    /// # Errors
    ///
    /// `InvalidData`, around a [`Utf8Error`](std::str::Utf8Error), when the line is no text; it is lost, and `buf`
    /// is as it was. On what else reading gives, `buf` keeps what was read if that is text. Interrupted reads are
    /// repeated.
    fn read_line<'a>(&'a mut self, buf: &'a mut String) -> Io<'a, Self, ReadLine<'a>>
    where
        Self: Unpin,
    {
        let bytes = mem::take(buf).into_bytes();
        Io::new(self, ReadLine { string: buf, start_len: bytes.len(), bytes })
    }

    /// Splits the stream at every `byte`.
    fn split(self, byte: u8) -> Split<Self>
    where
        Self: Sized + Unpin,
    {
        Split { reader: self, buf: Vec::new(), delim: byte }
    }

    /// Shows what is buffered, waiting for more if nothing is. An empty slice is the end of the stream.
    ///
    /// What was used must be reported to [`consume`](Self::consume), or it is shown again.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: what was read stays in the reader's buffer.
    ///
    /// # Errors
    ///
    /// What reading gives, interrupted reads included.
    fn fill_buf(&mut self) -> FillBuf<'_, Self>
    where
        Self: Unpin,
    {
        FillBuf::new(self)
    }

    /// Takes `amt` bytes off the front of what [`fill_buf`](Self::fill_buf) showed.
    fn consume(&mut self, amt: usize)
    where
        Self: Unpin,
    {
        Pin::new(self).consume(amt)
    }

    /// Splits the stream into lines.
    fn lines(self) -> Lines<Self>
    where
        Self: Sized,
    {
        Lines { reader: self, buf: Vec::new() }
    }
}

impl<R: AsyncBufRead + ?Sized> AsyncBufReadExt for R {}

pin_project! {
    /// The lines of a stream, one at a time. Made by [`AsyncBufReadExt::lines`].
    #[derive(Debug)]
    #[must_use = "streams do nothing unless polled"]
    pub struct Lines<R> {
        #[pin]
        reader: R,
        // The part of the next line that has been read.
        buf: Vec<u8>,
    }
}

impl<R> Lines<R>
where
    R: AsyncBufRead + Unpin,
{
    /// The next line, without its `\n` or `\r\n`; `None` at the end of the stream.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the part of a line that was read is kept for the next call.
    ///
    /// # Errors
    ///
    /// `InvalidData`, around a [`FromUtf8Error`](std::string::FromUtf8Error) that has its bytes, when the line is
    /// no text; the next call gives the line behind it. On what else reading gives, the next call goes on where
    /// this one stopped.
    pub async fn next_line(&mut self) -> io::Result<Option<String>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next_line(cx)).await
    }

    /// The stream that is split.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.reader
    }

    /// The stream that is split.
    pub fn get_ref(&mut self) -> &R {
        &self.reader
    }

    /// Gives the stream back. What was read of an unfinished line is lost.
    pub fn into_inner(self) -> R {
        self.reader
    }
}

impl<R> Lines<R>
where
    R: AsyncBufRead,
{
    /// Polls for the next line: [`next_line`](Self::next_line) for those who write a future by hand.
    pub fn poll_next_line(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Option<String>>> {
        let this = self.project();
        ready!(poll_until(this.reader, cx, b'\n', this.buf))?;
        if this.buf.is_empty() {
            return Poll::Ready(Ok(None));
        }
        let mut line = mem::take(this.buf);
        if cut(&mut line, b'\n') {
            cut(&mut line, b'\r');
        }
        let line = String::from_utf8(line).map_err(|e| io::Error::new(ErrorKind::InvalidData, e))?;
        Poll::Ready(Ok(Some(line)))
    }
}

pin_project! {
    /// The pieces of a stream between delimiters, one at a time. Made by [`AsyncBufReadExt::split`].
    #[derive(Debug)]
    #[must_use = "streams do nothing unless polled"]
    pub struct Split<R> {
        #[pin]
        reader: R,
        // The part of the next piece that has been read.
        buf: Vec<u8>,
        delim: u8,
    }
}

impl<R> Split<R>
where
    R: AsyncBufRead + Unpin,
{
    /// The next piece, without its delimiter; `None` at the end of the stream.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the part of a piece that was read is kept for the next call.
    ///
    /// # Errors
    ///
    /// What reading gives; the next call goes on where this one stopped. Interrupted reads are repeated.
    pub async fn next_segment(&mut self) -> io::Result<Option<Vec<u8>>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next_segment(cx)).await
    }
}

impl<R> Split<R>
where
    R: AsyncBufRead,
{
    /// Polls for the next piece: [`next_segment`](Self::next_segment) for those who write a future by hand.
    pub fn poll_next_segment(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Vec<u8>>>> {
        let this = self.project();
        ready!(poll_until(this.reader, cx, *this.delim, this.buf))?;
        if this.buf.is_empty() {
            return Poll::Ready(Ok(None));
        }
        let mut piece = mem::take(this.buf);
        cut(&mut piece, *this.delim);
        Poll::Ready(Ok(Some(piece)))
    }
}
