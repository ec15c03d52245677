//! Rows as criterion benchmarks.
//!
//! `cargo bench -p corelane-benches -- --test` runs each row once in each mode. `CORELANE_BENCH_QUICK=1` measures shortly.

use std::time::Duration;

use criterion::Criterion;

use crate::rows::{self, Size};

/// Runs the rows of each question, in all modes one after the other, with the command line's options. Times are an operation's.
///
/// # Panics
///
/// If there is no such row.
pub fn run(questions: &[&[&str]]) {
    let mut criterion = Criterion::default();
    if std::env::var_os("CORELANE_BENCH_QUICK").is_some() {
        criterion = criterion
            .sample_size(10)
            .warm_up_time(Duration::from_millis(50))
            .measurement_time(Duration::from_millis(200));
    }
    let mut criterion = criterion.configure_from_args();
    let rows = rows::all();
    for name in questions.concat() {
        let row = rows.iter().find(|row| row.name == name).expect("the table has the row");
        let mut group = criterion.benchmark_group(name);
        for cell in &row.cells {
            group.bench_function(cell.mode, |bencher| {
                bencher.iter_custom(|operations| {
                    let batches = operations.div_ceil(row.ops);
                    let time = (cell.sample)(Size { warm: batches.div_ceil(10), batches });
                    time.mul_f64(operations as f64 / (batches * row.ops) as f64)
                });
            });
        }
        group.finish();
    }
    criterion.final_summary();
}
