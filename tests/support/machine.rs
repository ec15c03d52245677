//! Machines that are not at hand: trees of files as sysfs and procfs would show them.
#![allow(dead_code, reason = "each test file uses its part")]

#[path = "scratch.rs"]
pub mod scratch;

use std::fs;
use std::path::Path;

use corelane::config::{Config, CpuList};
use corelane::topology::{Plan, Topology};
use scratch::Scratch;

/// A recorded machine in a folder that is gone when the test is.
pub struct Machine(Scratch);

/// A machine without surprises: so many packages, nodes in each, last-level caches in each of these, and so on.
///
/// Hardware threads are numbered as usual: first one of each core, then the other of each. Without nodes or caches
/// (0) their files are missing, as in many virtual machines.
#[derive(Clone, Copy)]
pub struct Shape {
    pub packages: u32,
    pub nodes: u32,
    pub llcs: u32,
    pub cores: u32,
    pub threads: u32,
}

impl Machine {
    /// A machine that tells nothing.
    pub fn new() -> Self {
        // Thousands of small files, which memory has at once and a disk has not.
        Self(Scratch::within(Path::new("/dev/shm")).unwrap_or_else(|_| Scratch::new()))
    }

    /// A machine whose process may use every CPU; nothing more is known about them.
    pub fn with_cpus(online: &str) -> Self {
        Self::new().online(online).affinity(online)
    }

    /// A machine of this shape, which the process may use all of.
    pub fn of(shape: Shape) -> Self {
        let Shape { packages, nodes, llcs, cores, threads } = shape;
        let llc_cores = cores;
        let node_cores = llc_cores * llcs.max(1);
        let package_cores = node_cores * nodes.max(1);
        let all_cores = package_cores * packages;
        let with_threads = |first: u32, count: u32| -> CpuList {
            (0..threads)
                .flat_map(|thread| (first..first + count).map(move |c| c + thread * all_cores))
                .collect()
        };
        let all = format!("0-{}", all_cores * threads - 1);
        let mut machine = Self::with_cpus(&all).present(&all);
        for cpu in 0..all_cores * threads {
            let core = cpu % all_cores;
            let siblings = with_threads(core, 1).to_string();
            let package = core / package_cores;
            machine = machine.core(cpu, (core % package_cores) as i32, package as i32, &siblings);
            if llcs > 0 {
                let llc = core / llc_cores;
                machine = machine.caches(cpu, llc, &with_threads(llc * llc_cores, llc_cores).to_string());
            }
        }
        if nodes > 0 {
            for node in 0..packages * nodes {
                machine = machine.node(node, &with_threads(node * node_cores, node_cores).to_string(), true);
            }
        }
        machine
    }

    pub fn root(&self) -> &Path {
        self.0.folder()
    }

    pub fn file(self, path: &str, text: &str) -> Self {
        let path = self.0.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{text}\n")).unwrap();
        self
    }

    /// Takes a file or folder away again.
    pub fn without(self, path: &str) -> Self {
        let path = self.0.path(path);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
        self
    }

    /// A file of each of these CPUs, below its folder.
    pub fn each(mut self, cpus: &str, path: &str, text: &str) -> Self {
        for cpu in CpuList::parse(cpus).unwrap().iter() {
            self = self.file(&format!("sys/devices/system/cpu/cpu{cpu}/{path}"), text);
        }
        self
    }

    pub fn online(self, cpus: &str) -> Self {
        self.file("sys/devices/system/cpu/online", cpus)
    }

    pub fn present(self, cpus: &str) -> Self {
        self.file("sys/devices/system/cpu/present", cpus)
    }

    pub fn isolated(self, cpus: &str) -> Self {
        self.file("sys/devices/system/cpu/isolated", cpus)
    }

    pub fn affinity(self, cpus: &str) -> Self {
        self.file(
            "proc/self/status",
            &format!("Name:\ttest\nCpus_allowed:\tff\nCpus_allowed_list:\t{cpus}\nMems:\t0"),
        )
    }

    /// Core and package numbers and the hardware threads of the core.
    pub fn core(self, cpu: u32, core: i32, package: i32, siblings: &str) -> Self {
        let folder = format!("sys/devices/system/cpu/cpu{cpu}/topology");
        self.file(&format!("{folder}/core_id"), &core.to_string())
            .file(&format!("{folder}/physical_package_id"), &package.to_string())
            .file(&format!("{folder}/core_cpus_list"), siblings)
    }

    /// A first-level cache for the core, and a third-level one shared by these CPUs.
    pub fn caches(self, cpu: u32, id: u32, shared: &str) -> Self {
        let folder = format!("sys/devices/system/cpu/cpu{cpu}/cache");
        self.file(&format!("{folder}/index0/level"), "1")
            .file(&format!("{folder}/index0/shared_cpu_list"), &cpu.to_string())
            .file(&format!("{folder}/index3/level"), "3")
            .file(&format!("{folder}/index3/id"), &id.to_string())
            .file(&format!("{folder}/index3/shared_cpu_list"), shared)
    }

    /// A NUMA node. The numbers in its table are made up.
    pub fn node(self, id: u32, cpus: &str, has_memory: bool) -> Self {
        let kilobytes = if has_memory { 16_777_216 } else { 0 };
        let folder = format!("sys/devices/system/node/node{id}");
        self.file(&format!("{folder}/cpulist"), cpus).file(
            &format!("{folder}/meminfo"),
            &format!("Node {id} MemTotal:       {kilobytes} kB\nNode {id} MemFree:        0 kB"),
        )
    }

    /// The second generation of control groups, with the process in this group.
    pub fn cgroup2(self, group: &str) -> Self {
        self.file("proc/self/cgroup", &format!("0::{group}")).file(
            "proc/self/mountinfo",
            "22 1 0:20 / /proc rw - proc proc rw\n31 23 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup rw,nsdelegate",
        )
    }

    /// The first generation, with the process in this group of both controllers.
    pub fn cgroup1(self, group: &str) -> Self {
        self.file("proc/self/cgroup", &format!("3:cpuset:{group}\n2:cpu,cpuacct:{group}\n0::/")).file(
            "proc/self/mountinfo",
            "34 31 0:31 / /sys/fs/cgroup/cpuset ro - cgroup cgroup rw,cpuset\n\
             35 31 0:32 / /sys/fs/cgroup/cpu,cpuacct ro master:9 - cgroup cgroup rw,cpu,cpuacct",
        )
    }

    pub fn read(&self) -> Topology {
        Topology::read(self.root())
    }

    /// A text without the name of the folder, which is another one each time.
    pub fn hide_root(&self, text: &str) -> String {
        text.replace(self.root().to_str().unwrap(), "")
    }

    pub fn plan(&self, config: &Config) -> String {
        let plan = Plan::new(&self.read(), config).unwrap_or_else(|error| panic!("{error}"));
        self.hide_root(&plan.to_string())
    }

    pub fn error(&self, config: &str) -> String {
        let config = Config::parse("conf.toml", config).unwrap_or_else(|error| panic!("{error}"));
        Plan::new(&self.read(), &config).expect_err("no plan for this").to_string()
    }
}
