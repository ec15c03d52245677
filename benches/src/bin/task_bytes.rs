//! What a task weighs: the growth of resident memory while tasks are spawned that each hold their own waker and wait for it.
//!
//! ```text
//! task_bytes [--tasks N]
//! ```

use std::process::ExitCode;

use corelane_benches::process;
use corelane_benches::rows::memory::bytes_a_task;
use corelane_benches::runtimes::{
    CurrentThread, Rt, Sharded, Stealing, TokioCurrentThread, TokioLocal, TokioMultiThread,
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
