//! What of a machine may change while a process runs, read as cheaply as can be.
//!
//! Here: the CPUs that are online, and what the control groups leave. Not here: the affinity mask, which is a thread's, and
//! what follows from a change (`runtime::watch`).
//!
//! The whole topology of a large machine is thousands of files. These are three, and one for each control group
//! from the process's own upwards. Where the groups are mounted is looked up when the process has gone to another group. The
//! files stay open from one reading to the next: two system calls for each of them, and no path to walk.

use std::path::{Path, PathBuf};

use super::cgroup::Groups;
use super::sysfs::{self, Open, Reader};
use super::{CpuList, Quota};

/// Reads the same files again and again.
pub(crate) struct Pulse {
    root: PathBuf,
    open: Open,
    memberships: Option<String>,
    groups: Groups,
}

/// What was read. `None` is not told, as in [`Topology`](super::Topology).
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Vitals {
    pub online: Option<CpuList>,
    pub cpuset: Option<CpuList>,
    pub quota: Option<Quota>,
}

impl Pulse {
    /// Of the machine whose `proc` and `sys` are under `root`.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), open: Open::default(), memberships: None, groups: Groups::default() }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn read(&mut self) -> Vitals {
        // What makes no sense is as good as not there; the topology that is read after a change has the warnings.
        let memberships = Reader::again(&self.root, &mut self.open).text("proc/self/cgroup");
        if memberships != self.memberships {
            self.groups = Groups::find(&mut Reader::new(&self.root));
            self.memberships = memberships;
            // The files of the groups that it was in are not held on to.
            self.open = Open::default();
        }
        let mut reader = Reader::again(&self.root, &mut self.open);
        Vitals {
            online: sysfs::online(&mut reader),
            cpuset: self.groups.cpuset(&mut reader),
            quota: self.groups.quota(&mut reader),
        }
    }
}
