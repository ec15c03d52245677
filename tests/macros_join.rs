//! `join!`, `try_join!` and `pin!` driven by hand: order of polling, outputs, drops.

use std::cell::RefCell;
use std::future::{Future, pending, poll_fn, ready};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// The output of a future that has to be ready at once.
#[track_caller]
fn now<F: Future>(future: F) -> F::Output {
    match poll_once(pin!(future)) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("pending"),
    }
}

/// A future that notes its polls and its drop, and returns its value at the poll of that number.
struct Noted<'a, T> {
    log: &'a RefCell<String>,
    name: char,
    polls_left: u32,
    value: Option<T>,
}

impl<T: Unpin> Future for Noted<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<T> {
        self.log.borrow_mut().push(self.name);
        self.polls_left -= 1;
        if self.polls_left > 0 {
            return Poll::Pending;
        }
        Poll::Ready(self.value.take().expect("polled after completion"))
    }
}

impl<T> Drop for Noted<'_, T> {
    fn drop(&mut self) {
        self.log.borrow_mut().push(self.name.to_ascii_uppercase());
    }
}

fn noted<T>(log: &RefCell<String>, name: char, polls_left: u32, value: T) -> Noted<'_, T> {
    Noted { log, name, polls_left, value: Some(value) }
}

/// Polls to the end; a `|` stands between the polls.
fn drive<F: Future>(log: &RefCell<String>, future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = poll_once(future.as_mut()) {
            return output;
        }
        log.borrow_mut().push('|');
    }
}

#[test]
fn outputs_come_as_a_tuple() {
    let (a, b, c) = now(async { corelane::join!(ready(1), async { "two" }, ready(Some(3)),) });
    assert_eq!((a, b, c), (1, "two", Some(3)));
    let one: (u32,) = now(async { corelane::join!(ready(1)) });
    assert_eq!(one, (1,));
    let (): () = now(async { corelane::join!() });
    let (): () = now(async { corelane::join!(biased;) });
}

#[test]
fn each_poll_begins_one_further_on() {
    let log = RefCell::new(String::new());
    drive(&log, async {
        corelane::join!(noted(&log, 'a', 4, ()), noted(&log, 'b', 4, ()), noted(&log, 'c', 4, ()))
    });
    assert_eq!(*log.borrow(), "abc|bca|cab|aAbBcC");
}

#[test]
fn biased_begins_with_the_first() {
    let log = RefCell::new(String::new());
    drive(&log, async {
        corelane::join!(biased; noted(&log, 'a', 3, ()), noted(&log, 'b', 3, ()), noted(&log, 'c', 3, ()))
    });
    assert_eq!(*log.borrow(), "abc|abc|aAbBcC");
}

#[test]
fn a_future_that_is_done_is_dropped_and_left_alone() {
    let log = RefCell::new(String::new());
    drive(&log, async { corelane::join!(biased; noted(&log, 'a', 1, ()), noted(&log, 'b', 3, ())) });
    assert_eq!(*log.borrow(), "aAb|b|bB");
}

#[test]
fn cancelling_drops_what_runs_in_order() {
    let log = RefCell::new(String::new());
    {
        let mut future = Box::pin(async {
            corelane::join!(noted(&log, 'a', 9, ()), noted(&log, 'b', 1, ()), noted(&log, 'c', 9, ()))
        });
        assert!(poll_once(future.as_mut()).is_pending());
    }
    assert_eq!(*log.borrow(), "abBcAC");
}

#[test]
fn try_join_returns_all_values() {
    let all: Result<_, ()> = now(async { corelane::try_join!(ready(Ok(1)), async { Ok("two") }) });
    assert_eq!(all, Ok((1, "two")));
    let none: Result<(), u8> = now(async { corelane::try_join!() });
    assert_eq!(none, Ok(()));
}

#[test]
fn try_join_stops_at_the_first_error() {
    let log = RefCell::new(String::new());
    let outcome: Result<((), u8, ()), &str> = drive(&log, async {
        corelane::try_join!(
            biased;
            noted(&log, 'a', 9, Ok(())),
            noted(&log, 'b', 2, Err("b")),
            noted(&log, 'c', 9, Ok(()))
        )
    });
    assert_eq!(outcome, Err("b"));
    // `c` is not polled a second time.
    assert_eq!(*log.borrow(), "abc|abBAC");
}

#[test]
fn try_join_rotates_too() {
    let log = RefCell::new(String::new());
    let outcome: Result<((), ()), u8> =
        drive(&log, async { corelane::try_join!(noted(&log, 'a', 2, Err(1)), noted(&log, 'b', 2, Err(2))) });
    assert_eq!(outcome, Err(2));
    assert_eq!(*log.borrow(), "ab|bBA");
}

#[test]
fn a_question_mark_reaches_the_function() {
    async fn sum(left: &str, right: &str) -> Result<u32, std::num::ParseIntError> {
        let (left, right) =
            corelane::try_join!(async { left.parse::<u32>() }, async { right.parse::<u32>() })?;
        Ok(left + right)
    }
    assert_eq!(now(sum("1", "2")), Ok(3));
    assert!(now(sum("1", "two")).is_err());
}

#[test]
fn futures_may_borrow_and_move() {
    let text = String::from("abc");
    let mut count = 0;
    let (length, ()) = now(async { corelane::join!(async { text.len() }, async { count += 1 }) });
    assert_eq!((length, count, text.as_str()), (3, 1, "abc"));
}

#[test]
fn it_accepts_what_becomes_a_future() {
    struct Later(u32);
    impl IntoFuture for Later {
        type Output = u32;
        type IntoFuture = std::future::Ready<u32>;
        fn into_future(self) -> Self::IntoFuture {
            ready(self.0)
        }
    }
    assert_eq!(now(async { corelane::join!(Later(1), Later(2)) }), (1, 2));
    assert_eq!(
        now(async {
            corelane::select! { x = Later(3) => x }
        }),
        3
    );
}

#[test]
fn a_future_is_stored_once() {
    async fn large() {
        let bytes = [0_u8; 4096];
        pending::<()>().await;
        std::hint::black_box(&bytes);
    }
    let join = async { corelane::join!(large()) };
    assert!(size_of_val(&join) < 2 * 4096, "{}", size_of_val(&join));
}

#[test]
fn it_takes_more_than_a_tuple_can_compare() {
    macro_rules! many {
        ($($value:literal)*) => { corelane::join!($(ready($value)),*) };
    }
    let all = now(async {
        many!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30)
    });
    assert_eq!((all.0, all.15, all.30), (0, 15, 30));
}

#[test]
fn pin_in_both_forms() {
    let polls = RefCell::new(0);
    let count = || {
        poll_fn(|_| {
            *polls.borrow_mut() += 1;
            Poll::<u32>::Pending
        })
    };
    let (a, b) = (count(), count());
    corelane::pin!(a, b);
    assert!(poll_once(a.as_mut()).is_pending());
    assert!(poll_once(a).is_pending());
    assert!(poll_once(b).is_pending());
    corelane::pin! {
        let c = async { 1 };
        let d = async { 2 };
    }
    assert_eq!(now(async { c.await + d.await }), 3);
    assert_eq!(*polls.borrow(), 3);
}
