//! Outside of a runtime the constructors panic, at the line that called them.

use std::cell::RefCell;
use std::future::ready;
use std::panic::{self, Location, UnwindSafe};
use std::time::Duration;

use corelane::time::{self, Instant};

thread_local! {
    static PANIC: RefCell<Option<(String, u32, String)>> = const { RefCell::new(None) };
}

/// The text of the panic, which has to come from this file: from a line after `from` and up to this call, which may be two lines
/// longer than where it starts.
#[track_caller]
fn panic_of<R>(from: &Location<'_>, f: impl FnOnce() -> R + UnwindSafe) -> String {
    let to = Location::caller();
    panic::set_hook(Box::new(|info| {
        let location = info.location().expect("there always is one today");
        let (text, formatted) =
            (info.payload().downcast_ref::<&str>(), info.payload().downcast_ref::<String>());
        let text = text.map_or_else(|| formatted.cloned().unwrap_or_default(), ToString::to_string);
        PANIC.set(Some((location.file().to_owned(), location.line(), text)));
    }));
    let result = panic::catch_unwind(f);
    drop(panic::take_hook());
    assert!(result.is_err(), "no panic");
    let (file, line, text) = PANIC.take().expect("the hook ran");
    assert_eq!(file, file!());
    assert!((from.line()..=to.line() + 2).contains(&line), "line {line}: {text}");
    text
}

#[test]
fn constructors_panic_at_their_caller() {
    const NO_RUNTIME: &str =
        "there is no reactor running, must be called from the context of a Tokio 1.x runtime";
    const ZERO: &str = "`period` must be non-zero.";
    let second = Duration::from_secs(1);
    let here = Location::caller();
    // One test, since the hook is the process's.
    assert_eq!(panic_of(here, || time::sleep(Duration::from_secs(1))), NO_RUNTIME);
    assert_eq!(panic_of(here, || time::sleep_until(Instant::now())), NO_RUNTIME);
    assert_eq!(panic_of(here, || time::timeout(second, ready(()))), NO_RUNTIME);
    assert_eq!(panic_of(here, || time::timeout_at(Instant::now(), ready(()))), NO_RUNTIME);
    assert_eq!(panic_of(here, || time::interval(second)), NO_RUNTIME);
    assert_eq!(panic_of(here, || time::interval_at(Instant::now(), second)), NO_RUNTIME);
    assert_eq!(panic_of(here, || time::interval(Duration::ZERO)), ZERO);
    assert_eq!(panic_of(here, || time::interval_at(Instant::now(), Duration::ZERO)), ZERO);
    let outside = "time cannot be frozen from outside the Tokio runtime";
    assert_eq!(
        panic_of(here, || {
            time::pause();
        }),
        outside
    );
    assert_eq!(
        panic_of(here, || {
            time::resume();
        }),
        outside
    );
}

#[test]
fn a_sleep_that_another_runtime_resets_goes_by_its_own_clock() {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};
    use std::time::Duration;

    let paused = || {
        let mut builder = corelane::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().unwrap()
    };
    let (own, late) = (paused(), paused());
    late.block_on(corelane::time::advance(Duration::from_secs(60)));
    let _entered = own.enter();
    let mut sleep = pin!(corelane::time::sleep(Duration::from_millis(1)));
    assert!(sleep.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let deadline = sleep.deadline() + Duration::from_millis(1);
    late.block_on(async { sleep.as_mut().reset(deadline) });
    let began = corelane::time::Instant::now();
    own.block_on(sleep);
    assert_eq!(began.elapsed(), Duration::from_millis(2));
}

#[test]
fn a_clock_that_is_advanced_to_the_end_of_time_is_not_stuck_there() {
    let mut builder = corelane::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap().block_on(async {
        time::advance(Duration::MAX).await;
        let sleep = corelane::spawn(time::sleep(Duration::from_secs(1)));
        time::advance(Duration::MAX).await;
        sleep.abort();
    });
}

#[test]
fn a_runtime_that_was_entered_is_paused_and_not_that_of_the_shard() {
    use corelane::runtime::Builder;

    let entered = Builder::new_current_thread().enable_time().build().unwrap();
    let handle = entered.handle().clone();
    let began = entered.block_on(async { Instant::now() });
    let threads = Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let paused = threads.spawn(async move {
        {
            let _entered = handle.enter();
            time::pause();
        }
        time::sleep(Duration::from_millis(1)).await;
    });
    threads.block_on(paused).unwrap();
    entered.block_on(async {
        let now = Instant::now();
        assert!(now >= began);
        // At once. It may have been paused in the middle of a tick.
        time::sleep(Duration::from_secs(1_000)).await;
        assert!((1_000..1_001).contains(&now.elapsed().as_secs()));
    });
}
