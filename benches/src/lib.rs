//! Benchmarks of the Corelane runtime, with Tokio beside it in the same run.
//!
//! A *row* is a question; a *mode* is a way to run tasks. Each row's body is written once, over the trait
//! [`Rt`](runtimes::Rt), so every mode runs the same code. From the bottom up:
//!
//! - [`runtimes`]: the modes, of Corelane and of Tokio
//! - [`two_cores`]: the modes in which two cores talk
//! - [`slot`]: the channel that all modes share
//! - [`crowd`]: how one task waits for many, over and over
//! - [`rows`]: the bodies, and the table of them
//! - [`rounds`]: rows in interleaved rounds, for `ratios` and for the package of peers
//! - [`criterion`]: a row as a criterion benchmark, for the files in `benches/`
//! - [`process`]: what the kernel says about a process or its threads, and a process for each mode
//!
//! Programs: `ratios` (all rows in interleaved rounds), `gate` (the bounds that CI holds), `one_row` (one row, for callgrind),
//! `task_bytes`, `connection_bytes`, `lateness`, `echo_load`, `pinned_path`. Scripts: `instructions.sh` and `lockfree.py`.
//!
//! Absolute times on a shared machine drift by tens of percent within minutes. Ratios of samples taken next to each other do
//! not, so only they are gated.

/// Prints a line as `println!` does, and ends the program where nobody reads on: the rest would be measured for nobody.
#[macro_export]
macro_rules! say {
    ($($line:tt)*) => {
        $crate::process::say(::std::format_args!($($line)*))
    };
}

pub mod criterion;
pub mod crowd;
pub mod process;
pub mod rounds;
pub mod rows;
pub mod runtimes;
pub mod slot;
pub mod two_cores;
