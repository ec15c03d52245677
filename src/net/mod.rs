//! Sockets. TCP for now.
//!
//! A socket belongs to the runtime in whose context it is made. It is bound to a reactor by the first shard that has to
//! wait for it, so a connection that is accepted by one task and served by another, on another shard, is watched
//! where it is served.
//!
//! - [`TcpListener`] and [`TcpStream`] talk over TCP; [`TcpSocket`] sets options before it becomes one of them.

mod addr;
mod source;
mod split;
#[cfg(test)]
mod tests;

pub mod tcp;

pub use addr::{ToSocketAddrs, lookup_host};
pub use tcp::{TcpListener, TcpSocket, TcpStream};

pub(crate) use crate::runtime::context::io_mesh as mesh;
