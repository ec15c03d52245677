//! Streams, executors and timers for crates that name other traits than this one's.
//!
//! A program moves over as a whole when it puts `compat` in Tokio's place with a patch line, and then needs nothing of this. One
//! that names this crate in its own code, and leaves Tokio in its tree as what the libraries were written for, needs what stands
//! between the two. Each part has a cargo feature:
//!
//! - **`tokio-io`.** The streams of [`net`](crate::net), [`process`](crate::process), [`fs`](crate::fs) and [`io`](crate::io) have
//!   the `AsyncRead` and `AsyncWrite` of the published `tokio` too. [`Compat`] gives these to any other stream.
//!   [`FromTokio`] is for the way back.
//! - **`hyper`.** [`Executor`], [`LocalExecutor`] and [`Timer`] are what hyper asks of a runtime. [`Compat`] has its `Read`
//!   and `Write`. [`FromHyper`] is for the way back.
//! - **`futures-io`.** [`Compat`] has the traits that the `futures` crates share. [`FromFutures`] is for the way back.
//!
//! With `tokio-io` a library that only reads and writes takes a stream as it is:
//!
//! ```
//! # #[cfg(feature = "tokio-io")]
//! # corelane::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use futures_util::{SinkExt, StreamExt};
//! use tokio_util::codec::{Framed, LinesCodec};
//!
//! let (one, two) = corelane::io::duplex(64);
//! let (mut one, mut two) = (Framed::new(one, LinesCodec::new()), Framed::new(two, LinesCodec::new()));
//! one.send("hello").await.unwrap();
//! assert_eq!(two.next().await.unwrap().unwrap(), "hello");
//! # });
//! ```
//!
//! What a library needs of Tokio's *runtime* (its tasks, timers or sockets) these do not give: for that there is the patch line.
//! The two exclude each other. In a tree that is patched these features would make this crate depend on itself, which cargo
//! refuses as a cycle.

#[cfg(feature = "futures-io")]
mod futures_io;
#[cfg(feature = "hyper")]
mod hyper;
#[cfg(feature = "tokio-io")]
mod tokio_io;

#[cfg(feature = "futures-io")]
pub use futures_io::FromFutures;
#[cfg(feature = "hyper")]
pub use hyper::{Executor, FromHyper, LocalExecutor, Timer};
#[cfg(feature = "tokio-io")]
pub use tokio_io::FromTokio;

/// Declares a stream that is another one under other traits.
macro_rules! wrapper {
    ($(#[$doc:meta])* $Name:ident) => {
        pin_project_lite::pin_project! {
            $(#[$doc])*
            #[derive(Debug, Clone, Default)]
            pub struct $Name<T> {
                #[pin]
                inner: T,
            }
        }

        impl<T> $Name<T> {
            /// Wraps a stream.
            pub fn new(inner: T) -> Self {
                Self { inner }
            }

            /// The stream inside.
            pub fn get_ref(&self) -> &T {
                &self.inner
            }

            /// The stream inside.
            pub fn get_mut(&mut self) -> &mut T {
                &mut self.inner
            }

            /// Takes the stream out.
            pub fn into_inner(self) -> T {
                self.inner
            }
        }
    };
}
use wrapper;

wrapper! {
    /// A stream that has [`AsyncRead`](crate::io::AsyncRead) or [`AsyncWrite`](crate::io::AsyncWrite), under the traits that
    /// mean the same in the crates whose features are on.
    ///
    /// # Examples
    ///
    /// A stream as the `futures` crates know it:
    ///
    /// ```
    /// # #[cfg(feature = "futures-io")]
    /// # corelane::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// use corelane::adapt::Compat;
    /// use futures_util::io::{AsyncReadExt, AsyncWriteExt};
    ///
    /// let (one, two) = corelane::io::duplex(64);
    /// let (mut one, mut two) = (Compat::new(one), Compat::new(two));
    /// one.write_all(b"hello").await.unwrap();
    /// one.close().await.unwrap();
    /// let mut text = String::new();
    /// two.read_to_string(&mut text).await.unwrap();
    /// assert_eq!(text, "hello");
    /// # });
    /// ```
    Compat
}
