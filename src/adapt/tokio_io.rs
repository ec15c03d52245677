//! The traits of the published `tokio` crate, in both directions.
//!
//! Its names are written with `tokio::` in front, this crate's without.
#![expect(unsafe_code, reason = "another crate's read buffer lends memory that may be uninitialized")]

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::{Compat, wrapper};
use crate::fs::File;
use crate::io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, ReadBuf, delegate, poll_read_into};
use crate::io::{DuplexStream, ReadHalf, SimplexStream, Stderr, Stdin, Stdout, WriteHalf};
use crate::net::{TcpStream, UnixStream, tcp, unix};
use crate::process::{ChildStderr, ChildStdin, ChildStdout};

fn poll_read(
    reader: Pin<&mut impl AsyncRead>,
    cx: &mut Context<'_>,
    buf: &mut tokio::io::ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    // SAFETY: nothing writes uninitialized bytes through a `ReadBuf`. Its safe methods cannot, and callers of the others
    // promise not to.
    let room = unsafe { buf.unfilled_mut() };
    let read = ready!(poll_read_into(reader, cx, &mut ReadBuf::uninit(room)))?;
    // SAFETY: `poll_read_into` counts bytes at the front of this room that were filled, and so initialized.
    unsafe { buf.assume_init(read) };
    buf.advance(read);
    Poll::Ready(Ok(()))
}

/// Gives a stream of this crate `tokio`'s trait of the same name.
macro_rules! speak {
    ($($Trait:ident $([$($generic:tt)*])?: $Stream:ty;)*) => {$(
        impl $(<$($generic)*>)? tokio::io::$Trait for $Stream {
            speak!($Trait self => self, self);
        }
    )*};
    (AsyncRead $this:ident => $stream:expr, $shared:expr) => {
        fn poll_read(
            $this: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut tokio::io::ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            poll_read($stream, cx, buf)
        }
    };
    ($Trait:ident $this:ident => $stream:expr, $shared:expr) => {
        delegate!($Trait, $this => $stream, $shared);
    };
}

speak! {
    AsyncRead: TcpStream;
    AsyncRead: tcp::ReadHalf<'_>;
    AsyncRead: tcp::OwnedReadHalf;
    AsyncRead: UnixStream;
    AsyncRead: unix::ReadHalf<'_>;
    AsyncRead: unix::OwnedReadHalf;
    AsyncRead: unix::pipe::Receiver;
    AsyncRead: ChildStdout;
    AsyncRead: ChildStderr;
    AsyncRead: File;
    AsyncRead: Stdin;
    AsyncRead: DuplexStream;
    AsyncRead: SimplexStream;
    AsyncRead [T: AsyncRead]: ReadHalf<T>;

    AsyncWrite: TcpStream;
    AsyncWrite: tcp::WriteHalf<'_>;
    AsyncWrite: tcp::OwnedWriteHalf;
    AsyncWrite: UnixStream;
    AsyncWrite: unix::WriteHalf<'_>;
    AsyncWrite: unix::OwnedWriteHalf;
    AsyncWrite: unix::pipe::Sender;
    AsyncWrite: ChildStdin;
    AsyncWrite: File;
    AsyncWrite: Stdout;
    AsyncWrite: Stderr;
    AsyncWrite: DuplexStream;
    AsyncWrite: SimplexStream;
    AsyncWrite [T: AsyncWrite]: WriteHalf<T>;

    AsyncSeek: File;
}

impl<T: AsyncRead> tokio::io::AsyncRead for Compat<T> {
    speak!(AsyncRead self => self.project().inner, &self.inner);
}

impl<T: AsyncWrite> tokio::io::AsyncWrite for Compat<T> {
    speak!(AsyncWrite self => self.project().inner, &self.inner);
}

impl<T: AsyncBufRead> tokio::io::AsyncBufRead for Compat<T> {
    speak!(AsyncBufRead self => self.project().inner, &self.inner);
}

impl<T: AsyncSeek> tokio::io::AsyncSeek for Compat<T> {
    speak!(AsyncSeek self => self.project().inner, &self.inner);
}

wrapper! {
    /// A stream that has `AsyncRead` or `AsyncWrite` of the published `tokio` crate, under this crate's traits.
    ///
    /// For what libraries return: a TLS stream around a [`TcpStream`], say, that [`copy_bidirectional`](crate::io::copy_bidirectional)
    /// shall take.
    ///
    /// # Examples
    ///
    /// ```
    /// # corelane::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// use corelane::adapt::{Compat, FromTokio};
    /// use corelane::io::AsyncReadExt;
    ///
    /// // Some stream that only knows `tokio`'s traits.
    /// let theirs = Compat::new(&b"hello"[..]);
    /// let mut text = String::new();
    /// FromTokio::new(theirs).read_to_string(&mut text).await.unwrap();
    /// assert_eq!(text, "hello");
    /// # });
    /// ```
    FromTokio
}

impl<T: tokio::io::AsyncRead> AsyncRead for FromTokio<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut room = tokio::io::ReadBuf::new(buf.initialize_unfilled());
        ready!(self.project().inner.poll_read(cx, &mut room))?;
        let read = room.filled().len();
        buf.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl<T: tokio::io::AsyncWrite> AsyncWrite for FromTokio<T> {
    delegate!(AsyncWrite as tokio::io::AsyncWrite, self => self.project().inner, &self.inner);
}
