//! The remote half of a reactor: adds resources to it, and takes them away.
//!
//! Here: the memory of the states, by index, and the kernel's interest list.
//! Not here: events, and making a retired state usable again; both are the [owner's](super::Reactor).
//! Threads: any.
//!
//! A token is a state's address and generation. States are given out again only after the owner recycled them, between two
//! batches of events, so within a batch a token means one registration. Across batches the generation tells: a resource
//! that closed its file behind our back may go on sending events through a duplicate, and these must reach nobody. It has 16
//! bits and comes round. Once there may be such a duplicate, a state whose generation comes round is not given out again.
//!
//! ```text
//! token   63…48       47…0
//!         generation  address, which is that large on all systems that we know; checked when states are made
//! ```

#![expect(unsafe_code, reason = "states live as long as the registry, and are handed out by pointer")]

use std::io;
use std::mem;
use std::os::fd::RawFd;
use std::ptr::{self, NonNull};

use mio::Token;
use mio::unix::SourceFd;

use crate::context;
use crate::loom::atomic::AtomicBool;
use crate::loom::atomic::Ordering::{Relaxed, SeqCst};
use crate::mesh::Remote;
use crate::metrics::Tally;
use crate::util::lock::Lock;

use super::interest::Interest;
use super::readiness::State;

/// States allocated at once: 5 KiB.
const CHUNK_LEN: usize = 64;

type Chunk = [State; CHUNK_LEN];

/// The answer to I/O on a runtime that is gone.
pub(super) fn shutting_down() -> io::Error {
    io::Error::other("A Tokio 1.x context was found, but it is being shutdown.")
}

/// See the module's head.
pub struct Registry {
    epoll: mio::Registry,
    slots: Lock<Slots>,
    /// Something is in `Slots::retired`.
    has_retired: AtomicBool,
    added: Tally,
    removed: Tally,
    /// What a token stands for that stands for no resource, or for one that is gone. The owner's events on it reach nobody.
    nobody: State,
}

#[derive(Default)]
struct Slots {
    /// Boxes, as pointers: states are used while the list grows.
    chunks: Vec<NonNull<Chunk>>,
    free: Vec<u32>,
    retired: Vec<u32>,
    closed: bool,
    /// A file could not be taken off the kernel's list: it may be on it with a token that nobody knows any more.
    haunted: bool,
}

// SAFETY: the pointers are boxes of this alone, and a `State` may go to any thread.
unsafe impl Send for Slots {}

impl Registry {
    pub(super) fn new(epoll: mio::Registry) -> Self {
        Self {
            epoll,
            slots: Lock::new(Slots::default()),
            has_retired: AtomicBool::new(false),
            added: Tally::default(),
            removed: Tally::default(),
            nobody: State::none(),
        }
    }

    /// Watches a resource. `home` is the shard of this registry. The state lives as long as the registry.
    pub(super) fn add(&self, home: &Remote, fd: RawFd, interest: Interest) -> io::Result<NonNull<State>> {
        let state = self.slots.with(|slots| slots.take(home)).ok_or_else(shutting_down)?;
        // SAFETY: states live as long as the registry.
        let added =
            self.epoll.register(&mut SourceFd(&fd), token(unsafe { state.as_ref() }), interest.to_mio());
        match added {
            Ok(()) => {
                self.added.add(1);
                Ok(state)
            }
            Err(error) => {
                // No event can have come of it.
                // SAFETY: as above.
                self.slots.with(|slots| slots.free.push(unsafe { state.as_ref() }.index));
                Err(error)
            }
        }
    }

    /// The kernel handed tokens over, and with them the states' memory, of which it does not tell the compiler: the states were
    /// made and given out under the lock.
    #[inline(always)]
    pub(super) fn acquire_added(&self) {
        self.slots.acquire_past();
    }

    /// A token for events that only end a wait. Valid while the registry stays where it is.
    pub(super) fn silent(&self) -> Token {
        token(&self.nobody)
    }

    /// The state that a token stands for, if it still does.
    ///
    /// # Safety
    /// The token is one that this registry registered.
    #[inline(always)]
    pub(super) unsafe fn find(&self, token: Token) -> &State {
        let state = ptr::with_exposed_provenance::<State>(token.0 & ADDRESS);
        // SAFETY: by contract it is the address of a state, and those live as long as the registry.
        let state = unsafe { &*state };
        // Relaxed: the owner's own word.
        if state.generation.load(Relaxed) == (token.0 >> ADDRESS_BITS) as u16 { state } else { &self.nobody }
    }

    /// Stops watching a resource, whose registration does not use the state any more. If it moves, whoever is left
    /// waiting is woken to wait at the new place.
    pub(super) fn remove(&self, state: &State, fd: RawFd, moves: bool) {
        // It fails if the file is closed already, by misuse of `AsyncFd`; then it sends nothing more, or what it sends
        // reaches nobody.
        let haunts = self.epoll.deregister(&mut SourceFd(&fd)).is_err();
        self.removed.add(1);
        let owner = context::remote() == state.home;
        if !moves {
            state.forget_elsewhere();
            if owner {
                // SAFETY: by the owner, as just compared.
                unsafe { state.forget_own() };
            }
        }
        self.slots.with(|slots| {
            slots.retired.push(state.index);
            slots.haunted |= haunts;
        });
        // SeqCst: publishes for a sleeper, who looks when it has announced sleep (see `crate::park`).
        self.has_retired.store(true, SeqCst);
        if !owner {
            // SAFETY: shards live as long as their registry's users.
            unsafe { &*state.home }.wake();
        }
    }

    /// How many resources were watched, ever; one that moves is counted where it goes, too.
    pub fn num_added(&self) -> u64 {
        self.added.get()
    }

    /// How many of them are watched no more.
    pub fn num_removed(&self) -> u64 {
        self.removed.get()
    }

    /// Whether there is something to recycle.
    #[inline]
    pub(super) fn has_retired(&self) -> bool {
        self.has_retired.load(SeqCst)
    }

    /// Recycles what is retired; true if that woke somebody.
    ///
    /// # Safety
    /// By the owner, between two batches.
    #[cold]
    pub(super) unsafe fn recycle(&self) -> bool {
        self.has_retired.store(false, SeqCst);
        let mut woke = false;
        let mut all = self.slots.with(|slots| mem::take(&mut slots.retired));
        for index in &all {
            let state = self.slots.with(|slots| slots.get(*index));
            // SAFETY: by contract; states live as long as the registry.
            woke |= unsafe { state.as_ref().recycle() };
        }
        self.slots.with(|slots| {
            if slots.haunted {
                // SAFETY: states live as long as the registry.
                // Relaxed: the owner's own word.
                all.retain(|index| unsafe { slots.get(*index).as_ref() }.generation.load(Relaxed) != 0);
            }
            slots.free.append(&mut all);
        });
        woke
    }

    /// Refuses resources from now on.
    pub(super) fn close(&self) {
        self.slots.with(|slots| slots.closed = true);
    }

    /// All chunks of states.
    pub(super) fn chunks(&self) -> impl Iterator<Item = &Chunk> {
        let chunks = self.slots.with(|slots| slots.chunks.clone());
        // SAFETY: states live as long as the registry, at their places.
        chunks.into_iter().map(|chunk| unsafe { chunk.as_ref() })
    }
}

impl Slots {
    fn take(&mut self, home: &Remote) -> Option<NonNull<State>> {
        if self.closed {
            return None;
        }
        if self.free.is_empty() {
            let first = (self.chunks.len() * CHUNK_LEN) as u32;
            let indices = first..first + CHUNK_LEN as u32;
            let chunk: Box<[State]> = indices.clone().map(|index| State::new(home, index)).collect();
            let chunk: Box<Chunk> = chunk.try_into().ok().expect("a state for each index");
            assert!(chunk.as_ptr_range().end.addr() <= ADDRESS, "addresses have {ADDRESS_BITS} bits");
            self.chunks.push(NonNull::from(Box::leak(chunk)));
            self.free.extend(indices.rev());
        }
        self.free.pop().map(|index| self.get(index))
    }

    fn get(&self, index: u32) -> NonNull<State> {
        // SAFETY: chunks live as long as this.
        let chunk = unsafe { self.chunks[index as usize / CHUNK_LEN].as_ref() };
        NonNull::from(&chunk[index as usize % CHUNK_LEN])
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        for chunk in &self.chunks {
            // SAFETY: a leaked box; those who use its states keep the registry.
            drop(unsafe { Box::from_raw(chunk.as_ptr()) });
        }
    }
}

const _: () = assert!(usize::BITS == 64, "a token holds an address and a generation");
const ADDRESS_BITS: u32 = 48;
const ADDRESS: usize = (1 << ADDRESS_BITS) - 1;

fn token(state: &State) -> Token {
    // Relaxed: changes only while the state is nobody's.
    let generation = usize::from(state.generation.load(Relaxed));
    Token(generation << ADDRESS_BITS | ptr::from_ref(state).expose_provenance())
}
