//! Who gets what, and when: order, hand-over, giving up. Polled by hand, without a runtime.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as StdMutex, Weak};
use std::task::{Context, Poll, Wake, Waker};

use corelane::sync::{
    Barrier, Mutex, Notify, OnceCell, OwnedMutexGuard, OwnedRwLockWriteGuard, RwLock, Semaphore, SetOnce,
};

/// Counts wakes.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A future, polled by hand.
struct Task<'a, T> {
    future: Pin<Box<dyn Future<Output = T> + 'a>>,
    wakes: Arc<Wakes>,
}

fn task<'a, T>(future: impl Future<Output = T> + 'a) -> Task<'a, T> {
    Task { future: Box::pin(future), wakes: Arc::default() }
}

impl<T> Task<'_, T> {
    fn poll(&mut self) -> Option<T> {
        let waker = Waker::from(Arc::clone(&self.wakes));
        match self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    fn wakes(&self) -> usize {
        self.wakes.0.load(Ordering::Relaxed)
    }
}

#[test]
fn permits_are_handed_over_in_order_and_not_overtaken() {
    let semaphore = Semaphore::new(0);
    let mut many = task(semaphore.acquire_many(3));
    let mut one = task(semaphore.acquire());
    assert!(many.poll().is_none() && one.poll().is_none());
    semaphore.add_permits(2);
    assert_eq!((many.wakes(), one.wakes()), (0, 0));
    // What the first waits for is spoken for, also against those who do not wait.
    assert_eq!(semaphore.available_permits(), 0);
    assert!(semaphore.try_acquire().is_err());
    semaphore.add_permits(2);
    assert_eq!((many.wakes(), one.wakes()), (1, 1));
    let (many, one) = (many.poll().unwrap().unwrap(), one.poll().unwrap().unwrap());
    assert_eq!((many.num_permits(), one.num_permits()), (3, 1));
    drop((many, one));
    assert_eq!(semaphore.available_permits(), 4);
}

#[test]
fn who_gives_up_passes_on_its_part() {
    let semaphore = Semaphore::new(2);
    let mut many = task(semaphore.acquire_many(3));
    let mut next = task(semaphore.acquire_many(2));
    assert!(many.poll().is_none() && next.poll().is_none());
    drop(many);
    assert_eq!(next.wakes(), 1);
    assert!(next.poll().is_some());
}

#[test]
fn who_gives_up_after_the_hand_over_passes_it_on() {
    let mutex = Mutex::new(0);
    let guard = mutex.try_lock().unwrap();
    let mut first = task(mutex.lock());
    let mut second = task(mutex.lock());
    assert!(first.poll().is_none() && second.poll().is_none());
    drop(guard);
    assert_eq!((first.wakes(), second.wakes()), (1, 0));
    assert!(mutex.try_lock().is_err(), "handed over, not put up for grabs");
    drop(first);
    assert!(second.poll().is_some());
}

#[test]
fn closing_gives_parts_back_and_refuses_everybody() {
    let semaphore = Semaphore::new(2);
    let mut waiting = task(semaphore.acquire_many(3));
    assert!(waiting.poll().is_none());
    semaphore.close();
    assert_eq!(waiting.wakes(), 1);
    assert!(waiting.poll().unwrap().is_err());
    assert_eq!(semaphore.available_permits(), 2);
    assert!(semaphore.try_acquire().is_err());
    semaphore.add_permits(1);
    assert_eq!(semaphore.available_permits(), 3);
}

#[test]
fn closing_refuses_who_was_handed_its_permits_and_has_not_looked() {
    let semaphore = Semaphore::new(0);
    let mut waiting = task(semaphore.acquire_many(2));
    assert!(waiting.poll().is_none());
    semaphore.add_permits(2);
    assert_eq!((waiting.wakes(), semaphore.available_permits()), (1, 0));
    semaphore.close();
    assert!(waiting.poll().unwrap().is_err());
    assert_eq!(semaphore.available_permits(), 2);
}

#[test]
fn a_new_waker_replaces_the_old_one() {
    let semaphore = Semaphore::new(0);
    let mut waiting = task(semaphore.acquire());
    assert!(waiting.poll().is_none());
    let before = std::mem::take(&mut waiting.wakes);
    assert!(waiting.poll().is_none());
    semaphore.add_permits(1);
    assert_eq!((before.0.load(Ordering::Relaxed), waiting.wakes()), (0, 1));
}

#[test]
fn a_writer_who_waits_lets_no_later_reader_pass() {
    let lock = RwLock::new(0);
    let reading = lock.try_read().unwrap();
    let mut writer = task(lock.write());
    assert!(writer.poll().is_none());
    let mut reader = task(lock.read());
    assert!(reader.poll().is_none());
    drop(reading);
    let writing = writer.poll().expect("the first in the queue");
    assert!(reader.poll().is_none());
    // The reader is next and nobody writes in between.
    let reading = writing.downgrade();
    assert!(reader.poll().is_some());
    drop(reading);
}

#[test]
fn guards_lead_to_parts_and_unlock_once() {
    use corelane::sync::{
        MutexGuard, OwnedMutexGuard, OwnedRwLockWriteGuard, RwLockReadGuard, RwLockWriteGuard,
    };
    let mutex = Arc::new(Mutex::new((1, "one")));
    let part = MutexGuard::map(mutex.try_lock().unwrap(), |pair| &mut pair.1);
    assert!(mutex.try_lock().is_err());
    assert_eq!((&*part, format!("{part:?} {part}")), (&"one", "\"one\" one".to_owned()));
    drop(part);
    let whole = OwnedMutexGuard::try_map(mutex.clone().try_lock_owned().unwrap(), |_| None::<&mut u8>);
    let whole = whole.expect_err("declined");
    assert!(Arc::ptr_eq(OwnedMutexGuard::mutex(&whole), &mutex) && mutex.try_lock().is_err());
    drop(OwnedMutexGuard::map(whole, |pair| &mut pair.0));
    assert_eq!(*mutex.try_lock().unwrap(), (1, "one"));

    let lock = Arc::new(RwLock::with_max_readers((1, 2), 2));
    let mut part = RwLockWriteGuard::map(lock.try_write().unwrap(), |pair| &mut pair.1);
    *part += 1;
    assert!(lock.try_read().is_err());
    drop(part);
    let reading =
        OwnedRwLockWriteGuard::downgrade_map(lock.clone().try_write_owned().unwrap(), |pair| &pair.1);
    let other = RwLockReadGuard::map(lock.try_read().unwrap(), |pair| &pair.1);
    assert_eq!((*reading, *other), (3, 3));
    assert!(lock.try_read().is_err() && lock.try_write().is_err());
    drop((reading, other));
    assert!(lock.try_write().is_ok());
}

#[test]
fn a_panic_unlocks() {
    let mutex = Mutex::new(1);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _guard = mutex.try_lock().unwrap();
        panic!("with the guard in hand");
    }));
    assert!(panicked.is_err() && mutex.try_lock().is_ok());
}

#[test]
fn a_notification_goes_where_it_is_sent() {
    let notify = Notify::new();
    let (mut a, mut b, mut c) = (task(notify.notified()), task(notify.notified()), task(notify.notified()));
    assert!(a.poll().is_none() && b.poll().is_none() && c.poll().is_none());
    notify.notify_last();
    notify.notify_one();
    assert_eq!((a.wakes(), b.wakes(), c.wakes()), (1, 0, 1));
    // Given up, it goes on by the same order.
    let mut d = task(notify.notified());
    assert!(d.poll().is_none());
    drop(c);
    assert_eq!((b.wakes(), d.wakes()), (0, 1));
    assert!(a.poll().is_some() && d.poll().is_some() && b.poll().is_none());
}

#[test]
fn all_are_notified_who_were_made_before() {
    let notify = Notify::new();
    let before = notify.notified();
    notify.notify_waiters();
    let mut after = task(notify.notified());
    assert!(after.poll().is_none());
    notify.notify_one();
    // The one from before is ready and leaves the notification to the other.
    assert!(task(before).poll().is_some());
    assert_eq!(after.wakes(), 1);
}

/// Runs a closure when woken, once.
struct Hook(StdMutex<Option<Box<dyn FnOnce() + Send>>>);

impl Wake for Hook {
    fn wake(self: Arc<Self>) {
        let hook = self.0.lock().unwrap().take();
        if let Some(hook) = hook {
            hook();
        }
    }
}

/// More waiters than one batch: while the first batch is woken, one of the rest drops, one is polled, and somebody new
/// comes. The new one is not notified by this call, and the others are, once.
#[test]
fn waiters_that_leave_are_served_in_any_order() {
    const WAITERS: usize = 100;
    let notify = Arc::new(Notify::new());
    let mut waiters: Vec<_> = (0..WAITERS).map(|_| Box::pin(notify.clone().notified_owned())).collect();
    let mut dropped = waiters.remove(WAITERS - 1);
    let mut polled = waiters.remove(WAITERS - 2);
    let new = Arc::new(StdMutex::new(None));
    let hook = Arc::new(Hook(StdMutex::new(None)));
    for (n, waiter) in waiters.iter_mut().enumerate() {
        let waker = if n == 0 { Waker::from(hook.clone()) } else { Waker::noop().clone() };
        assert!(waiter.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    for waiter in [&mut dropped, &mut polled] {
        assert!(waiter.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    *hook.0.lock().unwrap() = Some(Box::new({
        let (notify, new) = (notify.clone(), new.clone());
        move || {
            drop(dropped);
            assert!(polled.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
            let mut late = Box::pin(notify.notified_owned());
            assert!(late.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            *new.lock().unwrap() = Some(late);
        }
    }));
    notify.notify_waiters();
    for waiter in &mut waiters {
        assert!(waiter.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    }
    let mut late = new.lock().unwrap().take().expect("made while the others were woken");
    assert!(late.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    notify.notify_one();
    assert!(late.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
}

/// Many more permits than fit one batch of wakers, and wakers that give back more while the batch is woken.
#[test]
fn permits_for_many_come_in_batches() {
    const WAITERS: usize = 100;
    let semaphore = Arc::new(Semaphore::new(0));
    let hook = Arc::new(Hook(StdMutex::new(Some(Box::new({
        let semaphore = semaphore.clone();
        move || semaphore.add_permits(WAITERS / 2)
    })))));
    let mut waiters: Vec<_> = (0..WAITERS).map(|_| Box::pin(semaphore.acquire())).collect();
    for (n, waiter) in waiters.iter_mut().enumerate() {
        let waker = if n == 0 { Waker::from(hook.clone()) } else { Waker::noop().clone() };
        assert!(waiter.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    semaphore.add_permits(WAITERS / 2);
    for waiter in &mut waiters {
        let Poll::Ready(permit) = waiter.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("there are as many permits as waiters");
        };
        permit.unwrap().forget();
    }
    assert_eq!(semaphore.available_permits(), 0);
}

#[test]
fn the_next_round_of_a_barrier_is_not_released_with_the_last() {
    let barrier = Barrier::new(2);
    let mut first = task(barrier.wait());
    assert!(first.poll().is_none());
    assert!(task(barrier.wait()).poll().unwrap().is_leader());
    let mut early = task(barrier.wait());
    assert!(early.poll().is_none());
    assert!(!first.poll().unwrap().is_leader());
    assert!(early.poll().is_none());
    assert!(task(barrier.wait()).poll().unwrap().is_leader());
    assert!(!early.poll().unwrap().is_leader());
}

#[test]
fn a_cell_is_made_by_the_next_if_the_first_gives_up() {
    let cell = OnceCell::new();
    let mut first = task(cell.get_or_init(std::future::pending::<u8>));
    let mut second = task(cell.get_or_init(|| async { 2 }));
    assert!(first.poll().is_none() && second.poll().is_none());
    assert!(cell.set(3).unwrap_err().is_initializing_err());
    drop(first);
    assert_eq!((second.wakes(), second.poll()), (1, Some(&2)));
    assert!(cell.set(3).unwrap_err().is_already_init_err());
    let mut cell = cell.clone();
    assert_eq!((cell.take(), cell.get()), (Some(2), None));
    assert!(cell.set(4).is_ok());
}

#[test]
fn all_who_wait_for_a_value_get_it() {
    let once = SetOnce::new();
    let (mut a, mut b) = (task(once.wait()), task(once.wait()));
    assert!(a.poll().is_none() && b.poll().is_none());
    assert_eq!(once.set(1), Ok(()));
    assert_eq!(once.set(2).unwrap_err().0, 2);
    assert_eq!((a.wakes(), b.wakes()), (1, 1));
    assert_eq!((a.poll(), b.poll()), (Some(&1), Some(&1)));
    drop((a, b));
    assert_eq!(once.into_inner(), Some(1));
}

/// Each operation that completes takes from the budget; one that can't be paid for keeps its place.
#[test]
fn locks_count_against_the_budget() {
    let runtime = corelane::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mutex = Mutex::new(());
        let mut locks = 0;
        {
            let mut greedy = pin!(async {
                loop {
                    drop(mutex.lock().await);
                    locks += 1;
                }
            });
            assert!(std::future::poll_fn(|cx| Poll::Ready(greedy.as_mut().poll(cx).is_pending())).await);
            assert!(mutex.try_lock().is_err(), "got it, and can't say so yet");
        }
        assert!(mutex.try_lock().is_ok());
        assert_eq!(locks, 128);
    });
}

#[test]
fn exact_texts() {
    let semaphore = Semaphore::new(0);
    assert_eq!(semaphore.try_acquire().unwrap_err().to_string(), "no permits available");
    semaphore.close();
    assert_eq!(semaphore.try_acquire().unwrap_err().to_string(), "semaphore closed");
    assert_eq!(task(semaphore.acquire()).poll().unwrap().unwrap_err().to_string(), "semaphore closed");
    let mutex = Mutex::new(5);
    let guard = mutex.try_lock().unwrap();
    assert_eq!(mutex.try_lock().unwrap_err().to_string(), "operation would block");
    assert_eq!(format!("{mutex:?} {guard:?}"), "Mutex { data: <locked> } 5");
    let cell = OnceCell::new_with(Some(1));
    assert_eq!(
        format!("{cell:?} {}", cell.set(2).unwrap_err()),
        "OnceCell { value: Some(1) } AlreadyInitializedError"
    );
    let once = SetOnce::new_with(Some(1));
    assert_eq!(format!("{once:?} {}", once.set(2).unwrap_err()), "SetOnce { value: Some(1) } SetOnceError");
}

#[test]
fn a_cell_drops_its_value_once_and_gives_it_away_whole() {
    let value = Arc::new("value");
    let held = || Arc::strong_count(&value) - 1;
    let cells = [OnceCell::new(), OnceCell::from(value.clone()), OnceCell::new_with(Some(value.clone()))];
    cells[0].set(value.clone()).unwrap();
    let empty = OnceCell::<Arc<&str>>::new();
    assert_eq!(held(), 3);
    let [mut first, second, third] = cells;
    assert_eq!(first.take().as_deref(), Some(&"value"));
    assert!(first.get().is_none() && first.get_mut().is_none() && first.take().is_none());
    first.set(value.clone()).unwrap();
    assert_eq!(second.into_inner().as_deref(), Some(&"value"));
    assert_eq!((held(), empty.clone().into_inner()), (2, None));
    drop((first, third, empty));
    assert_eq!(held(), 0);

    let set = SetOnce::from(value.clone());
    let late = SetOnce::new();
    assert!(set.set(value.clone()).is_err(), "the other is given back");
    late.set(value.clone()).unwrap();
    assert_eq!((held(), SetOnce::<Arc<&str>>::new().into_inner()), (2, None));
    assert_eq!(late.into_inner().as_deref(), Some(&"value"));
    assert_eq!(held(), 1);
    drop(set);
    assert_eq!(held(), 0);
    // Nothing but the value beside what says that it is there.
    assert_eq!(size_of::<OnceCell<usize>>(), size_of::<OnceCell<()>>() + size_of::<usize>());
}

#[test]
fn more_permits_than_there_may_be_are_refused() {
    let most = Semaphore::MAX_PERMITS;
    let text = |add: usize| {
        let added = std::panic::catch_unwind(|| Semaphore::new(1).add_permits(add));
        *added.unwrap_err().downcast::<String>().unwrap()
    };
    let over = format!("number of added permits ({most}) would overflow MAX_PERMITS ({most})");
    assert_eq!(text(most), over);
    assert_eq!(text(most + 1), format!("cannot add more than MAX_PERMITS permits ({most})"));
}

/// Notes how many handles a lock has when who waits for it is woken.
struct HandlesAtWake<L> {
    lock: Weak<L>,
    seen: StdMutex<Vec<usize>>,
}

impl<L: Send + Sync> Wake for HandlesAtWake<L> {
    fn wake(self: Arc<Self>) {
        self.seen.lock().unwrap().push(self.lock.strong_count());
    }
}

/// What the waker of a wait sees when the guard drops that was waited for.
fn handles_at_wake<'a, L: Send + Sync + 'static, F: Future + 'a>(
    lock: &'a Arc<L>,
    wait: impl FnOnce(&'a L) -> F,
    held: impl Send,
) -> Vec<usize> {
    let handles = Arc::new(HandlesAtWake { lock: Arc::downgrade(lock), seen: StdMutex::default() });
    let waker = Waker::from(Arc::clone(&handles));
    let mut wait = pin!(wait(lock));
    assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    drop(held);
    assert!(wait.poll(&mut Context::from_waker(&waker)).is_ready());
    handles.seen.lock().unwrap().clone()
}

/// Some take a lock only to see its holder gone, and then take the `Arc` apart.
#[test]
fn an_owned_guard_lets_go_of_the_lock_before_the_next_is_woken() {
    let mutex = Arc::new(Mutex::new((1, 2)));
    let held = Arc::clone(&mutex).try_lock_owned().unwrap();
    assert_eq!(handles_at_wake(&mutex, Mutex::lock, held), [1]);
    let held = OwnedMutexGuard::map(Arc::clone(&mutex).try_lock_owned().unwrap(), |both| &mut both.0);
    assert_eq!(handles_at_wake(&mutex, Mutex::lock, held), [1]);
    assert_eq!(Arc::try_unwrap(mutex).unwrap().into_inner(), (1, 2));

    let lock = Arc::new(RwLock::new((1, 2)));
    let held = Arc::clone(&lock).try_read_owned().unwrap();
    assert_eq!(handles_at_wake(&lock, RwLock::write, held), [1]);
    let held = Arc::clone(&lock).try_write_owned().unwrap();
    assert_eq!(handles_at_wake(&lock, RwLock::write, held), [1]);
    let held = Arc::clone(&lock).try_write_owned().unwrap();
    assert_eq!(handles_at_wake(&lock, RwLock::read, held), [1]);
    let held = OwnedRwLockWriteGuard::map(Arc::clone(&lock).try_write_owned().unwrap(), |both| &mut both.0);
    assert_eq!(handles_at_wake(&lock, RwLock::read, held), [1]);
    assert_eq!(Arc::try_unwrap(lock).unwrap().into_inner(), (1, 2));
}
