//! 100,000 sleeps of 1 to 100 ms on one core: what they cost together, how late they are, and that none is early.
//!
//! ```text
//! lateness [--sleeps N]
//! ```

use std::process::ExitCode;
use std::time::{Duration, Instant};

use corelane_benches::process;
use corelane_benches::runtimes::{
    CurrentThread, Rt, Sharded, Stealing1, Timed, TokioCurrentThread, TokioLocal, TokioMultiThread1,
};

fn main() -> ExitCode {
    let heading = format!("{:>7} {:>8} {:>8} {:>8}", "CPU ms", "p50 ms", "p99 ms", "max ms");
    process::mode_by_mode(
        "lateness",
        ("--sleeps", 100_000),
        &heading,
        &[
            (Sharded::MODE, measure::<Sharded>),
            (CurrentThread::MODE, measure::<CurrentThread>),
            (Stealing1::MODE, measure::<Stealing1>),
            (TokioCurrentThread::MODE, measure::<TokioCurrentThread>),
            (TokioLocal::MODE, measure::<TokioLocal>),
            (TokioMultiThread1::MODE, measure::<TokioMultiThread1>),
        ],
    )
}

fn measure<R: Timed>(count: u64) -> String {
    process::pin(process::two_cores()[0]);
    let runtime = R::new();
    let cpu = || {
        let (user, system) = process::cpu_times();
        user + system
    };
    let before = cpu();
    let mut late = runtime.block_on(async move {
        let spawner = R::spawn(async move {
            let tasks: Vec<_> = (0..count).map(|i| R::spawn(late_by::<R>(nth_duration(i)))).collect();
            let mut late = Vec::with_capacity(tasks.len());
            for task in tasks {
                late.push(task.await.expect("no sleep is early"));
            }
            late
        });
        spawner.await.expect("the spawner ends well")
    });
    let cpu_ms = (cpu() - before).as_secs_f64() * 1e3;
    late.sort_unstable();
    let ms = |index: usize| late[index].as_secs_f64() * 1e3;
    let last = late.len() - 1;
    format!("{cpu_ms:>7.0} {:>8.2} {:>8.2} {:>8.2}", ms(last / 2), ms(last * 99 / 100), ms(last))
}

/// Sleeps, and says how much longer than asked.
async fn late_by<R: Timed>(duration: Duration) -> Duration {
    let start = Instant::now();
    R::sleep(duration).await;
    start.elapsed().checked_sub(duration).expect("a sleep was early")
}

/// Durations from 1 to 100 ms to the microsecond, in an order that no wheel or tree profits from.
fn nth_duration(i: u64) -> Duration {
    Duration::from_micros(1_000 + i * 61_843 % 99_001)
}
