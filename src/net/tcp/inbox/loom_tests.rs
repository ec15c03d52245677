//! Who gives against who waits, and against who closes. Each model names the lines that it fails without.
//!
//! That `next` enlists before it looks matters to two takers beside a giver: three threads at one lock, which is no model
//! (see `sync::loom_support`).

use std::future::poll_fn;
use std::sync::Arc;

use corelane_shards::loom::thread;

use crate::sync::loom_support::{block_on, model};

use super::Inbox;

/// Fails if `give` does not notify, or if `next` does not look again.
#[test]
fn loom_a_future_is_told_of_what_it_did_not_see() {
    model(|| {
        let inbox = Arc::new(Inbox::new());
        let giver = thread::spawn({
            let inbox = Arc::clone(&inbox);
            move || inbox.give(7, 1).unwrap()
        });
        assert_eq!(block_on(inbox.next()), 7);
        giver.join().unwrap();
    });
}

/// Fails if `poll_next` does not look when it leaves its waker, or if `give` does not take that.
#[test]
fn loom_a_poller_is_told_of_what_it_did_not_see() {
    model(|| {
        let inbox = Arc::new(Inbox::new());
        let giver = thread::spawn({
            let inbox = Arc::clone(&inbox);
            move || inbox.give(7, 1).unwrap()
        });
        assert_eq!(block_on(poll_fn(|cx| inbox.poll_next(cx))), 7);
        giver.join().unwrap();
    });
}

/// What is given is with who closes, or comes back: fails if `close` takes what is left before it closes, in two steps.
#[test]
fn loom_nothing_is_left_in_what_is_closed() {
    model(|| {
        let inbox = Arc::new(Inbox::new());
        let giver = thread::spawn({
            let inbox = Arc::clone(&inbox);
            move || inbox.give((), 1).is_err()
        });
        let left = inbox.close().len();
        assert_eq!(left + usize::from(giver.join().unwrap()), 1);
    });
}
