//! Slices, vectors and cursors as streams. Always ready; the position moves as with their `std::io` traits.

use std::io::{self, BufRead, Cursor, IoSlice, Seek, SeekFrom, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

macro_rules! readable {
    ($([$($generics:tt)*] $memory:ty),*) => {$(
        impl $($generics)* AsyncRead for $memory {
            fn poll_read(
                self: Pin<&mut Self>,
                _cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                let this = self.get_mut();
                let data = BufRead::fill_buf(this)?;
                let len = data.len().min(buf.remaining());
                buf.put_slice(&data[..len]);
                BufRead::consume(this, len);
                Poll::Ready(Ok(()))
            }
        }

        impl $($generics)* AsyncBufRead for $memory {
            fn poll_fill_buf(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
                Poll::Ready(BufRead::fill_buf(self.get_mut()))
            }

            fn consume(self: Pin<&mut Self>, amt: usize) {
                BufRead::consume(self.get_mut(), amt)
            }
        }
    )*};
}
readable! { [] &[u8], [<T: AsRef<[u8]> + Unpin>] Cursor<T> }

macro_rules! writable {
    ($($memory:ty),*) => {$(
        impl AsyncWrite for $memory {
            fn poll_write(
                self: Pin<&mut Self>,
                _cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                Poll::Ready(Write::write(self.get_mut(), buf))
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                _cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                Poll::Ready(Write::write_vectored(self.get_mut(), bufs))
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }
        }
    )*};
}
writable! { Vec<u8>, Cursor<&mut [u8]>, Cursor<&mut Vec<u8>>, Cursor<Vec<u8>>, Cursor<Box<[u8]>> }

impl<T: AsRef<[u8]> + Unpin> AsyncSeek for Cursor<T> {
    fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        Seek::seek(self.get_mut(), position).map(drop)
    }

    fn poll_complete(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Poll::Ready(Ok(self.position()))
    }
}
