//! Many of everything: a million tasks, ten thousand connections, and nothing left afterwards.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;

use corelane::io::{AsyncReadExt, AsyncWriteExt};
use corelane::net::{TcpListener, TcpStream};
use corelane::runtime::LocalRuntime;
use corelane::task;

/// The process's resident memory in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Both tests look at what the whole process holds.
static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

#[test]
fn a_million_idle_tasks_are_dropped_on_their_shard_and_their_memory_returned() {
    const TASKS: usize = 1_000_000;

    struct Guard(Rc<Cell<usize>>);
    impl Drop for Guard {
        fn drop(&mut self) {
            assert!(corelane::shard::try_id().is_some(), "inside of the shard");
            self.0.set(self.0.get() + 1);
        }
    }
    let _alone = ALONE.lock().unwrap_or_else(|poison| poison.into_inner());
    let dropped = Rc::new(Cell::new(0));
    let before = resident();
    let rt = LocalRuntime::new().unwrap();
    rt.block_on(async {
        for _ in 0..TASKS {
            let guard = Guard(dropped.clone());
            task::spawn_local(async move {
                pending::<()>().await;
                drop(guard);
            });
        }
        task::yield_now().await;
    });
    assert_eq!(rt.metrics().num_alive_tasks(), TASKS);
    let grown = resident() - before;
    assert!(grown > TASKS * 64, "a million tasks take memory: {grown}");
    drop(rt);
    assert_eq!(dropped.get(), TASKS);
    let kept = resident().saturating_sub(before);
    // What is left is the allocator's: the run queue and the list of what to cancel were vectors of a million.
    assert!(kept < grown / 4, "{kept} of {grown} bytes kept");
}

#[test]
fn ten_thousand_connections_on_one_shard_leave_no_file_behind() {
    let _alone = ALONE.lock().unwrap_or_else(|poison| poison.into_inner());
    // Both ends are here, so each connection takes two files.
    let connections = ((rlimit() - 100) / 2).min(10_000);
    let before = open_files();
    let rt = LocalRuntime::new().unwrap();
    rt.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let server = task::spawn_local(async move {
            for _ in 0..connections {
                let (mut stream, _) = listener.accept().await.unwrap();
                task::spawn_local(async move {
                    let mut buffer = [0; 64];
                    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                        if stream.write_all(&buffer[..read]).await.is_err() {
                            break;
                        }
                    }
                });
            }
            listener
        });
        let mut clients = Vec::with_capacity(connections);
        for _ in 0..connections {
            clients.push(TcpStream::connect(addr).await.unwrap());
        }
        let listener = server.await.unwrap();
        assert!(open_files() >= before + 2 * connections);
        for (n, client) in clients.iter_mut().enumerate() {
            client.write_all(&n.to_ne_bytes()).await.unwrap();
        }
        for (n, client) in clients.iter_mut().enumerate() {
            let mut answer = [0; size_of::<usize>()];
            client.read_exact(&mut answer).await.unwrap();
            assert_eq!(usize::from_ne_bytes(answer), n);
        }
        // Half of the clients leave in order, half by a reset; some connections wait in the dropped listener's queue.
        for client in clients.drain(..connections / 2) {
            client.set_zero_linger().unwrap();
        }
        let _waiting = TcpStream::connect(addr).await.unwrap();
        drop((clients, listener));
        while rt.metrics().num_alive_tasks() > 0 {
            task::yield_now().await;
        }
    });
    drop(rt);
    assert_eq!(open_files(), before);
}

/// How many files the process may open.
fn rlimit() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    line.split_whitespace().nth(3).unwrap().parse().unwrap()
}
