//! From what users write to socket addresses.
//!
//! Here: who counts as an address, and looking names up. What is an address already is not looked up.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::vec;

use socket2::SockAddr;

use crate::io::blocking::start;

use sealed::{Answer, ToSocketAddrsPriv};

/// What can be turned into socket addresses: an address, an IP address with a port, a name with a port, a list.
///
/// Nobody else can implement this. Names are looked up by [`lookup_host`] and by what connects and binds.
pub trait ToSocketAddrs: ToSocketAddrsPriv {}

/// A socket's address, if it is one of IP: a descriptor may be passed as another kind of socket than it is.
pub(super) fn ip(addr: SockAddr) -> io::Result<SocketAddr> {
    let other = || io::Error::new(io::ErrorKind::InvalidInput, "invalid address family (not IPv4 or IPv6)");
    addr.as_socket().ok_or_else(other)
}

mod sealed {
    use super::{SocketAddr, io, vec};

    /// What an address answers when it is asked.
    #[derive(Debug)]
    pub enum Answer {
        /// These.
        Known(Vec<SocketAddr>),
        /// The system has to say, and may take its time.
        Ask(Question),
    }

    /// A name, without or with its port in the text.
    #[derive(Debug)]
    pub enum Question {
        Host(String, u16),
        Text(String),
    }

    impl Question {
        pub fn ask(self) -> io::Result<vec::IntoIter<SocketAddr>> {
            use std::net::ToSocketAddrs;
            match self {
                Self::Host(host, port) => (&*host, port).to_socket_addrs(),
                Self::Text(text) => text.to_socket_addrs(),
            }
        }
    }

    pub trait ToSocketAddrsPriv {
        fn answer(&self) -> Answer;
    }
}

/// Looks a name up and gives its addresses in the order that the system prefers.
///
/// The lookup runs on the blocking pool and can't be cancelled; dropping the future only forgets its answer.
///
/// # Errors
///
/// What the system says; of a text, also that it has no port.
///
/// # Panics
///
/// Outside of a runtime, if there is something to look up.
pub async fn lookup_host<T: ToSocketAddrs>(host: T) -> io::Result<impl Iterator<Item = SocketAddr>> {
    resolve(host).await
}

/// The addresses for what a user wrote.
pub(super) async fn resolve(addr: impl ToSocketAddrs) -> io::Result<vec::IntoIter<SocketAddr>> {
    let answer = addr.answer();
    drop(addr);
    match answer {
        Answer::Known(addrs) => Ok(addrs.into_iter()),
        Answer::Ask(question) => start(move || question.ask())?.await?,
    }
}

/// Runs an operation that may succeed with any of the addresses, until it does; else gives the last error.
pub(super) async fn with_each<R>(
    addr: impl ToSocketAddrs,
    f: impl FnMut(SocketAddr) -> io::Result<R>,
) -> io::Result<R> {
    let mut last = None;
    for result in resolve(addr).await?.map(f) {
        match result {
            Ok(result) => return Ok(result),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(no_address))
}

/// There was no address to try.
pub(super) fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "could not resolve to any address")
}

macro_rules! known {
    ($($addr:ty),* $(,)?) => {$(
        impl ToSocketAddrs for $addr {}

        impl ToSocketAddrsPriv for $addr {
            fn answer(&self) -> Answer {
                Answer::Known(vec![SocketAddr::from(*self)])
            }
        }
    )*};
}
known!(SocketAddr, SocketAddrV4, SocketAddrV6, (IpAddr, u16), (Ipv4Addr, u16), (Ipv6Addr, u16));

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {}

impl<T: ToSocketAddrsPriv + ?Sized> ToSocketAddrsPriv for &T {
    fn answer(&self) -> Answer {
        (**self).answer()
    }
}

impl ToSocketAddrs for &[SocketAddr] {}

impl ToSocketAddrsPriv for &[SocketAddr] {
    fn answer(&self) -> Answer {
        Answer::Known(self.to_vec())
    }
}

impl ToSocketAddrs for (&str, u16) {}

impl ToSocketAddrsPriv for (&str, u16) {
    fn answer(&self) -> Answer {
        match self.0.parse::<IpAddr>() {
            Ok(ip) => (ip, self.1).answer(),
            Err(_) => Answer::Ask(sealed::Question::Host(self.0.to_owned(), self.1)),
        }
    }
}

impl ToSocketAddrs for (String, u16) {}

impl ToSocketAddrsPriv for (String, u16) {
    fn answer(&self) -> Answer {
        (&*self.0, self.1).answer()
    }
}

impl ToSocketAddrs for str {}

impl ToSocketAddrsPriv for str {
    fn answer(&self) -> Answer {
        match self.parse::<SocketAddr>() {
            Ok(addr) => addr.answer(),
            Err(_) => Answer::Ask(sealed::Question::Text(self.to_owned())),
        }
    }
}

impl ToSocketAddrs for String {}

impl ToSocketAddrsPriv for String {
    fn answer(&self) -> Answer {
        (**self).answer()
    }
}
