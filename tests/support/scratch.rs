//! A directory of the test's own, removed when it ends.
#![allow(dead_code, reason = "each test file uses its part")]
#![expect(unsafe_code, reason = "makes a pipe")]

use std::ffi::CString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

pub struct Scratch(PathBuf);

static NEXT: AtomicUsize = AtomicUsize::new(0);

impl Scratch {
    pub fn new() -> Self {
        Self::within(&std::env::temp_dir()).unwrap()
    }

    pub fn within(place: &Path) -> io::Result<Self> {
        loop {
            let n = NEXT.fetch_add(1, Ordering::Relaxed);
            let dir = place.join(format!("corelane-test-{}-{n}", std::process::id()));
            match std::fs::create_dir(&dir) {
                // A process that was killed has left it, or one that has the same number elsewhere and the folder in common.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made.map(|()| Self(dir)),
            }
        }
    }

    pub fn folder(&self) -> &Path {
        &self.0
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }

    /// Makes a named pipe. Not by the command: a child process has all that is open here, until it runs its program.
    pub fn fifo(&self) -> PathBuf {
        let path = self.path("fifo");
        let name = CString::new(path.as_os_str().as_encoded_bytes()).unwrap();
        // SAFETY: a C string.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0, "{}", io::Error::last_os_error());
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
