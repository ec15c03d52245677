//! What a task weighs: the growth of resident memory while tasks are spawned that each hold their own waker and wait for it.
//!
//! ```text
//! task_bytes [--tasks N]
//! ```

use std::future::poll_fn;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use corelane_benches::process;
use corelane_benches::runtimes::{
    CurrentThread, Rt, Sharded, Stealing, Timed, TokioCurrentThread, TokioLocal, TokioMultiThread,
};

type Mode = (&'static str, fn(u64) -> f64);

const MODES: [Mode; 6] = [
    (Sharded::MODE, bytes_a_task::<Sharded>),
    (CurrentThread::MODE, bytes_a_task::<CurrentThread>),
    (Stealing::MODE, bytes_a_task::<Stealing>),
    (TokioCurrentThread::MODE, bytes_a_task::<TokioCurrentThread>),
    (TokioLocal::MODE, bytes_a_task::<TokioLocal>),
    (TokioMultiThread::MODE, bytes_a_task::<TokioMultiThread>),
];

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let tasks = match arguments[..] {
        [] => "1000000",
        ["--tasks", tasks] => tasks,
        // A mode in a process of its own.
        [mode, tasks] => {
            let found = MODES.iter().find(|(name, _)| *name == mode);
            let (Some((_, measure)), Ok(tasks)) = (found, tasks.parse()) else { return usage() };
            println!("{:.1}", measure(tasks));
            return ExitCode::SUCCESS;
        }
        _ => return usage(),
    };
    println!("{:<15} {:>12}", "mode", "bytes a task");
    for (mode, _) in MODES {
        println!("{mode:<15} {:>12}", process::run_self(&[mode, tasks]).trim());
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("usage: task_bytes [--tasks N]");
    ExitCode::from(2)
}

fn bytes_a_task<R: Timed>(count: u64) -> f64 {
    let runtime = R::new();
    let polled = Arc::new(AtomicU64::new(0));
    let bytes = runtime.block_on(async move {
        let spawner = R::spawn(async move {
            // What the runtime keeps for itself is there before the first look.
            wait_for_ever::<R>(&polled, 1).await;
            let before = process::resident_bytes();
            wait_for_ever::<R>(&polled, count).await;
            process::resident_bytes() - before
        });
        spawner.await.expect("the spawner ends well")
    });
    // Ending a runtime with a million tasks is another question.
    std::mem::forget(runtime);
    bytes as f64 / count as f64
}

/// Spawns tasks that never end, and waits until all have been polled.
async fn wait_for_ever<R: Timed>(polled: &Arc<AtomicU64>, count: u64) {
    let target = polled.load(Ordering::Acquire) + count;
    for _ in 0..count {
        let polled = Arc::clone(polled);
        let mut own_waker = None;
        drop(R::spawn(poll_fn(move |cx| {
            own_waker.get_or_insert_with(|| cx.waker().clone());
            polled.fetch_add(1, Ordering::Release);
            Poll::<()>::Pending
        })));
    }
    while polled.load(Ordering::Acquire) < target {
        R::yield_now().await;
    }
    // The runtime comes to rest, and gives back what only the spawning needed.
    R::sleep(Duration::from_millis(2)).await;
}
