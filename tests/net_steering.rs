//! `[listen] steering = "least-connections"`: who gets a connection, and what becomes of it when listeners go.

use std::future::{pending, poll_fn};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream as Client};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{fs, thread};

use corelane::config::Config;
use corelane::io::{AsyncReadExt, AsyncWriteExt};
use corelane::net::{TcpListener, TcpStream};
use corelane::runtime::{Builder, Runtime};
use corelane::shard;

/// One test at a time: they count the process's descriptors.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn sharded(shards: usize) -> Runtime {
    let text = format!(
        "[placement]\nshards = {shards}\npin = \"none\"\n[listen]\nsteering = \"least-connections\"\n"
    );
    let config = Config::parse("conf.toml", &text).unwrap();
    Builder::new_sharded().config(config).enable_all().build().unwrap()
}

fn listeners(rt: &Runtime) -> (Vec<TcpListener>, SocketAddr) {
    let all = rt.block_on(TcpListener::bind_sharded("127.0.0.1:0")).unwrap();
    let addr = all[0].local_addr().unwrap();
    (all, addr)
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Each shard accepts from its listener, by `accept` or by `poll_accept`, and sends what it got.
fn accept_all(rt: &Runtime, all: Vec<TcpListener>, polls: bool) -> Receiver<(usize, TcpStream)> {
    let (sender, receiver) = channel();
    let _in = rt.enter();
    for (id, listener) in shard::ids().zip(all) {
        let sender: Sender<(usize, TcpStream)> = sender.clone();
        shard::spawn_on(id, move || async move {
            loop {
                let accepted = match polls {
                    true => poll_fn(|cx| listener.poll_accept(cx)).await,
                    false => listener.accept().await,
                };
                assert_eq!(shard::id(), id);
                if sender.send((id.index(), accepted.unwrap().0)).is_err() {
                    return;
                }
            }
        });
    }
    receiver
}

/// Connects one after the other, each once the one before was accepted.
fn connect(
    n: usize,
    addr: SocketAddr,
    accepted: &Receiver<(usize, TcpStream)>,
    held: &mut [Vec<(Client, TcpStream)>],
) {
    for _ in 0..n {
        let client = Client::connect(addr).unwrap();
        let (shard, stream) = accepted.recv().unwrap();
        assert_eq!(stream.peer_addr().unwrap(), client.local_addr().unwrap());
        held[shard].push((client, stream));
    }
}

#[test]
fn the_emptiest_shard_gets_the_next_connection() {
    let _alone = alone();
    for polls in [false, true] {
        let rt = sharded(2);
        let (all, addr) = listeners(&rt);
        let accepted = accept_all(&rt, all, polls);
        let mut held = [Vec::new(), Vec::new()];
        let lens = |held: &[Vec<_>; 2]| [held[0].len(), held[1].len()];
        connect(4, addr, &accepted, &mut held);
        assert_eq!(lens(&held), [2, 2]);
        held[1].clear();
        connect(2, addr, &accepted, &mut held);
        assert_eq!(lens(&held), [2, 2]);
        // One that is taken out counts no more.
        let (_client, stream) = held[0].pop().unwrap();
        let _taken_out = stream.into_std().unwrap();
        connect(1, addr, &accepted, &mut held);
        assert_eq!(lens(&held), [2, 2]);
        connect(60, addr, &accepted, &mut held);
        assert_eq!(lens(&held), [32, 32]);
    }
}

#[test]
fn one_listener_alone_takes_everything() {
    let _alone = alone();
    let rt = sharded(1);
    let (all, addr) = listeners(&rt);
    let accepted = accept_all(&rt, all, false);
    let mut held = [Vec::new()];
    connect(8, addr, &accepted, &mut held);
    assert_eq!(held[0].len(), 8);
}

#[test]
fn a_listener_that_is_gone_gets_nothing() {
    let _alone = alone();
    let rt = sharded(3);
    let (mut all, addr) = listeners(&rt);
    drop(all.remove(1).into_std().unwrap());
    drop(all.remove(1));
    let accepted = accept_all(&rt, all, false);
    let mut held = [Vec::new()];
    connect(40, addr, &accepted, &mut held);
    assert_eq!(held[0].len(), 40);
}

/// One shard's task has its listener and does not accept: what it is given waits, until the runtime ends. Each client comes to
/// know.
#[test]
fn connections_that_wait_are_closed_with_the_runtime() {
    let _alone = alone();
    let before = descriptors();
    let rt = sharded(2);
    let (mut all, addr) = listeners(&rt);
    let idle = all.pop().unwrap();
    let _in = rt.enter();
    shard::spawn_on(shard::ids().nth(1).unwrap(), move || async move {
        let _idle = idle;
        pending::<()>().await;
    });
    let accepted = accept_all(&rt, all, false);
    let clients: Vec<Client> = (0..64).map(|_| Client::connect(addr).unwrap()).collect();
    // The kernel gives the one that accepts some of so many.
    let stream = accepted.recv().unwrap();
    drop(_in);
    drop(rt);
    drop((accepted, stream));
    for mut client in clients {
        // The end, or a reset.
        assert!(!matches!(client.read(&mut [0]), Ok(1..)));
    }
    assert_eq!(descriptors(), before);
}

#[test]
fn connections_come_and_go_and_leave_nothing() {
    const CLIENTS: usize = 4;
    const EACH: usize = 400;
    let _alone = alone();
    let before = descriptors();
    let rt = sharded(2);
    let (all, addr) = listeners(&rt);
    {
        let _in = rt.enter();
        for (id, listener) in shard::ids().zip(all) {
            shard::spawn_on(id, move || async move {
                loop {
                    // A select that gives up: what it was given goes to the next call.
                    let accepted = corelane::select! {
                        biased;
                        accepted = listener.accept() => accepted,
                        () = corelane::task::yield_now() => continue,
                    };
                    let mut stream = accepted.unwrap().0;
                    corelane::task::spawn_local(async move {
                        let mut byte = [0];
                        while let Ok(1) = stream.read(&mut byte).await {
                            stream.write_all(&byte).await.unwrap();
                        }
                    });
                }
            });
        }
    }
    let client = move || {
        for n in 0..EACH {
            let mut client = Client::connect(addr).unwrap();
            let mut byte = [n as u8];
            client.write_all(&byte).unwrap();
            client.read_exact(&mut byte).unwrap();
            assert_eq!(byte, [n as u8]);
        }
    };
    let clients: Vec<_> = (0..CLIENTS).map(|_| thread::spawn(client)).collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
    drop(rt);
    assert_eq!(descriptors(), before);
}
