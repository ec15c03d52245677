//! The halves of a Unix-domain stream.

use super::{SocketAddr, UnixStream};

crate::net::split::halves!(UnixStream, SocketAddr);
