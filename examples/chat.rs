//! A chat room for lines of text over TCP.
//!
//! ```text
//! cargo run --release --example chat
//! nc 127.0.0.1 7070          # the first line is your name
//! ```
//!
//! Each member has an outbox of a fixed size, and a line goes into all of them without waiting. A member who reads too
//! slowly for that is cut off and named, so that one slow client takes neither the others' time nor the server's memory.

#[path = "args/mod.rs"]
mod args;

use std::collections::HashMap;
use std::io;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use corelane::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use corelane::net::TcpStream;
use corelane::net::tcp::OwnedWriteHalf;
use corelane::signal::unix::{SignalKind, signal};
use corelane::sync::mpsc::error::TrySendError;
use corelane::sync::{mpsc, oneshot};
use corelane::time::sleep;
use corelane::{select, spawn};

use args::{Args, HostPort, LISTEN, Opt, warn};

/// Lines that may wait for one member.
const OUTBOX: usize = 64;
/// The longest line in bytes, its end included.
const LINE_MAX: u64 = 4096;

const OPTIONS: &[Opt] = &[Opt { name: "--addr", expected: LISTEN, default: Some("127.0.0.1:7070") }];

#[corelane::main]
async fn main() -> ExitCode {
    let args = Args::read("chat", OPTIONS);
    let HostPort(addr) = args.get("--addr");
    args.end(serve(&addr).await)
}

async fn serve(addr: &str) -> io::Result<()> {
    let listener = args::listen(addr).await?;
    // Before it says that it listens, so that whoever reads that may interrupt.
    let mut interrupt = signal(SignalKind::interrupt())?;
    args::say(format_args!("listening on {}", listener.local_addr()?));
    let room = Arc::new(Room::default());
    loop {
        select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let room = Arc::clone(&room);
                    // A connection that breaks is everyday life, and the room tells the others.
                    spawn(async move { drop(member(stream, room).await) });
                }
                Err(error) => {
                    warn(format_args!("cannot accept: {error}"));
                    // Likely all file descriptors are in use, and stay so for a while.
                    sleep(Duration::from_millis(100)).await;
                }
            },
            _ = interrupt.recv() => return Ok(()),
        }
    }
}

/// A connection from its name to its end.
async fn member(stream: TcpStream, room: Arc<Room>) -> io::Result<()> {
    let (input, mut output) = stream.into_split();
    let mut input = BufReader::new(input);
    output.write_all(b"your name?\n").await?;
    let Some(name) = line(&mut input).await? else { return Ok(()) };
    let Some(seat) = Room::join(&room, &name) else {
        return output.write_all(b"this name is taken\n").await;
    };
    let Seat { outbox, cut, place } = seat;
    // The three go on at the same time in this one task. Whichever ends first ends the others.
    select! {
        result = say(&mut input, &place) => result,
        result = hear(outbox, output) => result,
        _ = cut => Ok(()),
    }
}

/// Tells the others what the member sends.
async fn say(input: &mut (impl AsyncBufRead + Unpin), place: &Place) -> io::Result<()> {
    while let Some(text) = line(input).await? {
        place.room.tell(&place.name, &format!("{}: {text}", place.name));
    }
    Ok(())
}

/// Sends the member what the others say.
async fn hear(mut outbox: mpsc::Receiver<Arc<str>>, mut output: OwnedWriteHalf) -> io::Result<()> {
    while let Some(line) = outbox.recv().await {
        output.write_all(line.as_bytes()).await?;
    }
    Ok(())
}

/// The next line without its end, or `None` if there is none.
async fn line(input: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<String>> {
    let mut line = String::new();
    let n = input.take(LINE_MAX).read_line(&mut line).await?;
    if n as u64 == LINE_MAX && !line.ends_with('\n') {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is too long"));
    }
    Ok((n > 0).then(|| line.trim_end().to_owned()))
}

/// Who is there, by name.
#[derive(Default)]
struct Room {
    members: Mutex<HashMap<String, Member>>,
}

/// What the room holds of a member.
struct Member {
    outbox: mpsc::Sender<Arc<str>>,
    /// Dropped to cut the member off, also in the middle of a write. The name stays taken until that is done.
    cut: Option<oneshot::Sender<()>>,
}

/// What a member holds of the room.
struct Seat {
    outbox: mpsc::Receiver<Arc<str>>,
    cut: oneshot::Receiver<()>,
    place: Place,
}

/// A name in the room, given up by dropping it.
struct Place {
    room: Arc<Room>,
    name: String,
}

impl Room {
    /// Takes a member in, unless the name is taken.
    fn join(room: &Arc<Self>, name: &str) -> Option<Seat> {
        let (sender, outbox) = mpsc::channel(OUTBOX);
        let (cutter, cut) = oneshot::channel();
        let mut members = room.members();
        if members.contains_key(name) {
            return None;
        }
        members.insert(name.into(), Member { outbox: sender, cut: Some(cutter) });
        drop(members);
        room.tell(name, &format!("* {name} is here"));
        Some(Seat { outbox, cut, place: Place { room: Arc::clone(room), name: name.into() } })
    }

    /// Puts a line into the outbox of everybody but the one it is from, and cuts off those whose outbox is full.
    fn tell(&self, from: &str, line: &str) {
        let line: Arc<str> = format!("{line}\n").into();
        for (name, member) in self.members().iter_mut().filter(|(name, _)| *name != from) {
            // Closed is as good as sent: that member is about to leave.
            if let Err(TrySendError::Full(_)) = member.outbox.try_send(Arc::clone(&line)) {
                if member.cut.take().is_some() {
                    warn(format_args!("cut {name}: {OUTBOX} lines behind"));
                }
            }
        }
    }

    /// Nobody waits while holding this, so it is a lock of the standard library.
    fn members(&self) -> MutexGuard<'_, HashMap<String, Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.members().remove(&self.name);
        self.room.tell(&self.name, &format!("* {} is gone", self.name));
    }
}
