//! A runtime that can't be built says so, and leaves nothing behind.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use corelane::config::{Config, OnError};
use corelane::runtime::{Builder, LocalOptions, LocalRuntime, Runtime};
use corelane::topology::{memory, pin};
use libc::{
    EACCES, EAGAIN, EINVAL, EMFILE, ENFILE, ENOMEM, ENOSPC, ENOSYS, EPERM, EPOLL_CTL_ADD, SYS_clone3,
    SYS_epoll_create1, SYS_epoll_ctl, SYS_eventfd2, SYS_fcntl, SYS_getrandom, SYS_madvise, SYS_mmap,
    SYS_openat, SYS_sched_getaffinity, SYS_sched_setaffinity, SYS_set_mempolicy, SYS_timerfd_create,
};

use super::kernel::{Fault, Kernel};
use super::{alone, builders, files, leaves_nothing, runtimes, still_runs};

fn config(text: &str) -> Config {
    Config::parse("test", text).unwrap()
}

fn local(builder: &mut Builder) -> io::Result<LocalRuntime> {
    builder.build_local(LocalOptions::default())
}

/// A builder with this config.
fn configured(text: &str) -> Builder {
    let mut builder = Builder::from_config(config(text));
    builder.enable_all();
    builder
}

/// Builds, and says how that failed. What was built is ended again.
type Build = fn(usize) -> io::Result<()>;

/// Of each flavor one, bound where that is the default, and with so many workers where it is not. With short timers, so that all files are
/// asked for.
const BUILDS: [(&str, Build); 5] = [
    ("current_thread", |_| fine(Builder::new_current_thread()).build().map(drop)),
    ("multi_thread", |n| fine(Builder::new_multi_thread()).worker_threads(n).build().map(drop)),
    ("sharded", |_| fine(Builder::new_sharded()).build().map(drop)),
    ("local", |_| local(&mut fine(Builder::new_current_thread())).map(drop)),
    ("local sharded", |_| local(&mut fine(Builder::new_sharded())).map(drop)),
];

fn fine(mut builder: Builder) -> Builder {
    builder.config(config("[timer]\nresolution_us = 100")).enable_all();
    builder
}

/// Whether this thread runs where it did before.
fn mask() -> String {
    pin::current().unwrap().to_string()
}

alone! {
    /// It sleeps all the same, until a timer or another thread ends that.
    fn a_thread_without_io_has_no_file() {
        let before = files();
        let rt = Builder::new_current_thread().enable_time().build().unwrap();
        rt.block_on(async {
            corelane::time::sleep(Duration::from_millis(1)).await;
            corelane::task::spawn_blocking(|| ()).await.unwrap();
        });
        assert_eq!(files(), before);
    }

    fn a_reactor_is_refused() {
        let calls = [SYS_epoll_create1, SYS_eventfd2, SYS_timerfd_create, SYS_epoll_ctl, SYS_fcntl];
        let Some(kernel) = Kernel::asked(&calls) else { return };
        let adds = |args: &[u64; 6]| args[1] == EPOLL_CTL_ADD as u64;
        let dups = |args: &[u64; 6]| args[1] == libc::F_DUPFD_CLOEXEC as u64;
        let all = |_: &[u64; 6]| true;
        // A first one, for what a process has once.
        Runtime::new().unwrap();
        for (flavor, build) in BUILDS {
            let before = mask();
            for (call, errnos, when) in [
                (SYS_epoll_create1, &[EMFILE, ENFILE, ENOMEM][..], all as fn(&[u64; 6]) -> bool),
                (SYS_eventfd2, &[EMFILE, ENFILE, ENOMEM], all),
                (SYS_timerfd_create, &[EMFILE, ENFILE, ENOMEM], all),
                (SYS_epoll_ctl, &[ENOSPC, ENOMEM], adds),
                (SYS_fcntl, &[EMFILE], dups),
            ] {
                for (&errno, nth) in errnos.iter().flat_map(|errno| (0..4).map(move |nth| (errno, nth))) {
                    let refusal = kernel.refuse(Fault::of(call, errno).when(when).after(nth).times(1));
                    let built = leaves_nothing(|| build(3));
                    let refused = refusal.count() == 1;
                    assert_eq!(refused, built.is_err(), "{flavor}: call {call}, {nth}: {built:?}");
                    assert!(refused || nth > 0, "{flavor}: call {call} is not made");
                    if let Err(error) = built {
                        assert_eq!(error.raw_os_error(), Some(errno), "{flavor}: {error}");
                    }
                    assert_eq!(mask(), before, "{flavor}: this thread stays bound");
                }
            }
            build(3).unwrap();
        }
    }

    fn a_worker_thread_is_refused() {
        let Some(kernel) = Kernel::asked(&[SYS_clone3, SYS_mmap]) else { return };
        // Of a thread: that of its signal handlers may be read and written from the start.
        let stack = |args: &[u64; 6]| args[3] & libc::MAP_STACK as u64 != 0 && args[2] == libc::PROT_NONE as u64;
        let (started, stopped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let count = |count: &Arc<AtomicUsize>| {
            let count = Arc::clone(count);
            move || {
                count.fetch_add(1, Relaxed);
            }
        };
        Runtime::new().unwrap();
        for (size, (flavor, mut builder)) in (3..).zip(builders(4).into_iter().skip(1)) {
            builder.on_thread_start(count(&started)).on_thread_stop(count(&stopped));
            for nth in 0..4 {
                let refused = kernel.refuse(Fault::of(SYS_clone3, EAGAIN).after(nth));
                let built = leaves_nothing(|| builder.build().map(drop));
                assert_eq!(refused.count(), 1, "{flavor}");
                let error = built.expect_err("one has no thread");
                assert_eq!(error.kind(), ErrorKind::WouldBlock, "{flavor}: {error}");
                assert!(error.to_string().contains("OS can't spawn worker thread"), "{flavor}: {error}");
                assert_eq!((started.load(Relaxed), stopped.load(Relaxed)), (0, 0), "{flavor}: hooks were called");
            }
            let refused = kernel.refuse(Fault::of(SYS_mmap, ENOMEM).when(stack).after(1));
            // A stack of a size that no thread before had: none is kept for it.
            let built = leaves_nothing(|| builder.thread_stack_size(size << 20).build().map(drop));
            assert!(refused.count() == 1 && built.is_err(), "{flavor}: {built:?}");
            drop(refused);
            still_runs(&builder.build().unwrap());
            assert_eq!((started.swap(0, Relaxed), stopped.swap(0, Relaxed)), (4, 4));
        }
        let before = mask();
        for nth in 0..2 {
            let _refused = kernel.refuse(Fault::of(SYS_clone3, EAGAIN).after(nth));
            let built = leaves_nothing(|| local(Builder::new_sharded().worker_threads(3)).map(drop));
            assert_eq!(built.map_err(|e| e.kind()), Err(ErrorKind::WouldBlock));
            assert_eq!(mask(), before, "this thread stays bound");
        }
    }

    /// Where a runtime may be built, and none dropped.
    fn a_worker_thread_is_refused_inside_of_a_task() {
        let Some(kernel) = Kernel::asked(&[SYS_clone3]) else { return };
        for (flavor, rt) in runtimes(1) {
            let _refused = kernel.refuse(Fault::of(SYS_clone3, EAGAIN).after(1));
            rt.block_on(async {
                let built = leaves_nothing(|| Builder::new_multi_thread().worker_threads(3).build().map(drop));
                assert_eq!(built.map_err(|e| e.kind()), Err(ErrorKind::WouldBlock), "{flavor}");
            });
        }
    }

    /// The hook of a thread may wait for all of them to start.
    fn a_hook_that_waits_for_all_workers_does_not_hang() {
        let Some(kernel) = Kernel::asked(&[SYS_clone3]) else { return };
        let _refused = kernel.refuse(Fault::of(SYS_clone3, EAGAIN).after(2));
        let all = Arc::new(std::sync::Barrier::new(4));
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(4).on_thread_start(move || {
            all.wait();
        });
        leaves_nothing(|| builder.build().map(drop)).unwrap_err();
    }

    fn binding_is_refused() {
        let Some(kernel) = Kernel::asked(&[SYS_sched_setaffinity]) else { return };
        for errno in [EPERM, EINVAL] {
            for (on_error, word) in [(OnError::Degrade, "degrade"), (OnError::Warn, "warn"), (OnError::Fail, "fail")] {
                let refused = kernel.refuse(Fault::of(SYS_sched_setaffinity, errno));
                let mut builder = configured(&format!("[placement]\non_error = \"{word}\""));
                let fails = on_error == OnError::Fail;
                let before = mask();
                match leaves_nothing(|| builder.build().map(|rt| still_runs(&rt))) {
                    Ok(()) => assert!(!fails, "{word}"),
                    Err(error) => {
                        assert!(fails, "{word}: {error}");
                        let error = error.to_string();
                        assert!(error.starts_with("shard ") && error.contains(" is not bound to cpus "), "{error}");
                    }
                }
                assert_eq!(leaves_nothing(|| local(&mut builder).map(drop)).is_err(), fails, "{word}");
                assert_eq!(mask(), before);
                assert!(refused.count() > 0);
            }
        }
    }

    fn the_mask_is_not_told() {
        let Some(kernel) = Kernel::asked(&[SYS_sched_getaffinity, SYS_openat]) else { return };
        for errno in [EPERM, ENOSYS, EINVAL] {
            for word in ["degrade", "warn", "fail"] {
                let refused = kernel.refuse(Fault::of(SYS_sched_getaffinity, errno));
                for (_, rt) in runtimes(2) {
                    still_runs(&rt);
                }
                let mut builder = configured(&format!("[placement]\non_error = \"{word}\""));
                match builder.build() {
                    Ok(rt) => still_runs(&rt),
                    Err(error) => panic!("{word}: /proc tells it as well: {error}"),
                }
                assert!(refused.count() > 0);
                // Nothing tells it.
                let _blind = kernel.refuse(Fault::of(SYS_openat, EACCES));
                match builder.build() {
                    Ok(rt) => {
                        assert_ne!(word, "fail");
                        still_runs(&rt);
                    }
                    Err(error) => {
                        assert_eq!(word, "fail", "{error}");
                        assert!(error.to_string().contains("the CPUs of this machine are not known"), "{error}");
                    }
                }
            }
        }
        // And what is known later is known.
        let rt = configured("").build().unwrap();
        assert!(!rt.handle().plan().shards[0].cpus.is_empty(), "{:?}", rt.handle().plan());
    }

    fn the_machine_is_not_to_be_read() {
        let Some(kernel) = Kernel::asked(&[SYS_openat]) else { return };
        for errno in [EACCES, EMFILE] {
            let _blind = kernel.refuse(Fault::of(SYS_openat, errno));
            for (_, rt) in runtimes(2) {
                still_runs(&rt);
            }
            for word in ["degrade", "warn", "fail"] {
                let text = format!("[placement]\non_error = \"{word}\"\nmemory = \"interleave\"");
                match configured(&text).build() {
                    Ok(rt) => {
                        assert_ne!(word, "fail");
                        still_runs(&rt);
                        // The mask is known all the same.
                        assert!(!rt.handle().plan().shards[0].cpus.is_empty(), "{:?}", rt.handle().plan());
                    }
                    Err(error) => {
                        assert_eq!(word, "fail", "{error}");
                        assert!(error.to_string().contains(": the machine does not tell "), "{error}");
                    }
                }
            }
            let error = Config::from_file("Cargo.toml").unwrap_err().to_string();
            assert!(error.starts_with("Cargo.toml: cannot read the file: "), "{error}");
        }
    }

    fn memory_is_not_interleaved() {
        let Some(kernel) = Kernel::asked(&[SYS_set_mempolicy]) else { return };
        for errno in [ENOSYS, EPERM] {
            let refused = kernel.refuse(Fault::of(SYS_set_mempolicy, errno));
            let error = memory::interleave(&[0], OnError::Fail).unwrap_err().to_string();
            assert!(error.starts_with("memory is not interleaved over nodes 0: "), "{error}");
            assert_eq!(memory::interleave(&[0], OnError::Warn).unwrap(), Some(error));
            assert_eq!(refused.count(), 2);
        }
    }

    fn neither_chance_nor_advice_about_memory_is_needed() {
        let Some(kernel) = Kernel::asked(&[SYS_getrandom, SYS_madvise]) else { return };
        for errno in [ENOSYS, EPERM] {
            let _chance = kernel.refuse(Fault::of(SYS_getrandom, errno));
            let _advice = kernel.refuse(Fault::of(SYS_madvise, EINVAL));
            for (_, rt) in runtimes(2) {
                still_runs(&rt);
                let both = async {
                    corelane::select! {
                        () = corelane::task::yield_now() => 1,
                        () = corelane::task::yield_now() => 1,
                    }
                };
                // On a thread that has not drawn yet.
                thread::scope(|scope| assert_eq!(scope.spawn(|| rt.block_on(both)).join().unwrap(), 1));
            }
        }
    }
}
