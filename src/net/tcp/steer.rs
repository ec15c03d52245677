//! Steering by load: of the listeners of a group, that with the fewest open connections gets the next one.
//!
//! Here: who gets a connection. Not here: taking it from the kernel (`listener`), and handing it over (`inbox`).
//! Threads: any.
//!
//! The kernel draws a listener, whose task accepts as always. The stream is bound to no reactor yet; it goes to the *seat* of
//! the listener that has the fewest, and of equals to the own one, which costs nothing. One socket for all would need no
//! hand-over, but then whoever is awake takes all that is there.
//!
//! *The count* is the reference count of the seat: a stream that counts holds one, from when it is assigned, and the group
//! one for all. To read it publishes nothing. Two that choose at once may both find the same seat the emptiest; then it is one
//! ahead, and the next ones go elsewhere. The counts of one seat share no cache line with those of another.
//!
//! *The bound.* A task that does not come back to its listener gets no more than [`QUEUED_MAX`]; then who accepted keeps
//! the connection.
//!
//! *The end.* A listener that is dropped, as by its shard's shutdown, leaves: its seat is chosen no more, and what it had queued
//! goes to the others, however full they are. The last one closes what is left. So a connection is with a listener, or
//! closed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use corelane_shards::loom::atomic::AtomicBool;
use corelane_shards::loom::atomic::Ordering::Relaxed;

use super::TcpStream;
use super::inbox::Inbox;

pub(super) type Connection = (TcpStream, SocketAddr);

/// Connections that wait for one listener's task. One that is about to run takes them all, and one that does not come soon
/// should not get more.
pub(crate) const QUEUED_MAX: usize = 16;

/// One listener's part in a group. The alignment keeps the reference counts, which are in front of it, on lines of their own.
#[repr(align(128))]
pub(super) struct Seat {
    /// Hint: what the inbox says counts.
    left: AtomicBool,
    inbox: Inbox<Connection>,
}

/// What a listener holds: its seat, and the way to the others.
pub(crate) struct Place {
    seats: Arc<[Arc<Seat>]>,
    own: usize,
}

impl Place {
    /// The places of a group of listeners.
    pub(crate) fn group(listeners: usize) -> impl Iterator<Item = Place> {
        let seat = |_| Arc::new(Seat { left: AtomicBool::new(false), inbox: Inbox::new() });
        let seats: Arc<[_]> = (0..listeners).map(seat).collect();
        (0..listeners).map(move |own| Place { seats: Arc::clone(&seats), own })
    }

    /// Hands over a connection that was just accepted, or counts it and gives it back: then it is this listener's.
    pub(crate) fn assign(&self, (mut stream, addr): Connection) -> Option<Connection> {
        let own = &self.seats[self.own];
        let chosen = self.emptiest().unwrap_or(own);
        stream.seat = Some(Arc::clone(chosen));
        if Arc::ptr_eq(chosen, own) {
            return Some((stream, addr));
        }
        let (mut stream, addr) = chosen.inbox.give((stream, addr), QUEUED_MAX).err()?;
        stream.seat = Some(Arc::clone(own));
        Some((stream, addr))
    }

    /// Waits for a connection that another listener accepted. Cancel safe.
    pub(super) async fn given(&self) -> Connection {
        self.seats[self.own].inbox.next().await
    }

    /// The same; of the tasks that poll, the last is woken.
    pub(crate) fn poll_given(&self, cx: &mut Context<'_>) -> Poll<Connection> {
        self.seats[self.own].inbox.poll_next(cx)
    }

    /// The seat with the fewest connections, of equals the own one; `None` once all have left.
    fn emptiest(&self) -> Option<&Arc<Seat>> {
        let (before, from) = self.seats.split_at(self.own);
        let seats = from.iter().chain(before);
        // Relaxed: a hint, or seen by the inbox's lock; see `drop`.
        seats.filter(|seat| !seat.left.load(Relaxed)).min_by_key(|seat| Arc::strong_count(seat))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let seat = &self.seats[self.own];
        // Relaxed: whom the inbox refuses had its lock later, and sees this.
        seat.left.store(true, Relaxed);
        for mut connection in seat.inbox.close() {
            // Ends: a seat that refuses has left.
            while let Some(other) = self.emptiest() {
                connection.0.seat = Some(Arc::clone(other));
                match other.inbox.give(connection, usize::MAX) {
                    Ok(()) => break,
                    Err(refused) => connection = refused,
                }
            }
        }
    }
}
