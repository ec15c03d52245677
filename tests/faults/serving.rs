//! A server whose kernel refuses: who asked is told, and what it had goes on.

#![expect(deprecated, reason = "the constructors of `AsyncFd` that most programs use")]

use std::future::pending;
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::{io, thread};

use corelane::config::Config;
use corelane::io::unix::AsyncFd;
use corelane::io::{AsyncReadExt, AsyncWriteExt};
use corelane::net::unix::pipe;
use corelane::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream};
use corelane::runtime::Builder;
use corelane::signal::unix::{SignalKind, signal};
use corelane::task::block_in_place;
use corelane::time::{Duration, Instant, sleep};
use libc::{
    EACCES, EBADF, ECONNABORTED, EINTR, EINVAL, EMFILE, ENETUNREACH, ENFILE, ENOBUFS, ENOMEM, ENOPROTOOPT,
    ENOSPC, ENOTCONN, EPERM, EPOLL_CTL_ADD, EPOLL_CTL_DEL, SYS_accept4, SYS_bind, SYS_connect, SYS_epoll_ctl,
    SYS_epoll_wait, SYS_getsockopt, SYS_listen, SYS_read, SYS_recvfrom, SYS_sendto, SYS_setsockopt,
    SYS_shutdown, SYS_socket, SYS_timerfd_settime, SYS_write,
};

use super::kernel::{Args, Fault, Kernel};
use super::{Ended, alone, builders, listen_to_panics, runtimes, said, scratch, still_runs, threads};

fn adds(args: &Args) -> bool {
    args[1] == EPOLL_CTL_ADD as u64
}

#[track_caller]
fn refused<T>(result: io::Result<T>, errno: i32) {
    assert_eq!(result.err().expect("it is refused").raw_os_error(), Some(errno));
}

/// A byte from one to the other.
async fn connected(mut from: impl AsyncWriteExt + Unpin, mut to: impl AsyncReadExt + Unpin) {
    from.write_u8(7).await.unwrap();
    assert_eq!(to.read_u8().await.unwrap(), 7);
}

alone! {
    fn a_connection_is_not_given_and_then_is() {
        let Some(kernel) = Kernel::asked(&[SYS_accept4]) else { return };
        let folder = scratch::Scratch::new();
        for (flavor, rt) in runtimes(2) {
            let path = folder.path(flavor);
            rt.block_on(async {
                let there = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let unix = UnixListener::bind(&path).unwrap();
                for errno in [EMFILE, ENFILE, ENOBUFS, ENOMEM, ECONNABORTED, EPERM] {
                    // It is there already.
                    let client = TcpStream::connect(there.local_addr().unwrap()).await.unwrap();
                    let fault = kernel.refuse(Fault::of(SYS_accept4, errno).times(1));
                    refused(there.accept().await, errno);
                    connected(client, there.accept().await.unwrap().0).await;
                    drop(fault);
                    // It comes while the listener waits: the first try finds nothing.
                    let waits = TcpListener::bind("127.0.0.1:0").await.unwrap();
                    let fault = kernel.refuse(Fault::of(SYS_accept4, errno).after(1).times(1));
                    let connect = TcpStream::connect(waits.local_addr().unwrap());
                    let (taken, client) = corelane::join!(biased; waits.accept(), connect);
                    refused(taken, errno);
                    connected(client.unwrap(), waits.accept().await.unwrap().0).await;
                    drop(fault);
                    let fault = kernel.refuse(Fault::of(SYS_accept4, errno).times(1));
                    let client = UnixStream::connect(&path).await.unwrap();
                    refused(unix.accept().await, errno);
                    connected(client, unix.accept().await.unwrap().0).await;
                    assert_eq!(fault.count(), 1);
                }
                let fault = kernel.refuse(Fault::of(SYS_accept4, EINTR).times(3));
                let client = TcpStream::connect(there.local_addr().unwrap()).await.unwrap();
                connected(client, there.accept().await.unwrap().0).await;
                assert_eq!(fault.count(), 3);
            });
        }
    }

    /// Where a connection may be handed to another listener.
    fn a_connection_is_not_given_to_a_group() {
        let Some(kernel) = Kernel::asked(&[SYS_accept4]) else { return };
        let mut builder = Builder::new_sharded();
        builder.worker_threads(2).enable_all();
        builder.config(Config::parse("test", "[listen]\nsteering = \"least-connections\"").unwrap());
        let rt = builder.build().unwrap();
        rt.block_on(async {
            let all = TcpListener::bind_sharded("127.0.0.1:0").await.unwrap();
            let addr = all[0].local_addr().unwrap();
            let next = || async {
                corelane::select! {
                    taken = all[0].accept() => taken,
                    taken = all[1].accept() => taken,
                }
            };
            for errno in [EMFILE, ENOBUFS, ECONNABORTED] {
                for after in 0..2 {
                    let fault = kernel.refuse(Fault::of(SYS_accept4, errno).after(after).times(1));
                    let client = TcpStream::connect(addr).await.unwrap();
                    let mut taken = next().await;
                    if fault.count() == 1 && taken.is_err() {
                        refused(taken, errno);
                        taken = next().await;
                    }
                    connected(client, taken.unwrap().0).await;
                }
            }
        });
    }

    fn nothing_can_be_watched_and_then_can() {
        let Some(kernel) = Kernel::asked(&[SYS_epoll_ctl]) else { return };
        for (_, rt) in runtimes(2) {
            for errno in [ENOSPC, ENOMEM] {
                rt.block_on(async {
                    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                    let addr = listener.local_addr().unwrap();
                    let (client, mut server) = corelane::join!(TcpStream::connect(addr), listener.accept());
                    let (client, server) = (client.unwrap(), &mut server.as_mut().unwrap().0);
                    let idle = TcpListener::bind("127.0.0.1:0").await.unwrap();
                    let (mut a, mut b) = UnixStream::pair().unwrap();
                    let (c, d) = UnixDatagram::pair().unwrap();
                    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                    let (sender, mut receiver) = pipe::pipe().unwrap();
                    let mut buf = [0; 8];

                    let fault = kernel.refuse(Fault::of(SYS_epoll_ctl, errno).when(adds));
                    refused(server.read(&mut buf).await, errno);
                    refused(server.readable().await, errno);
                    refused(server.try_read(&mut buf), errno);
                    refused(idle.accept().await, errno);
                    refused(TcpStream::connect(addr).await, errno);
                    refused(a.read(&mut buf).await, errno);
                    refused(c.recv(&mut buf).await, errno);
                    refused(udp.recv_from(&mut buf).await, errno);
                    refused(receiver.read(&mut buf).await, errno);
                    refused(signal(SignalKind::user_defined1()), errno);
                    let file = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
                    let number = file.as_raw_fd();
                    let (file, error) = AsyncFd::try_new(file).err().unwrap().into_parts();
                    assert_eq!((file.as_raw_fd(), error.raw_os_error()), (number, Some(errno)));
                    assert_eq!(fault.count(), 11);
                    drop(fault);

                    connected(client, server).await;
                    let (client, taken) = corelane::join!(TcpStream::connect(idle.local_addr().unwrap()), idle.accept());
                    connected(client.unwrap(), taken.unwrap().0).await;
                    corelane::join!(connected(&mut b, &mut a), connected(sender, &mut receiver));
                    let (got, sent) = corelane::join!(biased; c.recv(&mut buf), d.send(b"sent"));
                    assert_eq!((got.unwrap(), sent.unwrap()), (4, 4));
                    drop(AsyncFd::new(file).unwrap());
                    drop(signal(SignalKind::user_defined1()).unwrap());
                });
                still_runs(&rt);
            }
        }
    }

    fn nothing_can_be_taken_out_of_the_reactor() {
        let Some(kernel) = Kernel::asked(&[SYS_epoll_ctl]) else { return };
        for (flavor, rt) in runtimes(2) {
            let deletes = |args: &Args| args[1] == EPOLL_CTL_DEL as u64;
            let fault = kernel.refuse(Fault::of(SYS_epoll_ctl, ENOMEM).when(deletes));
            for _ in 0..3 {
                rt.block_on(async {
                    let (mut a, b) = UnixStream::pair().unwrap();
                    let fd = AsyncFd::new(a.as_raw_fd()).ok();
                    connected(b, &mut a).await;
                    drop(fd);
                });
                still_runs(&rt);
            }
            assert!(fault.count() > 0, "{flavor}");
        }
    }

    fn a_wait_is_interrupted() {
        let Some(kernel) = Kernel::asked(&[SYS_epoll_wait]) else { return };
        for (flavor, rt) in runtimes(2) {
            let fault = kernel.refuse(Fault::of(SYS_epoll_wait, EINTR).times(50));
            let start = Instant::now();
            rt.block_on(rt.spawn(async { sleep(Duration::from_millis(5)).await })).unwrap();
            assert!(start.elapsed() >= Duration::from_millis(5), "{flavor}");
            still_runs(&rt);
            assert!(fault.count() > 0, "{flavor}");
        }
    }

    /// The thread that drives the shard ends with a word, its tasks are cancelled, and nobody waits for them for ever.
    fn a_shard_can_not_wait() {
        let Some(kernel) = Kernel::asked(&[SYS_epoll_wait]) else { return };
        listen_to_panics();
        const TEXT: &str = "the kernel refuses to wait for events";
        for errno in [EBADF, EINVAL] {
            for (flavor, rt) in runtimes(1) {
                let before = said(TEXT);
                let task = rt.spawn(pending::<()>());
                let timer = rt.spawn(async { sleep(Duration::from_secs(1_000)).await });
                let fault = kernel.refuse(Fault::of(SYS_epoll_wait, errno));
                // A shard that sleeps already has to be woken to be refused.
                let run = catch_unwind(AssertUnwindSafe(|| rt.block_on(async {
                    let _ = rt.spawn(async {}).await;
                    corelane::join!(task, timer)
                })));
                match run {
                    Ok((task, timer)) => {
                        assert!(task.unwrap_err().is_cancelled() && timer.unwrap_err().is_cancelled(), "{flavor}");
                        let late = rt.block_on(rt.spawn(async {}));
                        assert!(late.unwrap_err().is_cancelled(), "{flavor}");
                    }
                    Err(_) => assert_eq!(flavor, "current_thread"),
                }
                drop(rt);
                assert!(fault.count() > 0 && said(TEXT) > before, "{flavor}");
            }
        }
    }

    fn one_of_two_shards_can_not_wait() {
        let Some(kernel) = Kernel::asked(&[SYS_epoll_wait]) else { return };
        for (flavor, rt) in runtimes(2).skip(1) {
            let before = threads::living().count();
            let fault = kernel.refuse(Fault::of(SYS_epoll_wait, EBADF).times(1));
            // Which wakes them now and then, and may itself be what the dying one has to cancel.
            while threads::living().count() == before {
                let _ = rt.block_on(rt.spawn(async {}));
            }
            assert_eq!(fault.count(), 1, "{flavor}");
            for _ in 0..10 {
                still_runs(&rt);
            }
        }
    }

    /// What it was to take care of waits for the owner, and the next loan finds another one.
    fn a_stand_in_can_not_wait() {
        let Some(kernel) = Kernel::asked(&[SYS_epoll_wait]) else { return };
        listen_to_panics();
        let rt = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        for _ in 0..2 {
            let (lent, is_lent) = mpsc::channel();
            let (go, goes) = mpsc::channel::<()>();
            let blocks = rt.spawn(async move {
                block_in_place(|| {
                    lent.send(()).unwrap();
                    goes.recv().unwrap();
                });
            });
            is_lent.recv().unwrap();
            let before = said("the kernel refuses to wait for events");
            let fault = kernel.refuse(Fault::of(SYS_epoll_wait, EBADF).times(1));
            let mut tasks = Vec::new();
            // Which wake it, if it sleeps already.
            while fault.count() == 0 {
                tasks.push(rt.spawn(async {}));
                thread::yield_now();
            }
            while said("the kernel refuses to wait for events") == before {
                thread::yield_now();
            }
            let left = rt.spawn(async { 7 });
            go.send(()).unwrap();
            rt.block_on(blocks).unwrap();
            tasks.into_iter().for_each(|task| rt.block_on(task).unwrap());
            assert_eq!(rt.block_on(left).unwrap(), 7);
            still_runs(&rt);
        }
    }

    fn a_fine_timer_is_refused() {
        let Some(kernel) = Kernel::asked(&[SYS_timerfd_settime]) else { return };
        for (flavor, mut builder) in builders(1) {
            builder.config(Config::parse("test", "[timer]\nresolution_us = 100").unwrap());
            let rt = builder.build().unwrap();
            let fault = kernel.refuse(Fault::of(SYS_timerfd_settime, EINVAL));
            let start = Instant::now();
            rt.block_on(rt.spawn(async { sleep(Duration::from_micros(5_500)).await })).unwrap();
            assert!(start.elapsed() >= Duration::from_micros(5_500), "{flavor}");
            assert!(fault.count() > 0, "{flavor}");
            drop(fault);
            still_runs(&rt);
        }
    }

    fn a_socket_is_refused() {
        let calls = [SYS_socket, SYS_bind, SYS_listen, SYS_connect, SYS_getsockopt, SYS_setsockopt];
        let Some(kernel) = Kernel::asked(&calls) else { return };
        let folder = scratch::Scratch::new();
        for (flavor, rt) in runtimes(1) {
            rt.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let addr = listener.local_addr().unwrap();
                for (call, errno) in [(SYS_socket, EMFILE), (SYS_socket, ENFILE), (SYS_socket, ENOBUFS), (SYS_bind, EACCES)] {
                    let _fault = kernel.refuse(Fault::of(call, errno));
                    refused(TcpListener::bind("127.0.0.1:0").await, errno);
                    refused(UdpSocket::bind("127.0.0.1:0").await, errno);
                    refused(UnixListener::bind(folder.path("refused")), errno);
                    refused(TcpListener::bind_sharded("127.0.0.1:0").await, errno);
                }
                for (call, errno) in [(SYS_listen, EACCES), (SYS_setsockopt, ENOPROTOOPT)] {
                    let _fault = kernel.refuse(Fault::of(call, errno));
                    refused(TcpListener::bind("127.0.0.1:0").await, errno);
                }
                for (call, errno) in [(SYS_socket, EMFILE), (SYS_connect, ENETUNREACH), (SYS_connect, EPERM), (SYS_getsockopt, ENOBUFS)] {
                    let fault = kernel.refuse(Fault::of(call, errno));
                    refused(TcpStream::connect(addr).await, errno);
                    assert!(fault.count() > 0, "{flavor}");
                }
                drop(TcpStream::connect(addr).await.unwrap());
            });
        }
    }

    fn the_end_of_a_stream_is_refused() {
        let Some(kernel) = Kernel::asked(&[SYS_shutdown]) else { return };
        for (_, rt) in runtimes(1) {
            rt.block_on(async {
                let fault = kernel.refuse(Fault::of(SYS_shutdown, ENOTCONN));
                let (mut a, b) = UnixStream::pair().unwrap();
                a.shutdown().await.unwrap();
                drop(b.into_split());
                drop(fault);
                let fault = kernel.refuse(Fault::of(SYS_shutdown, EINVAL));
                refused(a.shutdown().await, EINVAL);
                let (c, d) = UnixStream::pair().unwrap();
                drop(c.into_split());
                assert_eq!(fault.count(), 2);
                // Closed all the same.
                let mut rest = Vec::new();
                assert_eq!({ d }.read_to_end(&mut rest).await.unwrap(), 0);
            });
        }
    }

    fn transfers_are_interrupted() {
        let calls = [SYS_read, SYS_write, SYS_recvfrom, SYS_sendto];
        let Some(kernel) = Kernel::asked(&calls) else { return };
        for (flavor, rt) in runtimes(2) {
            let faults = calls.map(|call| kernel.refuse(Fault::of(call, EINTR).times(5)));
            rt.block_on(async {
                let (mut a, mut b) = UnixStream::pair().unwrap();
                connected(&mut a, &mut b).await;
                let (mut sender, mut receiver) = pipe::pipe().unwrap();
                connected(&mut sender, &mut receiver).await;
                let (one, other) =
                    (UdpSocket::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("127.0.0.1:0").await.unwrap());
                let mut buf = [0; 8];
                one.send_to(b"sent", other.local_addr().unwrap()).await.unwrap();
                assert_eq!(other.recv_from(&mut buf).await.unwrap().0, 4);
            });
            assert!(faults.iter().all(|fault| fault.count() == 5), "{flavor}");
        }
    }
}

/// What was handed to the shard would be lost, so the process ends with a word.
#[test]
fn a_wake_is_refused() {
    let ended = super::run_alone("faults::serving::a_wake_is_refused", || {
        let Some(kernel) = Kernel::asked(&[SYS_write]) else { return };
        let rt = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let _fault = kernel.refuse(Fault::of(SYS_write, EBADF).when(|args| args[2] == 8));
        // Until it sleeps it needs no wake.
        loop {
            drop(rt.spawn(async {}));
            thread::yield_now();
        }
    });
    if let Some(Ended { status, printed }) = ended {
        let aborted = status.signal() == Some(libc::SIGABRT)
            && printed.contains("the kernel refuses to wake a shard: ");
        assert!(aborted || printed.contains("skipped: "), "{status}: {printed}");
    }
}
