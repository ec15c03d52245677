//! Pipes: with a name, as FIFO files, and without.
//!
//! A [`Sender`] and a [`Receiver`] are the ends. [`pipe`] makes both; [`OpenOptions`] opens the ends of a FIFO file.

#![expect(unsafe_code, reason = "the file status flags have no safe interface here")]

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::io::{AsyncWrite, Interest};
use crate::net::source::{Source, Start, fd_traits, ready_methods, stream_traits, try_methods};

/// Makes a pipe without a name.
///
/// # Panics
///
/// Outside of a runtime.
#[track_caller]
pub fn pipe() -> io::Result<(Sender, Receiver)> {
    let (sender, receiver) = mio::unix::pipe::new()?;
    Ok((
        Sender { io: Source::with_interest(OwnedFd::from(sender).into(), Interest::WRITABLE)? },
        Receiver {
            io: Source::starting(OwnedFd::from(receiver).into(), Interest::READABLE, Start::Untried)?,
        },
    ))
}

/// How to open an end of a FIFO file.
///
/// A receiver opens even if there is no sender. A sender without a receiver is refused with `ENXIO`, unless the
/// file is opened for both.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    read_write: bool,
    unchecked: bool,
}

impl OpenOptions {
    /// Opens for one direction, and checks that the file is a FIFO.
    pub fn new() -> OpenOptions {
        Self::default()
    }

    /// Opens the file for both directions: a sender then needs no receiver, and a receiver never sees the end.
    pub fn read_write(&mut self, value: bool) -> &mut Self {
        self.read_write = value;
        self
    }

    /// Leaves out the check that the file is a FIFO.
    pub fn unchecked(&mut self, value: bool) -> &mut Self {
        self.unchecked = value;
        self
    }

    /// Opens the receiving end.
    ///
    /// # Errors
    ///
    /// What the system says; `InvalidInput` if the file is not a FIFO.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn open_receiver<P: AsRef<Path>>(&self, path: P) -> io::Result<Receiver> {
        let file = self.open(path.as_ref(), true, self.read_write)?;
        Ok(Receiver { io: Source::starting(file, Interest::READABLE, Start::Untried)? })
    }

    /// Opens the sending end.
    ///
    /// # Errors
    ///
    /// What the system says; `InvalidInput` if the file is not a FIFO.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn open_sender<P: AsRef<Path>>(&self, path: P) -> io::Result<Sender> {
        let file = self.open(path.as_ref(), self.read_write, true)?;
        Ok(Sender { io: Source::with_interest(file, Interest::WRITABLE)? })
    }

    fn open(&self, path: &Path, read: bool, write: bool) -> io::Result<File> {
        let file =
            fs::OpenOptions::new().read(read).write(write).custom_flags(libc::O_NONBLOCK).open(path)?;
        if !self.unchecked {
            check_fifo(&file)?;
        }
        Ok(file)
    }
}

/// The sending end of a pipe.
///
/// Writing to a pipe that nobody receives from is an error, `BrokenPipe`.
pub struct Sender {
    io: Source<File>,
}

impl Sender {
    /// Goes on with a file, which is made not to block.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the file is not a FIFO or not open for writing.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn from_file(file: File) -> io::Result<Sender> {
        check_fifo(&file)?;
        if flags(file.as_fd())? & libc::O_ACCMODE == libc::O_RDONLY {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not in O_WRONLY or O_RDWR access mode"));
        }
        Self::from_file_unchecked(file)
    }

    /// Goes on with a file, which is made not to block, without looking at what it is.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn from_file_unchecked(file: File) -> io::Result<Sender> {
        set_nonblocking(file.as_fd(), true)?;
        Ok(Self { io: Source::with_interest(file, Interest::WRITABLE)? })
    }

    /// As [`from_file`](Self::from_file).
    #[track_caller]
    pub fn from_owned_fd(fd: OwnedFd) -> io::Result<Sender> {
        Self::from_file(fd.into())
    }

    /// As [`from_file_unchecked`](Self::from_file_unchecked).
    #[track_caller]
    pub fn from_owned_fd_unchecked(fd: OwnedFd) -> io::Result<Sender> {
        Self::from_file_unchecked(fd.into())
    }

    ready_methods!(ready);
    ready_methods!(write poll_write_ready);
    try_methods!(write);

    /// Does something of one's own with the pipe if it is ready, which only `WouldBlock` clears.
    ///
    /// # Errors
    ///
    /// What `f` gives, or `WouldBlock` without calling it.
    pub fn try_io<R>(&self, f: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.io.registration.try_io(Interest::WRITABLE, f)
    }

    /// Takes the file out of the runtime, and makes it block.
    pub fn into_blocking_fd(self) -> io::Result<OwnedFd> {
        let fd = self.into_nonblocking_fd()?;
        set_nonblocking(fd.as_fd(), false)?;
        Ok(fd)
    }

    /// Takes the file out of the runtime. It does not block.
    pub fn into_nonblocking_fd(self) -> io::Result<OwnedFd> {
        Ok(self.io.into_inner().into())
    }
}

impl AsyncWrite for Sender {
    stream_traits!(@write);

    /// A pipe's end is closed by dropping it.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fd_traits!(Sender);

/// The receiving end of a pipe.
///
/// Reading gives 0 bytes, the end, once nothing is left and nobody sends any more. A FIFO file that nobody has opened for sending
/// since is waited for.
pub struct Receiver {
    io: Source<File>,
}

impl Receiver {
    /// Goes on with a file, which is made not to block.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the file is not a FIFO or not open for reading.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn from_file(file: File) -> io::Result<Receiver> {
        check_fifo(&file)?;
        if flags(file.as_fd())? & libc::O_ACCMODE == libc::O_WRONLY {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not in O_RDONLY or O_RDWR access mode"));
        }
        Self::from_file_unchecked(file)
    }

    /// Goes on with a file, which is made not to block, without looking at what it is.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn from_file_unchecked(file: File) -> io::Result<Receiver> {
        set_nonblocking(file.as_fd(), true)?;
        Ok(Self { io: Source::starting(file, Interest::READABLE, Start::Untried)? })
    }

    /// As [`from_file`](Self::from_file).
    #[track_caller]
    pub fn from_owned_fd(fd: OwnedFd) -> io::Result<Receiver> {
        Self::from_file(fd.into())
    }

    /// As [`from_file_unchecked`](Self::from_file_unchecked).
    #[track_caller]
    pub fn from_owned_fd_unchecked(fd: OwnedFd) -> io::Result<Receiver> {
        Self::from_file_unchecked(fd.into())
    }

    ready_methods!(ready);
    ready_methods!(read poll_read_ready);
    try_methods!(read);

    /// Does something of one's own with the pipe if it is ready, which only `WouldBlock` clears.
    ///
    /// # Errors
    ///
    /// What `f` gives, or `WouldBlock` without calling it.
    pub fn try_io<R>(&self, f: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.io.registration.try_io(Interest::READABLE, f)
    }

    /// Takes the file out of the runtime, and makes it block.
    pub fn into_blocking_fd(self) -> io::Result<OwnedFd> {
        let fd = self.into_nonblocking_fd()?;
        set_nonblocking(fd.as_fd(), false)?;
        Ok(fd)
    }

    /// Takes the file out of the runtime. It does not block.
    pub fn into_nonblocking_fd(self) -> io::Result<OwnedFd> {
        Ok(self.io.into_inner().into())
    }
}

stream_traits!(@read Receiver);
fd_traits!(Receiver);

fn check_fifo(file: &File) -> io::Result<()> {
    if file.metadata()?.file_type().is_fifo() {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a pipe"))
    }
}

fn flags(fd: BorrowedFd<'_>) -> io::Result<libc::c_int> {
    // SAFETY: an open file, and no pointers.
    let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
    if flags < 0 { Err(io::Error::last_os_error()) } else { Ok(flags) }
}

pub(crate) fn set_nonblocking(fd: BorrowedFd<'_>, nonblocking: bool) -> io::Result<()> {
    let old = flags(fd)?;
    let new = if nonblocking { old | libc::O_NONBLOCK } else { old & !libc::O_NONBLOCK };
    // SAFETY: an open file, and no pointers.
    if new != old && unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, new) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
