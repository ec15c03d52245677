//! A key-value store that speaks enough of Redis's protocol for `redis-cli` and `redis-benchmark`.
//!
//! ```text
//! cargo run --release --example kv
//! redis-cli -p 6379 set greeting hello px 10000
//! redis-benchmark -p 6379 -P 16 -t get,set
//! ```
//!
//! Each shard owns a part of the keys, by their hash, without a lock. A connection is served by the shard that took it, which
//! sends what it is asked about other shards' keys there. Of all that a client has sent, one message goes to each
//! shard and one write back, with the answers in order.
//!
//! A command on several keys is done on each of them in order, not on all at one moment. Nothing is kept on disk.
//! Nothing limits the memory that keys take. Of the answers to a client that is slow to read, each shard has a megabyte waiting, or
//! what one value takes beyond that, and the connection a copy. Further requests of that client wait meanwhile.
//!
//! - `resp` finds requests in bytes; [`command`] says what they mean; `store` is a shard's part of the keys.

mod command;
mod resp;
#[path = "../server/mod.rs"]
mod server;
mod store;

use std::future::{Future, poll_fn};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use corelane::shard::{self, CallError, ShardId, Sharded};

use command::{Answers, ShardInfo};
use resp::{Limits, Parser};
use server::args::Opt;
use server::{Connection, Options};
use store::{Batch, Store, empty};

/// What a connection's buffer starts with, and goes back to, in bytes.
const BUFFER: usize = 2 * 1024;
/// Requests in one batch. Later ones wait in the buffer.
const BATCH: usize = 1024;

const BULK_MAX: u64 = 512 << 20;

const MAX_BULK: Opt = Opt {
    name: "--max-bulk",
    expected: "a whole number of bytes from 1 to 536870912, for the longest key or value",
    default: Some("536870912"),
};

fn main() -> ExitCode {
    let options = Options::read("kv", "127.0.0.1:6379", &[MAX_BULK]);
    let limits = Limits {
        bulk: options.args.number("--max-bulk", 1..=BULK_MAX) as usize,
        args: 1 << 20,
        request: 1 << 30,
    };
    server::run(&options, async || {
        let keys = Sharded::new(|_| Store::default()).await.map_err(io::Error::other)?;
        for id in shard::ids() {
            let keys = keys.clone();
            drop(shard::spawn_on(id, move || async move {
                if let Some(store) = keys.local() {
                    // Only the store: who holds the service keeps it from ending.
                    drop(keys);
                    store::sweep(store).await;
                }
            }));
        }
        let counters = shard::ids().map(|_| Counters::default()).collect();
        let kv = Kv { keys, counters, limits };
        Ok(move |connection| serve(kv.clone(), connection))
    })
}

/// The database.
#[derive(Clone)]
struct Kv {
    keys: Sharded<Store>,
    counters: Arc<[Counters]>,
    limits: Limits,
}

/// What INFO tells of a shard. On a cache line of its own, since another shard counts next to it.
#[derive(Default)]
#[repr(align(64))]
struct Counters {
    connections: AtomicU64,
    commands: AtomicU64,
}

/// A connection that is counted while it lives, on the shard where it began.
struct Counted<'a>(&'a Counters);

impl<'a> Counted<'a> {
    fn new(counters: &'a Counters) -> Self {
        counters.connections.fetch_add(1, Ordering::Relaxed);
        Self(counters)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves a connection until the peer ends it, quits, or breaks the protocol.
async fn serve(kv: Kv, mut connection: Connection) -> io::Result<()> {
    let _counted = Counted::new(&kv.counters[shard::id().index()]);
    let mut parser = Parser::new(kv.limits);
    let mut answers = Answers::new(kv.counters.len());
    let mut input = vec![0; BUFFER];
    // What is between these is read and not answered.
    let (mut start, mut end) = (0, 0);
    let mut output = Vec::new();
    loop {
        let mut broken = None;
        let mut taken = 0;
        while answers.len() < BATCH && !answers.quits() {
            let request = &input[start + taken..end];
            match parser.parse(request) {
                Ok(Some(len)) => {
                    answers.ask(request, parser.args(), |key| home(key, kv.counters.len()));
                    taken += len;
                }
                Ok(None) => break,
                Err(error) => {
                    broken = Some(error);
                    break;
                }
            }
        }
        let (is_full, quits) = (answers.len() == BATCH, answers.quits());
        if answers.len() > 0 || broken.is_some() {
            let here = shard::id();
            kv.counters[here.index()].commands.fetch_add(answers.len() as u64, Ordering::Relaxed);
            let info = || kv.counters.iter().map(Counters::info).collect();
            loop {
                kv.ask_shards(shard::id(), &mut answers.batches).await.map_err(io::Error::other)?;
                let are_all = answers.write(&mut output, info);
                if are_all {
                    if let Some(error) = &broken {
                        output.extend_from_slice(format!("-ERR Protocol error: {error}\r\n").as_bytes());
                    }
                    // Before the peer is waited for, which may be long.
                    answers.clear();
                }
                connection.write_all(&output).await?;
                empty(&mut output);
                if are_all {
                    break;
                }
            }
        }
        connection.answered(taken);
        if broken.is_some() || quits {
            return Ok(());
        }
        start += taken;
        if is_full {
            continue;
        }
        make_room(&mut input, &mut start, &mut end, parser.expects());
        let n = connection.read(&mut input[end..], start == end).await?;
        if n == 0 {
            return Ok(());
        }
        end += n;
    }
}

/// Moves what is left to the front, and has the buffer grow if it is full, or shrink if it is empty.
fn make_room(input: &mut Vec<u8>, start: &mut usize, end: &mut usize, expected: usize) {
    input.copy_within(*start..*end, 0);
    *end -= std::mem::take(start);
    if *end == 0 && input.len() > 64 * 1024 {
        *input = vec![0; BUFFER];
    } else if *end == input.len() {
        // No further than twice what has come: a peer that only announces much gets no memory for it.
        let double = 2 * input.len();
        input.resize(if (*end + 1..double).contains(&expected) { expected } else { double }, 0);
    }
}

/// The shard that owns a key.
fn home(key: &[u8], shards: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    (hasher.finish() % shards as u64) as usize
}

impl Kv {
    /// Has each shard do its batch, this one included, all at the same time.
    async fn ask_shards(&self, here: ShardId, batches: &mut [Batch]) -> Result<(), CallError> {
        let mut calls = Vec::new();
        for (id, batch) in
            shard::ids().zip(&mut *batches).filter(|(id, batch)| *id != here && batch.is_ready())
        {
            let mut batch = std::mem::take(batch);
            let call = self.keys.invoke_on(id, move |store| {
                store.apply(&mut batch);
                batch
            });
            calls.push((id, Box::pin(call)));
        }
        let mut own = Some(&mut batches[here.index()]).filter(|batch| batch.is_ready());
        let mut done = Vec::new();
        poll_fn(|cx| {
            let mut failed = None;
            calls.retain_mut(|(id, call)| match Pin::new(call).poll(cx) {
                Poll::Pending => true,
                Poll::Ready(Ok(batch)) => {
                    done.push((*id, batch));
                    false
                }
                Poll::Ready(Err(error)) => {
                    failed = Some(error);
                    false
                }
            });
            // After the others are sent, so that they work meanwhile. This is the first poll, before which there was no
            // await since the caller looked where it is.
            if let Some(batch) = own.take() {
                self.keys.with(|store| store.apply(batch));
            }
            match failed {
                Some(error) => Poll::Ready(Err(error)),
                None if calls.is_empty() => Poll::Ready(Ok(())),
                None => Poll::Pending,
            }
        })
        .await?;
        for (id, batch) in done {
            batches[id.index()] = batch;
        }
        Ok(())
    }
}

impl Counters {
    fn info(&self) -> ShardInfo {
        ShardInfo {
            connections: self.connections.load(Ordering::Relaxed),
            commands: self.commands.load(Ordering::Relaxed),
        }
    }
}
