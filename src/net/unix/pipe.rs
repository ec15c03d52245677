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
    Ok((Sender::new(OwnedFd::from(sender).into())?, Receiver::new(OwnedFd::from(receiver).into())?))
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
        Receiver::new(file)
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
        Sender::new(file)
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
#[derive(Debug)]
pub struct Sender {
    io: Source<File>,
}

/// The receiving end of a pipe.
///
/// Reading gives 0 bytes, the end, once nothing is left and nobody sends any more. A FIFO file that nobody has opened for sending
/// since is waited for.
#[derive(Debug)]
pub struct Receiver {
    io: Source<File>,
}

/// What the ends have in common: `end!(Sender: WRITABLE, Start::Unknown, not O_RDONLY or "…", for "writing")`.
macro_rules! end {
    ($End:ident: $interest:ident, $start:expr, not $other:ident or $refusal:literal, for $doing:literal) => {
        impl $End {
            #[track_caller]
            fn new(file: File) -> io::Result<$End> {
                Ok(Self { io: Source::starting(file, Interest::$interest, $start)? })
            }

            /// Goes on with a file, which is made not to block.
            ///
            /// # Errors
            ///
            #[doc = concat!("`InvalidInput` if the file is not a FIFO or not open for ", $doing, ".")]
            ///
            /// # Panics
            ///
            /// Outside of a runtime.
            #[track_caller]
            pub fn from_file(file: File) -> io::Result<$End> {
                check_fifo(&file)?;
                if flags(file.as_fd())? & libc::O_ACCMODE == libc::$other {
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, $refusal));
                }
                Self::from_file_unchecked(file)
            }

            /// Goes on with a file, which is made not to block, without looking at what it is.
            ///
            /// # Panics
            ///
            /// Outside of a runtime.
            #[track_caller]
            pub fn from_file_unchecked(file: File) -> io::Result<$End> {
                set_nonblocking(file.as_fd(), true)?;
                Self::new(file)
            }

            /// As [`from_file`](Self::from_file).
            #[track_caller]
            pub fn from_owned_fd(fd: OwnedFd) -> io::Result<$End> {
                Self::from_file(fd.into())
            }

            /// As [`from_file_unchecked`](Self::from_file_unchecked).
            #[track_caller]
            pub fn from_owned_fd_unchecked(fd: OwnedFd) -> io::Result<$End> {
                Self::from_file_unchecked(fd.into())
            }

            ready_methods!(ready);

            /// Does something of one's own with the pipe if it is ready, which only `WouldBlock` clears.
            ///
            /// # Errors
            ///
            /// What `f` gives, or `WouldBlock` without calling it.
            pub fn try_io<R>(&self, f: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
                self.io.registration.try_io(Interest::$interest, f)
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

        fd_traits!(fd $End);
    };
}
end!(Sender: WRITABLE, Start::Unknown, not O_RDONLY or "not in O_WRONLY or O_RDWR access mode", for "writing");
end!(Receiver: READABLE, Start::Untried, not O_WRONLY or "not in O_RDONLY or O_RDWR access mode", for "reading");

impl Sender {
    ready_methods!(write poll_write_ready);
    try_methods!(write);
}

impl Receiver {
    ready_methods!(read poll_read_ready);
    try_methods!(read);
}

impl AsyncWrite for Sender {
    stream_traits!(@write);

    /// A pipe's end is closed by dropping it.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

stream_traits!(@read Receiver);

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
