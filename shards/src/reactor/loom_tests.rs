//! Each model names the lines that it fails without. `kernel` stands for what a read would find: the owner's event follows it.

#![expect(unsafe_code, reason = "a thread of the model plays the owner")]

use std::ptr;
use std::sync::Arc as StdArc;
use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed as Counted};
use std::task::{Wake, Waker};

use super::interest::{Interest, Ready};
use super::readiness::{Direction, State, Word};
use crate::loom::atomic::Ordering::{AcqRel, SeqCst};
use crate::loom::atomic::{AtomicUsize, fence};
use crate::loom::{Arc, thread};

#[derive(Default)]
struct Wakes(Count);

impl Wake for Wakes {
    fn wake(self: StdArc<Self>) {
        self.0.fetch_add(1, Counted);
    }
}

struct Socket {
    state: State,
    kernel: AtomicUsize,
}

impl Socket {
    fn new() -> Arc<Self> {
        Arc::new(Self { state: State::new(ptr::null(), 0), kernel: AtomicUsize::new(0) })
    }

    /// What the owner does for one event.
    fn event(&self) {
        self.kernel.fetch_add(1, AcqRel);
        // SAFETY: one thread of each model plays the owner.
        unsafe { self.state.event(Ready::READABLE, None) };
        fence(SeqCst);
        if self.state.has_shared() {
            self.state.wake_shared(Ready::READABLE);
        }
    }

    /// What a reader does: true if it read something, false if it waits.
    fn poll_read(&self, waker: &Waker) -> bool {
        let mut tried = Word::NEVER;
        loop {
            let word = self.state.word();
            if !self.state.is_ready(word, Direction::Read, tried) {
                if self.state.wait_elsewhere(Direction::Read, waker, tried) {
                    continue;
                }
                return false;
            }
            if self.kernel.swap(0, AcqRel) > 0 {
                return true;
            }
            self.state.clear(word, Direction::Read);
            tried = word;
        }
    }
}

fn waker() -> (StdArc<Wakes>, Waker) {
    let wakes = StdArc::<Wakes>::default();
    (wakes.clone(), Waker::from(wakes))
}

/// Fails without the fence in `event` (E2), the one in `wait_elsewhere` (U2), and the look after it (U3).
#[test]
fn loom_event_against_poller_elsewhere() {
    loom::model(|| {
        let socket = Socket::new();
        let owner = {
            let socket = socket.clone();
            thread::spawn(move || socket.event())
        };
        let (wakes, waker) = waker();
        let read = socket.poll_read(&waker);
        owner.join().unwrap();
        assert!(read || wakes.0.load(Counted) == 1, "sleeps on its event");
    });
}

/// Fails without the fence in `event` (E2), and the one in `enlist` (U2).
#[test]
fn loom_event_against_future() {
    loom::model(|| {
        let socket = Socket::new();
        let owner = {
            let socket = socket.clone();
            thread::spawn(move || socket.event())
        };
        let (wakes, waker) = waker();
        let mut id = 0;
        socket.state.enlist(&mut id, Interest::READABLE, &waker);
        let ready = socket.state.ready(socket.state.word(), Interest::READABLE, Word::NEVER);
        owner.join().unwrap();
        assert!(ready == Ready::READABLE || wakes.0.load(Counted) == 1, "sleeps on its event");
        socket.state.delist(id);
        drop(waker);
        assert_eq!(StdArc::strong_count(&wakes), 1);
    });
}

/// Fails when `clear` takes the count of the moment in place of the one read before the try, and when `event` adds no count.
#[test]
fn loom_event_against_clear() {
    loom::model(|| {
        let socket = Socket::new();
        socket.event();
        assert!(socket.poll_read(Waker::noop()));
        let owner = {
            let socket = socket.clone();
            thread::spawn(move || socket.event())
        };
        let word = socket.state.word();
        if socket.kernel.swap(0, AcqRel) == 0 {
            // Loom by itself puts no store of another thread between a load and the load before it.
            thread::yield_now();
            socket.state.clear(word, Direction::Read);
        }
        owner.join().unwrap();
        let left = socket.kernel.load(SeqCst) > 0;
        assert!(
            !left || socket.state.is_ready(socket.state.word(), Direction::Read, word),
            "an event is hidden"
        );
    });
}

/// A resource was just bound, and some of it is taken for ready while its first event comes. Fails when `presume` takes a count
/// above that of the moment, which the event then reaches.
#[test]
fn loom_event_against_presume() {
    loom::model(|| {
        let socket = Socket::new();
        let owner = {
            let socket = socket.clone();
            thread::spawn(move || socket.event())
        };
        socket.state.presume(Ready::READABLE);
        // Loom by itself puts no store of another thread between a load and the load before it.
        thread::yield_now();
        let word = socket.state.word();
        assert!(socket.state.is_ready(word, Direction::Read, Word::NEVER), "nothing is taken for ready");
        if socket.kernel.swap(0, AcqRel) == 0 {
            // As above.
            thread::yield_now();
            socket.state.clear(word, Direction::Read);
        }
        owner.join().unwrap();
        let left = socket.kernel.load(SeqCst) > 0;
        assert!(
            !left || socket.state.is_ready(socket.state.word(), Direction::Read, word),
            "an event is hidden"
        );
    });
}

/// Two threads make the shared half at once. Fails when it is installed with a store in place of the compare-exchange.
#[test]
fn loom_two_pollers_elsewhere() {
    loom::model(|| {
        let socket = Socket::new();
        let other = {
            let socket = socket.clone();
            thread::spawn(move || {
                let (wakes, waker) = waker();
                (socket.state.wait_elsewhere(Direction::Write, &waker, Word::NEVER), wakes)
            })
        };
        let (wakes, waker) = waker();
        assert!(!socket.poll_read(&waker));
        let (ready, other_wakes) = other.join().unwrap();
        assert!(!ready);
        fence(SeqCst);
        // SAFETY: the only thread left plays the owner.
        unsafe { socket.state.wake_all() };
        assert_eq!((wakes.0.load(Counted), other_wakes.0.load(Counted)), (1, 1));
    });
}

/// The reactor goes away. Fails without the look in `wait_elsewhere` (U3), and when it leaves the waker behind.
#[test]
fn loom_shutdown_against_poller_elsewhere() {
    loom::model(|| {
        let socket = Socket::new();
        let owner = {
            let socket = socket.clone();
            thread::spawn(move || {
                // SAFETY: this thread plays the owner.
                unsafe { socket.state.publish_shutdown() };
                fence(SeqCst);
                // SAFETY: as above.
                unsafe { socket.state.wake_all() };
            })
        };
        let (wakes, waker) = waker();
        let ends = socket.state.wait_elsewhere(Direction::Write, &waker, Word::NEVER);
        owner.join().unwrap();
        assert!(ends || wakes.0.load(Counted) == 1, "waits for ever");
        assert!(socket.state.word().is_shutdown());
        drop(waker);
        assert_eq!(StdArc::strong_count(&wakes), 1, "a waker is left behind");
    });
}
