//! Signals, as this process sends them to itself. Each test has signals of its own.

#![expect(unsafe_code, reason = "raises signals")]

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use corelane::runtime::{Builder, Runtime};
use corelane::signal::unix::{Signal, SignalKind, signal};

const FLAVORS: [fn() -> Builder; 3] =
    [Builder::new_current_thread, Builder::new_multi_thread, Builder::new_sharded];

fn rt() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A signal that no other test uses.
fn real_time(n: i32) -> SignalKind {
    SignalKind::from_raw(libc::SIGRTMIN() + n)
}

/// Returns when the handler has.
fn raise(kind: SignalKind) {
    // SAFETY: the handler was installed before.
    assert_eq!(unsafe { libc::raise(kind.as_raw_value()) }, 0);
}

fn now(signal: &mut Signal) -> Poll<Option<()>> {
    signal.poll_recv(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn every_listener_in_every_runtime_is_told() {
    let kind = SignalKind::user_defined1();
    let runtimes: Vec<_> =
        FLAVORS.map(|flavor| flavor().worker_threads(2).enable_all().build().unwrap()).into();
    for round in 0..20 {
        let tasks: Vec<_> = runtimes
            .iter()
            .flat_map(|rt| {
                (0..3).map(|_| {
                    let mut listener = rt.block_on(async { signal(kind) }).unwrap();
                    rt.spawn(async move { listener.recv().await })
                })
            })
            .collect();
        raise(kind);
        for (n, task) in tasks.into_iter().enumerate() {
            // A task of a current-thread runtime runs while that runtime is in `block_on`.
            let told = runtimes[n / 3].block_on(task).unwrap();
            assert_eq!(told, Some(()), "listener {n} in round {round}");
        }
    }
}

#[test]
fn signals_before_a_listener_asks_are_one() {
    let kind = real_time(0);
    rt().block_on(async {
        let mut listener = signal(kind).unwrap();
        assert!(now(&mut listener).is_pending());
        for _ in 0..3 {
            raise(kind);
        }
        assert_eq!(listener.recv().await, Some(()));
        assert!(now(&mut listener).is_pending());
        raise(kind);
        assert_eq!(listener.recv().await, Some(()));
    });
}

#[test]
fn what_nobody_was_told_is_told_to_the_next_listener_and_nothing_else() {
    let kind = real_time(1);
    rt().block_on(async {
        let mut first = signal(kind).unwrap();
        raise(kind);
        first.recv().await;
        let mut second = signal(kind).unwrap();
        assert!(now(&mut second).is_pending(), "the first was told of that");
        drop((first, second));
        raise(kind);
        assert_eq!(now(&mut signal(kind).unwrap()), Poll::Ready(Some(())));
        assert!(now(&mut signal(kind).unwrap()).is_pending());
    });
}

#[test]
fn a_loop_that_listens_anew_each_round_misses_none() {
    let kind = real_time(2);
    rt().block_on(async {
        drop(signal(kind).unwrap());
        let sender = std::thread::spawn(move || raise(kind));
        loop {
            let mut listener = signal(kind).unwrap();
            let told = corelane::select! {
                biased;
                told = listener.recv() => told,
                _ = corelane::task::yield_now() => continue,
            };
            assert_eq!(told, Some(()));
            break;
        }
        sender.join().unwrap();
    });
}

#[test]
fn a_listener_is_told_where_it_is_polled_not_where_it_was_made() {
    let kind = real_time(3);
    let idle = rt();
    let mut listener = idle.block_on(async { signal(kind) }).unwrap();
    let other = rt();
    let sender = std::thread::spawn(move || raise(kind));
    assert_eq!(other.block_on(listener.recv()), Some(()), "the first runtime is driven by nobody");
    sender.join().unwrap();
    drop(other);
    raise(kind);
    assert_eq!(idle.block_on(listener.recv()), Some(()), "the second runtime is gone");
}

#[test]
fn a_listener_ends_with_the_runtime_that_it_waits_in() {
    let kind = real_time(4);
    let rt = rt();
    let handle = rt.handle().clone();
    let mut listener = rt.block_on(async { signal(kind) }).unwrap();
    assert!(now(&mut listener).is_pending());
    drop(rt);
    assert_eq!(handle.block_on(listener.recv()), None);
    raise(kind);
    assert_eq!(now(&mut listener), Poll::Ready(Some(())), "what has come is told all the same");
}

#[test]
fn ctrl_c_fails_when_the_runtime_ends() {
    let rt = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let handle = rt.handle().clone();
    let mut waits = pin!(corelane::signal::ctrl_c());
    {
        let _entered = handle.enter();
        assert!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    drop(rt);
    let error = handle.block_on(waits).unwrap_err();
    assert_eq!(error.to_string(), "A Tokio 1.x context was found, but it is being shutdown.");
}

#[test]
fn signals_may_come_at_any_time_of_a_runtimes_life() {
    let kind = real_time(5);
    rt().block_on(async { drop(signal(kind).unwrap()) });
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                raise(kind);
            }
        });
        for round in 0..30 {
            let rt = FLAVORS[round % 3]().worker_threads(2).enable_all().build().unwrap();
            let mut listener = rt.block_on(async { signal(kind) }).unwrap();
            for _ in 0..4 {
                let mut listener = rt.block_on(async { signal(kind) }).unwrap();
                rt.spawn(async move { while listener.recv().await.is_some() {} });
            }
            assert_eq!(rt.block_on(listener.recv()), Some(()));
            // Shut down while they listen, and while signals come.
            drop(rt);
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn listeners_give_their_descriptors_back() {
    let kind = real_time(6);
    rt().block_on(async {
        drop(signal(kind).unwrap());
        for _ in 0..5_000 {
            let mut listener = signal(kind).unwrap();
            assert!(now(&mut listener).is_pending());
        }
        let file = std::fs::File::open("/").unwrap();
        assert!(std::os::fd::AsRawFd::as_raw_fd(&file) < 1_000, "none of 5,000 is left");
    });
}

#[test]
fn what_cannot_be_listened_for_is_an_error() {
    rt().block_on(async {
        for number in [libc::SIGKILL, libc::SIGSTOP, libc::SIGSEGV, libc::SIGFPE, libc::SIGILL, 0, -1] {
            let error = signal(SignalKind::from_raw(number)).unwrap_err();
            assert_eq!(error.to_string(), format!("Refusing to register signal {number}"));
        }
        assert_eq!(signal(SignalKind::from_raw(1_000)).unwrap_err().to_string(), "signal too large");
        // The C library keeps these for itself.
        for number in [32, 33] {
            assert_eq!(
                signal(SignalKind::from_raw(number)).unwrap_err().raw_os_error(),
                Some(libc::EINVAL),
                "{number}"
            );
        }
    });
}

#[test]
fn without_a_runtime_or_its_io_it_panics() {
    let text = |rt: Option<Runtime>| {
        let _entered = rt.as_ref().map(Runtime::enter);
        let payload = std::panic::catch_unwind(|| signal(SignalKind::hangup())).unwrap_err();
        *payload.downcast::<String>().unwrap()
    };
    assert_eq!(
        text(None),
        "there is no reactor running, must be called from the context of a Tokio 1.x runtime"
    );
    assert_eq!(
        text(Some(Builder::new_current_thread().build().unwrap())),
        "A Tokio 1.x context was found, but IO is disabled. Call `enable_io` on the runtime builder to enable IO."
    );
}

#[test]
fn kinds_have_the_systems_numbers() {
    assert_eq!(i32::from(SignalKind::terminate()), libc::SIGTERM);
    assert_eq!(SignalKind::from(libc::SIGWINCH), SignalKind::window_change());
    assert_ne!(SignalKind::child(), SignalKind::pipe());
}
