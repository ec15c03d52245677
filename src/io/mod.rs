//! Reading and writing without blocking the thread.
//!
//! Four traits say what a stream can do: [`AsyncRead`], [`AsyncWrite`], [`AsyncBufRead`], [`AsyncSeek`]. Their
//! methods are polled, and meant for those who write streams. Those who use them import the traits whose names
//! end in `Ext`, which have the methods to `.await`: [`read`](AsyncReadExt::read),
//! [`write_all`](AsyncWriteExt::write_all), [`read_line`](AsyncBufReadExt::read_line).
//!
//! The rest builds on these: buffers ([`BufReader`], [`BufWriter`], [`BufStream`]), copying ([`copy()`],
//! [`copy_bidirectional`]), pipes within the process ([`duplex`], [`simplex`]), and what takes streams apart or
//! puts them together ([`split()`], [`join()`]). None of it needs a runtime.
//!
//! The process's own streams ([`stdin`], [`stdout`], [`stderr`]) do: threads of its blocking pool read and write them.
//!
//! Errors, and where to seek to, are the standard library's.

mod read_buf;
mod traits;

mod memory;
mod null;

mod fill_buf;
mod future;
mod numbers;
mod uninit;

#[cfg(unix)]
mod async_fd;
mod buf_read_ext;
mod read_ext;
mod seek_ext;
mod write_ext;

mod chain;
mod join;
mod take;

mod buf_reader;
mod buf_stream;
mod buf_writer;

mod coop;
mod copy;
mod pipe;
mod split;

pub(crate) mod blocking;
pub(crate) mod stdio;
mod watch;

pub use std::io::{Error, ErrorKind, Result, SeekFrom};

pub use buf_read_ext::{AsyncBufReadExt, Lines, Split};
pub use buf_reader::BufReader;
pub use buf_stream::BufStream;
pub use buf_writer::BufWriter;
pub use chain::Chain;
pub use copy::{copy, copy_bidirectional, copy_bidirectional_with_sizes, copy_buf};
pub use join::{Join, join};
pub use null::{Empty, Repeat, Sink, empty, repeat, sink};
pub use pipe::{DuplexStream, SimplexStream, duplex, simplex};
pub use read_buf::ReadBuf;
pub use read_ext::AsyncReadExt;
pub use seek_ext::AsyncSeekExt;
pub use split::{ReadHalf, WriteHalf, split};
pub use stdio::{Stderr, Stdin, Stdout, stderr, stdin, stdout};
pub use take::Take;
pub use traits::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite};
pub use write_ext::AsyncWriteExt;

pub(crate) use coop::poll_proceed;
#[cfg(any(feature = "hyper", feature = "tokio-io"))]
pub(crate) use read_buf::poll_read_into;
pub(crate) use traits::delegate;
pub(crate) use watch::Watch;

/// What a buffer holds, in bytes, where nobody says otherwise.
const DEFAULT_BUF_SIZE: usize = 8 * 1024;

pub use corelane_shards::reactor::{Interest, Ready};

/// What only Unix has.
#[cfg(unix)]
pub mod unix {
    pub use super::async_fd::{
        AsyncFd, AsyncFdReadyGuard, AsyncFdReadyMutGuard, AsyncFdRegisterError, TryIoError,
    };
}
