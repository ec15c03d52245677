//! Which CPUs and how much CPU time the process's control groups leave it.
//!
//! A group is bound by its ancestors too, and a container's limit often stands one or two levels above the
//! process, so each file is looked for from the process's own group up to where the hierarchy is mounted. What lies
//! above the mount, outside of the container, cannot be seen from here.
//!
//! Both generations are looked at, because a machine may have both mounted and only one of them in use.

use super::Quota;
use super::sysfs::Reader;
use crate::config::CpuList;

/// The folders of the process's groups, each the innermost first.
#[derive(Default)]
pub(super) struct Groups {
    unified: Vec<String>,
    v1_cpu: Vec<String>,
    v1_cpuset: Vec<String>,
}

impl Groups {
    /// Puts together where the process is (`/proc/self/cgroup`) and where that can be seen (`mountinfo`).
    pub(super) fn find(reader: &mut Reader<'_>) -> Self {
        let mut groups = Self::default();
        let Some(memberships) = reader.text("proc/self/cgroup") else { return groups };
        let mounts = reader.text("proc/self/mountinfo").unwrap_or_default();
        for line in memberships.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else {
                reader.nonsense("proc/self/cgroup", line, "a control group");
                continue;
            };
            if controllers.is_empty() {
                groups.unified = folders(&mounts, None, group);
            }
            for controller in controllers.split(',') {
                match controller {
                    "cpu" => groups.v1_cpu = folders(&mounts, Some("cpu"), group),
                    "cpuset" => groups.v1_cpuset = folders(&mounts, Some("cpuset"), group),
                    _ => {}
                }
            }
        }
        groups
    }

    /// The CPUs of the innermost group that says so. Its file already has the ancestors' sets taken into account.
    pub(super) fn cpuset(&self, reader: &mut Reader<'_>) -> Option<CpuList> {
        let unified = self.unified.iter().map(|folder| format!("{folder}/cpuset.cpus.effective"));
        // The hierarchy may be mounted without prefixes (`noprefix`).
        const V1: [&str; 4] = ["cpuset.effective_cpus", "cpuset.cpus", "effective_cpus", "cpus"];
        let v1 = self.v1_cpuset.iter().flat_map(|folder| V1.map(|name| format!("{folder}/{name}")));
        let files: Vec<String> = unified.chain(v1).collect();
        let mut sets = files.iter().filter_map(|file| reader.value(file, "a list of CPUs", CpuList::parse));
        sets.find(|set| !set.is_empty())
    }

    /// The tightest quota of the group and its ancestors.
    pub(super) fn quota(&self, reader: &mut Reader<'_>) -> Option<Quota> {
        let unified = self.unified.iter().filter_map(|folder| quota_v2(reader, folder)).collect::<Vec<_>>();
        let v1 = self.v1_cpu.iter().filter_map(|folder| quota_v1(reader, folder));
        unified.into_iter().chain(v1).min_by(|a, b| a.cpus().total_cmp(&b.cpus()))
    }
}

/// The folders of a group and its ancestors, as far as the hierarchy is mounted.
///
/// A line of mountinfo is `36 35 0:31 ROOT MOUNT_POINT options - TYPE source OPTIONS`: the group ROOT of the
/// hierarchy is seen at MOUNT_POINT. The controllers of a first-generation hierarchy stand among its OPTIONS.
fn folders(mounts: &str, controller: Option<&str>, group: &str) -> Vec<String> {
    let mounts = mounts.lines().filter_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(3);
        let (root, point) = (left.next()?, left.next()?);
        let mut right = right.split(' ');
        let (kind, options) = (right.next()?, right.nth(1)?);
        let is_it = match controller {
            None => kind == "cgroup2",
            Some(name) => kind == "cgroup" && options.split(',').any(|option| option == name),
        };
        is_it.then(|| (unescaped(root), unescaped(point)))
    });
    // The path of the group from ROOT down, if it lies there. A container may see only its own group: then that is what is
    // mounted. And it may have the host's hierarchy too, with a ROOT above ("/../..") of what its own paths begin at.
    let below = |root: &str| {
        let below = group.strip_prefix(root.trim_end_matches('/'))?;
        ((below.is_empty() || below.starts_with('/')) && !below.contains("/..")).then_some(below)
    };
    let all: Vec<(String, String)> = mounts.collect();
    let found = all.iter().find_map(|(root, point)| Some((below(root)?, point)));
    // Of a group that lies outside of what is mounted, that is the nearest that can be seen.
    let Some((below, point)) = found.or(all.first().map(|(_, point)| ("", point))) else { return Vec::new() };
    let mut names: Vec<&str> = below.split('/').filter(|name| !name.is_empty()).collect();
    let mut folders = Vec::new();
    loop {
        folders.push(
            format!("{}/{}", point.trim_end_matches('/'), names.join("/")).trim_end_matches('/').to_owned(),
        );
        if names.pop().is_none() {
            return folders;
        }
    }
}

/// Spaces and the like are octal numbers in mountinfo, and so is the backslash, which systemd puts into the names of groups.
fn unescaped(path: &str) -> String {
    path.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

/// Whether a warning is about a file that may bound CPU time, so that a quota that was not found is not known to be none.
pub(super) fn is_about_quota(warning: &str) -> bool {
    let files = ["/cpu.max:", "/cpu.cfs_", "proc/self/cgroup:", "proc/self/mountinfo:"];
    files.iter().any(|file| warning.contains(file))
}

/// `cpu.max` is `QUOTA PERIOD`, with the word max for no quota.
fn quota_v2(reader: &mut Reader<'_>, folder: &str) -> Option<Quota> {
    let file = format!("{folder}/cpu.max");
    let quota = reader.value(&file, "a quota and a period in microseconds", |text| {
        let (quota, period) = text.split_once(' ')?;
        let period = period.parse().ok().filter(|&us: &u64| us > 0)?;
        match quota {
            "max" => Some(None),
            quota => Some(Some((quota.parse().ok()?, period))),
        }
    })?;
    quota.map(|(quota_us, period_us)| Quota { quota_us, period_us, file: reader.path(&file) })
}

/// The first generation has a file for each, and -1 for no quota.
fn quota_v1(reader: &mut Reader<'_>, folder: &str) -> Option<Quota> {
    let file = format!("{folder}/cpu.cfs_quota_us");
    let quota: i64 = reader.value(&file, "a number of microseconds", |text| text.parse().ok())?;
    let quota_us = u64::try_from(quota).ok()?;
    let period = format!("{folder}/cpu.cfs_period_us");
    let period_us = reader
        .value(&period, "a number of microseconds", |text| text.parse().ok().filter(|&us: &u64| us > 0))?;
    Some(Quota { quota_us, period_us, file: reader.path(&file) })
}
