//! From what a builder was told to a runtime whose threads stand.
//!
//! In order: the environment and the config file are read, the shards are placed, the mesh, the shards' files and what all handles
//! share are made, then the threads that build the shards. Where one step fails, what was started is ended again.
//!
//! *Whether it waits for the threads.* On a busy machine that takes milliseconds, and a shard takes what is sent to it before its
//! thread runs. What the kernel may refuse a thread once it runs is to be bound, and memory from nodes. So where a refusal is to be told
//! (`on_error` is `warn` or `fail`), and where a watcher compares threads with the plan, each worker reports; else nobody waits.

use std::env::{self, VarError};
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use corelane_shards::config::{self as engine, Reach, Site};
use corelane_shards::mesh::{Mesh, ShardId};
use corelane_shards::park::{Parker, Spin};
use corelane_shards::shard::{Shard, ShardBuilder};
use corelane_shards::timer::Clock;

use crate::config::{
    AutoOr, CPUS_MAX, Config, CpuList, FLAVOR_VARIABLE, Flavor, OnError, Place, Reload, Steal, Steering,
};
use crate::runtime::block_on::Driven;
use crate::runtime::blocking::PoolConfig;
use crate::runtime::handle::RuntimeFlavor;
use crate::runtime::hooks::Callback;
use crate::runtime::inner::{Inner, Parts};
use crate::runtime::runtime::Runtime;
use crate::runtime::seat::Seat;
use crate::runtime::stall::Stalls;
use crate::runtime::watch::{Keeper, Live, Placed, Told, Watcher, warn};
use crate::runtime::worker::{self, Order};
use crate::topology::{Plan, Quota, ShardPlan, Topology, pin};

use super::{Builder, POOL_THREAD_NAME, SHARD_THREAD_NAME, Source};

/// Where the shards of a runtime with threads go.
struct Placement {
    config: Config,
    told: Told,
    plan: Plan,
    sites: Vec<Site>,
    /// The mask that the process had.
    affinity: Option<CpuList>,
    /// Whether the plan is to follow the machine or the file.
    watches: bool,
}

impl Builder {
    /// The variables that `new_multi_thread` names.
    #[track_caller]
    pub(super) fn read_environment(&mut self) -> io::Result<()> {
        match env::var_os(FLAVOR_VARIABLE) {
            None => {}
            Some(flavor) if flavor == "multi_thread" => {}
            Some(flavor) if flavor == "sharded" => self.flavor = Flavor::Sharded,
            Some(other) => {
                let message = format!(
                    "{FLAVOR_VARIABLE} is {other:?}; set it to `multi_thread` or `sharded`, or unset it"
                );
                return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
            }
        }
        if self.worker_threads.is_none() {
            self.worker_threads = worker_threads_from_environment();
        }
        Ok(())
    }

    /// The config that the builder was given, or the one that the environment names.
    fn read_config(&self) -> io::Result<Option<Config>> {
        Ok(match &self.source {
            Source::Environment => Config::from_env()?,
            Source::File(path) => Some(Config::from_file(path)?),
            Source::Given(config) => {
                config.check()?;
                Some((**config).clone())
            }
        })
    }

    pub(super) fn build_current(&self, local: bool) -> io::Result<Runtime> {
        let config = self.read_config()?.unwrap_or_default();
        // Nothing is placed, but a file that says so itself may say what cannot be, and `corelane check` refuses it.
        if config.runtime.flavor == Flavor::CurrentThread {
            Plan::new(&Topology::discover(), &config)?;
        }
        let plan = unplaced(1);
        let engine = engine::Config {
            local_tasks: local,
            spin: spin(&config, plan.may_spin),
            ..self.engine_config(&config, vec![Site::default()])
        };
        let clock = Clock::new();
        if self.start_paused {
            crate::time::pause_clock(&clock);
        }
        let mesh = Mesh::new(engine, clock);
        let seat = Seat::for_shard_of(&mesh);
        // Without I/O no resource is bound to it, and it needs no reactor.
        let shard = match self.enable_io {
            true => worker::build_shard(worker::found_shard(&mesh, ShardId(0))?, self.event_limits),
            false => Shard::new(Arc::clone(&mesh), ShardId(0), Box::new(Parker::new())),
        };
        seat.fill(Driven::new(shard));
        let inner = Inner::new(self.parts(&config, mesh, RuntimeFlavor::CurrentThread, Some(seat), plan));
        inner.stalls().map_or(Ok(()), Stalls::start)?;
        Ok(Runtime::from_parts(inner, Vec::new(), None))
    }

    /// `here` makes this thread shard 0.
    pub(super) fn build_threads(&self, here: bool) -> io::Result<Runtime> {
        assert!(!self.start_paused, "{}", crate::time::NEEDS_CURRENT_THREAD);
        let Placement { config, told, plan, sites, affinity, watches } = self.place()?;
        let on_error = config.placement.on_error;
        warn(on_error, &plan.warnings);
        let engine =
            engine::Config { spin: spin(&config, plan.may_spin), ..self.engine_config(&config, sites) };
        let mesh = Mesh::new(engine, Clock::new());
        let workers = plan.shards.len() - usize::from(here);
        let flavor = match self.flavor {
            Flavor::MultiThread => RuntimeFlavor::MultiThread,
            _ => RuntimeFlavor::Sharded,
        };
        // Asked while there is no thread yet that a panic would leave behind.
        let names = self.thread_names(usize::from(here)..plan.shards.len())?;
        let shards = mesh.remotes().iter().map(|remote| worker::found_shard(&mesh, remote.id()));
        let mut shards = shards.collect::<io::Result<Vec<_>>>()?.into_iter();
        // Filled last: a thread that starts from a pinned thread would be pinned too.
        let seat = here.then(|| Seat::for_shard_of(&mesh));
        let seated = seat.as_ref().and_then(|_| shards.next());
        let inner = Inner::new(self.parts(&config, mesh.clone(), flavor, seat, plan));
        // Before this thread is bound, too: the watcher keeps the mask that it is given.
        let mut watcher = None;
        if watches {
            let placed = inner.placed.clone();
            let keeper =
                Keeper::new(Box::new(Live), (Path::new("/"), affinity), (config, told), mesh, placed);
            watcher = Some(Watcher::start(&inner, keeper, self.on_placement_change.clone())?);
        }
        inner.stalls().map_or(Ok(()), Stalls::start)?;
        let (mut threads, mut gates) = (Vec::with_capacity(workers), Vec::with_capacity(workers));
        let waits = watches || on_error != OnError::Degrade;
        let named = shards.zip(names).collect();
        let all = (&mut threads, &mut gates);
        let built = self.start_workers(&inner, named, on_error, waits, all).and_then(|()| {
            if let (Some(seat), Some(shard)) = (&inner.seat, seated) {
                let place = &inner.placed.plan().shards[0];
                let (shard, warning) = worker::prepare(&inner, shard, place, on_error)?;
                warn(on_error, warning);
                seat.fill(Driven::new(shard));
            }
            Ok(())
        });
        if built.is_ok() {
            for gate in gates {
                let _ = gate.send(());
            }
            watcher.iter_mut().for_each(Watcher::go);
        } else {
            drop(gates);
            // What would be seated never stood.
            inner.seat.iter().for_each(|_| inner.shard_ended());
            threads.drain(..).for_each(|thread: thread::JoinHandle<()>| drop(thread.join()));
            // They have nothing to tell, and end at once.
            watcher.iter_mut().for_each(Watcher::join);
            inner.stalls().inspect(|stalls| stalls.join());
        }
        let runtime = Runtime::from_parts(inner, threads, watcher);
        match built {
            Ok(()) => Ok(runtime),
            Err(error) => {
                runtime.shutdown_background();
                Err(error)
            }
        }
    }

    /// Decides where shards with threads go.
    fn place(&self) -> io::Result<Placement> {
        if let Some(workers) = self.worker_threads.filter(|workers| *workers > CPUS_MAX as usize) {
            let message = format!(
                "{workers} worker threads: expected at most {CPUS_MAX}, from the builder or TOKIO_WORKER_THREADS"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let given = self.read_config()?;
        // Without a config a multi-thread runtime is what Tokio's is: threads that are not pinned.
        let planned = self.flavor == Flavor::Sharded || given.is_some();
        let mut config = given.unwrap_or_default();
        let mut told = Told {
            flavor: self.flavor,
            is_files_flavor: config.runtime.flavor == self.flavor,
            workers: self.worker_threads,
            unpinned: false,
        };
        let (plan, sites, affinity) = if planned {
            // Read before any thread is pinned: what a thread is allowed is what its parent was.
            let topology = Topology::discover();
            told.unpinned = self.worker_threads.is_some_and(|workers| workers > topology.allowed().len());
            told.apply(&mut config);
            let plan = Plan::new(&topology, &config)?;
            let sites = plan.shards.iter().map(|shard| site(&topology, shard)).collect();
            (plan, sites, topology.affinity)
        } else {
            told.apply(&mut config);
            let workers = self.worker_threads.unwrap_or_else(available_cpus);
            (unplaced(workers), vec![Site::default(); workers], None)
        };
        let reloads = config.placement.reload == Reload::Sighup;
        if reloads && !config.is_from_file() {
            let message = "[placement] reload = \"sighup\": the config is not from a file; expected \"off\"";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let watches = reloads || planned && config.placement.watch;
        Ok(Placement { config, told, plan, sites, affinity, watches })
    }

    fn thread_names(&self, shards: Range<usize>) -> io::Result<Vec<String>> {
        let name = |id| match &self.thread_name {
            Some(name) => name(),
            None => format!("{SHARD_THREAD_NAME}{id}"),
        };
        let names: Vec<_> = shards.map(name).collect();
        if names.iter().any(|name| name.contains('\0')) {
            let message = "the thread name contains a null byte";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        Ok(names)
    }

    /// Starts a thread of that name for each of these shards, and may wait until each stands. `threads` are those that started,
    /// also where one could not; each goes on when its gate is told.
    fn start_workers(
        &self,
        inner: &Arc<Inner>,
        named: Vec<(ShardBuilder, String)>,
        on_error: OnError,
        waits: bool,
        (threads, gates): (&mut Vec<thread::JoinHandle<()>>, &mut Vec<mpsc::Sender<()>>),
    ) -> io::Result<()> {
        let plan = inner.placed.plan();
        let workers = named.len();
        let (started, reports) = mpsc::channel();
        let mut all = Ok(());
        for (shard, thread_name) in named {
            let (gate, go) = mpsc::channel();
            gates.push(gate);
            let order = Order {
                place: plan.shards[shard.id().index()].clone(),
                shard,
                memory_nodes: plan.memory_nodes.clone(),
                on_error,
                thread_name,
                stack_size: self.stack_size,
                go,
            };
            match worker::start(inner, order, started.clone()) {
                Ok(thread) => threads.push(thread),
                Err(error) => {
                    all = Err(error);
                    (threads.len()..workers).for_each(|_| inner.shard_ended());
                    break;
                }
            }
        }
        drop(started);
        if !waits {
            return all;
        }
        let mut reported = 0;
        for report in reports {
            reported += 1;
            match report {
                Ok(warnings) => warn(on_error, warnings),
                Err(error) => all = all.and(Err(error)),
            }
        }
        // The panic has been reported where it was.
        all.and_then(|()| match reported == workers {
            true => Ok(()),
            false => Err(io::Error::other("a worker thread panicked before its shard stood")),
        })
    }

    fn parts(
        &self,
        config: &Config,
        mesh: Arc<Mesh>,
        flavor: RuntimeFlavor,
        seat: Option<Seat<Driven>>,
        plan: Plan,
    ) -> Parts {
        let placed = Arc::new(Placed::new(plan));
        let pool = PoolConfig {
            max_threads: self.max_blocking_threads.unwrap_or(config.blocking.max_threads as usize),
            keep_alive: self
                .keep_alive
                .unwrap_or(Duration::from_millis(u64::from(config.blocking.keep_alive_ms))),
            stack_size: self.stack_size,
            thread_name: self.thread_name.clone().unwrap_or_else(|| Arc::new(|| POOL_THREAD_NAME.into())),
            on_start: Some(enter_pool(&placed, self.hooks.start.clone())),
            on_stop: self.hooks.stop.clone(),
            ..PoolConfig::default()
        };
        Parts {
            mesh,
            flavor,
            name: self.name.clone(),
            hooks: self.hooks.clone(),
            poll_times: self.poll_times.clone(),
            latencies: self.latencies.clone(),
            tells_latency: self.tells_latency,
            stalls: self.stalls.clone(),
            seed: self.seed.clone(),
            event_limits: self.event_limits,
            io_enabled: self.enable_io,
            time_enabled: self.enable_time,
            seat,
            placed,
            evens_out: config.listen.steering == Steering::LeastConnections,
            pool,
        }
    }

    fn engine_config(&self, config: &Config, sites: Vec<Site>) -> engine::Config {
        let default = engine::Config::new(sites.len());
        engine::Config {
            sites,
            steal: match config.scheduler.steal {
                Steal::Off => Reach::Off,
                Steal::Llc => Reach::Llc,
                Steal::Numa => Reach::Numa,
                Steal::All => Reach::All,
            },
            place: match config.scheduler.place {
                Place::Balanced => engine::Place::Balanced,
                Place::Local => engine::Place::Local,
            },
            quantum_us: config.scheduler.quantum_us,
            timer_resolution_us: config.timer.resolution_us,
            polls_per_event: self.event_interval.unwrap_or(default.polls_per_event),
            polls_per_mail: self.global_queue_interval.unwrap_or(default.polls_per_mail),
            polls_per_overflow: self.global_queue_interval.unwrap_or(default.polls_per_overflow),
            next_slot: self.next_slot,
            ..default
        }
    }
}

/// How many threads the environment asks for. Tokio panics over a number that is none, in these words.
#[track_caller]
fn worker_threads_from_environment() -> Option<usize> {
    const NAME: &str = "TOKIO_WORKER_THREADS";
    let text = match env::var(NAME) {
        Ok(text) => text,
        Err(VarError::NotPresent) => return None,
        Err(VarError::NotUnicode(text)) => panic!("\"{NAME}\" must be valid unicode, error: {text:?}"),
    };
    match text.parse() {
        Ok(0) => panic!("\"{NAME}\" cannot be set to 0"),
        Ok(workers) => Some(workers),
        Err(error) => panic!("\"{NAME}\" must be usize, error: {error}, value: {text}"),
    }
}

/// What a pool thread does when it starts. Before the hook it leaves the CPUs of the shard whose thread started it.
fn enter_pool(placed: &Arc<Placed>, hook: Option<Callback>) -> Callback {
    let placed = placed.clone();
    Arc::new(move || {
        placed.enter_pool();
        if let Some(hook) = &hook {
            hook();
        }
    })
}

fn available_cpus() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// A plan that binds nothing. Shards may look if there is a CPU for each, and one for whoever sends them what they look for. Where
/// the program has bound this thread to a CPU, that may be any other CPU of the process. A single shard is not asked for the quota,
/// and the others for what it was at first, since it is read from some files: many such runtimes live for a moment.
fn unplaced(shards: usize) -> Plan {
    let have = |cpus: Option<CpuList>, wanted| cpus.is_some_and(|cpus| cpus.len() >= wanted);
    let may_spin = match shards {
        1 => have(pin::Tid::CALLING.cpus(), 2) || have(pin::Tid::main().cpus(), 2),
        _ => {
            have(pin::Tid::CALLING.cpus(), shards)
                && Quota::remembered().is_none_or(|quota| quota.cpus() >= shards as f64)
        }
    };
    Plan { may_spin, ..Plan::unplaced(shards) }
}

pub(in crate::runtime) fn spin(config: &Config, may_spin: bool) -> Spin {
    match config.scheduler.spin_us {
        AutoOr::Auto if may_spin => Spin::Auto,
        AutoOr::Auto => Spin::Fixed(Duration::ZERO),
        AutoOr::Number(us) => Spin::Fixed(Duration::from_micros(u64::from(us))),
    }
}

/// Where a shard is, as far as stealing cares; unknown places are all the same.
fn site(topology: &Topology, shard: &ShardPlan) -> Site {
    let cpu = shard.cpus.first().and_then(|id| topology.cpus.iter().find(|cpu| cpu.id == *id));
    let known = |id: Option<u32>| id.map_or(0, |id| id + 1);
    cpu.map_or(Site::default(), |cpu| Site { llc: known(cpu.llc), node: known(cpu.node) })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_bound_thread_may_look_where_the_process_has_other_cpus() {
        let others = pin::Tid::main().cpus().expect("the kernel tells its mask").len() > 1;
        // A thread of its own, since it stays bound.
        let bound = thread::spawn(move || {
            let cpu = pin::current().and_then(|cpus| cpus.iter().next()).expect("runs somewhere");
            pin::pin(&[cpu]).expect("it may run there");
            assert_eq!(unplaced(1).may_spin, others);
            assert!(!unplaced(2).may_spin, "two shards on a CPU");
        });
        bound.join().unwrap();
    }
}
