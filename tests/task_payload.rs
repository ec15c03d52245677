//! What a panic brings along may panic too when it is dropped. The task completes all the same.

use std::future::poll_fn;
use std::panic::{panic_any, resume_unwind};
use std::task::Poll;

use corelane::runtime::{Builder, Runtime};
use corelane::task::yield_now;

/// Panics when it is dropped, and brings along what does so too.
struct Nested(u32);

impl Drop for Nested {
    fn drop(&mut self) {
        if self.0 > 0 {
            // Quietly: the hook would print each.
            resume_unwind(Box::new(Nested(self.0 - 1)));
        }
    }
}

fn each(f: impl Fn(&Runtime)) {
    for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread(), Builder::new_sharded()] {
        f(&builder.worker_threads(1).build().unwrap());
    }
}

#[test]
fn in_the_drop_of_a_future_that_panicked() {
    each(|rt| {
        let guard = Nested(3);
        let task = rt.spawn(poll_fn(move |_| -> Poll<()> {
            let _ = &guard;
            panic_any("the first")
        }));
        let panic = rt.block_on(task).unwrap_err().into_panic();
        assert_eq!(panic.downcast_ref(), Some(&"the first"));
        rt.block_on(rt.spawn(yield_now())).unwrap();
    });
}

#[test]
fn in_the_drop_of_an_output_that_nobody_wants() {
    each(|rt| {
        for panics in [false, true] {
            drop(rt.spawn(async move {
                if panics {
                    panic_any(Nested(3));
                }
                Nested(3)
            }));
            // Dropped after it has completed, and before.
            let task = rt.spawn(async { Nested(3) });
            rt.block_on(rt.spawn(yield_now())).unwrap();
            drop(task);
            rt.block_on(rt.spawn(yield_now())).unwrap();
        }
    });
}
