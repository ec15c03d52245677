//! Futures and closures of some hundred KiB, as main futures of servers are, on threads with the usual stack of 2 MiB. In a build
//! without optimization each call has a copy of its arguments there. One that overflows ends the process.

use std::hint::black_box;
use std::thread;

use corelane::runtime::{Builder, Handle, LocalRuntime, Runtime};
use corelane::task::{self, JoinSet, LocalSet};

const SIZE: usize = 384 << 10;

async fn large() -> usize {
    let bytes = [1u8; SIZE];
    task::yield_now().await;
    black_box(&bytes).iter().map(|&byte| usize::from(byte)).sum()
}

fn on_a_thread(test: impl FnOnce() -> usize + Send + 'static) {
    let thread = thread::Builder::new().stack_size(2 << 20).spawn(test).unwrap();
    assert_eq!(thread.join().unwrap(), SIZE);
}

fn runtimes() -> [Runtime; 3] {
    [
        Builder::new_current_thread().build().unwrap(),
        Builder::new_multi_thread().worker_threads(1).build().unwrap(),
        Builder::new_sharded().worker_threads(1).build().unwrap(),
    ]
}

#[test]
fn block_on_takes_them() {
    for runtime in runtimes() {
        on_a_thread(move || runtime.block_on(large()));
    }
    on_a_thread(|| LocalRuntime::new().unwrap().block_on(large()));
    on_a_thread(|| Runtime::new().unwrap().handle().block_on(large()));
    on_a_thread(|| LocalSet::new().block_on(&Runtime::new().unwrap(), large()));
}

#[test]
fn a_spawn_takes_them() {
    for runtime in runtimes() {
        on_a_thread(move || {
            let task = runtime.spawn(large());
            runtime.block_on(task).unwrap()
        });
    }
    for runtime in runtimes() {
        on_a_thread(move || runtime.block_on(async { task::spawn(large()).await.unwrap() }));
    }
    on_a_thread(|| {
        Runtime::new().unwrap().block_on(async { Handle::current().spawn(large()).await.unwrap() })
    });
    on_a_thread(|| {
        let mut set = JoinSet::new();
        Runtime::new().unwrap().block_on(async {
            set.spawn(large());
            set.join_next().await.unwrap().unwrap()
        })
    });
}

#[test]
fn a_local_spawn_takes_them() {
    on_a_thread(|| {
        LocalRuntime::new().unwrap().block_on(async { task::spawn_local(large()).await.unwrap() })
    });
    on_a_thread(|| {
        let runtime = LocalRuntime::new().unwrap();
        let task = runtime.spawn_local(large());
        runtime.block_on(task).unwrap()
    });
    on_a_thread(|| {
        let set = LocalSet::new();
        let task = set.spawn_local(large());
        set.block_on(&Runtime::new().unwrap(), task).unwrap()
    });
}

#[test]
fn the_pool_takes_large_closures() {
    const SIZE: usize = 192 << 10;
    on_a_thread(|| {
        let bytes = [2u8; SIZE];
        let sum = move || black_box(&bytes).iter().map(|&byte| usize::from(byte)).sum::<usize>();
        Runtime::new().unwrap().block_on(async { task::spawn_blocking(sum).await.unwrap() })
    });
}
