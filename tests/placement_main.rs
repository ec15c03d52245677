//! The main thread as a shard, which the harness's tests are never on: so this file has its own `main`.
//!
//! Its mask is the process's, and ours while a runtime has it. Without two CPUs there is nothing to see, and it says so.
#![expect(unsafe_code, reason = "sets the masks of threads")]

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;
use std::{fs, io, process, thread};

use corelane::config::{Config, CpuList};
use corelane::runtime::{Builder, Handle, LocalOptions, LocalRuntime, PlacementCause, worker_index};
use corelane::topology::pin;
use corelane::{shard, task};

fn main() {
    let Some(all) = pin::allowed().filter(|cpus| cpus.len() > 1) else {
        return println!("skipped: this process may not use two cpus");
    };
    attribute_binds_main_and_lets_it_go(all);
    main_moves_with_the_process(all);
    println!("ok: the main thread as a shard");
}

/// What the kernel says of each thread: its name, and the CPUs it may use.
fn threads() -> Vec<(String, String)> {
    let mut threads = Vec::new();
    for entry in fs::read_dir("/proc/self/task").unwrap() {
        // A thread that ends meanwhile is none.
        let Ok(status) = fs::read_to_string(entry.unwrap().path().join("status")) else { continue };
        let value =
            |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim().to_owned();
        let name = if value("Pid:") == process::id().to_string() { "main".into() } else { value("Name:") };
        threads.push((name, value("Cpus_allowed_list:")));
    }
    threads.sort();
    threads
}

/// Each shard as its plan says, the first of them on the main thread, and the watcher, if there is one, with all that the process has.
fn expected(handle: &Handle, watcher: Option<&CpuList>) -> Vec<(String, String)> {
    let list = |cpus: &[u32]| cpus.iter().copied().collect::<CpuList>().to_string();
    let name = |id| if id == 0 { "main".into() } else { format!("corelane-{id}") };
    let plan = handle.plan();
    let shards = plan.shards.iter().map(|shard| (name(shard.id), list(&shard.cpus)));
    let mut threads: Vec<_> =
        shards.chain(watcher.map(|cpus| ("corelane-watch".to_owned(), cpus.to_string()))).collect();
    threads.sort();
    threads
}

/// Main has these CPUs, and there is no other thread. One that was joined is in /proc for a moment longer.
fn assert_alone(cpus: &CpuList) {
    while fs::read_dir("/proc/self/task").unwrap().count() > 1 {
        thread::yield_now();
    }
    assert_eq!(threads(), [("main".to_owned(), cpus.to_string())]);
}

fn attribute_binds_main_and_lets_it_go(all: &CpuList) {
    #[corelane::main]
    async fn program() {
        assert_eq!(worker_index(), Some(0), "main drives the first shard");
        // Who runs a task is where it should be.
        for id in shard::ids() {
            shard::spawn_on(id, || async {}).await.unwrap();
        }
        assert_eq!(threads(), expected(&Handle::current(), None));
        let cpus = task::spawn_blocking(pin::current).await.unwrap();
        assert_ne!(cpus, pin::current(), "what main starts is not bound as main is");
    }
    assert_alone(all);
    program();
    assert_alone(all);
}

/// As `taskset -a -p`: of all threads. That of the watcher comes last, as it is what a change is seen by: the others are as they will be
/// by then.
fn set_all(cpus: &CpuList) {
    // SAFETY: a set of CPUs is bits, for which zero is a value.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: it writes into the set, or not if the number is too large for it.
    cpus.iter().for_each(|cpu| unsafe { libc::CPU_SET(cpu as usize, &mut set) });
    let mut all: Vec<PathBuf> =
        fs::read_dir("/proc/self/task").unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort_by_key(|thread| {
        fs::read_to_string(thread.join("comm")).is_ok_and(|name| name == "corelane-watch\n")
    });
    for thread in all {
        let thread = thread.file_name().unwrap().to_str().unwrap().parse().unwrap();
        // SAFETY: the kernel reads as many bytes as it is told.
        let result = unsafe { libc::sched_setaffinity(thread, size_of_val(&set), &set) };
        assert_eq!(result, 0, "{}", io::Error::last_os_error());
    }
}

fn main_moves_with_the_process(all: &CpuList) {
    let one = CpuList::from_iter(all.iter().next_back());
    let (tx, changes) = channel();
    let tx = Mutex::new(tx);
    let local = || -> LocalRuntime {
        let tx = tx.lock().unwrap().clone();
        let tx = Mutex::new(tx);
        let config = Config::parse("test", "[placement]\nwatch = true\nsmt = \"all\"").unwrap();
        let local = Builder::from_config(config)
            .on_placement_change(move |change| drop(tx.lock().unwrap().send(change.clone())))
            .build_local(LocalOptions::default())
            .unwrap();
        // A thread gives itself its name, and nobody waits for the watcher to.
        while !threads().iter().any(|(name, _)| name == "corelane-watch") {
            thread::yield_now();
        }
        local
    };
    let next = || loop {
        let change = changes.recv_timeout(Duration::from_secs(60)).expect("a change is told");
        assert!(change.refusals.is_empty() && change.error.is_none(), "{change:?}");
        // It may look while the masks are set, and sets those back that are not as it left them.
        if change.causes != [PlacementCause::Threads] {
            break assert_eq!(change.causes, [PlacementCause::Affinity], "{change}");
        }
    };
    let first = local();
    assert_eq!(threads(), expected(first.handle(), Some(all)));
    set_all(&one);
    next();
    let on_one = threads();
    assert_eq!(on_one, expected(first.handle(), Some(&one)));
    assert!(on_one.iter().all(|(_, cpus)| *cpus == one.to_string()), "{on_one:?}");
    first.block_on(async { task::yield_now().await });
    set_all(all);
    next();
    assert_eq!(threads(), expected(first.handle(), Some(all)));
    drop(first);
    assert_alone(all);

    // What it is given back is what the process has by then, and not what it was before.
    let second = local();
    set_all(&one);
    next();
    drop(second);
    assert_alone(&one);
    set_all(all);
    assert!(changes.try_recv().is_err(), "told twice, or of the end");
}
