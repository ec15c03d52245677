//! Binding threads, on the machine the tests run on.

use std::{fs, thread};

use corelane::config::{Config, CpuList, OnError};
use corelane::topology::{Plan, ShardPlan, Topology, pin};

/// What the kernel says about the calling thread.
fn kernels_list() -> CpuList {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    CpuList::parse(list).unwrap()
}

fn on_a_thread(test: impl FnOnce() + Send + 'static) {
    thread::spawn(test).join().unwrap();
}

#[test]
fn a_thread_is_where_it_was_bound() {
    let allowed = pin::allowed().unwrap().clone();
    for cpu in allowed.iter().collect::<Vec<_>>() {
        let allowed = allowed.clone();
        on_a_thread(move || {
            pin::pin(&[cpu]).unwrap();
            assert_eq!(kernels_list(), CpuList::from_iter([cpu]));
            assert_eq!(pin::current(), Some(CpuList::from_iter([cpu])));
            // What the process was allowed stays known, also to a thread that is bound, and to a topology it reads.
            assert_eq!(pin::allowed(), Some(&allowed));
            assert_eq!(Topology::discover().allowed(), allowed);
            // And back to all of them, as the blocking pool's threads do.
            pin::pin(&allowed.iter().collect::<Vec<_>>()).unwrap();
            assert_eq!(kernels_list(), allowed);
        });
    }
}

#[test]
fn no_cpus_leave_the_thread_alone() {
    on_a_thread(|| {
        let before = kernels_list();
        pin::pin(&[]).unwrap();
        assert_eq!(kernels_list(), before);
    });
}

#[test]
fn a_cpu_that_is_not_there_is_an_error() {
    on_a_thread(|| {
        // 1023 is the last that core_affinity can name; the others go through libc, and 8192 no kernel has.
        for cpu in [1023, 1024, 8191, 8192, u32::MAX] {
            let error = pin::pin(&[cpu]).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput, "cpu {cpu}: {error}");
        }
    });
}

#[test]
fn a_narrowed_mask_is_noticed_and_on_error_decides() {
    on_a_thread(|| {
        let there = pin::allowed().unwrap().first().unwrap();
        let shard = ShardPlan { id: 3, cpus: vec![there, 1023], ..ShardPlan::default() };
        let message = format!(
            "shard 3 is not bound to cpus {there},1023: asked for cpus {there},1023, the kernel gave {there}; is there a \
             cpuset?"
        );
        assert_eq!(pin::pin_shard(&shard, OnError::Fail).unwrap_err().to_string(), message);
        let allowed = pin::allowed().unwrap();
        pin::pin(&allowed.iter().collect::<Vec<_>>()).unwrap();
        for on_error in [OnError::Warn, OnError::Degrade] {
            let warning = format!("{message}; it is not bound");
            assert_eq!(pin::pin_shard(&shard, on_error).unwrap(), Some(warning));
            assert_eq!(&kernels_list(), allowed, "as before the narrowed mask");
        }
        let group = allowed.iter().collect();
        let warning = pin::pin_shard(&ShardPlan { group, ..shard }, OnError::Degrade).unwrap();
        assert_eq!(warning, Some(format!("{message}; it is bound to its group, cpus {allowed}")));
        let shard = ShardPlan { cpus: vec![there], ..ShardPlan::default() };
        assert_eq!(pin::pin_shard(&shard, OnError::Fail).unwrap(), None);
    });
}

#[test]
fn this_machine_has_a_plan_for_each_shipped_file_it_can_do() {
    let topology = Topology::discover();
    assert_eq!(Some(&topology.allowed()), pin::allowed());
    for name in ["default", "throughput", "container"] {
        let path = format!("{}/config/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        let config = Config::from_file(path).unwrap();
        let plan = Plan::new(&topology, &config).unwrap_or_else(|error| panic!("{error}"));
        println!("{name}:\n{plan}");
        for shard in plan.shards {
            on_a_thread(move || {
                assert_eq!(pin::pin_shard(&shard, OnError::Fail).unwrap(), None);
                if !shard.cpus.is_empty() {
                    assert_eq!(kernels_list(), shard.cpus.iter().copied().collect());
                }
            });
        }
    }
}
