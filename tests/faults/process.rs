//! Children and signals.

use std::io;
use std::path::Path;
use std::process::Stdio;

use corelane::process::Command;
use corelane::signal::unix::{SignalKind, signal};
use libc::{
    EAGAIN, EBADF, ECHILD, EINVAL, EMFILE, ENOMEM, ENOSPC, ENOSYS, EPOLL_CTL_ADD, SYS_clone, SYS_clone3,
    SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_wait, SYS_eventfd2, SYS_fcntl, SYS_pidfd_open, SYS_pipe2,
    SYS_rt_sigaction, SYS_vfork, SYS_wait4, SYS_waitid,
};

use super::kernel::{Fault, Kernel};
use super::{alone, files, listen_to_panics, runtimes, said, still_runs};

#[track_caller]
fn refused<T>(result: io::Result<T>, errno: i32) {
    assert_eq!(result.err().expect("it is refused").raw_os_error(), Some(errno));
}

/// A child that ends when its standard input does.
fn waiting() -> Command {
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

fn until_reaped(pid: u32) {
    while Path::new(&format!("/proc/{pid}")).exists() {
        std::thread::yield_now();
    }
}

/// The children of this process, zombies included.
fn children() -> usize {
    let of_each = std::fs::read_dir("/proc/self/task").unwrap().map(|thread| {
        let list = std::fs::read_to_string(thread.unwrap().path().join("children")).unwrap_or_default();
        list.split_whitespace().count()
    });
    of_each.sum()
}

fn raise(kind: SignalKind) {
    let kill = format!("kill -{} {}", kind.as_raw_value(), std::process::id());
    let status = std::process::Command::new("sh").args(["-c", &kill]).status();
    assert!(status.unwrap().success());
}

/// Raised and received.
async fn is_told(kind: SignalKind, mut by: corelane::signal::unix::Signal) {
    raise(kind);
    by.recv().await.unwrap();
}

alone! {
    fn the_end_of_a_child_has_no_file_of_its_own() {
        let Some(kernel) = Kernel::asked(&[SYS_pidfd_open]) else { return };
        for (_, rt) in runtimes(2) {
            for errno in [ENOSYS, EMFILE] {
                let fault = kernel.refuse(Fault::of(SYS_pidfd_open, errno));
                rt.block_on(async {
                    let mut child = waiting().spawn().unwrap();
                    let (status, output) =
                        corelane::join!(child.wait(), Command::new("echo").arg("text").output());
                    assert!(status.unwrap().success());
                    assert_eq!(output.unwrap().stdout, b"text\n");
                });
                assert_eq!(fault.count(), 2);
            }
        }
    }

    fn a_process_is_refused() {
        let calls = [SYS_clone3, SYS_clone, SYS_vfork, SYS_pipe2];
        let Some(kernel) = Kernel::asked(&calls) else { return };
        for (flavor, rt) in runtimes(1) {
            rt.block_on(async {
                let before = files();
                for errno in [EAGAIN, ENOMEM] {
                    let faults = [SYS_clone3, SYS_clone, SYS_vfork].map(|call| kernel.refuse(Fault::of(call, errno)));
                    refused(waiting().spawn(), errno);
                    refused(Command::new("true").status().await, errno);
                    refused(Command::new("true").output().await, errno);
                    assert_eq!(faults.iter().map(|fault| fault.count()).sum::<u32>(), 3, "{flavor}");
                }
                for after in 0..2 {
                    let _fault = kernel.refuse(Fault::of(SYS_pipe2, EMFILE).after(after));
                    refused(waiting().spawn(), EMFILE);
                }
                assert_eq!((files(), children()), (before, 0));
                assert_eq!(Command::new("echo").arg("text").output().await.unwrap().stdout, b"text\n");
            });
        }
    }

    /// It says so as it does at the end of a runtime, and what came meanwhile is told.
    fn a_listener_can_not_be_watched_where_it_went() {
        let Some(kernel) = Kernel::asked(&[SYS_epoll_ctl]) else { return };
        let kind = SignalKind::user_defined1();
        for ((_, made), (_, went)) in runtimes(1).zip(runtimes(1)) {
            let mut listener = made.block_on(async { signal(kind) }).unwrap();
            let adds = |args: &[u64; 6]| args[1] == EPOLL_CTL_ADD as u64;
            let fault = kernel.refuse(Fault::of(SYS_epoll_ctl, ENOSPC).when(adds));
            for _ in 0..2 {
                assert_eq!(went.block_on(listener.recv()), None);
            }
            assert_eq!(fault.count(), 2);
            raise(kind);
            drop(fault);
            assert_eq!(went.block_on(listener.recv()), Some(()));
        }
    }

    /// Nobody has the handle, so there must be no child.
    fn a_child_that_can_not_be_watched_is_killed_and_reaped() {
        let calls = [SYS_epoll_ctl, SYS_pidfd_open, SYS_eventfd2, SYS_fcntl];
        let Some(kernel) = Kernel::asked(&calls) else { return };
        for (_, rt) in runtimes(1) {
            let _entered = rt.enter();
            let adds = |args: &[u64; 6]| args[1] == EPOLL_CTL_ADD as u64;
            {
                let _fault = kernel.refuse(Fault::of(SYS_epoll_ctl, ENOSPC).when(adds));
                refused(Command::new("sleep").arg("1000").spawn(), ENOSPC);
            }
            {
                let dups = |args: &[u64; 6]| args[1] == libc::F_DUPFD_CLOEXEC as u64;
                let _faults = [
                    kernel.refuse(Fault::of(SYS_pidfd_open, EMFILE)),
                    kernel.refuse(Fault::of(SYS_eventfd2, EMFILE)),
                    kernel.refuse(Fault::of(SYS_fcntl, EMFILE).when(dups)),
                ];
                refused(Command::new("sleep").arg("1000").spawn(), EMFILE);
            }
            // One that is dropped has all reaped that could not be before.
            drop(Command::new("true").kill_on_drop(true).spawn().unwrap());
            drop(waiting().kill_on_drop(true).spawn().unwrap());
            while children() > 0 {
                std::thread::yield_now();
            }
        }
    }

    fn somebody_else_has_reaped_the_child() {
        let Some(kernel) = Kernel::asked(&[SYS_wait4, SYS_waitid]) else { return };
        for (flavor, rt) in runtimes(1) {
            let faults = [SYS_wait4, SYS_waitid].map(|call| kernel.refuse(Fault::of(call, ECHILD)));
            rt.block_on(async {
                let mut child = waiting().spawn().unwrap();
                refused(child.wait().await, ECHILD);
                refused(child.try_wait(), ECHILD);
                refused(waiting().status().await, ECHILD);
            });
            assert!(faults.iter().any(|fault| fault.count() > 0), "{flavor}");
            drop(faults);
            still_runs(&rt);
        }
    }

    fn a_handler_is_refused_and_then_is_not() {
        let Some(kernel) = Kernel::asked(&[SYS_rt_sigaction, SYS_eventfd2, SYS_fcntl]) else { return };
        let kinds = [SignalKind::user_defined1(), SignalKind::user_defined2(), SignalKind::hangup()];
        for ((_, rt), kind) in runtimes(1).zip(kinds) {
            rt.block_on(async {
                let dups = |args: &[u64; 6]| args[1] == libc::F_DUPFD_CLOEXEC as u64;
                for fault in [
                    Fault::of(SYS_eventfd2, EMFILE),
                    Fault::of(SYS_rt_sigaction, EINVAL),
                    Fault::of(SYS_fcntl, EMFILE).when(dups),
                ] {
                    let fault = kernel.refuse(fault);
                    let before = files();
                    assert!(signal(kind).is_err());
                    assert!(fault.count() > 0);
                    drop(fault);
                    // The bell stays, once it is hung.
                    assert!(files() <= before + 1);
                }
                is_told(kind, signal(kind).unwrap()).await;
            });
        }
    }

    fn there_is_no_reaper_and_then_there_is() {
        let calls = [SYS_clone3, SYS_epoll_create1, SYS_epoll_wait];
        let Some(kernel) = Kernel::asked(&calls) else { return };
        for (_, rt) in runtimes(1) {
            let _entered = rt.enter();
            let orphan = || {
                let mut child = waiting().spawn().unwrap();
                (child.id().unwrap(), child.stdin.take().unwrap())
            };
            let mut orphans = Vec::new();
            {
                let _fault = kernel.refuse(Fault::of(SYS_epoll_create1, EMFILE));
                orphans.push(orphan());
            }
            {
                // The first is that of the child, whose handle is dropped after that.
                let _fault = kernel.refuse(Fault::of(SYS_clone3, EAGAIN).after(1));
                orphans.push(orphan());
            }
            orphans.push(orphan());
            for (pid, stdin) in orphans {
                drop(stdin);
                until_reaped(pid);
            }
        }
    }

    /// It ends with a word, and the next one takes over.
    fn the_reaper_can_not_wait() {
        let Some(kernel) = Kernel::asked(&[SYS_epoll_wait]) else { return };
        listen_to_panics();
        let rt = corelane::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _entered = rt.enter();
        let orphan = || {
            let mut child = waiting().spawn().unwrap();
            (child.id().unwrap(), child.stdin.take().unwrap())
        };
        let fault = kernel.refuse(Fault::of(SYS_epoll_wait, EBADF));
        let first = orphan();
        while said("the kernel refuses to wait for the end of children") == 0 {
            std::thread::yield_now();
        }
        assert_eq!(fault.count(), 1, "again and again");
        drop(fault);
        for (pid, stdin) in [first, orphan()] {
            drop(stdin);
            until_reaped(pid);
        }
        still_runs(&rt);
    }
}
