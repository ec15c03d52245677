//! The commands in `README.md` and `config/README.md` print what stands below them.
//!
//! A comment `<!-- machine: NAME -->` says for which machine the blocks after it are, `<!-- file: NAME -->` that the next
//! block is a file that the commands find. The commands are those after `$ corelane` in `console` blocks.
//! `CORELANE_BLESS=1` writes their output into the pages; look at what git says of it.

#[path = "support/machine.rs"]
mod machine;

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use machine::{Machine, Shape};

fn machine(name: &str) -> Machine {
    let machine = match name {
        "dual-socket" => Machine::of(Shape { packages: 2, nodes: 1, llcs: 2, cores: 8, threads: 2 }),
        "desktop" => Machine::of(Shape { packages: 1, nodes: 1, llcs: 2, cores: 4, threads: 2 }),
        "container" => Machine::of(Shape { packages: 1, nodes: 1, llcs: 2, cores: 8, threads: 2 })
            .cgroup2("/kubepods/pod1/sidecar")
            .file("sys/fs/cgroup/kubepods/pod1/sidecar/cpu.max", "250000 100000"),
        "laptop" => {
            let mut machine = Machine::with_cpus("0-11").present("0-11").node(0, "0-11", true);
            for cpu in 0..12 {
                // Two hardware threads a core, then one.
                let siblings = if cpu < 8 { format!("{}-{}", cpu & !1, cpu | 1) } else { cpu.to_string() };
                let core = if cpu < 8 { cpu / 2 } else { cpu - 4 };
                machine = machine.core(cpu, core as i32, 0, &siblings).caches(cpu, 0, "0-11");
            }
            machine.file("sys/devices/cpu_core/cpus", "0-7").file("sys/devices/cpu_atom/cpus", "8-11")
        }
        _ => panic!("no machine has the name {name}"),
    };
    fs::create_dir(machine.root().join("work")).unwrap();
    machine
}

/// Runs a command line as it would run on that machine, and gives all it prints.
fn run(machine: &Machine, line: &str) -> String {
    let args: Vec<&str> = line.split_whitespace().collect();
    let mut command = Command::new(env!("CARGO_BIN_EXE_corelane"));
    command.args(&args).current_dir(machine.root().join("work")).env_remove("CORELANE_CONFIG");
    if args[0] != "explain" {
        command.arg("--topology").arg(format!("sysfs:{}", machine.root().display()));
    }
    let output = command.output().unwrap();
    machine.hide_root(&(String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr)))
}

/// The page with the output of its commands as it is now, and how many commands it has.
fn played(page: &str) -> (String, usize) {
    let (mut out, mut commands) = (String::new(), 0);
    let (mut now, mut file) = (None, None);
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        out += &format!("{line}\n");
        let marked = |kind: &str| line.strip_prefix(kind)?.strip_suffix(" -->");
        if let Some(name) = marked("<!-- machine: ") {
            now = Some(machine(name));
        }
        if let Some(name) = marked("<!-- file: ") {
            file = Some(name.to_owned());
        }
        if !line.starts_with("```") {
            continue;
        }
        let mut block = String::new();
        while let Some(inner) = lines.next_if(|inner| !inner.starts_with("```")) {
            block += &format!("{inner}\n");
        }
        if let (Some(name), Some(machine)) = (file.take(), &now) {
            fs::write(machine.root().join("work").join(name), &block).unwrap();
        }
        match (line, &now) {
            ("```console", Some(machine)) => {
                for command in block.lines().filter_map(|line| line.strip_prefix("$ corelane ")) {
                    commands += 1;
                    out += &format!("$ corelane {command}\n{}", run(machine, command));
                }
            }
            _ => out += &block,
        }
        out += &format!("{}\n", lines.next().expect("the block ends"));
    }
    (out, commands)
}

#[test]
fn the_pages_print_what_the_commands_print() {
    for (page, at_least) in [("README.md", 1), ("config/README.md", 9)] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
        let text = fs::read_to_string(&path).unwrap();
        let (expected, commands) = played(&text);
        assert!(commands >= at_least, "{page} has {commands} commands");
        if env::var_os("CORELANE_BLESS").is_some() {
            fs::write(&path, &expected).unwrap();
            continue;
        }
        let differs = text.lines().zip(expected.lines()).enumerate().find(|(_, (a, b))| a != b);
        assert!(
            text == expected,
            "{page} is out of date, first here: {differs:?}; CORELANE_BLESS=1 writes it anew"
        );
    }
}
