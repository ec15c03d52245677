//! What streams have in common, as a macro: TCP's and the Unix domain's differ in how they come to be, and in their addresses.

/// All but that: `$from_std` makes an address of the standard library's, and `$Stream::of` a stream of its source.
macro_rules! stream {
    ($Stream:ident, $Std:ty, $SocketAddr:ty, $from_std:expr) => {
        impl $Stream {
            /// For a socket that has begun to connect: waits until it has, or failed.
            pub(super) async fn connecting(stream: $Std) -> ::std::io::Result<Self> {
                let stream = Self::of($crate::net::source::Source::new(stream)?);
                stream.io.connected().await?;
                match stream.take_error()? {
                    None => Ok(stream),
                    Some(error) => Err(error),
                }
            }

            /// Goes on with a stream of the standard library, which must not block.
            ///
            /// # Panics
            ///
            /// Outside of a runtime; in debug builds also if the stream would block.
            #[track_caller]
            pub fn from_std(stream: $Std) -> ::std::io::Result<Self> {
                Ok(Self::of($crate::net::source::Source::from_user(stream)?))
            }

            /// Goes on with the standard library. The stream still does not block.
            pub fn into_std(self) -> ::std::io::Result<$Std> {
                Ok(self.io.into_inner())
            }

            /// The address of this side.
            pub fn local_addr(&self) -> ::std::io::Result<$SocketAddr> {
                self.io.io.local_addr().map($from_std)
            }

            /// The address of the other side.
            pub fn peer_addr(&self) -> ::std::io::Result<$SocketAddr> {
                self.io.io.peer_addr().map($from_std)
            }

            /// Takes the error that the socket has to report (`SO_ERROR`).
            pub fn take_error(&self) -> ::std::io::Result<Option<::std::io::Error>> {
                self.io.io.take_error()
            }

            $crate::net::source::ready_methods!(poll_read_ready, poll_write_ready);
            $crate::net::source::try_methods!(read);
            $crate::net::source::try_methods!(write);

            /// Borrows two halves, to read and write at the same time in one task.
            pub fn split<'a>(&'a mut self) -> (ReadHalf<'a>, WriteHalf<'a>) {
                split::split(self)
            }

            /// Makes two halves, for two tasks. They share the stream, which stays bound where it is.
            pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
                split::into_split(self)
            }

            pub(super) fn shutdown_write(&self) -> ::std::io::Result<()> {
                match self.io.io.shutdown(::std::net::Shutdown::Write) {
                    // Gone already: there is nobody to tell.
                    Err(error) if error.kind() == ::std::io::ErrorKind::NotConnected => Ok(()),
                    result => result,
                }
            }
        }

        impl AsRef<$Stream> for $Stream {
            fn as_ref(&self) -> &Self {
                self
            }
        }

        impl TryFrom<$Std> for $Stream {
            type Error = ::std::io::Error;

            #[doc = concat!("See [`", stringify!($Stream), "::from_std`].")]
            #[track_caller]
            fn try_from(stream: $Std) -> ::std::io::Result<Self> {
                Self::from_std(stream)
            }
        }

        $crate::net::source::stream_traits!($Stream);
        $crate::net::source::fd_traits!($Stream);
    };
}

pub(crate) use stream;
