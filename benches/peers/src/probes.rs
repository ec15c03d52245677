//! What is tried before a figure counts, each in a process of its own that may panic or hang: does the row run, does a sleep end
//! early, does `spawn` poll, does giving way let others run, may `block_on` stop the thread of another.

use std::io::Read;
use std::mem::ManuallyDrop;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use corelane_benches::rows::memory::bytes_a_task;
use corelane_benches::runtimes::{
    CurrentThread, Placed1, Rt, Sharded, Stealing, Stealing1, Timed, TokioCurrentThread, TokioLocal,
    TokioMultiThread, TokioMultiThread1,
};

use crate::one_thread::On;
use crate::peers::compio::Compio;
use crate::peers::glommio::Glommio;
use crate::peers::monoio::{MonoioEpoll, MonoioUring};
use crate::peers::nio::NioLocal;
use crate::peers::smol::{SmolLocal, SmolTwo};

/// A mode's answers to what takes a process of its own.
pub struct Mode {
    /// Its name.
    pub name: &'static str,
    /// How early the earliest of many sleeps ends, in microseconds.
    pub early_us: fn() -> u64,
    /// Whether a task runs before `spawn` returns.
    pub polls_at_spawn: fn() -> bool,
    /// Whether a task that gives way many times keeps another from running.
    pub starves: fn() -> bool,
    /// Whether what a thread drives may start another runtime there, which stops all other tasks of that thread.
    pub nests: fn() -> bool,
    /// What a task weighs.
    pub bytes_a_task: fn(u64) -> f64,
}

fn mode<R: Timed>() -> Mode {
    Mode {
        name: R::MODE,
        early_us: early_us::<R>,
        polls_at_spawn: polls_at_spawn::<R>,
        starves: starves::<R>,
        nests: nests::<R>,
        bytes_a_task: bytes_a_task::<R>,
    }
}

/// The modes that have timers, ours first.
pub fn modes() -> Vec<Mode> {
    vec![
        mode::<Sharded>(),
        mode::<Placed1>(),
        mode::<CurrentThread>(),
        mode::<Stealing1>(),
        mode::<Stealing>(),
        mode::<TokioCurrentThread>(),
        mode::<TokioLocal>(),
        mode::<TokioMultiThread1>(),
        mode::<TokioMultiThread>(),
        mode::<On<NioLocal>>(),
        mode::<On<Glommio>>(),
        mode::<On<MonoioEpoll>>(),
        mode::<On<MonoioUring>>(),
        mode::<On<Compio<false>>>(),
        mode::<On<Compio<true>>>(),
        mode::<On<SmolLocal>>(),
        mode::<SmolTwo>(),
    ]
}

/// Enough that arming them all takes longer than a turn, so that a clock which is read once a turn shows.
const SLEEPS: u64 = 20_000;

fn early_us<R: Timed>() -> u64 {
    let early = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&early);
    let runtime = R::new();
    runtime.block_on(async move {
        let root = R::spawn(async move {
            let sleeps: Vec<_> = (0..SLEEPS)
                .map(|i| {
                    let early = Arc::clone(&early);
                    R::spawn(async move {
                        let duration = Duration::from_millis(1 + i % 50);
                        let start = Instant::now();
                        R::sleep(duration).await;
                        let early_by = duration.saturating_sub(start.elapsed());
                        early.fetch_max(early_by.as_micros() as u64, Ordering::Relaxed);
                    })
                })
                .collect();
            for sleep in sleeps {
                sleep.await.expect("the task ends well");
            }
        });
        root.await.expect("the task ends well");
    });
    seen.load(Ordering::Relaxed)
}

/// Where another worker may run the task, finding it run says nothing.
fn polls_at_spawn<R: Rt>() -> bool {
    let runtime = R::new();
    runtime.block_on(async {
        let root = R::spawn(async {
            let ran = Arc::new(AtomicBool::new(false));
            let runs = Arc::clone(&ran);
            let task = R::spawn(async move { runs.store(true, Ordering::Relaxed) });
            let at_once = ran.load(Ordering::Relaxed);
            task.await.expect("the task ends well");
            at_once
        });
        root.await.expect("the task ends well")
    })
}

fn starves<R: Rt>() -> bool {
    let runtime = R::new();
    runtime.block_on(async {
        let root = R::spawn(async {
            let ran = Arc::new(AtomicBool::new(false));
            let runs = Arc::clone(&ran);
            let task = R::spawn(async move { runs.store(true, Ordering::Relaxed) });
            for _ in 0..1_000 {
                R::yield_now().await;
            }
            let starves = !ran.load(Ordering::Relaxed);
            task.await.expect("the task ends well");
            starves
        });
        root.await.expect("the task ends well")
    })
}

/// Refused with a panic where it is not let.
fn nests<R: Rt>() -> bool {
    R::new().block_on(async {
        // Not dropped, which is refused as well there, while the first panic is on its way.
        let inner = ManuallyDrop::new(R::new());
        inner.block_on(async { true })
    })
}

/// Runs this program again with these arguments for at most that long. `Err` says what happened instead of an end.
pub fn run(arguments: &[&str], limit: Duration) -> Result<String, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    let child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| error.to_string())?;
    let start = Instant::now();
    // A look now and then is enough, since nothing is measured meanwhile. What the child prints fits into the pipes.
    let status = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None if start.elapsed() > limit => {
                // It may have just ended, which is as well.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("does not end within {limit:?}"));
            }
            None => thread::sleep(Duration::from_millis(2)),
        }
    };
    let text = |pipe: Option<&mut dyn Read>| {
        let mut text = String::new();
        pipe.map(|pipe| pipe.read_to_string(&mut text)).transpose().map_err(|error| error.to_string())?;
        Ok::<_, String>(text)
    };
    let output = text(child.stdout.as_mut().map(|pipe| pipe as _))?;
    if status.success() {
        return Ok(output);
    }
    let errors = text(child.stderr.as_mut().map(|pipe| pipe as _))?;
    // The message stands in the line after the place.
    let mut lines = errors.lines().skip_while(|line| !line.contains("panicked at"));
    Err(match (lines.next(), lines.next()) {
        (Some(_), Some(message)) => format!("panics: {message}"),
        _ => format!("{status}"),
    })
}
