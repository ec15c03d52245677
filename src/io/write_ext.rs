//! `AsyncWriteExt`: writing with `.await`.
//!
//! Not here: the operations on numbers (`numbers`).

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;

use super::AsyncWrite;
use super::future::{Io, Op, poll_write_all, retry};
use super::numbers::{WriteNumber, number_writers};

/// How many pieces of a `Buf` are handed to one vectored write.
const MAX_PIECES: usize = 64;

/// Writes once.
pub struct Write<'a>(&'a [u8]);

impl<W: AsyncWrite + ?Sized> Op<W> for Write<'_> {
    type Output = usize;

    #[inline(always)]
    fn poll(&mut self, io: Pin<&mut W>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        io.poll_write(cx, self.0)
    }
}

/// Writes once, from several buffers.
pub struct WriteVectored<'a, 'b>(&'a [IoSlice<'b>]);

impl<W: AsyncWrite + ?Sized> Op<W> for WriteVectored<'_, '_> {
    type Output = usize;

    #[inline]
    fn poll(&mut self, io: Pin<&mut W>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        io.poll_write_vectored(cx, self.0)
    }
}

/// Writes once out of a `Buf`.
pub struct WriteBuf<'a, B>(&'a mut B);

impl<W: AsyncWrite, B: Buf> Op<W> for WriteBuf<'_, B> {
    type Output = usize;

    #[inline]
    fn poll(&mut self, io: Pin<&mut W>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if !self.0.has_remaining() {
            return Poll::Ready(Ok(0));
        }
        let written = if io.is_write_vectored() {
            let mut pieces = [IoSlice::new(&[]); MAX_PIECES];
            let count = self.0.chunks_vectored(&mut pieces);
            ready!(io.poll_write_vectored(cx, &pieces[..count]))?
        } else {
            ready!(io.poll_write(cx, self.0.chunk()))?
        };
        self.0.advance(written);
        Poll::Ready(Ok(written))
    }
}

/// Writes a `Buf` until nothing is left of it.
pub struct WriteAllBuf<'a, B>(WriteBuf<'a, B>);

impl<W: AsyncWrite, B: Buf> Op<W> for WriteAllBuf<'_, B> {
    type Output = ();

    #[inline]
    fn poll(&mut self, mut io: Pin<&mut W>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.0.0.has_remaining() {
            if ready!(retry(|| self.0.poll(io.as_mut(), cx)))? == 0 {
                return Poll::Ready(Err(ErrorKind::WriteZero.into()));
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Writes a slice until nothing is left of it.
pub struct WriteAll<'a> {
    data: &'a [u8],
    written: usize,
}

impl<W: AsyncWrite + ?Sized> Op<W> for WriteAll<'_> {
    type Output = ();

    #[inline(always)]
    fn poll(&mut self, io: Pin<&mut W>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll_write_all(io, cx, self.data, &mut self.written, || ErrorKind::WriteZero.into())
    }
}

/// Flushes.
pub struct Flush;

impl<W: AsyncWrite + ?Sized> Op<W> for Flush {
    type Output = ();

    #[inline]
    fn poll(&mut self, io: Pin<&mut W>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        io.poll_flush(cx)
    }
}

/// Shuts down.
pub struct Shutdown;

impl<W: AsyncWrite + ?Sized> Op<W> for Shutdown {
    type Output = ();

    #[inline]
    fn poll(&mut self, io: Pin<&mut W>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        io.poll_shutdown(cx)
    }
}

/// The writing methods every [`AsyncWrite`] has.
///
/// Each returns a future that does nothing until it is awaited and that borrows the stream meanwhile.
pub trait AsyncWriteExt: AsyncWrite {
    /// Writes the front of `src` and says how many bytes were taken.
    ///
    /// Waits only while none can be taken. Zero means that the stream takes no more, or that `src` is empty.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a future that is dropped before it is ready has written nothing.
    ///
    /// # Errors
    ///
    /// What the stream gives, interrupted writes included; nothing was written then.
    fn write<'a>(&'a mut self, src: &'a [u8]) -> Io<'a, Self, Write<'a>>
    where
        Self: Unpin,
    {
        Io::new(self, Write(src))
    }

    /// Like [`write`](Self::write), from several buffers in order. Buffers may be taken in part, or not at all.
    ///
    /// A stream that is not [vectored](AsyncWrite::is_write_vectored) takes from the first buffer that is not
    /// empty.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a future that is dropped before it is ready has written nothing.
    ///
    /// # Errors
    ///
    /// What the stream gives, interrupted writes included; nothing was written then.
    fn write_vectored<'a, 'b>(&'a mut self, bufs: &'a [IoSlice<'b>]) -> Io<'a, Self, WriteVectored<'a, 'b>>
    where
        Self: Unpin,
    {
        Io::new(self, WriteVectored(bufs))
    }

    /// Writes the front of a [`Buf`], moves its cursor on, and says how many bytes were taken.
    ///
    /// A vectored stream is shown up to 64 of its pieces at once, any other its first piece. Zero means that the
    /// stream takes no more, or that `src` is used up.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a future that is dropped before it is ready has written nothing.
    ///
    /// # Errors
    ///
    /// What the stream gives, interrupted writes included; nothing was written then.
    fn write_buf<'a, B>(&'a mut self, src: &'a mut B) -> Io<'a, Self, WriteBuf<'a, B>>
    where
        Self: Sized + Unpin,
        B: Buf,
    {
        Io::new(self, WriteBuf(src))
    }

    /// Writes all of a [`Buf`].
    ///
    /// # Cancel safety
    ///
    /// What was written before the future is dropped has been taken off `src`; calling again writes the rest.
    ///
    /// # Errors
    ///
    /// `WriteZero` when the stream takes no more, and what writing gives; `src` then holds what was not written.
    /// Interrupted writes are repeated.
    fn write_all_buf<'a, B>(&'a mut self, src: &'a mut B) -> Io<'a, Self, WriteAllBuf<'a, B>>
    where
        Self: Sized + Unpin,
        B: Buf,
    {
        Io::new(self, WriteAllBuf(WriteBuf(src)))
    }

    /// Writes all of `src`.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: part of `src` may have been written, and nobody knows how much.
    /// [`write_all_buf`](Self::write_all_buf) knows.
    ///
    /// # Errors
    ///
    /// `WriteZero` when the stream takes no more, and what writing gives; how much was written is then not
    /// known. Interrupted writes are repeated.
    fn write_all<'a>(&'a mut self, src: &'a [u8]) -> Io<'a, Self, WriteAll<'a>>
    where
        Self: Unpin,
    {
        Io::new(self, WriteAll { data: src, written: 0 })
    }

    number_writers! {
        write_u8 u8, to_be_bytes, "an unsigned 8-bit integer";
        write_i8 i8, to_be_bytes, "a signed 8-bit integer";
        write_u16 u16, to_be_bytes, "an unsigned 16-bit integer in big-endian order";
        write_i16 i16, to_be_bytes, "a signed 16-bit integer in big-endian order";
        write_u32 u32, to_be_bytes, "an unsigned 32-bit integer in big-endian order";
        write_i32 i32, to_be_bytes, "a signed 32-bit integer in big-endian order";
        write_u64 u64, to_be_bytes, "an unsigned 64-bit integer in big-endian order";
        write_i64 i64, to_be_bytes, "a signed 64-bit integer in big-endian order";
        write_u128 u128, to_be_bytes, "an unsigned 128-bit integer in big-endian order";
        write_i128 i128, to_be_bytes, "a signed 128-bit integer in big-endian order";
        write_f32 f32, to_be_bytes, "a 32-bit float in big-endian order";
        write_f64 f64, to_be_bytes, "a 64-bit float in big-endian order";
        write_u16_le u16, to_le_bytes, "an unsigned 16-bit integer in little-endian order";
        write_i16_le i16, to_le_bytes, "a signed 16-bit integer in little-endian order";
        write_u32_le u32, to_le_bytes, "an unsigned 32-bit integer in little-endian order";
        write_i32_le i32, to_le_bytes, "a signed 32-bit integer in little-endian order";
        write_u64_le u64, to_le_bytes, "an unsigned 64-bit integer in little-endian order";
        write_i64_le i64, to_le_bytes, "a signed 64-bit integer in little-endian order";
        write_u128_le u128, to_le_bytes, "an unsigned 128-bit integer in little-endian order";
        write_i128_le i128, to_le_bytes, "a signed 128-bit integer in little-endian order";
        write_f32_le f32, to_le_bytes, "a 32-bit float in little-endian order";
        write_f64_le f64, to_le_bytes, "a 64-bit float in little-endian order";
    }

    /// Waits until everything written has left the buffers on this side.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: calling again goes on with the rest.
    ///
    /// # Errors
    ///
    /// What the stream gives; some of the data may not have arrived then.
    fn flush(&mut self) -> Io<'_, Self, Flush>
    where
        Self: Unpin,
    {
        Io::new(self, Flush)
    }

    /// Flushes, then tells the other side that nothing more will come.
    ///
    /// Dropping a stream does not flush what it buffers: call this, or [`flush`](Self::flush), before.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: calling again goes on with the rest.
    ///
    /// # Errors
    ///
    /// What the stream gives; some of the data may not have arrived then.
    fn shutdown(&mut self) -> Io<'_, Self, Shutdown>
    where
        Self: Unpin,
    {
        Io::new(self, Shutdown)
    }
}

impl<W: AsyncWrite + ?Sized> AsyncWriteExt for W {}
