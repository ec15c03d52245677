//! An open file.

#![expect(unsafe_code, reason = "the interface can take a bare descriptor")]

use std::fmt;
use std::fs::{Metadata, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::SystemTime;

use crate::io::blocking::{Blocking, Device};
use crate::io::stdio::{buffered_fd, write_behind};
use crate::io::{AsyncRead, AsyncSeek, ReadBuf};

use super::{FileTimes, OpenOptions};

type StdFile = std::fs::File;

impl Device for StdFile {
    fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        Read::read(&mut &*self, buf)
    }

    fn write(&self, buf: &[u8]) -> io::Result<()> {
        Write::write_all(&mut &*self, buf)
    }

    fn seek(&self, to: SeekFrom) -> io::Result<u64> {
        Seek::seek(&mut &*self, to)
    }
}

/// An open file.
///
/// It is read, written and sought in through [`AsyncReadExt`], [`AsyncWriteExt`] and [`AsyncSeekExt`].
///
/// A write is ready as soon as a thread of the blocking pool has it to write; the next operation on the file waits for that to
/// end. **An error of a write is told by the next write, flush or sync.** So
/// [`flush`](crate::io::AsyncWriteExt::flush) a file that was written before dropping it, or the error is nobody's and the
/// file may still be open for a moment. What the system has written need not be on the disk: see
/// [`sync_all`](Self::sync_all).
///
/// Every operation is a trip to the pool. Many small ones are better made through a [`BufReader`](crate::io::BufReader) or
/// [`BufWriter`](crate::io::BufWriter).
///
/// # Cancel safety
///
/// A read that is dropped goes on, and what it reads is there for the next one. What was taken to be written is written, also
/// if the file is dropped, and if the runtime is. After a seek that was dropped the position is one or the other.
///
/// # Panics
///
/// All but the conversions does outside of a runtime.
///
/// # Examples
///
/// ```
/// use corelane::fs::File;
/// use corelane::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
///
/// # #[corelane::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("corelane-doc-file-{}", std::process::id()));
/// let mut file = File::options().read(true).write(true).create(true).open(&path).await?;
/// file.write_all(b"12 eggs").await?;
/// file.rewind().await?;
/// let mut text = String::new();
/// file.read_to_string(&mut text).await?;
/// assert_eq!(text, "12 eggs");
/// # std::fs::remove_file(path)
/// # }
/// ```
///
/// [`AsyncReadExt`]: crate::io::AsyncReadExt
/// [`AsyncWriteExt`]: crate::io::AsyncWriteExt
/// [`AsyncSeekExt`]: crate::io::AsyncSeekExt
pub struct File {
    io: Blocking<StdFile>,
}

impl File {
    /// Opens a file for reading.
    ///
    /// # Errors
    ///
    /// What the system says.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> std::io::Result<()> {
    /// let file = corelane::fs::File::open("index").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn open(path: impl AsRef<Path>) -> io::Result<File> {
        Self::options().read(true).open(path).await
    }

    /// Makes a file and opens it for writing. One that is there is emptied.
    ///
    /// # Errors
    ///
    /// What the system says.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> std::io::Result<()> {
    /// let file = corelane::fs::File::create("index.new").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn create(path: impl AsRef<Path>) -> io::Result<File> {
        Self::options().write(true).create(true).truncate(true).open(path).await
    }

    /// Makes a file and opens it for reading and writing.
    ///
    /// # Errors
    ///
    /// What the system says: `AlreadyExists` if anything is there.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> std::io::Result<()> {
    /// let file = corelane::fs::File::create_new("lock").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn create_new<P: AsRef<Path>>(path: P) -> io::Result<File> {
        Self::options().read(true).write(true).create_new(true).open(path).await
    }

    /// Says how to open a file.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> std::io::Result<()> {
    /// let journal = corelane::fs::File::options().append(true).open("journal").await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// Goes on with a file of the standard library's. Works outside of a runtime.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// let file = std::fs::File::open("index")?;
    /// let file = corelane::fs::File::from_std(file);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn from_std(std: StdFile) -> File {
        Self { io: Blocking::new(std) }
    }

    /// Waits for what is under way, and goes on with the standard library's file. What was read ahead is lost, and the error of
    /// the last write.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> std::io::Result<()> {
    /// let file = corelane::fs::File::open("index").await?;
    /// let file: std::fs::File = file.into_std().await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn into_std(self) -> StdFile {
        self.io.into_file().await
    }

    /// Goes on with the standard library's file if nothing is under way.
    ///
    /// # Errors
    ///
    /// The file itself, if something is.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> std::io::Result<()> {
    /// let file = corelane::fs::File::open("index").await?;
    /// let file = file.try_into_std().expect("nothing has been done with it");
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_into_std(self) -> Result<StdFile, Self> {
        self.io.try_into_file().map_err(|io| Self { io })
    }

    /// Has the system put on the disk what was written, and what it knows about the file.
    ///
    /// # Errors
    ///
    /// What the system says. Of a write that failed and was not told yet, that error.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use corelane::io::AsyncWriteExt;
    /// # async fn example() -> std::io::Result<()> {
    /// let mut file = corelane::fs::File::create("ledger").await?;
    /// file.write_all(b"12 eggs").await?;
    /// file.sync_all().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn sync_all(&self) -> io::Result<()> {
        self.io.flushed().await?;
        self.io.run(|file, _| file.sync_all()).await
    }

    /// The same as [`sync_all`](Self::sync_all), without what is not needed to find the data: when it was changed, for
    /// instance.
    ///
    /// # Errors
    ///
    /// As [`sync_all`](Self::sync_all).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(file: &corelane::fs::File) -> std::io::Result<()> {
    /// file.sync_data().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn sync_data(&self) -> io::Result<()> {
        self.io.flushed().await?;
        self.io.run(|file, _| file.sync_data()).await
    }

    /// Cuts the file off after so many bytes, or fills it up with zeros. The position stays, even if it is behind the end
    /// then.
    ///
    /// # Errors
    ///
    /// What the system says: `InvalidInput` if the file is not open for writing.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(file: &corelane::fs::File) -> std::io::Result<()> {
    /// file.set_len(0).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn set_len(&self, size: u64) -> io::Result<()> {
        self.io
            .run(move |file, buf| {
                // What was read ahead may be cut off.
                buf.back(file)?;
                file.set_len(size)
            })
            .await
    }

    /// What the system says about the file, once what is under way has ended.
    ///
    /// # Errors
    ///
    /// What the system says.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(file: &corelane::fs::File) -> std::io::Result<()> {
    /// println!("{} bytes", file.metadata().await?.len());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn metadata(&self) -> io::Result<Metadata> {
        self.io.run(|file, _| file.metadata()).await
    }

    /// Opens the same file once more. Both have one position, and each its own buffer.
    ///
    /// # Errors
    ///
    /// What the system says, if it has no more descriptors for instance.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(file: &corelane::fs::File) -> std::io::Result<()> {
    /// let same = file.try_clone().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn try_clone(&self) -> io::Result<File> {
        let mut clone = Self::from_std(self.io.run(|file, _| file.try_clone()).await?);
        clone.set_max_buf_size(self.max_buf_size());
        Ok(clone)
    }

    /// Says who may use the file.
    ///
    /// # Errors
    ///
    /// What the system says: `PermissionDenied` unless it is the owner who asks.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::os::unix::fs::PermissionsExt;
    /// # async fn example(file: &corelane::fs::File) -> std::io::Result<()> {
    /// file.set_permissions(std::fs::Permissions::from_mode(0o600)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn set_permissions(&self, perm: Permissions) -> io::Result<()> {
        self.io.run(move |file, _| file.set_permissions(perm)).await
    }

    /// Says when the file was last used.
    ///
    /// # Errors
    ///
    /// What the system says: `PermissionDenied` unless it is the owner who asks.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use corelane::fs::FileTimes;
    /// # async fn example(file: &corelane::fs::File) -> std::io::Result<()> {
    /// file.set_times(FileTimes::new().set_accessed(std::time::SystemTime::now())).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn set_times(&self, times: FileTimes) -> io::Result<()> {
        self.io.run(move |file, _| file.set_times(times.into_std())).await
    }

    /// Says when the file was last changed.
    ///
    /// # Errors
    ///
    /// As [`set_times`](Self::set_times).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(file: &corelane::fs::File) -> std::io::Result<()> {
    /// file.set_modified(std::time::SystemTime::UNIX_EPOCH).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.set_times(FileTimes::new().set_modified(time)).await
    }

    /// How much one read or write moves at most, in bytes: 2 MiB at first. The buffer is as large as the largest was.
    ///
    /// # Panics
    ///
    /// If it is zero.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(file: &mut corelane::fs::File) {
    /// file.set_max_buf_size(64 * 1024);
    /// # }
    /// ```
    #[track_caller]
    pub fn set_max_buf_size(&mut self, max_buf_size: usize) {
        self.io.set_max_len(max_buf_size);
    }

    /// What [`set_max_buf_size`](Self::set_max_buf_size) has set.
    pub fn max_buf_size(&self) -> usize {
        self.io.max_len()
    }
}

impl AsyncRead for File {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.io.poll_read(cx, buf)
    }
}

impl AsyncSeek for File {
    fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        self.io.start_seek(position)
    }

    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        self.io.poll_seek(cx)
    }
}

write_behind!(File);
buffered_fd!(File);

impl From<StdFile> for File {
    fn from(std: StdFile) -> Self {
        Self::from_std(std)
    }
}

impl From<OwnedFd> for File {
    fn from(fd: OwnedFd) -> Self {
        Self::from_std(fd.into())
    }
}

impl FromRawFd for File {
    unsafe fn from_raw_fd(fd: RawFd) -> Self {
        // SAFETY: the caller hands over an open descriptor, as he promises.
        Self::from_std(unsafe { StdFile::from_raw_fd(fd) })
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The text is Tokio's.
        f.debug_struct("tokio::fs::File").field("std", self.io.file()).finish()
    }
}
