//! When a file was used.

use std::fs;
use std::time::SystemTime;

/// Times to give to a file: see [`File::set_times`](super::File::set_times). What is not set stays.
#[derive(Debug, Clone, Copy, Default)]
#[must_use = "times do nothing unless they are given to a file"]
pub struct FileTimes(fs::FileTimes);

impl FileTimes {
    /// Sets none.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::SystemTime;
    /// use corelane::fs::FileTimes;
    ///
    /// let now = SystemTime::now();
    /// let both = FileTimes::new().set_accessed(now).set_modified(now);
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets when the file was last read.
    pub fn set_accessed(self, t: SystemTime) -> Self {
        Self(self.0.set_accessed(t))
    }

    /// Sets when the file was last changed.
    pub fn set_modified(self, t: SystemTime) -> Self {
        Self(self.0.set_modified(t))
    }

    pub(super) fn into_std(self) -> fs::FileTimes {
        self.0
    }
}
