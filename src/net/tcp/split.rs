//! The halves of a TCP stream.

use std::net::SocketAddr;

use super::TcpStream;

crate::net::split::halves!(TcpStream, SocketAddr);

macro_rules! peek {
    ($Half:ty) => {
        impl $Half {
            /// See [`TcpStream::peek`].
            pub async fn peek(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                self.as_ref().peek(buf).await
            }

            /// See [`TcpStream::poll_peek`].
            pub fn poll_peek(
                &mut self,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<usize>> {
                self.as_ref().poll_peek(cx, buf)
            }
        }
    };
}
peek!(ReadHalf<'_>);
peek!(OwnedReadHalf);
