//! Directories.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, FileType, Metadata};
use std::future::poll_fn;
use std::io;
use std::os::unix::fs::{DirBuilderExt, DirEntryExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use crate::io::blocking::{failed, offload, start};
use crate::task::JoinHandle;

/// Entries that one trip to the blocking pool fetches: enough that the trip costs less than they do, few enough that a listing
/// that is given up has read little in vain.
const CHUNK_LEN: usize = 32;

/// Lists a directory, in no particular order, and without `.` and `..`.
///
/// Whether it shows what is made or removed meanwhile is up to the system.
///
/// # Errors
///
/// What the system says.
///
/// # Panics
///
/// Outside of a runtime.
///
/// # Examples
///
/// ```
/// # #[corelane::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let mut entries = corelane::fs::read_dir(".").await?;
/// while let Some(entry) = entries.next_entry().await? {
///     println!("{}", entry.path().display());
/// }
/// # Ok(())
/// # }
/// ```
pub async fn read_dir(path: impl AsRef<Path>) -> io::Result<ReadDir> {
    let path = path.as_ref().to_owned();
    offload(move || fs::read_dir(path).map(|left| fetch(Arc::new(Mutex::new(left))))).await.map(ReadDir)
}

/// What is left of a directory's listing: see [`read_dir`].
#[derive(Debug)]
#[must_use = "entries come when they are asked for"]
pub struct ReadDir(Listing);

#[derive(Debug)]
enum Listing {
    /// What has been fetched, and what is left if anything is.
    Here(VecDeque<io::Result<DirEntry>>, Option<Left>),
    /// What is left is kept here too, for when the pool does not get to it.
    Fetching(JoinHandle<Listing>, Left),
}

/// Used by one at a time: who fetches.
type Left = Arc<Mutex<fs::ReadDir>>;

fn fetch(left: Left) -> Listing {
    let mut chunk = VecDeque::with_capacity(CHUNK_LEN);
    while chunk.len() < CHUNK_LEN {
        let next = left.lock().unwrap_or_else(|poison| poison.into_inner()).next();
        let Some(entry) = next else { return Listing::Here(chunk, None) };
        chunk.push_back(entry.map(|entry| DirEntry {
            // Most systems list it along.
            file_type: entry.file_type().ok(),
            entry: Arc::new(entry),
        }));
    }
    Listing::Here(chunk, Some(left))
}

impl ReadDir {
    /// The next entry; none at the end.
    ///
    /// # Cancel safety
    ///
    /// No entry is lost when this is dropped.
    ///
    /// # Errors
    ///
    /// What the system says of the entry, or of a thread for the next ones. One may go on after that.
    pub async fn next_entry(&mut self) -> io::Result<Option<DirEntry>> {
        poll_fn(|cx| self.poll_next_entry(cx)).await
    }

    /// Polls for the next entry; none at the end.
    ///
    /// # Errors
    ///
    /// What the system says of the entry, or of a thread for the next ones. One may go on after that.
    pub fn poll_next_entry(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<DirEntry>>> {
        loop {
            self.0 = match &mut self.0 {
                Listing::Here(chunk, left) => {
                    if let Some(entry) = chunk.pop_front() {
                        return Poll::Ready(entry.map(Some));
                    }
                    let Some(left) = left else { return Poll::Ready(Ok(None)) };
                    let (left, fetched) = (Arc::clone(left), Arc::clone(left));
                    Listing::Fetching(start(move || fetch(fetched))?, left)
                }
                Listing::Fetching(fetched, left) => match ready!(Pin::new(fetched).poll(cx)) {
                    Ok(listing) => listing,
                    Err(_) => {
                        self.0 = Listing::Here(VecDeque::new(), Some(Arc::clone(left)));
                        return Poll::Ready(Err(failed()));
                    }
                },
            };
        }
    }
}

/// Something in a directory: see [`read_dir`].
#[derive(Debug)]
pub struct DirEntry {
    entry: Arc<fs::DirEntry>,
    file_type: Option<FileType>,
}

impl DirEntry {
    /// The path: the directory's, as it was given to [`read_dir`], and the name.
    pub fn path(&self) -> PathBuf {
        self.entry.path()
    }

    /// The name, without the path.
    pub fn file_name(&self) -> OsString {
        self.entry.file_name()
    }

    /// The number of the file in its file system. It came with the entry: a mounted directory shows what it covers.
    pub fn ino(&self) -> u64 {
        self.entry.ino()
    }

    /// What the system says about it; of a link, about the link.
    ///
    /// # Errors
    ///
    /// What the system says: `NotFound` if it is gone.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        let entry = Arc::clone(&self.entry);
        offload(move || entry.metadata()).await
    }

    /// What it is; a link is a link. Usually known from the listing.
    ///
    /// # Errors
    ///
    /// What the system says, if it has to be asked.
    pub async fn file_type(&self) -> io::Result<FileType> {
        match self.file_type {
            Some(file_type) => Ok(file_type),
            None => {
                let entry = Arc::clone(&self.entry);
                offload(move || entry.file_type()).await
            }
        }
    }
}

/// Makes directories with options.
///
/// # Examples
///
/// ```no_run
/// use corelane::fs::DirBuilder;
///
/// # async fn example() -> std::io::Result<()> {
/// DirBuilder::new().recursive(true).mode(0o700).create("state/cache").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct DirBuilder {
    recursive: bool,
    mode: Option<u32>,
}

impl DirBuilder {
    /// Makes one directory, in one that is there, for everybody less what the process's `umask` takes away.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether to make the directories above it too. Then it is no error if it is there already.
    pub fn recursive(&mut self, recursive: bool) -> &mut Self {
        self.recursive = recursive;
        self
    }

    /// Who may use what is made, as for `chmod`, less what the process's `umask` takes away. 0o777 at first.
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        self.mode = Some(mode);
        self
    }

    /// Makes the directory.
    ///
    /// # Cancel safety
    ///
    /// If this is dropped early the directory may be made all the same.
    ///
    /// # Errors
    ///
    /// What the system says.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub async fn create(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(self.recursive);
        if let Some(mode) = self.mode {
            builder.mode(mode);
        }
        let path = path.as_ref().to_owned();
        offload(move || builder.create(path)).await
    }
}
