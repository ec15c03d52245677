//! The buffer, with a file that does what the test says, when the test says.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io::{ErrorKind, IoSlice};
use std::pin::pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::Wake;

use super::*;
use crate::runtime::{Builder, Runtime};

/// What an operation does once it has told the test that it started.
enum Step {
    Read(&'static [u8]),
    Write(io::Result<()>),
    Seek(io::Result<u64>),
    Fail(ErrorKind),
}

/// Each operation sends what it was asked for, then waits for a step.
struct Script {
    asked: Mutex<Sender<String>>,
    steps: Mutex<Receiver<Step>>,
}

impl Script {
    fn step(&self, asked: String) -> Step {
        self.asked.lock().unwrap().send(asked).unwrap();
        self.steps.lock().unwrap().recv().unwrap()
    }
}

impl Device for Script {
    fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        match self.step(format!("read {}", buf.len())) {
            Step::Read(bytes) => {
                buf[..bytes.len()].copy_from_slice(bytes);
                Ok(bytes.len())
            }
            Step::Fail(kind) => Err(kind.into()),
            _ => panic!("not a step for a read"),
        }
    }

    fn write(&self, buf: &[u8]) -> io::Result<()> {
        match self.step(format!("write {}", String::from_utf8_lossy(buf))) {
            Step::Write(result) => result,
            _ => panic!("not a step for a write"),
        }
    }

    fn seek(&self, to: SeekFrom) -> io::Result<u64> {
        match self.step(format!("{to:?}")) {
            Step::Seek(result) => result,
            _ => panic!("not a step for a seek"),
        }
    }
}

struct Test {
    rt: Runtime,
    io: Blocking<Script>,
    asked: Receiver<String>,
    steps: Sender<Step>,
}

impl Test {
    fn new() -> Self {
        let (ask, asked) = channel();
        let (steps, take) = channel();
        let io = Blocking::new(Script { asked: Mutex::new(ask), steps: Mutex::new(take) });
        Self { rt: Builder::new_current_thread().enable_all().build().unwrap(), io, asked, steps }
    }

    /// Answers operations that have not started yet, in order.
    fn script(&self, steps: impl IntoIterator<Item = Step>) {
        steps.into_iter().for_each(|step| self.steps.send(step).unwrap());
    }

    fn asked(&self) -> Vec<String> {
        self.asked.try_iter().collect()
    }

    fn read(&self, len: usize) -> io::Result<String> {
        self.rt.block_on(read(&self.io, len))
    }

    fn write(&self, text: &str) -> io::Result<usize> {
        self.rt.block_on(write(&self.io, text))
    }

    fn flush(&self) -> io::Result<()> {
        self.rt.block_on(self.io.flushed())
    }

    fn seek(&self, to: SeekFrom) -> io::Result<u64> {
        self.rt.block_on(async {
            poll_fn(|cx| self.io.poll_seek(cx)).await?;
            self.io.start_seek(to)?;
            poll_fn(|cx| self.io.poll_seek(cx)).await
        })
    }

    /// Polls once, in the runtime.
    fn once<F: Future>(&self, future: F) -> Poll<F::Output> {
        let _entered = self.rt.enter();
        pin!(future).poll(&mut Context::from_waker(Waker::noop()))
    }
}

async fn read(io: &Blocking<Script>, len: usize) -> io::Result<String> {
    let mut bytes = vec![0; len];
    let mut buf = ReadBuf::new(&mut bytes);
    poll_fn(|cx| io.poll_read(cx, &mut buf)).await?;
    Ok(String::from_utf8(buf.filled().to_vec()).unwrap())
}

async fn write(io: &Blocking<Script>, text: &str) -> io::Result<usize> {
    poll_fn(|cx| io.poll_write(cx, &[IoSlice::new(text.as_bytes())])).await
}

fn kind<R>(result: io::Result<R>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

#[test]
fn a_read_that_is_dropped_leaves_what_it_reads_to_the_next() {
    let test = Test::new();
    assert!(test.once(read(&test.io, 8)).is_pending());
    test.script([Step::Read(b"abcde"), Step::Read(b"")]);
    assert_eq!(test.read(2).unwrap(), "ab");
    assert_eq!(test.read(8).unwrap(), "cde");
    assert_eq!(test.read(8).unwrap(), "");
    assert_eq!(test.asked(), ["read 8", "read 8"]);
}

#[test]
fn an_end_and_an_error_of_a_dropped_read_are_told_to_the_next() {
    for (step, end) in
        [(Step::Read(b""), None), (Step::Fail(ErrorKind::NotConnected), Some(ErrorKind::NotConnected))]
    {
        let test = Test::new();
        assert!(test.once(read(&test.io, 8)).is_pending());
        test.script([step, Step::Read(b"x")]);
        assert_eq!(kind(test.read(8)), end);
        assert_eq!(test.read(8).unwrap(), "x", "told once");
    }
}

#[test]
fn an_interrupted_read_is_read_again() {
    let test = Test::new();
    test.script([Step::Fail(ErrorKind::Interrupted), Step::Read(b"x")]);
    assert_eq!(test.read(4).unwrap(), "x");
    assert_eq!(test.asked(), ["read 4", "read 4"]);
}

#[test]
fn a_write_is_taken_before_it_is_written_and_the_next_one_waits() {
    let test = Test::new();
    assert!(matches!(test.once(write(&test.io, "one")), Poll::Ready(Ok(3))));
    assert!(test.once(write(&test.io, "two")).is_pending());
    assert!(test.once(test.io.flushed()).is_pending());
    test.script([Step::Write(Ok(())), Step::Write(Ok(()))]);
    assert_eq!(test.write("three").unwrap(), 5);
    test.flush().unwrap();
    assert_eq!(test.asked(), ["write one", "write three"]);
}

#[test]
fn an_error_of_a_write_is_told_once_by_the_next_write_or_flush() {
    let test = Test::new();
    let full = || Step::Write(Err(ErrorKind::StorageFull.into()));
    test.script([full(), full(), Step::Write(Ok(()))]);
    test.write("one").unwrap();
    assert_eq!(kind(test.write("two")), Some(ErrorKind::StorageFull));
    test.write("three").unwrap();
    assert_eq!(kind(test.flush()), Some(ErrorKind::StorageFull));
    test.flush().unwrap();
    test.write("four").unwrap();
    test.flush().unwrap();
    assert_eq!(test.asked(), ["write one", "write three", "write four"]);
}

#[test]
fn reads_and_seeks_pass_over_the_error_of_a_write() {
    let test = Test::new();
    test.script([Step::Write(Err(ErrorKind::StorageFull.into())), Step::Read(b"x"), Step::Seek(Ok(7))]);
    test.write("one").unwrap();
    assert_eq!(test.read(1).unwrap(), "x");
    assert_eq!(test.seek(SeekFrom::Start(7)).unwrap(), 7);
    assert_eq!(kind(test.flush()), Some(ErrorKind::StorageFull));
}

#[test]
fn one_operation_moves_no_more_than_the_maximum() {
    let mut test = Test::new();
    test.io.set_max_len(3);
    test.script([Step::Write(Ok(())), Step::Read(b"abc")]);
    let parts = ["ab", "cd", "ef"].map(|part| IoSlice::new(part.as_bytes()));
    let taken = test.rt.block_on(poll_fn(|cx| test.io.poll_write(cx, &parts)));
    assert_eq!(taken.unwrap(), 3);
    assert_eq!(test.read(10).unwrap(), "abc");
    assert_eq!(test.asked(), ["write abc", "read 3"]);
}

#[test]
fn a_write_goes_back_over_what_was_read_ahead() {
    let test = Test::new();
    assert!(test.once(read(&test.io, 5)).is_pending());
    test.script([Step::Read(b"abcde"), Step::Seek(Ok(2)), Step::Write(Ok(())), Step::Read(b"z")]);
    assert_eq!(test.read(2).unwrap(), "ab");
    test.write("X").unwrap();
    assert_eq!(test.read(1).unwrap(), "z", "what was read ahead is thrown away");
    assert_eq!(test.asked(), ["read 5", "Current(-3)", "write X", "read 1"]);
}

#[test]
fn a_seek_counts_from_the_reader_and_keeps_what_was_read_ahead_if_it_fails() {
    let test = Test::new();
    assert!(test.once(read(&test.io, 5)).is_pending());
    test.script([Step::Read(b"abcde")]);
    assert_eq!(test.read(1).unwrap(), "a");
    test.script([Step::Seek(Err(ErrorKind::InvalidInput.into()))]);
    assert_eq!(kind(test.seek(SeekFrom::Current(-9))), Some(ErrorKind::InvalidInput));
    assert_eq!(test.read(1).unwrap(), "b");
    test.script([Step::Seek(Ok(3)), Step::Read(b"d")]);
    assert_eq!(test.seek(SeekFrom::Current(1)).unwrap(), 3);
    assert_eq!(test.read(1).unwrap(), "d");
    assert_eq!(test.asked(), ["read 5", "Current(-13)", "Current(-2)", "read 1"]);
}

#[test]
fn a_seek_does_not_start_while_something_is_under_way() {
    let test = Test::new();
    assert!(test.once(read(&test.io, 5)).is_pending());
    let error = test.io.start_seek(SeekFrom::Start(0)).unwrap_err();
    assert_eq!(error.to_string(), "other file operation is pending, call poll_complete before start_seek");
    test.script([Step::Read(b"")]);
}

#[test]
fn all_who_wait_are_woken() {
    let test = Test::new();
    test.write("x").unwrap();
    let io = Arc::new(test.io);
    let tasks: Vec<_> = (0..100)
        .map(|n| {
            let io = Arc::clone(&io);
            test.rt.spawn(async move { io.run(move |_, _| Ok(n)).await })
        })
        .collect();
    // All of them have been polled once this has.
    test.rt.block_on(crate::task::yield_now());
    test.steps.send(Step::Write(Ok(()))).unwrap();
    let sum: i32 = test.rt.block_on(async {
        let mut sum = 0;
        for task in tasks {
            sum += task.await.unwrap().unwrap();
        }
        sum
    });
    assert_eq!(sum, 99 * 100 / 2);
}

/// A waker that looks at the file when it is cloned, woken and dropped.
struct Nosy(Arc<Blocking<Script>>);

impl Wake for Nosy {
    fn wake(self: Arc<Self>) {
        assert!(self.0.poll_flush(&mut Context::from_waker(Waker::noop())).is_ready());
    }
}

impl Drop for Nosy {
    fn drop(&mut self) {
        let _ = self.0.poll_flush(&mut Context::from_waker(Waker::noop()));
    }
}

#[test]
fn wakers_may_use_the_file() {
    let test = Test::new();
    test.write("x").unwrap();
    let io = Arc::new(test.io);
    let waker = Waker::from(Arc::new(Nosy(Arc::clone(&io))));
    assert!(io.poll_flush(&mut Context::from_waker(&waker)).is_pending());
    drop(waker);
    test.steps.send(Step::Write(Ok(()))).unwrap();
    test.rt.block_on(io.flushed()).unwrap();
}

#[test]
fn who_gave_up_waiting_leaves_no_waker_behind() {
    let test = Test::new();
    test.write("x").unwrap();
    let ours = Arc::new(());
    let polls: [fn(&Blocking<Script>, &mut Context<'_>); 2] = [
        |io, cx| assert!(pin!(read(io, 1)).poll(cx).is_pending()),
        |io, cx| assert!(pin!(io.flushed()).poll(cx).is_pending()),
    ];
    for poll in polls {
        for _ in 0..100 {
            let waker = Waker::from(Arc::new(Holds(Arc::clone(&ours))));
            poll(&test.io, &mut Context::from_waker(&waker));
        }
    }
    // Of those who poll and read, the last.
    assert_eq!(Arc::strong_count(&ours), 2);
    test.script([Step::Write(Ok(()))]);
    test.flush().unwrap();
    // The pool's thread may still be about to wake it.
    while Arc::strong_count(&ours) > 1 {
        std::thread::yield_now();
    }
}

#[test]
fn both_halves_of_a_file_are_woken() {
    struct Counts(std::sync::atomic::AtomicUsize);
    impl Wake for Counts {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let test = Test::new();
    test.write("x").unwrap();
    let (reader, writer) = (Arc::new(Counts(0.into())), Arc::new(Counts(0.into())));
    let [waker, other] = [&reader, &writer].map(|half| Waker::from(Arc::clone(half)));
    assert!(pin!(read(&test.io, 1)).poll(&mut Context::from_waker(&waker)).is_pending());
    assert!(pin!(write(&test.io, "y")).poll(&mut Context::from_waker(&other)).is_pending());
    test.script([Step::Write(Ok(()))]);
    test.flush().unwrap();
    // The pool's thread may still be about to wake them.
    let wakes = |half: &Counts| half.0.load(std::sync::atomic::Ordering::Relaxed);
    while (wakes(&reader), wakes(&writer)) != (1, 1) {
        std::thread::yield_now();
    }
}

struct Holds(#[expect(dead_code, reason = "counted")] Arc<()>);

impl Wake for Holds {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn what_is_under_way_has_to_end_before_the_file_is_given_back() {
    let test = Test::new();
    test.write("x").unwrap();
    let io = test.io.try_into_file().err().expect("a write is under way");
    test.steps.send(Step::Write(Ok(()))).unwrap();
    let Script { .. } = test.rt.block_on(io.into_file());
}

#[test]
fn a_refusal_is_told_at_once_and_leaves_the_file_usable() {
    let test = Test::new();
    let (dead, alive) = (Builder::new_current_thread().build().unwrap(), test.rt.handle());
    let handle = dead.handle().clone();
    dead.shutdown_background();
    {
        let _entered = handle.enter();
        let cx = &mut Context::from_waker(Waker::noop());
        let text = |error: io::Error| error.to_string();
        let Poll::Ready(Err(error)) = test.io.poll_write(cx, &[IoSlice::new(b"lost")]) else { panic!() };
        assert_eq!(text(error), crate::error::SHUTTING_DOWN);
        let mut bytes = [0; 1];
        let Poll::Ready(Err(error)) = test.io.poll_read(cx, &mut ReadBuf::new(&mut bytes)) else { panic!() };
        assert_eq!(text(error), crate::error::SHUTTING_DOWN);
        assert_eq!(text(test.io.start_seek(SeekFrom::Start(0)).unwrap_err()), crate::error::SHUTTING_DOWN);
        assert!(matches!(test.io.poll_flush(cx), Poll::Ready(Ok(()))));
    }
    let _entered = alive.enter();
    test.script([Step::Write(Ok(()))]);
    test.write("x").unwrap();
    test.flush().unwrap();
    assert_eq!(test.asked(), ["write x"]);
}

#[test]
fn a_write_that_is_refused_leaves_what_was_read_ahead() {
    let test = Test::new();
    assert!(test.once(read(&test.io, 5)).is_pending());
    test.script([Step::Read(b"abcde"), Step::Seek(Ok(3)), Step::Write(Ok(()))]);
    assert_eq!(test.read(2).unwrap(), "ab");
    let dead = Builder::new_current_thread().build().unwrap();
    let handle = dead.handle().clone();
    dead.shutdown_background();
    {
        let _entered = handle.enter();
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(matches!(test.io.poll_write(cx, &[IoSlice::new(b"lost")]), Poll::Ready(Err(_))));
    }
    assert_eq!(test.read(1).unwrap(), "c");
    test.write("X").unwrap();
    test.flush().unwrap();
    assert_eq!(test.asked(), ["read 5", "Current(-2)", "write X"]);
}

#[test]
fn a_panic_of_the_file_is_an_error_of_the_operation() {
    let test = Test::new();
    test.script([Step::Seek(Ok(0)), Step::Seek(Ok(0)), Step::Read(b"x")]);
    test.write("x").unwrap();
    assert_eq!(test.flush().unwrap_err().to_string(), "background task failed");
    assert_eq!(test.read(1).unwrap_err().to_string(), "background task failed");
    assert_eq!(test.read(1).unwrap(), "x");
}

/// With the only thread of the pool busy, a write waits its turn, and so does a read.
#[test]
fn shutdown_runs_writes_that_wait_for_a_thread_and_gives_up_reads() {
    let rt = Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    let (release, held) = channel::<()>();
    let (begun, has_begun) = channel();
    rt.spawn_blocking(move || {
        begun.send(()).unwrap();
        let _ = held.recv();
    });
    has_begun.recv().unwrap();
    let (test, other) = (Test::new(), Test::new());
    {
        let _entered = rt.enter();
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(matches!(test.io.poll_write(cx, &[IoSlice::new(b"x")]), Poll::Ready(Ok(1))));
        let mut bytes = [0; 1];
        assert!(other.io.poll_read(cx, &mut ReadBuf::new(&mut bytes)).is_pending());
    }
    rt.shutdown_background();
    assert_eq!(other.read(1).unwrap_err().to_string(), "background task failed");
    test.script([Step::Write(Ok(()))]);
    drop(release);
    assert_eq!(test.asked.recv().unwrap(), "write x");
    test.flush().unwrap();
}

#[test]
fn a_random_mix_reads_what_a_plain_file_reads() {
    use std::io::{Read, Write};
    let seed: u64 = 0x5eed_f11e;
    println!("seed {seed:#x}");
    let mut state = seed;
    let mut random = move |n: u64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % n
    };
    let rt = Builder::new_current_thread().build().unwrap();
    let scratch = |name: &str| {
        let path = std::env::temp_dir().join(format!("corelane-mix-{}-{name}", std::process::id()));
        let file = std::fs::File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        file
    };
    let (mut plain, mut io) = (scratch("plain"), Blocking::new(scratch("ours")));
    let mut trace = VecDeque::new();
    for _ in 0..2_000 {
        let (what, len) = (random(6), 1 + random(40) as usize);
        trace.push_back((what, len));
        if trace.len() > 20 {
            trace.pop_front();
        }
        io.set_max_len(len.max(8));
        match what {
            0 | 1 => {
                let mut bytes = vec![0; len];
                let ours = rt.block_on(async {
                    let mut buf = ReadBuf::new(&mut bytes);
                    if what == 1 {
                        // Reads ahead: asks for more than it takes.
                        let mut more = vec![0; len + 8];
                        let mut more = ReadBuf::new(&mut more);
                        let cx = &mut Context::from_waker(Waker::noop());
                        if io.poll_read(cx, &mut more).is_ready() {
                            return more.filled().to_vec();
                        }
                    }
                    poll_fn(|cx| io.poll_read(cx, &mut buf)).await.unwrap();
                    buf.filled().to_vec()
                });
                let mut theirs = vec![0; ours.len()];
                plain.read_exact(&mut theirs).unwrap();
                assert_eq!(ours, theirs, "after {trace:?}");
            }
            2 => {
                let text = vec![b'a' + random(26) as u8; len];
                let taken = rt.block_on(poll_fn(|cx| io.poll_write(cx, &[IoSlice::new(&text)]))).unwrap();
                plain.write_all(&text[..taken]).unwrap();
            }
            3 | 4 => {
                let to = if what == 3 {
                    SeekFrom::Start(random(100))
                } else {
                    SeekFrom::Current(random(40) as i64 - 20)
                };
                let ours = rt.block_on(async {
                    poll_fn(|cx| io.poll_seek(cx)).await.unwrap();
                    io.start_seek(to).unwrap();
                    poll_fn(|cx| io.poll_seek(cx)).await
                });
                assert_eq!(ours.ok(), plain.seek(to).ok(), "after {trace:?}");
            }
            _ => {
                let size = random(100);
                rt.block_on(io.run(move |file, buf| {
                    buf.back(file)?;
                    file.set_len(size)
                }))
                .unwrap();
                plain.set_len(size).unwrap();
            }
        }
    }
}
