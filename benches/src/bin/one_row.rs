//! One row in one mode, so many operations: what `instructions.sh` runs under callgrind.
//!
//! ```text
//! one_row ROW MODE OPERATIONS
//! ```

use std::process::ExitCode;

use corelane_benches::rows::{self, Size};
use corelane_benches::say;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [row, mode, operations] = &arguments[..] else {
        eprintln!("usage: one_row ROW MODE OPERATIONS");
        return ExitCode::from(2);
    };
    let rows = rows::all();
    let found = rows.iter().find(|r| r.name == row).and_then(|row| Some((row, row.cell(mode)?)));
    let (Some((row, cell)), Ok(operations)) = (found, operations.parse::<u64>()) else {
        eprintln!("no mode `{mode}` in a row `{row}`, or {operations} is no number");
        return ExitCode::from(2);
    };
    let time = (cell.sample)(Size { warm: 0, batches: operations.div_ceil(row.ops) });
    say!("{time:?}");
    ExitCode::SUCCESS
}
