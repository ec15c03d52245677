//! An async runtime with Tokio's API and one shard per core.
//!
//! A *shard* is a thread with a scheduler, a reactor and timers of its own. A task stays on the shard where it was put; there
//! it need not be `Send`, and spawning, waking and polling it takes no lock. Where work is uneven, another flavor lets idle
//! workers take over `Send` tasks, as Tokio's do. Everything that has a name in Tokio has the same name here.
//!
//! | to | there is |
//! |---|---|
//! | start a runtime | [`#[corelane::main]`](macro@main), [`#[corelane::test]`](macro@test), [`runtime::Builder`] |
//! | spawn | [`spawn`], and [`task::spawn_local`] for a future that is not `Send` |
//! | reach another shard | [`shard::spawn_on`], [`shard::call`], [`shard::Sharded`] |
//! | wait for other tasks | [`sync`]; for the tasks of one shard [`local`], without atomics |
//! | listen on every shard | [`net::TcpListener::bind_sharded`] |
//! | choose CPUs | a [config file](config), [`topology::Plan`], the `corelane` command |
//! | measure | [`runtime::RuntimeMetrics`], `corelane show`, `corelane bench` |
//! | use libraries written for Tokio | the package in `compat/`, or the module `adapt` |
//!
//! # Starting
//!
//! ```
//! #[corelane::main]
//! async fn main() {
//!     let answer = corelane::spawn(async { 6 * 7 });
//!     assert_eq!(answer.await.unwrap(), 42);
//! }
//! ```
//!
//! The attribute makes a sharded runtime, whose shard 0 is the calling thread. By hand it is
//!
//! ```
//! let runtime = corelane::runtime::Builder::new_sharded().enable_all().build()?;
//! runtime.block_on(async { corelane::time::sleep(std::time::Duration::from_millis(1)).await });
//! # std::io::Result::Ok(())
//! ```
//!
//! # Sharded or stealing
//!
//! [`Builder::new_sharded`](runtime::Builder::new_sharded) is for many small tasks that are alike, such as the connections of a
//! server: there is nothing to share, and nothing is paid for sharing. Its price is that a task that computes for long holds up
//! the others of its shard: give such work to [`task::spawn_blocking`].
//!
//! [`Builder::new_multi_thread`](runtime::Builder::new_multi_thread), or `#[corelane::main(flavor = "multi_thread")]`, is for work
//! whose parts differ much in length, and for programs that count on a task being able to move. With `steal` in the
//! [config file](config) a sharded runtime does the same while its threads stay pinned.
//!
//! `corelane bench --config one.toml --config other.toml` compares the two under a load.
//!
//! # Tasks that are not `Send`
//!
//! In a sharded or multi-thread runtime, and in a [`LocalRuntime`](runtime::LocalRuntime), every task may spawn them. No
//! [`LocalSet`](task::LocalSet) is needed:
//!
//! ```
//! use std::rc::Rc;
//!
//! # #[corelane::main]
//! # async fn main() {
//! let shared = Rc::new(6);
//! let task = corelane::task::spawn_local({
//!     let shared = Rc::clone(&shared);
//!     async move { *shared * 7 }
//! });
//! assert_eq!(task.await.unwrap(), 42);
//! # }
//! ```
//!
//! # Other shards
//!
//! A closure goes to a shard, and its result comes back. What the closure makes there stays there.
//!
//! ```
//! use corelane::shard;
//!
//! # #[corelane::main]
//! # async fn main() {
//! for id in shard::ids() {
//!     assert_eq!(shard::call(id, shard::id).await.unwrap(), id);
//! }
//! # }
//! ```
//!
//! # Choosing CPUs
//!
//! By default there is a shard for each core that the process may use, each bound to a CPU of its own, and no more of them than
//! the CPU quota allows. A [config file](config) says otherwise. `corelane plan FILE` shows what becomes of it on this
//! machine, and so does a program:
//!
//! ```
//! use corelane::config::Config;
//! use corelane::topology::{Plan, Topology};
//!
//! let config = Config::parse("app.toml", "[placement]\nshards = 1\n").unwrap();
//! println!("{}", Plan::new(&Topology::discover(), &config)?);
//! let runtime = corelane::runtime::Builder::from_config(config).enable_all().build()?;
//! # std::io::Result::Ok(())
//! ```
//!
//! # Measuring
//!
//! Counters are always on; no cfg flag is needed.
//! [`enable_metrics_poll_time_histogram`](runtime::Builder::enable_metrics_poll_time_histogram) adds how long polls take, which finds
//! tasks that hold up their shard.
//!
//! ```
//! # #[corelane::main]
//! # async fn main() {
//! let metrics = corelane::runtime::Handle::current().metrics();
//! for shard in 0..metrics.num_workers() {
//!     let (polls, busy) = (metrics.worker_poll_count(shard), metrics.worker_total_busy_duration(shard));
//!     println!("shard {shard}: {polls} polls, busy for {busy:?}");
//! }
//! # }
//! ```
//!
//! # Environment
//!
//! | variable | meaning |
//! |---|---|
//! | `CORELANE_CONFIG` | the config file of each runtime whose builder was given none |
//! | `CORELANE_FLAVOR` | `sharded` makes runtimes of `new_multi_thread` sharded, `multi_thread` leaves them as they are |
//! | `TOKIO_WORKER_THREADS` | how many workers a runtime of `new_multi_thread` has if its builder was not told |
//!
//! # Cargo features
//!
//! None is on by default, and none changes behaviour.
//!
//! | feature | adds |
//! |---|---|
//! | `tokio-io`, `hyper`, `futures-io` | the module `adapt`: our streams, tasks and timers by other crates' traits |
//! | `serde` | machines and plans can be written and read |
//! | `hwloc` | machines from libhwloc, its XML files and its descriptions |
//! | `tracing` | changes of the placement as events |
//! | `cli`, `bench` | the `corelane` command, and its subcommand `bench` |

#![allow(rustdoc::private_intra_doc_links, reason = "module heads are written for readers of the code too")]

#[cfg(any(feature = "futures-io", feature = "hyper", feature = "tokio-io"))]
pub mod adapt;
pub mod config;
mod error;
pub mod fs;
pub mod io;
pub mod local;
mod macros;
pub mod net;
pub mod process;
pub mod runtime;
pub mod shard;
pub mod signal;
pub mod sync;
pub mod task;
pub mod time;
pub mod topology;

pub use corelane_macros::{main, test};
pub use task::spawn;

#[doc(hidden)]
pub use macros::support as macros_support;

/// The page's example is compiled with the others.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
