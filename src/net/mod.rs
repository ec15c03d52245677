//! Sockets: TCP, UDP, and those of the Unix domain.
//!
//! A socket belongs to the runtime in whose context it is made. It is bound to a reactor by the first shard that has to
//! wait for it, so a connection that is accepted by one task and served by another, on another shard, is watched
//! where it is served.
//!
//! - [`TcpListener`] and [`TcpStream`] talk over TCP; [`TcpSocket`] sets options before it becomes one of them.
//! - [`UdpSocket`] talks over UDP.
//! - [`UnixListener`], [`UnixStream`] and [`UnixDatagram`] talk within the machine; [`UnixSocket`] becomes one of
//!   them.
//! - [`unix::pipe`] has pipes, with names and without.
//!
//! # Cancel safety
//!
//! A future here does its system call in the poll in which it completes. One that is dropped before has sent, received and accepted
//! nothing. What has begun to connect is closed.
//!
//! # Errors
//!
//! What the system says. What would have to wait in a runtime that is shut down fails with `Other`, see
//! [`is_rt_shutdown_err`](crate::runtime::is_rt_shutdown_err), and so does making a socket there. Methods named `try_…` answer
//! `WouldBlock` where others would wait.
//!
//! # Panics
//!
//! What makes a socket that is watched does outside of a runtime, and in one whose builder was not told
//! [`enable_io`](crate::runtime::Builder::enable_io).

mod addr;
mod datagram;
pub(crate) mod source;
mod split;
mod stream;
#[cfg(test)]
mod tests;

pub mod tcp;
mod udp;
pub mod unix;

pub use addr::{ToSocketAddrs, lookup_host};
pub use tcp::{TcpListener, TcpSocket, TcpStream};
pub use udp::UdpSocket;
pub use unix::{UnixDatagram, UnixListener, UnixSocket, UnixStream};

pub(crate) use crate::runtime::context::{evens_out, io_mesh as mesh, steer};
