//! `AsyncReadExt`: reading with `.await`.
//!
//! Not here: the operations that fill uninitialized memory (`uninit`), and those on numbers (`numbers`).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BufMut;

use super::future::{Io, Op, poll_read_exact};
use super::numbers::{ReadNumber, number_readers};
use super::uninit::{ReadOnceInto, ReadToEnd, ReadToString};
use super::{AsyncRead, Chain, ReadBuf, Take};

/// Reads once.
pub struct Read<'a>(&'a mut [u8]);

impl<R: AsyncRead + ?Sized> Op<R> for Read<'_> {
    type Output = usize;

    #[inline(always)]
    fn poll(&mut self, io: Pin<&mut R>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(self.0);
        ready!(io.poll_read(cx, &mut buf))?;
        Poll::Ready(Ok(buf.filled().len()))
    }
}

/// Reads until a buffer is full.
pub struct ReadExact<'a>(ReadBuf<'a>);

impl<R: AsyncRead + ?Sized> Op<R> for ReadExact<'_> {
    type Output = usize;

    #[inline]
    fn poll(&mut self, io: Pin<&mut R>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let early = || io::Error::new(io::ErrorKind::UnexpectedEof, "early eof");
        ready!(poll_read_exact(io, cx, &mut self.0, early))?;
        Poll::Ready(Ok(self.0.capacity()))
    }
}

/// The reading methods every [`AsyncRead`] has.
///
/// Each returns a future that does nothing until it is awaited and that borrows the stream meanwhile.
pub trait AsyncReadExt: AsyncRead {
    /// Puts another stream behind this one: what reads the result gets all of this one, then all of `next`.
    fn chain<R>(self, next: R) -> Chain<Self, R>
    where
        Self: Sized,
        R: AsyncRead,
    {
        Chain::new(self, next)
    }

    /// Reads what is there, up to the length of `buf`, and says how many bytes that were.
    ///
    /// Waits only while there is nothing at all. Zero means that the stream has ended, or that `buf` is empty.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a future that is dropped before it is ready has read nothing.
    ///
    /// # Errors
    ///
    /// What the stream gives, interrupted reads included; nothing was read then.
    fn read<'a>(&'a mut self, buf: &'a mut [u8]) -> Io<'a, Self, Read<'a>>
    where
        Self: Unpin,
    {
        Io::new(self, Read(buf))
    }

    /// Reads what is there into the free room of `buf`, moves its cursor on, and says how many bytes that were.
    ///
    /// The room need not be initialized, and a buffer that grows, such as `Vec<u8>` or `BytesMut`, is given some
    /// room first if it has none. Zero means that the stream has ended, or that a fixed `buf` is full.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a future that is dropped before it is ready has read nothing.
    ///
    /// # Errors
    ///
    /// What the stream gives, interrupted reads included; nothing was read then.
    fn read_buf<'a, B>(&'a mut self, buf: &'a mut B) -> Io<'a, Self, ReadOnceInto<'a, B>>
    where
        Self: Unpin,
        B: BufMut + ?Sized,
    {
        Io::new(self, ReadOnceInto(buf))
    }

    /// Reads until `buf` is full, and returns its length.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: some of `buf` may have been filled, and nobody knows how much.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` when the stream ends first, and what reading gives; the content of `buf` is then
    /// unspecified. Interrupted reads are repeated.
    fn read_exact<'a>(&'a mut self, buf: &'a mut [u8]) -> Io<'a, Self, ReadExact<'a>>
    where
        Self: Unpin,
    {
        Io::new(self, ReadExact(ReadBuf::new(buf)))
    }

    number_readers! {
        read_u8 u8, from_be_bytes, "an unsigned 8-bit integer";
        read_i8 i8, from_be_bytes, "a signed 8-bit integer";
        read_u16 u16, from_be_bytes, "an unsigned 16-bit integer in big-endian order";
        read_i16 i16, from_be_bytes, "a signed 16-bit integer in big-endian order";
        read_u32 u32, from_be_bytes, "an unsigned 32-bit integer in big-endian order";
        read_i32 i32, from_be_bytes, "a signed 32-bit integer in big-endian order";
        read_u64 u64, from_be_bytes, "an unsigned 64-bit integer in big-endian order";
        read_i64 i64, from_be_bytes, "a signed 64-bit integer in big-endian order";
        read_u128 u128, from_be_bytes, "an unsigned 128-bit integer in big-endian order";
        read_i128 i128, from_be_bytes, "a signed 128-bit integer in big-endian order";
        read_f32 f32, from_be_bytes, "a 32-bit float in big-endian order";
        read_f64 f64, from_be_bytes, "a 64-bit float in big-endian order";
        read_u16_le u16, from_le_bytes, "an unsigned 16-bit integer in little-endian order";
        read_i16_le i16, from_le_bytes, "a signed 16-bit integer in little-endian order";
        read_u32_le u32, from_le_bytes, "an unsigned 32-bit integer in little-endian order";
        read_i32_le i32, from_le_bytes, "a signed 32-bit integer in little-endian order";
        read_u64_le u64, from_le_bytes, "an unsigned 64-bit integer in little-endian order";
        read_i64_le i64, from_le_bytes, "a signed 64-bit integer in little-endian order";
        read_u128_le u128, from_le_bytes, "an unsigned 128-bit integer in little-endian order";
        read_i128_le i128, from_le_bytes, "a signed 128-bit integer in little-endian order";
        read_f32_le f32, from_le_bytes, "a 32-bit float in little-endian order";
        read_f64_le f64, from_le_bytes, "a 64-bit float in little-endian order";
    }

    /// Appends everything up to the end of the stream to `buf`, and says how many bytes that were.
    ///
    /// A vector whose capacity just fits is not grown.
    ///
    /// # Cancel safety
    ///
    /// What was read before the future is dropped stays in `buf`; calling again goes on from there, with a count
    /// that starts anew.
    ///
    /// # Errors
    ///
    /// What reading gives; what was read before stays in `buf`. Interrupted reads are repeated.
    fn read_to_end<'a>(&'a mut self, buf: &'a mut Vec<u8>) -> Io<'a, Self, ReadToEnd<'a>>
    where
        Self: Unpin,
    {
        Io::new(self, ReadToEnd::new(buf))
    }

    /// Appends everything up to the end of the stream, which must be UTF-8, to `dst`, and says how many bytes
    /// that were.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: `dst` is empty while the future lives, and stays so if it is dropped before it is ready.
    ///
    /// # Errors
    ///
    /// `InvalidData`, around a [`Utf8Error`](std::str::Utf8Error), when the bytes are no text, and what reading
    /// gives. `dst` is then as it was before the call. Interrupted reads are repeated.
    fn read_to_string<'a>(&'a mut self, dst: &'a mut String) -> Io<'a, Self, ReadToString<'a>>
    where
        Self: Unpin,
    {
        Io::new(self, ReadToString::new(dst))
    }

    /// Makes a stream of the next `limit` bytes of this one.
    fn take(self, limit: u64) -> Take<Self>
    where
        Self: Sized,
    {
        Take::new(self, limit)
    }
}

impl<R: AsyncRead + ?Sized> AsyncReadExt for R {}
