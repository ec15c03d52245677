//! What a socket holds: the way to its shard's reactor, once it needs one.
//!
//! *Lazy binding.* A registration starts out bound to nothing. An operation is tried first; only one that would block binds
//! the resource, to the reactor of the shard that it waits on, or the least loaded one's when the thread is outside of all. What
//! arrives between the try and the binding is not lost: adding a resource reports what is ready already.
//!
//! *Before the first event.* That report comes with the reactor's next look; a state that was just bound knows nothing yet. Some
//! of it is taken for ready until an operation finds otherwise:
//!
//! | resource | taken for ready |
//! |---|---|
//! | a connection just accepted | both directions, as in Tokio: the request is often there already |
//! | one of a pair of sockets | writing: nothing was written yet |
//! | any, bound by an operation that would block | the other direction, if that is writing: there nearly always is room |
//! | any else | nothing: who waits without an operation, or has a constructor bind, is told what the reactor was told |
//!
//! To take for ready is to count an event, in the terms of `readiness`, so it can't hide one. And some files can't be tried first:
//! reading a FIFO that nobody has opened for writing yet gives its end, while the kernel counts it as not ready. Such a one is
//! bound by the first operation, which then waits.
//!
//! *Following its task.* Where tasks move, one that settled on another shard takes its resource along: after some waits in a
//! row from other shards the binding is given up, and the next operation that blocks binds it where it is. The threshold
//! doubles each time, so that a task that never settles does not drag its resource around. This needs `&mut`: nobody
//! else may be in the middle of a wait. What is shared by reference stays where it is, and is woken through the mailbox.
//!
//! Threads: any. The hot path, an operation on the shard of the binding, takes no lock and has no locked instruction.

#![expect(unsafe_code, reason = "reaches states, which live as long as the mesh that a registration holds")]

use std::future::{Future, poll_fn};
use std::io;
use std::ops::Deref;
use std::os::fd::RawFd;
use std::pin::Pin;
use std::ptr;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::context;
use crate::coop;
use crate::loom::atomic::Ordering::{Acquire, Relaxed, Release};
use crate::loom::atomic::{AtomicPtr, AtomicU8};
use crate::mesh::{Mesh, Remote};
use crate::shard;
use crate::util::lock::Lock;

use super::interest::{Interest, Ready};
use super::readiness::{Direction, State, Word};
use super::registry::shutting_down;

/// Waits in a row from other shards after which a resource first follows its task.
const FOLLOW_AFTER: u8 = 4;

/// A resource's place in a reactor. Drop it before the file is closed.
pub struct Registration {
    /// The mesh's [`Unbound`] until bound.
    state: AtomicPtr<State>,
    mesh: Arc<Mesh>,
    fd: RawFd,
    watch: Watch,
    /// Waits in a row from other shards, and how many of them make the resource follow.
    foreign: AtomicU8,
    follow_after: u8,
    binding: Lock<()>,
}

const _: () = assert!(size_of::<Registration>() <= 24 || cfg!(loom));

/// What a resource is watched for, and below that how it starts. One byte.
#[derive(Clone, Copy)]
struct Watch(u8);

/// What is known of a resource before it is bound: see the module's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Nothing.
    Unknown = 0,
    /// A write is not expected to block.
    Writable = 1,
    /// Neither a read nor a write is.
    Ready = 2,
    /// No operation may be tried before the reactor tells.
    Untried = 3,
}

impl Watch {
    fn new(interest: Interest, start: Start) -> Self {
        Self(interest.bits() << 2 | start as u8)
    }

    fn interest(self) -> Interest {
        Interest::from_bits(self.0 >> 2)
    }

    #[inline]
    fn start(self) -> Start {
        match self.0 & 3 {
            0 => Start::Unknown,
            1 => Start::Writable,
            2 => Start::Ready,
            _ => Start::Untried,
        }
    }
}

/// What a resource has in place of a state until it is bound, so that an operation asks one question less. One a mesh.
pub(crate) struct Unbound(State);

impl Unbound {
    pub(crate) fn new() -> Self {
        Self(State::none())
    }

    fn place(&self) -> *mut State {
        ptr::from_ref(&self.0).cast_mut()
    }
}

/// What was found ready, and when: to be cleared if it turns out to be used up.
#[derive(Debug, Clone, Copy)]
pub struct ReadyEvent {
    /// What was found ready.
    pub ready: Ready,
    word: Word,
}

/// How an operation ended, other than by having to wait.
type Outcome<R> = Option<io::Result<R>>;

impl Registration {
    /// A registration that is not bound yet.
    pub fn new(mesh: &Arc<Mesh>, fd: RawFd, interest: Interest) -> Self {
        Self {
            state: AtomicPtr::new(mesh.unbound.place()),
            mesh: Arc::clone(mesh),
            fd,
            watch: Watch::new(interest, Start::Unknown),
            foreign: AtomicU8::new(0),
            follow_after: FOLLOW_AFTER,
            binding: Lock::new(()),
        }
    }

    /// Says what is known of a resource that is not bound yet.
    pub fn starting(mut self, start: Start) -> Self {
        self.watch = Watch::new(self.watch.interest(), start);
        self
    }

    /// The mesh that the resource belongs to.
    pub fn mesh(&self) -> &Arc<Mesh> {
        &self.mesh
    }

    /// Binds now, for constructors that report what the kernel says to it.
    ///
    /// # Errors
    ///
    /// What the kernel says, for instance of a file that can't be watched; or that the runtime is gone.
    pub fn bind_now(&self) -> io::Result<()> {
        self.bind(None).map(drop)
    }

    /// Tries an operation until it does not block; if it does, has the task woken when it is worth another try. Of the tasks
    /// that poll for one direction, the last is woken.
    #[inline(always)]
    pub fn poll_io<R>(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        f: impl FnMut() -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        poll_usual(self, cx, direction, f, |_| false, Self::poll_on)
    }

    /// [`poll_io`](Self::poll_io) for a read or write of up to `len` bytes of a stream. A short one says that there is no more
    /// without asking the kernel again.
    #[inline(always)]
    pub fn poll_transfer(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        len: usize,
        f: impl FnMut() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        poll_usual(self, cx, direction, f, move |n| is_short(*n, len), Self::poll_on)
    }

    /// [`poll_transfer`](Self::poll_transfer) for who has the resource to itself: it [follows](Self::follow).
    #[inline(always)]
    pub fn poll_transfer_mut(
        &mut self,
        cx: &mut Context<'_>,
        direction: Direction,
        len: usize,
        f: impl FnMut() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        poll_usual(self, cx, direction, f, move |n| is_short(*n, len), Self::poll_on_mut)
    }

    /// As `poll_on`, for who has the resource to itself.
    #[cold]
    #[inline(never)]
    fn poll_on_mut<R>(
        &mut self,
        cx: &mut Context<'_>,
        direction: Direction,
        f: impl FnMut() -> io::Result<R>,
        is_last: impl Fn(&R) -> bool,
        failed: Option<(Word, io::Error)>,
    ) -> Poll<io::Result<R>> {
        if failed.is_none() {
            self.follow();
        }
        self.poll_on(cx, direction, f, is_last, failed)
    }

    /// What is not usual. `failed` is what `poll_usual` got from `f`, and the word before that.
    #[cold]
    #[inline(never)]
    fn poll_on<R>(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        mut f: impl FnMut() -> io::Result<R>,
        is_last: impl Fn(&R) -> bool,
        failed: Option<(Word, io::Error)>,
    ) -> Poll<io::Result<R>> {
        let mut done = None;
        let mut attempt = || {
            done = attempt(&mut f);
            done.as_ref().map(|result| result.as_ref().is_ok_and(&is_last))
        };
        let unable = self.poll_attempt(cx, direction, &mut attempt, failed);
        done.map_or_else(|| unable.map(Err), Poll::Ready)
    }

    /// Attempts when it may until it need not any more, or reports why that never happened. `attempt` says whether what it did was
    /// the last for now, or nothing if it would block.
    ///
    /// Compiled once for all operations, of which a program has dozens.
    fn poll_attempt(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        attempt: &mut dyn FnMut() -> Option<bool>,
        failed: Option<(Word, io::Error)>,
    ) -> Poll<io::Error> {
        let mut tried = Word::NEVER;
        if let Some((word, error)) = failed {
            match (error.kind(), self.state()) {
                (io::ErrorKind::WouldBlock, Some(state)) => {
                    state.clear(word, direction);
                    tried = word;
                }
                (io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted, _) => {}
                _ => {
                    // What was tried had budget, and is done.
                    coop::try_proceed().iter().for_each(coop::Proceed::made_progress);
                    return Poll::Ready(error);
                }
            }
        }
        let coop = ready!(coop::poll_proceed(cx));
        loop {
            let bound = match self.state() {
                Some(state) => Ok(state),
                None if self.is_untried() => self.bind(None),
                None => {
                    if attempt().is_some() {
                        coop.made_progress();
                        return Poll::Pending;
                    }
                    self.bind(Some(direction.interest()))
                }
            };
            let state = match bound {
                Ok(state) => state,
                Err(error) => return Poll::Ready(error),
            };
            let word = state.word();
            if !state.is_ready(word, direction, tried) {
                ready!(self.wait(state, cx, direction, tried));
                continue;
            }
            if word.is_shutdown() {
                return Poll::Ready(shutting_down());
            }
            match attempt() {
                Some(is_last) => {
                    // The end is not cleared: no event would say again that it is there.
                    if is_last && !word.is_closed(direction) {
                        state.clear(word, direction);
                    }
                    coop.made_progress();
                    return Poll::Pending;
                }
                None => {
                    state.clear(word, direction);
                    tried = word;
                }
            }
        }
    }

    /// Waits for a direction to be ready without trying it. Of the tasks that poll for one direction, the last is woken.
    pub fn poll_ready(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<io::Result<ReadyEvent>> {
        let coop = ready!(coop::poll_proceed(cx));
        loop {
            let state = self.bound()?;
            if let Some(event) = event(state, direction.interest(), Word::NEVER)? {
                coop.made_progress();
                return Poll::Ready(Ok(event));
            }
            ready!(self.wait(state, cx, direction, Word::NEVER));
        }
    }

    /// Tries an operation if what it takes is ready, or may be.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if it is not.
    pub fn try_io<R>(&self, interest: Interest, f: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        let event = self.may_try(interest)?;
        let result = f();
        if would_block(&result) {
            match event {
                Some(event) => self.clear_readiness(event),
                None => drop(self.bind(Some(interest))?),
            }
            // Who did not try gets the same.
            return Err(io::ErrorKind::WouldBlock.into());
        }
        result
    }

    /// What says that an operation may be tried. Nothing does for the first of an unbound resource: it just is.
    fn may_try(&self, interest: Interest) -> io::Result<Option<ReadyEvent>> {
        let state = match self.state() {
            Some(state) => state,
            None if self.is_untried() => self.bind(None)?,
            None => return Ok(None),
        };
        event(state, interest, Word::NEVER)?
            .map_or_else(|| Err(io::ErrorKind::WouldBlock.into()), |event| Ok(Some(event)))
    }

    /// Waits until something of the interest is ready. Any number of tasks may.
    pub fn readiness(&self, interest: Interest) -> Readiness<'_> {
        Readiness { registration: self, interest, tried: Word::NEVER, id: 0 }
    }

    /// Tries an operation until it does not block. Any number of tasks may.
    pub async fn async_io<R>(
        &self,
        interest: Interest,
        mut f: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        let mut tried = Word::NEVER;
        loop {
            let event = if self.state().is_some() || self.is_untried() {
                Some(Readiness { registration: self, interest, tried, id: 0 }.await?)
            } else {
                None
            };
            let coop = poll_fn(coop::poll_proceed).await;
            if let Some(result) = attempt(&mut f) {
                coop.made_progress();
                return result;
            }
            match event {
                Some(event) => {
                    self.clear_readiness(event);
                    tried = event.word;
                }
                None => drop(self.bind(Some(interest))?),
            }
        }
    }

    /// What was found ready is used up. What became ready since stays.
    pub fn clear_readiness(&self, event: ReadyEvent) {
        if let Some(state) = self.state() {
            state.clear_kinds(event.word, event.ready);
        }
    }

    /// Gives the binding up if the task that uses the resource has settled on another shard. To be called before an
    /// operation by who has the resource to itself.
    #[inline]
    pub fn follow(&mut self) {
        // Relaxed: exclusive.
        if self.foreign.load(Relaxed) >= self.follow_after {
            self.unbind(true);
            self.foreign.store(0, Relaxed);
            self.follow_after = self.follow_after.saturating_mul(2);
            if !self.is_untried() {
                self.watch = Watch::new(self.watch.interest(), Start::Unknown);
            }
        }
    }

    /// The shard whose reactor watches the resource, if one does.
    pub fn home(&self) -> Option<&Remote> {
        // SAFETY: part of the mesh that this holds.
        self.state().map(|state| unsafe { &*state.home })
    }

    #[inline(always)]
    fn place(&self) -> &State {
        // Acquire: pairs with the Release in `bind`.
        // SAFETY: states live as long as the mesh.
        unsafe { &*self.state.load(Acquire) }
    }

    #[inline(always)]
    fn state(&self) -> Option<&State> {
        let place = self.place();
        (!place.home.is_null()).then_some(place)
    }

    #[inline]
    fn bound(&self) -> io::Result<&State> {
        self.state().map_or_else(|| self.bind(None), Ok)
    }

    #[inline]
    fn is_untried(&self) -> bool {
        self.watch.start() == Start::Untried
    }

    /// `tried` is the interest of an operation that would have blocked.
    #[cold]
    fn bind(&self, tried: Option<Interest>) -> io::Result<&State> {
        // A system call under a spinning lock: it is short, and two tasks rarely wait first for the same resource.
        self.binding.with(|()| {
            if let Some(state) = self.state() {
                return Ok(state);
            }
            let here = shard::home(|local| {
                local.filter(|local| Arc::ptr_eq(local.mesh(), &self.mesh)).map(|local| local.remote().id())
            });
            let home = here.map_or_else(|| self.mesh.least_loaded(), |id| self.mesh.remote(id));
            let registry = home.registry().ok_or_else(|| io::Error::other("the shard has no reactor"))?;
            let state = registry.add(home, self.fd, self.watch.interest())?;
            // SAFETY: states live as long as the mesh.
            let bound = unsafe { state.as_ref() };
            bound.presume(self.ready_at_first(tried));
            // Release: shows the state to whoever finds the pointer.
            self.state.store(state.as_ptr(), Release);
            Ok(bound)
        })
    }

    /// See the module's head.
    fn ready_at_first(&self, tried: Option<Interest>) -> Ready {
        let taken = match self.watch.start() {
            Start::Ready => Ready::READABLE | Ready::WRITABLE,
            Start::Writable => Ready::WRITABLE,
            Start::Unknown | Start::Untried if tried.is_some() => Ready::WRITABLE,
            Start::Unknown | Start::Untried => Ready::EMPTY,
        };
        (taken & self.watch.interest().ends_with()) - tried.map_or(Ready::EMPTY, Interest::ends_with)
    }

    /// Takes the resource out of its reactor: for who has to do that before this drops, which does it as well.
    pub fn take_out(&mut self) {
        self.unbind(false);
    }

    fn unbind(&mut self, moves: bool) {
        // Relaxed: exclusive.
        if let (Some(state), Some(registry)) = (self.state(), self.home().and_then(Remote::registry)) {
            registry.remove(state, self.fd, moves);
            self.state.store(self.mesh.unbound.place(), Relaxed);
        }
    }

    /// Has the task woken; ready if there is no need to wait any more.
    #[inline]
    fn wait(&self, state: &State, cx: &mut Context<'_>, direction: Direction, tried: Word) -> Poll<()> {
        let here = context::remote();
        if state.home == here {
            // Relaxed: a hint. The look first: usually there is nothing to write.
            if self.foreign.load(Relaxed) != 0 {
                self.foreign.store(0, Relaxed);
            }
            // SAFETY: on the owner, as just compared.
            unsafe { state.wait_own(direction, cx.waker()) };
            return Poll::Pending;
        }
        if !here.is_null() && self.mesh.steals() {
            // Relaxed: a hint.
            self.foreign.store(self.foreign.load(Relaxed).saturating_add(1), Relaxed);
        }
        if state.wait_elsewhere(direction, cx.waker(), tried) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.take_out();
    }
}

/// The usual: the resource is bound, open, and either ready or waited for again by the same task on its shard. Everything else is for
/// `poll_on`.
///
/// Each way out is a return of its own, and not a value that a caller looks at once more: the compiler then sees what each leads to.
#[inline(always)]
fn poll_usual<S, R, F, L>(
    this: S,
    cx: &mut Context<'_>,
    direction: Direction,
    mut f: F,
    is_last: L,
    poll_on: impl FnOnce(S, &mut Context<'_>, Direction, F, L, Option<(Word, io::Error)>) -> Poll<io::Result<R>>,
) -> Poll<io::Result<R>>
where
    S: Deref<Target = Registration>,
    F: FnMut() -> io::Result<R>,
    L: Fn(&R) -> bool,
{
    let Some(coop) = coop::try_proceed() else { return poll_on(this, cx, direction, f, is_last, None) };
    // What is not bound has a word as well: one that is not open.
    let state = this.place();
    let word = state.word();
    if !word.is_open() {
        return poll_on(this, cx, direction, f, is_last, None);
    }
    if !state.has_news(word, direction) {
        // Relaxed: a hint.
        let settled = ptr::eq(state.home, context::remote()) && this.foreign.load(Relaxed) == 0;
        // SAFETY: on the owner, as just compared.
        if settled && unsafe { state.wait_again(direction, cx.waker()) } {
            return Poll::Pending;
        }
        return poll_on(this, cx, direction, f, is_last, None);
    }
    match f() {
        Ok(done) => {
            if is_last(&done) {
                state.clear(word, direction);
            }
            coop.called();
            Poll::Ready(Ok(done))
        }
        Err(error) => poll_on(this, cx, direction, f, is_last, Some((word, error))),
    }
}

/// Whether a read or write took so little that there can't be more. One of nothing says something else.
#[inline(always)]
fn is_short(n: usize, len: usize) -> bool {
    // For zero the first wraps round; both at once in one comparison.
    n.wrapping_sub(1) < len.wrapping_sub(1)
}

/// Runs an operation; `None` if it would block.
#[inline]
fn attempt<R>(f: &mut impl FnMut() -> io::Result<R>) -> Outcome<R> {
    loop {
        match f() {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return None,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            result => return Some(result),
        }
    }
}

fn would_block<R>(result: &io::Result<R>) -> bool {
    result.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock)
}

fn event(state: &State, interest: Interest, tried: Word) -> io::Result<Option<ReadyEvent>> {
    let word = state.word();
    if word.is_shutdown() {
        return Err(shutting_down());
    }
    let ready = state.ready(word, interest, tried);
    Ok((!ready.is_empty()).then_some(ReadyEvent { ready, word }))
}

/// Waits for readiness: see [`Registration::readiness`].
///
/// # Cancel safety
///
/// Readiness is found, not taken: nothing is lost when this is dropped.
#[must_use = "futures do nothing unless polled"]
pub struct Readiness<'a> {
    registration: &'a Registration,
    interest: Interest,
    /// When the operation was last tried and would have blocked.
    tried: Word,
    /// Zero until it waits.
    id: u64,
}

impl Future for Readiness<'_> {
    type Output = io::Result<ReadyEvent>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        // Bound once, for good: unbinding takes the registration that this borrows.
        let state = this.registration.bound()?;
        let mut event = event(state, this.interest, this.tried)?;
        if event.is_none() {
            state.enlist(&mut this.id, this.interest, cx.waker());
            // U3: see `readiness`.
            event = self::event(state, this.interest, this.tried)?;
        }
        event.map_or(Poll::Pending, |event| Poll::Ready(Ok(event)))
    }
}

impl Drop for Readiness<'_> {
    fn drop(&mut self) {
        if let (Some(state), 1..) = (self.registration.state(), self.id) {
            state.delist(self.id);
        }
    }
}
