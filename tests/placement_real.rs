//! What the kernel says of each thread against the plan, on the machine the tests run on. One test, so that the process has no
//! other runtime's threads.

#[path = "support/threads.rs"]
mod threads;

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Barrier};

use corelane::config::{Config, CpuList};
use corelane::runtime::{Builder, Runtime};
use corelane::topology::{Plan, Topology, pin};
use corelane::{shard, task};

const POOL: &str = "corelane-pool";

/// Threads that the pool has at least.
const JOBS: usize = 3;

/// This runtime's threads by name, with the CPUs that the kernel lets them use. A thread that ends meanwhile is none.
fn threads() -> BTreeMap<String, Vec<CpuList>> {
    let mut threads: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for thread in threads::living() {
        let Ok(status) = fs::read_to_string(thread.join("status")) else { continue };
        let value = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim();
        if value("Name:").starts_with("corelane-") {
            let cpus = CpuList::parse(value("Cpus_allowed_list:")).unwrap();
            threads.entry(value("Name:").to_owned()).or_default().push(cpus);
        }
    }
    threads
}

/// The same as the plan has it, with so many threads of the pool. Who is bound to nothing may be anywhere.
fn expected(plan: &Plan, pool: usize) -> BTreeMap<String, Vec<CpuList>> {
    let list = |cpus: &[u32]| match cpus {
        [] => pin::allowed().unwrap().clone(),
        _ => cpus.iter().copied().collect(),
    };
    let shards = plan.shards.iter().map(|shard| (format!("corelane-{}", shard.id), vec![list(&shard.cpus)]));
    let pool = (pool > 0).then(|| (POOL.to_owned(), vec![list(&plan.blocking_cpus); pool]));
    shards.chain(pool).collect()
}

/// Every shard busy, and so many jobs at once that each has a thread.
fn load(rt: &Runtime) {
    let _in = rt.enter();
    let meet = Arc::new(Barrier::new(JOBS));
    let jobs: Vec<_> = (0..JOBS)
        .map(|_| {
            let meet = Arc::clone(&meet);
            task::spawn_blocking(move || meet.wait().is_leader())
        })
        .collect();
    let busy: Vec<_> = shard::ids()
        .map(|id| {
            shard::spawn_on(id, || async {
                for _ in 0..1_000 {
                    task::spawn_local(task::yield_now()).await.unwrap();
                }
            })
        })
        .collect();
    rt.block_on(async {
        for task in busy {
            task.await.unwrap();
        }
        for job in jobs {
            job.await.unwrap();
        }
    });
}

#[test]
fn every_thread_is_where_the_plan_says() {
    let allowed = pin::allowed().unwrap();
    let (first, last) = (allowed.first().unwrap(), allowed.iter().last().unwrap());
    let two = allowed.len().min(2);
    let path = std::env::temp_dir().join(format!("corelane-real-{}.toml", std::process::id()));
    for text in [
        format!("[placement]\nshards = {two}\nsmt = \"all\"\n"),
        "[placement]\nshards = 2\nsmt = \"all\"\npin = \"group\"\ngroup_by = \"none\"\n".into(),
        format!("[placement]\nshards = {two}\nsmt = \"all\"\n[[shard]]\nid = 0\ncpus = \"{last}\"\n"),
        format!("[placement]\nshards = 1\ncpus = \"{last}\"\n[blocking]\ncpus = \"{first}\"\n"),
        format!(
            "[placement]\nshards = 1\n[[shard]]\nid = 0\ncpus = \"{allowed}\"\n[blocking]\ncpus = \"any\"\n"
        ),
        "[placement]\nshards = 2\npin = \"none\"\n".into(),
    ] {
        // With `fail` a runtime is built when its threads are bound.
        let text = text.replace("[placement]", "[placement]\non_error = \"fail\"");
        fs::write(&path, &text).unwrap();
        let plan = Plan::new(&Topology::discover(), &Config::from_file(&path).unwrap()).unwrap();
        let rt = Builder::new_sharded().config_file(&path).enable_all().build().unwrap();
        assert_eq!(threads(), expected(&plan, 0), "{text}");
        for round in 0..3 {
            load(&rt);
            let found = threads();
            let pool = found.get(POOL).map_or(0, Vec::len);
            assert!(pool >= JOBS, "{pool}");
            assert_eq!(found, expected(&plan, pool), "round {round} of\n{text}");
        }
        drop(rt);
    }
    fs::remove_file(path).unwrap();
    memory_interleaves_over_the_shards_nodes();
}

/// Where the kernel knows nodes, of which there may be one.
fn memory_interleaves_over_the_shards_nodes() {
    let config = Config::parse("test", "[placement]\nsmt = \"all\"\nmemory = \"interleave\"").unwrap();
    let rt = Builder::new_sharded().config(config).enable_all().build().unwrap();
    load(&rt);
    let plan = rt.handle().plan();
    let nodes: CpuList = plan.memory_nodes.iter().copied().collect();
    if nodes.is_empty() || fs::read_to_string("/proc/self/numa_maps").is_err() {
        return println!("skipped: the kernel tells no nodes: {:?}", plan.warnings);
    }
    let mut interleaved = 0;
    for thread in threads::living() {
        let read = |name: &str| fs::read_to_string(thread.join(name)).unwrap_or_default();
        let interleaves = read("numa_maps").contains(&format!(" interleave:{nodes} "));
        match read("comm").trim().strip_prefix("corelane-") {
            // It has the policy of whoever started it.
            Some("pool") => {}
            shard => assert_eq!(interleaves, shard.is_some(), "{}", read("comm")),
        }
        interleaved += usize::from(interleaves);
    }
    assert!(interleaved >= plan.shards.len(), "{interleaved} threads");
}
