//! The primitives of one shard behave as those of all threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Wake};

use corelane::local::{Mutex, Notify, RwLock, Semaphore};
use corelane::task::{spawn_local, yield_now};

fn run<F: Future<Output: 'static> + 'static>(future: F) -> F::Output {
    let runtime = corelane::runtime::LocalRuntime::new().unwrap();
    runtime.block_on(future)
}

#[test]
fn a_mutex_is_handed_over_in_order() {
    run(async {
        let log = Rc::new(Mutex::new(Vec::new()));
        let guard = log.lock().await;
        let tasks: Vec<_> = (0..4)
            .map(|n| {
                let log = log.clone();
                spawn_local(async move {
                    let mut log = log.lock().await;
                    yield_now().await;
                    log.push(n);
                })
            })
            .collect();
        yield_now().await;
        assert!(log.try_lock().is_err());
        drop(guard);
        assert!(log.try_lock().is_err(), "handed over, not put up for grabs");
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*log.lock().await, [0, 1, 2, 3]);
    });
}

#[test]
fn permits_and_notifications_are_not_lost() {
    run(async {
        let shared = Rc::new((Semaphore::new(1), Notify::new()));
        let waiting = spawn_local({
            let shared = shared.clone();
            async move {
                let permit = shared.0.acquire_many(3).await.unwrap();
                shared.1.notify_one();
                permit.num_permits()
            }
        });
        yield_now().await;
        assert_eq!(shared.0.available_permits(), 0);
        shared.0.add_permits(2);
        shared.1.notified().await;
        assert_eq!(waiting.await.unwrap(), 3);
        assert_eq!(shared.0.available_permits(), 3);
        shared.0.close();
        assert!(shared.0.acquire().await.is_err());
    });
}

#[test]
fn aborted_tasks_pass_on_what_they_got() {
    run(async {
        let notify = Rc::new(Notify::new());
        let wait = |notify: &Rc<Notify>| {
            let notify = notify.clone();
            spawn_local(async move { notify.notified().await })
        };
        let (first, second) = (wait(&notify), wait(&notify));
        yield_now().await;
        notify.notify_one();
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        second.await.unwrap();
    });
}

#[test]
fn a_writer_who_waits_lets_no_later_reader_pass() {
    run(async {
        let lock = Rc::new(RwLock::new(0));
        let reading = lock.read().await;
        let writer = spawn_local({
            let lock = lock.clone();
            async move { *lock.write().await += 1 }
        });
        yield_now().await;
        assert!(lock.try_read().is_err());
        drop(reading);
        assert_eq!(*lock.read().await, 1);
        writer.await.unwrap();
        let reading = lock.write().await.downgrade();
        assert_eq!(*lock.try_read().unwrap(), *reading);
    });
}

#[test]
fn a_downgrade_whose_waker_panics_leaves_no_permit_behind() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("woken");
        }
    }

    let lock = RwLock::new(());
    let writing = lock.try_write().unwrap();
    let mut waits = Box::pin(lock.read());
    assert!(waits.as_mut().poll(&mut Context::from_waker(&Arc::new(Panics).into())).is_pending());
    assert!(catch_unwind(AssertUnwindSafe(|| writing.downgrade())).is_err());
    drop(waits);
    assert!(lock.try_write().is_ok());
}
