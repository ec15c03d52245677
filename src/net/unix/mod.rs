//! The Unix domain: sockets whose addresses are paths, and pipes.

mod datagram;
mod listener;
pub mod pipe;
mod socket;
mod split;
mod stream;
mod ucred;

pub use datagram::UnixDatagram;
pub use listener::UnixListener;
pub use socket::UnixSocket;
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use stream::UnixStream;
pub use ucred::UCred;

use std::fmt;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net;
use std::path::Path;

/// A user's number.
#[expect(non_camel_case_types, reason = "the system's name")]
pub type uid_t = u32;

/// A group's number.
#[expect(non_camel_case_types, reason = "the system's name")]
pub type gid_t = u32;

/// A process's number.
#[expect(non_camel_case_types, reason = "the system's name")]
pub type pid_t = i32;

/// An address in the Unix domain: a path, an abstract name, or none.
#[derive(Clone)]
pub struct SocketAddr(net::SocketAddr);

impl SocketAddr {
    /// Whether it is none.
    pub fn is_unnamed(&self) -> bool {
        self.0.is_unnamed()
    }

    /// The path, if it is one.
    pub fn as_pathname(&self) -> Option<&Path> {
        self.0.as_pathname()
    }

    /// The abstract name, without the zero before it, if it is one.
    pub fn as_abstract_name(&self) -> Option<&[u8]> {
        self.0.as_abstract_name()
    }
}

impl fmt::Debug for SocketAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<net::SocketAddr> for SocketAddr {
    fn from(addr: net::SocketAddr) -> Self {
        Self(addr)
    }
}

impl From<SocketAddr> for net::SocketAddr {
    fn from(addr: SocketAddr) -> Self {
        addr.0
    }
}

/// The standard library's address for a path. One that begins with a zero byte is an abstract name.
fn addr_of(path: &Path) -> std::io::Result<net::SocketAddr> {
    use std::os::unix::ffi::OsStrExt;
    match path.as_os_str().as_bytes() {
        [0, name @ ..] => net::SocketAddr::from_abstract_name(name),
        _ => net::SocketAddr::from_pathname(path),
    }
}
