//! Where the tasks that a shard spawns for itself live: chunks of equal slots, owned by one thread.
//!
//! An allocation is a pop of the chunk's free list, and the chunks double as the list of the shard's tasks, so
//! neither a general allocator nor list links are paid for at each spawn. A slot is found to be in use by its first
//! word: the header of a task begins with its vtable, which is never null; a free slot begins with null.
//!
//! Chunks are [`CHUNK`] bytes and aligned to that, so the chunk of a slot is a mask away, and with it whose the slot is
//! ([`owner`]): tasks need no word for it. They are mapped from the kernel: the C
//! allocator kept the memory of a million finished tasks. A chunk whose last slot is freed goes back, unless its class
//! allocates from it just now or it becomes one of a few spare ones. Where an arena ends, its thread keeps a few for the next one: a
//! `LocalSet` may live for one task.
//!
//! After the shard has closed, slots that are still referenced are freed by whoever drops the last reference, on any
//! thread: [`Arena::abandon`] stores their number in the chunk, and the free that counts it down to zero returns the
//! chunk.

#![expect(unsafe_code, reason = "an allocator")]

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ptr::{self, NonNull};

use crate::loom::atomic::{AtomicUsize, Ordering};
use crate::loom::cell::UnsafeCell;
use crate::mesh::Remote;

const CHUNK: usize = 64 * 1024;
/// Free chunks that an arena keeps: a fan-out that comes again and again then maps no memory.
const SPARE: usize = 16;
/// Free chunks that a thread keeps of the arenas that ended on it.
const LEFT: usize = 2;

/// Larger tasks go to the heap: a future of this size is rare and its cost is not the allocation.
pub(crate) const MAX_SIZE: usize = 4096;
/// Alignment of every slot.
pub(crate) const ALIGN: usize = 8;

const FINE: usize = 512;
const FINE_STEP: usize = 8;
const COARSE_STEP: usize = 64;
const CLASSES: usize = FINE / FINE_STEP + (MAX_SIZE - FINE) / COARSE_STEP + 1;

const fn class_of(size: usize) -> usize {
    if size <= FINE {
        size.div_ceil(FINE_STEP)
    } else {
        FINE / FINE_STEP + (size - FINE).div_ceil(COARSE_STEP)
    }
}

const fn stride_of(class: usize) -> usize {
    let fine = FINE / FINE_STEP;
    if class <= fine { class * FINE_STEP } else { FINE + (class - fine) * COARSE_STEP }
}

#[repr(C)]
struct Free {
    in_use: *const (),
    next: *mut Free,
}

#[repr(C)]
struct Chunk {
    /// Slots that were freed; slots at and above `bump` were never used.
    free: *mut Free,
    bump: u32,
    end: u32,
    stride: u32,
    live: u32,
    class: u32,
    role: Role,
    /// The list of chunks with room, singly linked.
    next_room: *mut Chunk,
    /// All chunks of the arena.
    prev: *mut Chunk,
    next: *mut Chunk,
    /// After `abandon`: slots still referenced.
    orphans: AtomicUsize,
    /// Stands for the slots: read by those who are done with one, written by who unmaps them, so that models see both.
    slots: UnsafeCell<()>,
}

/// What a chunk is to its class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The one it allocates from.
    Current,
    /// In its list of chunks with room.
    Listed,
    Full,
}

/// Where the address of the arena's owner is in a chunk. Other threads read it, so it is no part of what the arena has references to,
/// and lies in a cache line that nobody writes.
const OWNER: usize = size_of::<Chunk>().next_multiple_of(64);
const FIRST: usize = OWNER + 64;

#[derive(Clone, Copy)]
struct Class {
    current: *mut Chunk,
    room: *mut Chunk,
}

/// See the module's head.
pub(crate) struct Arena {
    owner: *const Remote,
    classes: Box<[Class; CLASSES]>,
    all: *mut Chunk,
    spare: Vec<*mut Chunk>,
}

impl Arena {
    pub fn new(owner: *const Remote) -> Self {
        let empty = Class { current: ptr::null_mut(), room: ptr::null_mut() };
        Self { owner, classes: Box::new([empty; CLASSES]), all: ptr::null_mut(), spare: Vec::new() }
    }

    /// A slot of at least `SIZE` bytes. Its first word must be set to something that is not null before any other
    /// call.
    #[inline]
    pub fn alloc(&mut self, size: usize) -> NonNull<u8> {
        debug_assert!(size >= size_of::<Free>() && size <= MAX_SIZE);
        let class = &mut self.classes[class_of(size)];
        // SAFETY: `current` is null or a chunk of this arena, which lives until `release`, and `release` is not called for
        // a class's current chunk.
        if let Some(chunk) = unsafe { class.current.as_mut() } {
            if let Some(slot) = NonNull::new(chunk.free) {
                // SAFETY: a slot in the free list holds a `Free`.
                chunk.free = unsafe { slot.as_ref() }.next;
                chunk.live += 1;
                return slot.cast();
            }
            if chunk.bump < chunk.end {
                return chunk.take_fresh(class.current);
            }
        }
        self.alloc_slow(class_of(size))
    }

    #[cold]
    fn alloc_slow(&mut self, index: usize) -> NonNull<u8> {
        let class = &mut self.classes[index];
        // SAFETY: null or a chunk of this arena.
        if let Some(full) = unsafe { class.current.as_mut() } {
            full.role = Role::Full;
        }
        let found = class.room;
        // SAFETY: `room` is null or a chunk of this arena with room.
        if let Some(chunk) = unsafe { found.as_mut() } {
            class.room = chunk.next_room;
            chunk.role = Role::Current;
            class.current = found;
            chunk.live += 1;
            let slot = chunk.free;
            // SAFETY: a chunk is listed when a slot of it is freed, and only its class's current chunk hands slots out.
            chunk.free = unsafe { (*slot).next };
            return NonNull::new(slot).expect("a listed chunk has a free slot").cast();
        }
        let stride = stride_of(index);
        let memory = self.spare.pop().or_else(Left::take).unwrap_or_else(map);
        let slots = (CHUNK - FIRST) / stride;
        let chunk = Chunk {
            free: ptr::null_mut(),
            bump: FIRST as u32,
            end: (FIRST + slots * stride) as u32,
            stride: stride as u32,
            live: 0,
            class: index as u32,
            role: Role::Current,
            next_room: ptr::null_mut(),
            prev: ptr::null_mut(),
            next: self.all,
            orphans: AtomicUsize::new(0),
            slots: UnsafeCell::new(()),
        };
        // SAFETY: memory without slots in use, larger than a `Chunk` and aligned for it.
        unsafe { memory.write(chunk) };
        // SAFETY: as above; the place lies behind the `Chunk`, and is aligned.
        unsafe { owner_place(memory).write(self.owner) };
        // SAFETY: `all` is null or a chunk of this arena.
        if let Some(next) = unsafe { self.all.as_mut() } {
            next.prev = memory;
        }
        self.all = memory;
        class.current = memory;
        // SAFETY: written just now.
        unsafe { &mut *memory }.take_fresh(memory)
    }

    /// Gives a slot back.
    ///
    /// # Safety
    /// `slot` came from `alloc` of this arena and nobody uses it.
    #[inline]
    pub unsafe fn free(&mut self, slot: NonNull<u8>) {
        let chunk_ptr = chunk_of(slot);
        // SAFETY: slots lie in chunks of this arena.
        let chunk = unsafe { &mut *chunk_ptr };
        let free = Free { in_use: ptr::null(), next: chunk.free };
        // SAFETY: by contract nobody uses the slot, which is large enough and aligned.
        unsafe { slot.cast::<Free>().write(free) };
        chunk.free = slot.as_ptr().cast();
        chunk.live -= 1;
        if chunk.role != Role::Current {
            self.freed_aside(chunk_ptr);
        }
    }

    /// A slot was freed of a chunk that its class does not allocate from.
    fn freed_aside(&mut self, chunk_ptr: *mut Chunk) {
        // SAFETY: a chunk of this arena.
        let chunk = unsafe { &mut *chunk_ptr };
        if chunk.role == Role::Full {
            chunk.role = Role::Listed;
            let class = &mut self.classes[chunk.class as usize];
            chunk.next_room = class.room;
            class.room = chunk_ptr;
        }
        if chunk.live == 0 {
            self.release(chunk_ptr);
        }
    }

    #[cold]
    fn release(&mut self, chunk_ptr: *mut Chunk) {
        // SAFETY: a chunk of this arena without slots in use.
        let chunk = unsafe { &mut *chunk_ptr };
        let class = &mut self.classes[chunk.class as usize];
        let mut at: *mut *mut Chunk = &mut class.room;
        // SAFETY: `at` points at the list's head or at a `next_room` of a chunk in it; a listed chunk is found.
        while unsafe { *at } != chunk_ptr {
            // SAFETY: as above.
            at = unsafe { &mut (**at).next_room };
        }
        // SAFETY: as above.
        unsafe { *at = chunk.next_room };
        self.unlink(chunk_ptr);
        if self.spare.len() < SPARE {
            self.spare.push(chunk_ptr);
        } else {
            // SAFETY: unlinked, no slot in use.
            unsafe { unmap(chunk_ptr) };
        }
    }

    fn unlink(&mut self, chunk_ptr: *mut Chunk) {
        // SAFETY: a chunk of this arena.
        let (prev, next) = unsafe { ((*chunk_ptr).prev, (*chunk_ptr).next) };
        // SAFETY: null or a chunk of this arena.
        match unsafe { prev.as_mut() } {
            Some(prev) => prev.next = next,
            None => self.all = next,
        }
        // SAFETY: null or a chunk of this arena.
        if let Some(next) = unsafe { next.as_mut() } {
            next.prev = prev;
        }
    }

    /// Slots in use.
    pub fn live(&self) -> usize {
        let mut live = 0;
        let mut at = self.all;
        // SAFETY: null or a chunk of this arena.
        while let Some(chunk) = unsafe { at.as_ref() } {
            live += chunk.live as usize;
            at = chunk.next;
        }
        live
    }

    /// Calls `f` with each slot in use. `f` must not free or allocate.
    pub fn for_each(&self, mut f: impl FnMut(NonNull<u8>)) {
        let mut at = self.all;
        // SAFETY: null or a chunk of this arena.
        while let Some(chunk) = unsafe { at.as_ref() } {
            chunk.for_each(at, &mut f);
            at = chunk.next;
        }
    }

    /// Gives the chunks up, at the arena's end. `f` is called with each slot in use; it, or whoever it hands the slot to, calls
    /// `free_orphan` on it sooner or later. Nothing is allocated or freed here afterwards.
    pub fn abandon(&mut self, mut f: impl FnMut(NonNull<u8>)) {
        let mut at = std::mem::replace(&mut self.all, ptr::null_mut());
        while !at.is_null() {
            // SAFETY: a chunk of this arena; the one added to `orphans` keeps it until the last step below.
            let chunk = unsafe { &*at };
            let next = chunk.next;
            // Relaxed: nobody else knows of the counter before `f` hands a slot over.
            chunk.orphans.store(chunk.live as usize + 1, Ordering::Relaxed);
            chunk.for_each(at, &mut f);
            count_down(at);
            at = next;
        }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        debug_assert!(self.live() == 0, "an arena in use must be abandoned");
        while !self.all.is_null() {
            let chunk = self.all;
            self.unlink(chunk);
            // SAFETY: unlinked, no slot in use.
            unsafe { Left::leave(chunk) };
        }
        for chunk in self.spare.drain(..) {
            // SAFETY: a spare chunk is in no list and has no slot in use.
            unsafe { Left::leave(chunk) };
        }
    }
}

impl Chunk {
    /// `at` is this chunk, by the pointer that reaches its slots too.
    fn take_fresh(&mut self, at: *mut Chunk) -> NonNull<u8> {
        let slot = at.cast::<u8>().wrapping_add(self.bump as usize);
        self.bump += self.stride;
        self.live += 1;
        NonNull::new(slot).expect("an address inside a chunk")
    }

    fn for_each(&self, at: *mut Chunk, mut f: impl FnMut(NonNull<u8>)) {
        for offset in (FIRST..self.bump as usize).step_by(self.stride as usize) {
            let slot = at.cast::<u8>().wrapping_add(offset);
            // SAFETY: below `bump` every slot's first word is written.
            if !unsafe { slot.cast::<*const ()>().read() }.is_null() {
                f(NonNull::new(slot).expect("an address inside a chunk"));
            }
        }
    }
}

/// The chunks that arenas have left behind on a thread, as far as it keeps them.
struct Left([Cell<*mut Chunk>; LEFT]);

thread_local! {
    static OF_THREAD: Left = const { Left([const { Cell::new(ptr::null_mut()) }; LEFT]) };
}

impl Left {
    fn take() -> Option<*mut Chunk> {
        OF_THREAD.try_with(Self::next).ok().flatten()
    }

    fn next(&self) -> Option<*mut Chunk> {
        self.0.iter().map(|place| place.replace(ptr::null_mut())).find(|chunk| !chunk.is_null())
    }

    /// # Safety
    /// As of [`unmap`].
    unsafe fn leave(chunk: *mut Chunk) {
        let keep =
            |left: &Self| left.0.iter().find(|place| place.get().is_null()).map(|place| place.set(chunk));
        // Models count what is mapped, and a thread that ends keeps nothing.
        if cfg!(loom) || OF_THREAD.try_with(keep).ok().flatten().is_none() {
            // SAFETY: by contract.
            unsafe { unmap(chunk) };
        }
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        while let Some(chunk) = self.next() {
            // SAFETY: it was left, and is in no place any more.
            unsafe { unmap(chunk) };
        }
    }
}

/// A chunk under Miri.
const AS_ALLOCATED: Layout = match Layout::from_size_align(CHUNK, CHUNK) {
    Ok(layout) => layout,
    Err(_) => panic!("a chunk's size is a power of two"),
};

/// Maps a chunk. The kernel puts a mapping beside the one before, if nothing is in the way, so that one of a chunk's size is usually
/// aligned, and the two count as one: of their number a process may have 65,530, which at a mapping for each chunk are 4 GiB of tasks.
/// Where it is not aligned, twice the size is asked for, and what lies outside of the aligned part given back.
#[cold]
fn map() -> *mut Chunk {
    #[cfg(all(test, loom))]
    MAPPED.with(|mapped| mapped.set(mapped.get() + 1));
    if cfg!(miri) {
        // It knows no mapping of which a part is given back.
        // SAFETY: a size that is not zero.
        return unsafe { alloc_zeroed(AS_ALLOCATED) }.cast();
    }
    let start = map_some(CHUNK);
    if start.addr() % CHUNK == 0 {
        return start.cast();
    }
    // SAFETY: mapped just now, and nobody uses it.
    unsafe { libc::munmap(start, CHUNK) };
    // The highest chunk in it: below the mapping before, and not a hole away from it.
    let start = map_some(2 * CHUNK);
    let before = CHUNK - start.addr() % CHUNK;
    let (chunk, after) = (start.wrapping_byte_add(before), CHUNK - before);
    // SAFETY: a part of the mapping that nobody uses; not empty.
    unsafe { libc::munmap(start, before) };
    if after > 0 {
        // SAFETY: the other part that nobody uses.
        unsafe { libc::munmap(chunk.wrapping_byte_add(CHUNK), after) };
    }
    chunk.cast()
}

fn map_some(size: usize) -> *mut libc::c_void {
    let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: an anonymous mapping at an address that the kernel chooses.
    let start = unsafe { libc::mmap(ptr::null_mut(), size, access, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        handle_alloc_error(Layout::new::<[u8; CHUNK]>());
    }
    start
}

/// # Safety
/// `chunk` came from `map`, and nobody uses it.
unsafe fn unmap(chunk: *mut Chunk) {
    #[cfg(all(test, loom))]
    MAPPED.with(|mapped| mapped.set(mapped.get() - 1));
    if cfg!(miri) {
        // SAFETY: by contract, and as it was allocated.
        return unsafe { dealloc(chunk.cast(), AS_ALLOCATED) };
    }
    // SAFETY: by contract.
    unsafe { libc::munmap(chunk.cast(), CHUNK) };
}

// Chunks mapped less chunks unmapped by this thread, and so by all of a model's.
#[cfg(all(test, loom))]
std::thread_local! {
    static MAPPED: std::cell::Cell<isize> = const { std::cell::Cell::new(0) };
}

#[cfg(all(test, loom))]
pub(crate) fn mapped() -> isize {
    MAPPED.with(std::cell::Cell::get)
}

#[inline(always)]
fn chunk_of(slot: NonNull<u8>) -> *mut Chunk {
    slot.as_ptr().map_addr(|addr| addr & !(CHUNK - 1)).cast()
}

#[inline(always)]
fn owner_place(chunk: *mut Chunk) -> *mut *const Remote {
    chunk.wrapping_byte_add(OWNER).cast()
}

/// The shard whose arena a slot is of, also when that was abandoned.
///
/// # Safety
/// `slot` came from `alloc` and is in use.
#[inline(always)]
pub(crate) unsafe fn owner(slot: NonNull<u8>) -> *const Remote {
    // SAFETY: written before the chunk's first slot was handed out, and not again before the last is free.
    unsafe { owner_place(chunk_of(slot)).read() }
}

fn count_down(chunk: *mut Chunk) {
    // SAFETY: the caller's slots are part of the count, so the chunk is there.
    let Chunk { orphans, slots, .. } = unsafe { &*chunk };
    slots.with(|_| ());
    // AcqRel: whoever reaches zero must have seen the end of every other slot's use.
    if orphans.fetch_sub(1, Ordering::AcqRel) == 1 {
        slots.with_mut(|_| ());
        // SAFETY: no slot is in use and no arena knows it any more.
        unsafe { Left::leave(chunk) };
    }
}

/// Gives a slot of an abandoned arena back, from any thread.
///
/// # Safety
/// `slot` came from `alloc` of an arena that is being abandoned, was in use then, and nobody uses it now.
pub(crate) unsafe fn free_orphan(slot: NonNull<u8>) {
    count_down(chunk_of(slot));
}

const _: () = assert!(stride_of(CLASSES - 1) == MAX_SIZE && class_of(MAX_SIZE) == CLASSES - 1);
const _: () = assert!(FIRST % 16 == 0 && MAX_SIZE < (CHUNK - FIRST) / 8);
