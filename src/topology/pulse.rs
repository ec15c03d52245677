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
    /// What was read last.
    vitals: Vitals,
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
        let root = root.to_owned();
        Self {
            root,
            open: Open::default(),
            memberships: None,
            groups: Groups::default(),
            vitals: Vitals::default(),
        }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn read(&mut self) -> Vitals {
        // What makes no sense is as good as not there; the topology that is read after a change has the warnings.
        // And what is there and can't be read, as when the process may open no more files, has not changed.
        let mut reader = Reader::again(&self.root, &mut self.open);
        let memberships = reader.text("proc/self/cgroup");
        if !reader.failed && memberships != self.memberships {
            let mut reader = Reader::new(&self.root);
            let groups = Groups::find(&mut reader);
            if !reader.failed {
                (self.groups, self.memberships) = (groups, memberships);
                // The files of the groups that it was in are not held on to.
                self.open = Open::default();
            }
        }
        let (groups, before) = (&self.groups, &self.vitals);
        let mut reader = Reader::again(&self.root, &mut self.open);
        self.vitals = Vitals {
            online: reader.or_before(&before.online, sysfs::online),
            cpuset: reader.or_before(&before.cpuset, |reader| groups.cpuset(reader)),
            quota: reader.or_before(&before.quota, |reader| groups.quota(reader)),
        };
        self.vitals.clone()
    }
}
