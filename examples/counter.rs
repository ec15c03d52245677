//! A counter that many tasks on all shards count with and that has no atomic: each shard has its own part.
//!
//! ```text
//! cargo run --release --example counter -- --shards 2 --tasks 100 --hits 1000
//! ```
//!
//! [`Sharded`] keeps one `Cell` on each shard. A hit is a plain addition to the part of the shard that the task is on. Whoever
//! wants the sum asks all shards, each of which reads its own part; [`shard::call`] asks one.

#[path = "args/mod.rs"]
mod args;

use std::cell::Cell;
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use corelane::runtime::Builder;
use corelane::shard::{self, CallError, Sharded};
use corelane::task::yield_now;

use args::{Args, Opt};

const OPTIONS: &[Opt] = &[
    Opt { name: "--shards", expected: "how many shards, from 1 to 8192", default: Some("2") },
    Opt { name: "--tasks", expected: "how many tasks, from 0 to 65535", default: Some("100") },
    Opt {
        name: "--hits",
        expected: "how often each task counts, from 0 to 4294967295",
        default: Some("1000"),
    },
];

/// Counts on all shards of a runtime. Clones count together.
#[derive(Clone)]
struct Counter {
    parts: Sharded<Cell<u64>>,
}

impl Counter {
    async fn new() -> Result<Self, CallError> {
        Ok(Self { parts: Sharded::new(|_| Cell::new(0)).await? })
    }

    /// Counts once, in the part of this shard.
    fn hit(&self) {
        self.parts.with(|part| part.set(part.get() + 1));
    }

    /// The sum of all parts. They are not read at one moment: hits meanwhile may or may not be in it.
    async fn sum(&self) -> Result<u64, CallError> {
        self.parts.map_reduce(Cell::get, 0, |a, b| a + b).await
    }
}

fn main() -> ExitCode {
    let args = Args::read("counter", OPTIONS);
    let shards = args.number("--shards", 1..=8192) as usize;
    let (tasks, hits) = (args.get("--tasks"), args.get("--hits"));
    let run = || -> Result<(), Box<dyn Error>> {
        let runtime = Builder::new_sharded().worker_threads(shards).build();
        let runtime = runtime.map_err(|error| format!("cannot start {shards} shards: {error}"))?;
        runtime.block_on(count(tasks, hits))
    };
    args.end(run())
}

async fn count(tasks: u16, hits: u32) -> Result<(), Box<dyn Error>> {
    let counter = Counter::new().await?;
    let mut joins = Vec::new();
    for id in shard::ids().cycle().take(tasks.into()) {
        let counter = counter.clone();
        joins.push(shard::spawn_on(id, move || async move {
            for _ in 0..hits {
                counter.hit();
                yield_now().await;
            }
        }));
    }
    for join in joins {
        join.await?;
    }
    let mut out = io::stdout();
    for id in shard::ids() {
        let parts = counter.parts.clone();
        // The closure runs on that shard, where `with` finds its part.
        let part = shard::call(id, move || parts.with(Cell::get)).await?;
        writeln!(out, "shard {}: {part}", id.index())?;
    }
    writeln!(out, "total: {}", counter.sum().await?)?;
    Ok(())
}
