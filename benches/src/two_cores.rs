//! The modes in which tasks on two cores talk.
//!
//! All but [`Shared`] pin: left to the kernel, the two threads now and then share a core, and then a wake costs something else.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::mpsc;
use std::thread;

use corelane::config::{AutoOr, Config};
use corelane::runtime::Builder;

use crate::process;
use crate::runtimes::{Rt, Sharded};

/// Two places on two cores.
pub trait TwoCores: 'static {
    /// The mode's name.
    const MODE: &'static str;
    /// How tasks there spawn tasks that stay there.
    type Rt: Rt;

    /// Runs `left` as a task on one core and `right` on the other, each to its end.
    fn run<T: Send + 'static>(
        left: impl Future<Output = T> + Send + 'static,
        right: impl Future<Output = ()> + Send + 'static,
    ) -> T;
}

/// A runtime on each of two pinned threads.
pub struct Apart<R>(PhantomData<R>);

impl<R: Rt> TwoCores for Apart<R> {
    const MODE: &'static str = R::MODE;
    type Rt = R;

    fn run<T: Send + 'static>(
        left: impl Future<Output = T> + Send + 'static,
        right: impl Future<Output = ()> + Send + 'static,
    ) -> T {
        let cores = process::two_cores();
        let right = thread::spawn(move || on_core::<R, _>(cores[1], right));
        let left = thread::spawn(move || on_core::<R, _>(cores[0], left));
        let output = left.join().expect("the left side ends well");
        right.join().expect("the right side ends well");
        output
    }
}

fn on_core<R: Rt, T: Send + 'static>(core: usize, future: impl Future<Output = T> + Send + 'static) -> T {
    process::pin(core);
    let runtime = R::new();
    runtime.block_on(async move { R::spawn(future).await.expect("the task ends well") })
}

/// Two workers of one runtime, which may move the tasks of both sides.
pub struct Shared<R>(PhantomData<R>);

impl<R: Rt> TwoCores for Shared<R> {
    const MODE: &'static str = R::MODE;
    type Rt = R;

    fn run<T: Send + 'static>(
        left: impl Future<Output = T> + Send + 'static,
        right: impl Future<Output = ()> + Send + 'static,
    ) -> T {
        R::new().block_on(async move {
            let right = R::spawn(right);
            let output = R::spawn(left).await.expect("the left side ends well");
            right.await.expect("the right side ends well");
            output
        })
    }
}

/// Two shards of one runtime, with its default idle policy.
pub struct Together;

/// Two shards of one runtime that look for work and never sleep.
pub struct Looking;

impl TwoCores for Together {
    const MODE: &'static str = "sharded-2";
    type Rt = Sharded;

    fn run<T: Send + 'static>(
        left: impl Future<Output = T> + Send + 'static,
        right: impl Future<Output = ()> + Send + 'static,
    ) -> T {
        on_two_shards(Config::default(), left, right)
    }
}

impl TwoCores for Looking {
    const MODE: &'static str = "sharded-2";
    type Rt = Sharded;

    fn run<T: Send + 'static>(
        left: impl Future<Output = T> + Send + 'static,
        right: impl Future<Output = ()> + Send + 'static,
    ) -> T {
        let mut config = Config::default();
        config.scheduler.spin_us = AutoOr::Number(1_000_000);
        on_two_shards(config, left, right)
    }
}

/// Puts the sides on different shards. Which one a task is put on is the runtime's choice, so the right side is spawned again
/// if it finds itself beside the left one.
fn on_two_shards<T: Send + 'static>(
    config: Config,
    left: impl Future<Output = T> + Send + 'static,
    mut right: impl Future<Output = ()> + Send + 'static,
) -> T {
    process::two_cores();
    let runtime = Builder::new_sharded().config(config).worker_threads(2).enable_all().build();
    let runtime = runtime.expect("the system lets a runtime be built");
    let (tell, told) = mpsc::channel();
    let left = runtime.spawn(async move {
        let _ = tell.send(thread::current().id());
        left.await
    });
    let taken = told.recv().expect("the left side starts");
    let right = loop {
        let (tell, told) = mpsc::channel();
        let task = runtime.spawn(async move {
            if thread::current().id() == taken {
                let _ = tell.send(Some(right));
            } else {
                let _ = tell.send(None);
                right.await;
            }
        });
        match told.recv().expect("the right side starts") {
            None => break task,
            Some(again) => right = again,
        }
    };
    runtime.block_on(async {
        let output = left.await.expect("the left side ends well");
        right.await.expect("the right side ends well");
        output
    })
}
