//! The `corelane` command, run as a user runs it on machines that are not at hand. `CORELANE_BLESS=1` writes the files in
//! `tests/cli` as the command prints them now; look at what git says of them.

use std::fs;
use std::io::Read as _;
use std::process::{Command, Stdio};

#[path = "support/command.rs"]
mod command;
#[path = "support/machine.rs"]
mod machine;
#[path = "support/xml.rs"]
mod xml;

use command::{corelane, golden, printed, refused};
use corelane::config::{Config, keys, shard_keys};
use corelane::topology::Plan;
use machine::{Machine, Shape};

fn spec(machine: &Machine) -> String {
    format!("sysfs:{}", machine.root().display())
}

/// A file in the machine's own folder, so that it goes when the machine does.
fn write(machine: &Machine, name: &str, text: &str) -> String {
    let path = machine.root().join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn machines() -> Vec<(&'static str, Machine)> {
    let of =
        |packages, nodes, llcs, cores, threads| Machine::of(Shape { packages, nodes, llcs, cores, threads });
    let mut laptop = Machine::with_cpus("0-19")
        .present("0-19")
        .file("sys/devices/cpu_core/cpus", "0-11")
        .file("sys/devices/cpu_atom/cpus", "12-19")
        .node(0, "0-19", true);
    for cpu in 0..20 {
        let siblings = if cpu < 12 { format!("{}-{}", cpu & !1, cpu | 1) } else { cpu.to_string() };
        let core = if cpu < 12 { cpu & !1 } else { cpu };
        laptop = laptop.core(cpu, core as i32 * 4, 0, &siblings).caches(cpu, 0, "0-19");
    }
    vec![
        ("one", Machine::with_cpus("0").core(0, 0, 0, "0")),
        ("bare-vm", Machine::with_cpus("0-3")),
        ("laptop", laptop),
        ("desktop", of(1, 1, 2, 8, 2)),
        ("dual-socket", of(2, 4, 2, 8, 2)),
        (
            "container",
            of(1, 2, 2, 8, 2)
                .affinity("0-63")
                .cgroup2("/pod")
                .file("sys/fs/cgroup/pod/cpuset.cpus.effective", "3,5,9")
                .file("sys/fs/cgroup/pod/cpu.max", "250000 100000"),
        ),
        (
            "holes",
            Machine::of(Shape { packages: 1, nodes: 1, llcs: 1, cores: 4, threads: 2 }).online("0,2-3,6"),
        ),
    ]
}

#[test]
fn each_machine_has_its_tree_and_its_table() {
    for (name, machine) in machines() {
        for command in ["topology", "plan"] {
            let text = machine.hide_root(&printed(&[command, "--topology", &spec(&machine)]));
            let wide = text.lines().find(|line| line.chars().count() > 80);
            assert_eq!(wide, None, "{command} of {name}");
            assert!(text.lines().count() <= 80, "{command} of {name} is long:\n{text}");
            golden(&format!("{name}-{command}.txt"), &text);
        }
    }
}

#[test]
fn each_machine_has_its_drawing() {
    for (name, machine) in machines() {
        let text = machine.hide_root(&printed(&["plan", "--format", "svg", "--topology", &spec(&machine)]));
        golden(&format!("{name}.svg"), &text);
    }
}

#[test]
fn drawings_are_well_formed_xml_whatever_the_names_are() {
    for (name, machine) in machines() {
        let file = write(&machine, "<a & \"b\">\u{1}.toml", "[placement]\non_error = \"degrade\"\n");
        let text = printed(&["plan", &file, "--format", "svg", "--topology", &spec(&machine)]);
        let elements = xml::elements(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let cells = elements.iter().filter(|name| *name == "g").count();
        let topology = machine.read();
        assert_eq!(cells, topology.cpus.len() + topology.offline.len(), "{name}: a cell for each CPU");
        assert!(!elements.iter().any(|name| name == "script"), "{name}");
        assert!(text.contains("&lt;a &amp; &quot;b&quot;&gt;\u{fffd}.toml"), "{name}: {text}");
    }
}

#[test]
fn json_has_every_cpu_and_every_shard() {
    for (name, machine) in machines() {
        let (topology, spec) = (machine.read(), spec(&machine));
        let json: serde_json::Value =
            serde_json::from_str(&printed(&["topology", "--format", "json", "--topology", &spec])).unwrap();
        let ids: Vec<u64> =
            json["cpus"].as_array().unwrap().iter().map(|c| c["id"].as_u64().unwrap()).collect();
        assert_eq!(ids, topology.cpus.iter().map(|cpu| u64::from(cpu.id)).collect::<Vec<_>>(), "{name}");
        let json: serde_json::Value =
            serde_json::from_str(&printed(&["plan", "--format", "json", "--topology", &spec])).unwrap();
        let plan = Plan::new(&topology, &Config::default()).unwrap();
        assert_eq!(json["shards"].as_array().unwrap().len(), plan.shards.len(), "{name}");
        assert_eq!(json["left_out"].as_array().unwrap().len(), plan.left_out.len(), "{name}");
    }
}

#[test]
fn a_machine_may_come_from_a_file() {
    let machine = Machine::of(Shape { packages: 2, nodes: 1, llcs: 2, cores: 4, threads: 2 })
        .cgroup2("/pod")
        .file("sys/fs/cgroup/pod/cpu.max", "350000 100000");
    let json = printed(&["topology", "--format", "json", "--topology", &spec(&machine)]);
    let file = write(&machine, "machine.json", &json);
    for command in [&["topology"][..], &["plan"], &["plan", "--format", "svg"], &["init"]] {
        let run = |spec: &str| printed(&[command, &["--topology", spec]].concat());
        assert_eq!(run(&spec(&machine)), run(&format!("json:{file}")), "{command:?}");
    }
    let (status, error) = refused(&["plan", "--topology", &format!("json:{}", write(&machine, "x", "{"))]);
    assert_eq!(status, Some(2), "{error}");
    assert!(error.starts_with("error: ") && error.contains("line 1"), "{error}");
    let described = corelane(&["topology", "--topology", "synthetic:\"pack:2 numa:1 l3:2 core:4 pu:2\""]);
    let (out, err) = (String::from_utf8_lossy(&described.stdout), String::from_utf8_lossy(&described.stderr));
    if cfg!(feature = "hwloc") {
        assert!(
            out.starts_with("32 CPUs, 16 cores, 4 last-level caches, 2 nodes, 2 packages\n"),
            "{out}{err}"
        );
    } else {
        assert_eq!(described.status.code(), Some(2));
        assert!(err.ends_with("cargo install --path . --features cli,hwloc\n"), "{err}");
    }
}

#[test]
fn plan_takes_a_file_the_variable_or_the_defaults() {
    let machine = Machine::of(Shape { packages: 1, nodes: 1, llcs: 1, cores: 4, threads: 1 });
    let file = write(&machine, "two.toml", "[placement]\nshards = 2\n");
    let spec = spec(&machine);
    let plan = |args: &[&str], variable: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_corelane"));
        command.args(["plan", "--topology", &spec]).args(args).env_remove("CORELANE_CONFIG");
        command.envs(variable.map(|file| ("CORELANE_CONFIG", file)));
        let output = command.output().unwrap();
        machine.hide_root(&String::from_utf8(output.stdout).unwrap())
    };
    let two = plan(&[&file], None);
    assert!(two.contains("config    /two.toml\nplan      2 shards, each bound"), "{two}");
    let two = plan(&[], Some(&file));
    assert!(
        two.contains("config    /two.toml (from CORELANE_CONFIG)\nplan      2 shards, each bound"),
        "{two}"
    );
    let four = plan(&[], None);
    assert!(four.contains("config    the defaults\nplan      4 shards, each bound"), "{four}");
}

#[test]
fn plan_tells_what_idle_shards_do() {
    let one = Shape { packages: 1, nodes: 1, llcs: 1, cores: 1, threads: 1 };
    let idle = |cores, spin_us: &str| {
        let machine = Machine::of(Shape { cores, ..one });
        let text = format!("[placement]\nshards = 2\npin = \"none\"\n[scheduler]\nspin_us = {spin_us}\n");
        let text = printed(&["plan", &write(&machine, "app.toml", &text), "--topology", &spec(&machine)]);
        text.lines().find_map(|line| line.strip_prefix("idle shards")).unwrap().trim().to_owned()
    };
    assert_eq!(idle(2, "\"auto\""), "may look for work for a while before they sleep");
    assert_eq!(idle(1, "\"auto\""), "sleep at once, as looking would take the time of others");
    for cores in [1, 2] {
        assert_eq!(idle(cores, "0"), "sleep at once (`spin_us`)");
        assert_eq!(idle(cores, "50"), "look for work for up to 50 µs before they sleep (`spin_us`)");
    }
}

#[test]
fn check_is_for_scripts() {
    let machine = Machine::of(Shape { packages: 1, nodes: 1, llcs: 1, cores: 4, threads: 1 });
    let spec = spec(&machine);
    let good = write(&machine, "good.toml", "[placement]\nshards = 2\n");
    let wrong = write(&machine, "wrong.toml", "[placement]\nshard = 2\n");
    let impossible = write(&machine, "impossible.toml", "\n[placement]\nshards = 9\n");
    assert_eq!(
        printed(&["check", &good, "--topology", &spec]),
        format!("{good}: ok: 2 shards, each bound to a CPU of its own\n")
    );
    // Each file is looked at, and each bad one is named with the place.
    let output = corelane(&["check", &wrong, &good, &impossible, "/no/such.toml", "--topology", &spec]);
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    let starts = [
        format!("{wrong}:2:1: unknown key `shard` in [placement]; did you mean `shards`?"),
        format!("{impossible}:3:10: [placement] shards = 9: with pin = \"core\" each shard has a CPU"),
        "/no/such.toml: cannot read the file: ".into(),
    ];
    assert_eq!(errors.lines().count(), 3, "{errors}");
    for (line, start) in errors.lines().zip(starts) {
        assert!(line.starts_with(&start), "{line}");
    }
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1);
    // All that is wrong with a file is said at once, from top to bottom.
    let text = "[placement]\nshards = 0\npn = 1\n[[shard]]\nid = 1\n\n[timers]\n";
    let four = write(&machine, "four.toml", text);
    let (status, errors) = refused(&["check", &four, "--topology", &spec]);
    let places: Vec<_> =
        errors.lines().filter_map(|line| line.strip_prefix(&four)?.split(": ").next()).collect();
    assert_eq!((status, places), (Some(1), vec![":2:10", ":3:1", ":4:1", ":7:2"]), "{errors}");
    assert_eq!(errors.lines().count(), 4, "{errors}");
    // What the machine does not tell is a warning, and no reason to stop a deployment.
    let bare = Machine::with_cpus("0-3");
    let text = printed(&["check", &good, "--topology", &self::spec(&bare)]);
    assert!(
        text.contains("good.toml: warning: [placement] smt = \"one-per-core\": the machine does not tell"),
        "{text}"
    );
    let strict = write(&bare, "strict.toml", "[placement]\non_error = \"fail\"\n");
    let (status, error) = refused(&["check", &strict, "--topology", &self::spec(&bare)]);
    assert_eq!(status, Some(1));
    assert!(error.starts_with(&format!("{strict}:2:12: [placement] smt = ")), "{error}");
}

#[test]
fn what_could_not_be_read_is_not_said_to_be_absent() {
    let machine = Machine::with_cpus("0-1").cgroup2("/");
    // The fact of that name, and what follows it, on one line.
    let fact = |machine: &Machine, command: &str, name: &str| {
        let text = machine.hide_root(&printed(&[command, "--topology", &spec(machine)]));
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let (_, fact) = text.split_once(&format!(" {name} ")).unwrap_or_else(|| panic!("{name}: {text}"));
        fact.to_owned() + " "
    };
    for name in ["cpuset", "quota", "offline"] {
        assert!(fact(&machine, "topology", name).starts_with("none "), "{name}");
    }
    let machine = machine
        .file("sys/fs/cgroup/cpu.max", "lots")
        .file("sys/fs/cgroup/cpuset.cpus.effective", "8")
        .file("sys/devices/system/cpu/present", "all")
        .file("proc/self/status", "Cpus_allowed_list:\tall");
    let quota = "unknown (/sys/fs/cgroup/cpu.max: \"lots\" is not a quota and a period in microseconds) ";
    for (command, name, unknown) in [
        ("topology", "quota", quota),
        ("plan", "quota", quota),
        ("topology", "cpuset", "unknown (the cpuset (8) has no CPU that is online (0-1)) "),
        ("topology", "offline", "unknown (/sys/devices/system/cpu/present: \"all\" is not a list of CPUs) "),
        ("topology", "affinity mask", "unknown (/proc/self/status: \"all\" is not a list of CPUs) "),
    ] {
        let found = fact(&machine, command, name);
        assert!(found.starts_with(unknown), "{command}: {name} {found}");
    }
    // Neither bound is known where the process's group is not.
    let machine = Machine::with_cpus("0-1").file("proc/self/cgroup", "nowhere");
    for name in ["cpuset", "quota"] {
        let unknown = "unknown (/proc/self/cgroup: \"nowhere\" is not a control group) ";
        assert!(fact(&machine, "topology", name).starts_with(unknown), "{name}");
    }
}

#[test]
fn wrong_usage_is_status_2_and_says_what_is_expected() {
    let empty = Machine::new().file("sys/nothing", "");
    for (args, said) in [
        (&["check"][..], "<FILE>..."),
        (&["plan", "--format", "gif"], "table, json, svg"),
        (&["pln"], "a similar subcommand exists: 'plan'"),
        (&["show", "x"], "invalid value 'x' for '<PID>': expected the number of a process, such as 4711"),
        (
            &["topology", "--topology", "foo"],
            "expected sysfs:DIR, json:FILE, a file that ends in .xml, or synthetic:",
        ),
        (&["topology", "--topology", "sysfs:/no/such"], "there is no folder \"sys\" in \"/no/such\""),
        (&["topology", "--topology", &spec(&empty)], "sys/devices/system/cpu/online"),
    ] {
        let (status, error) = refused(args);
        assert_eq!(status, Some(2), "{args:?}: {error}");
        assert!(error.contains(said), "{args:?}: {error}");
    }
    assert_eq!(refused(&[]).0, Some(2));
}

#[test]
fn help_names_every_command_and_fits_a_terminal() {
    let text = printed(&["--help"]);
    for command in ["topology", "plan", "check", "explain", "show", "init"] {
        assert!(text.contains(&format!("  {command} ")), "{command}: {text}");
        let help = printed(&[command, "--help"]);
        assert!(help.contains("Usage: corelane "), "{help}");
        assert_eq!(help.lines().find(|line| line.chars().count() > 80), None, "{command}");
        assert!(!help.contains("--root"), "{help}");
    }
}

#[test]
fn explain_tells_what_the_table_of_keys_says() {
    let all = printed(&["explain"]);
    for key in keys().iter().chain(shard_keys()) {
        assert!(all.contains(key.name), "{}", key.name);
        let one = printed(&["explain", &format!("{}.{}", key.section, key.name)]);
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let doc = words(&key.doc.join(" "));
        assert!(
            words(&one).contains(&format!("[{}] {} {doc} takes {}", key.section, key.name, key.accepts()))
                || words(&one).contains(&format!(
                    "[[{}]] {} {doc} takes {}",
                    key.section,
                    key.name,
                    key.accepts()
                )),
            "{one}"
        );
        let changes = if key.is_live() { "while running: see `reload`" } else { "with a restart" };
        let end = format!("{} changes {changes}", key.value(&Config::default()));
        assert!(words(&one).ends_with(&end), "{one}");
        assert_eq!(one.lines().find(|line| line.chars().count() > 80), None);
    }
    let both = printed(&["explain", "cpus"]);
    assert!(both.contains("[placement] cpus\n") && both.contains("[blocking] cpus\n"), "{both}");
    assert_eq!(printed(&["explain", "[timer]"]), printed(&["explain", "timer.resolution_us"]));
    for (word, answer) in [
        ("quantum", "did you mean `scheduler.quantum_us`?"),
        ("placement.quantum_us", "did you mean `scheduler.quantum_us`?"),
        ("shcards", "did you mean `placement.shards`?"),
        ("place_ment", "did you mean the section `placement`?"),
        (
            "what-is-this-key",
            "the sections are runtime, placement, scheduler, timer, blocking, listen, shard",
        ),
    ] {
        let (status, error) = refused(&["explain", word]);
        assert_eq!(status, Some(1));
        assert!(error.starts_with(&format!("error: unknown key `{word}`; {answer}")), "{error}");
    }
}

#[test]
fn init_writes_what_check_accepts_and_keeps_what_is_there() {
    for (name, machine) in machines() {
        let spec = spec(&machine);
        let path = machine.root().join("corelane.toml");
        let file = path.to_str().unwrap();
        let text = machine.hide_root(&printed(&["init", "--topology", &spec]));
        golden(&format!("{name}-init.toml"), &text);
        printed(&["init", "--output", file, "--topology", &spec]);
        assert_eq!(machine.hide_root(&fs::read_to_string(&path).unwrap()), text, "{name}");
        let checked = printed(&["check", file, "--topology", &spec]);
        assert!(checked.starts_with(&format!("{file}: ok: ")), "{name}: {checked}");
        // Uncommented, each key has the value that is its default. What is told for single shards has none.
        let all: String = text
            .lines()
            .take_while(|line| *line != "#[[shard]]")
            .map(|line| match line.strip_prefix('#') {
                Some(key) if !key.starts_with(' ') => format!("{key}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        let kept = Config::parse("init", &text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(Config::parse("init", &all), Ok(kept), "{name}");
        let (status, error) = refused(&["init", "--output", file, "--topology", &spec]);
        assert_eq!(status, Some(1));
        assert!(error.contains("is there already, and is kept"), "{error}");
        assert_eq!(machine.hide_root(&fs::read_to_string(&path).unwrap()), text, "{name}");
    }
}

#[test]
fn init_leaves_no_half_of_a_file() {
    let machine = Machine::with_cpus("0-3");
    let path = machine.root().join("corelane.toml");
    // A file may have one block; what does not fit is an error, as on a full disk.
    let script = "trap '' XFSZ; ulimit -f 1; exec \"$0\" init --output \"$1\" --topology \"$2\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_corelane")]).arg(&path).arg(spec(&machine));
    let output = command.output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.starts_with(&format!("error: cannot write {}: ", path.display())), "{error}");
    assert!(!path.exists());
}

#[test]
fn this_machine_has_a_tree_a_plan_and_a_file() {
    for args in [&["topology"][..], &["plan"], &["init"], &["plan", "--format", "svg"]] {
        assert!(!printed(args).is_empty(), "{args:?}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let machine = Machine::of(Shape { packages: 4, nodes: 2, llcs: 2, cores: 16, threads: 2 });
    let mut command = Command::new(env!("CARGO_BIN_EXE_corelane"));
    command.args(["topology", "--format", "json", "--topology", &spec(&machine)]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The answer is longer than a pipe holds, so the command is still writing when its reader goes.
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 10]).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success(), "{:?}", output.status);
}
