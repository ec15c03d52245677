//! Plans for machines that are not at hand, against the ones in `tests/plans`.
//!
//! Each file there has a machine, and what becomes of it under each of some configs. `CORELANE_BLESS=1` writes the
//! files as the plans are now; look at what git says of them.

#[path = "support/machine.rs"]
mod machine;

use std::collections::BTreeSet;
use std::path::Path;
use std::{env, fs};

use corelane::config::Config;
use corelane::topology::Plan;
use machine::{Machine, Shape};

struct Case {
    name: &'static str,
    about: &'static str,
    machine: fn() -> Machine,
    configs: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        name: "one-cpu",
        about: "a machine with one CPU",
        machine: || Machine::with_cpus("0").core(0, 0, 0, "0"),
        configs: &["", "[placement]\npin = \"none\"", "[placement]\nreserve = 1"],
    },
    Case {
        name: "vm-2",
        about: "a virtual machine with 2 CPUs that shows no caches and no nodes",
        machine: || Machine::of(Shape { packages: 1, nodes: 0, llcs: 0, cores: 2, threads: 1 }),
        configs: &[
            "",
            "[placement]\npin = \"group\"\nmemory = \"interleave\"",
            "[placement]\nreserve = 1",
            "[placement]\ncpus = \"core:1\"",
            "[placement]\ncpus = \"package:0.llc:0\"",
        ],
    },
    Case {
        name: "vm-sockets",
        about: "a virtual machine that makes each of its 4 CPUs a package",
        machine: || Machine::of(Shape { packages: 4, nodes: 0, llcs: 1, cores: 1, threads: 1 }),
        configs: &[
            "",
            "[placement]\npin = \"group\"\ngroup_by = \"package\"",
            "[placement]\ngroup_by = \"none\"\npin = \"group\"",
        ],
    },
    Case {
        name: "vm-nonsense",
        about: "a virtual machine whose CPUs contradict each other about their cache, and do not tell of cores",
        machine: || {
            let machine =
                Machine::with_cpus("0-3").caches(0, 0, "0-3").caches(1, 0, "0-1").caches(2, 0, "0-3");
            machine.caches(3, 0, "0-3")
        },
        configs: &["", "[placement]\npin = \"group\"", "[placement]\norder = \"spread\"\nshards = 2"],
    },
    Case {
        name: "laptop",
        about: "a laptop with 4 performance cores of two hardware threads and 8 efficiency cores",
        machine: laptop,
        configs: &[
            "",
            "[placement]\nkind = \"performance\"",
            "[placement]\nkind = \"performance\"\nsmt = \"all\"\n[blocking]\ncpus = \"8-15\"",
            "[placement]\nkind = \"efficiency\"\nreserve = 9",
            "[placement]\ncpus = \"core:0-3.pu:0\"\n[blocking]\ncpus = \"core:all.pu:1,core:4-11\"",
        ],
    },
    Case {
        name: "phone",
        about: "a phone with 4 slow, 3 fast and one fastest core, told apart by capacity",
        machine: || {
            let machine = Machine::of(Shape { packages: 1, nodes: 0, llcs: 1, cores: 8, threads: 1 });
            let machine = machine.each("0-3", "cpu_capacity", "250").each("4-6", "cpu_capacity", "870");
            machine.each("7", "cpu_capacity", "1024")
        },
        configs: &[
            "",
            "[placement]\nkind = \"performance\"",
            "[placement]\nkind = \"efficiency\"\nshards = 2",
        ],
    },
    Case {
        name: "desktop-2-caches",
        about: "a desktop with 16 cores and two last-level caches",
        machine: || Machine::of(Shape { packages: 1, nodes: 1, llcs: 2, cores: 8, threads: 2 }),
        configs: &[
            "",
            "[placement]\nshards = 4",
            "[placement]\nshards = 4\norder = \"spread\"",
            "[placement]\nshards = 2\norder = \"spread\"\npin = \"group\"\nsmt = \"all\"",
            "[placement]\ndrop = [\"llc:0\"]\n[blocking]\ncpus = \"siblings\"",
        ],
    },
    Case {
        name: "dual-socket",
        about: "two sockets of 64 cores with two hardware threads, 4 nodes a socket, 2 last-level caches a node",
        machine: || Machine::of(Shape { packages: 2, nodes: 4, llcs: 2, cores: 8, threads: 2 }),
        configs: &[
            "[placement]\nsmt = \"all\"\nshards = 10",
            "[placement]\nsmt = \"all\"\nshards = 10\norder = \"spread\"",
            "[placement]\nsmt = \"all\"\nshards = 10\norder = \"spread\"\ngroup_by = \"numa\"\nmemory = \"interleave\"",
            "[placement]\nsmt = \"all\"\nshards = 3\norder = \"spread\"\ngroup_by = \"package\"\npin = \"group\"",
            "[placement]\nreserve = 2\ncpus = \"0-7,128-135\"",
            "[placement]\ncpus = \"package:1.numa:0,2.llc:all.core:0\"\nsmt = \"all\"\n[blocking]\ncpus = \"package:0.numa:0\"",
            "[placement]\ncpus = \"numa:0.core:0-3.pu:0\"\n[[shard]]\nid = 0\ncpus = \"numa:7.core:15\"",
            "[placement]\ncpus = \"package:all.numa:4\"",
            "[blocking]\ncpus = \"package:0 package:1.core:60-70\"",
        ],
    },
    Case {
        name: "dual-socket-plain",
        about: "two sockets of 4 cores with two hardware threads: core numbers begin again in each",
        machine: || Machine::of(Shape { packages: 2, nodes: 1, llcs: 1, cores: 4, threads: 2 }),
        configs: &["", "[placement]\ndrop = [\"core:0\"]", "[placement]\ndrop = [\"node:0\"]\nreserve = 5"],
    },
    Case {
        name: "nodes-by-turns",
        about: "two nodes that have the even and the odd CPUs",
        machine: || {
            let mut machine = Machine::with_cpus("0-7").node(0, "0,2,4,6", true).node(1, "1,3,5,7", true);
            for cpu in 0..8 {
                let (llc, shared) = if cpu % 2 == 0 { (0, "0,2,4,6") } else { (1, "1,3,5,7") };
                machine = machine.core(cpu, (cpu / 2) as i32, (cpu % 2) as i32, &cpu.to_string());
                machine = machine.caches(cpu, llc, shared);
            }
            machine
        },
        configs: &[
            "[placement]\nshards = 5",
            "[placement]\nshards = 5\norder = \"spread\"",
            "[placement]\ngroup_by = \"none\"\nshards = 5",
        ],
    },
    Case {
        name: "cache-over-nodes",
        about: "one last-level cache over two nodes: a group is the cache's part in a node",
        machine: || {
            let mut machine = Machine::of(Shape { packages: 1, nodes: 2, llcs: 0, cores: 4, threads: 1 });
            for cpu in 0..8 {
                machine = machine.caches(cpu, 0, "0-7");
            }
            machine
        },
        configs: &[
            "[placement]\npin = \"group\"",
            "[placement]\nshards = 4\norder = \"spread\"\nmemory = \"interleave\"",
            "[placement]\ncpus = \"numa:1.llc:0.core:1-2\"",
        ],
    },
    Case {
        name: "arm-server",
        about: "an ARM server with 80 cores and without SMT",
        machine: || Machine::of(Shape { packages: 1, nodes: 1, llcs: 1, cores: 80, threads: 1 }),
        configs: &["", "[placement]\nreserve = 4\nshards = 12\n[blocking]\ncpus = \"rest\""],
    },
    Case {
        name: "power-smt8",
        about: "4 cores of 8 hardware threads that are numbered next to each other",
        machine: || {
            let mut machine = Machine::with_cpus("0-31");
            for cpu in 0..32 {
                let first = cpu / 8 * 8;
                machine = machine.core(cpu, first as i32, 0, &format!("{first}-{}", first + 7));
            }
            machine
        },
        configs: &[
            "",
            "[placement]\nsmt = \"all\"\nreserve = 1\n[blocking]\ncpus = \"any\"",
            "[blocking]\ncpus = \"siblings\"",
        ],
    },
    Case {
        name: "holes",
        about: "numbers with holes: CPUs that a firmware left out",
        machine: || {
            let machine = Machine::with_cpus("0,2-3,8,17").core(0, 0, 0, "0").core(2, 1, 0, "2-3");
            machine.core(3, 1, 0, "2-3").core(8, 4, 0, "8").core(17, 8, 0, "17")
        },
        configs: &["", "[placement]\ncpus = \"2-3,17\"\nsmt = \"all\""],
    },
    Case {
        name: "offline",
        about: "SMT switched off: the second hardware threads are offline",
        machine: || {
            let mut machine = Machine::with_cpus("0-3").present("0-7");
            for cpu in 0..4 {
                machine = machine.core(cpu, cpu as i32, 0, &cpu.to_string()).caches(cpu, 0, "0-3");
            }
            machine
        },
        configs: &["", "[placement]\nsmt = \"all\""],
    },
    Case {
        name: "isolcpus",
        about: "CPUs 4-7 set apart with isolcpus=, and a process with the mask of every process",
        machine: || isolated().affinity("0-3"),
        configs: &[
            "",
            "[placement]\nisolated = \"prefer\"",
            "[placement]\nisolated = \"prefer\"\nshards = 6",
            "[placement]\nisolated = \"only\"",
            "[placement]\nisolated = \"only\"\ncpus = \"0-5\"\n[blocking]\ncpus = \"1\"",
            "[placement]\nisolated = \"only\"\ncpus = \"0-3\"",
        ],
    },
    Case {
        name: "isolcpus-taskset",
        about: "CPUs 4-7 set apart with isolcpus=, and a process that was put on 2-5 on purpose",
        machine: || isolated().affinity("2-5"),
        configs: &["", "[placement]\nisolated = \"prefer\"", "[placement]\nisolated = \"only\""],
    },
    Case {
        name: "nohz-full",
        about: "CPUs 2-3 without clock ticks, which any process may use",
        machine: || {
            let machine =
                Machine::of(Shape { packages: 1, nodes: 1, llcs: 1, cores: 4, threads: 1 }).isolated("");
            machine.file("sys/devices/system/cpu/nohz_full", "2-3")
        },
        configs: &["", "[placement]\nisolated = \"prefer\"", "[placement]\nisolated = \"only\"\nshards = 1"],
    },
    Case {
        name: "isolated-nothing",
        about: "a kernel that could set CPUs apart and was not told to",
        machine: || isolated().isolated("").affinity("0-7"),
        configs: &["[placement]\nisolated = \"prefer\"", "[placement]\nisolated = \"only\""],
    },
    Case {
        name: "container-cpuset",
        about: "a container with the cpuset 3,5,9",
        machine: || {
            let machine = Machine::of(Shape { packages: 1, nodes: 1, llcs: 2, cores: 4, threads: 2 });
            let machine = machine.affinity("3,5,9").cgroup2("/docker/a");
            machine.file("sys/fs/cgroup/docker/a/cpuset.cpus.effective", "3,5,9")
        },
        configs: &[
            "",
            "[placement]\nreserve = 1",
            "[placement]\ndrop = [\"llc:1\"]",
            "[placement]\ncpus = \"4-5\"",
            "[placement]\ncpus = \"llc:1.core:1\"",
            "[placement]\ncpus = \"llc:0.core:0-1\"",
        ],
    },
    Case {
        name: "container-quota",
        about: "a container with 2.5 of 64 CPUs",
        machine: || {
            let machine =
                Machine::of(Shape { packages: 1, nodes: 1, llcs: 8, cores: 8, threads: 1 }).cgroup2("/app");
            machine.file("sys/fs/cgroup/app/cpu.max", "250000 100000")
        },
        configs: &[
            "",
            "[placement]\norder = \"spread\"\npin = \"group\"",
            "[placement]\nquota = \"cap-up\"",
            "[placement]\nquota = \"warn\"\nshards = 3",
            "[placement]\nquota = \"ignore\"\nshards = 3",
        ],
    },
    Case {
        name: "cgroup-v1",
        about: "the first generation of control groups: a cpuset, and a quota of the group above",
        machine: || {
            let machine = Machine::of(Shape { packages: 1, nodes: 1, llcs: 1, cores: 8, threads: 1 });
            let machine = machine.cgroup1("/a/b").file("sys/fs/cgroup/cpuset/a/b/cpuset.cpus", "2-6");
            let machine = machine.file("sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1");
            let machine = machine.file("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "300000");
            machine.file("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000")
        },
        configs: &[""],
    },
    Case {
        name: "cgroup-v2-nested",
        about: "groups in groups: the cpuset from one that says so, the tightest quota from another",
        machine: || {
            let machine = Machine::of(Shape { packages: 1, nodes: 1, llcs: 1, cores: 8, threads: 1 });
            let machine =
                machine.cgroup2("/pod/app/job").file("sys/fs/cgroup/pod/app/job/cpu.max", "max 100000");
            let machine = machine.file("sys/fs/cgroup/pod/app/cpu.max", "400000 100000");
            let machine = machine.file("sys/fs/cgroup/pod/cpu.max", "70000 20000");
            machine.file("sys/fs/cgroup/pod/cpuset.cpus.effective", "1-7")
        },
        configs: &["", "[placement]\nshards = 4"],
    },
    Case {
        name: "node-without-memory",
        about: "node 1 has CPUs and no memory, node 2 memory and no CPUs",
        machine: || {
            let machine = Machine::of(Shape { packages: 1, nodes: 3, llcs: 1, cores: 2, threads: 1 });
            machine.node(1, "2-3", false).node(2, "4-5", true).node(3, "", true)
        },
        configs: &["", "[placement]\nmemory = \"interleave\"", "[placement]\nmemory = \"none\"\nshards = 3"],
    },
    Case {
        name: "told",
        about: "single shards with CPUs of their own, on 8 cores of two hardware threads",
        machine: || Machine::of(Shape { packages: 1, nodes: 2, llcs: 1, cores: 4, threads: 2 }),
        configs: &[
            "[[shard]]\nid = 0\ncpus = \"10\"",
            "[placement]\nshards = 3\ndrop = [\"node:0\"]\n[[shard]]\nid = 1\ncpus = \"0,8\"",
            "[placement]\npin = \"none\"\nshards = 2\n[[shard]]\nid = 1\ncpus = \"3\"",
            "[placement]\nshards = 2\n[[shard]]\nid = 0\ncpus = \"3\"\n[[shard]]\nid = 1\ncpus = \"3\"",
            "[placement]\nshards = 2\n[[shard]]\nid = 2\ncpus = \"3\"",
            "[[shard]]\nid = 0\ncpus = \"16\"",
        ],
    },
    Case {
        name: "nothing-told",
        about: "a system without sysfs and procfs",
        machine: Machine::new,
        configs: &["", "[placement]\nshards = 4\norder = \"spread\"", "[placement]\non_error = \"fail\""],
    },
    Case {
        name: "cpus-512",
        about: "512 CPUs: 4 sockets of 8 last-level caches of 8 cores of 2 hardware threads",
        machine: || Machine::of(Shape { packages: 4, nodes: 1, llcs: 8, cores: 8, threads: 2 }),
        configs: &[
            "[placement]\nsmt = \"all\"\nshards = 6\norder = \"spread\"",
            "[placement]\nsmt = \"all\"\nshards = 6\norder = \"spread\"\npin = \"group\"\ngroup_by = \"numa\"\nmemory = \"interleave\"",
        ],
    },
    Case {
        name: "cpus-1536",
        about: "1536 CPUs without SMT: 8 sockets of 24 last-level caches of 8 cores",
        machine: || Machine::of(Shape { packages: 8, nodes: 1, llcs: 24, cores: 8, threads: 1 }),
        configs: &[
            "[placement]\nshards = 9\norder = \"spread\"",
            "[placement]\ncpus = \"1020-1027,1535\"\npin = \"group\"",
            "[placement]\nshards = 2\npin = \"group\"\ngroup_by = \"none\"",
        ],
    },
];

fn laptop() -> Machine {
    let mut machine = Machine::with_cpus("0-15").node(0, "0-15", true);
    for cpu in 0..16 {
        let siblings = if cpu < 8 { format!("{}-{}", cpu / 2 * 2, cpu / 2 * 2 + 1) } else { cpu.to_string() };
        let core = if cpu < 8 { cpu / 2 * 8 } else { cpu * 4 };
        machine = machine.core(cpu, core as i32, 0, &siblings).caches(cpu, 0, "0-15");
    }
    machine.file("sys/devices/cpu_core/cpus", "0-7").file("sys/devices/cpu_atom/cpus", "8-15")
}

fn isolated() -> Machine {
    Machine::of(Shape { packages: 1, nodes: 1, llcs: 2, cores: 4, threads: 1 }).isolated("4-7")
}

/// What a file in `tests/plans` must be.
fn golden(case: &Case) -> String {
    let machine = (case.machine)();
    let topology = machine.read();
    let mut text = format!("{}\n", case.about);
    for config in case.configs {
        let shown = if config.is_empty() { "(defaults)" } else { config };
        text += &format!("\n--- {}\n", shown.replace('\n', "\n    "));
        let config = Config::parse("conf.toml", config).unwrap_or_else(|error| panic!("{error}"));
        text += &match Plan::new(&topology, &config) {
            Ok(plan) => machine.hide_root(&plan.to_string()),
            Err(error) => format!("error: {error}\n"),
        };
    }
    text
}

/// What one text has and the other has not, between the first and the last line that differ.
fn difference(old: &str, new: &str) -> String {
    let (mut old, mut new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    while !old.is_empty() && old.last() == new.last() {
        old.pop();
        new.pop();
    }
    let same = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let lines = |sign: char, lines: &[&str]| {
        lines.iter().take(40).map(|line| format!("{sign}{line}\n")).collect::<String>()
    };
    lines('-', &old[same..]) + &lines('+', &new[same..])
}

#[test]
fn each_machine_has_its_plans() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plans");
    let mut wrong = String::new();
    for case in CASES {
        let (path, plans) = (folder.join(format!("{}.txt", case.name)), golden(case));
        if env::var_os("CORELANE_BLESS").is_some() {
            fs::write(&path, &plans).unwrap();
        }
        let known = fs::read_to_string(&path).unwrap_or_default();
        if known != plans {
            wrong += &format!("{}\n{}\n", path.display(), difference(&known, &plans));
        }
    }
    assert!(wrong.is_empty(), "plans have changed (CORELANE_BLESS=1 accepts them):\n{wrong}");
    let named: BTreeSet<_> = CASES.iter().map(|case| format!("{}.txt", case.name)).collect();
    let there = fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    assert_eq!(there.collect::<BTreeSet<_>>(), named, "each file has a machine");
    assert!(CASES.len() >= 25);
}
