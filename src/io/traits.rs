//! The four traits every stream speaks, and what lets pointers to streams speak them too.
//!
//! Not here: the `.await`-able methods (`read_ext`, `write_ext`, `buf_read_ext`, `seek_ext`), and streams made of
//! memory (`memory`).

use std::io::{self, IoSlice, SeekFrom};
use std::ops::DerefMut;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::ReadBuf;

/// Reads bytes without blocking the thread.
///
/// Users call the methods of [`AsyncReadExt`](super::AsyncReadExt), which come with this trait.
pub trait AsyncRead {
    /// Tries to read into the room behind `buf`'s data.
    ///
    /// - `Ready(Ok(()))`: what was read now counts in `buf.filled()`. If nothing was added though there was room,
    ///   the stream is at its end.
    /// - `Ready(Err(_))`: the read failed, and `buf` is as it was.
    /// - `Pending`: nothing is there yet; the task is woken when it is worth trying again.
    ///
    /// An implementation must not exchange `*buf` for another `ReadBuf`.
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>>;
}

/// Writes bytes without blocking the thread.
///
/// Users call the methods of [`AsyncWriteExt`](super::AsyncWriteExt), which come with this trait.
pub trait AsyncWrite {
    /// Tries to write the front of `buf` and says how much of it was taken.
    ///
    /// `Pending` means that nothing was taken and the task will be woken. A count of 0 for a `buf` that is not
    /// empty means that the stream takes no more, now or ever.
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>>;

    /// Tries to send on what earlier writes left in buffers. `Ready(Ok(()))` when all of it has gone.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Flushes, then tells the other side that nothing more will come.
    ///
    /// After `Ready(Ok(()))` the stream may be dropped without losing data, and must not be written to. Reading
    /// may go on.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Tries to write from several buffers at once, in order, and says how many bytes were taken.
    ///
    /// Without an implementation of its own a stream gets the first buffer that is not empty.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = bufs.iter().find(|buf| !buf.is_empty());
        self.poll_write(cx, first.map_or(&[], |buf| buf))
    }

    /// Whether [`poll_write_vectored`](Self::poll_write_vectored) takes more than the first buffer, so that a
    /// caller need not copy its pieces together.
    fn is_write_vectored(&self) -> bool {
        false
    }
}

/// Reads bytes out of a buffer the stream keeps.
///
/// Users call the methods of [`AsyncBufReadExt`](super::AsyncBufReadExt), which come with this trait.
pub trait AsyncBufRead: AsyncRead {
    /// Shows what is buffered, filling the buffer first if it is empty. An empty slice is the end of the stream.
    ///
    /// What was used must be reported to [`consume`](Self::consume), or it is shown again.
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>>;

    /// Takes `amt` bytes off the front of what [`poll_fill_buf`](Self::poll_fill_buf) showed.
    fn consume(self: Pin<&mut Self>, amt: usize);
}

/// Moves the position in a stream without blocking the thread.
///
/// A seek has two steps, as starting it cannot fail for want of readiness. Users call the methods of
/// [`AsyncSeekExt`](super::AsyncSeekExt), which come with this trait.
pub trait AsyncSeek {
    /// Starts to move to `position`.
    ///
    /// May fail while another operation is under way: call [`poll_complete`](Self::poll_complete) until it is
    /// ready before this. Whether a position beyond the end is an error is up to the stream.
    fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()>;

    /// Waits until the seek is done and says where, in bytes from the start, the stream then is.
    ///
    /// Where none was started, what this returns means nothing.
    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>>;
}

/// Writes the methods of one of the traits by handing each call to another stream.
///
/// `delegate!(AsyncWrite, self => PINNED, SHARED)`: `PINNED` makes the other stream's `Pin<&mut _>` out of
/// `self`, `SHARED` its `&_`, which only `AsyncWrite` needs. A path behind the name, `AsyncWrite as other::AsyncWrite`, is the
/// trait that the other stream has, where it is another crate's with the same methods.
macro_rules! delegate {
    (AsyncRead, $this:ident => $io:expr $(, $shared:expr)?) => {
        fn poll_read(
            $this: ::std::pin::Pin<&mut Self>,
            cx: &mut ::std::task::Context<'_>,
            buf: &mut $crate::io::ReadBuf<'_>,
        ) -> ::std::task::Poll<::std::io::Result<()>> {
            $crate::io::AsyncRead::poll_read($io, cx, buf)
        }
    };
    (AsyncWrite, $this:ident => $io:expr, $shared:expr) => {
        $crate::io::delegate!(AsyncWrite as $crate::io::AsyncWrite, $this => $io, $shared);
    };
    (AsyncWrite as $Writes:path, $this:ident => $io:expr, $shared:expr) => {
        fn poll_write(
            $this: ::std::pin::Pin<&mut Self>,
            cx: &mut ::std::task::Context<'_>,
            buf: &[u8],
        ) -> ::std::task::Poll<::std::io::Result<usize>> {
            <_ as $Writes>::poll_write($io, cx, buf)
        }

        fn poll_flush(
            $this: ::std::pin::Pin<&mut Self>,
            cx: &mut ::std::task::Context<'_>,
        ) -> ::std::task::Poll<::std::io::Result<()>> {
            <_ as $Writes>::poll_flush($io, cx)
        }

        fn poll_shutdown(
            $this: ::std::pin::Pin<&mut Self>,
            cx: &mut ::std::task::Context<'_>,
        ) -> ::std::task::Poll<::std::io::Result<()>> {
            <_ as $Writes>::poll_shutdown($io, cx)
        }

        fn poll_write_vectored(
            $this: ::std::pin::Pin<&mut Self>,
            cx: &mut ::std::task::Context<'_>,
            bufs: &[::std::io::IoSlice<'_>],
        ) -> ::std::task::Poll<::std::io::Result<usize>> {
            <_ as $Writes>::poll_write_vectored($io, cx, bufs)
        }

        fn is_write_vectored(&$this) -> bool {
            <_ as $Writes>::is_write_vectored($shared)
        }
    };
    (AsyncBufRead, $this:ident => $io:expr $(, $shared:expr)?) => {
        fn poll_fill_buf(
            $this: ::std::pin::Pin<&mut Self>,
            cx: &mut ::std::task::Context<'_>,
        ) -> ::std::task::Poll<::std::io::Result<&[u8]>> {
            $crate::io::AsyncBufRead::poll_fill_buf($io, cx)
        }

        fn consume($this: ::std::pin::Pin<&mut Self>, amt: usize) {
            $crate::io::AsyncBufRead::consume($io, amt)
        }
    };
    (AsyncSeek, $this:ident => $io:expr $(, $shared:expr)?) => {
        fn start_seek(
            $this: ::std::pin::Pin<&mut Self>,
            position: ::std::io::SeekFrom,
        ) -> ::std::io::Result<()> {
            $crate::io::AsyncSeek::start_seek($io, position)
        }

        fn poll_complete(
            $this: ::std::pin::Pin<&mut Self>,
            cx: &mut ::std::task::Context<'_>,
        ) -> ::std::task::Poll<::std::io::Result<u64>> {
            $crate::io::AsyncSeek::poll_complete($io, cx)
        }
    };
}
pub(crate) use delegate;

macro_rules! through_pointers {
    ($($name:ident)*) => {$(
        impl<T: ?Sized + $name + Unpin> $name for &mut T {
            delegate!($name, self => Pin::new(&mut **self.get_mut()), &**self);
        }

        impl<T: ?Sized + $name + Unpin> $name for Box<T> {
            delegate!($name, self => Pin::new(&mut **self.get_mut()), &**self);
        }

        impl<P> $name for Pin<P>
        where
            P: DerefMut,
            P::Target: $name,
        {
            delegate!($name, self => self.as_deref_mut(), &**self);
        }
    )*};
}
through_pointers! { AsyncRead AsyncWrite AsyncBufRead AsyncSeek }
