//! Streams in two halves, one to read from and one to write to: borrowed, or owned by different tasks.
//!
//! TCP's and the Unix domain's are the same but for the stream's name, so a macro writes them.

macro_rules! halves {
    ($Stream:ident, $SocketAddr:ty) => {
        use std::error::Error;
        use std::fmt;
        use std::io::{self, IoSlice, IoSliceMut};
        use std::pin::Pin;
        use std::sync::Arc;
        use std::task::{Context, Poll};

        use bytes::BufMut;

        use crate::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};

        /// The reading half of a stream, borrowed by `split`.
        #[derive(Debug)]
        pub struct ReadHalf<'a>(&'a $Stream);

        /// The writing half of a stream, borrowed by `split`.
        #[derive(Debug)]
        pub struct WriteHalf<'a>(&'a $Stream);

        /// The reading half of a stream, made by `into_split`. [`reunite`](Self::reunite) puts the halves together.
        #[derive(Debug)]
        pub struct OwnedReadHalf(Arc<$Stream>);

        /// The writing half of a stream, made by `into_split`.
        ///
        /// Dropping it ends what the other side reads; [`forget`](Self::forget) drops it without. To end it at a moment of
        /// one's own, call `shutdown`.
        #[derive(Debug)]
        pub struct OwnedWriteHalf {
            stream: Arc<$Stream>,
            shutdown_on_drop: bool,
        }

        /// The halves given to `reunite` were not of one stream. It has them inside.
        #[derive(Debug)]
        pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

        impl fmt::Display for ReuniteError {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tried to reunite halves that are not from the same socket")
            }
        }

        impl Error for ReuniteError {}

        pub(super) fn split(stream: &mut $Stream) -> (ReadHalf<'_>, WriteHalf<'_>) {
            (ReadHalf(stream), WriteHalf(stream))
        }

        pub(super) fn into_split(stream: $Stream) -> (OwnedReadHalf, OwnedWriteHalf) {
            let stream = Arc::new(stream);
            (OwnedReadHalf(Arc::clone(&stream)), OwnedWriteHalf { stream, shutdown_on_drop: true })
        }

        fn reunite(read: OwnedReadHalf, write: OwnedWriteHalf) -> Result<$Stream, ReuniteError> {
            if !Arc::ptr_eq(&read.0, &write.stream) {
                return Err(ReuniteError(read, write));
            }
            write.forget();
            Ok(Arc::into_inner(read.0).expect("a stream has two halves, and both are here"))
        }

        impl OwnedReadHalf {
            /// Puts the halves of a stream together again.
            ///
            /// # Errors
            ///
            /// If they are not of one stream.
            pub fn reunite(self, other: OwnedWriteHalf) -> Result<$Stream, ReuniteError> {
                reunite(self, other)
            }
        }

        impl OwnedWriteHalf {
            /// Puts the halves of a stream together again.
            ///
            /// # Errors
            ///
            /// If they are not of one stream.
            pub fn reunite(self, other: OwnedReadHalf) -> Result<$Stream, ReuniteError> {
                reunite(other, self)
            }

            /// Drops the half without ending what the other side reads.
            pub fn forget(mut self) {
                self.shutdown_on_drop = false;
            }
        }

        impl Drop for OwnedWriteHalf {
            fn drop(&mut self) {
                if self.shutdown_on_drop {
                    let _ = self.stream.shutdown_write();
                }
            }
        }

        impl AsRef<$Stream> for ReadHalf<'_> {
            fn as_ref(&self) -> &$Stream {
                self.0
            }
        }

        impl AsRef<$Stream> for WriteHalf<'_> {
            fn as_ref(&self) -> &$Stream {
                self.0
            }
        }

        impl AsRef<$Stream> for OwnedReadHalf {
            fn as_ref(&self) -> &$Stream {
                &self.0
            }
        }

        impl AsRef<$Stream> for OwnedWriteHalf {
            fn as_ref(&self) -> &$Stream {
                &self.stream
            }
        }

        $crate::net::split::halves!(@read $Stream, $SocketAddr, ReadHalf<'_>);
        $crate::net::split::halves!(@read $Stream, $SocketAddr, OwnedReadHalf);
        $crate::net::split::halves!(@write $Stream, $SocketAddr, WriteHalf<'_>, |_this| {});
        $crate::net::split::halves!(@write $Stream, $SocketAddr, OwnedWriteHalf, |this| this.shutdown_on_drop = false);
    };
    (@read $Stream:ident, $SocketAddr:ty, $Half:ty) => {
        impl $Half {
            $crate::net::split::halves!(@both $SocketAddr);

            #[doc = concat!("See [`", stringify!($Stream), "::readable`].")]
            ///
            /// # Cancel safety
            ///
            /// Nothing is lost when the future is dropped.
            pub async fn readable(&self) -> io::Result<()> {
                self.as_ref().readable().await
            }

            #[doc = concat!("See [`", stringify!($Stream), "::try_read`].")]
            pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
                self.as_ref().try_read(buf)
            }

            #[doc = concat!("See [`", stringify!($Stream), "::try_read_buf`].")]
            pub fn try_read_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
                self.as_ref().try_read_buf(buf)
            }

            #[doc = concat!("See [`", stringify!($Stream), "::try_read_vectored`].")]
            pub fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                self.as_ref().try_read_vectored(bufs)
            }
        }

        impl AsyncRead for $Half {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                AsRef::<$Stream>::as_ref(&*self).io.poll_read(cx, buf)
            }
        }
    };
    (@write $Stream:ident, $SocketAddr:ty, $Half:ty, $after_shutdown:expr) => {
        impl $Half {
            $crate::net::split::halves!(@both $SocketAddr);

            #[doc = concat!("See [`", stringify!($Stream), "::writable`].")]
            ///
            /// # Cancel safety
            ///
            /// Nothing is lost when the future is dropped.
            pub async fn writable(&self) -> io::Result<()> {
                self.as_ref().writable().await
            }

            #[doc = concat!("See [`", stringify!($Stream), "::try_write`].")]
            pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
                self.as_ref().try_write(buf)
            }

            #[doc = concat!("See [`", stringify!($Stream), "::try_write_vectored`].")]
            pub fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                self.as_ref().try_write_vectored(bufs)
            }
        }

        impl AsyncWrite for $Half {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                AsRef::<$Stream>::as_ref(&*self).io.poll_write(cx, buf)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                AsRef::<$Stream>::as_ref(&*self).io.poll_write_vectored(cx, bufs)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                let this = self.get_mut();
                let result = AsRef::<$Stream>::as_ref(this).shutdown_write();
                if result.is_ok() {
                    let after: fn(&mut Self) = $after_shutdown;
                    after(this);
                }
                Poll::Ready(result)
            }
        }
    };
    (@both $SocketAddr:ty) => {
        /// Waits until something of the interest is ready, and says what. It may be for the other half.
        ///
        /// # Cancel safety
        ///
        /// Nothing is lost when the future is dropped.
        pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
            self.as_ref().ready(interest).await
        }

        /// The address of the other side.
        pub fn peer_addr(&self) -> io::Result<$SocketAddr> {
            self.as_ref().peer_addr()
        }

        /// The address of this side.
        pub fn local_addr(&self) -> io::Result<$SocketAddr> {
            self.as_ref().local_addr()
        }
    };
}

pub(crate) use halves;
