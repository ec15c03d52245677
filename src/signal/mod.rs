//! Signals: being told of them instead of being ended by them.
//!
//! - [`ctrl_c`] waits for `SIGINT`.
//!
//! A waiter is a socket pair: the signal's handler writes a byte into one end, and the waiting task reads the other like
//! any socket. `signal-hook-registry` keeps the list of handlers, since it can do so without a lock in the handler and gets
//! along with other crates that listen. The handler makes one system call: it takes no lock, allocates nothing,
//! and can't block, because its end does not.
//!
//! *Why none is lost.* A pair is there before its handler is, and an unread byte stays in the pair. A byte that finds no room
//! finds others that tell the same.
//!
//! Threads: any that is in a runtime.

#![expect(unsafe_code, reason = "what a signal handler may do, the compiler can't check")]

use std::io::{self, Write};
use std::os::unix::net;

use signal_hook_registry::SigId;

use crate::net::UnixStream;

/// Waits until the process is told to interrupt what it does: ctrl-c in a terminal, or `SIGINT`.
///
/// Counts from when it is first polled. Every waiter is told of every signal, though signals in quick succession may be one. From
/// the first call on the process is no longer ended by `SIGINT`, also when nobody waits any more.
///
/// # Cancel safety
///
/// A signal that comes after the future is dropped is nobody's: keep one future while working, rather than making one for
/// each round.
///
/// # Panics
///
/// Outside of a runtime.
///
/// # Errors
///
/// When the system refuses the handler or the socket pair.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// corelane::signal::ctrl_c().await?;
/// println!("stopping");
/// # Ok(())
/// # }
/// ```
pub async fn ctrl_c() -> io::Result<()> {
    Waiter::new(libc::SIGINT)?.told().await
}

/// One that is told of a signal until it is dropped.
struct Waiter {
    told: UnixStream,
    handler: SigId,
}

impl Waiter {
    fn new(signal: libc::c_int) -> io::Result<Self> {
        let (bell, told) = net::UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        told.set_nonblocking(true)?;
        let told = UnixStream::from_std(told)?;
        let ring = move || {
            // Full: enough is said.
            let _ = (&bell).write(&[0]);
        };
        // SAFETY: a handler may do what is async-signal-safe. This one calls `send`, which is, on a socket that it owns, and makes at
        // most an error of a number, without allocating. The registry restores `errno`.
        let handler = unsafe { signal_hook_registry::register(signal, ring)? };
        Ok(Self { told, handler })
    }

    async fn told(&self) -> io::Result<()> {
        loop {
            self.told.readable().await?;
            match self.told.try_read(&mut [0]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result.map(drop),
            }
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        // The registry waits for handlers that are running, then drops this one with its end of the pair, and keeps the signal.
        signal_hook_registry::unregister(self.handler);
    }
}
