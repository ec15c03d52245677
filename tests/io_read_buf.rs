//! `ReadBuf`: what counts as filled and as initialized, and what it refuses.
#![expect(unsafe_code, reason = "calls the unsafe methods of `ReadBuf`")]

use std::mem::MaybeUninit;

use bytes::BufMut;
use corelane::io::ReadBuf;

#[path = "support/io.rs"]
mod support;
use support::panic_of;

#[test]
fn filled_and_initialized_move_apart() {
    let mut memory = [MaybeUninit::new(0xAA); 8];
    let mut buf = ReadBuf::uninit(&mut memory);
    assert_eq!((buf.filled().len(), buf.initialized().len(), buf.remaining(), buf.capacity()), (0, 0, 8, 8));

    buf.put_slice(b"ab");
    assert_eq!((buf.filled(), buf.initialized(), buf.remaining()), (&b"ab"[..], &b"ab"[..], 6));

    // Zeroed once, then kept: what was written through the slice is still there the second time.
    buf.initialize_unfilled_to(3)[1] = b'x';
    assert_eq!(buf.initialized(), b"ab\0x\0");
    assert_eq!(buf.initialize_unfilled_to(2), b"\0x");
    buf.advance(2);
    assert_eq!(buf.filled(), b"ab\0x");
    assert_eq!(buf.initialize_unfilled(), [0; 4]);

    buf.clear();
    assert_eq!((buf.filled().len(), buf.initialized().len()), (0, 8));
    buf.set_filled(3);
    buf.filled_mut()[0] = b'A';
    buf.initialized_mut()[7] = b'Z';
    assert_eq!((buf.filled(), buf.initialized()), (&b"Ab\0"[..], &b"Ab\0x\0\0\0Z"[..]));
}

#[test]
fn new_is_initialized_throughout() {
    let mut memory = *b"1234";
    let mut buf = ReadBuf::new(&mut memory);
    assert_eq!(buf.initialized(), b"1234");
    buf.advance(1);
    assert_eq!(format!("{buf:?}"), "ReadBuf { filled: 1, initialized: 4, capacity: 4 }");
    assert_eq!(buf.initialize_unfilled(), b"234");
}

#[test]
fn take_starts_empty_behind_the_data() {
    let mut memory = *b"........";
    let mut buf = ReadBuf::new(&mut memory);
    buf.put_slice(b"ab");
    let mut part = buf.take(3);
    assert_eq!((part.capacity(), part.initialized().len()), (3, 0));
    part.put_slice(b"cde");
    assert_eq!(buf.take(100).capacity(), 6);
    assert_eq!(buf.filled(), b"ab");
    buf.advance(3);
    assert_eq!(buf.filled(), b"abcde");
}

#[test]
fn assume_init_counts_from_the_data_and_never_lowers() {
    let mut memory = [MaybeUninit::new(7); 4];
    let mut buf = ReadBuf::uninit(&mut memory);
    buf.put_slice(&[1]);
    // SAFETY: the array holds sevens.
    unsafe { buf.assume_init(2) };
    assert_eq!(buf.initialized(), [1, 7, 7]);
    // SAFETY: as above.
    unsafe { buf.assume_init(0) };
    assert_eq!(buf.initialized(), [1, 7, 7]);
}

#[test]
fn is_a_buf_mut() {
    let mut memory = [MaybeUninit::uninit(); 6];
    let mut buf = ReadBuf::uninit(&mut memory);
    buf.put_u16(0x0102);
    assert_eq!((buf.remaining_mut(), buf.chunk_mut().len(), buf.filled()), (4, 4, &[1, 2][..]));
    buf.chunk_mut()[..1].copy_from_slice(&[3]);
    // SAFETY: one byte was just written.
    unsafe { buf.advance_mut(1) };
    BufMut::put_slice(&mut buf, &[4, 5, 6]);
    assert_eq!((buf.filled(), buf.has_remaining_mut()), (&[1, 2, 3, 4, 5, 6][..], false));
}

#[test]
fn refuses_what_does_not_fit() {
    let mut memory = [MaybeUninit::uninit(); 2];
    let mut buf = ReadBuf::uninit(&mut memory);
    assert_eq!(
        panic_of(|| buf.put_slice(b"abc")),
        "buf.len() must fit in remaining(); buf.len() = 3, remaining() = 2"
    );
    assert_eq!(panic_of(|| buf.advance(1)), "filled must not become larger than initialized");
    assert_eq!(panic_of(|| buf.set_filled(1)), "filled must not become larger than initialized");
    assert_eq!(panic_of(|| buf.initialize_unfilled_to(3).len()), "n overflows remaining");
    buf.put_slice(b"a");
    assert_eq!(panic_of(|| buf.advance(usize::MAX)), "filled overflow");
    assert_eq!((buf.filled(), buf.remaining()), (&b"a"[..], 1));
}
