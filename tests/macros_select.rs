//! `select!` driven by hand: which branch runs, what is dropped when, and what handlers may do.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
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

/// Pending `times` times, then ready.
async fn after(times: u32) {
    let mut left = times;
    poll_fn(|_| {
        left = left.wrapping_sub(1);
        if left == u32::MAX { Poll::Ready(()) } else { Poll::Pending }
    })
    .await
}

/// Writes its name down when it is dropped.
struct Trace<'a>(&'a RefCell<Vec<&'static str>>, &'static str);

impl Drop for Trace<'_> {
    fn drop(&mut self) {
        self.0.borrow_mut().push(self.1);
    }
}

#[test]
fn biased_takes_the_first_that_is_ready() {
    for _ in 0..64 {
        let taken = now(async {
            corelane::select! {
                biased;
                _ = pending::<()>() => 1,
                _ = ready(()) => 2,
                _ = ready(()) => 3,
            }
        });
        assert_eq!(taken, 2);
    }
}

#[test]
fn the_start_is_random_and_reaches_every_branch() {
    let mut taken = [0; 4];
    for _ in 0..4000 {
        let branch = now(async {
            corelane::select! {
                _ = ready(()) => 0,
                _ = ready(()) => 1,
                _ = ready(()) => 2,
                _ = ready(()) => 3,
            }
        });
        taken[branch] += 1;
    }
    // 1000 each is expected and the deviation is 27: a miss is seventeen deviations away.
    assert!(taken.iter().all(|&count| count > 500), "{taken:?}");
}

#[test]
fn a_disabled_branch_is_evaluated_and_not_polled() {
    let evaluated = Cell::new(false);
    let taken = now(async {
        corelane::select! {
            biased;
            _ = { evaluated.set(true); poll_fn(|_| -> Poll<()> { panic!("polled") }) }, if false => 1,
            _ = ready(()), if true => 2,
        }
    });
    assert_eq!(taken, 2);
    assert!(evaluated.get());
}

#[test]
fn conditions_come_before_expressions() {
    let order = RefCell::new(Vec::new());
    let note = |what| order.borrow_mut().push(what);
    now(async {
        corelane::select! {
            biased;
            _ = { note("first"); ready(()) }, if { note("if first"); true } => {}
            _ = { note("second"); ready(()) }, if { note("if second"); true } => {}
        }
    });
    assert_eq!(*order.borrow(), ["if first", "if second", "first", "second"]);
}

#[test]
fn a_refuted_pattern_leaves_the_others_running() {
    let mut future = pin!(async {
        corelane::select! {
            Some(value) = ready(None::<u32>) => value,
            _ = after(1) => 7,
        }
    });
    assert!(poll_once(future.as_mut()).is_pending());
    assert_eq!(poll_once(future), Poll::Ready(7));
}

#[test]
fn a_refuted_branch_is_not_polled_again() {
    let polls = Cell::new(0);
    let counted = poll_fn(|_| {
        polls.set(polls.get() + 1);
        Poll::Ready(Err::<(), _>(()))
    });
    let mut future = pin!(async {
        corelane::select! {
            Ok(()) = counted => {}
            _ = after(3) => {}
        }
    });
    while poll_once(future.as_mut()).is_pending() {}
    assert_eq!(polls.get(), 1);
}

#[test]
fn else_runs_when_no_branch_is_left() {
    let refuted = now(async {
        corelane::select! {
            Some(value) = ready(None) => value,
            Ok(value) = ready(Err(3)) => value,
            else => 4,
        }
    });
    assert_eq!(refuted, 4);
    let disabled = now(async {
        corelane::select! {
            value = ready(1), if false => value,
            else => { 5 }
        }
    });
    assert_eq!(disabled, 5);
    assert_eq!(
        now(async {
            corelane::select! { else => 6 }
        }),
        6
    );
}

#[test]
fn without_else_it_panics() {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        now(async {
            corelane::select! { _ = ready(()), if false => {} }
        })
    }));
    let payload = outcome.unwrap_err();
    let text = payload.downcast_ref::<&str>().unwrap();
    assert_eq!(*text, "all branches are disabled and there is no else branch");
}

#[test]
fn losers_are_dropped_in_order_and_before_the_handler() {
    let dropped = RefCell::new(Vec::new());
    let branch = |name, polls| {
        let trace = Trace(&dropped, name);
        async move {
            let _trace = trace;
            after(polls).await
        }
    };
    now(async {
        corelane::select! {
            biased;
            _ = branch("a", 9) => {}
            _ = branch("b", 0) => dropped.borrow_mut().push("handler"),
            _ = branch("c", 9) => {}
        }
    });
    // `b` is done, so what it held went first.
    assert_eq!(*dropped.borrow(), ["b", "a", "c", "handler"]);
}

#[test]
fn dropping_the_whole_cancels_every_branch() {
    let dropped = RefCell::new(Vec::new());
    {
        let mut future = Box::pin(async {
            let (a, b) = (Trace(&dropped, "a"), Trace(&dropped, "b"));
            corelane::select! {
                _ = async { let _a = a; pending::<()>().await } => {}
                _ = async { let _b = b; pending::<()>().await } => {}
            }
        });
        assert!(poll_once(future.as_mut()).is_pending());
        assert!(dropped.borrow().is_empty());
    }
    assert_eq!(*dropped.borrow(), ["a", "b"]);
}

#[test]
fn handlers_may_leave_the_function_and_the_loop() {
    async fn leave(how: u32) -> Result<u32, String> {
        let mut rounds = 0;
        let value = 'outer: loop {
            rounds += 1;
            loop {
                corelane::select! {
                    biased;
                    _ = ready(()), if how == 0 => return Ok(rounds),
                    _ = ready(()), if how == 1 => break 'outer 10,
                    _ = ready(()), if how == 2 && rounds < 3 => continue 'outer,
                    _ = ready(()), if how == 2 => break,
                    error = ready(Err::<u32, _>("no".to_owned())), if how == 3 => { error?; }
                    _ = ready(()) => {
                        ready(()).await;
                        return Err("else".into());
                    }
                }
            }
            break 20;
        };
        Ok(value + rounds)
    }
    assert_eq!(now(leave(0)), Ok(1));
    assert_eq!(now(leave(1)), Ok(11));
    assert_eq!(now(leave(2)), Ok(23));
    assert_eq!(now(leave(3)), Err("no".into()));
    assert_eq!(now(leave(4)), Err("else".into()));
}

#[test]
fn a_question_mark_in_a_branch_leaves_the_function() {
    async fn run(text: &str) -> Result<u32, std::num::ParseIntError> {
        Ok(corelane::select! { value = ready(text.parse::<u32>()?) => value })
    }
    assert_eq!(now(run("4")), Ok(4));
    assert!(now(run("four")).is_err());
}

#[test]
fn handlers_use_what_the_futures_borrowed() {
    async fn push(to: &mut Vec<u32>, value: u32) {
        to.push(value);
    }
    let mut left = vec![];
    let mut right = vec![];
    now(async {
        corelane::select! {
            biased;
            _ = async { push(&mut left, 1).await; pending::<()>().await } => unreachable!(),
            _ = push(&mut right, 2) => {
                left.push(3);
                right.push(4);
            }
        }
    });
    assert_eq!((left, right), (vec![1, 3], vec![2, 4]));
}

#[test]
fn an_output_may_borrow_from_outside() {
    let mut text = String::from("ab");
    let taken = now(async {
        corelane::select! {
            part = async { &mut text[..1] } => { part.make_ascii_uppercase(); part.len() }
        }
    });
    assert_eq!((taken, text.as_str()), (1, "Ab"));
}

#[test]
fn a_pinned_future_keeps_its_progress() {
    now(async {
        let future = after(0);
        corelane::pin!(future);
        let mut ticks = 0;
        loop {
            corelane::select! {
                biased;
                _ = ready(()), if ticks < 5 => ticks += 1,
                _ = &mut future => break,
            }
        }
        assert_eq!(ticks, 5);
    });
}

#[test]
fn patterns_of_every_kind() {
    #[derive(Debug)]
    struct Pair {
        left: Option<String>,
        right: u32,
    }
    const SEVEN: u32 = 7;
    let pair = || ready(Pair { left: Some("x".into()), right: 7 });
    now(async {
        let number = 5;
        let mut hits = 0;
        corelane::select! { mut value = ready(1) => { value += 1; hits += value } }
        corelane::select! { Pair { left: Some(mut left), ref right } = pair() => { left.push('y'); hits += right } }
        corelane::select! { Pair { ref mut left, right } = pair() => { left.take(); hits += right } }
        corelane::select! { ref whole @ Pair { right: SEVEN, .. } = pair() => hits += whole.right }
        corelane::select! { Pair { right: n @ (1 | SEVEN), .. } = pair() => hits += n }
        corelane::select! { Some(&value) = ready(Some(&number)) => hits += value }
        corelane::select! { Some(&None) = ready(Some(&Some(1))) => unreachable!(), else => hits += 1 }
        corelane::select! { (&None, &(4..=5)) = ready((&None::<u32>, &5)) => hits += 1 }
        corelane::select! { &(a, ref b) = ready(&(1, 2)) => hits += a + b }
        corelane::select! { [first, .., mut last] = ready([1, 2, 3]) => { last += first; hits += last } }
        corelane::select! { Ok(value) | Err(value) = ready(Err::<u32, u32>(3)) => hits += value }
        corelane::select! { "text" = ready("text") => hits += 1 }
        corelane::select! { 3..=9 = ready(4) => hits += 1, else => unreachable!() }
        corelane::select! { None = ready(Some(1)) => unreachable!(), else => hits += 1 }
        corelane::select! { SEVEN = ready(8) => unreachable!(), else => hits += 1 }
        corelane::select! { Some(2) | None = ready(Some(3)) => unreachable!(), else => hits += 1 }
        assert_eq!(hits, 2 + 7 + 7 + 7 + 7 + 5 + 3 + 4 + 3 + 7);
    });
}

#[test]
fn outputs_that_cannot_be_moved_back_are_moved_once() {
    let value = now(async {
        corelane::select! {
            Some(boxed) = ready(Some(Rc::new(1))) => Rc::try_unwrap(boxed),
            Ok(other) = ready(Err::<Rc<u32>, ()>(())), if false => Ok(*other),
        }
    });
    assert_eq!(value, Ok(1));
}

#[test]
fn a_branch_that_never_returns() {
    use std::convert::Infallible;
    async fn forever() -> Infallible {
        pending().await
    }
    let taken = now(async {
        corelane::select! {
            never = forever() => match never {},
            _ = ready(()) => 1,
        }
    });
    assert_eq!(taken, 1);
}

#[test]
fn an_output_whose_type_nothing_decides() {
    let panics = poll_fn(|_| panic!("polled"));
    now(async {
        corelane::select! {
            _ = panics, if false => unreachable!(),
            _ = ready(()) => {}
        }
    });
}

#[test]
fn it_nests() {
    let taken = now(async {
        corelane::select! {
            inner = async { corelane::select! { _ = ready(()) => 1, _ = pending::<()>() => 2 } } => {
                corelane::select! {
                    biased;
                    more = ready(10) => inner + more,
                    else => 0,
                }
            }
            _ = pending::<()>() => corelane::select! { x = ready(5) => x },
        }
    });
    assert_eq!(taken, 11);
}

#[test]
fn it_takes_what_other_macros_pass_on() {
    macro_rules! first {
        ($($pattern:pat = $future:expr => $handler:block)*) => {
            corelane::select! { biased; $($pattern = $future => $handler)* else => 0 }
        };
        ($name:ident, $future:expr, $condition:expr, $handler:expr) => {
            corelane::select! { $name = $future, if $condition => $handler }
        };
    }
    assert_eq!(
        now(async {
            first!(Some(x) = ready(None) => { x } Ok::<_, ()>(mut y) = ready(Ok(2)) => { y += 1; y })
        }),
        3
    );
    assert_eq!(now(async { first!(x, ready(1), 1 + 1 == 2, x + 1) }), 2);
}

mod other {
    pub use corelane::*;
}

mod shadowed {
    pub async fn run() -> u32 {
        use super::other as corelane_by_another_name;
        let value = corelane_by_another_name::select! { x = std::future::ready(1) => x };
        let (a, b) = corelane_by_another_name::join!(async { 2 }, async { 3 });
        value + a + b
    }
}

#[test]
fn it_works_under_another_crates_name() {
    assert_eq!(now(shadowed::run()), 6);
}

#[test]
fn sixty_four_branches() {
    macro_rules! many {
        ($($condition:expr)*) => { corelane::select! { $(value = ready($condition), if $condition == 63 => value,)* } };
    }
    let taken = now(async {
        many!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37
              38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63)
    });
    assert_eq!(taken, 63);
}

#[test]
fn a_future_is_stored_once() {
    async fn large() {
        let bytes = [0_u8; 4096];
        pending::<()>().await;
        std::hint::black_box(&bytes);
    }
    let select = async {
        corelane::select! { _ = large() => {} }
    };
    assert!(size_of_val(&select) < 2 * 4096, "{}", size_of_val(&select));
}

#[test]
fn a_branch_more_costs_its_future_and_no_pointer() {
    let one = async {
        corelane::select! { _ = ready(1_u64) => {} }
    };
    let three = async {
        corelane::select! { _ = ready(1_u64) => {}, _ = ready(2_u64) => {}, _ = ready(3_u64) => {} }
    };
    assert_eq!(size_of_val(&three) - size_of_val(&one), 2 * size_of_val(&ready(1_u64)));
}

#[test]
fn it_is_send_when_its_branches_are() {
    fn check(_: impl Send) {}
    check(async {
        corelane::select! {
            value = ready(1) => value,
            _ = after(1) => { after(1).await; 2 }
        }
    });
}
