//! What is done by path alone: one trip to the blocking pool each.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::path::{Path, PathBuf};

use crate::io::blocking::offload;

async fn at<R>(path: impl AsRef<Path>, f: fn(PathBuf) -> io::Result<R>) -> io::Result<R>
where
    R: Send + 'static,
{
    let path = path.as_ref().to_owned();
    offload(move || f(path)).await
}

async fn between<R>(
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
    f: fn(PathBuf, PathBuf) -> io::Result<R>,
) -> io::Result<R>
where
    R: Send + 'static,
{
    let (from, to) = (from.as_ref().to_owned(), to.as_ref().to_owned());
    offload(move || f(from, to)).await
}

/// Reads a whole file.
///
/// # Errors
///
/// What the system says, `OutOfMemory` if there is too little of it.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// let icon = corelane::fs::read("icon.png").await?;
/// println!("{} bytes", icon.len());
/// # Ok(())
/// # }
/// ```
pub async fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    at(path, fs::read).await
}

/// Reads a whole file, which is text in UTF-8.
///
/// # Errors
///
/// What the system says, and `InvalidData` if it is not UTF-8.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// let config = corelane::fs::read_to_string("server.toml").await?;
/// println!("{} lines", config.lines().count());
/// # Ok(())
/// # }
/// ```
pub async fn read_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    at(path, fs::read_to_string).await
}

/// Makes a file of these contents, or replaces those of the one that is there.
///
/// When this returns the system has all of them, though maybe not on the disk yet: for that see [`File::sync_all`].
///
/// # Errors
///
/// What the system says. The file may then hold a part of the contents.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// corelane::fs::write("pid", std::process::id().to_string()).await?;
/// # Ok(())
/// # }
/// ```
///
/// [`File::sync_all`]: super::File::sync_all
pub async fn write(path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> io::Result<()> {
    let (path, contents) = (path.as_ref().to_owned(), contents.as_ref().to_owned());
    offload(move || fs::write(path, contents)).await
}

/// Copies a file's contents and permissions, over what `to` was. Gives the number of bytes.
///
/// # Errors
///
/// What the system says; also if `from` is not an ordinary file, or not there.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// let bytes = corelane::fs::copy("journal", "journal.old").await?;
/// # Ok(())
/// # }
/// ```
pub async fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<u64, io::Error> {
    between(from, to, fs::copy).await
}

/// Gives a file or directory another name in its file system, instead of what had that name before.
///
/// # Errors
///
/// What the system says: `CrossesDevices` if the other name is in another file system.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// corelane::fs::rename("index.new", "index").await?;
/// # Ok(())
/// # }
/// ```
pub async fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    between(from, to, fs::rename).await
}

/// Gives a file one more name. Both are as good.
///
/// # Errors
///
/// What the system says.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// corelane::fs::hard_link("index", "index.kept").await?;
/// # Ok(())
/// # }
/// ```
pub async fn hard_link(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    between(original, link, fs::hard_link).await
}

/// Makes a symbolic link to a path, which need not be there.
///
/// # Errors
///
/// What the system says: `AlreadyExists` if there is something where the link is to be.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// corelane::fs::symlink("releases/7", "current").await?;
/// # Ok(())
/// # }
/// ```
pub async fn symlink(original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
    between(original, link, std::os::unix::fs::symlink).await
}

/// Where a symbolic link leads, as it was made.
///
/// # Errors
///
/// What the system says: `InvalidInput` if it is not a link.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// println!("{}", corelane::fs::read_link("current").await?.display());
/// # Ok(())
/// # }
/// ```
pub async fn read_link(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    at(path, fs::read_link).await
}

/// The path from the root, without links, `.` and `..`.
///
/// # Errors
///
/// What the system says, also if it is not there.
///
/// # Examples
///
/// ```
/// # #[corelane::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// assert!(corelane::fs::canonicalize("src/..").await?.is_absolute());
/// # Ok(())
/// # }
/// ```
pub async fn canonicalize(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    at(path, fs::canonicalize).await
}

/// What the system says about a file or directory; of a link, about what it leads to.
///
/// # Errors
///
/// What the system says: `NotFound` if nothing is there.
///
/// # Examples
///
/// ```
/// # #[corelane::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// assert!(corelane::fs::metadata("/").await?.is_dir());
/// # Ok(())
/// # }
/// ```
pub async fn metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    at(path, fs::metadata).await
}

/// What the system says about what is there; of a link, about the link.
///
/// # Errors
///
/// What the system says: `NotFound` if nothing is there.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// let is_link = corelane::fs::symlink_metadata("current").await?.file_type().is_symlink();
/// # Ok(())
/// # }
/// ```
pub async fn symlink_metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    at(path, fs::symlink_metadata).await
}

/// Whether something is there; of a link, whether what it leads to is.
///
/// # Errors
///
/// If that can't be told: when a directory on the way may not be looked into, for instance.
///
/// # Examples
///
/// ```
/// # #[corelane::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// assert!(!corelane::fs::try_exists("no such file").await?);
/// # Ok(())
/// # }
/// ```
pub async fn try_exists(path: impl AsRef<Path>) -> io::Result<bool> {
    at(path, fs::exists).await
}

/// Says who may use a file or directory.
///
/// # Errors
///
/// What the system says: `PermissionDenied` unless it is the owner who asks.
///
/// # Examples
///
/// ```no_run
/// use std::os::unix::fs::PermissionsExt;
/// # async fn example() -> std::io::Result<()> {
/// corelane::fs::set_permissions("key", std::fs::Permissions::from_mode(0o600)).await?;
/// # Ok(())
/// # }
/// ```
pub async fn set_permissions(path: impl AsRef<Path>, perm: Permissions) -> io::Result<()> {
    let path = path.as_ref().to_owned();
    offload(move || fs::set_permissions(path, perm)).await
}

/// Makes a directory in one that is there.
///
/// # Errors
///
/// What the system says: `AlreadyExists` if there is something of that name.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// corelane::fs::create_dir("cache").await?;
/// # Ok(())
/// # }
/// ```
pub async fn create_dir(path: impl AsRef<Path>) -> io::Result<()> {
    at(path, fs::create_dir).await
}

/// Makes a directory, and those above it that are not there. It is no error if all are.
///
/// # Errors
///
/// What the system says. Some of them may have been made.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// corelane::fs::create_dir_all("cache/icons/small").await?;
/// # Ok(())
/// # }
/// ```
pub async fn create_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    at(path, fs::create_dir_all).await
}

/// Removes a directory, which must be empty.
///
/// # Errors
///
/// What the system says: `DirectoryNotEmpty` if something is in it.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// corelane::fs::remove_dir("cache").await?;
/// # Ok(())
/// # }
/// ```
pub async fn remove_dir(path: impl AsRef<Path>) -> io::Result<()> {
    at(path, fs::remove_dir).await
}

/// Removes a directory with all that is in it. Links in it are removed, not followed.
///
/// # Errors
///
/// What the system says. Some of it may have been removed.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// corelane::fs::remove_dir_all("cache").await?;
/// # Ok(())
/// # }
/// ```
pub async fn remove_dir_all(path: impl AsRef<Path>) -> io::Result<()> {
    at(path, fs::remove_dir_all).await
}

/// Removes a file's name. The file goes with the last one, once nobody has it open.
///
/// # Errors
///
/// What the system says: also if it is a directory.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// corelane::fs::remove_file("pid").await?;
/// # Ok(())
/// # }
/// ```
pub async fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    at(path, fs::remove_file).await
}
