//! What is `Send`, `Sync` and `Unpin` of the `Ext` traits' futures. Programs rely on it and can't name them. The types are in
//! `auto_traits.rs`.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;

use corelane::io::{
    AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncSeek, AsyncSeekExt, AsyncWrite,
    AsyncWriteExt, BufReader, Chain, ReadHalf, SeekFrom, copy, copy_bidirectional, copy_buf, duplex, empty,
};

#[path = "support/io.rs"]
mod support;
use support::run;

/// Answers with the inherent method where the bound holds, and with the trait's where it does not.
struct Is<T>(PhantomData<T>);

macro_rules! questions {
    ($($ask:ident $not:ident $bound:ident;)*) => {$(
        impl<T: $bound> Is<T> {
            fn $ask(&self) -> bool {
                true
            }
        }
        trait $not {
            fn $ask(&self) -> bool {
                false
            }
        }
        impl<T> $not for Is<T> {}
    )*};
}
questions! { send NotSend Send; sync NotSync Sync; unpin NotUnpin Unpin; }

fn of<T>(_: &T) -> Is<T> {
    Is(PhantomData)
}

macro_rules! check_types {
    ($($ty:ty: $send:literal $sync:literal $unpin:literal;)*) => {$(
        let is = Is::<$ty>(PhantomData);
        assert_eq!((is.send(), is.sync(), is.unpin()), ($send, $sync, $unpin), stringify!($ty));
    )*};
}

/// Every one of these futures is `!Unpin`, as callers must not come to rely on the opposite.
macro_rules! check_futures {
    ($send:literal $sync:literal: $($future:expr;)*) => {$(
        match &$future {
            future => {
                let is = of(future);
                assert_eq!((is.send(), is.sync(), is.unpin()), ($send, $sync, false), stringify!($future));
            }
        }
    )*};
}

type Reader = Pin<Box<dyn AsyncBufRead + Send + Sync>>;
type Writer = Pin<Box<dyn AsyncWrite + Send + Sync>>;
type Local = Pin<Box<dyn AsyncBufRead>>;

#[test]
fn types_of_pinned_streams() {
    check_types! {
        BufReader<std::marker::PhantomPinned>: true true false;
        Chain<u8, std::marker::PhantomPinned>: true true false;
        ReadHalf<std::marker::PhantomPinned>: true true true;
    }
}

#[test]
fn futures() {
    let (mut r, mut w): (Reader, Writer) = (Box::pin(empty()), Box::pin(empty()));
    let (mut bytes, mut vec, mut text) = ([0; 1], Vec::new(), String::new());
    check_futures! { true true:
        r.read(&mut bytes);
        r.read_buf(&mut vec);
        r.read_exact(&mut bytes);
        r.read_u8();
        r.read_f64_le();
        r.read_to_end(&mut vec);
        r.read_to_string(&mut text);
        r.read_until(0, &mut vec);
        r.read_line(&mut text);
        r.fill_buf();
        w.write(&bytes);
        w.write_vectored(&[]);
        w.write_buf(&mut &bytes[..]);
        w.write_all_buf(&mut &bytes[..]);
        w.write_all(&bytes);
        w.write_u8(0);
        w.write_i128_le(0);
        w.flush();
        w.shutdown();
    }
    let mut seek: Pin<Box<dyn AsyncSeek + Send + Sync>> = Box::pin(empty());
    let (mut a, mut b) = duplex(1);
    let mut buffered = BufReader::new(empty());
    check_futures! { true true:
        seek.seek(SeekFrom::Start(0));
        seek.stream_position();
        seek.rewind();
        copy(&mut a, &mut b);
        copy_buf(&mut buffered, &mut a);
        copy_bidirectional(&mut a, &mut b);
        empty().lines().next_line();
        AsyncBufReadExt::split(empty(), 0).next_segment();
    }
    let mut local: Local = Box::pin(empty());
    check_futures! { false false:
        local.read(&mut bytes);
        local.read_u8();
        local.read_to_end(&mut vec);
        local.fill_buf();
        copy(&mut local, &mut a);
    }
}

/// A bound on the `Ext` trait alone says no less than one on the trait below it.
#[expect(clippy::manual_async_fn, reason = "the `Send` is what is tested")]
fn generic<R, W>(mut reader: R, mut writer: W) -> impl Future<Output = corelane::io::Result<()>> + Send
where
    R: AsyncReadExt + Send + Unpin,
    W: AsyncWriteExt + Send + Unpin,
{
    async move {
        let n = reader.read_u8().await?;
        writer.write_u8(n).await?;
        writer.write_all_buf(&mut &[n][..]).await?;
        writer.flush().await
    }
}

/// Neither the stream nor the trait object need be `Sized`.
async fn unsized_streams<R: AsyncRead + ?Sized + Unpin>(r: &mut R, w: &mut (dyn AsyncWrite + Unpin)) -> u8 {
    let n = r.read_u8().await.unwrap();
    w.write_u8(n).await.unwrap();
    w.write_all(&[n]).await.unwrap();
    n
}

#[test]
fn generic_callers() {
    let mut out = Vec::new();
    run(generic(&b"a"[..], &mut out)).unwrap();
    let source: &mut (dyn AsyncRead + Unpin) = &mut &b"b"[..];
    assert_eq!(run(unsized_streams(source, &mut out)), b'b');
    assert_eq!(out, b"aabb");
}
