//! Files that block, used without blocking: ordinary files, and the standard streams.
//!
//! Here: the way to the blocking pool ([`offload`]), and the buffer between those who poll and a file whose operations run
//! there ([`Blocking`]).
//! Not here: what else can be done with a file (`fs`), which files there are (`fs`, `stdio`), the pool (`runtime`).
//!
//! *One operation at a time.* Who starts one takes off with the buffer. The operation lands, on a thread of the pool: it
//! puts the buffer back together with how it ended, and wakes all who waited for that.
//!
//! ```text
//!              take_off                          Landing::drop
//!    at rest ────────────▶ under way, no buffer ───────────────▶ at rest
//!    the buffer holds what was read ahead, or nothing
//! ```
//!
//! - *Read.* What is in the buffer is given out. If nothing is, an operation reads as much as was asked for, at most
//!   `max_len` bytes.
//! - *Write.* Taken into the buffer, and the operation goes off with it: the write is done from then on for who asked. The
//!   next one waits for its end. Its error is kept until the next write, flush or sync, and told once. Shutdown runs these
//!   operations even if they have not started, since somebody was told that they will be.
//! - *Read ahead.* The file stands behind what was read, its reader before. So a write goes back first, and a seek
//!   counts from the reader. Both throw away what was read ahead.
//!
//! An operation outlives the future that started it. What it read stays in the buffer for the next reader.
//!
//! *Landing always happens*, also for an operation that the pool drops without running, and if it panics: it is the drop of
//! a part that every operation carries. It comes after the operation has let go of the file. So who finds the state at rest,
//! and has the handle to himself, has the file to himself.
//!
//! Threads: any. The state is behind a lock that is held for a few instructions; wakers are cloned, woken and dropped
//! outside of it.

#[cfg(all(test, not(loom)))]
mod tests;

use std::fmt;
use std::io::{self, IoSlice, SeekFrom};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker, ready};

use corelane_shards::util::wake_list::WakeList;

use crate::runtime::context;
use crate::runtime::hooks::Origin;
use crate::sync::Notify;
use crate::task::JoinHandle;

use super::{ReadBuf, poll_proceed};

/// The largest operation unless a file says otherwise, in bytes: large enough that the way to the pool does not count.
const MAX_LEN: usize = 2 * 1024 * 1024;

/// Runs a closure on the blocking pool.
///
/// # Errors
///
/// What the closure gives, or the system if it gives the pool no thread at all. `Other` if the pool did not run it, or it panicked.
pub(crate) async fn offload<R>(f: impl FnOnce() -> io::Result<R> + Send + 'static) -> io::Result<R>
where
    R: Send + 'static,
{
    start(f)?.await.unwrap_or_else(|_| Err(failed()))
}

/// Has the blocking pool run a closure.
///
/// # Errors
///
/// If the system gives the pool no thread at all. The closure is dropped.
///
/// # Panics
///
/// Outside of a runtime.
#[track_caller]
pub(crate) fn start<R>(f: impl FnOnce() -> R + Send + 'static) -> io::Result<JoinHandle<R>>
where
    R: Send + 'static,
{
    let origin = Origin::caller(None);
    context::with_current(|inner| inner.try_spawn_blocking(f, origin))
}

/// What is said of work that the pool did not do.
pub(crate) fn failed() -> io::Error {
    io::Error::other("background task failed")
}

/// What a file does while it blocks its thread. Of what it can't do it is not asked.
pub(crate) trait Device: Send + Sync + 'static {
    /// Reads once.
    fn read(&self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Writes all of it, and keeps nothing back.
    fn write(&self, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn seek(&self, _: SeekFrom) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A file and its buffer.
pub(crate) struct Blocking<T> {
    file: Arc<T>,
    shared: Arc<Shared>,
    max_len: usize,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Tells the futures that wait for the end of an operation: each leaves when it is dropped.
    landed: Notify,
}

/// See the module's head.
#[derive(Default)]
struct State {
    under_way: bool,
    buf: Buf,
    /// How the last operation ended, until somebody asks or another one starts.
    ended: Ended,
    write_error: Option<io::Error>,
    /// Where the last seek went.
    position: u64,
    /// Who polled last on each [`Side`].
    pollers: [Option<Waker>; 2],
}

/// Who polls has the file to himself; or half of it, as there are of a file that is split.
#[derive(Clone, Copy)]
enum Side {
    Read,
    Write,
}

#[derive(Default)]
enum Ended {
    #[default]
    Untold,
    Read(io::Result<()>),
    Write(io::Result<()>),
    Seek(io::Result<u64>),
}

/// An operation under way. Fields drop in order: it lets go of the file, then it lands.
struct Flight<T> {
    file: Arc<T>,
    landing: Landing,
}

struct Landing {
    shared: Arc<Shared>,
    buf: Buf,
    ended: Ended,
}

impl<T> Flight<T> {
    /// Takes the whole of it by value: a closure would capture, and drop, the parts one by one.
    fn run<R>(mut self, f: impl FnOnce(&T, &mut Buf, &mut Ended) -> R) -> R {
        f(&self.file, &mut self.landing.buf, &mut self.landing.ended)
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.under_way = false;
        state.buf = mem::take(&mut self.buf);
        match mem::take(&mut self.ended) {
            Ended::Write(result) => {
                // Also if it never ran: this is nothing to be read.
                state.buf.clear();
                state.write_error = result.err();
            }
            Ended::Seek(Ok(position)) => state.position = position,
            ended => state.ended = ended,
        }
        let mut wakers = WakeList::new();
        state.pollers.iter_mut().filter_map(Option::take).for_each(|poller| wakers.push(poller));
        drop(state);
        wakers.wake_all();
        self.shared.landed.notify_waiters();
    }
}

impl Shared {
    /// Nothing that panics runs under the lock, but for a failed allocation.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poison| poison.into_inner())
    }
}

impl<T: Device> Blocking<T> {
    pub(crate) fn new(file: T) -> Self {
        Self { file: Arc::new(file), shared: Arc::default(), max_len: MAX_LEN }
    }

    pub(crate) fn file(&self) -> &T {
        &self.file
    }

    pub(crate) fn max_len(&self) -> usize {
        self.max_len
    }

    /// # Panics
    ///
    /// If it is zero.
    #[track_caller]
    pub(crate) fn set_max_len(&mut self, max_len: usize) {
        assert!(max_len > 0, "`max_buf_size` must be greater than 0");
        self.max_len = max_len;
    }

    /// The file, once nothing is under way.
    pub(crate) async fn into_file(self) -> T {
        self.at_rest(|_| ()).await;
        self.at_rest_into_file()
    }

    /// The file, if nothing is under way.
    pub(crate) fn try_into_file(self) -> Result<T, Self> {
        if self.shared.lock().under_way { Err(self) } else { Ok(self.at_rest_into_file()) }
    }

    fn at_rest_into_file(self) -> T {
        Arc::into_inner(self.file).expect("only an operation under way holds the file too")
    }

    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, dst: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let coop = ready!(poll_proceed(cx));
        loop {
            let mut state = ready!(self.poll_rest(cx, Side::Read));
            let has_read = match mem::take(&mut state.ended) {
                Ended::Read(result) => result.map(|()| true)?,
                _ => false,
            };
            if has_read || !state.buf.unread().is_empty() || dst.remaining() == 0 {
                state.buf.give(dst);
                coop.made_progress();
                return Poll::Ready(Ok(()));
            }
            let len = dst.remaining().min(self.max_len);
            let flight = self.take_off(state, Ended::Read(Err(failed())));
            launch(flight, false, move |file, buf| Ended::Read(buf.fill(file, len)))?;
        }
    }

    /// Takes bytes to write. Ready with less than all of them if they are more than `max_len`.
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, src: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let coop = ready!(poll_proceed(cx));
        let mut state = ready!(self.poll_rest(cx, Side::Write));
        if let Some(error) = state.write_error.take() {
            return Poll::Ready(Err(error));
        }
        if src.iter().all(|part| part.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        let mut flight = self.take_off(state, Ended::Write(Err(failed())));
        let buf = &mut flight.landing.buf;
        // Kept until the operation is sure to run: if the pool refuses it, the file stands where it stood.
        let kept = if buf.unread().is_empty() { Buf::default() } else { mem::take(buf) };
        let ahead = kept.unread().len();
        let len = buf.load(src, self.max_len);
        let launched = launch(flight, true, move |file, buf| {
            Ended::Write(go_back(file, ahead).and_then(|()| file.write(buf.unread())))
        });
        if let Err(error) = launched {
            self.shared.lock().buf = kept;
            return Poll::Ready(Err(error));
        }
        coop.made_progress();
        Poll::Ready(Ok(len))
    }

    /// Ready when what was taken is written.
    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let error = ready!(self.poll_rest(cx, Side::Write)).write_error.take();
        Poll::Ready(error.map_or(Ok(()), Err))
    }

    pub(crate) async fn flushed(&self) -> io::Result<()> {
        let error = self.at_rest(|mut state| state.write_error.take()).await;
        error.map_or(Ok(()), Err)
    }

    /// # Errors
    ///
    /// If something is under way.
    pub(crate) fn start_seek(&self, to: SeekFrom) -> io::Result<()> {
        let state = self.shared.lock();
        if state.under_way {
            return Err(io::Error::other(
                "other file operation is pending, call poll_complete before start_seek",
            ));
        }
        let to = match to {
            SeekFrom::Current(by) => {
                let by = by.checked_sub(state.buf.unread().len() as i64);
                SeekFrom::Current(by.ok_or(io::ErrorKind::InvalidInput)?)
            }
            to => to,
        };
        let flight = self.take_off(state, Ended::Seek(Err(failed())));
        launch(flight, false, move |file, buf| {
            let sought = file.seek(to);
            if sought.is_ok() {
                buf.clear();
            }
            Ended::Seek(sought)
        })
    }

    /// Ready when nothing is under way, with where the last seek went.
    pub(crate) fn poll_seek(&self, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        let coop = ready!(poll_proceed(cx));
        let mut state = ready!(self.poll_rest(cx, Side::Write));
        match mem::take(&mut state.ended) {
            Ended::Seek(result) => state.position = result?,
            ended => state.ended = ended,
        }
        coop.made_progress();
        Poll::Ready(Ok(state.position))
    }

    /// Does anything else with the file, once nothing is under way.
    pub(crate) async fn run<R>(
        &self,
        f: impl FnOnce(&T, &mut Buf) -> io::Result<R> + Send + 'static,
    ) -> io::Result<R>
    where
        R: Send + 'static,
    {
        let flight = self.at_rest(|state| self.take_off(state, Ended::Untold)).await;
        offload(move || flight.run(|file, buf, _| f(file, buf))).await
    }

    /// Waits for nothing to be under way. Any number of tasks may.
    async fn at_rest<R>(&self, f: impl FnOnce(MutexGuard<'_, State>) -> R) -> R {
        loop {
            // Made before the look: an operation that lands after it makes this ready.
            let landed = self.shared.landed.notified();
            {
                let state = self.shared.lock();
                if !state.under_way {
                    return f(state);
                }
            }
            landed.await;
        }
    }

    /// The same for who polls: the last on a side is woken.
    fn poll_rest(&self, cx: &mut Context<'_>, side: Side) -> Poll<MutexGuard<'_, State>> {
        let mut waker = None;
        loop {
            let mut state = self.shared.lock();
            let under_way = state.under_way;
            if !under_way && waker.is_none() {
                return Poll::Ready(state);
            }
            let poller = &mut state.pollers[side as usize];
            if under_way && poller.as_ref().is_some_and(|poller| poller.will_wake(cx.waker())) {
                return Poll::Pending;
            }
            if let Some(waker) = waker.take_if(|_| under_way) {
                let before = poller.replace(waker);
                drop(state);
                drop(before);
                return Poll::Pending;
            }
            // Foreign code, a clone or a drop: outside of the lock, then look again.
            drop(state);
            waker = under_way.then(|| cx.waker().clone());
        }
    }

    /// Starts an operation, which says `ended` if it never runs.
    fn take_off(&self, mut state: MutexGuard<'_, State>, ended: Ended) -> Flight<T> {
        debug_assert!(!state.under_way);
        state.under_way = true;
        state.ended = Ended::Untold;
        let buf = mem::take(&mut state.buf);
        Flight {
            file: Arc::clone(&self.file),
            landing: Landing { shared: Arc::clone(&self.shared), buf, ended },
        }
    }
}

/// Has the pool run an operation; a write even at shutdown.
///
/// # Errors
///
/// If it won't. Nothing is kept of that: it is told here.
fn launch<T: Device>(
    flight: Flight<T>,
    is_write: bool,
    f: impl FnOnce(&T, &mut Buf) -> Ended + Send + 'static,
) -> io::Result<()> {
    let shared = Arc::clone(&flight.landing.shared);
    let go = move || flight.run(|file, buf, ended| *ended = f(file, buf));
    let launched = context::with_current(|inner| inner.spawn_background(is_write, go));
    if launched.is_err() {
        let mut state = shared.lock();
        state.ended = Ended::Untold;
        if is_write {
            state.write_error = None;
        }
    }
    launched
}

/// Has the file stand where its reader does, who has not taken the last `ahead` bytes.
fn go_back(file: &impl Device, ahead: usize) -> io::Result<()> {
    if ahead == 0 { Ok(()) } else { file.seek(SeekFrom::Current(-(ahead as i64))).map(drop) }
}

impl<T: fmt::Debug> fmt::Debug for Blocking<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}

/// Bytes on their way. All of `bytes` is initialized, so that a second read of the same length need not do it again.
#[derive(Default)]
pub(crate) struct Buf {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buf {
    /// What was read and not given out, or is to be written.
    fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Throws away what was read ahead, and has the file stand where its reader does.
    pub(crate) fn back(&mut self, file: &impl Device) -> io::Result<()> {
        go_back(file, self.unread().len())?;
        self.clear();
        Ok(())
    }

    fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// Reads up to `len` bytes in place of what there is.
    fn fill(&mut self, file: &impl Device, len: usize) -> io::Result<()> {
        if self.bytes.len() < len {
            self.bytes.resize(len, 0);
        }
        self.clear();
        self.end = loop {
            match file.read(&mut self.bytes[..len]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        Ok(())
    }

    /// Gives out as much as there is room for.
    fn give(&mut self, dst: &mut ReadBuf<'_>) {
        let len = dst.remaining().min(self.end - self.start);
        dst.put_slice(&self.unread()[..len]);
        self.start += len;
    }

    /// Takes up to `max_len` bytes in place of what there is, and says how many.
    fn load(&mut self, src: &[IoSlice<'_>], max_len: usize) -> usize {
        self.bytes.clear();
        for part in src {
            let len = part.len().min(max_len - self.bytes.len());
            self.bytes.extend_from_slice(&part[..len]);
        }
        (self.start, self.end) = (0, self.bytes.len());
        self.end
    }
}
