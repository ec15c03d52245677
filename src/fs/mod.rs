//! Files and directories.
//!
//! Systems have no way to ask for files that does not block, so a thread of the blocking pool does it. That way costs some
//! microseconds, more than many of the operations do: few calls that do much are faster than many that do little. [`read`],
//! [`write()`] and [`copy`] make the trip once for a whole file; around a [`File`] use
//! [`BufReader`](crate::io::BufReader) and [`BufWriter`](crate::io::BufWriter); and what takes many steps may be faster
//! as one closure given to [`spawn_blocking`](crate::task::spawn_blocking).
//!
//! - [`File`] is read, written and sought in like any stream. [`OpenOptions`] says how to open one.
//! - [`read_dir`] lists a directory; [`DirBuilder`] makes one with options.
//! - The functions do the same as those of the same name in [`std::fs`].
//!
//! # Cancel safety
//!
//! Nothing that has started can be called back: when one of these futures is dropped after it was polled, the file is renamed,
//! removed, or written all the same, or is not. A file is not left half written by dropping the future of [`write()`].
//!
//! # Errors
//!
//! What the system says, of the file or of a thread for the operation. `Other`, with the text `background task failed`, if the runtime
//! is shut down before a thread had time.
//!
//! # Panics
//!
//! All of it does outside of a runtime.
//!
//! # Examples
//!
//! ```
//! use corelane::fs;
//!
//! # #[corelane::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! # let dir = std::env::temp_dir().join(format!("corelane-doc-fs-{}", std::process::id()));
//! fs::create_dir_all(&dir).await?;
//! fs::write(dir.join("greeting"), "hello").await?;
//! assert_eq!(fs::read_to_string(dir.join("greeting")).await?, "hello");
//! fs::remove_dir_all(&dir).await?;
//! # Ok(())
//! # }
//! ```

mod dir;
mod file;
mod open_options;
mod paths;
mod times;

pub use dir::{DirBuilder, DirEntry, ReadDir, read_dir};
pub use file::File;
pub use open_options::OpenOptions;
pub use paths::{
    canonicalize, copy, create_dir, create_dir_all, hard_link, metadata, read, read_link, read_to_string,
    remove_dir, remove_dir_all, remove_file, rename, set_permissions, symlink, symlink_metadata, try_exists,
    write,
};
pub use times::FileTimes;
