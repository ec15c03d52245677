//! Plans for machines that are not at hand: trees of files as sysfs and procfs would show them.

#[path = "support/machine.rs"]
mod machine;

use std::fs;

use corelane::config::{AutoOr, Config, CpuList, Cpus, Domain, Pin};
use corelane::topology::{CoreKind, Cpu, Node, Plan, Quota, ShardPlan};
use machine::{Machine, Shape};

fn list(text: &str) -> CpuList {
    CpuList::parse(text).unwrap()
}

fn parse(text: &str) -> Config {
    Config::parse("conf.toml", text).unwrap_or_else(|error| panic!("{error}"))
}

/// Eight cores with two hardware threads each, N and N+8; two last-level caches and nodes of four cores.
fn smt_box() -> Machine {
    Machine::of(Shape { packages: 1, nodes: 2, llcs: 1, cores: 4, threads: 2 })
}

#[test]
fn one_cpu() {
    let machine = Machine::with_cpus("0").core(0, 0, 0, "0");
    assert_eq!(
        machine.plan(&Config::default()),
        "shard 0 → cpu 0 (core 0, llc unknown, node unknown)\n\
         quota: none\n\
         blocking pool → cpu 0 (shared with the shards, which have every allowed CPU)\n"
    );
}

#[test]
fn a_vm_that_shows_no_caches() {
    let machine = Machine::with_cpus("0-1").core(0, 0, 0, "0").core(1, -1, -1, "1");
    let topology = machine.read();
    let second = Cpu { id: 1, siblings: Some(list("1")), ..Cpu::default() };
    assert_eq!(topology.cpus[1], second, "-1 is the firmware's way to say nothing");
    assert_eq!(topology.warnings, [""; 0]);
    let plan = Plan::new(&topology, &Config::default()).unwrap();
    assert_eq!(
        plan.shards[1],
        ShardPlan {
            id: 1,
            cpus: vec![1],
            group: vec![0, 1],
            reason: "core unknown, llc unknown, node unknown".into()
        }
    );
    assert!(plan.may_spin);
}

#[test]
fn smt_box_has_one_shard_a_core() {
    let expected = "\
shard 0 → cpu 0 (core 0, llc 0, node 0)
shard 1 → cpu 1 (core 1, llc 0, node 0)
shard 2 → cpu 2 (core 2, llc 0, node 0)
shard 3 → cpu 3 (core 3, llc 0, node 0)
shard 4 → cpu 4 (core 4, llc 1, node 1)
shard 5 → cpu 5 (core 5, llc 1, node 1)
shard 6 → cpu 6 (core 6, llc 1, node 1)
shard 7 → cpu 7 (core 7, llc 1, node 1)
left out: cpu 8: on the core of cpu 0
left out: cpu 9: on the core of cpu 1
left out: cpu 10: on the core of cpu 2
left out: cpu 11: on the core of cpu 3
left out: cpu 12: on the core of cpu 4
left out: cpu 13: on the core of cpu 5
left out: cpu 14: on the core of cpu 6
left out: cpu 15: on the core of cpu 7
quota: none
blocking pool → cpus 8-15 (no shard is bound here)
";
    assert_eq!(smt_box().plan(&Config::default()), expected);
}

#[test]
fn smt_all_goes_through_the_near_ones_first() {
    let config = parse("[placement]\nsmt = \"all\"\nshards = 9");
    let plan = Plan::new(&smt_box().read(), &config).unwrap();
    let cpus: Vec<u32> = plan.shards.iter().map(|shard| shard.cpus[0]).collect();
    assert_eq!(cpus, [0, 1, 2, 3, 8, 9, 10, 11, 4]);
    assert_eq!(plan.left_out.len(), 7);
    assert_eq!(plan.left_out[0], (5, "not needed: shards = 9".into()));
}

#[test]
fn drop_takes_away_each_kind_of_part() {
    let machine = smt_box();
    let plan = machine.plan(&parse("[placement]\ndrop = [\"cpu:4\", \"core:5\", \"llc:0\"]\nsmt = \"all\""));
    assert_eq!(
        plan,
        "shard 0 → cpu 6 (core 6, llc 1, node 1)\n\
         shard 1 → cpu 7 (core 7, llc 1, node 1)\n\
         shard 2 → cpu 12 (core 4, llc 1, node 1)\n\
         shard 3 → cpu 14 (core 6, llc 1, node 1)\n\
         shard 4 → cpu 15 (core 7, llc 1, node 1)\n\
         left out: cpus 0-3,8-11: dropped: \"llc:0\"\n\
         left out: cpu 4: dropped: \"cpu:4\"\n\
         left out: cpus 5,13: dropped: \"core:5\"\n\
         quota: none\n\
         blocking pool → cpus 0-5,8-11,13 (no shard is bound here)\n"
    );
    // When the first hardware thread of a core is dropped, the second one takes its place.
    let plan = Plan::new(&machine.read(), &parse("[placement]\ndrop = [\"cpu:4\", \"node:0\"]")).unwrap();
    let cpus: Vec<u32> = plan.shards.iter().map(|shard| shard.cpus[0]).collect();
    assert_eq!(cpus, [5, 6, 7, 12]);
}

#[test]
fn groups_bind_to_the_last_level_cache() {
    let config = parse("[placement]\npin = \"group\"\nshards = 5");
    assert_eq!(
        smt_box().plan(&config).lines().take(6).collect::<Vec<_>>(),
        [
            "shard 0 → cpus 0-3 (llc 0, node 0)",
            "shard 1 → cpus 0-3 (llc 0, node 0)",
            "shard 2 → cpus 0-3 (llc 0, node 0)",
            "shard 3 → cpus 0-3 (llc 0, node 0)",
            "shard 4 → cpus 4-7 (llc 1, node 1)",
            "left out: cpu 8: on the core of cpu 0",
        ]
    );
    // A group without a shard is left out as a whole.
    let plan = Plan::new(&smt_box().read(), &parse("[placement]\npin = \"group\"\nshards = 2")).unwrap();
    assert_eq!(plan.left_out[0], (4, "not needed: shards = 2".into()));
    assert_eq!(plan.blocking_cpus, (4..16).collect::<Vec<_>>());
}

#[test]
fn unbound_shards_only_count_the_cpus() {
    let plan =
        Plan::new(&smt_box().read(), &parse("[placement]\npin = \"none\"\ndrop = [\"node:1\"]")).unwrap();
    assert_eq!(plan.shards.len(), 4);
    assert!(plan.shards.iter().all(|shard| shard.cpus.is_empty()));
    assert_eq!(plan.blocking_cpus, (0..16).collect::<Vec<_>>());
    assert!(plan.may_spin, "there is a CPU for each, and who looks gives way");
    let text = plan.to_string();
    assert!(text.starts_with("shard 0 → any cpu (not bound)\n"), "{text}");
    // More shards than CPUs need no CPU each, and do not spin.
    for pin in ["group", "none"] {
        let text = format!("[placement]\nshards = 20\npin = \"{pin}\"");
        let plan = Plan::new(&smt_box().read(), &parse(&text)).unwrap();
        assert_eq!((plan.shards.len(), plan.may_spin), (20, false));
    }
}

#[test]
fn current_thread_is_one_unbound_shard() {
    let plan = Plan::new(&smt_box().read(), &parse("[runtime]\nflavor = \"current_thread\"")).unwrap();
    assert_eq!((plan.shards.len(), plan.pin), (1, Pin::None));
    assert_eq!(
        smt_box().error("[runtime]\nflavor = \"current_thread\"\n[placement]\nshards = 2"),
        "conf.toml:4:10: [placement] shards = 2: flavor = \"current_thread\" has one shard; expected 1 or \"auto\""
    );
}

#[test]
fn the_blocking_pool_goes_where_it_is_told() {
    let topology = smt_box().read();
    let plan = |text: &str| Plan::new(&topology, &parse(text)).unwrap();
    let siblings = plan("[placement]\nshards = 2\n[blocking]\ncpus = \"siblings\"");
    assert_eq!(siblings.blocking_cpus, [8, 9]);
    assert_eq!(plan("[blocking]\ncpus = \"any\"").blocking_cpus, (0..16).collect::<Vec<_>>());
    assert_eq!(plan("[blocking]\ncpus = \"3,1\"").blocking_cpus, [1, 3]);
    let none = plan("[placement]\nsmt = \"all\"\nshards = 15\n[blocking]\ncpus = \"siblings\"");
    assert_eq!(none.blocking_cpus, [15]);
    let none = plan("[placement]\nsmt = \"all\"\n[blocking]\ncpus = \"siblings\"");
    assert_eq!(none.blocking_cpus.len(), 16);
    assert_eq!(
        none.warnings,
        ["[blocking] cpus = \"siblings\": no shard's core is known to have an idle hardware thread; taken as \"rest\""]
            .map(|text| format!("conf.toml:4:8: {text}"))
    );
}

#[test]
fn steering_by_cpu_needs_shards_on_one_cpu() {
    let plan = |text: &str| Plan::new(&smt_box().read(), &parse(text)).unwrap();
    let own = plan("[placement]\nshards = 2\n[listen]\nsteering = \"incoming-cpu\"");
    assert_eq!(own.incoming_cpus, [Some(0), Some(1)]);
    assert!(own.to_string().contains("listeners: each takes what comes in on its shard's cpu\n"), "{own}");
    assert!(own.warnings.is_empty() && plan("").incoming_cpus.is_empty());
    let group = "[placement]\npin = \"group\"\nshards = 2\n[listen]\nsteering = \"incoming-cpu\"";
    let shared = plan(group);
    assert_eq!(shared.incoming_cpus, [None, None]);
    let message = "[listen] steering = \"incoming-cpu\": a shard that is not bound to one CPU takes packets of any; \
                   expected pin = \"core\"";
    assert_eq!(shared.warnings, [format!("conf.toml:5:12: {message}")]);
    let error = smt_box().error(&group.replace("shards = 2", "shards = 2\non_error = \"fail\""));
    assert_eq!(error, format!("conf.toml:6:12: {message}"));
}

#[test]
fn holes_in_the_numbers() {
    let machine =
        Machine::with_cpus("0,2-3,7").file("sys/devices/system/cpu/present", "0-7").core(2, 1, 0, "2-3");
    let machine = machine.core(3, 1, 0, "2-3").core(0, 0, 0, "0-1").core(7, 3, 0, "6-7");
    assert_eq!(
        machine.plan(&Config::default()),
        "shard 0 → cpu 0 (core 0, llc unknown, node unknown)\n\
         shard 1 → cpu 2 (core 1, llc unknown, node unknown)\n\
         shard 2 → cpu 7 (core 3, llc unknown, node unknown)\n\
         left out: cpus 1,4-6: offline\n\
         left out: cpu 3: on the core of cpu 2\n\
         quota: none\n\
         blocking pool → cpu 3 (no shard is bound here)\n"
    );
}

#[test]
fn a_cpuset_and_an_affinity_mask() {
    let machine = Machine::with_cpus("0-11")
        .affinity("3,5,9")
        .cgroup2("/pod/app")
        .file("sys/fs/cgroup/pod/cpuset.cpus.effective", "3,5,9-10");
    let config = parse("[placement]\nsmt = \"all\"");
    assert_eq!(
        machine.plan(&config),
        "shard 0 → cpu 3 (core unknown, llc unknown, node unknown)\n\
         shard 1 → cpu 5 (core unknown, llc unknown, node unknown)\n\
         shard 2 → cpu 9 (core unknown, llc unknown, node unknown)\n\
         left out: cpus 0-2,4,6-8,11: outside of the control group's cpuset (3,5,9-10)\n\
         left out: cpu 10: outside of the process's affinity mask\n\
         quota: none\n\
         blocking pool → cpus 3,5,9 (shared with the shards, which have every allowed CPU)\n"
    );
    // Read one after the other, they may be of two different moments. The mask is this process's own.
    let moved = Machine::with_cpus("0-3")
        .affinity("0-1")
        .cgroup2("/pod")
        .file("sys/fs/cgroup/pod/cpuset.cpus.effective", "2-3")
        .read();
    assert_eq!(moved.allowed(), list("0-1"));
    assert_eq!(moved.warnings, ["the affinity mask and the cpuset have no CPU in common"]);
    // The kernel's mask may name CPUs a machine could have but has not.
    assert_eq!(Machine::with_cpus("0-1").affinity("0-127").read().allowed(), list("0-1"));
    // The first generation keeps the set in another place.
    let machine = Machine::with_cpus("0-3")
        .file("proc/self/cgroup", "3:cpuset:/docker/abc\n2:cpu,cpuacct:/docker/abc\n0::/")
        .file(
            "proc/self/mountinfo",
            "34 31 0:31 /docker/abc /sys/fs/cgroup/cpuset ro - cgroup cgroup rw,cpuset\n\
             35 31 0:32 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro master:9 - cgroup cgroup rw,cpu,cpuacct",
        )
        .file("sys/fs/cgroup/cpuset/cpuset.cpus", "1-2")
        .file("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "150000")
        .file("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000");
    let topology = machine.read();
    assert_eq!(topology.allowed(), list("1-2"));
    assert_eq!(topology.quota.unwrap().cpus(), 1.5);
    // And under other names where it is mounted as `cpuset` was before there were control groups.
    let machine = Machine::with_cpus("0-3")
        .file("proc/self/cgroup", "3:cpuset:/top-app")
        .file("proc/self/mountinfo", "34 31 0:31 / /dev/cpuset rw - cgroup none rw,cpuset,noprefix")
        .file("dev/cpuset/top-app/cpus", "0-2");
    assert_eq!(machine.read().cpuset, Some(list("0-2")));
    let machine = machine.file("dev/cpuset/top-app/effective_cpus", "2");
    assert_eq!(machine.read().cpuset, Some(list("2")));
}

#[test]
fn a_quota_caps_the_number_of_shards() {
    let machine =
        Machine::with_cpus("0-63").cgroup2("/app").file("sys/fs/cgroup/app/cpu.max", "250000 100000");
    let plan = |text: &str| Plan::new(&machine.read(), &parse(text)).unwrap();
    let capped = plan("[placement]\nsmt = \"all\"");
    assert_eq!(capped.shards.len(), 2);
    assert_eq!(capped.left_out.len(), 62);
    assert_eq!(capped.left_out[0], (2, "beyond the quota of 2.50 CPUs".into()));
    assert!(capped.to_string().contains("quota: 2.50 CPUs ("), "{capped}");
    assert!(capped.may_spin && capped.warnings.is_empty());
    // A number is the user's to choose; it gets a warning.
    let chosen = plan("[placement]\nsmt = \"all\"\nshards = 3");
    assert_eq!((chosen.shards.len(), chosen.may_spin, chosen.warnings.len()), (3, false, 1));
    let file = machine.root().join("sys/fs/cgroup/app/cpu.max");
    let warning =
        format!("{} allows 2.50 CPUs; with shards = 3 they are throttled when busy", file.display());
    assert_eq!(chosen.warnings, std::slice::from_ref(&warning));
    let rounded_up = plan("[placement]\nsmt = \"all\"\nquota = \"cap-up\"");
    assert_eq!((rounded_up.shards.len(), rounded_up.may_spin), (3, false));
    assert_eq!(rounded_up.left_out[0], (3, "beyond the quota of 2.50 CPUs".into()));
    assert_eq!(rounded_up.warnings, [warning]);
    let warned = plan("[placement]\nsmt = \"all\"\nquota = \"warn\"");
    assert_eq!((warned.shards.len(), warned.warnings.len()), (64, 1));
    let ignored = plan("[placement]\nsmt = \"all\"\nquota = \"ignore\"");
    assert_eq!((ignored.shards.len(), ignored.warnings.len(), ignored.quota.is_none()), (64, 0, true));
}

#[test]
fn the_tightest_ancestor_counts() {
    let machine = Machine::with_cpus("0-7")
        .cgroup2("/pod/app/worker")
        .file("sys/fs/cgroup/pod/app/worker/cpu.max", "max 100000")
        .file("sys/fs/cgroup/pod/app/cpu.max", "400000 100000")
        .file("sys/fs/cgroup/pod/cpu.max", "50000 20000");
    let file = machine.root().join("sys/fs/cgroup/pod/cpu.max");
    assert_eq!(machine.read().quota, Some(Quota { quota_us: 50_000, period_us: 20_000, file }));
    // Both generations mounted: the first one has no limit (-1), an ancestor of it has.
    let machine = Machine::with_cpus("0-7")
        .file("proc/self/cgroup", "1:cpu:/a/b\n0::/x")
        .file(
            "proc/self/mountinfo",
            "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
             41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
        )
        .file("sys/fs/cgroup/unified/x/cpu.max", "300000 100000")
        .file("sys/fs/cgroup/cpu/a/b/cpu.cfs_quota_us", "-1")
        .file("sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "200000")
        .file("sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000");
    assert_eq!(machine.read().quota.unwrap().cpus(), 2.0);
    // Less than one CPU is still one shard.
    let machine = Machine::with_cpus("0-7").cgroup2("/").file("sys/fs/cgroup/cpu.max", "50000 100000");
    let plan = Plan::new(&machine.read(), &parse("[placement]\nsmt = \"all\"")).unwrap();
    assert_eq!((plan.shards.len(), plan.may_spin, plan.warnings.len()), (1, false, 1));
}

/// Names of programs, mounts and control groups are bytes.
#[test]
fn names_that_are_not_utf8_hide_nothing() {
    let machine =
        Machine::with_cpus("0-7").cgroup2("/app").file("sys/fs/cgroup/app/cpu.max", "200000 100000");
    for (path, line) in [
        ("proc/self/status", &b"Name:\tM\xFCller\nCpus_allowed_list:\t2-5\n"[..]),
        (
            "proc/self/mountinfo",
            b"30 1 8:1 / /media/M\xFCsli rw - ext4 /dev/sdb1 rw\n31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n",
        ),
    ] {
        fs::write(machine.root().join(path), line).unwrap();
    }
    let topology = machine.read();
    assert_eq!((topology.warnings, topology.affinity), (Vec::new(), Some(list("2-5"))));
    assert_eq!(topology.quota.unwrap().cpus(), 2.0);
}

/// The kernel writes the backslashes that systemd puts into names as octal numbers, but not in `/proc/self/cgroup`.
#[test]
fn a_group_below_a_mounted_one_with_a_backslash_is_found() {
    let machine = Machine::with_cpus("0-7")
        .file("proc/self/cgroup", r"0::/machine.slice/machine-my\x2dbox.scope/app 1")
        .file(
            "proc/self/mountinfo",
            r"31 23 0:28 /machine.slice/machine-my\134x2dbox.scope /sys/fs/the\040groups rw - cgroup2 cgroup rw",
        )
        .file("sys/fs/the groups/app 1/cpu.max", "300000 100000");
    assert_eq!(machine.read().quota.map(|quota| quota.cpus()), Some(3.0));
}

/// Docker mounts what it was told to (`-v /:/host`) before the container's own groups.
#[test]
fn the_hosts_groups_are_not_taken_for_the_containers() {
    let machine = Machine::with_cpus("0-7")
        .file("proc/self/cgroup", "0::/")
        .file(
            "proc/self/mountinfo",
            "30 29 0:28 /../.. /host/sys/fs/cgroup ro - cgroup2 cgroup rw\n31 29 0:28 / /sys/fs/cgroup ro - cgroup2 cgroup rw",
        )
        .file("host/sys/fs/cgroup/cpuset.cpus.effective", "0-7")
        .file("sys/fs/cgroup/cpuset.cpus.effective", "4-5")
        .file("sys/fs/cgroup/cpu.max", "150000 100000");
    let topology = machine.read();
    assert_eq!((topology.quota.map(|quota| quota.cpus()), topology.cpuset), (Some(1.5), Some(list("4-5"))));
    // Where paths are the host's, its hierarchy shows the ancestors too.
    let machine = Machine::with_cpus("0-7")
        .file("proc/self/cgroup", "0::/pod/app")
        .file(
            "proc/self/mountinfo",
            "30 29 0:28 /pod/app/x /mnt ro - cgroup2 cgroup rw\n31 29 0:28 / /sys/fs/cgroup ro - cgroup2 cgroup rw",
        )
        .file("sys/fs/cgroup/pod/cpu.max", "250000 100000");
    assert_eq!(machine.read().quota.map(|quota| quota.cpus()), Some(2.5));
}

#[test]
fn impossible_placements_name_the_line() {
    let machine = Machine::with_cpus("0-5").affinity("0-3");
    let smt = "[placement]\nsmt = \"all\"\n";
    for (text, expected) in [
        (
            "cpus = \"2-5\"",
            "conf.toml:3:8: [placement] cpus = \"2-5\": this process may not use cpus 4-5; expected a list within 0-3",
        ),
        (
            "shards = 5",
            "conf.toml:3:10: [placement] shards = 5: with pin = \"core\" each shard has a CPU, and cpus 0-3 are left; \
             expected at most 4, or pin = \"group\" or \"none\"",
        ),
        (
            "cpus = \"1-2\"\n\nshards = 3",
            "conf.toml:5:10: [placement] shards = 3: with pin = \"core\" each shard has a CPU, and cpus 1-2 are left; \
             expected at most 2, or pin = \"group\" or \"none\"",
        ),
        (
            "drop = [\"cpu:0\", \"cpu:1\", \"cpu:2\", \"cpu:3\"]",
            "conf.toml:3:8: [placement] drop = [\"cpu:0\", \"cpu:1\", \"cpu:2\", \"cpu:3\"]: no CPU is left for a shard; \
             expected to keep at least one of 0-3",
        ),
        (
            "[blocking]\ncpus = \"9\"",
            "conf.toml:4:8: [blocking] cpus = \"9\": this process may not use cpus 9; expected a list within 0-3",
        ),
        (
            "cpus = \"pu:0 pu:9\"",
            "conf.toml:3:14: [placement] cpus = \"pu:0 pu:9\": there is no pu:9; expected pu:0-5",
        ),
        (
            "cpus = \"\"\"pu:0 pu:9\"\"\"",
            "conf.toml:3:16: [placement] cpus = \"pu:0 pu:9\": there is no pu:9; expected pu:0-5",
        ),
        (
            "cpus = '''\npu:0 pu:9'''",
            "conf.toml:4:6: [placement] cpus = \"pu:0 pu:9\": there is no pu:9; expected pu:0-5",
        ),
        (
            "cpus = \"pu:0 p\\u0075:9\"",
            "conf.toml:3:8: [placement] cpus = \"pu:0 pu:9\": there is no pu:9; expected pu:0-5",
        ),
        (
            "[[shard]]\nid = 0\ncpus = '''core:0'''",
            "conf.toml:5:11: [[shard]] cpus = \"core:0\": the machine does not tell its cores; expected another level",
        ),
        (
            "on_error = \"fail\"\ndrop = [\"llc:0\"]",
            "conf.toml:4:8: [placement] drop = [\"llc:0\"]: nothing here is \"llc:0\"; expected a number from those the \
             machine tells, which are none",
        ),
        (
            "on_error = \"fail\"\ndrop = [\"cpu:9\"]",
            "conf.toml:4:8: [placement] drop = [\"cpu:9\"]: nothing here is \"cpu:9\"; expected a number from 0-5",
        ),
        (
            "on_error = \"fail\"\n[blocking]\ncpus = \"siblings\"",
            "conf.toml:5:8: [blocking] cpus = \"siblings\": no shard's core is known to have an idle hardware thread; \
             taken as \"rest\"",
        ),
    ] {
        assert_eq!(machine.error(&format!("{smt}{text}")), expected);
    }
    // A default that cannot be met is reported where it was made an error.
    assert_eq!(
        machine.error("[placement]\non_error = \"fail\""),
        "conf.toml:2:12: [placement] smt = \"one-per-core\": the machine does not tell which cores cpus 0-3 are on; all \
         of them are used"
    );
}

#[test]
fn a_value_the_program_changed_is_not_blamed_on_the_file() {
    let machine = Machine::with_cpus("0-1");
    let mut config = parse("[placement]\nshards = 2");
    config.placement.shards = AutoOr::Number(3);
    let error = Plan::new(&machine.read(), &config).unwrap_err();
    assert_eq!((error.file(), error.line(), error.column()), (None, None, None));
    assert_eq!(error.to_string(), error.message());
    assert!(error.message().starts_with("[placement] shards = 3: "));
    config.placement.shards = AutoOr::Number(2);
    config.placement.drop = vec![Domain::Cpu(0)];
    let error = Plan::new(&machine.read(), &config).unwrap_err();
    assert_eq!((error.file(), error.line(), error.column()), (Some("conf.toml"), Some(2), Some(10)));
}

#[test]
fn a_core_number_of_two_packages_is_ambiguous() {
    let machine =
        Machine::with_cpus("0-3").core(0, 0, 0, "0").core(1, 1, 0, "1").core(2, 0, 1, "2").core(3, 1, 1, "3");
    assert_eq!(
        machine.error("[placement]\ndrop = [\"core:1\"]"),
        "conf.toml:2:8: [placement] drop = [\"core:1\"]: \"core:1\" is the number of several, on cpus 1,3; expected \
         \"cpu:N\""
    );
}

#[test]
fn nonsense_is_a_warning_and_then_unknown() {
    let machine = Machine::with_cpus("0-1")
        .core(0, 0, 0, "1")
        .file("sys/devices/system/cpu/cpu0/topology/core_id", "many")
        .file("sys/devices/system/cpu/cpu1/cache/index2/level", "2")
        .file("sys/devices/system/cpu/cpu1/cache/index2/shared_cpu_list", "0-")
        .file("sys/devices/system/node/node0/cpulist", "zero")
        .cgroup2("/app")
        .file("sys/fs/cgroup/app/cpu.max", "lots 100000")
        .file("sys/fs/cgroup/cpu.max", "100000 0")
        .file("sys/fs/cgroup/app/cpuset.cpus.effective", "64");
    let topology = machine.read();
    let root = machine.root().to_str().unwrap();
    let warnings: Vec<_> = topology.warnings.iter().map(|warning| warning.replace(root, "")).collect();
    assert_eq!(
        warnings,
        [
            "/sys/devices/system/node/node0/cpulist: \"zero\" is not a list of CPUs",
            "/sys/devices/system/cpu/cpu0/topology/core_cpus_list: \"1\" is not a list of CPUs with 0 in it",
            "/sys/devices/system/cpu/cpu0/topology/core_id: \"many\" is not a number",
            "/sys/devices/system/cpu/cpu1/cache/index2/shared_cpu_list: \"0-\" is not a list of CPUs with 1 in it",
            "/sys/fs/cgroup/app/cpu.max: \"lots 100000\" is not a quota and a period in microseconds",
            "/sys/fs/cgroup/cpu.max: \"100000 0\" is not a quota and a period in microseconds",
            "the cpuset (64) has no CPU that is online (0-1)",
        ]
    );
    assert_eq!(topology.cpus[0], Cpu { id: 0, package: Some(0), ..Cpu::default() });
    let plan = Plan::new(&topology, &Config::default()).unwrap();
    assert_eq!(plan.shards.len(), 2);
    assert_eq!(plan.warnings.len(), warnings.len() + 1, "{:?}", plan.warnings);
    assert!(plan.to_string().contains("quota: unknown\n"), "{plan}");
}

#[test]
fn what_is_set_apart_and_what_kinds_there_are() {
    let machine = Machine::with_cpus("0-7").isolated("2-3").node(1, "4-7", true).node(0, "0-3", false);
    let machine = machine.node(3, "", true).file("sys/devices/system/cpu/nohz_full", "3,6,9");
    let topology = machine.read();
    assert_eq!(
        (topology.isolated.clone(), topology.nohz_full.clone()),
        (Some(list("2-3")), Some(list("3,6,9")))
    );
    assert_eq!(topology.set_apart(), list("2-3,6"));
    let node = |id, cpus, has_memory| Node { id, cpus: list(cpus), has_memory: Some(has_memory) };
    assert_eq!(topology.nodes, [node(0, "0-3", false), node(1, "4-7", true), node(3, "", true)]);
    assert!(topology.cpus.iter().all(|cpu| cpu.kind.is_none()));
    // A kernel that was not told says so in two ways, and newer ones list the nodes with memory.
    let machine = machine.isolated("").file("sys/devices/system/cpu/nohz_full", "(null)");
    let topology = machine.file("sys/devices/system/node/has_memory", "0-1").read();
    assert_eq!((topology.isolated.as_ref(), topology.nohz_full.as_ref()), (Some(&list("")), Some(&list(""))));
    assert_eq!(
        topology.nodes.iter().map(|node| node.has_memory).collect::<Vec<_>>(),
        [true, true, false].map(Some)
    );
    assert!(topology.warnings.is_empty(), "{:?}", topology.warnings);

    let kinds = |machine: &Machine| machine.read().cpus.iter().map(|cpu| cpu.kind).collect::<Vec<_>>();
    let (fast, slow) = (Some(CoreKind::Performance), Some(CoreKind::Efficiency));
    let machine = Machine::with_cpus("0-3").file("sys/devices/cpu_core/cpus", "0-1");
    assert_eq!(kinds(&machine.file("sys/devices/cpu_atom/cpus", "2")), [fast, fast, slow, None]);
    // By capacity: cores that differ a little are of one kind.
    let machine =
        Machine::with_cpus("0-3").each("0", "cpu_capacity", "1024").each("1", "cpu_capacity", "870");
    let machine = machine.each("2", "cpu_capacity", "512");
    assert_eq!(kinds(&machine), [None; 4]);
    assert_eq!(kinds(&machine.each("2", "cpu_capacity", "325")), [fast, fast, slow, None]);
}

#[test]
fn cpus_that_contradict_each_other_are_not_believed() {
    let machine = Machine::with_cpus("0-5").core(0, 0, 0, "0-1").core(1, 0, 0, "1").core(2, 1, 0, "2-3");
    let machine = machine.core(3, 1, 0, "2-3").caches(0, 7, "0-5").caches(1, 8, "1-3").caches(4, 9, "4-5");
    let topology = machine.read();
    let siblings: Vec<_> = topology.cpus.iter().map(|cpu| cpu.siblings.clone()).collect();
    assert_eq!(siblings[..4], [None, Some(list("1")), Some(list("2-3")), Some(list("2-3"))]);
    let llcs: Vec<_> = topology.cpus.iter().map(|cpu| cpu.llc).collect();
    // CPUs 2, 3 and 5 say nothing, so nothing contradicts the sets of 1 and 4.
    assert_eq!(llcs, [None, Some(8), None, None, Some(9), None]);
    assert_eq!(
        topology.warnings,
        [
            "cpus 0-1 share their core according to cpus 0, but not according to others of them",
            "cpus 0-5 share their last-level cache according to cpus 0, but not according to others of them",
        ]
    );
}

#[test]
fn a_machine_that_tells_nothing_has_an_unbound_shard() {
    let machine = Machine::new();
    let topology = machine.read();
    assert_eq!(topology.warnings, ["the affinity mask of this process is unknown"]);
    let plan = Plan::new(&topology, &Config::default()).unwrap();
    assert_eq!((plan.shards.len(), plan.pin, plan.may_spin), (1, Pin::None, false));
    assert_eq!(plan.warnings.len(), 2);
    assert_eq!(Plan::new(&topology, &parse("[placement]\nshards = 4")).unwrap().shards.len(), 4);
    assert!(
        machine
            .error("[placement]\non_error = \"fail\"")
            .starts_with("conf.toml:2:12: [placement] pin = \"core\": ")
    );
    // An unreadable folder in place of a file is as good as nothing, with a word about it.
    fs::create_dir_all(machine.root().join("sys/devices/system/cpu/online")).unwrap();
    assert_eq!(machine.read().warnings.len(), 2);
    // Of which CPUs are online nothing is known then, so nothing of which are not.
    let topology = machine.present("0-7").affinity("2-3").read();
    assert_eq!((topology.allowed(), topology.offline), (list("2-3"), list("")));
}

/// A file can't say so; a program that fills in the config itself can.
#[test]
fn no_plan_has_more_shards_than_linux_has_cpus() {
    let mut config = parse("[placement]\npin = \"none\"");
    for shards in [8193, u32::MAX] {
        config.placement.shards = AutoOr::Number(shards);
        let error = Plan::new(&smt_box().read(), &config).unwrap_err();
        assert_eq!(error.to_string(), format!("[placement] shards = {shards}: expected at most 8192"));
    }
}

/// A file can't say so either.
#[test]
fn an_empty_list_is_not_a_machine_that_tells_nothing() {
    let mut config = Config::default();
    config.placement.cpus = Cpus::List(CpuList::default().into());
    let error = Plan::new(&smt_box().read(), &config).unwrap_err();
    assert_eq!(
        error.to_string(),
        "[placement] cpus = \"\": no CPU is left for a shard; expected to keep at least one of 0-15"
    );
}

/// The shards' CPUs, and the warnings.
fn replanned(before: &Plan, machine: &Machine, text: &str) -> (String, String) {
    let plan = before.replan(&machine.read(), &parse(text));
    let cpus = plan.shards.iter().map(|shard| shard.cpus.iter().copied().collect::<CpuList>().to_string());
    (cpus.collect::<Vec<_>>().join(" "), machine.hide_root(&plan.warnings.join("\n")))
}

#[test]
fn shards_that_run_stay_where_they_can() {
    let eight = || Machine::of(Shape { packages: 1, nodes: 1, llcs: 2, cores: 4, threads: 1 });
    let share =
        |shards, cpus| format!("{shards} shards run and cpus {cpus} are left for them: some share a CPU");
    // (config, mask before, mask after, config after if it is another one, shards, warnings)
    let cases: &[(&str, &str, &str, &str, &str, &str)] = &[
        ("", "0-3", "0-3", "", "0 1 2 3", ""),
        ("", "0-3", "0-7", "", "0 1 2 3", ""),
        // The two that lost theirs get the first free ones, the others stay.
        ("", "0-3", "0,2,4-7", "", "0 4 2 5", ""),
        ("", "0-3", "4-7", "", "4 5 6 7", ""),
        ("", "0-3", "2", "", "2 2 2 2", &share(4, "2")),
        ("", "0-3", "2,5", "", "5 2 2 5", &share(4, "2,5")),
        // The order is that of the config.
        ("[placement]\norder = \"spread\"\nshards = 2", "0-7", "1-3,5-7", "", "1 5", ""),
        ("[placement]\ndrop = [\"cpu:4\"]\n", "0-3", "0,2,4-7", "", "0 5 2 6", ""),
        // A new config.
        ("", "0-3", "0-7", "[placement]\ndrop = [\"cpu:1\"]", "0 4 2 3", ""),
        ("", "0-3", "0-3", "[placement]\npin = \"none\"", "   ", ""),
        ("[placement]\npin = \"none\"", "0-3", "0-3", "[placement]\npin = \"core\"", "0 1 2 3", ""),
        (
            "",
            "0-3",
            "0-7",
            "[[shard]]\nid = 1\ncpus = \"6-7\"\n[[shard]]\nid = 9\ncpus = \"5\"",
            "0 6-7 2 3",
            "",
        ),
        // Groups: a shard stays in its own while there is room.
        ("[placement]\npin = \"group\"\nshards = 4", "0-7", "0,4-7", "", "0 4-7 4-7 4-7", ""),
        // What is told for a shard and gone.
        (
            "[placement]\nshards = 2\n[[shard]]\nid = 1\ncpus = \"3\"",
            "0-3",
            "0-2",
            "",
            "0 1",
            "[[shard]] id = 1: this process may not use cpus 3 any more; it is placed as others are",
        ),
        (
            "[placement]\nshards = 2\n[[shard]]\nid = 1\ncpus = \"2-3\"",
            "0-3",
            "0-2",
            "",
            "0 2",
            "[[shard]] id = 1: this process may not use cpus 3 any more",
        ),
        // What cannot be met any more is done without.
        (
            "[placement]\ncpus = \"0-1\"",
            "0-3",
            "1-3",
            "",
            "1 1",
            "conf.toml:2:8: [placement] cpus = \"0-1\": this process may not use cpus 0; expected a list within 1-3\n\
             2 shards run and cpus 1 are left for them: some share a CPU",
        ),
        (
            "[placement]\ncpus = \"0-1\"",
            "0-3",
            "2-3",
            "",
            "2 3",
            "conf.toml:2:8: [placement] cpus = \"0-1\": this process may not use cpus 0-1; expected a list within 2-3; \
             done without, as the shards run already",
        ),
        (
            "[placement]\nreserve = 1\non_error = \"fail\"",
            "0-3",
            "1-3",
            "",
            "1 2 3",
            "conf.toml:2:11: [placement] reserve = 1: 3 shards run and cpus 2-3 are left for them; done without, as \
             the shards run already",
        ),
        (
            "[placement]\ndrop = [\"llc:0\"]",
            "0-7",
            "0-1",
            "",
            "0 1 0 1",
            "4 shards run and cpus 0-1 are left for them: some share a CPU\n\
             conf.toml:2:8: [placement] drop = [\"llc:0\"]: no CPU is left for a shard; expected to keep at least one \
             of 0-1; done without, as the shards run already",
        ),
        (
            "[blocking]\ncpus = \"5\"",
            "0-1,5",
            "0-1",
            "",
            "0 1 0",
            "3 shards run and cpus 0-1 are left for them: some share a CPU\n\
             conf.toml:2:8: [blocking] cpus = \"5\": this process may not use cpus 5; expected a list within 0-1; done \
             without, as the shards run already",
        ),
    ];
    for (config, mask, mask_after, config_after, shards, warnings) in cases {
        let before = Plan::new(&eight().affinity(mask).read(), &parse(config)).unwrap();
        let config_after = if config_after.is_empty() { config } else { config_after };
        let after = replanned(&before, &eight().affinity(mask_after), config_after);
        assert_eq!(after, (shards.to_string(), warnings.to_string()), "{config}: {mask} -> {mask_after}");
    }
}

#[test]
fn a_shard_on_the_second_hardware_thread_stays_there() {
    let before = Plan::new(&smt_box().affinity("0-1,4").read(), &parse("[placement]\nshards = 2")).unwrap();
    let there = before.shards.iter().map(|shard| shard.cpus[0]).collect::<Vec<_>>();
    let other = Plan::new(&smt_box().read(), &parse("")).unwrap();
    assert!(there.len() == 2 && other.shards.len() > 2, "{before}\n{other}");
    let only_second = smt_box().affinity("4-7");
    let before = Plan::new(&only_second.read(), &parse("")).unwrap();
    let (cpus, warnings) = replanned(&before, &smt_box(), "");
    let (stayed, _) = replanned(&before, &only_second, "");
    assert_eq!((cpus, warnings), (stayed, String::new()));
}

#[test]
fn a_quota_that_shrinks_ends_the_looking_and_no_shard() {
    let machine = |quota: &str| {
        let machine = Machine::of(Shape { packages: 1, nodes: 1, llcs: 1, cores: 4, threads: 1 });
        machine.cgroup2("/a").file("sys/fs/cgroup/a/cpu.max", quota)
    };
    let before = Plan::new(&machine("300000 100000").read(), &parse("")).unwrap();
    assert!(before.may_spin && before.shards.len() == 3);
    let after = before.replan(&machine("200000 100000").read(), &parse(""));
    assert_eq!((after.shards, after.may_spin), (before.shards, false));
    assert!(after.warnings[0].ends_with("allows 2.00 CPUs; with shards = 3 they are throttled when busy"));
}
