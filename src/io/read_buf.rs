//! `ReadBuf`: the memory a reader writes into, and how much of it counts.
//!
//! ```text
//! [ filled            | initialized, not filled | uninitialized ]
//! 0               filled                   initialized      capacity
//! ```
//!
//! Invariant: `filled <= initialized <= buf.len()`, and the first `initialized` bytes hold values. Only two ways
//! raise `initialized`: writing the bytes here, and a caller's promise in an `unsafe fn`.
//!
//! Also here: `poll_read_into` and `poll_read_within`, which decide whether a reader's count may be trusted.
#![expect(unsafe_code, reason = "views initialized parts of `MaybeUninit` memory as bytes")]

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use bytes::buf::UninitSlice;

use super::AsyncRead;

/// A byte buffer that is filled step by step and may start out uninitialized.
///
/// The bytes at the front are *filled*: they are the data that was read. Behind them may come bytes that hold
/// some value but no data (*initialized*), then memory nobody wrote yet. Keeping the three apart lets a reader
/// that only needs somewhere to put bytes skip zeroing, and lets one that needs a `&mut [u8]` zero each byte at
/// most once.
pub struct ReadBuf<'a> {
    buf: &'a mut [MaybeUninit<u8>],
    filled: usize,
    initialized: usize,
}

impl<'a> ReadBuf<'a> {
    /// Makes an empty buffer over bytes that are all initialized.
    #[inline]
    pub fn new(buf: &'a mut [u8]) -> ReadBuf<'a> {
        let initialized = buf.len();
        // SAFETY: `u8` and `MaybeUninit<u8>` have one layout. No safe method writes an uninitialized byte below
        // `initialized`; those who may (`inner_mut`, `unfilled_mut`) promise not to.
        let buf = unsafe { &mut *(buf as *mut [u8] as *mut [MaybeUninit<u8>]) };
        ReadBuf { buf, filled: 0, initialized }
    }

    /// Makes an empty buffer over memory that may be uninitialized.
    ///
    /// Where part of it is known to be initialized, say so with [`assume_init`](Self::assume_init).
    #[inline]
    pub fn uninit(buf: &'a mut [MaybeUninit<u8>]) -> ReadBuf<'a> {
        ReadBuf { buf, filled: 0, initialized: 0 }
    }

    /// The number of bytes the buffer can hold in all.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.buf.len()
    }

    /// The data.
    #[inline]
    pub fn filled(&self) -> &[u8] {
        // SAFETY: `filled <= initialized`.
        unsafe { assume_init(&self.buf[..self.filled]) }
    }

    /// The data, to be changed in place.
    #[inline]
    pub fn filled_mut(&mut self) -> &mut [u8] {
        // SAFETY: `filled <= initialized`.
        unsafe { assume_init_mut(&mut self.buf[..self.filled]) }
    }

    /// A new buffer over the first `n` bytes behind the data, or over all of them where there are fewer.
    ///
    /// It starts empty and knows of no initialized byte. What is put there does not count here until
    /// [`assume_init`](Self::assume_init) and [`advance`](Self::advance) say so.
    #[inline]
    pub fn take(&mut self, n: usize) -> ReadBuf<'_> {
        let n = n.min(self.remaining());
        ReadBuf::uninit(&mut self.buf[self.filled..][..n])
    }

    /// The data and the initialized bytes behind it.
    #[inline]
    pub fn initialized(&self) -> &[u8] {
        // SAFETY: these bytes hold values, by the invariant.
        unsafe { assume_init(&self.buf[..self.initialized]) }
    }

    /// The data and the initialized bytes behind it, to be changed in place.
    #[inline]
    pub fn initialized_mut(&mut self) -> &mut [u8] {
        // SAFETY: these bytes hold values, by the invariant.
        unsafe { assume_init_mut(&mut self.buf[..self.initialized]) }
    }

    /// The whole memory, whatever its state.
    ///
    /// # Safety
    ///
    /// Initialized bytes must stay initialized.
    #[inline]
    pub unsafe fn inner_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        self.buf
    }

    /// The memory behind the data, whatever its state.
    ///
    /// # Safety
    ///
    /// Initialized bytes must stay initialized.
    #[inline]
    pub unsafe fn unfilled_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        &mut self.buf[self.filled..]
    }

    /// The room behind the data as plain bytes; what was not initialized is zeroed first.
    #[inline]
    pub fn initialize_unfilled(&mut self) -> &mut [u8] {
        self.initialize_unfilled_to(self.remaining())
    }

    /// The next `n` bytes behind the data as plain bytes; what was not initialized is zeroed first.
    ///
    /// # Panics
    ///
    /// When fewer than `n` bytes remain.
    #[inline]
    #[track_caller]
    pub fn initialize_unfilled_to(&mut self, n: usize) -> &mut [u8] {
        assert!(self.remaining() >= n, "n overflows remaining");
        let end = self.filled + n;
        if self.initialized < end {
            self.buf[self.initialized..end].fill(MaybeUninit::new(0));
            self.initialized = end;
        }
        // SAFETY: `end <= initialized` now.
        unsafe { assume_init_mut(&mut self.buf[self.filled..end]) }
    }

    /// How many more bytes fit.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.capacity() - self.filled
    }

    /// Empties the buffer. Initialized bytes stay known as such.
    #[inline]
    pub fn clear(&mut self) {
        self.filled = 0;
    }

    /// Counts `n` more bytes as data.
    ///
    /// # Panics
    ///
    /// When fewer than `n` bytes behind the data are initialized.
    #[inline]
    #[track_caller]
    pub fn advance(&mut self, n: usize) {
        let filled = self.filled.checked_add(n).expect("filled overflow");
        self.set_filled(filled);
    }

    /// Says that exactly the first `n` bytes are data; may shrink or grow what counted before.
    ///
    /// # Panics
    ///
    /// When fewer than `n` bytes are initialized.
    #[inline]
    #[track_caller]
    pub fn set_filled(&mut self, n: usize) {
        assert!(n <= self.initialized, "filled must not become larger than initialized");
        self.filled = n;
    }

    /// Records that the first `n` bytes behind the data are initialized. Never lowers what was known.
    ///
    /// # Safety
    ///
    /// They must hold values.
    #[inline]
    pub unsafe fn assume_init(&mut self, n: usize) {
        self.initialized = self.initialized.max(self.filled + n);
    }

    /// Appends bytes.
    ///
    /// # Panics
    ///
    /// When they do not fit.
    #[inline]
    #[track_caller]
    pub fn put_slice(&mut self, buf: &[u8]) {
        let (len, room) = (buf.len(), self.remaining());
        assert!(len <= room, "buf.len() must fit in remaining(); buf.len() = {len}, remaining() = {room}");
        let end = self.filled + buf.len();
        self.buf[self.filled..end].copy_from_slice(as_uninit(buf));
        self.filled = end;
        self.initialized = self.initialized.max(end);
    }
}

// SAFETY: `remaining_mut` and `chunk_mut` speak of the same memory behind the data, and it does not move.
unsafe impl<'a> BufMut for ReadBuf<'a> {
    fn remaining_mut(&self) -> usize {
        self.remaining()
    }

    unsafe fn advance_mut(&mut self, cnt: usize) {
        assert!(cnt <= self.remaining(), "cannot advance past the end of the buffer");
        // SAFETY: the caller promises that these bytes were written.
        unsafe { self.assume_init(cnt) };
        self.advance(cnt);
    }

    fn chunk_mut(&mut self) -> &mut UninitSlice {
        UninitSlice::uninit(&mut self.buf[self.filled..])
    }
}

impl fmt::Debug for ReadBuf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadBuf")
            .field("filled", &self.filled)
            .field("initialized", &self.initialized)
            .field("capacity", &self.capacity())
            .finish()
    }
}

/// Polls `reader` once and says how many bytes it added.
///
/// A reader may swap in another `ReadBuf`. This panics then, so that the count speaks of the memory `buf` was
/// made from, and the caller may rely on that many bytes being initialized there.
pub(crate) fn poll_read_into<R: AsyncRead + ?Sized>(
    reader: Pin<&mut R>,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
) -> Poll<io::Result<usize>> {
    let (start, capacity, before) = (buf.buf.as_ptr(), buf.capacity(), buf.filled);
    ready!(reader.poll_read(cx, buf))?;
    let same = start == buf.buf.as_ptr() && capacity == buf.capacity() && before <= buf.filled;
    assert!(same, "the reader exchanged the buffer it was given");
    Poll::Ready(Ok(buf.filled - before))
}

/// Like [`poll_read_into`], but lets the reader have at most `limit` bytes of the room.
pub(crate) fn poll_read_within<R: AsyncRead + ?Sized>(
    reader: Pin<&mut R>,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
    limit: usize,
) -> Poll<io::Result<usize>> {
    let initialized = buf.initialized - buf.filled;
    let mut part = buf.take(limit);
    part.initialized = initialized.min(part.capacity());
    let read = ready!(poll_read_into(reader, cx, &mut part))?;
    let initialized = part.initialized;
    // SAFETY: `part` is what lies behind `buf`'s data (`poll_read_into` checked that it still is), and its own
    // invariant says that these bytes hold values.
    unsafe { buf.assume_init(initialized) };
    buf.advance(read);
    Poll::Ready(Ok(read))
}

fn as_uninit(bytes: &[u8]) -> &[MaybeUninit<u8>] {
    // SAFETY: one layout, and nothing can be written through a shared slice.
    unsafe { &*(bytes as *const [u8] as *const [MaybeUninit<u8>]) }
}

/// # Safety
///
/// Every byte must be initialized.
unsafe fn assume_init(bytes: &[MaybeUninit<u8>]) -> &[u8] {
    // SAFETY: one layout; the caller promises values.
    unsafe { &*(bytes as *const [MaybeUninit<u8>] as *const [u8]) }
}

/// # Safety
///
/// Every byte must be initialized.
unsafe fn assume_init_mut(bytes: &mut [MaybeUninit<u8>]) -> &mut [u8] {
    // SAFETY: one layout; the caller promises values, and only values can be written through `u8`.
    unsafe { &mut *(bytes as *mut [MaybeUninit<u8>] as *mut [u8]) }
}
