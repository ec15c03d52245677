//! The functions that `#[main]` and `#[test]` write, compiled and run against a runtime that only takes notes.

use std::cell::RefCell;

thread_local! {
    static CALLS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn calls() -> String {
    CALLS.take().join(" ")
}

/// Has the builder's methods and can run a future that is ready at once.
mod noted {
    pub mod runtime {
        use std::future::Future;
        use std::pin::pin;
        use std::task::{Context, Poll, Waker};

        #[derive(Debug)]
        pub enum UnhandledPanic {
            ShutdownRuntime,
        }

        #[derive(Default)]
        pub struct LocalOptions;

        pub struct Builder;

        pub struct Runtime;

        fn note(call: impl ToString) {
            crate::CALLS.with_borrow_mut(|calls| calls.push(call.to_string()));
        }

        impl Builder {
            pub fn new_sharded() -> Self {
                note("sharded");
                Self
            }
            pub fn new_multi_thread() -> Self {
                note("multi");
                Self
            }
            pub fn new_current_thread() -> Self {
                note("current");
                Self
            }
            pub fn worker_threads(&mut self, count: usize) -> &mut Self {
                note(format!("worker_threads={count}"));
                self
            }
            pub fn start_paused(&mut self, paused: bool) -> &mut Self {
                note(format!("start_paused={paused}"));
                self
            }
            pub fn config_file(&mut self, path: impl AsRef<std::path::Path>) -> &mut Self {
                note(format!("config_file={}", path.as_ref().display()));
                self
            }
            pub fn name(&mut self, name: impl Into<String>) -> &mut Self {
                note(format!("name={}", name.into()));
                self
            }
            pub fn unhandled_panic(&mut self, behavior: UnhandledPanic) -> &mut Self {
                note(format!("unhandled_panic={behavior:?}"));
                self
            }
            pub fn enable_all(&mut self) -> &mut Self {
                note("enable_all");
                self
            }
            pub fn build(&mut self) -> std::io::Result<Runtime> {
                note("build");
                Ok(Runtime)
            }
            pub fn build_local(&mut self, _: LocalOptions) -> std::io::Result<Runtime> {
                note("build_local");
                Ok(Runtime)
            }
        }

        impl Runtime {
            #[track_caller]
            pub fn block_on<F: Future>(&self, future: F) -> F::Output {
                note(format!("block_on:{}", std::panic::Location::caller().line()));
                match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(output) => output,
                    Poll::Pending => panic!("pending"),
                }
            }
        }
    }
}

/// What the facade's users have in scope.
use noted as tokio;

#[test]
fn every_argument_is_a_call() {
    #[corelane_macros::main(crate = "crate::noted", worker_threads = 3, config = "a.toml", name = "n")]
    async fn sharded() {
        let _in_the_body = 1;
    }
    // A panic of `block_on` is reported at the function's closing brace.
    let line = line!() - 2;
    sharded();
    assert_eq!(
        calls(),
        format!("sharded config_file=a.toml worker_threads=3 name=n enable_all build_local block_on:{line}")
    );

    #[corelane_macros::main(crate = "noted", flavor = "local", start_paused = true)]
    async fn local() {}
    local();
    assert!(calls().starts_with("current start_paused=true enable_all build_local block_on"));

    #[corelane_macros::tokio_main]
    async fn multi_thread() {}
    multi_thread();
    assert!(calls().starts_with("multi enable_all build block_on"));

    #[corelane_macros::tokio_main(flavor = "current_thread", unhandled_panic = "shutdown_runtime")]
    async fn current_thread() {}
    current_thread();
    assert!(calls().starts_with("current unhandled_panic=ShutdownRuntime enable_all build block_on"));
}

#[corelane_macros::test(crate = "noted")]
async fn a_test_is_a_test() {
    assert!(calls().starts_with("current enable_all build block_on"));
}

#[corelane_macros::tokio_test]
#[should_panic(expected = "as it should")]
async fn a_test_keeps_its_attributes() {
    panic!("as it should");
}

#[corelane_macros::tokio_test]
async fn a_test_may_fail_with_an_error() -> Result<(), Box<dyn std::error::Error>> {
    assert_eq!("4".parse::<u8>()?, 4);
    if std::env::args().len() == 0 {
        return Err("no arguments".into());
    }
    Ok(())
}

#[corelane_macros::tokio_main]
async fn coerced() -> Box<dyn std::fmt::Debug> {
    Box::new(1)
}

#[corelane_macros::tokio_main]
async fn unnamed() -> impl std::fmt::Debug {
    2
}

#[corelane_macros::tokio_main]
async fn early(stop: bool) -> u8 {
    if stop {
        return 3;
    }
    panic!("never returns")
}

#[corelane_macros::tokio_main]
async fn never() -> ! {
    panic!("on purpose")
}

#[corelane_macros::tokio_main]
async fn generic<'a, T>(items: &'a [T], mut at: usize) -> Option<&'a T>
where
    T: PartialEq,
{
    #![allow(clippy::explicit_counter_loop)]
    at += 1;
    items.get(at)
}

struct Counter(u8);

impl Counter {
    #[corelane_macros::tokio_main]
    async fn next(&mut self) -> u8 {
        self.0 += 1;
        self.0
    }
}

macro_rules! entry {
    ($name:ident, $output:ty, $body:block) => {
        #[corelane_macros::tokio_main]
        async fn $name() -> $output $body
    };
}
entry!(from_a_macro, u8, { 5 });

#[test]
fn signatures_of_every_kind() {
    assert_eq!(format!("{:?} {:?}", coerced(), unnamed()), "1 2");
    assert_eq!(early(true), 3);
    assert!(std::panic::catch_unwind(|| never()).is_err());
    assert_eq!(generic(&[1, 2], 0), Some(&2));
    let mut counter = Counter(3);
    assert_eq!((counter.next(), from_a_macro()), (4, 5));
}
