//! The placement of a running runtime on the machine the tests run on: its affinity mask, its cpuset and its config file change.
//!
//! All that is a process's, so the tests of this file take turns. Those that need two CPUs, or a cpuset of their own, say so and pass
//! where there are none.
#![expect(
    unsafe_code,
    reason = "sets the main thread's mask, raises a signal, and gives a descriptor another file"
)]

#[path = "support/scratch.rs"]
mod scratch;
#[path = "support/threads.rs"]
mod threads;

use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fs, io, process, thread};

use corelane::config::{Config, CpuList};
use corelane::io::{AsyncReadExt, AsyncWriteExt};
use corelane::net::{TcpListener, TcpStream};
use corelane::runtime::{Builder, LocalOptions, PlacementCause, PlacementChange, Runtime};
use corelane::topology::pin;
use corelane::{shard, task};
use scratch::Scratch;
use socket2::SockRef;

/// One test at a time.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the process may use, if that is two CPUs at least.
fn two_cpus() -> Option<CpuList> {
    let allowed = pin::allowed()?.clone();
    if allowed.len() < 2 {
        println!("skipped: this process may use cpus {allowed}, and one has nowhere to go");
    }
    (allowed.len() >= 2).then_some(allowed)
}

/// The mask of the process's main thread, which nobody binds: tests are on others.
fn set_main(cpus: &CpuList) {
    // SAFETY: a set of CPUs is bits, for which zero is a value.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: it writes into the set, or not if the number is too large for it.
    cpus.iter().for_each(|cpu| unsafe { libc::CPU_SET(cpu as usize, &mut set) });
    // SAFETY: the kernel reads as many bytes as it is told.
    let result = unsafe { libc::sched_setaffinity(process::id() as i32, size_of_val(&set), &set) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
}

/// Gives the main thread its mask back.
struct Restore(CpuList);

impl Drop for Restore {
    fn drop(&mut self) {
        set_main(&self.0);
    }
}

/// A minute is for ever: what is waited for comes within two seconds, or never.
fn next(changes: &Receiver<PlacementChange>) -> PlacementChange {
    changes.recv_timeout(Duration::from_secs(60)).expect("a change is told")
}

fn start(mut builder: Builder) -> (Runtime, Receiver<PlacementChange>) {
    let (tx, rx) = channel();
    let tx = Mutex::new(tx);
    builder.on_placement_change(move |change| {
        let _ = tx.lock().unwrap().send(change.clone());
    });
    (builder.enable_all().build().unwrap(), rx)
}

/// A shard on each CPU, also where the process may use less than the time of all: none of these tests is about that.
const EACH_CPU: &str = "smt = \"all\"\nquota = \"ignore\"";

fn watching(more: &str) -> (Runtime, Receiver<PlacementChange>) {
    start(Builder::from_config(Config::parse("test", &format!("[placement]\nwatch = true\n{more}")).unwrap()))
}

/// What the kernel says of the shards' threads, in their order.
fn masks() -> Vec<String> {
    let mut shards = Vec::new();
    for folder in threads::living() {
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
        let comm = read("comm");
        let Some(Ok(id)) = comm.trim().strip_prefix("corelane-").map(str::parse::<usize>) else { continue };
        let status = read("status");
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:\t")).unwrap();
        shards.push((id, list.to_owned()));
    }
    shards.sort();
    shards.into_iter().map(|(_, cpus)| cpus).collect()
}

fn planned(runtime: &Runtime) -> Vec<String> {
    let list = |cpus: &[u32]| cpus.iter().copied().collect::<CpuList>().to_string();
    runtime.handle().plan().shards.iter().map(|shard| list(&shard.cpus)).collect()
}

#[test]
fn shards_follow_the_affinity_mask() {
    let _turn = turn();
    let Some(all) = two_cpus() else { return };
    let (runtime, changes) = watching(EACH_CPU);
    assert_eq!(masks(), planned(&runtime));
    let (before, _restore) = (planned(&runtime), Restore(all.clone()));
    let one = CpuList::from_iter(all.iter().next_back());
    set_main(&one);
    let change = next(&changes);
    assert_eq!(change.causes, [PlacementCause::Affinity]);
    assert_eq!(change.moved.len(), all.len() - 1, "{change}");
    assert!(change.refusals.is_empty() && change.error.is_none(), "{change:?}");
    assert_eq!(change.before.shards.len(), change.after.shards.len());
    let shared = format!("{} shards run and cpus {one} are left for them: some share a CPU", all.len());
    assert_eq!(change.warnings().collect::<Vec<_>>(), [&shared]);
    assert_eq!(masks(), vec![one.to_string(); all.len()]);
    assert_eq!(masks(), planned(&runtime));
    set_main(&all);
    let change = next(&changes);
    assert_eq!(change.causes, [PlacementCause::Affinity]);
    assert_eq!(masks(), planned(&runtime));
    // One stayed, so they may have changed places.
    let sorted = |mut cpus: Vec<String>| {
        cpus.sort();
        cpus
    };
    assert_eq!(sorted(masks()), sorted(before));
    drop(runtime);
    assert!(changes.try_recv().is_err(), "told twice, or of the end");
}

#[test]
fn a_runtime_that_does_not_watch_has_no_thread_for_it_and_stays() {
    let _turn = turn();
    let watchers = || {
        threads::living()
            .filter(|t| fs::read_to_string(t.join("comm")).is_ok_and(|c| c == "corelane-watch\n"))
            .count()
    };
    let (runtime, _changes) = start(Builder::from_config(Config::default()));
    assert_eq!(watchers(), 0);
    drop(runtime);
    let (runtime, _changes) = watching("");
    // A thread gives itself its name, and nobody waits for this one to.
    while watchers() == 0 {
        thread::yield_now();
    }
    assert_eq!(watchers(), 1);
    drop(runtime);
    assert_eq!(watchers(), 0, "it ends with the runtime");
}

/// Where the main thread would be a shard's, the test's is: `build_local` makes it shard 0.
#[test]
fn the_thread_that_built_a_local_runtime_moves_and_is_let_go() {
    let _turn = turn();
    let Some(all) = two_cpus() else { return };
    let _restore = Restore(all.clone());
    let (tx, changes) = channel();
    let tx = Mutex::new(tx);
    let config = Config::parse("test", &format!("[placement]\nwatch = true\n{EACH_CPU}")).unwrap();
    let local = Builder::from_config(config)
        .on_placement_change(move |change| drop(tx.lock().unwrap().send(change.clone())))
        .build_local(LocalOptions::default())
        .unwrap();
    let own = || CpuList::from_iter(local.handle().plan().shards[0].cpus.iter().copied());
    assert_eq!(pin::current(), Some(own()));
    let one = CpuList::from_iter(all.iter().next_back());
    set_main(&one);
    next(&changes);
    assert_eq!((pin::current(), own()), (Some(one.clone()), one.clone()));
    set_main(&all);
    next(&changes);
    assert_eq!(pin::current(), Some(own()));
    drop(local);
    assert_eq!(pin::current(), Some(all));
}

/// A control group of this process's own, where it may make one. It is gone afterwards.
struct Group {
    folder: PathBuf,
    home: PathBuf,
    is_v1: bool,
}

impl Group {
    /// Of the process, with this controller. A machine has it in the hierarchy of the first generation or in the second.
    fn entered(controller: &str) -> Option<Self> {
        let made = Self::new(controller).and_then(|group| group.enter().map(|()| group));
        made.inspect_err(|error| {
            println!("skipped: this process may not make a group with a {controller}: {error}")
        })
        .ok()
    }

    fn new(controller: &str) -> io::Result<Self> {
        let v1 = Path::new("/sys/fs/cgroup").join(controller);
        let is_v1 = v1.is_dir();
        let (root, kind) = if is_v1 { (&*v1, controller) } else { (Path::new("/sys/fs/cgroup"), "") };
        let of = |line: &str| {
            let (controllers, group) = line.split_once(':')?.1.split_once(':')?;
            (controllers == kind).then(|| root.join(group.trim_start_matches('/')))
        };
        let memberships = fs::read_to_string("/proc/self/cgroup")?;
        let home = memberships.lines().find_map(of).ok_or(io::ErrorKind::NotFound)?;
        if !is_v1 {
            fs::write(root.join("cgroup.subtree_control"), format!("+{controller}"))?;
        }
        let folder = root.join(format!("corelane-test-{}", process::id()));
        fs::create_dir(&folder)?;
        let group = Self { folder, home, is_v1 };
        if is_v1 && controller == "cpuset" {
            // The first generation has no default for these.
            for file in ["cpuset.mems", "cpuset.cpus"] {
                group.write(file, &fs::read_to_string(root.join(file))?)?;
            }
        }
        Ok(group)
    }

    fn write(&self, file: &str, text: &str) -> io::Result<()> {
        fs::write(self.folder.join(file), text)
    }

    fn set_cpus(&self, cpus: &CpuList) {
        self.write("cpuset.cpus", &cpus.to_string()).unwrap();
    }

    /// In hundredths of a CPU.
    fn set_quota(&self, percent: Option<usize>) {
        let quota = percent.map(|percent| (percent * 1_000).to_string());
        let result = match self.is_v1 {
            true => self.write("cpu.cfs_quota_us", quota.as_deref().unwrap_or("-1")),
            false => self.write("cpu.max", &format!("{} 100000", quota.as_deref().unwrap_or("max"))),
        };
        result.unwrap();
    }

    fn enter(&self) -> io::Result<()> {
        self.write("cgroup.procs", &process::id().to_string())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::write(self.home.join("cgroup.procs"), process::id().to_string());
        let _ = fs::remove_dir(&self.folder);
    }
}

#[test]
fn shards_follow_the_cpuset() {
    let _turn = turn();
    let Some(all) = two_cpus() else { return };
    let Some(group) = Group::entered("cpuset") else { return };
    let (runtime, changes) = watching(EACH_CPU);
    let one = CpuList::from_iter(all.first());
    group.set_cpus(&one);
    let change = next(&changes);
    assert!(change.causes.contains(&PlacementCause::Cpuset), "{change}");
    assert_eq!(masks(), vec![one.to_string(); all.len()]);
    assert_eq!(masks(), planned(&runtime));
    group.set_cpus(&all);
    let change = next(&changes);
    assert!(change.causes.contains(&PlacementCause::Cpuset), "{change}");
    assert_eq!(masks(), planned(&runtime));
    assert_eq!(change.warnings().count(), 0, "{change:?}");
    drop(runtime);
}

/// A round of messages on one connection, each of another length and other bytes. Ends when it is told to, after a whole message.
async fn exchange(mut stream: TcpStream, id: usize, stop: Arc<AtomicBool>, messages: Arc<AtomicUsize>) {
    let mut round = id;
    while !stop.load(Ordering::Relaxed) {
        round += 1;
        let sent: Vec<u8> = (0..1 + round * 37 % 3000).map(|i| (i * 7 + round) as u8).collect();
        let mut got = vec![0; sent.len()];
        stream.write_all(&sent).await.unwrap();
        stream.read_exact(&mut got).await.unwrap();
        assert!(sent == got, "connection {id}: a message came back as another one");
        messages.fetch_add(1, Ordering::Relaxed);
    }
    stream.shutdown().await.unwrap();
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0, "connection {id}: more came than was sent");
}

/// An echo server with clients that never let up.
struct Echo {
    server: Runtime,
    served: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    messages: Arc<AtomicUsize>,
    clients: thread::JoinHandle<()>,
}

impl Echo {
    const CONNECTIONS: usize = 200;

    fn new(server: Runtime) -> Self {
        let served = Arc::new(AtomicUsize::new(0));
        let addr = server.block_on(async {
            let listeners = TcpListener::bind_sharded("127.0.0.1:0").await.unwrap();
            let addr = listeners[0].local_addr().unwrap();
            for (id, listener) in shard::ids().zip(listeners) {
                let served = served.clone();
                drop(shard::spawn_on(id, move || async move {
                    while let Ok((mut stream, _)) = listener.accept().await {
                        let served = served.clone();
                        task::spawn_local(async move {
                            let (mut from, mut to) = stream.split();
                            corelane::io::copy(&mut from, &mut to).await.unwrap();
                            to.shutdown().await.unwrap();
                            served.fetch_add(1, Ordering::SeqCst);
                        });
                    }
                }));
            }
            addr
        });
        let (stop, messages) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let clients = {
            let (stop, messages) = (stop.clone(), messages.clone());
            thread::spawn(move || {
                let runtime = Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let mut clients = task::JoinSet::new();
                    for id in 0..Self::CONNECTIONS {
                        let stream = TcpStream::connect(addr).await.unwrap();
                        clients.spawn(exchange(stream, id, stop.clone(), messages.clone()));
                    }
                    while let Some(ended) = clients.join_next().await {
                        ended.unwrap();
                    }
                });
            })
        };
        Self { server, served, stop, messages, clients }
    }

    /// Waits until about each connection has had another message.
    fn goes_on(&self) {
        let seen = self.messages.load(Ordering::Relaxed);
        while self.messages.load(Ordering::Relaxed) < seen + Self::CONNECTIONS && !self.clients.is_finished()
        {
            thread::yield_now();
        }
        assert!(!self.clients.is_finished(), "a connection was lost after {seen} messages");
    }

    /// Every connection was there to the end.
    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.join().unwrap();
        drop(self.server);
        assert_eq!(self.served.load(Ordering::SeqCst), Self::CONNECTIONS);
    }
}

/// One CPU and all of them in turn, under load.
fn flip(all: &CpuList, changes: &Receiver<PlacementChange>, echo: &Echo, set: impl Fn(&CpuList)) {
    const FLIPS: usize = 10;
    for flip in 0..FLIPS {
        let one = CpuList::from_iter(all.iter().nth(flip / 2 % all.len()));
        set(if flip % 2 == 0 { &one } else { all });
        assert!(!next(changes).moved.is_empty());
        assert_eq!(masks(), planned(&echo.server));
        echo.goes_on();
    }
}

#[test]
fn an_echo_server_under_load_loses_nothing() {
    let _turn = turn();
    let Some(all) = two_cpus() else { return };
    let _restore = Restore(all.clone());
    let (server, changes) = watching(EACH_CPU);
    let echo = Echo::new(server);
    flip(&all, &changes, &echo, set_main);
    echo.end();
}

#[test]
fn an_echo_server_loses_nothing_when_its_cpuset_changes() {
    let _turn = turn();
    let Some(all) = two_cpus() else { return };
    let Some(group) = Group::entered("cpuset") else { return };
    let (server, changes) = watching(EACH_CPU);
    let echo = Echo::new(server);
    flip(&all, &changes, &echo, |cpus| group.set_cpus(cpus));
    echo.end();
}

#[test]
fn an_echo_server_loses_nothing_when_its_quota_changes() {
    let _turn = turn();
    let Some(all) = two_cpus() else { return };
    let Some(group) = Group::entered("cpu") else { return };
    let (server, changes) = watching("smt = \"all\"\nquota = \"cap\"");
    let (echo, before) = (Echo::new(server), masks());
    for round in 0..4 {
        // Less than the shards could use, so that they are throttled.
        group.set_quota((round % 2 == 0).then_some(all.len() * 100 - 50));
        let change = next(&changes);
        assert_eq!((&*change.causes, &*change.moved), (&[PlacementCause::Quota][..], &[][..]), "{change:?}");
        let warnings: Vec<&str> = change.warnings().collect();
        if round % 2 == 0 {
            let allows =
                format!(" allows {}.50 CPUs; with shards = {} they are throttled", all.len() - 1, all.len());
            assert!(warnings.len() == 1 && warnings[0].contains(&allows), "{warnings:?}");
            assert!(!change.after.may_spin && change.before.may_spin);
        } else {
            assert!(warnings.is_empty() && change.after.may_spin, "{change:?}");
        }
        assert_eq!((masks(), planned(&echo.server)), (before.clone(), before.clone()));
        echo.goes_on();
    }
    echo.end();
}

/// What a listener wants: the CPU by its number, or -1.
fn incoming_cpu(listener: &impl AsFd) -> i32 {
    SockRef::from(listener).cpu_affinity().unwrap() as i32
}

#[test]
fn a_listener_wants_the_packets_of_the_cpu_that_its_shard_is_on() {
    let _turn = turn();
    let Some(all) = two_cpus() else { return };
    let _restore = Restore(all.clone());
    let (runtime, changes) = watching(&format!("{EACH_CPU}\n[listen]\nsteering = \"incoming-cpu\""));
    let mut listeners = runtime.block_on(TcpListener::bind_sharded("127.0.0.1:0")).unwrap();
    let wanted = |listeners: &[TcpListener]| {
        let planned: Vec<_> =
            planned(&runtime).iter().take(listeners.len()).map(|cpu| cpu.parse().unwrap()).collect();
        assert_eq!(listeners.iter().map(incoming_cpu).collect::<Vec<i32>>(), planned);
    };
    wanted(&listeners);
    // Closed, and its number is another listener's: that is nobody's business. In one step, because the runtime's threads
    // open files too.
    let gone = listeners.pop().unwrap().into_std().unwrap();
    let stranger = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    // SAFETY: both are open, and what had the number is still closed once, as `gone`.
    assert_eq!(unsafe { libc::dup2(stranger.as_raw_fd(), gone.as_raw_fd()) }, gone.as_raw_fd());
    drop(stranger);
    let stranger = gone;
    for cpus in [&CpuList::from_iter(all.iter().next_back()), &all] {
        set_main(cpus);
        assert!(!next(&changes).moved.is_empty());
        wanted(&listeners);
        assert_eq!(incoming_cpu(&stranger), -1);
    }
}

#[test]
fn a_hangup_reads_the_file_again() {
    let _turn = turn();
    let hang_up = || {
        // SAFETY: the runtime handles the signal.
        assert_eq!(unsafe { libc::raise(libc::SIGHUP) }, 0);
    };
    let scratch = Scratch::new();
    let file = scratch.path("app.toml");
    let write = |text: &str| fs::write(&file, format!("[placement]\nreload = \"sighup\"\n{text}\n")).unwrap();
    write("");
    let (runtime, changes) = start(Builder::from_config(Config::from_file(&file).unwrap()));
    let before = planned(&runtime);
    assert_eq!(masks(), before);
    // Good: nothing is bound any more, and the next is bound again.
    write("pin = \"none\"");
    hang_up();
    let change = next(&changes);
    assert_eq!((&*change.causes, change.moved.len()), (&[PlacementCause::Config][..], before.len()));
    assert_eq!(masks(), vec![pin::allowed().unwrap().to_string(); before.len()]);
    write("");
    hang_up();
    assert!(next(&changes).error.is_none());
    assert_eq!(masks(), before);
    // Broken: it is said where, and nothing changes.
    write("pin = \"cores\"");
    hang_up();
    let error = next(&changes).error.unwrap();
    let place = format!("{}:3:7: [placement] pin = \"cores\": expected ", file.display());
    assert!(error.starts_with(&place), "{error}");
    assert_eq!((masks(), planned(&runtime)), (before.clone(), before.clone()));
    // Partly.
    write("pin = \"none\"\n[timer]\nresolution_us = 500");
    hang_up();
    let change = next(&changes);
    assert_eq!(change.needs_restart, ["[timer] resolution_us: 1000 -> 500 needs a restart"]);
    assert_eq!(change.moved.len(), before.len());
    drop(runtime);
    // The handler stays: without a runtime that listens a hangup does nothing, and the next one that does is told.
    hang_up();
    assert!(changes.try_recv().is_err());
    let (_runtime, changes) = start(Builder::from_config(Config::from_file(&file).unwrap()));
    assert_eq!(next(&changes).causes, [PlacementCause::Config]);
}

#[test]
fn a_callback_that_panics_is_called_again() {
    let _turn = turn();
    let Some(all) = two_cpus() else { return };
    let _restore = Restore(all.clone());
    let (tx, changes) = channel();
    let tx = Mutex::new(tx);
    let config = Config::parse("test", "[placement]\nwatch = true").unwrap();
    let runtime = Builder::from_config(config)
        .on_placement_change(move |change| {
            let _ = tx.lock().unwrap_or_else(PoisonError::into_inner).send(change.clone());
            assert_eq!(corelane::runtime::Handle::current().plan().shards, change.after.shards);
            panic!("the test's");
        })
        .build()
        .unwrap();
    for cpus in [&CpuList::from_iter(all.first()), &all] {
        set_main(cpus);
        assert_eq!(next(&changes).causes, [PlacementCause::Affinity]);
    }
    drop(runtime);
}

/// What a subscriber of the feature `tracing` gets.
#[cfg(feature = "tracing")]
mod events {
    use std::fmt;

    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    use super::*;

    /// Level, target, and the fields in their order.
    type Told = (String, String, Vec<(String, String)>);

    /// Keeps what is for us.
    struct Keeps(Arc<Mutex<Vec<Told>>>);

    #[derive(Default)]
    struct Fields(Vec<(String, String)>);

    impl Visit for Fields {
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            self.0.push((field.name().into(), format!("{value:?}")));
        }
    }

    impl Subscriber for Keeps {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target().starts_with("corelane")
        }

        fn event(&self, event: &Event<'_>) {
            let mut fields = Fields::default();
            event.record(&mut fields);
            let metadata = event.metadata();
            let told = (metadata.level().to_string(), metadata.target().to_owned(), fields.0);
            self.0.lock().unwrap().push(told);
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn a_change_and_what_kept_it_from_happening_are_events() {
        let _turn = turn();
        let told = Arc::new(Mutex::new(Vec::new()));
        // For the process, as the events are the watcher's: those of other tests are over, and theirs to come not looked at.
        tracing::subscriber::set_global_default(Keeps(told.clone())).unwrap();
        let scratch = Scratch::new();
        let file = scratch.path("app.toml");
        let write = |text: &str| {
            fs::write(&file, format!("[placement]\nshards = 1\nreload = \"sighup\"\n{text}\n")).unwrap();
        };
        write("");
        let (runtime, changes) = start(Builder::from_config(Config::from_file(&file).unwrap()));
        let cpu = planned(&runtime)[0].clone();
        let events = |text: &str| {
            write(text);
            // SAFETY: the runtime handles the signal.
            assert_eq!(unsafe { libc::raise(libc::SIGHUP) }, 0);
            // The callback comes after the events.
            let change = next(&changes);
            (change, std::mem::take(&mut *told.lock().unwrap()))
        };
        let event = |level: &str, fields: &[(&str, &str)]| {
            let fields = fields.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            (level.to_owned(), "corelane::placement".to_owned(), fields)
        };
        let (_, got) = events("pin = \"none\"");
        let moved = format!("placement changed (config): shard 0: cpu {cpu} -> any cpu");
        assert_eq!(got, [event("INFO", &[("message", &moved), ("moved", "[0]")])]);
        let (change, got) = events("pin = \"nowhere\"");
        let stays = event("INFO", &[("message", "placement stays (config)"), ("moved", "[]")]);
        let why = change.error.unwrap();
        assert!(why.contains(":4:7: [placement] pin = \"nowhere\": expected "), "{why}");
        assert_eq!(got, [stays, event("WARN", &[("message", &why)])]);
        let (_, got) = events("[timer]\nresolution_us = 500");
        let moved = format!("placement changed (config): shard 0: any cpu -> cpu {cpu}");
        let restart = "[timer] resolution_us: 1000 -> 500 needs a restart";
        let expected =
            [event("INFO", &[("message", &moved), ("moved", "[0]")]), event("WARN", &[("message", restart)])];
        assert_eq!(got, expected);
    }
}
