//! What a runtime counts, seen from outside.

use std::sync::mpsc;
use std::thread;

use corelane::io::{AsyncReadExt, AsyncWriteExt};
use corelane::net::UnixStream;
use corelane::runtime::Builder;
use corelane::task::{self, LocalSet, block_in_place, yield_now};

fn builders() -> [Builder; 3] {
    [Builder::new_current_thread(), Builder::new_multi_thread(), Builder::new_sharded()].map(|mut builder| {
        builder.worker_threads(2).enable_all();
        builder
    })
}

#[test]
fn all_spawns_are_counted() {
    for mut builder in builders() {
        let rt = builder.build().unwrap();
        let metrics = rt.metrics();
        assert_eq!(metrics.spawned_tasks_count(), 0);
        let first = rt.spawn({
            let metrics = metrics.clone();
            async move { metrics.spawned_tasks_count() }
        });
        assert_eq!(rt.block_on(first).unwrap(), 1);
        rt.block_on(async {
            corelane::spawn(async {
                for _ in 0..10 {
                    task::spawn(yield_now()).await.unwrap();
                }
                // Too large for a slot.
                let large = [1_u8; 20_000];
                task::spawn(async move {
                    yield_now().await;
                    assert_eq!(large.iter().map(|byte| usize::from(*byte)).sum::<usize>(), 20_000);
                })
                .await
                .unwrap();
            })
            .await
            .unwrap();
            // These are no tasks of the runtime's.
            task::spawn_blocking(|| ()).await.unwrap();
            LocalSet::new().run_until(async { task::spawn_local(yield_now()).await.unwrap() }).await;
        });
        assert_eq!(metrics.spawned_tasks_count(), 13);
        drop(rt);
        assert_eq!((metrics.spawned_tasks_count(), metrics.num_alive_tasks()), (13, 0));
    }
}

#[test]
fn a_spawn_counts_at_once_where_it_is_spawned() {
    for mut builder in builders() {
        let rt = builder.build().unwrap();
        let metrics = rt.metrics();
        rt.block_on(async {
            let counted = task::spawn(async move {
                let tasks: Vec<_> = (0..3).map(|_| task::spawn(async {})).collect();
                let counted = metrics.spawned_tasks_count();
                for task in tasks {
                    task.await.unwrap();
                }
                counted
            });
            assert_eq!(counted.await.unwrap(), 4);
        });
    }
}

#[test]
fn the_thread_of_a_current_thread_runtime_is_who_drove_it_last() {
    let rt = Builder::new_current_thread().build().unwrap();
    let metrics = rt.metrics();
    assert_eq!(metrics.worker_thread_id(0), None);
    let drive = || {
        rt.block_on(async {});
        thread::current().id()
    };
    assert_eq!(Some(drive()), metrics.worker_thread_id(0));
    let other = thread::scope(|scope| scope.spawn(drive).join().unwrap());
    assert_ne!(other, thread::current().id());
    assert_eq!(Some(other), metrics.worker_thread_id(0));
    assert_eq!(Some(drive()), metrics.worker_thread_id(0));
}

#[test]
fn a_worker_is_on_its_thread_and_while_that_blocks_on_another() {
    let rt = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let metrics = rt.metrics();
    let (began, has_begun) = mpsc::channel();
    let (end, ended) = mpsc::channel();
    let task = rt.spawn({
        let metrics = metrics.clone();
        async move {
            let own = thread::current().id();
            assert_eq!(metrics.worker_thread_id(0), Some(own));
            block_in_place(|| {
                began.send(()).unwrap();
                ended.recv().unwrap();
            });
            own
        }
    });
    has_begun.recv().unwrap();
    // It runs while the worker's own thread blocks.
    let stand_in = rt.block_on(rt.spawn(async { thread::current().id() })).unwrap();
    assert_eq!(metrics.worker_thread_id(0), Some(stand_in));
    end.send(()).unwrap();
    assert_ne!(rt.block_on(task).unwrap(), stand_in);
}

#[test]
fn what_the_kernel_watches_is_counted() {
    let rt = Builder::new_current_thread().enable_io().build().unwrap();
    let metrics = rt.metrics();
    let counts = || (metrics.io_driver_fd_registered_count(), metrics.io_driver_fd_deregistered_count());
    rt.block_on(async {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        other.write_all(b"x").await.unwrap();
        assert_eq!(one.read_u8().await.unwrap(), b'x');
        assert_eq!(counts(), (0, 0), "nobody had to wait");
        let writer = task::spawn(async move {
            other.write_all(b"y").await.unwrap();
            other
        });
        assert_eq!(one.read_u8().await.unwrap(), b'y');
        assert_eq!(counts(), (1, 0));
        drop(writer.await.unwrap());
        assert_eq!(counts(), (1, 0), "the writer did not wait");
    });
    assert_eq!(counts(), (1, 1));
}
