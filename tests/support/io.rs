//! Streams that follow a script, and what drives a future by hand.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use corelane::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Polls once.
pub fn now<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls until the future is ready. A script's pauses last one poll, so a future that is still not ready after
/// many never will be.
pub fn run<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    for _ in 0..10_000 {
        if let Poll::Ready(out) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return out;
        }
    }
    panic!("the future waits for something that is not in the script");
}

/// The message of the panic `f` must end in.
pub fn panic_of<T>(f: impl FnOnce() -> T) -> String {
    let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).err().expect("a panic");
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload.downcast_ref::<&str>().expect("a message").to_string(),
    }
}

/// Counts how often it is woken.
#[derive(Default)]
pub struct Wakes(AtomicUsize);

impl Wakes {
    pub fn new() -> (Arc<Wakes>, Waker) {
        let wakes = Arc::new(Wakes::default());
        (Arc::clone(&wakes), Waker::from(wakes))
    }

    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Clone, Copy)]
pub enum Step {
    /// One read of these bytes (in parts where the buffer is smaller).
    Data(&'static [u8]),
    /// One write of at most so many bytes.
    Room(usize),
    Pending,
    Fail(ErrorKind),
}
pub use Step::{Data, Fail, Pending, Room};

/// Gives what its script says, then the end of the stream.
pub struct Reader(VecDeque<Step>);

impl Reader {
    pub fn new(script: &[Step]) -> Self {
        // A read of nothing would be the end.
        Reader(script.iter().copied().filter(|step| !matches!(step, Data(b""))).collect())
    }
}

impl AsyncRead for Reader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.0.pop_front() {
            None => {}
            Some(Data(data)) => {
                let (now, later) = data.split_at(data.len().min(buf.remaining()));
                buf.put_slice(now);
                if !later.is_empty() {
                    self.0.push_front(Data(later));
                }
            }
            Some(Pending) => return Poll::Pending,
            Some(Fail(kind)) => return Poll::Ready(Err(kind.into())),
            Some(Room(_)) => panic!("`Room` is for writers"),
        }
        Poll::Ready(Ok(()))
    }
}

/// Takes what its script says, then everything, and keeps a log of what was asked of it.
#[derive(Default)]
pub struct Writer {
    script: VecDeque<Step>,
    vectored: bool,
    pub data: Vec<u8>,
    pub log: Vec<&'static str>,
}

impl Writer {
    pub fn new(script: &[Step]) -> Self {
        Writer { script: script.iter().copied().collect(), ..Writer::default() }
    }

    pub fn vectored(script: &[Step]) -> Self {
        Writer { vectored: true, ..Writer::new(script) }
    }

    fn take(&mut self, buf: &[u8]) -> Poll<io::Result<usize>> {
        let room = match self.script.pop_front() {
            None => usize::MAX,
            Some(Room(room)) => room,
            Some(Pending) => {
                self.log.push("pending");
                return Poll::Pending;
            }
            Some(Fail(kind)) => return Poll::Ready(Err(kind.into())),
            Some(Data(_)) => panic!("`Data` is for readers"),
        };
        let taken = buf.len().min(room);
        self.data.extend_from_slice(&buf[..taken]);
        Poll::Ready(Ok(taken))
    }
}

impl AsyncWrite for Writer {
    fn poll_write(mut self: Pin<&mut Self>, _cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.log.push("write");
        self.take(buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if !self.vectored {
            let first = bufs.iter().find(|buf| !buf.is_empty());
            return self.poll_write(cx, first.map_or(&[], |buf| buf));
        }
        self.log.push("write_vectored");
        let all: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
        self.take(&all)
    }

    fn is_write_vectored(&self) -> bool {
        self.vectored
    }

    fn poll_flush(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.log.push("flush");
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.log.push("shutdown");
        Poll::Ready(Ok(()))
    }
}
