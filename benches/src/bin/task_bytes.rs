//! What a task weighs: the growth of resident memory while tasks are spawned that each hold their own waker and wait for it.
//!
//! ```text
//! task_bytes [--tasks N]
//! ```

use std::process::ExitCode;

use corelane_benches::process;
use corelane_benches::rows::memory::bytes_a_task;
use corelane_benches::runtimes::{
    CurrentThread, Rt, Sharded, Stealing, Timed, TokioCurrentThread, TokioLocal, TokioMultiThread,
};

fn main() -> ExitCode {
    process::mode_by_mode(
        "task_bytes",
        ("--tasks", 1_000_000),
        &format!("{:>12}", "bytes a task"),
        &[
            (Sharded::MODE, measure::<Sharded>),
            (CurrentThread::MODE, measure::<CurrentThread>),
            (Stealing::MODE, measure::<Stealing>),
            (TokioCurrentThread::MODE, measure::<TokioCurrentThread>),
            (TokioLocal::MODE, measure::<TokioLocal>),
            (TokioMultiThread::MODE, measure::<TokioMultiThread>),
        ],
    )
}

fn measure<R: Timed>(tasks: u64) -> String {
    format!("{:>12.1}", bytes_a_task::<R>(tasks))
}
