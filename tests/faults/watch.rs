//! The watch over a placement, and a file that is read again.

use std::fs;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use corelane::config::Config;
use corelane::runtime::{Builder, PlacementCause, PlacementChange, Runtime};
use corelane::topology::pin;
use libc::{
    EACCES, EAGAIN, EBADF, EIO, EMFILE, ENOMEM, O_DIRECTORY, SYS_clone3, SYS_epoll_create1, SYS_epoll_wait,
    SYS_eventfd2, SYS_openat, SYS_pread64, SYS_sched_getaffinity,
};

use super::kernel::{Fault, Kernel};
use super::{alone, leaves_nothing, listen_to_panics, said, scratch, still_runs};

fn watching(config: Config) -> (Builder, Receiver<PlacementChange>) {
    let (tx, rx) = channel();
    let tx = Mutex::new(tx);
    let mut builder = Builder::from_config(config);
    builder.enable_all().on_placement_change(move |change| {
        let _ = tx.lock().unwrap().send(change.clone());
    });
    (builder, rx)
}

/// A minute is for ever: what is waited for comes within two seconds, or never.
fn next(changes: &Receiver<PlacementChange>) -> PlacementChange {
    changes.recv_timeout(Duration::from_secs(60)).expect("a change is told")
}

const WATCH: &str = "[placement]\nwatch = true\n";

fn shards(rt: &Runtime) -> Vec<Vec<u32>> {
    rt.handle().plan().shards.iter().map(|shard| shard.cpus.clone()).collect()
}

fn hang_up() {
    let kill = format!("kill -HUP {}", std::process::id());
    let status = std::process::Command::new("sh").args(["-c", &kill]).status();
    assert!(status.unwrap().success());
}

alone! {
    fn the_watch_can_not_start() {
        let Some(kernel) = Kernel::asked(&[SYS_epoll_create1, SYS_eventfd2, SYS_clone3]) else { return };
        let (mut builder, _changes) = watching(Config::parse("test", WATCH).unwrap());
        drop(builder.build().unwrap());
        for (call, errno) in
            [(SYS_epoll_create1, EMFILE), (SYS_epoll_create1, ENOMEM), (SYS_eventfd2, EMFILE), (SYS_clone3, EAGAIN)]
        {
            for after in 0..2 {
                let fault = kernel.refuse(Fault::of(call, errno).after(after).times(1));
                leaves_nothing(|| builder.build().map(drop)).unwrap_err();
                assert_eq!(fault.count(), 1);
            }
        }
        still_runs(&builder.build().unwrap());
    }

    /// What can't be read has not changed.
    fn the_machine_is_not_to_be_read_any_more() {
        let calls = [SYS_openat, SYS_pread64, SYS_sched_getaffinity];
        let Some(kernel) = Kernel::asked(&calls) else { return };
        let (mut builder, changes) = watching(Config::parse("test", WATCH).unwrap());
        let rt = builder.build().unwrap();
        let before = shards(&rt);
        let faults = [
            kernel.refuse(Fault::of(SYS_openat, EMFILE)),
            kernel.refuse(Fault::of(SYS_pread64, EIO)),
            kernel.refuse(Fault::of(SYS_sched_getaffinity, libc::EPERM)),
        ];
        // Two looks.
        while faults.iter().any(|fault| fault.count() < 2) {
            std::thread::yield_now();
        }
        drop(faults);
        still_runs(&rt);
        assert_eq!(shards(&rt), before);
        drop(rt);
        let told: Vec<_> = changes.try_iter().map(|change| change.to_string()).collect();
        assert!(told.is_empty(), "{told:?}");
    }

    /// No plan is made from less than is known.
    fn the_machine_is_not_to_be_read_when_there_is_a_change() {
        let Some(kernel) = Kernel::asked(&[SYS_openat]) else { return };
        let all: Vec<u32> = pin::allowed().unwrap().iter().collect();
        if all.len() < 2 {
            return;
        }
        let (mut builder, changes) = watching(Config::parse("test", WATCH).unwrap());
        let rt = builder.build().unwrap();
        // Folders are listed when the whole machine is read.
        let folder = |args: &[u64; 6]| args[2] & O_DIRECTORY as u64 != 0;
        let folders = kernel.refuse(Fault::of(SYS_openat, EMFILE).when(folder));
        let files = kernel.refuse(Fault::of(SYS_openat, EMFILE));
        rt.block_on(rt.spawn(async move { pin::pin(&all) })).unwrap().unwrap();
        while folders.count() == 0 {
            std::thread::yield_now();
        }
        drop((folders, files));
        let change = next(&changes);
        assert_eq!((&change.causes[..], &change.error), (&[PlacementCause::Threads][..], &None));
        assert_eq!(change.after, change.before);
    }

    fn the_watch_can_not_wait() {
        let Some(kernel) = Kernel::asked(&[SYS_epoll_wait]) else { return };
        listen_to_panics();
        let (mut builder, _changes) = watching(Config::parse("test", WATCH).unwrap());
        // It waits for two events at most.
        let few = |args: &[u64; 6]| args[2] == 2;
        let fault = kernel.refuse(Fault::of(SYS_epoll_wait, EBADF).when(few));
        let rt = builder.build().unwrap();
        while said("the kernel refuses to wait for changes of the placement") == 0 {
            std::thread::yield_now();
        }
        assert_eq!(fault.count(), 1, "again and again");
        still_runs(&rt);
    }

    fn the_file_is_not_to_be_read_again() {
        let Some(kernel) = Kernel::asked(&[SYS_openat]) else { return };
        let folder = scratch::Scratch::new();
        let path = folder.path("app.toml");
        fs::write(&path, "[placement]\nreload = \"sighup\"\n").unwrap();
        let (mut builder, changes) = watching(Config::from_file(&path).unwrap());
        let rt = builder.build().unwrap();
        let before = shards(&rt);
        for errno in [EACCES, EMFILE] {
            let fault = kernel.refuse(Fault::of(SYS_openat, errno));
            hang_up();
            let change = next(&changes);
            assert_eq!(change.causes[0], PlacementCause::Config);
            let error = change.error.expect("it can't be read");
            assert!(error.contains("app.toml: cannot read the file: "), "{error}");
            assert!(fault.count() > 0);
            assert_eq!(shards(&rt), before);
        }
        fs::write(&path, "[placement]\nreload = \"sighup\"\n[scheduler]\nspin_us = 7\n").unwrap();
        hang_up();
        let change = next(&changes);
        assert_eq!((change.error, change.refusals.len()), (None, 0));
        still_runs(&rt);
    }
}
