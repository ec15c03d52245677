//! The one future behind every method of the `Ext` traits: a borrowed stream and an operation's state.
//!
//! Also here: the loops several operations share, and the rule for interrupted calls.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::read_buf::poll_read_into;
use super::{AsyncRead, AsyncWrite, ReadBuf};

/// An operation under way on a stream `T`: what it remembers between polls.
pub trait Op<T: ?Sized> {
    /// What it gives in the end.
    type Output;

    /// Goes on as far as possible.
    fn poll(&mut self, io: Pin<&mut T>, cx: &mut Context<'_>) -> Poll<io::Result<Self::Output>>;
}

pin_project! {
    /// Drives an operation on a stream to its end.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Io<'a, T: ?Sized, O> {
        io: &'a mut T,
        op: O,
        // Nobody shall come to rely on these futures being movable once polled.
        #[pin]
        _pin: PhantomPinned,
    }
}

impl<'a, T: ?Sized, O> Io<'a, T, O> {
    #[inline]
    pub(super) fn new(io: &'a mut T, op: O) -> Self {
        Io { io, op, _pin: PhantomPinned }
    }
}

impl<T: ?Sized + Unpin, O: Op<T>> Future for Io<'_, T, O> {
    type Output = io::Result<O::Output>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.op.poll(Pin::new(&mut **this.io), cx)
    }
}

/// Repeats a call for as long as a signal interrupts it.
///
/// Every operation that loops does this, as its caller could only do the same. The ones that make one call
/// (`read`, `write`) hand the error on.
#[inline]
pub(super) fn retry<T>(mut call: impl FnMut() -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
    loop {
        match call() {
            Poll::Ready(Err(e)) if e.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Reads until `buf` is full; `eof` makes the error for a stream that ends before.
#[inline]
pub(super) fn poll_read_exact<T: AsyncRead + ?Sized>(
    mut io: Pin<&mut T>,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
    eof: fn() -> io::Error,
) -> Poll<io::Result<()>> {
    while buf.remaining() > 0 {
        if ready!(retry(|| poll_read_into(io.as_mut(), cx, buf)))? == 0 {
            return Poll::Ready(Err(eof()));
        }
    }
    Poll::Ready(Ok(()))
}

/// Writes what of `data` lies behind `*written`; `zero` makes the error for a stream that takes no more.
#[inline(always)]
pub(super) fn poll_write_all<T: AsyncWrite + ?Sized>(
    mut io: Pin<&mut T>,
    cx: &mut Context<'_>,
    data: &[u8],
    written: &mut usize,
    zero: fn() -> io::Error,
) -> Poll<io::Result<()>> {
    while *written < data.len() {
        let rest = &data[*written..];
        match io.as_mut().poll_write(cx, rest) {
            // First, as it is the usual.
            Poll::Ready(Ok(n)) if n == rest.len() => {
                *written = data.len();
                return Poll::Ready(Ok(()));
            }
            Poll::Ready(Ok(0)) => return Poll::Ready(Err(zero())),
            Poll::Ready(Ok(n)) => *written += n,
            Poll::Ready(Err(e)) if e.kind() == ErrorKind::Interrupted => {}
            Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
            Poll::Pending => return Poll::Pending,
        }
    }
    Poll::Ready(Ok(()))
}
