//! `AsyncSeekExt`: seeking with `.await`.

use std::io::{self, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::AsyncSeek;
use super::future::{Io, Op};

/// Seeks once what went before is done. Holds the target until the seek has started.
pub struct Seek(Option<SeekFrom>);

impl<S: AsyncSeek + ?Sized> Op<S> for Seek {
    type Output = u64;

    fn poll(&mut self, mut io: Pin<&mut S>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        if let Some(position) = self.0 {
            ready!(io.as_mut().poll_complete(cx))?;
            io.as_mut().start_seek(position)?;
            self.0 = None;
        }
        io.poll_complete(cx)
    }
}

/// The seeking methods every [`AsyncSeek`] has. Each says where, in bytes from the start, the stream then is.
///
/// None is cancel safe: whether the seek has happened when its future is dropped early is up to the stream.
pub trait AsyncSeekExt: AsyncSeek {
    /// Moves to `pos`.
    ///
    /// # Errors
    ///
    /// A position before the start, and what the stream gives.
    fn seek(&mut self, pos: SeekFrom) -> Io<'_, Self, Seek>
    where
        Self: Unpin,
    {
        Io::new(self, Seek(Some(pos)))
    }

    /// Moves to the start.
    ///
    /// # Errors
    ///
    /// What the stream gives.
    fn rewind(&mut self) -> Io<'_, Self, Seek>
    where
        Self: Unpin,
    {
        self.seek(SeekFrom::Start(0))
    }

    /// Says where the stream is.
    ///
    /// # Errors
    ///
    /// What the stream gives.
    fn stream_position(&mut self) -> Io<'_, Self, Seek>
    where
        Self: Unpin,
    {
        self.seek(SeekFrom::Current(0))
    }
}

impl<S: AsyncSeek + ?Sized> AsyncSeekExt for S {}
