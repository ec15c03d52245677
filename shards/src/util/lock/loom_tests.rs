use super::Lock;
use crate::loom::{Arc, thread};

#[test]
fn loom_lock_admits_one_thread_at_a_time() {
    loom::model(|| {
        let lock = Arc::new(Lock::new(0));
        let other = {
            let lock = lock.clone();
            thread::spawn(move || lock.with(|n| *n += 1))
        };
        lock.with(|n| *n += 1);
        other.join().unwrap();
        assert_eq!(lock.with(|n| *n), 2);
    });
}
