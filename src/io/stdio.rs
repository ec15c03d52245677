//! The process's standard streams.
//!
//! Each handle has a buffer of its own in front of the standard library's stream, which all handles share.

use std::io::{self, Read, Write};

use std::pin::Pin;
use std::task::{Context, Poll};

use super::blocking::{Blocking, Device};
use super::{AsyncRead, ReadBuf};

impl Device for io::Stdin {
    fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        Read::read(&mut &*self, buf)
    }
}

/// The standard library keeps a line back until it is complete. Here the way to the pool costs more than the write, so each
/// is passed on.
impl Device for io::Stdout {
    fn write(&self, buf: &[u8]) -> io::Result<()> {
        let mut stream = self.lock();
        stream.write_all(buf)?;
        stream.flush()
    }
}

impl Device for io::Stderr {
    fn write(&self, buf: &[u8]) -> io::Result<()> {
        Write::write_all(&mut &*self, buf)
    }
}

/// The standard input of the process: see [`stdin`].
#[derive(Debug)]
pub struct Stdin {
    io: Blocking<io::Stdin>,
}

/// The standard output of the process: see [`stdout`].
#[derive(Debug)]
pub struct Stdout {
    io: Blocking<io::Stdout>,
}

/// The standard error of the process: see [`stderr`].
#[derive(Debug)]
pub struct Stderr {
    io: Blocking<io::Stderr>,
}

/// The standard input of the process.
///
/// The system can only be asked for it in a way that blocks, so a thread of the blocking pool waits for what comes. **It can't be
/// called back**: a runtime that is dropped while it waits waits too, until a line comes or the input ends. For talking to
/// a user it is better to read on a thread of one's own, and send the lines.
///
/// What one handle has read ahead, others don't get: use one.
///
/// # Cancel safety
///
/// When a read is dropped the thread goes on; what it reads is there for the next read through the same handle.
///
/// # Panics
///
/// Reading does, outside of a runtime.
///
/// # Examples
///
/// ```no_run
/// use corelane::io::{self, AsyncBufReadExt};
///
/// # async fn example() -> io::Result<()> {
/// let mut lines = io::BufReader::new(io::stdin()).lines();
/// while let Some(line) = lines.next_line().await? {
///     println!("{}", line.len());
/// }
/// # Ok(())
/// # }
/// ```
pub fn stdin() -> Stdin {
    Stdin { io: Blocking::new(io::stdin()) }
}

/// The standard output of the process.
///
/// A write is ready as soon as a thread of the blocking pool has it to write, and says nothing of what becomes of it: an error
/// is told by the next write or flush. Flush before the program ends, or it may end first. Each write is passed on to
/// the system, whether or not a line is complete. When several tasks write, each with its own handle, what they write in
/// one call, up to 2 MiB, stays together.
///
/// # Cancel safety
///
/// What was taken is written, also if the handle is dropped, and if the runtime is.
///
/// # Panics
///
/// Writing does, outside of a runtime.
///
/// # Examples
///
/// ```
/// use corelane::io::{self, AsyncWriteExt};
///
/// # async fn example() -> io::Result<()> {
/// let mut out = io::stdout();
/// out.write_all(b"hello\n").await?;
/// out.flush().await?;
/// # Ok(())
/// # }
/// ```
pub fn stdout() -> Stdout {
    Stdout { io: Blocking::new(io::stdout()) }
}

/// The standard error of the process.
///
/// The same as [`stdout`], for errors.
///
/// # Panics
///
/// Writing does, outside of a runtime.
///
/// # Examples
///
/// ```
/// use corelane::io::{self, AsyncWriteExt};
///
/// # async fn example() -> io::Result<()> {
/// let mut err = io::stderr();
/// err.write_all(b"cannot read the config\n").await?;
/// err.flush().await?;
/// # Ok(())
/// # }
/// ```
pub fn stderr() -> Stderr {
    Stderr { io: Blocking::new(io::stderr()) }
}

impl AsyncRead for Stdin {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.io.poll_read(cx, buf)
    }
}

/// `AsyncWrite` by the buffer.
macro_rules! write_behind {
    ($stream:ty) => {
        impl $crate::io::AsyncWrite for $stream {
            fn poll_write(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
                buf: &[u8],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                self.io.poll_write(cx, &[::std::io::IoSlice::new(buf)])
            }

            fn poll_write_vectored(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
                bufs: &[::std::io::IoSlice<'_>],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                self.io.poll_write(cx, bufs)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<::std::io::Result<()>> {
                self.io.poll_flush(cx)
            }

            fn poll_shutdown(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<::std::io::Result<()>> {
                self.io.poll_flush(cx)
            }
        }
    };
}

/// `AsFd` and `AsRawFd` by the file behind the buffer.
macro_rules! buffered_fd {
    ($stream:ty) => {
        impl ::std::os::fd::AsFd for $stream {
            fn as_fd(&self) -> ::std::os::fd::BorrowedFd<'_> {
                self.io.file().as_fd()
            }
        }

        impl ::std::os::fd::AsRawFd for $stream {
            fn as_raw_fd(&self) -> ::std::os::fd::RawFd {
                self.io.file().as_raw_fd()
            }
        }
    };
}

pub(crate) use {buffered_fd, write_behind};

write_behind!(Stdout);
write_behind!(Stderr);
buffered_fd!(Stdin);
buffered_fd!(Stdout);
buffered_fd!(Stderr);
