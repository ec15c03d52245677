//! The operations that read into memory nobody has written yet: `read_buf`, `read_to_end`, `read_to_string`.
#![expect(unsafe_code, reason = "tells vectors and `BufMut`s that a reader initialized their spare room")]

use std::io;
use std::mem::{self, MaybeUninit};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BufMut;

use super::future::{Op, retry};
use super::read_buf::poll_read_into;
use super::{AsyncRead, ReadBuf};

/// Reads once into a `BufMut`.
pub struct ReadOnceInto<'a, B: ?Sized>(pub(super) &'a mut B);

impl<R: AsyncRead + ?Sized, B: BufMut + ?Sized> Op<R> for ReadOnceInto<'_, B> {
    type Output = usize;

    #[inline]
    fn poll(&mut self, io: Pin<&mut R>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if !self.0.has_remaining_mut() {
            return Poll::Ready(Ok(0));
        }
        // SAFETY: `ReadBuf` never lets a byte become uninitialized again.
        let room = unsafe { self.0.chunk_mut().as_uninit_slice_mut() };
        let read = ready!(poll_read_into(io, cx, &mut ReadBuf::uninit(room)))?;
        // SAFETY: `poll_read_into` says that the first `read` bytes of the chunk are initialized.
        unsafe { self.0.advance_mut(read) };
        Poll::Ready(Ok(read))
    }
}

/// Never asks a reader for less than this: shorter reads cost a call for next to nothing.
const MIN_ROOM: usize = 32;

/// How far a vector has been read into.
struct Tail {
    start_len: usize,
    start_capacity: usize,
    /// How many bytes of the spare room a reader has initialized already. Zero whenever that room has moved.
    initialized: usize,
}

impl Tail {
    fn of(vec: &Vec<u8>) -> Self {
        Tail { start_len: vec.len(), start_capacity: vec.capacity(), initialized: 0 }
    }

    /// Reads on until the stream ends; says how many bytes came in all.
    fn poll_to_end<R: AsyncRead + ?Sized>(
        &mut self,
        vec: &mut Vec<u8>,
        mut io: Pin<&mut R>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        loop {
            let read = if vec.capacity() - vec.len() >= MIN_ROOM {
                ready!(retry(|| self.poll_spare(vec, io.as_mut(), cx)))?
            } else if vec.capacity() == self.start_capacity && vec.capacity() >= MIN_ROOM {
                // The caller may have sized the vector to fit. Growing it only to learn that the stream has
                // ended would cost a copy and twice the memory, so look first whether there is more.
                let mut probe = [MaybeUninit::uninit(); MIN_ROOM];
                let mut probe = ReadBuf::uninit(&mut probe);
                let read = ready!(retry(|| poll_read_into(io.as_mut(), cx, &mut probe)))?;
                self.initialized = 0;
                vec.extend_from_slice(probe.filled());
                read
            } else {
                self.initialized = 0;
                vec.reserve(MIN_ROOM);
                continue;
            };
            if read == 0 {
                return Poll::Ready(Ok(vec.len() - self.start_len));
            }
        }
    }

    /// Reads once into the room the vector has.
    fn poll_spare<R: AsyncRead + ?Sized>(
        &mut self,
        vec: &mut Vec<u8>,
        io: Pin<&mut R>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut room = ReadBuf::uninit(vec.spare_capacity_mut());
        // SAFETY: an earlier read into this very room initialized them; where the room moves or is written by
        // other means, `poll_to_end` sets the count to zero.
        unsafe { room.assume_init(self.initialized) };
        let read = ready!(poll_read_into(io, cx, &mut room))?;
        self.initialized = room.initialized().len() - read;
        // SAFETY: `poll_read_into` says that the next `read` bytes are within the room and initialized.
        unsafe { vec.set_len(vec.len() + read) };
        Poll::Ready(Ok(read))
    }
}

/// Reads to the end of a stream into a vector.
pub struct ReadToEnd<'a> {
    vec: &'a mut Vec<u8>,
    tail: Tail,
}

impl<'a> ReadToEnd<'a> {
    #[inline]
    pub(super) fn new(vec: &'a mut Vec<u8>) -> Self {
        ReadToEnd { tail: Tail::of(vec), vec }
    }
}

impl<R: AsyncRead + ?Sized> Op<R> for ReadToEnd<'_> {
    type Output = usize;

    #[inline]
    fn poll(&mut self, io: Pin<&mut R>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.tail.poll_to_end(self.vec, io, cx)
    }
}

/// Reads to the end of a stream into a string, whose bytes are kept apart until they are known to be text.
pub struct ReadToString<'a> {
    string: &'a mut String,
    bytes: Vec<u8>,
    tail: Tail,
}

impl<'a> ReadToString<'a> {
    #[inline]
    pub(super) fn new(string: &'a mut String) -> Self {
        let bytes = mem::take(string).into_bytes();
        ReadToString { tail: Tail::of(&bytes), bytes, string }
    }
}

impl<R: AsyncRead + ?Sized> Op<R> for ReadToString<'_> {
    type Output = usize;

    #[inline]
    fn poll(&mut self, io: Pin<&mut R>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let read = ready!(self.tail.poll_to_end(&mut self.bytes, io, cx));
        if read.is_err() {
            self.bytes.truncate(self.tail.start_len);
        }
        Poll::Ready(put_back(self.string, &mut self.bytes, self.tail.start_len, read))
    }
}

/// Ends an operation that took the bytes out of `string`, of which the first `start_len` were there before.
///
/// The bytes go back if they are text; otherwise the ones that were there before do, and the operation has
/// failed if it had not before.
pub(super) fn put_back(
    string: &mut String,
    bytes: &mut Vec<u8>,
    start_len: usize,
    read: io::Result<usize>,
) -> io::Result<usize> {
    match String::from_utf8(mem::take(bytes)) {
        Ok(text) => {
            *string = text;
            read
        }
        Err(e) => {
            let error = e.utf8_error();
            let mut bytes = e.into_bytes();
            bytes.truncate(start_len);
            *string = String::from_utf8(bytes).expect("the bytes came out of a string");
            read.and(Err(io::Error::new(io::ErrorKind::InvalidData, error)))
        }
    }
}
