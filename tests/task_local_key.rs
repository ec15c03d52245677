//! Task-local values: where they are set, and where they are not.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use corelane::runtime::Builder;
use corelane::task;

corelane::task_local! {
    /// With an attribute, of any type.
    pub static NAME: String;
    static DEPTH: u32
}

const VALUE: usize = 4;

corelane::task_local! {
    /// Of a type that names what is around the macro, whatever the macro makes inside.
    static BYTES: [u8; VALUE];
}

#[test]
fn a_type_may_name_what_is_around() {
    assert_eq!(BYTES.sync_scope([7; VALUE], || BYTES.get().len()), VALUE);
}

#[test]
fn a_value_travels_with_its_task() {
    let runtime = Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let tasks = (0..100).map(|n| {
            corelane::spawn(DEPTH.scope(n, async move {
                for _ in 0..10 {
                    assert_eq!(DEPTH.get(), n);
                    task::yield_now().await;
                }
            }))
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        assert!(DEPTH.try_get().is_err());
    });
}

#[test]
fn scopes_nest_and_come_back() {
    let mut outer = pin!(DEPTH.scope(1, async {
        assert_eq!(DEPTH.get(), 1);
        let inner = DEPTH.scope(2, async {
            let mut polls = 0;
            poll_fn(|_| {
                polls += 1;
                assert_eq!(DEPTH.get(), 2);
                if polls == 2 { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        });
        let mut inner = pin!(inner);
        poll_fn(|cx| {
            let polled = inner.as_mut().poll(cx);
            assert_eq!(DEPTH.get(), 1);
            polled
        })
        .await;
        NAME.sync_scope("sync".into(), || NAME.with(|name| assert_eq!(name, "sync")));
        assert_eq!(NAME.try_with(String::len).unwrap_err().to_string(), "task-local value not set");
    }));
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(outer.as_mut().poll(cx).is_pending());
    assert!(DEPTH.try_get().is_err());
    assert!(outer.as_mut().poll(cx).is_ready());
    assert_eq!(outer.take_value(), Some(1));
}

#[test]
fn drops_see_the_value() {
    thread_local! { static SEEN: Cell<u32> = const { Cell::new(0) } }
    struct Looks;
    impl Drop for Looks {
        fn drop(&mut self) {
            SEEN.set(SEEN.get() + DEPTH.get());
        }
    }
    let looks = Looks;
    drop(DEPTH.scope(3, async move { drop(looks) }));
    assert_eq!(SEEN.get(), 3);
}

#[test]
#[should_panic = "cannot access a task-local storage value without setting it first"]
fn there_is_no_value_outside_of_scopes() {
    DEPTH.get();
}

#[test]
fn a_scope_shows_its_value() {
    let mut scope = Box::pin(DEPTH.scope(3, async {}));
    assert_eq!(format!("{scope:?}"), "TaskLocalFuture { value: 3 }");
    scope.as_mut().take_value();
    assert_eq!(format!("{scope:?}"), "TaskLocalFuture { value: <missing> }");
}

#[test]
fn the_error_shows_itself_as_in_tokio() {
    let error = DEPTH.try_get().unwrap_err();
    assert_eq!(format!("{error:?}: {error}"), "AccessError: task-local value not set");
}

#[test]
#[should_panic = "cannot enter a task-local scope while the task-local storage is borrowed"]
fn a_value_cannot_be_replaced_while_it_is_borrowed() {
    DEPTH.sync_scope(1, || DEPTH.with(|_| DEPTH.sync_scope(2, || ())));
}
