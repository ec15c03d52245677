//! State that is not `Send`, in tasks that share it without a lock, asked by tasks that are `Send`.
//!
//! ```text
//! cargo run --release --example local_set -- --lines 8
//! ```
//!
//! The table of words is an `Rc<RefCell<…>>` on a thread of its own. There a `LocalSet` runs one task for each request, spawned
//! with `spawn_local`. Tasks of the multi-thread runtime send requests through a channel and await the answers. In a sharded
//! runtime none of this is needed: there `spawn_local` works in every task.

#[path = "args/mod.rs"]
mod args;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ExitCode;
use std::rc::Rc;
use std::thread::{self, JoinHandle};

use corelane::runtime::Builder;
use corelane::sync::{mpsc, oneshot};
use corelane::task::{JoinSet, LocalSet, spawn_local, yield_now};

use args::{Args, Opt};

const OPTIONS: &[Opt] = &[Opt {
    name: "--lines",
    expected: "how many lines of text to count, from 0 to 65535",
    default: Some("8"),
}];

/// How often each word was seen. It need not be `Send`, since only tasks of one thread see it.
type Words = Rc<RefCell<BTreeMap<String, u64>>>;

/// What the other threads ask for.
enum Request {
    /// Count these words, and say how many of them are new.
    Count { text: String, answer: oneshot::Sender<usize> },
    /// All words and how often they were seen.
    Table { answer: oneshot::Sender<Vec<(String, u64)>> },
}

/// The way to the thread of the words. Goes everywhere; the thread ends with the last one.
#[derive(Clone)]
struct Counter {
    requests: mpsc::Sender<Request>,
}

#[corelane::main(flavor = "multi_thread")]
async fn main() -> ExitCode {
    let args = Args::read("local_set", OPTIONS);
    args.end(run(args.get("--lines")).await)
}

async fn run(lines: u16) -> io::Result<()> {
    let (counter, thread) = Counter::start()?;
    let mut tasks = JoinSet::new();
    for line in 0..lines {
        let counter = counter.clone();
        tasks.spawn(async move { counter.count(format!("line {line} of {lines}")).await });
    }
    let new: usize = tasks.join_all().await.into_iter().sum::<io::Result<usize>>()?;
    let mut out = io::stdout();
    writeln!(out, "{new} different words")?;
    for (word, times) in counter.table().await? {
        writeln!(out, "{word}: {times}")?;
    }
    drop(counter);
    // The last handle is gone, so this does not take long.
    thread.join().map_err(|_| io::Error::other("the thread of the words panicked"))
}

impl Counter {
    /// Starts the thread.
    fn start() -> io::Result<(Self, JoinHandle<()>)> {
        let runtime = Builder::new_current_thread().build()?;
        let (requests, mut inbox) = mpsc::channel(64);
        let thread = thread::spawn(move || {
            let local = LocalSet::new();
            let words = Words::default();
            local.spawn_local(async move {
                while let Some(request) = inbox.recv().await {
                    spawn_local(serve(Rc::clone(&words), request));
                }
            });
            // Awaiting the set itself runs all its tasks to their end.
            runtime.block_on(local);
        });
        Ok((Self { requests }, thread))
    }

    async fn count(&self, text: String) -> io::Result<usize> {
        self.ask(|answer| Request::Count { text, answer }).await
    }

    async fn table(&self) -> io::Result<Vec<(String, u64)>> {
        self.ask(|answer| Request::Table { answer }).await
    }

    /// Sends a request with the sending end for its answer, and waits for that.
    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> io::Result<T> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(request(answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())
    }
}

/// Does one request. Whoever asked may have stopped waiting, which is no error here.
async fn serve(words: Words, request: Request) {
    match request {
        Request::Count { text, answer } => {
            let mut new = 0;
            for word in text.split_whitespace() {
                {
                    // Given back before the await. Held over it, the other tasks' borrows would panic.
                    let mut words = words.borrow_mut();
                    let times = words.entry(word.into()).or_default();
                    *times += 1;
                    new += usize::from(*times == 1);
                }
                yield_now().await;
            }
            let _ = answer.send(new);
        }
        Request::Table { answer } => {
            let table = words.borrow().iter().map(|(word, n)| (word.clone(), *n)).collect();
            let _ = answer.send(table);
        }
    }
}

fn gone() -> io::Error {
    io::Error::other("the thread of the words is gone")
}
