//! The in-memory pipe: one direction (`SimplexStream`), and two of them crossed (`DuplexStream`).
//!
//! ```text
//! writer -> [ buffer, at most max_buf_size bytes ] -> reader
//! ```
//!
//! A reader that finds nothing leaves its waker, and so does a writer that finds no room; the other side takes it
//! when it has made a difference. Wakers run, and are dropped, only after the lock around a pipe is released, as
//! either may run code that uses the pipe: each step therefore returns the waker it has taken out.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use corelane_shards::loom::{Arc, Mutex};
use corelane_shards::util::wake_list::WakeList;

use super::coop::Proceed;
use super::split::lock;
use super::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf, WriteHalf, poll_proceed, split};

/// A pipe within the process: what is written to it can be read from it.
///
/// [`simplex`] makes one whose two ends are apart. As a value of its own it is both ends at once. Writing waits
/// while the pipe is full. After [`shutdown`](super::AsyncWriteExt::shutdown) reading gives what is left and then
/// the end, and writing fails with `BrokenPipe`.
#[derive(Debug)]
pub struct SimplexStream {
    buffer: VecDeque<u8>,
    max_buf_size: usize,
    is_closed: bool,
    read_waker: Option<Waker>,
    write_waker: Option<Waker>,
}

/// One end of a connection within the process. Made by [`duplex`].
///
/// Dropping it closes both directions: the other end reads what is left and then the end, and its writes fail
/// with `BrokenPipe`.
#[derive(Debug)]
pub struct DuplexStream {
    read: Arc<Mutex<SimplexStream>>,
    write: Arc<Mutex<SimplexStream>>,
}

/// Makes a pipe that holds up to `max_buf_size` bytes, and parts its ends.
///
/// Dropping one end does not close the pipe: shut the writing end down when there is no more to come.
///
/// # Panics
///
/// When `max_buf_size` is zero.
#[track_caller]
pub fn simplex(max_buf_size: usize) -> (ReadHalf<SimplexStream>, WriteHalf<SimplexStream>) {
    split(SimplexStream::new_unsplit(max_buf_size))
}

/// Makes the two ends of a connection that holds up to `max_buf_size` bytes in each direction.
///
/// # Panics
///
/// When `max_buf_size` is zero.
#[track_caller]
pub fn duplex(max_buf_size: usize) -> (DuplexStream, DuplexStream) {
    let there = Arc::new(Mutex::new(SimplexStream::new_unsplit(max_buf_size)));
    let back = Arc::new(Mutex::new(SimplexStream::new_unsplit(max_buf_size)));
    (
        DuplexStream { read: Arc::clone(&back), write: Arc::clone(&there) },
        DuplexStream { read: there, write: back },
    )
}

/// What a step came to, and the waker it took out: of the other side if the step is ready, else of an earlier
/// poll by the same side.
type Step<T> = (Poll<io::Result<T>>, Option<Waker>);

/// Ends a step, with no lock held any more.
fn finish<T>(coop: Proceed, (poll, waker): Step<T>) -> Poll<io::Result<T>> {
    if poll.is_ready() {
        coop.made_progress();
        wake(waker);
    }
    poll
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl SimplexStream {
    /// Makes a pipe that holds up to `max_buf_size` bytes, and leaves its ends together.
    ///
    /// # Panics
    ///
    /// When `max_buf_size` is zero.
    #[track_caller]
    pub fn new_unsplit(max_buf_size: usize) -> SimplexStream {
        assert!(max_buf_size > 0, "`max_buf_size` must be greater than 0");
        SimplexStream {
            buffer: VecDeque::new(),
            max_buf_size,
            is_closed: false,
            read_waker: None,
            write_waker: None,
        }
    }

    fn read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Step<()> {
        if self.buffer.is_empty() && !self.is_closed && buf.remaining() > 0 {
            return (Poll::Pending, self.read_waker.replace(cx.waker().clone()));
        }
        let before = buf.remaining();
        let (front, back) = self.buffer.as_slices();
        for part in [front, back] {
            buf.put_slice(&part[..part.len().min(buf.remaining())]);
        }
        let read = before - buf.remaining();
        self.buffer.drain(..read);
        (Poll::Ready(Ok(())), if read > 0 { self.write_waker.take() } else { None })
    }

    fn write(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Step<usize> {
        if self.is_closed {
            return (Poll::Ready(Err(ErrorKind::BrokenPipe.into())), None);
        }
        let before = self.buffer.len();
        for buf in bufs {
            let room = self.max_buf_size - self.buffer.len();
            self.buffer.extend(&buf[..buf.len().min(room)]);
        }
        let written = self.buffer.len() - before;
        if written > 0 {
            (Poll::Ready(Ok(written)), self.read_waker.take())
        } else if bufs.iter().all(|buf| buf.is_empty()) {
            (Poll::Ready(Ok(0)), None)
        } else {
            (Poll::Pending, self.write_waker.replace(cx.waker().clone()))
        }
    }

    /// The writer is gone: readers see the end once the buffer is empty.
    fn close_write(&mut self) -> Option<Waker> {
        self.is_closed = true;
        self.read_waker.take()
    }

    /// The reader is gone: writers see a broken pipe.
    fn close_read(&mut self) -> Option<Waker> {
        self.is_closed = true;
        self.write_waker.take()
    }
}

impl AsyncRead for SimplexStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let coop = ready!(poll_proceed(cx));
        finish(coop, self.get_mut().read(cx, buf))
    }
}

impl AsyncWrite for SimplexStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let coop = ready!(poll_proceed(cx));
        finish(coop, self.get_mut().write(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        wake(self.get_mut().close_write());
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for DuplexStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let coop = ready!(poll_proceed(cx));
        let step = lock(&self.read).read(cx, buf);
        finish(coop, step)
    }
}

impl AsyncWrite for DuplexStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let coop = ready!(poll_proceed(cx));
        let step = lock(&self.write).write(cx, bufs);
        finish(coop, step)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let reader = lock(&self.write).close_write();
        wake(reader);
        Poll::Ready(Ok(()))
    }
}

impl Drop for DuplexStream {
    fn drop(&mut self) {
        // Both ends first: a waker that panics keeps neither the other pipe open nor the other waker from being woken.
        let reader = lock(&self.write).close_write();
        let writer = lock(&self.read).close_read();
        let mut wakers = WakeList::new();
        reader.into_iter().chain(writer).for_each(|waker| wakers.push(waker));
        wakers.wake_all();
    }
}
