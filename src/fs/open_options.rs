//! How to open a file.

use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::io::blocking::offload;

use super::File;

/// How to open a file.
///
/// Nothing is asked for at first; at least one of [`read`](Self::read), [`write`](Self::write) and
/// [`append`](Self::append) must be.
///
/// # Examples
///
/// ```no_run
/// use corelane::fs::OpenOptions;
///
/// # async fn example() -> std::io::Result<()> {
/// let journal = OpenOptions::new().append(true).create(true).mode(0o600).open("journal").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct OpenOptions(fs::OpenOptions);

impl OpenOptions {
    /// Asks for nothing.
    pub fn new() -> OpenOptions {
        Self(fs::OpenOptions::new())
    }

    /// Asks for reading.
    pub fn read(&mut self, read: bool) -> &mut OpenOptions {
        self.0.read(read);
        self
    }

    /// Asks for writing. What is there already is written over, and not cut off.
    pub fn write(&mut self, write: bool) -> &mut OpenOptions {
        self.0.write(write);
        self
    }

    /// Asks for writing at the end, wherever that is by then: also when others append. Includes [`write`](Self::write).
    pub fn append(&mut self, append: bool) -> &mut OpenOptions {
        self.0.append(append);
        self
    }

    /// Empties the file. Needs [`write`](Self::write).
    pub fn truncate(&mut self, truncate: bool) -> &mut OpenOptions {
        self.0.truncate(truncate);
        self
    }

    /// Makes the file if it is not there. Needs [`write`](Self::write) or [`append`](Self::append).
    pub fn create(&mut self, create: bool) -> &mut OpenOptions {
        self.0.create(create);
        self
    }

    /// Makes the file, and fails with `AlreadyExists` if anything is there, a dangling link too. There is no moment between
    /// looking and making. [`create`](Self::create) and [`truncate`](Self::truncate) don't count then.
    pub fn create_new(&mut self, create_new: bool) -> &mut OpenOptions {
        self.0.create_new(create_new);
        self
    }

    /// Who may use a file that is made, as for `chmod`, less what the process's `umask` takes away. 0o666 at first.
    pub fn mode(&mut self, mode: u32) -> &mut OpenOptions {
        self.0.mode(mode);
        self
    }

    /// More of the system's flags for `open`. Those of the other methods are not taken from here.
    pub fn custom_flags(&mut self, flags: i32) -> &mut OpenOptions {
        self.0.custom_flags(flags);
        self
    }

    /// Opens a file.
    ///
    /// # Cancel safety
    ///
    /// If this is dropped early the file may be made or emptied all the same.
    ///
    /// # Errors
    ///
    /// What the system says; `InvalidInput` if the options contradict each other.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub async fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let (options, path) = (self.0.clone(), path.as_ref().to_owned());
        offload(move || options.open(path)).await.map(File::from_std)
    }
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl From<fs::OpenOptions> for OpenOptions {
    fn from(options: fs::OpenOptions) -> OpenOptions {
        Self(options)
    }
}
