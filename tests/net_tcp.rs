//! TCP on every flavor of runtime.

#![expect(unsafe_code, reason = "takes a system call away from a thread")]

use std::future::Future;
use std::io::{ErrorKind, IoSlice};
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use corelane::config::Config;
use corelane::io::{AsyncReadExt, AsyncWriteExt};
use corelane::net::{TcpListener, TcpStream};
use corelane::runtime::{Builder, Runtime};
use corelane::sync::Notify;
use corelane::time::timeout;
use corelane::topology::{Plan, Topology};

fn each(f: impl Fn(Runtime)) {
    f(Builder::new_current_thread().enable_all().build().unwrap());
    f(Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());
    f(Builder::new_sharded().worker_threads(2).enable_all().build().unwrap());
}

async fn echo(mut stream: TcpStream) -> std::io::Result<u64> {
    let mut buffer = [0; 1024];
    let mut served = 0;
    loop {
        let n = stream.read(&mut buffer).await?;
        if n == 0 {
            return Ok(served);
        }
        stream.write_all(&buffer[..n]).await?;
        served += n as u64;
    }
}

#[test]
fn a_server_echoes_many_connections() {
    each(|rt| {
        rt.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let addr = listener.local_addr().unwrap();
            let server = corelane::spawn(async move {
                let mut tasks = Vec::new();
                for _ in 0..50 {
                    let (stream, _) = listener.accept().await.unwrap();
                    tasks.push(corelane::spawn(echo(stream)));
                }
                let mut served = 0;
                for task in tasks {
                    served += task.await.unwrap().unwrap();
                }
                served
            });
            let clients: Vec<_> = (0..50u8)
                .map(|n| {
                    corelane::spawn(async move {
                        let mut stream = TcpStream::connect(addr).await.unwrap();
                        for round in 0..20u8 {
                            let sent = [n ^ round; 64];
                            stream.write_all(&sent).await.unwrap();
                            let mut got = [0; 64];
                            stream.read_exact(&mut got).await.unwrap();
                            assert_eq!(got, sent);
                        }
                    })
                })
                .collect();
            for client in clients {
                client.await.unwrap();
            }
            assert_eq!(server.await.unwrap(), 50 * 20 * 64);
        });
    });
}

#[test]
fn a_root_future_that_keeps_waking_itself_does_not_starve_the_reactor() {
    each(|rt| {
        rt.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let addr = listener.local_addr().unwrap();
            let client = corelane::spawn(async move { echo(TcpStream::connect(addr).await.unwrap()).await });
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"ping").await.unwrap();
            let answer = corelane::spawn(async move {
                let mut got = [0; 4];
                stream.read_exact(&mut got).await.unwrap();
                got
            });
            while !answer.is_finished() {
                corelane::task::yield_now().await;
            }
            assert_eq!(&answer.await.unwrap(), b"ping");
            client.await.unwrap().unwrap();
        });
    });
}

#[test]
#[should_panic(expected = "A Tokio 1.x context was found, but IO is disabled.")]
fn io_has_to_be_enabled() {
    let rt = Builder::new_current_thread().enable_time().build().unwrap();
    rt.block_on(async { drop(TcpListener::bind("127.0.0.1:0").await) });
}

#[test]
fn listeners_want_what_comes_in_on_their_shards_cpu() {
    for (steering, steered) in [("reuseport", false), ("incoming-cpu", true)] {
        let text = format!("[placement]\nsmt = \"all\"\n[listen]\nsteering = \"{steering}\"");
        let config = Config::parse("conf.toml", &text).unwrap();
        let plan = Plan::new(&Topology::discover(), &config).unwrap();
        let rt = Builder::new_sharded().config(config).enable_all().build().unwrap();
        let listeners = rt.block_on(TcpListener::bind_sharded("127.0.0.1:0")).unwrap();
        assert_eq!(listeners.len(), plan.shards.len());
        for (listener, shard) in listeners.iter().zip(&plan.shards) {
            assert_eq!(listener.local_addr().unwrap(), listeners[0].local_addr().unwrap());
            let cpu = socket2::SockRef::from(listener).cpu_affinity().unwrap();
            assert_eq!(shard.cpus.iter().any(|own| *own as usize == cpu), steered, "{steering}");
        }
    }
}

/// From here on this thread gets no sockets for IPv6, as nobody does where the kernel has it switched off.
fn switch_ipv6_off() {
    let step = |code: u32, jt, jf, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    let load = |offset| step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset);
    let unless_equal = |k, skip| step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, skip, k);
    let answer = |k| step(libc::BPF_RET | libc::BPF_K, 0, 0, k);
    // At 0 is the call's number, at 16 its first argument.
    let mut filter = [
        load(0),
        unless_equal(libc::SYS_socket as u32, 3),
        load(16),
        unless_equal(libc::AF_INET6 as u32, 1),
        answer(libc::SECCOMP_RET_ERRNO | libc::EAFNOSUPPORT as u32),
        answer(libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: no pointers.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    // SAFETY: the kernel copies the program, which is valid.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) }, 0);
}

#[test]
fn an_address_that_there_is_no_socket_for_is_passed_over() {
    let thread = std::thread::spawn(|| {
        switch_ipv6_off();
        Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let both = ["[::1]:0", "127.0.0.1:0"].map(|addr| addr.parse().unwrap());
            let listener = TcpListener::bind(&both[..]).await.unwrap();
            let addr = listener.local_addr().unwrap();
            let both = [both[0], addr];
            let stream = TcpStream::connect(&both[..]).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap(), addr);
            // Alone it says why.
            let refused = TcpStream::connect(both[0]).await.unwrap_err();
            assert_eq!(refused.raw_os_error(), Some(libc::EAFNOSUPPORT));
        });
    });
    thread.join().unwrap();
}

#[test]
fn more_buffers_than_the_kernel_takes_are_no_sign_of_a_full_socket() {
    each(|rt| {
        rt.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let addr = listener.local_addr().unwrap();
            let (client, accepted) = corelane::join!(TcpStream::connect(addr), listener.accept());
            let (mut client, (mut server, _)) = (client.unwrap(), accepted.unwrap());
            let bufs = [IoSlice::new(b"x"); 3000];
            let mut written = 0;
            while written < bufs.len() {
                let polled = pin!(client.write_vectored(&bufs[written..]))
                    .poll(&mut Context::from_waker(Waker::noop()));
                let Poll::Ready(n) = polled else { panic!("there is room, and nobody would say so") };
                written += n.unwrap();
            }
            server.read_exact(&mut [0; 3000]).await.unwrap();
        });
    });
}

/// One after the other, and each is answered without having to wait for room.
#[test]
fn a_connection_has_seventy_thousand_requests() {
    let rt = Builder::new_current_thread().enable_all().build().unwrap();
    rt.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let served = corelane::spawn(async move { echo(listener.accept().await.unwrap().0).await });
        let mut client = TcpStream::connect(addr).await.unwrap();
        for n in 0..70_000 {
            client.write_all(b"request").await.unwrap();
            let mut answer = [0; 7];
            // Only a failure takes so long.
            let answered = timeout(Duration::from_secs(60), client.read_exact(&mut answer)).await;
            assert!(matches!(answered, Ok(Ok(7))), "request {n}: {answered:?}");
        }
        drop(client);
        assert_eq!(served.await.unwrap().unwrap(), 490_000);
    });
}

/// Owns the connection that it waits for, as the wakers of a queue of streams do.
#[derive(Default)]
struct Owner {
    stream: OnceLock<TcpStream>,
    woken: Notify,
}

impl Wake for Owner {
    fn wake(self: Arc<Self>) {
        self.woken.notify_one();
    }
}

/// The runtimes are those where the task that is woken can't run before the event has been dealt with.
#[test]
fn a_connection_that_its_waker_owns_is_closed_with_the_last_handle() {
    for mut builder in [Builder::new_current_thread(), Builder::new_sharded()] {
        let rt = builder.worker_threads(1).enable_all().build().unwrap();
        let served = rt.spawn(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let owner = Arc::<Owner>::default();
            owner.stream.set(listener.accept().await.unwrap().0).unwrap();
            let stream = owner.stream.get().unwrap();
            assert_eq!(stream.try_read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
            let waker = Waker::from(Arc::clone(&owner));
            assert!(stream.poll_read_ready(&mut Context::from_waker(&waker)).is_pending());
            drop(waker);
            client.write_all(b"x").await.unwrap();
            owner.woken.notified().await;
            assert_eq!(stream.try_read(&mut [0; 8]).unwrap(), 1);

            let left = Arc::downgrade(&owner);
            drop(owner);
            assert_eq!(left.strong_count(), 0, "somebody else keeps the connection open");
            assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
        });
        rt.block_on(served).unwrap();
    }
}
