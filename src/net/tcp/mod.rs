//! TCP: listening, connecting, and the halves of a stream.

mod inbox;
mod listener;
mod socket;
mod split;
pub(super) mod steer;
mod stream;

pub use listener::TcpListener;
pub use socket::TcpSocket;
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use stream::TcpStream;
