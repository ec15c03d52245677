//! Numbers of a fixed size: one reading and one writing operation, and the tables of methods made of them.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::future::{Op, poll_read_exact, poll_write_all};
use super::{AsyncRead, AsyncWrite, ReadBuf};

/// Reads the `LEN` bytes a number is made of.
pub struct ReadNumber<N, const LEN: usize> {
    bytes: [u8; LEN],
    filled: usize,
    number: fn([u8; LEN]) -> N,
}

impl<N, const LEN: usize> ReadNumber<N, LEN> {
    pub(super) fn new(number: fn([u8; LEN]) -> N) -> Self {
        ReadNumber { bytes: [0; LEN], filled: 0, number }
    }
}

impl<R: AsyncRead + ?Sized, N, const LEN: usize> Op<R> for ReadNumber<N, LEN> {
    type Output = N;

    fn poll(&mut self, io: Pin<&mut R>, cx: &mut Context<'_>) -> Poll<io::Result<N>> {
        let mut buf = ReadBuf::new(&mut self.bytes);
        buf.set_filled(self.filled);
        let done = poll_read_exact(io, cx, &mut buf, || ErrorKind::UnexpectedEof.into());
        self.filled = buf.filled().len();
        ready!(done)?;
        Poll::Ready(Ok((self.number)(self.bytes)))
    }
}

/// Writes the `LEN` bytes a number is made of.
pub struct WriteNumber<const LEN: usize> {
    bytes: [u8; LEN],
    written: usize,
}

impl<const LEN: usize> WriteNumber<LEN> {
    pub(super) fn new(bytes: [u8; LEN]) -> Self {
        WriteNumber { bytes, written: 0 }
    }
}

impl<W: AsyncWrite + ?Sized, const LEN: usize> Op<W> for WriteNumber<LEN> {
    type Output = ();

    fn poll(&mut self, io: Pin<&mut W>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll_write_all(io, cx, &self.bytes, &mut self.written, || ErrorKind::WriteZero.into())
    }
}

/// Writes the reading methods of `AsyncReadExt`, one a row.
macro_rules! number_readers {
    ($($name:ident $number:ty, $from:ident, $what:literal;)*) => {$(
        #[doc = concat!("Reads ", $what, ".")]
        ///
        /// Where `self` is not buffered, each number costs a read of its own.
        ///
        /// # Cancel safety
        ///
        /// Not cancel safe: bytes that were read already are lost with the future.
        ///
        /// # Errors
        ///
        /// `UnexpectedEof` when the stream ends within the number, and what reading gives. Interrupted reads are
        /// repeated.
        fn $name(&mut self) -> Io<'_, Self, ReadNumber<$number, { size_of::<$number>() }>>
        where
            Self: Unpin,
        {
            Io::new(self, ReadNumber::new(<$number>::$from))
        }
    )*};
}
pub(super) use number_readers;

/// Writes the writing methods of `AsyncWriteExt`, one a row.
macro_rules! number_writers {
    ($($name:ident $number:ty, $to:ident, $what:literal;)*) => {$(
        #[doc = concat!("Writes ", $what, ".")]
        ///
        /// Where `self` is not buffered, each number costs a write of its own.
        ///
        /// # Cancel safety
        ///
        /// Not cancel safe: part of the number may have been written, and nobody knows how much.
        ///
        /// # Errors
        ///
        /// `WriteZero` when the stream takes no more bytes, and what writing gives. Interrupted writes are
        /// repeated.
        fn $name(&mut self, n: $number) -> Io<'_, Self, WriteNumber<{ size_of::<$number>() }>>
        where
            Self: Unpin,
        {
            Io::new(self, WriteNumber::new(n.$to()))
        }
    )*};
}
pub(super) use number_writers;
