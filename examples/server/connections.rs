//! The connections of one listener: who they are, how much they wait for, and how they are told to end.
//!
//! In sharded mode a listener and its connections are on one shard, so nobody else ever wants these locks.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use corelane::io::{AsyncRead, AsyncWrite, ReadBuf};
use corelane::net::TcpStream;

use super::stop::Phase;

/// All open connections of a listener.
#[derive(Default)]
pub struct Connections {
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    next: u64,
    open: BTreeMap<u64, Arc<Peer>>,
    /// How many have ended.
    ended: u64,
    /// The listener's task, when it waits for one to end.
    waiting: Option<Waker>,
}

/// What is known of a connection outside of its task.
pub struct Peer {
    addr: SocketAddr,
    // Counted by the connection's task alone, so adding takes no locked instruction.
    received: AtomicU64,
    answered: AtomicU64,
    phase: AtomicU8,
    /// The connection's task, when it waits for the peer.
    waiting: Mutex<Option<Waker>>,
}

/// A connection, in the hands of the task that serves it. Dropping it closes it, and then says so: fields drop in order.
pub struct Connection {
    stream: TcpStream,
    listed: Listed,
}

struct Listed {
    peer: Arc<Peer>,
    id: u64,
    home: Arc<Connections>,
}

/// A connection that did not end in time.
pub struct Cut {
    pub addr: SocketAddr,
    /// Bytes that came in and were not answered yet.
    pub in_flight: u64,
    /// Bytes that came in and were answered.
    pub served: u64,
}

impl Connections {
    /// Lists a connection.
    pub fn admit(self: &Arc<Self>, stream: TcpStream, addr: SocketAddr) -> Connection {
        let peer = Arc::new(Peer {
            addr,
            received: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            phase: AtomicU8::new(Phase::Serving as u8),
            waiting: Mutex::new(None),
        });
        let mut list = self.list();
        let id = list.next;
        list.next += 1;
        list.open.insert(id, Arc::clone(&peer));
        Connection { stream, listed: Listed { peer, id, home: Arc::clone(self) } }
    }

    /// Waits until a connection ends. Only the listener's task may.
    pub fn one_ended(&self) -> impl Future<Output = ()> {
        let before = self.list().ended;
        self.until(move |list| list.ended != before)
    }

    /// Waits until no connection is open. Only the listener's task may.
    pub fn all_ended(&self) -> impl Future<Output = ()> {
        self.until(|list| list.open.is_empty())
    }

    fn until(&self, done: impl Fn(&List) -> bool) -> impl Future<Output = ()> {
        poll_fn(move |cx| {
            let mut list = self.list();
            if done(&list) {
                return Poll::Ready(());
            }
            list.waiting = Some(cx.waker().clone());
            Poll::Pending
        })
    }

    /// Tells all connections which phase it is.
    pub fn tell(&self, phase: Phase) {
        let peers: Vec<_> = self.list().open.values().cloned().collect();
        for peer in peers {
            // Under the lock, so that a task that is about to wait sees the phase or is woken.
            let mut waiting = peer.waiting();
            peer.phase.store(phase as u8, Ordering::Relaxed);
            let waker = waiting.take();
            drop(waiting);
            waker.into_iter().for_each(Waker::wake);
        }
    }

    /// The connections that are open, as they stand.
    pub fn describe(&self) -> Vec<Cut> {
        self.list().open.values().map(|peer| peer.describe()).collect()
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Peer {
    fn describe(&self) -> Cut {
        let (received, served) =
            (self.received.load(Ordering::Relaxed), self.answered.load(Ordering::Relaxed));
        Cut { addr: self.addr, in_flight: received.saturating_sub(served), served }
    }

    fn is_in(&self, phase: Phase) -> bool {
        self.phase.load(Ordering::Relaxed) >= phase as u8
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// Reads what the peer sent; 0 is the end. A connection that `may_end` (no request is half read) ends here
    /// when the server stops and nothing more has arrived.
    pub async fn read(&mut self, buf: &mut [u8], may_end: bool) -> io::Result<usize> {
        let n = poll_fn(|cx| {
            let mut buf = ReadBuf::new(buf);
            let stream = Pin::new(&mut self.stream);
            if let Poll::Ready(result) = stream.poll_read(cx, &mut buf) {
                return Poll::Ready(result.map(|()| buf.filled().len()));
            }
            match self.listed.peer.poll_stop(cx, may_end) {
                // It has arrived, and its event is on the way.
                Poll::Ready(Ok(())) if has_arrived(&self.stream) => Poll::Pending,
                stop => stop.map_ok(|()| 0),
            }
        })
        .await?;
        count(&self.listed.peer.received, n);
        Ok(n)
    }

    /// Writes all of it.
    pub async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let n = poll_fn(|cx| match Pin::new(&mut self.stream).poll_write(cx, bytes) {
                Poll::Pending => self.listed.peer.poll_stop(cx, false).map_ok(|()| 0),
                ready => ready,
            })
            .await?;
            if n == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            bytes = &bytes[n..];
        }
        Ok(())
    }

    /// Says that so many of the received bytes have their answer.
    pub fn answered(&self, bytes: usize) {
        count(&self.listed.peer.answered, bytes);
    }
}

impl Peer {
    /// What a task does that has to wait for the peer: it ends if it is time to, or is woken when it is.
    fn poll_stop(&self, cx: &Context<'_>, may_end: bool) -> Poll<io::Result<()>> {
        let mut waiting = self.waiting();
        if self.is_in(Phase::Cutting) {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "cut by the server")));
        }
        if may_end && self.is_in(Phase::Draining) {
            return Poll::Ready(Ok(()));
        }
        // A task keeps its waker, so this writes once.
        if !waiting.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waiting = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

/// Whether there is something to read that the reactor may not have told of yet.
fn has_arrived(stream: &TcpStream) -> bool {
    socket2::SockRef::from(stream).peek(&mut [MaybeUninit::uninit()]).is_ok_and(|n| n > 0)
}

fn count(counter: &AtomicU64, n: usize) {
    counter.store(counter.load(Ordering::Relaxed) + n as u64, Ordering::Relaxed);
}

impl Drop for Listed {
    fn drop(&mut self) {
        let mut list = self.home.list();
        list.open.remove(&self.id);
        list.ended += 1;
        let waker = list.waiting.take();
        drop(list);
        waker.into_iter().for_each(Waker::wake);
    }
}
