//! The blocking pool without threads: an error, or later, and never for ever.

use std::io::{self, ErrorKind};
use std::sync::mpsc;
use std::time::Duration;

use corelane::fs;
use corelane::io::AsyncWriteExt;
use corelane::net::lookup_host;
use corelane::runtime::{Builder, Runtime};
use corelane::task::{self, JoinSet};
use libc::{EAGAIN, ENOMEM, SYS_clone3, SYS_openat, SYS_write};

use super::kernel::{Fault, Kernel};
use super::{alone, runtimes, scratch, still_runs};

#[track_caller]
fn no_thread<T>(result: io::Result<T>) {
    let error = result.err().expect("there is no thread for it");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert!(error.to_string().contains("OS can't spawn worker thread: "), "{error}");
}

/// Runs something while the one thread that the pool has is busy, and it gets no other.
fn while_busy<R>(kernel: &Kernel, rt: &Runtime, f: impl FnOnce() -> R) -> R {
    let (begin, begun) = mpsc::channel();
    let (end, ended) = mpsc::channel::<()>();
    let busy = rt.spawn_blocking(move || {
        begin.send(()).unwrap();
        let _ = ended.recv();
    });
    begun.recv().unwrap();
    let _fault = kernel.refuse(Fault::of(SYS_clone3, EAGAIN));
    let result = f();
    drop(end);
    rt.block_on(busy).unwrap();
    result
}

alone! {
    fn there_is_no_thread_at_all() {
        let Some(kernel) = Kernel::asked(&[SYS_clone3]) else { return };
        let folder = scratch::Scratch::new();
        for (flavor, rt) in runtimes(2) {
            let path = folder.path(flavor);
            let fault = kernel.refuse(Fault::of(SYS_clone3, EAGAIN));
            rt.block_on(async {
                no_thread(fs::read(&path).await);
                no_thread(fs::write(&path, "text").await);
                no_thread(fs::File::create(&path).await);
                no_thread(fs::read_dir(folder.folder()).await);
                no_thread(fs::metadata(&path).await);
                no_thread(lookup_host("localhost:80").await);
                // In Tokio's words.
                let panicked = corelane::spawn(async { task::spawn_blocking(|| 1).await }).await.unwrap_err();
                let text = *panicked.into_panic().downcast::<String>().unwrap();
                assert!(text.starts_with("OS can't spawn worker thread: "), "{text}");
                let mut set = JoinSet::new();
                no_thread(task::Builder::new().spawn_blocking(|| 1));
                no_thread(set.build_task().spawn_blocking(|| 1));
                assert!(set.is_empty());
            });
            assert!(fault.count() > 8, "{flavor}");
            drop(fault);
            rt.block_on(async {
                fs::write(&path, "text").await.unwrap();
                assert_eq!(fs::read_to_string(&path).await.unwrap(), "text");
                assert_eq!(task::spawn_blocking(|| 1).await.unwrap(), 1);
            });
        }
    }

    fn a_directory_is_listed_on_when_there_is_a_thread_again() {
        let Some(kernel) = Kernel::asked(&[SYS_clone3]) else { return };
        let folder = scratch::Scratch::new();
        for n in 0..40 {
            std::fs::write(folder.path(n.to_string()), "").unwrap();
        }
        for (flavor, mut builder) in super::builders(1) {
            // The pool's thread ends at once.
            let rt = builder.thread_keep_alive(Duration::ZERO).build().unwrap();
            rt.block_on(async {
                let mut entries = fs::read_dir(folder.folder()).await.unwrap();
                let mut listed = 0;
                let mut refused = 0;
                while rt.metrics().num_blocking_threads() > 0 {
                    std::thread::yield_now();
                }
                let mut fault = Some(kernel.refuse(Fault::of(SYS_clone3, EAGAIN)));
                loop {
                    match entries.next_entry().await {
                        Ok(Some(_)) => listed += 1,
                        Ok(None) => break,
                        Err(error) => {
                            no_thread::<()>(Err(error));
                            refused += 1;
                            // Not at once.
                            fault.take_if(|_| refused == 2);
                        }
                    }
                }
                assert_eq!((listed, refused), (40, 2), "{flavor}");
            });
        }
    }

    fn a_file_is_written_while_there_is_no_thread() {
        let Some(kernel) = Kernel::asked(&[SYS_clone3]) else { return };
        let folder = scratch::Scratch::new();
        for (flavor, mut builder) in super::builders(1) {
            // The pool's thread ends at once.
            let rt = builder.thread_keep_alive(Duration::ZERO).build().unwrap();
            let path = folder.path(flavor);
            let mut file = rt.block_on(fs::File::create(&path)).unwrap();
            let fault = kernel.refuse(Fault::of(SYS_clone3, EAGAIN));
            rt.block_on(async {
                loop {
                    // While the thread lives it takes what comes.
                    match file.write_all(b"a").await {
                        Ok(()) => file.flush().await.unwrap_or_default(),
                        Err(error) => break no_thread::<()>(Err(error)),
                    }
                }
            });
            drop(fault);
            // What was refused was not written, and nothing stands in the way of the next.
            let before = std::fs::read(&path).unwrap().len();
            rt.block_on(async {
                file.write_all(b"b").await.unwrap();
                file.flush().await.unwrap();
            });
            let text = std::fs::read(&path).unwrap();
            assert_eq!((text.len(), text.last()), (before + 1, Some(&b'b')), "{flavor}");
        }
    }

    fn the_only_thread_comes_for_all() {
        let Some(kernel) = Kernel::asked(&[SYS_clone3]) else { return };
        for (_, rt) in runtimes(2) {
            let jobs = while_busy(&kernel, &rt, || {
                (0..10).map(|n| rt.spawn_blocking(move || n)).collect::<Vec<_>>()
            });
            for (n, job) in jobs.into_iter().enumerate() {
                assert_eq!(rt.block_on(job).unwrap(), n);
            }
        }
    }

    fn a_runtime_ends_while_there_is_no_other_thread() {
        let Some(kernel) = Kernel::asked(&[SYS_clone3]) else { return };
        let folder = scratch::Scratch::new();
        for (flavor, rt) in runtimes(2) {
            let path = folder.path(flavor);
            let mut file = rt.block_on(fs::File::create(&path)).unwrap();
            let fault = kernel.refuse(Fault::of(SYS_clone3, EAGAIN));
            let (end, ended) = mpsc::channel::<()>();
            let busy = rt.spawn_blocking(move || ended.recv());
            let late = rt.spawn_blocking(|| 1);
            // A write is done even so.
            rt.block_on(async { file.write_all(b"written").await.unwrap() });
            let handle = rt.handle().clone();
            let ends = std::thread::spawn({
                drop(fault);
                move || drop(rt)
            });
            let _fault = kernel.refuse(Fault::of(SYS_clone3, ENOMEM));
            drop(end);
            ends.join().unwrap();
            // Each has an answer.
            let _ = Builder::new_current_thread().build().unwrap().block_on(async { (busy.await, late.await) });
            assert_eq!(std::fs::read(&path).unwrap(), b"written", "{flavor}");
            let after = handle.spawn_blocking(|| 1);
            let after = Builder::new_current_thread().build().unwrap().block_on(after);
            assert!(after.unwrap_err().is_cancelled());
        }
    }

    /// Nobody takes care of the shard meanwhile, and everything goes on afterwards.
    fn a_task_blocks_in_place() {
        let Some(kernel) = Kernel::asked(&[SYS_clone3]) else { return };
        let rt = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let fault = kernel.refuse(Fault::of(SYS_clone3, EAGAIN));
        let task = rt.spawn(async {
            let other = corelane::spawn(async { 2 });
            (task::block_in_place(|| 1), other.await.unwrap())
        });
        assert_eq!(rt.block_on(task).unwrap(), (1, 2));
        assert!(fault.count() > 0);
        drop(fault);
        let task = rt.spawn(async { task::block_in_place(|| 3) });
        assert_eq!(rt.block_on(task).unwrap(), 3);
        still_runs(&rt);
    }

    fn a_file_is_refused() {
        let Some(kernel) = Kernel::asked(&[SYS_openat, SYS_write]) else { return };
        let folder = scratch::Scratch::new();
        for (flavor, rt) in runtimes(1) {
            let path = folder.path(flavor);
            rt.block_on(async {
                let mut file = fs::File::create(&path).await.unwrap();
                for errno in [libc::EMFILE, libc::EACCES] {
                    let _fault = kernel.refuse(Fault::of(SYS_openat, errno));
                    for refused in [fs::read(&path).await.map(drop), fs::read_dir(folder.folder()).await.map(drop)] {
                        assert_eq!(refused.unwrap_err().raw_os_error(), Some(errno));
                    }
                }
                let fault = kernel.refuse(Fault::of(SYS_write, libc::ENOSPC).when(|args| args[2] == 4));
                file.write_all(b"lost").await.unwrap();
                assert_eq!(file.flush().await.unwrap_err().raw_os_error(), Some(libc::ENOSPC));
                assert_eq!(fault.count(), 1);
                drop(fault);
                file.write_all(b"kept").await.unwrap();
                file.flush().await.unwrap();
                assert_eq!(fs::read(&path).await.unwrap(), b"kept");
            });
        }
    }
}
