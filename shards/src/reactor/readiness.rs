//! One registered resource as its shard and its users see it: what it is ready for, and who waits.
//!
//! # The word
//!
//! Only the *owner*, the thread inside the shard whose reactor watches the resource, writes the word; it does so for each
//! event, with a plain store. Users never write it. What they found out they put beside it, in `seen`.
//!
//! ```text
//!  63    62        61            60           59…46   45…32       31…16   15…0
//!  ENDS  SHUTDOWN  WRITE_CLOSED  READ_CLOSED  errors  priorities  writes  reads
//! ```
//! - The four counts say how many events of a kind there were. One addition counts for all. A kind is *ready* while its count
//!   differs from what `seen` holds for it. A user that tried and found nothing stores the count that it read *before* it tried:
//!   what came meanwhile counts higher, and stays. So clearing is a plain store too, from any thread. Should two users clear at
//!   once, the older count may win: the kind looks ready once too often, and one more try clears it.
//! - A count begins again at zero when it gets to its field's top bit, which is never stored: that is a *lap*. The lowest bit says
//!   whether the lap is an odd one, and an event adds two. What `seen` holds from an earlier lap says nothing about this one, and
//!   nobody may have tried for long: who always has room to write never finds out that there is none. So the owner first stores a
//!   value there that no count has, and the kind is ready until somebody clears it in this lap. A user that has a lap begin
//!   between reading and storing hides nothing: what it stores differs in the lowest bit until the next lap, and that begins with the
//!   owner's store. Only a user that takes a whole lap for it, of 4,096 events at least, may hide an event: the one that comes to
//!   the same count, if nobody has cleared meanwhile.
//! - READ_CLOSED, WRITE_CLOSED stick: what is closed stays closed. They make a direction ready as well, except for one who
//!   saw them, tried, and was told that it would block, as files that are no sockets may answer. It would spin.
//! - SHUTDOWN: the reactor is gone; every wait ends.
//! - ENDS: one of these three is set. It is the sign, so that what is usual takes one test.
//!
//! # Who waits
//!
//! | place | holds | touched by |
//! |---|---|---|
//! | `own` | the last poller of each direction, if it polled on the owner | the owner; no lock, no atomic |
//! | `shared` | the last poller of each direction elsewhere, and any number of futures | anyone, under its lock; made when first needed |
//!
//! The owner can't miss its own event. For `shared` there is a race:
//!
//! ```text
//!  owner                                user elsewhere
//!  E1  store the words of the batch     U1  leave the waker in `shared`
//!  E2  fence SeqCst                     U2  fence SeqCst
//!  E3  look into `shared`, wake         U3  look at the word again; ready: don't wait
//! ```
//! By the fences either E3 sees U1, or U3 sees E1. E3 looks at the pointer first: what it reads as null was null before
//! U2. Otherwise the lock decides: either E3 finds the waker, or the user had the lock later, and sees E1 by it. One fence serves a whole
//! batch: a first pass stores the words and wakes the owner's pollers, who need no fence, a second one looks for `shared`.
//!
//! A task's waker that was woken stays in `own`, marked as not armed: the task that reads again leaves it there without cloning it. A
//! task of this very shard, which most are, is known as such from then on, and woken where its waker stands: that runs no foreign code.
//! Any other waker is dropped once it was woken. It may own whoever owns the resource, as that of a queue of streams does: kept here, it
//! would keep a connection open that nobody else has.
//!
//! # Reuse
//!
//! The memory belongs to the shard's registry and is reused, never given back, so a late event can be compared
//! with the `generation` of its token. Dropping a registration only *retires* its state: the owner recycles it once the batch in
//! hand is done, and only then can it be given out again. The counts run on.

#![expect(unsafe_code, reason = "owner-only wakers beside shared ones; the shared half is made on demand")]

use std::mem;
use std::ptr;
use std::task::Waker;

use crate::context;
use crate::loom::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use crate::loom::atomic::{AtomicPtr, AtomicU16, AtomicU64, fence};
use crate::loom::cell::UnsafeCell;
use crate::mesh::Remote;
use crate::shard::Local;
use crate::task::waker;
use crate::util::lock::Lock;
use crate::util::swallow::swallow;
use crate::util::wake_list::WakeList;

use super::interest::{Interest, Ready};

/// Where the counts begin, and how many bits each has: the lowest for the lap, and the top bit is none of the count.
const COUNTS: [(u32, u32); 4] = [(0, 16), (16, 16), (32, 14), (46, 14)];
/// Their top bits.
const LAPS: u64 = 1 << 15 | 1 << 31 | 1 << 45 | 1 << 59;
/// In `seen`: nobody has cleared the kind in this lap.
const UNSEEN: u16 = 1 << 15;
const READ_CLOSED: u64 = 1 << 60;
const WRITE_CLOSED: u64 = 1 << 61;
const SHUTDOWN: u64 = 1 << 62;
const ENDS: u64 = 1 << 63;

const _: () = assert!(WRITE_CLOSED == READ_CLOSED << 1);
const _: () = {
    let mut laps = 0;
    let mut kind = 0;
    while kind < 4 {
        let (at, bits) = COUNTS[kind];
        assert!(kind == 0 || at >= COUNTS[kind - 1].0 + COUNTS[kind - 1].1);
        assert!(1 << (bits - 1) <= UNSEEN);
        laps |= 1 << (at + bits - 1);
        kind += 1;
    }
    assert!(laps == LAPS && laps < READ_CLOSED);
};
const _: () = assert!(size_of::<State>() <= 80 || cfg!(loom));

/// The kinds of event, by their place in the word.
const KINDS: [Ready; 4] = [Ready::READABLE, Ready::WRITABLE, Ready::PRIORITY, Ready::ERROR];

/// What an event adds to the counts.
static NEWS: [u64; Ready::ALL.index() + 1] = {
    let mut news = [0; Ready::ALL.index() + 1];
    let mut at = 0;
    while at < 4 * news.len() {
        if (at / 4) & KINDS[at % 4].index() != 0 {
            news[at / 4] |= 2 << COUNTS[at % 4].0;
        }
        at += 1;
    }
    news
};

/// A way that bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// In.
    Read = 0,
    /// Out.
    Write = 1,
}

impl Direction {
    /// The interest in it.
    #[inline]
    pub fn interest(self) -> Interest {
        match self {
            Self::Read => Interest::READABLE,
            Self::Write => Interest::WRITABLE,
        }
    }

    /// Its place in a set, see [`Ready::directions`].
    #[inline(always)]
    const fn bit(self) -> u8 {
        1 << self as u8
    }

    #[inline]
    fn closed(self) -> u64 {
        match self {
            Self::Read => READ_CLOSED,
            Self::Write => WRITE_CLOSED,
        }
    }
}

/// The word at some moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word(u64);

impl Word {
    /// Before any event: the moment of a try that there was none of.
    pub(super) const NEVER: Self = Self(0);

    /// Without what was closed at another moment.
    #[inline]
    fn without(self, other: Self) -> Self {
        Self(self.0 & !(other.0 & (READ_CLOSED | WRITE_CLOSED)))
    }

    #[inline]
    fn count(self, kind: usize) -> u16 {
        let (at, bits) = COUNTS[kind];
        (self.0 >> at & ((1 << bits) - 1)) as u16
    }

    /// With an event.
    #[inline(always)]
    fn after(self, ready: Ready) -> Self {
        let closed = ready.closed() << READ_CLOSED.trailing_zeros();
        Self(self.counted(ready).0 | if closed == 0 { 0 } else { closed | ENDS })
    }

    /// With an event that closes nothing.
    #[inline(always)]
    fn counted(self, ready: Ready) -> Self {
        Self(self.0.wrapping_add(NEWS[ready.index()]))
    }

    /// Nothing is closed, and the reactor is there.
    #[inline(always)]
    pub(super) fn is_open(self) -> bool {
        self.0 & ENDS == 0
    }

    /// The direction is at its end.
    #[inline]
    pub(super) fn is_closed(self, direction: Direction) -> bool {
        self.0 & direction.closed() != 0
    }

    /// The reactor is gone.
    #[inline]
    pub(super) fn is_shutdown(self) -> bool {
        self.0 & SHUTDOWN != 0
    }
}

/// See the module's head.
pub struct State {
    word: AtomicU64,
    /// By kind, the count up to which users found nothing left.
    seen: [AtomicU16; 4],
    own: UnsafeCell<Own>,
    shared: AtomicPtr<Lock<Shared>>,
    /// The shard whose reactor watches the resource. Null for a state that stands for none.
    pub(super) home: *const Remote,
    /// The place in the registry.
    pub(super) index: u32,
    /// How often the place was reused.
    pub(super) generation: AtomicU16,
}

// SAFETY: `own` is touched by one thread at a time, the owner, and wakers may go to any thread; `home` is only compared
// here, and lives in the mesh that the registry is part of.
unsafe impl Send for State {}
// SAFETY: as above; everything else is atomic or behind its lock.
unsafe impl Sync for State {}

/// Pollers on the owner, by direction.
struct Own {
    /// That of `Waker::noop` where nobody polled: it is compared and woken like any other.
    wakers: [Waker; 2],
    /// The directions whose poller is to be woken.
    armed: u8,
    /// The directions whose poller is a task of this shard.
    local: u8,
    /// The directions whose poller is a task, here or elsewhere: its waker stays.
    kept: u8,
}

impl Default for Own {
    fn default() -> Self {
        Self { wakers: [const { Waker::noop() }; 2].map(Waker::clone), armed: 0, local: 0, kept: 0 }
    }
}

#[derive(Default)]
struct Shared {
    /// Pollers elsewhere, by direction.
    pollers: [Option<Waker>; 2],
    /// Futures, in the order of their ids.
    list: Vec<Waiter>,
    last_id: u64,
}

struct Waiter {
    id: u64,
    until: Ready,
    waker: Option<Waker>,
}

impl State {
    pub(super) fn new(home: *const Remote, index: u32) -> Self {
        Self {
            word: AtomicU64::new(0),
            seen: [const { 0 }; 4].map(AtomicU16::new),
            own: UnsafeCell::new(Own::default()),
            shared: AtomicPtr::new(ptr::null_mut()),
            home,
            index,
            generation: AtomicU16::new(0),
        }
    }

    /// A state that stands for no resource: its direction's end is all that is ever seen of it.
    pub(super) fn none() -> Self {
        let none = Self::new(ptr::null(), 0);
        // Relaxed: nobody else has it yet.
        none.word.store(SHUTDOWN | ENDS, Relaxed);
        none
    }

    /// The word now.
    #[inline(always)]
    pub(super) fn word(&self) -> Word {
        // Acquire: pairs with the Release in `publish`.
        Word(self.word.load(Acquire))
    }

    /// Whether the direction is worth a try, after one that began at `tried` would have blocked.
    #[inline]
    pub(super) fn is_ready(&self, word: Word, direction: Direction, tried: Word) -> bool {
        self.has_news(word, direction) || word.without(tried).is_closed(direction) || word.is_shutdown()
    }

    /// Whether there were events since the direction was cleared.
    #[inline(always)]
    pub(super) fn has_news(&self, word: Word, direction: Direction) -> bool {
        // Relaxed: an older value makes the kind look ready.
        word.count(direction as usize) != self.seen[direction as usize].load(Relaxed)
    }

    /// What of the interest is ready, after a try that began at `tried`.
    pub(super) fn ready(&self, word: Word, interest: Interest, tried: Word) -> Ready {
        let mut ready = Ready::EMPTY;
        for (kind, flag) in KINDS.into_iter().enumerate() {
            if word.count(kind) != self.seen[kind].load(Relaxed) {
                ready |= flag;
            }
        }
        let news = if ready.meets(interest.ends_with()) { word } else { word.without(tried) };
        if news.is_closed(Direction::Read) {
            ready |= Ready::READ_CLOSED;
        }
        if news.is_closed(Direction::Write) {
            ready |= Ready::WRITE_CLOSED;
        }
        ready & interest.ends_with()
    }

    /// The direction was tried after the word was read, and there is nothing left.
    #[inline(always)]
    pub(super) fn clear(&self, word: Word, direction: Direction) {
        // Relaxed: publishes nothing. A thread that misses it tries once more than it must.
        self.seen[direction as usize].store(word.count(direction as usize), Relaxed);
    }

    /// As `clear`, for some kinds.
    pub(super) fn clear_kinds(&self, word: Word, kinds: Ready) {
        for (kind, flag) in KINDS.into_iter().enumerate() {
            if kinds.meets(flag) {
                self.seen[kind].store(word.count(kind), Relaxed);
            }
        }
    }

    /// Takes some kinds for ready although no event has said so: by anyone, before others know the state. They stay so if an event
    /// comes meanwhile.
    pub(super) fn presume(&self, kinds: Ready) {
        for (kind, flag) in KINDS.into_iter().enumerate() {
            if kinds.meets(flag) {
                // Relaxed: shown to others with the state itself.
                self.seen[kind].store(UNSEEN, Relaxed);
            }
        }
    }

    /// E1, and what needs no E2: writes an event down, and wakes the owner's pollers. `local` is the shard, unless the thread has
    /// left it.
    ///
    /// # Safety
    /// By the owner.
    #[inline(always)]
    pub(super) unsafe fn event(&self, ready: Ready, local: Option<&Local>) {
        debug_assert!(NEWS[ready.index()] <= u32::MAX.into() && ready.closed() == 0);
        // Relaxed: the owner's own word.
        let mut word = Word(self.word.load(Relaxed)).counted(ready);
        // The usual kinds are in this half, where the test takes no more than to mask the bits away.
        if word.0 as u32 & LAPS as u32 != 0 {
            word = self.begin_lap(word);
        }
        self.word.store(word.0, Release);
        // SAFETY: by contract.
        unsafe { self.wake_own(ready, local) };
    }

    /// `event` for what may close a direction.
    ///
    /// # Safety
    /// By the owner.
    #[cold]
    pub(super) unsafe fn last_event(&self, ready: Ready, local: Option<&Local>) {
        // Relaxed: the owner's own word.
        let word = Word(self.word.load(Relaxed)).after(ready);
        self.word.store(self.begin_lap(word).0, Release);
        // SAFETY: by contract.
        unsafe { self.wake_own(ready, local) };
    }

    /// Of a word that is about to be published: has the counts that came to their top bits begin again.
    #[cold]
    fn begin_lap(&self, word: Word) -> Word {
        let mut begun = word.0;
        for (kind, (at, bits)) in COUNTS.into_iter().enumerate() {
            let top = 1 << (at + bits - 1);
            if word.0 & top != 0 {
                // Relaxed: shown to others by the word.
                self.seen[kind].store(UNSEEN, Relaxed);
                begun ^= top | 1 << at;
            }
        }
        Word(begun)
    }

    /// E1 for the end of the reactor.
    ///
    /// # Safety
    /// By the owner.
    pub(super) unsafe fn publish_shutdown(&self) {
        self.word.store(self.word.load(Relaxed) | SHUTDOWN | ENDS, Release);
    }

    /// Wakes the owner's pollers of the directions that an event is about. Says whether there was one.
    ///
    /// # Safety
    /// By the owner.
    #[inline(always)]
    unsafe fn wake_own(&self, ready: Ready, local: Option<&Local>) -> bool {
        const READ: u8 = Direction::Read.bit();
        // SAFETY: by contract, and this runs no foreign code.
        let (hit, of_task) = unsafe {
            self.own(|own| {
                let hit = own.armed & ready.directions();
                own.armed ^= hit;
                (hit, own.local & READ != 0)
            })
        };
        match local {
            // SAFETY: by contract.
            Some(local) if hit == READ && of_task => unsafe { self.wake_here(Direction::Read, local) },
            // SAFETY: by contract.
            _ if hit != 0 => unsafe { self.wake_pollers(hit, local) },
            _ => {}
        }
        hit != 0
    }

    /// Who writes seldom has to wait, and pollers that are no tasks of this shard are few.
    ///
    /// # Safety
    /// By the owner.
    #[cold]
    #[inline(never)]
    unsafe fn wake_pollers(&self, hit: u8, local: Option<&Local>) {
        for direction in [Direction::Read, Direction::Write] {
            if hit & direction.bit() == 0 {
                continue;
            }
            // SAFETY: by contract, and this runs no foreign code. Asked here: waking the other one may have changed it.
            let is_here = unsafe { self.own(|own| own.local & direction.bit() != 0) };
            match local {
                // SAFETY: by contract.
                Some(local) if is_here => unsafe { self.wake_here(direction, local) },
                // SAFETY: by contract.
                _ => unsafe { self.wake_foreign_poller(direction) },
            }
        }
    }

    /// # Safety
    /// By the owner, in the shard `local`. The direction's poller is one of its tasks.
    #[inline(always)]
    unsafe fn wake_here(&self, direction: Direction, local: &Local) {
        // SAFETY: by contract, and this runs no foreign code; `wait_own` found the task to be of this shard.
        unsafe { self.own(|own| waker::wake_here_by_ref(&own.wakers[direction as usize], local)) };
    }

    /// # Safety
    /// By the owner.
    unsafe fn wake_foreign_poller(&self, direction: Direction) {
        let (at, bit) = (direction as usize, direction.bit());
        let nobody = Waker::noop();
        // Taken out meanwhile: waking runs foreign code, which may poll this resource.
        // SAFETY: by contract, and this runs no foreign code.
        let (waker, local) = unsafe {
            self.own(|own| {
                let local = own.local & bit;
                own.local ^= local;
                (mem::replace(&mut own.wakers[at], nobody.clone()), local)
            })
        };
        let Some(waker) = context::unless_put_off(waker) else { return };
        swallow(|| waker.wake_by_ref());
        // SAFETY: as above.
        let spare = unsafe {
            self.own(|own| {
                if own.kept & bit == 0 || !ptr::eq(own.wakers[at].vtable(), nobody.vtable()) {
                    return Some(waker);
                }
                own.local |= local;
                // That of nobody has nothing to give back.
                mem::forget(mem::replace(&mut own.wakers[at], waker));
                None
            })
        };
        if let Some(spare) = spare {
            swallow(|| drop(spare));
        }
    }

    /// E3 for all who wait, at the end of the reactor or of the registration. Says whether there was somebody. The caller has passed
    /// a SeqCst fence since it published.
    ///
    /// # Safety
    /// By the owner.
    pub(super) unsafe fn wake_all(&self) -> bool {
        // SAFETY: by contract.
        let found = unsafe { self.wake_own(Ready::ALL, None) };
        self.wake_shared(Ready::ALL) || found
    }

    /// E3, the first look.
    #[inline(always)]
    pub(super) fn has_shared(&self) -> bool {
        // Relaxed: E2 orders it after the word; Acquire would be for the lock's memory, see `shared`.
        !self.shared.load(Relaxed).is_null()
    }

    /// # Safety
    /// By the owner; `f` runs no foreign code.
    #[inline]
    unsafe fn own<R>(&self, f: impl FnOnce(&mut Own) -> R) -> R {
        self.own.with_mut(|own| {
            // SAFETY: one thread, and no closure passed here comes back.
            f(unsafe { &mut *own })
        })
    }

    /// E3: wakes those who wait elsewhere. Says whether there was somebody.
    #[cold]
    pub(super) fn wake_shared(&self, ready: Ready) -> bool {
        let Some(shared) = self.shared_if_made() else { return false };
        let mut found = false;
        loop {
            let mut wakers = WakeList::new();
            shared.with(|shared| {
                if ready.is_readable() {
                    shared.pollers[Direction::Read as usize].take().into_iter().for_each(|w| wakers.push(w));
                }
                if ready.is_writable() {
                    shared.pollers[Direction::Write as usize].take().into_iter().for_each(|w| wakers.push(w));
                }
                shared.list.retain_mut(|waiter| {
                    let hit = waiter.until.meets(ready) && !wakers.is_full();
                    if hit {
                        waiter.waker.take().into_iter().for_each(|w| wakers.push(w));
                    }
                    !hit
                });
            });
            let last = !wakers.is_full();
            found |= !wakers.is_empty();
            wakers.retain(context::unless_put_off);
            wakers.wake_all();
            if last {
                return found;
            }
        }
    }

    /// Has the task woken by the direction's next event, if it is the one that polled on the owner before.
    ///
    /// # Safety
    /// By the owner.
    #[inline]
    pub(super) unsafe fn wait_again(&self, direction: Direction, waker: &Waker) -> bool {
        // SAFETY: by contract; comparing wakers runs no foreign code.
        unsafe {
            self.own(|own| {
                own.armed |= direction.bit();
                own.wakers[direction as usize].will_wake(waker)
            })
        }
    }

    /// As `wait_again` for any task, which takes the place of the one before.
    ///
    /// # Safety
    /// By the owner.
    pub(super) unsafe fn wait_own(&self, direction: Direction, waker: &Waker) {
        // SAFETY: by contract.
        if !unsafe { self.wait_again(direction, waker) } {
            // Cloned and dropped outside: both run foreign code.
            let new = waker.clone();
            let local = if waker::is_here(&new) { direction.bit() } else { 0 };
            let kept = if waker::is_of_task(&new) { direction.bit() } else { 0 };
            // SAFETY: by contract, and this runs no foreign code.
            let old = unsafe {
                self.own(|own| {
                    own.local = own.local & !direction.bit() | local;
                    own.kept = own.kept & !direction.bit() | kept;
                    mem::replace(&mut own.wakers[direction as usize], new)
                })
            };
            drop(old);
        }
    }

    /// U1 to U3, for a poller elsewhere: true if the direction became ready meanwhile, and the caller need not wait.
    #[cold]
    pub(super) fn wait_elsewhere(&self, direction: Direction, waker: &Waker, tried: Word) -> bool {
        let at = direction as usize;
        let shared = self.shared();
        let same = shared.with(|s| s.pollers[at].as_ref().is_some_and(|old| old.will_wake(waker)));
        if !same {
            let new = waker.clone();
            let old = shared.with(|s| s.pollers[at].replace(new));
            drop(old);
        }
        // U2: pairs with E2.
        fence(SeqCst);
        let ready = self.is_ready(self.word(), direction, tried);
        if ready {
            // A reactor that is gone wakes nobody, and a waker left behind would keep its task for ever.
            drop(shared.with(|s| s.pollers[at].take()));
        }
        ready
    }

    /// U1 and U2, for a future. It is known by its id from the first time on; zero before.
    pub(super) fn enlist(&self, id: &mut u64, interest: Interest, waker: &Waker) {
        let shared = self.shared();
        let known = *id;
        let same = shared.with(|s| s.find(known).is_some_and(|at| s.will_wake(at, waker)));
        if !same {
            let new = Some(waker.clone());
            let old = shared.with(|s| match s.find(known) {
                Some(at) => mem::replace(&mut s.list[at].waker, new),
                None => {
                    s.last_id += 1;
                    *id = s.last_id;
                    s.list.push(Waiter { id: *id, until: interest.ends_with(), waker: new });
                    None
                }
            });
            drop(old);
        }
        // U2: pairs with E2.
        fence(SeqCst);
    }

    /// A future gives up, or is done.
    pub(super) fn delist(&self, id: u64) {
        let old = self.shared().with(|s| s.find(id).map(|at| s.list.remove(at)));
        drop(old);
    }

    /// Drops what waits on the owner, whose registration is going.
    ///
    /// # Safety
    /// By the owner.
    pub(super) unsafe fn forget_own(&self) {
        // SAFETY: by contract.
        let Own { wakers, .. } = unsafe { self.own(mem::take) };
        for waker in wakers.into_iter().filter_map(context::unless_put_off) {
            swallow(|| drop(waker));
        }
    }

    /// The same for pollers elsewhere. There are no futures: they borrow the registration.
    pub(super) fn forget_elsewhere(&self) {
        if let Some(shared) = self.shared_if_made() {
            let pollers = shared.with(|s| mem::take(&mut s.pollers));
            pollers.into_iter().flatten().for_each(|waker| swallow(|| drop(waker)));
        }
    }

    /// Makes a retired state ready to be given out again. Who still waits is woken, to wait at the new place: a
    /// registration moved. Says whether there was somebody.
    ///
    /// # Safety
    /// By the owner, past the batch in hand.
    pub(super) unsafe fn recycle(&self) -> bool {
        // SAFETY: by contract.
        let found = unsafe { self.wake_all() };
        // SAFETY: by contract.
        unsafe { self.forget_own() };
        // Relaxed, all: the registry's lock shows them to the next user.
        let word = Word(self.word.load(Relaxed) & !(READ_CLOSED | WRITE_CLOSED | ENDS));
        self.word.store(word.0, Relaxed);
        self.clear_kinds(word, Ready::ALL);
        self.generation.store(self.generation.load(Relaxed).wrapping_add(1), Relaxed);
        found
    }

    fn shared_if_made(&self) -> Option<&Lock<Shared>> {
        // Acquire: pairs with the Release in `shared`.
        // SAFETY: once there it stays, until this is dropped.
        unsafe { self.shared.load(Acquire).as_ref() }
    }

    fn shared(&self) -> &Lock<Shared> {
        if let Some(shared) = self.shared_if_made() {
            return shared;
        }
        let new = Box::into_raw(Box::new(Lock::new(Shared::default())));
        // AcqRel: shows the new one to those who find it, or the one found to us.
        match self.shared.compare_exchange(ptr::null_mut(), new, AcqRel, Acquire) {
            // SAFETY: as in `shared_if_made`.
            Ok(_) => unsafe { &*new },
            Err(old) => {
                // SAFETY: nobody else has seen it.
                drop(unsafe { Box::from_raw(new) });
                // SAFETY: as in `shared_if_made`.
                unsafe { &*old }
            }
        }
    }
}

impl Shared {
    fn find(&self, id: u64) -> Option<usize> {
        self.list.binary_search_by_key(&id, |waiter| waiter.id).ok()
    }

    fn will_wake(&self, at: usize, waker: &Waker) -> bool {
        self.list[at].waker.as_ref().is_some_and(|old| old.will_wake(waker))
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let shared = self.shared.load(Acquire);
        if !shared.is_null() {
            // SAFETY: made by `shared`, and nobody else is here.
            drop(unsafe { Box::from_raw(shared) });
        }
    }
}
