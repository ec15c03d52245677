//! What every socket is made of: the file, and its registration with a reactor.
//!
//! Here: reading and writing through readiness, and the methods that sockets have in common, as macros, so that they read
//! and are documented the same everywhere.
//! Not here: readiness itself (`corelane_shards::reactor`).

#![expect(unsafe_code, reason = "reads into memory that is not initialized, and sends")]

use std::fmt;
use std::hint;
use std::io::{self, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::task::{Context, Poll, ready};
use std::{fs, net, os, process};

use bytes::BufMut;
use corelane_shards::reactor::Registration;

use crate::error;
use crate::io::{Interest, ReadBuf};

pub(crate) use corelane_shards::reactor::{Direction, Start};

/// A non-blocking file and its registration. Fields drop in order: the file is closed last.
pub(crate) struct Source<T> {
    pub(crate) registration: Registration,
    pub(crate) io: T,
}

// What a panic could leave half done is behind locks that no panic passes.
impl<T> UnwindSafe for Source<T> {}
impl<T> RefUnwindSafe for Source<T> {}

impl<T: AsFd> Source<T> {
    /// Belongs to the runtime of the context.
    ///
    /// # Errors
    ///
    /// If that is ending.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub(crate) fn new(io: T) -> io::Result<Self> {
        Self::with_interest(io, Interest::READABLE | Interest::WRITABLE)
    }

    /// The same for a file that is not watched for both directions.
    #[track_caller]
    pub(crate) fn with_interest(io: T, interest: Interest) -> io::Result<Self> {
        let mesh = super::mesh()?;
        Ok(Self { registration: Registration::new(&mesh, io.as_fd().as_raw_fd(), interest), io })
    }

    /// The same for a file that the user made.
    ///
    /// # Panics
    ///
    /// Outside of a runtime, and in debug builds if the file would block, unless a flag for the compiler allows it as in Tokio.
    #[track_caller]
    pub(crate) fn from_user(io: T) -> io::Result<Self> {
        debug_assert!(
            cfg!(tokio_allow_from_blocking_fd) || socket2::SockRef::from(&io).nonblocking()?,
            "{}",
            error::BLOCKING_SOCKET
        );
        Self::new(io)
    }

    /// The same for one of a pair, which has room to write.
    #[track_caller]
    pub(crate) fn one_of_pair(io: T) -> io::Result<Self> {
        Self::starting(io, Interest::READABLE | Interest::WRITABLE, Start::Writable)
    }

    /// The same for a file of which something is known.
    #[track_caller]
    pub(crate) fn starting(io: T, interest: Interest, start: Start) -> io::Result<Self> {
        let Self { registration, io } = Self::with_interest(io, interest)?;
        Ok(Self { registration: registration.starting(start), io })
    }

    /// For a connection that a listener took: it belongs where the listener does.
    pub(crate) fn accepted<L>(listener: &Source<L>, io: T) -> Self {
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registration = Registration::new(listener.registration.mesh(), io.as_fd().as_raw_fd(), interest);
        Self { registration: registration.starting(Start::Ready), io }
    }

    /// Waits until a socket that has begun to connect has, or failed. The answer is its `SO_ERROR`.
    pub(crate) async fn connected(&self) -> io::Result<()> {
        // A reactor's event and not the state at this moment: the other side may be gone before it has accepted.
        self.registration.bind_now()?;
        self.registration.readiness(Interest::WRITABLE).await.map(drop)
    }

    /// Takes the file out of the reactor.
    pub(crate) fn into_inner(self) -> T {
        let Self { registration, io } = self;
        drop(registration);
        io
    }
}

impl<T: Stream> Source<T> {
    /// Reads bytes of a stream.
    #[inline(always)]
    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // SAFETY: only written to, by `read`.
        let room = unsafe { buf.unfilled_mut() };
        let io = &self.io;
        let poll = self.registration.poll_transfer(cx, Direction::Read, room.len(), move || read(io, room));
        // SAFETY: so many the kernel has written.
        poll.map_ok(|n| unsafe { filled(buf, n) })
    }

    /// As `poll_read`, for who has the stream to itself: takes it along when its task moves.
    #[inline(always)]
    pub(crate) fn poll_read_mut(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { registration, io } = self;
        // SAFETY: only written to, by `read`.
        let room = unsafe { buf.unfilled_mut() };
        let poll = registration.poll_transfer_mut(cx, Direction::Read, room.len(), move || read(io, room));
        // SAFETY: so many the kernel has written.
        poll.map_ok(|n| unsafe { filled(buf, n) })
    }

    /// Reads bytes of a stream if there are any.
    pub(crate) fn try_read_buf(&self, buf: &mut impl BufMut) -> io::Result<usize> {
        fill(buf, |room| self.registration.try_io(Interest::READABLE, || read(&self.io, room)))
    }

    /// Writes bytes to a stream.
    #[inline(always)]
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.registration.poll_transfer(cx, Direction::Write, buf.len(), || write(&self.io, buf))
    }

    /// As `poll_write`, for who has the stream to itself: takes it along when its task moves.
    #[inline(always)]
    pub(crate) fn poll_write_mut(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let Self { registration, io } = self;
        registration.poll_transfer_mut(cx, Direction::Write, buf.len(), || write(io, buf))
    }

    /// Writes bytes to a stream if there is room.
    pub(crate) fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.registration.try_io(Interest::WRITABLE, || write(&self.io, buf))
    }
}

impl<T> Source<T>
where
    for<'a> &'a T: Write,
{
    /// Writes bytes from several buffers to a stream.
    pub(crate) fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // What the standard library leaves out, since the kernel takes no more at once, was not too much for the socket.
        let len = bufs.iter().take(libc::UIO_MAXIOV as usize).map(|buf| buf.len()).sum();
        self.registration.poll_transfer(cx, Direction::Write, len, || (&self.io).write_vectored(bufs))
    }
}

impl<T> Source<T>
where
    for<'a> &'a T: Read,
{
    /// Reads bytes of a stream if there are any.
    pub(crate) fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.registration.try_io(Interest::READABLE, || (&self.io).read(buf))
    }
}

impl<T: fmt::Debug> fmt::Debug for Source<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.io.fmt(f)
    }
}

/// What is read or written as a stream of bytes.
pub(crate) trait Stream: AsFd {
    /// Whether it has `recv(2)` and `send(2)`. They spare the checks that `read(2)` and `write(2)` make for files: 22 of 357 ns where
    /// nothing has come, 100 of 6,700 for 64 bytes sent over loopback and received. And as with Tokio, who has no room for bytes waits
    /// for them all the same.
    const IS_SOCKET: bool;
}

macro_rules! streams {
    ($($Stream:ty: $is_socket:literal),* $(,)?) => { $(
        impl Stream for $Stream {
            const IS_SOCKET: bool = $is_socket;
        }
    )* };
}

streams! {
    net::TcpStream: true,
    os::unix::net::UnixStream: true,
    fs::File: false,
    process::ChildStdin: false,
    process::ChildStdout: false,
    process::ChildStderr: false,
}

/// Reads into memory that need not be initialized.
#[inline]
fn read<T: Stream>(io: &T, room: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
    let (fd, data, len) = (io.as_fd().as_raw_fd(), room.as_mut_ptr().cast(), room.len());
    // SAFETY: the kernel writes at most `len` bytes there.
    let n = unsafe { if T::IS_SOCKET { libc::recv(fd, data, len, 0) } else { libc::read(fd, data, len) } };
    let n = usize::try_from(n).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: so the kernel says; who slices by it need not ask.
    unsafe { hint::assert_unchecked(n <= room.len()) };
    Ok(n)
}

/// Writes the front of some bytes.
#[inline]
fn write<T: Stream>(io: &T, data: &[u8]) -> io::Result<usize> {
    let (fd, len, data) = (io.as_fd().as_raw_fd(), data.len(), data.as_ptr().cast());
    // SAFETY: the kernel reads at most `len` bytes there.
    let n = unsafe {
        if T::IS_SOCKET { libc::send(fd, data, len, libc::MSG_NOSIGNAL) } else { libc::write(fd, data, len) }
    };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

/// Has the next bytes of a buffer filled by `f`, which says how many it wrote, besides anything else.
pub(crate) fn fill_with<R>(
    buf: &mut impl BufMut,
    f: impl FnOnce(&mut [MaybeUninit<u8>]) -> io::Result<(usize, R)>,
) -> io::Result<(usize, R)> {
    // SAFETY: those who fill it write values only.
    let room = unsafe { buf.chunk_mut().as_uninit_slice_mut() };
    let (n, rest) = f(room)?;
    // SAFETY: so many were written: `f` is one of this crate's, and says what the kernel said.
    unsafe { buf.advance_mut(n) };
    Ok((n, rest))
}

/// As [`fill_with`], with nothing else.
pub(crate) fn fill(
    buf: &mut impl BufMut,
    f: impl FnOnce(&mut [MaybeUninit<u8>]) -> io::Result<usize>,
) -> io::Result<usize> {
    fill_with(buf, |room| f(room).map(|n| (n, ()))).map(|(n, ())| n)
}

/// The same for a `ReadBuf`.
pub(crate) fn fill_read_buf<R>(
    buf: &mut ReadBuf<'_>,
    f: impl FnOnce(&mut [MaybeUninit<u8>]) -> Poll<io::Result<(usize, R)>>,
) -> Poll<io::Result<(usize, R)>> {
    // SAFETY: those who fill it write values only.
    let room = unsafe { buf.unfilled_mut() };
    let (n, rest) = ready!(f(room))?;
    // SAFETY: so many were written.
    unsafe { filled(buf, n) };
    Poll::Ready(Ok((n, rest)))
}

/// Counts what was read.
///
/// # Safety
/// So many bytes behind the data hold values.
#[inline(always)]
unsafe fn filled(buf: &mut ReadBuf<'_>, n: usize) {
    // SAFETY: by contract.
    unsafe { hint::assert_unchecked(n <= buf.remaining()) };
    // SAFETY: by contract.
    unsafe { buf.assume_init(n) };
    buf.advance(n);
}

/// Waiting without doing: what every socket that reads and writes has. The polled ones have their own names.
macro_rules! ready_methods {
    ($poll_read:ident, $poll_write:ident) => {
        $crate::net::source::ready_methods!(read $poll_read);
        $crate::net::source::ready_methods!(write $poll_write);
        $crate::net::source::ready_methods!(ready);
        $crate::net::source::ready_methods!(io);
    };
    (ready) => {
        /// Waits until something of the interest is ready, and says what.
        ///
        /// It may be ready no more when it is tried; then trying answers `WouldBlock`, and this waits for the next event.
        ///
        /// # Cancel safety
        ///
        /// Nothing is lost when the future is dropped.
        pub async fn ready(&self, interest: $crate::io::Interest) -> ::std::io::Result<$crate::io::Ready> {
            Ok(self.io.registration.readiness(interest).await?.ready)
        }
    };
    (io) => {
        /// Does something of one's own with the socket if the interest is ready, which only `WouldBlock` clears.
        ///
        /// # Errors
        ///
        /// What `f` gives, or `WouldBlock` without calling it.
        pub fn try_io<R>(
            &self,
            interest: $crate::io::Interest,
            f: impl FnOnce() -> ::std::io::Result<R>,
        ) -> ::std::io::Result<R> {
            self.io.registration.try_io(interest, f)
        }

        /// Does something of one's own with the socket, again and again until it does not answer `WouldBlock`.
        ///
        /// `f` must not block, and should do one operation: what it did before `WouldBlock` it does again.
        pub async fn async_io<R>(
            &self,
            interest: $crate::io::Interest,
            f: impl FnMut() -> ::std::io::Result<R>,
        ) -> ::std::io::Result<R> {
            self.io.registration.async_io(interest, f).await
        }
    };
    (read $poll:ident) => {
        /// Waits until there is something to read, or the end of it.
        ///
        /// # Cancel safety
        ///
        /// Nothing is lost when the future is dropped.
        pub async fn readable(&self) -> ::std::io::Result<()> {
            self.io.registration.readiness($crate::io::Interest::READABLE).await.map(drop)
        }

        /// Polls until there is something to read. Of the tasks that poll for reading, the last is woken.
        pub fn $poll(
            &self,
            cx: &mut ::std::task::Context<'_>,
        ) -> ::std::task::Poll<::std::io::Result<()>> {
            self.io.registration.poll_ready(cx, $crate::net::source::Direction::Read).map_ok(drop)
        }
    };
    (write $poll:ident) => {
        /// Waits until there is room to write, or nothing is taken any more.
        ///
        /// # Cancel safety
        ///
        /// Nothing is lost when the future is dropped.
        pub async fn writable(&self) -> ::std::io::Result<()> {
            self.io.registration.readiness($crate::io::Interest::WRITABLE).await.map(drop)
        }

        /// Polls until there is room to write. Of the tasks that poll for writing, the last is woken.
        pub fn $poll(
            &self,
            cx: &mut ::std::task::Context<'_>,
        ) -> ::std::task::Poll<::std::io::Result<()>> {
            self.io.registration.poll_ready(cx, $crate::net::source::Direction::Write).map_ok(drop)
        }
    };
}

/// Reading and writing without waiting: what every stream has.
macro_rules! try_methods {
    (read) => {
        /// Reads what is there. 0 is the end, or an empty `buf`.
        ///
        /// # Errors
        ///
        /// `WouldBlock` if nothing is there.
        pub fn try_read(&self, buf: &mut [u8]) -> ::std::io::Result<usize> {
            self.io.try_read(buf)
        }

        /// As `try_read`, into several buffers in order.
        ///
        /// # Errors
        ///
        /// `WouldBlock` if nothing is there.
        pub fn try_read_vectored(&self, bufs: &mut [::std::io::IoSliceMut<'_>]) -> ::std::io::Result<usize> {
            self.io.registration.try_io($crate::io::Interest::READABLE, || {
                ::std::io::Read::read_vectored(&mut &self.io.io, bufs)
            })
        }

        /// As `try_read`, into the next free bytes of a growing buffer, which counts them.
        ///
        /// # Errors
        ///
        /// `WouldBlock` if nothing is there.
        pub fn try_read_buf<B: ::bytes::BufMut>(&self, buf: &mut B) -> ::std::io::Result<usize> {
            self.io.try_read_buf(buf)
        }
    };
    (write) => {
        /// Writes as much as there is room for.
        ///
        /// # Errors
        ///
        /// `WouldBlock` if there is none.
        pub fn try_write(&self, buf: &[u8]) -> ::std::io::Result<usize> {
            self.io.try_write(buf)
        }

        /// As `try_write`, from several buffers in order.
        ///
        /// # Errors
        ///
        /// `WouldBlock` if there is no room.
        pub fn try_write_vectored(&self, bufs: &[::std::io::IoSlice<'_>]) -> ::std::io::Result<usize> {
            self.io.registration.try_io($crate::io::Interest::WRITABLE, || {
                ::std::io::Write::write_vectored(&mut &self.io.io, bufs)
            })
        }
    };
}

/// `AsyncRead` and `AsyncWrite` for a stream.
macro_rules! stream_traits {
    (@read $stream:ty) => {
        impl $crate::io::AsyncRead for $stream {
            #[inline(always)]
            fn poll_read(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
                buf: &mut $crate::io::ReadBuf<'_>,
            ) -> ::std::task::Poll<::std::io::Result<()>> {
                self.get_mut().io.poll_read_mut(cx, buf)
            }
        }
    };
    (@write) => {
        #[inline(always)]
        fn poll_write(
            self: ::std::pin::Pin<&mut Self>,
            cx: &mut ::std::task::Context<'_>,
            buf: &[u8],
        ) -> ::std::task::Poll<::std::io::Result<usize>> {
            self.get_mut().io.poll_write_mut(cx, buf)
        }

        fn poll_write_vectored(
            self: ::std::pin::Pin<&mut Self>,
            cx: &mut ::std::task::Context<'_>,
            bufs: &[::std::io::IoSlice<'_>],
        ) -> ::std::task::Poll<::std::io::Result<usize>> {
            let this = self.get_mut();
            this.io.registration.follow();
            this.io.poll_write_vectored(cx, bufs)
        }

        fn is_write_vectored(&self) -> bool {
            true
        }

        /// Nothing is buffered here.
        fn poll_flush(
            self: ::std::pin::Pin<&mut Self>,
            _: &mut ::std::task::Context<'_>,
        ) -> ::std::task::Poll<::std::io::Result<()>> {
            ::std::task::Poll::Ready(Ok(()))
        }
    };
    ($stream:ty) => {
        $crate::net::source::stream_traits!(@read $stream);

        impl $crate::io::AsyncWrite for $stream {
            $crate::net::source::stream_traits!(@write);

            fn poll_shutdown(
                self: ::std::pin::Pin<&mut Self>,
                _: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<::std::io::Result<()>> {
                ::std::task::Poll::Ready(self.shutdown_write())
            }
        }
    };
}

/// `Debug`, `AsFd` and `AsRawFd` by the file; behind `fd` the last two.
macro_rules! fd_traits {
    ($socket:ty) => {
        impl ::std::fmt::Debug for $socket {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                self.io.fmt(f)
            }
        }

        $crate::net::source::fd_traits!(fd $socket);
    };
    (fd $socket:ty) => {
        impl ::std::os::fd::AsFd for $socket {
            fn as_fd(&self) -> ::std::os::fd::BorrowedFd<'_> {
                self.io.io.as_fd()
            }
        }

        impl ::std::os::fd::AsRawFd for $socket {
            fn as_raw_fd(&self) -> ::std::os::fd::RawFd {
                ::std::os::fd::AsRawFd::as_raw_fd(&self.io.io)
            }
        }
    };
}

pub(crate) use {fd_traits, ready_methods, stream_traits, try_methods};
