//! What is `Send`, `Sync`, `Unpin` and `UnwindSafe` in `sync` and `local`. Programs rely on it without naming these types.

use std::cell::Cell;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;

use corelane::sync::futures::{Notified, OwnedNotified};
use corelane::sync::*;

/// Says whether a bound holds: the inherent constant does if it applies, else the trait's.
macro_rules! holds {
    ($ty:ty: $($bound:path),+) => {{
        struct Is<T: ?Sized>(PhantomData<T>);
        #[allow(dead_code, reason = "which of the two is taken is the answer")]
        trait Otherwise {
            const HOLDS: bool = false;
        }
        impl<T: ?Sized> Otherwise for Is<T> {}
        #[allow(dead_code, reason = "which of the two is taken is the answer")]
        impl<T: ?Sized $(+ $bound)+> Is<T> {
            const HOLDS: bool = true;
        }
        Is::<$ty>::HOLDS
    }};
}

macro_rules! table {
    ($($ty:ty: $send:literal $sync:literal $unpin:literal;)*) => {$(
        const _: () = assert!(holds!($ty: Send) == $send, concat!("Send: ", stringify!($ty)));
        const _: () = assert!(holds!($ty: Sync) == $sync, concat!("Sync: ", stringify!($ty)));
        const _: () = assert!(holds!($ty: Unpin) == $unpin, concat!("Unpin: ", stringify!($ty)));
    )*};
}

/// `Send` and not `Sync`.
type Half = Cell<u8>;
/// Neither.
type None = Rc<u8>;

table! {
    AcquireError: true true true;
    TryAcquireError: true true true;
    TryLockError: true true true;
    SetError<u8>: true true true;
    SetOnceError<u8>: true true true;
    Barrier: true true true;
    BarrierWaitResult: true true true;
    Notify: true true true;
    Notified<'static>: true true false;
    OwnedNotified: true true false;
    Semaphore: true true true;
    SemaphorePermit<'static>: true true true;
    OwnedSemaphorePermit: true true true;

    Mutex<u8>: true true true;
    Mutex<Half>: true true true;
    Mutex<None>: false false true;
    MutexGuard<'static, u8>: true true true;
    MutexGuard<'static, Half>: true false true;
    MutexGuard<'static, None>: false false true;
    MappedMutexGuard<'static, u8>: true true true;
    MappedMutexGuard<'static, Half>: true false true;
    MappedMutexGuard<'static, None>: false false true;
    OwnedMutexGuard<u8>: true true true;
    OwnedMutexGuard<Half>: true false true;
    OwnedMutexGuard<None>: false false true;
    OwnedMappedMutexGuard<u8, u8>: true true true;
    OwnedMappedMutexGuard<u8, Half>: true false true;
    OwnedMappedMutexGuard<Half, u8>: true false true;
    OwnedMappedMutexGuard<None, u8>: false false true;
    OwnedMappedMutexGuard<u8, None>: false false true;

    RwLock<u8>: true true true;
    RwLock<Half>: true false true;
    RwLock<None>: false false true;
    RwLockReadGuard<'static, u8>: true true true;
    RwLockReadGuard<'static, Half>: false false true;
    RwLockReadGuard<'static, None>: false false true;
    RwLockWriteGuard<'static, u8>: true true true;
    RwLockWriteGuard<'static, Half>: false false true;
    RwLockWriteGuard<'static, None>: false false true;
    RwLockMappedWriteGuard<'static, u8>: true true true;
    RwLockMappedWriteGuard<'static, Half>: false false true;
    OwnedRwLockReadGuard<u8>: true true true;
    OwnedRwLockReadGuard<Half, u8>: false false true;
    OwnedRwLockReadGuard<u8, Half>: false false true;
    OwnedRwLockWriteGuard<u8>: true true true;
    OwnedRwLockWriteGuard<Half>: false false true;
    OwnedRwLockMappedWriteGuard<u8>: true true true;
    OwnedRwLockMappedWriteGuard<u8, Half>: false false true;

    OnceCell<u8>: true true true;
    OnceCell<Half>: true false true;
    OnceCell<None>: false false true;
    SetOnce<u8>: true true true;
    SetOnce<Half>: true false true;
    SetOnce<None>: false false true;

    corelane::local::Notify: false false true;
    corelane::local::Notified<'static>: false false false;
    corelane::local::Semaphore: false false true;
    corelane::local::SemaphorePermit<'static>: false false true;
    corelane::local::Mutex<u8>: false false true;
    corelane::local::MutexGuard<'static, u8>: false false true;
    corelane::local::RwLock<u8>: false false true;
    corelane::local::RwLockReadGuard<'static, u8>: false false true;
    corelane::local::RwLockWriteGuard<'static, u8>: false false true;
}

const _: () = assert!(holds!(Notify: UnwindSafe) && holds!(Notify: RefUnwindSafe));
const _: () = assert!(holds!(AcquireError: UnwindSafe) && holds!(TryLockError: UnwindSafe));

/// Futures of `async fn`s have no name, so their table is made of values.
#[test]
fn futures() {
    fn check<F: Future + Send + Sync>(future: F) {
        drop(future);
    }
    let (mutex, lock, semaphore) = (Mutex::new(Cell::new(1)), RwLock::new(1), Semaphore::new(1));
    let (cell, once, barrier) = (OnceCell::<u8>::new(), SetOnce::<u8>::new(), Barrier::new(1));
    check(mutex.lock());
    check(std::sync::Arc::new(Mutex::new(Cell::new(1))).lock_owned());
    check(lock.read());
    check(lock.write());
    check(semaphore.acquire());
    check(std::sync::Arc::new(Semaphore::new(1)).acquire_owned());
    check(cell.get_or_init(std::future::pending));
    check(once.wait());
    check(barrier.wait());
}
