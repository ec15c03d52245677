//! `corelane show`: of a program that runs, and of recorded ones.

use std::{fs, process};

#[path = "support/command.rs"]
mod command;
#[path = "support/machine.rs"]
mod machine;

use command::{corelane, golden, printed};
use corelane::config::{Config, CpuList};
use corelane::topology::{Plan, Topology};
use machine::Machine;

/// The rows of `show`'s table: shard, thread, name and the CPUs it may use.
fn rows(text: &str) -> Vec<(String, u32, String, String)> {
    let table = text.lines().skip_while(|line| !line.starts_with("shard ")).skip(1);
    let cells =
        table.take_while(|line| !line.is_empty()).map(|line| line.split_whitespace().collect::<Vec<_>>());
    cells.map(|c| (c[0].into(), c[1].parse().unwrap(), c[2].into(), c[c.len() - 1].into())).collect()
}

#[test]
fn show_finds_the_shards_of_a_program_that_runs() {
    // The program is this test, with a runtime whose plan is known. With `fail` it is built when its threads are bound.
    let text = "[runtime]\nflavor = \"sharded\"\n[placement]\non_error = \"fail\"\n";
    let config = Config::parse("test", text).unwrap();
    let plan = Plan::new(&Topology::discover(), &config).unwrap();
    let runtime = corelane::runtime::Builder::new_sharded().config(config).enable_all().build().unwrap();
    let text = printed(&["show", &process::id().to_string()]);
    let shards: Vec<_> = rows(&text).into_iter().filter(|(shard, ..)| shard != "-").collect();
    assert_eq!(shards.len(), plan.shards.len(), "{text}");
    for ((shard, thread, name, cpus), planned) in shards.iter().zip(&plan.shards) {
        assert_eq!((shard, name), (&planned.id.to_string(), &format!("corelane-{shard}")), "{text}");
        assert_eq!(*cpus, planned.cpus.iter().copied().collect::<CpuList>().to_string(), "{text}");
        // The kernel says the same, read here another way.
        let status = fs::read_to_string(format!("/proc/self/task/{thread}/status")).unwrap();
        assert!(status.contains(&format!("Cpus_allowed_list:\t{cpus}\n")), "{status}");
    }
    drop(runtime);
}

/// A process with these threads: name, CPUs, last CPU.
fn process_with(pid: u32, threads: &[(u32, &str, &str, u32)]) -> Machine {
    let mut machine = Machine::new();
    for (id, name, cpus, last) in threads {
        let folder = format!("proc/{pid}/task/{id}");
        let fields: Vec<String> =
            (4..=40).map(|field| if field == 39 { last.to_string() } else { "7".into() }).collect();
        machine = machine
            .file(&format!("{folder}/comm"), name)
            .file(&format!("{folder}/stat"), &format!("{id} ({name}) S {}", fields.join(" ")))
            .file(
                &format!("{folder}/status"),
                &format!("Name:\t{name}\nCpus_allowed_list:\t{cpus}\nvoluntary_ctxt_switches:\t12\nnonvoluntary_ctxt_switches:\t3"),
            );
    }
    machine
}

#[test]
fn show_says_what_a_reader_would_have_to_find_out() {
    let threads = [
        (40, "my (odd) serv", "0-7", 5),
        (43, "corelane-2", "2", 2),
        (41, "corelane-1", "1", 1),
        (44, "corelane-10", "2", 2),
        (45, "corelane-3", "0-7", 6),
        (46, "corelane-pool", "4-7", 4),
    ];
    let machine = process_with(40, &threads);
    let show = |machine: &Machine, pid| corelane(&["show", pid, "--root", machine.root().to_str().unwrap()]);
    let output = show(&machine, "40");
    golden("show.txt", &String::from_utf8(output.stdout).unwrap());
    // A thread that ends meanwhile has a folder without files.
    fs::remove_file(machine.root().join("proc/40/task/46/stat")).unwrap();
    let text = String::from_utf8(show(&machine, "40").stdout).unwrap();
    assert_eq!(rows(&text).len(), 5, "{text}");
    let gone = Machine::new().file("proc/50/task/50/comm", "x");
    let error = String::from_utf8(show(&gone, "50").stderr).unwrap();
    assert_eq!(error, "error: process 50 ended while it was looked at\n");
    let error = show(&gone, "51");
    assert_eq!((error.status.code(), &*error.stderr), (Some(1), &b"error: there is no process 51\n"[..]));
    let named = process_with(60, &[(60, "tokio-rt-worker", "0", 0)]);
    let text = String::from_utf8(show(&named, "60").stdout).unwrap();
    assert!(text.contains("\n\nNo thread has the name of a shard"), "{text}");
    // Files without meaning are shown as unknown rather than as wrong.
    let odd = Machine::new();
    let odd = ["comm", "stat", "status"]
        .iter()
        .fold(odd, |odd, name| odd.file(&format!("proc/70/task/70/{name}"), "x"));
    let output = show(&odd, "70");
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("?"), "{output:?}");
}

#[test]
fn show_says_who_may_look() {
    use std::os::unix::fs::PermissionsExt as _;
    let machine = process_with(40, &[(40, "secret", "0", 0)]);
    let folder = machine.root().join("proc/40/task");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o000)).unwrap();
    let may_look = fs::read_dir(&folder).is_ok();
    let output = corelane(&["show", "40", "--root", machine.root().to_str().unwrap()]);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    // Root may look everywhere.
    if may_look {
        assert!(output.status.success(), "{output:?}");
        return;
    }
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.ends_with("expected to be run by the user of process 40, or by root\n"), "{error}");
}
