//! The keeper, stepped by hand: on a made-up machine with a kernel that only writes down, and on a runtime that runs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{env, fs, io, mem, process, thread};

use corelane_shards::config as engine;
use corelane_shards::mesh::{Mesh, ShardId};
use corelane_shards::park::Spin;
use corelane_shards::timer::Clock;

use super::keeper::{Keeper, Kernel, Live, Told, live_part};
use super::{Placed, PlacementCause as Cause, PlacementChange, beside_the_shards};
use crate::config::{Config, CpuList, Flavor, OnError, Steal, keys};
use crate::runtime::{Builder, LocalOptions, LocalRuntime};
use crate::task::spawn_blocking;
use crate::topology::pin::{self, Tid};
use crate::topology::{Plan, Topology};

/// A machine's files, and the config's.
struct Tree(PathBuf);

impl Tree {
    fn new(cpus: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        // Relaxed: only the number matters.
        let name = format!("corelane-watch-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let tree = Self(env::temp_dir().join(name));
        tree.write("sys/devices/system/cpu/online", cpus);
        for cpu in self::cpus(cpus).iter() {
            tree.write(&format!("sys/devices/system/cpu/cpu{cpu}/topology/core_cpus_list"), &cpu.to_string());
        }
        tree.write("proc/self/cgroup", "0::/a/b");
        tree.write("proc/self/mountinfo", "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup rw");
        tree.cpuset(cpus);
        tree.quota("max 100000");
        tree
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn cpuset(&self, cpus: &str) {
        self.write("sys/fs/cgroup/a/b/cpuset.cpus.effective", cpus);
    }

    /// Of the group above the process's.
    fn quota(&self, quota: &str) {
        self.write("sys/fs/cgroup/a/cpu.max", quota);
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Has the masks of threads, and refuses some.
#[derive(Clone, Default)]
struct Fake(Arc<Mutex<Masks>>);

#[derive(Default)]
struct Masks {
    of: BTreeMap<i32, CpuList>,
    main: CpuList,
    refused: CpuList,
}

impl Fake {
    fn mask(&self, thread: i32) -> String {
        self.0.lock().unwrap().of[&thread].to_string()
    }
}

fn number(thread: Tid) -> Option<i32> {
    (0..100).find(|number| Tid::fake(*number) == thread)
}

impl Kernel for Fake {
    fn cpus(&mut self, thread: Tid) -> Option<CpuList> {
        let masks = self.0.lock().unwrap();
        if thread == Tid::main() {
            return Some(masks.main.clone());
        }
        number(thread).and_then(|number| masks.of.get(&number).cloned())
    }

    fn pin(&mut self, thread: Tid, cpus: &[u32]) -> io::Result<()> {
        let mut masks = self.0.lock().unwrap();
        let cpus: CpuList = cpus.iter().copied().collect();
        if !cpus.common(&masks.refused).is_empty() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        masks.of.insert(number(thread).unwrap(), cpus);
        Ok(())
    }
}

/// A keeper of shards whose threads have the numbers of their shards, ten more, so that none is 0.
struct Kept {
    tree: Tree,
    fake: Fake,
    mesh: Arc<Mesh>,
    placed: Arc<Placed>,
    keeper: Keeper,
}

fn cpus(text: &str) -> CpuList {
    CpuList::parse(text).unwrap()
}

const TOLD: Told = Told { flavor: Flavor::Sharded, is_files_flavor: true, workers: None, unpinned: false };

impl Kept {
    fn new(online: &str, text: &str) -> Self {
        let tree = Tree::new(online);
        tree.write("conf.toml", &format!("{text}\n"));
        let config = Config::from_file(tree.0.join("conf.toml")).unwrap();
        let affinity = Some(cpus(online));
        let plan = Plan::new(&Topology::assemble(&tree.0, affinity.clone()), &config).unwrap();
        let mesh = Mesh::new(engine::Config::new(plan.shards.len()), Clock::new());
        let fake = Fake::default();
        fake.0.lock().unwrap().main = cpus(online);
        let placed = Arc::new(Placed::new(plan.clone()));
        for shard in &plan.shards {
            let mask: CpuList = shard.cpus.iter().copied().collect();
            let thread = shard.id as i32 + 10;
            fake.0.lock().unwrap().of.insert(thread, mask.clone());
            placed.enter(ShardId(shard.id as u32), Tid::fake(thread), Some(mask));
        }
        let keeper = Keeper::new(
            Box::new(fake.clone()),
            (&tree.0, affinity),
            (config, TOLD),
            mesh.clone(),
            placed.clone(),
        );
        Self { tree, fake, mesh, placed, keeper }
    }

    fn masks(&self) -> String {
        let masks = self.fake.0.lock().unwrap();
        masks.of.values().map(CpuList::to_string).collect::<Vec<_>>().join(" ")
    }

    fn look(&mut self) -> Option<String> {
        self.keeper.look().map(|change| said(&self.tree, &change))
    }

    fn reload(&mut self, text: &str) -> String {
        self.tree.write("conf.toml", text);
        let change = self.keeper.reload();
        said(&self.tree, &change)
    }
}

/// All that is told, in lines.
fn said(tree: &Tree, change: &PlacementChange) -> String {
    let lines: Vec<String> =
        [change.to_string()].into_iter().chain(change.warnings().map(str::to_owned)).collect();
    lines.join("\n").replace(&format!("{}/", tree.0.display()), "")
}

const WATCH: &str = "[placement]\nwatch = true";

#[test]
fn shards_follow_the_cpuset_and_stay_where_they_can() {
    let mut kept = Kept::new("0-3", WATCH);
    assert_eq!(kept.look(), None);
    kept.tree.cpuset("1-2");
    let shared = "4 shards run and cpus 1-2 are left for them: some share a CPU";
    let moved = "placement changed (cpuset): shard 0: cpu 0 -> cpu 1, shard 3: cpu 3 -> cpu 2";
    assert_eq!(kept.look().unwrap(), format!("{moved}\n{shared}"));
    assert_eq!(kept.masks(), "1 1 2 2");
    assert_eq!(kept.mesh.spin(), Spin::Fixed(Duration::ZERO), "looking takes another shard's time");
    assert_eq!(kept.look(), None);
    kept.tree.cpuset("0-3");
    let moved = "placement changed (cpuset): shard 1: cpu 1 -> cpu 0, shard 3: cpu 2 -> cpu 3";
    assert_eq!(kept.look().unwrap(), moved);
    assert_eq!((&*kept.masks(), kept.mesh.spin()), ("1 0 2 3", Spin::Auto));
    // Another group, with a cpuset of its own.
    kept.tree.write("sys/fs/cgroup/c/cpuset.cpus.effective", "0-2");
    kept.tree.write("proc/self/cgroup", "0::/c");
    assert!(kept.look().unwrap().starts_with("placement changed (cpuset): shard 3: cpu 3 -> cpu 0"));
}

#[test]
fn the_mask_of_the_main_thread_is_the_processs() {
    let mut kept = Kept::new("0-3", WATCH);
    kept.fake.0.lock().unwrap().main = cpus("3");
    assert!(
        kept.look().unwrap().starts_with("placement changed (affinity): shard 0: cpu 0 -> cpu 3, shard 1: ")
    );
    assert_eq!(kept.masks(), "3 3 3 3");
    assert_eq!(kept.look(), None);
    kept.fake.0.lock().unwrap().main = cpus("0-3");
    assert!(kept.look().is_some());
    assert_eq!(kept.masks(), "3 0 1 2");
    // A mask that the kernel cuts to a cpuset, and gives back, nobody has set.
    for set in ["0-1", "0-3"] {
        kept.tree.cpuset(set);
        kept.fake.0.lock().unwrap().main = cpus(set);
        assert!(kept.look().unwrap().starts_with("placement changed (cpuset): "));
    }
}

#[test]
fn a_quota_and_a_cpu_that_is_switched_off_are_seen() {
    let mut kept = Kept::new("0-2", WATCH);
    kept.tree.quota("200000 100000");
    let throttled = "sys/fs/cgroup/a/cpu.max allows 2.00 CPUs; with shards = 3 they are throttled when busy";
    assert_eq!(kept.look().unwrap(), format!("placement changed (quota)\n{throttled}"));
    assert_eq!(kept.mesh.spin(), Spin::Fixed(Duration::ZERO));
    kept.tree.quota("max 100000");
    assert_eq!(kept.look().unwrap(), "placement changed (quota)");
    assert_eq!(kept.mesh.spin(), Spin::Auto);
    kept.tree.write("sys/devices/system/cpu/online", "0-1");
    assert!(kept.look().unwrap().starts_with("placement changed (online): shard 2: cpu 2 -> cpu 0"));
}

#[test]
fn a_thread_that_somebody_else_has_bound_is_bound_anew() {
    let mut kept = Kept::new("0-1", WATCH);
    kept.fake.0.lock().unwrap().of.insert(11, cpus("0-1"));
    assert_eq!(kept.look().unwrap(), "placement changed (threads)");
    assert_eq!((&*kept.masks(), kept.look()), ("0 1", None));
    // One that has ended is nobody's business.
    kept.placed.leave_shard(ShardId(1));
    kept.fake.0.lock().unwrap().of.insert(11, cpus("0-1"));
    assert_eq!(kept.look(), None);
    assert_eq!(kept.fake.mask(11), "0-1");
}

#[test]
fn on_error_says_what_a_refusal_means() {
    for on_error in ["degrade", "warn"] {
        let mut kept = Kept::new("0-3", &format!("{WATCH}\nshards = 2\non_error = \"{on_error}\""));
        kept.fake.0.lock().unwrap().refused = cpus("2");
        kept.tree.cpuset("1-3");
        let refused = "shard 0 is not bound to cpus 2: permission denied; it is not bound";
        assert_eq!(
            kept.look().unwrap(),
            format!("placement changed (cpuset): shard 0: cpu 0 -> cpu 2\n{refused}")
        );
        // What was refused is told once.
        assert_eq!((&*kept.masks(), kept.look()), ("0 1", None));
    }
    let mut kept = Kept::new("0-3", &format!("{WATCH}\nshards = 2\non_error = \"fail\""));
    kept.fake.0.lock().unwrap().refused = cpus("3");
    kept.tree.cpuset("2-3");
    let before = kept.placed.plan();
    let refused = "shard 1 is not bound to cpus 3: permission denied";
    assert_eq!(kept.look().unwrap(), format!("placement stays (cpuset)\n{refused}"));
    // Shard 0 had moved already, and went back.
    assert_eq!((&*kept.masks(), kept.look()), ("0 1", None));
    assert!(Arc::ptr_eq(&before, &kept.placed.plan()));
}

#[test]
fn a_file_is_read_again() {
    let mut kept = Kept::new("0-3", "[placement]\nshards = 2");
    kept.tree.cpuset("1-3");
    assert_eq!(kept.look(), None, "nobody asked it to watch");
    kept.tree.cpuset("0-3");
    // All of it.
    let good = "[placement]\nshards = 2\ndrop = [\"cpu:0\"]\n[scheduler]\nspin_us = 7\n";
    assert_eq!(kept.reload(good), "placement changed (config): shard 0: cpu 0 -> cpu 2");
    assert_eq!((&*kept.masks(), kept.mesh.spin()), ("2 1", Spin::Fixed(Duration::from_micros(7))));
    // Nothing of it.
    let unknown = kept.reload("[placement]\nshard = 2\n");
    assert!(unknown.starts_with("placement stays (config)\nconf.toml:2:1: unknown key `shard`"), "{unknown}");
    assert_eq!(
        kept.reload("[placement]\ncpus = \"9\"\n"),
        "placement stays (config)\nconf.toml:2:8: [placement] cpus = \"9\": this process may not use cpus 9; expected a \
         list within 0-3"
    );
    fs::remove_file(kept.tree.0.join("conf.toml")).unwrap();
    let gone = said(&kept.tree, &kept.keeper.reload());
    assert!(gone.starts_with("placement stays (config)\nconf.toml: cannot read the file: "), "{gone}");
    assert_eq!((&*kept.masks(), kept.mesh.spin()), ("2 1", Spin::Fixed(Duration::from_micros(7))));
    // Part of it: the number of shards is the one that would be started with.
    let part = "[placement]\nmemory = \"none\"\nwatch = true\n[scheduler]\nquantum_us = 50\n[blocking]\nmax_threads = 3";
    let not = "[placement] shards: 2 -> 4 needs a restart\n\
               [placement] memory: \"local\" -> \"none\" needs a restart\n\
               [scheduler] quantum_us: 100 -> 50 needs a restart\n\
               [blocking] max_threads: 512 -> 3 needs a restart";
    assert_eq!(kept.reload(part), format!("placement changed (config)\n{not}"));
    assert_eq!((&*kept.masks(), kept.mesh.spin()), ("2 1", Spin::Auto));
    assert_eq!(kept.reload(part), format!("placement changed (config)\n{not}"), "still");
    // It watches now.
    kept.tree.cpuset("0-1");
    assert_eq!(kept.look().unwrap(), "placement changed (cpuset): shard 0: cpu 2 -> cpu 0");
    // As many shards as run are no error, though no runtime could start with them now.
    kept.tree.cpuset("1");
    assert!(kept.look().is_some());
    assert!(kept.reload("[placement]\nshards = 2\n").starts_with("placement changed (config)"));
    assert!(
        kept.reload("[placement]\nshards = 3\n").starts_with("placement stays (config)\nconf.toml:2:10: ")
    );
    let _ = kept.reload("[placement]\npin = \"none\"\n");
    assert_eq!(kept.masks(), "1 1", "let go, of what the process has");
}

#[test]
fn neither_a_files_flavor_nor_what_follows_from_it_counts_beside_the_constructors() {
    let applied = |text| {
        let mut config = Config::parse("c", text).unwrap();
        Told { is_files_flavor: false, ..TOLD }.apply(&mut config);
        (config.runtime.flavor, config.scheduler.steal)
    };
    assert_eq!(applied("[runtime]\nflavor = \"current_thread\""), (Flavor::Sharded, Steal::Off));
    assert_eq!(applied("[runtime]\nflavor = \"multi_thread\""), (Flavor::Sharded, Steal::Off));
    let said = "[runtime]\nflavor = \"multi_thread\"\n[scheduler]\nsteal = \"llc\"";
    assert_eq!(applied(said), (Flavor::Sharded, Steal::Llc));
}

/// Who ends the runtime would wait for the watcher, and it for whoever writes the pipe.
#[test]
fn only_a_regular_file_is_read_again() {
    let mut kept = Kept::new("0-3", "[placement]\nshards = 2");
    let path = kept.tree.0.join("conf.toml");
    let mut replaced = |make: &dyn Fn()| {
        fs::remove_file(&path).unwrap();
        make();
        let change = kept.keeper.reload();
        said(&kept.tree, &change)
    };
    let stays = "placement stays (config)\nconf.toml: cannot read the file: it is not a regular file; expected a \
                 readable TOML file";
    assert_eq!(replaced(&|| std::os::unix::fs::symlink("/dev/null", &path).unwrap()), stays);
    let pipe = || assert!(process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    assert_eq!(replaced(&pipe), stays);
    assert_eq!(
        replaced(&|| fs::write(&path, "[placement]\nshards = 2").unwrap()),
        "placement changed (config)"
    );
}

#[test]
fn a_bad_file_hides_no_change_of_the_machine() {
    let mut kept = Kept::new("0-3", &format!("{WATCH}\nshards = 2"));
    kept.tree.cpuset("1-3");
    kept.fake.0.lock().unwrap().main = cpus("1-2");
    let bad = kept.reload("[placement]\nshard = 2\n");
    assert!(bad.starts_with("placement stays (config)\nconf.toml:2:1: unknown key `shard`"), "{bad}");
    assert_eq!(kept.look().unwrap(), "placement changed (cpuset, affinity): shard 0: cpu 0 -> cpu 2");
    assert_eq!((&*kept.masks(), kept.look()), ("2 1", None));
}

#[test]
fn the_keys_that_count_are_those_that_say_so() {
    let mut text = String::new();
    let mut section = "";
    for key in keys() {
        let other = match key.name {
            "flavor" => "\"multi_thread\"",
            "cpus" => "\"1\"",
            "isolated" => "\"only\"",
            "drop" => "[\"cpu:0\"]",
            "kind" => "\"performance\"",
            "smt" | "steal" => "\"all\"",
            "group_by" | "pin" | "memory" => "\"none\"",
            "order" => "\"spread\"",
            "quota" => "\"warn\"",
            "on_error" => "\"fail\"",
            "watch" => "true",
            "reload" => "\"sighup\"",
            "place" => "\"local\"",
            "steering" => "\"incoming-cpu\"",
            "resolution_us" => "50",
            _ => "77",
        };
        if section != key.section {
            section = key.section;
            text += &format!("[{section}]\n");
        }
        text += &format!("{} = {other}\n", key.name);
    }
    text += "[[shard]]\nid = 0\ncpus = \"1\"";
    let (old, new) = (Config::default(), Config::parse("c", &text).unwrap());
    let part = live_part(&old, new.clone());
    for key in keys() {
        assert_ne!(key.value(&old), key.value(&new), "{}", key.name);
        let expected = if key.is_live() { &new } else { &old };
        assert_eq!(key.value(&part), key.value(expected), "{}", key.name);
    }
    assert_eq!(part.shard, new.shard);
}

/// The real kernel, a made-up cpuset, and a runtime that does not know that it is watched.
#[test]
fn a_running_runtime_is_moved() {
    let here = pin::allowed().unwrap().clone();
    // This machine may have a quota, and the made-up one has none.
    let config = |text| Config::parse("c", &format!("[placement]\nquota = \"ignore\"\n{text}")).unwrap();
    let runtime = Builder::new_sharded().config(config("")).enable_all().build().unwrap();
    let inner = runtime.handle().inner();
    let tree = Tree::new(&here.to_string());
    let mut keeper = Keeper::new(
        Box::new(Live),
        (&tree.0, Some(here.clone())),
        (config("watch = true"), TOLD),
        inner.mesh.clone(),
        inner.placed.clone(),
    );
    // What each shard's thread and one of the pool's may use, as they see it.
    let seen = || {
        let mut all = Vec::new();
        for id in 0..inner.mesh.remotes().len() as u32 {
            let (tx, rx) = std::sync::mpsc::channel();
            let _entered = runtime.enter();
            drop(crate::shard::spawn_on(
                ShardId(id),
                move || async move { tx.send(pin::current()).unwrap() },
            ));
            all.push(rx.recv().unwrap().unwrap());
        }
        all
    };
    let planned = || {
        let plan = runtime.handle().plan();
        plan.shards.iter().map(|shard| shard.cpus.iter().copied().collect::<CpuList>()).collect::<Vec<_>>()
    };
    let blocking = || runtime.block_on(runtime.spawn_blocking(pin::current)).unwrap().unwrap();
    assert_eq!(seen(), planned());
    let _ = blocking();
    assert!(keeper.look().is_none());
    let first = CpuList::from_iter(here.first());
    tree.cpuset(&first.to_string());
    if here.len() > 1 {
        let change = keeper.look().unwrap();
        assert_eq!(change.causes, [Cause::Cpuset]);
        assert!(!change.moved.is_empty() && change.refusals.is_empty(), "{change:?}");
    }
    assert!(seen().iter().all(|cpus| *cpus == first));
    assert_eq!(seen(), planned());
    assert_eq!(blocking(), first, "threads of the pool move, too");
    tree.cpuset(&here.to_string());
    assert_eq!(keeper.look().is_some(), here.len() > 1);
    assert_eq!(seen(), planned());
    assert_eq!(seen().into_iter().collect::<std::collections::BTreeSet<_>>().len(), seen().len());
    drop(runtime);
    // Threads that have ended are in no list.
    tree.cpuset(&first.to_string());
    let _ = keeper.look();
}

#[test]
fn a_config_without_a_file_is_not_read_again() {
    let config = Config::parse("c", "[placement]\nreload = \"sighup\"").unwrap();
    let error = Builder::from_config(config).build().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    let text = "[placement] reload = \"sighup\": the config is not from a file; expected \"off\"";
    assert_eq!(error.to_string(), text);
}

/// Once a thread has ended, its number may be anybody's.
#[test]
fn a_thread_that_has_ended_is_bound_by_nobody() {
    let left = |then: fn(LocalRuntime)| {
        let here = thread::spawn(move || {
            let local = Builder::new_sharded()
                .config(Config::parse("c", "[placement]\nshards = 1").unwrap())
                .build_local(LocalOptions::default())
                .unwrap();
            local.block_on(local.spawn_blocking(|| ())).unwrap();
            let placed = local.handle().inner().placed.clone();
            assert!(placed.threads().contains(&Tid::current()));
            then(local);
            placed
        });
        here.join().unwrap()
    };
    assert_eq!(left(drop).threads(), []);
    let placed = left(mem::forget);
    // The pool of a runtime that was forgotten lives on.
    assert_eq!(placed.threads().len(), 1);
    let mut fake = Fake::default();
    fake.0.lock().unwrap().refused = cpus("0-99");
    let plan = placed.plan();
    let refusals =
        placed.adopt(&mut fake, plan, &cpus("0"), OnError::Fail).expect("no shard is left to bind");
    assert!(refusals.is_empty());
}

#[test]
fn a_hook_that_panics_leaves_no_thread_behind() {
    let runtime = Builder::new_sharded()
        .config(Config::parse("c", "[placement]\nshards = 1").unwrap())
        .on_thread_stop(|| panic!("a hook panics in this test"))
        .build()
        .unwrap();
    let placed = runtime.handle().inner().placed.clone();
    // On the shard's thread, and from there on one of the pool's.
    runtime.block_on(runtime.spawn(async { spawn_blocking(|| ()).await })).unwrap().unwrap();
    assert_eq!(placed.threads().len(), 2);
    drop(runtime);
    assert_eq!(placed.threads(), []);
}

/// A process that is long in starting keeps neither the other shards nor the watcher waiting.
#[test]
fn who_starts_a_process_is_bound_anew_when_it_is_back() {
    let here = thread::spawn(|| {
        let all = pin::current().unwrap();
        let last = all.iter().last().unwrap();
        let local = Builder::new_sharded()
            .config(Config::parse("c", "[placement]\nshards = 1").unwrap())
            .build_local(LocalOptions::default())
            .unwrap();
        let handle = local.handle().clone();
        let placed = &handle.inner().placed;
        let before = pin::current();
        beside_the_shards(|| {
            thread::scope(|scope| drop(scope.spawn(|| handle.plan()).join().unwrap()));
            assert!(!placed.is_disturbed(&mut Fake::default()));
        });
        assert_eq!(pin::current(), before);
        let mut plan = Plan::clone(&placed.plan());
        plan.shards[0].cpus = vec![last];
        beside_the_shards(|| {
            // It would bind what it does not know of.
            placed.adopt(&mut Fake::default(), Arc::new(plan), &all, OnError::Fail).unwrap();
        });
        assert_eq!(pin::current(), Some([last].into_iter().collect()));
    });
    here.join().unwrap();
}
