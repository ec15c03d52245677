//! The threads of this process, as the kernel tells of them.

use std::fs;
use std::path::PathBuf;

/// The folders of those that live. One that was joined is in /proc for a moment longer, and says that it is on its way out.
pub fn living() -> impl Iterator<Item = PathBuf> {
    /// `PF_EXITING` of Linux: set before the kernel tells who joins.
    const EXITING: u64 = 4;
    let folders = fs::read_dir("/proc/self/task").unwrap().map(|entry| entry.unwrap().path());
    folders.filter(|folder| {
        let Ok(stat) = fs::read_to_string(folder.join("stat")) else { return false };
        // Behind the name, which may have anything in it: the state, five numbers, the flags.
        let flags = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(6));
        flags.and_then(|flags| flags.parse::<u64>().ok()).expect("nine fields at least") & EXITING == 0
    })
}
