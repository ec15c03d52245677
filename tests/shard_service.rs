//! `Sharded`: one instance of a service a shard, through the public API.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use corelane::runtime::{Builder, Handle, LocalRuntime, Runtime};
use corelane::shard::{self, ShardId, Sharded};
use corelane::task;

const A: ShardId = ShardId(0);
const B: ShardId = ShardId(1);

fn sharded(shards: usize) -> Runtime {
    Builder::new_sharded().worker_threads(shards).enable_all().build().unwrap()
}

/// Where instances were dropped.
type Drops = Arc<Mutex<Vec<(ShardId, ThreadId)>>>;

/// A service that could not leave its shard, and notes where it is dropped.
struct Counter {
    id: ShardId,
    built_on: ThreadId,
    count: Rc<Cell<usize>>,
    names: RefCell<Vec<String>>,
    drops: Drops,
}

impl Counter {
    fn new(id: ShardId, drops: &Drops) -> Self {
        assert_eq!(shard::id(), id);
        let built_on = thread::current().id();
        Self { id, built_on, count: Rc::default(), names: RefCell::default(), drops: Arc::clone(drops) }
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        assert_eq!(shard::id(), self.id);
        assert_eq!(thread::current().id(), self.built_on);
        // In the runtime's context.
        let _ = Handle::current();
        self.drops.lock().unwrap().push((self.id, self.built_on));
    }
}

async fn counters(drops: &Drops) -> Sharded<Counter> {
    let drops = Arc::clone(drops);
    Sharded::new(move |id| Counter::new(id, &drops)).await.unwrap()
}

fn assert_dropped_once_each(drops: &Drops, shards: usize) {
    let mut drops = drops.lock().unwrap().clone();
    drops.sort_by_key(|(id, _)| *id);
    assert_eq!(drops.iter().map(|(id, _)| id.index()).collect::<Vec<_>>(), (0..shards).collect::<Vec<_>>());
    let mut threads: Vec<_> = drops.iter().map(|(_, thread)| format!("{thread:?}")).collect();
    threads.sort();
    threads.dedup();
    assert_eq!(threads.len(), shards);
}

#[test]
fn the_handle_is_send_and_sync_whatever_the_service_is() {
    fn check<T: Clone + Send + Sync + 'static>() {}
    check::<Sharded<Rc<RefCell<*const ()>>>>();
}

#[test]
fn closures_reach_the_instance_of_their_shard() {
    for rt in [sharded(3), Builder::new_multi_thread().worker_threads(3).build().unwrap()] {
        let drops = Drops::default();
        rt.block_on(async {
            let service = counters(&drops).await;
            for id in shard::ids() {
                for _ in 0..=id.index() {
                    service
                        .invoke_on(id, |counter| counter.count.set(counter.count.get() + 1))
                        .await
                        .unwrap();
                }
            }
            let all = service.invoke_on_all(|counter| (counter.id, counter.count.get())).await.unwrap();
            assert_eq!(all, [(ShardId(0), 1), (ShardId(1), 2), (ShardId(2), 3)]);
            let text = service.map_reduce(
                |counter| counter.count.get(),
                String::new(),
                |text, count| text + &count.to_string(),
            );
            assert_eq!(text.await.unwrap(), "123", "in the order of the shards");
            service.stop().await.unwrap();
            assert_dropped_once_each(&drops, 3);
        });
    }
}

#[test]
fn the_own_instance_is_at_hand() {
    let rt = sharded(2);
    rt.block_on(async {
        let service = counters(&Drops::default()).await;
        assert!(service.local().is_none(), "on no shard");
        let inner = service.clone();
        let task = shard::spawn_on(B, || async move {
            inner.with(|counter| {
                assert_eq!(counter.id, B);
                // Closures may nest.
                inner.with(|same| same.count.set(7));
                assert_eq!(counter.count.get(), 7);
            });
            let instance = inner.local().unwrap();
            task::yield_now().await;
            instance.count.set(8);
            inner.invoke_on(B, |counter| counter.count.get()).await.unwrap()
        });
        assert_eq!(task.await.unwrap(), 8);
    });
}

#[test]
fn futures_may_hold_the_instance() {
    let rt = sharded(2);
    let drops = Drops::default();
    rt.block_on(async {
        let service = counters(&drops).await;
        for id in [A, B] {
            let names = service.invoke_on_async(id, move |counter| async move {
                for n in 0..3 {
                    task::yield_now().await;
                    counter.names.borrow_mut().push(format!("{}.{n}", id.index()));
                }
                let names = counter.names.borrow();
                names.join(" ")
            });
            let id = id.index();
            assert_eq!(names.await.unwrap(), format!("{id}.0 {id}.1 {id}.2"));
        }
        // A future that runs on when the service stops keeps its instance, and no other.
        let (open, opened) = std::sync::mpsc::channel::<()>();
        let (reached, reaches) = std::sync::mpsc::channel();
        let held = service.clone();
        let running = corelane::spawn(async move {
            let call = held.invoke_on_async(A, move |counter| async move {
                reached.send(()).unwrap();
                while opened.try_recv().is_err() {
                    task::yield_now().await;
                }
                counter.id
            });
            call.await
        });
        task::spawn_blocking(move || reaches.recv().unwrap()).await.unwrap();
        service.stop().await.unwrap();
        assert_eq!(drops.lock().unwrap().iter().map(|(id, _)| *id).collect::<Vec<_>>(), [B]);
        open.send(()).unwrap();
        assert_eq!(running.await.unwrap().unwrap(), A);
    });
    drop(rt);
    assert_dropped_once_each(&drops, 2);
}

#[test]
fn a_stopped_service_says_so() {
    let rt = sharded(2);
    let drops = Drops::default();
    rt.block_on(async {
        let service = counters(&drops).await;
        let other = service.clone();
        service.stop().await.unwrap();
        assert_dropped_once_each(&drops, 2);
        other.stop().await.unwrap();
        let error = other.invoke_on(A, |_| ()).await.unwrap_err();
        assert!(error.is_stopped());
        assert_eq!(error.to_string(), "the sharded service is stopped");
        assert!(other.invoke_on_async(B, |_| async {}).await.unwrap_err().is_stopped());
        assert!(other.invoke_on_all(|_| ()).await.unwrap_err().is_stopped());
        let local = shard::spawn_on(A, move || async move { other.local().is_none() });
        assert!(local.await.unwrap());
    });
}

#[test]
fn the_last_handle_takes_the_instances_along() {
    let rt = sharded(3);
    let drops = Drops::default();
    let service = rt.block_on(counters(&drops));
    let clone = service.clone();
    drop(service);
    rt.block_on(async {
        assert_eq!(clone.invoke_on_all(|counter| counter.id.index()).await.unwrap(), [0, 1, 2]);
    });
    assert!(drops.lock().unwrap().is_empty());
    // From a thread that is in no runtime.
    thread::spawn(move || drop(clone)).join().unwrap();
    rt.block_on(async {
        for id in shard::ids() {
            shard::spawn_on(id, || async {}).await.unwrap();
        }
    });
    assert_dropped_once_each(&drops, 3);
}

#[test]
fn the_last_handle_may_drop_on_a_shard() {
    let rt = sharded(2);
    let drops = Drops::default();
    let service = rt.block_on(counters(&drops));
    let ended = rt.handle().spawn_on(B, move || async move {
        {
            let counter = service.local().unwrap();
            drop(service);
            counter.count.set(1);
        }
        task::yield_now().await;
    });
    rt.block_on(ended).unwrap();
    rt.block_on(async {
        for id in shard::ids() {
            shard::spawn_on(id, || async {}).await.unwrap();
        }
    });
    assert_dropped_once_each(&drops, 2);
}

#[test]
fn instances_go_with_the_runtime() {
    let rt = sharded(3);
    let drops = Drops::default();
    let service = rt.block_on(counters(&drops));
    drop(rt);
    assert_dropped_once_each(&drops, 3);
    let other = Builder::new_current_thread().build().unwrap();
    other.block_on(async {
        assert!(service.local().is_none());
        assert!(service.invoke_on(A, |_| ()).await.unwrap_err().is_closed());
        assert!(service.invoke_on_all(|_| ()).await.unwrap_err().is_closed());
        service.stop().await.unwrap();
    });
    drop(service);
    assert_dropped_once_each(&drops, 3);
}

#[test]
fn instances_that_hold_a_handle_go_too() {
    struct Peer {
        others: RefCell<Option<Sharded<Peer>>>,
        drops: Arc<AtomicUsize>,
    }
    impl Drop for Peer {
        fn drop(&mut self) {
            assert!(self.others.borrow().as_ref().unwrap().local().is_none(), "not found while it drops");
            self.drops.fetch_add(1, SeqCst);
        }
    }
    for stop in [true, false] {
        let rt = sharded(2);
        let drops = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&drops);
        rt.block_on(async {
            let make = move |_| Peer { others: RefCell::default(), drops: Arc::clone(&count) };
            let service = Sharded::new(make).await.unwrap();
            let others = service.clone();
            service
                .invoke_on_all(move |peer| *peer.others.borrow_mut() = Some(others.clone()))
                .await
                .unwrap();
            if stop {
                service.stop().await.unwrap();
                assert_eq!(drops.load(SeqCst), 2);
            }
        });
        drop(rt);
        assert_eq!(drops.load(SeqCst), 2);
    }
}

#[test]
fn a_panic_while_building_undoes_the_rest() {
    let rt = sharded(3);
    let drops = Drops::default();
    let built = Arc::clone(&drops);
    let error = rt.block_on(async {
        let made = Sharded::new(move |id| {
            assert_ne!(id, B, "not here");
            Counter::new(id, &built)
        });
        made.await.unwrap_err()
    });
    assert!(error.to_string().contains("not here"), "{error}");
    let dropped: Vec<_> = drops.lock().unwrap().iter().map(|(id, _)| id.index()).collect();
    assert_eq!(dropped.iter().sum::<usize>(), 2);
    assert_eq!(dropped.len(), 2);
}

#[test]
fn giving_up_building_undoes_it() {
    let rt = sharded(2);
    let drops = Drops::default();
    rt.block_on(async {
        let mut building = Box::pin(counters(&drops));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        if let std::task::Poll::Ready(service) = building.as_mut().poll(&mut cx) {
            service.stop().await.unwrap();
        }
        drop(building);
        // Twice, since the first builds and the second drops.
        for id in shard::ids().chain(shard::ids()) {
            shard::spawn_on(id, || async {}).await.unwrap();
        }
    });
    assert_dropped_once_each(&drops, 2);
}

#[test]
fn stop_reports_a_panic_of_a_drop() {
    struct Sore(ShardId, Arc<AtomicUsize>);
    impl Drop for Sore {
        fn drop(&mut self) {
            self.1.fetch_add(1, SeqCst);
            if self.0 == B {
                panic!("sore");
            }
        }
    }
    let rt = sharded(3);
    let drops = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&drops);
    let error = rt.block_on(async {
        let service = Sharded::new(move |id| Sore(id, Arc::clone(&count))).await.unwrap();
        service.stop().await.unwrap_err()
    });
    assert_eq!(error.to_string(), "the call panicked with message \"sore\"");
    assert_eq!(drops.load(SeqCst), 3);
}

#[test]
fn a_panic_in_a_closure_leaves_the_instance() {
    let rt = sharded(2);
    rt.block_on(async {
        let service = counters(&Drops::default()).await;
        assert!(service.invoke_on(B, |_| panic!("once")).await.unwrap_err().is_panic());
        assert_eq!(service.invoke_on(B, |counter| counter.id).await.unwrap(), B);
    });
}

#[test]
fn a_local_runtime_has_one_instance() {
    let drops = Drops::default();
    let rt = LocalRuntime::new().unwrap();
    let service = rt.block_on(async {
        let service = counters(&drops).await;
        service.with(|counter| counter.count.set(3));
        assert_eq!(service.invoke_on_all(|counter| counter.count.get()).await.unwrap(), [3]);
        service
    });
    drop(rt);
    assert_dropped_once_each(&drops, 1);
    drop(service);
}

#[test]
fn services_of_two_runtimes_do_not_mix() {
    let (one, two) = (sharded(2), sharded(2));
    let make = |text: &'static str| Sharded::new(move |_| Rc::new(text));
    let first = one.block_on(async { make("one").await.unwrap() });
    let second = two.block_on(async { make("two").await.unwrap() });
    let task = one.handle().spawn_on(A, move || async move {
        assert!(second.local().is_none(), "shard 0, but of another runtime");
        assert_eq!(first.with(|text| **text), "one");
        second.invoke_on(A, |text| **text).await.unwrap()
    });
    assert_eq!(one.block_on(task).unwrap(), "two");
}
