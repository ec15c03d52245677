//! The questions, a file each.
//!
//! One program, so that continuous integration links it once; `cargo bench -p corelane-benches -- spawn1` runs one row.

mod block_on;
mod blocking_threads;
mod cancel;
mod channels;
mod contention;
mod cross_shard;
mod fan_out;
mod give_way;
mod join_set;
mod one_to_all;
mod outside_spawn;
mod ping_pong;
mod select;
mod skew;
mod spawn;
mod spawn_blocking;
mod storms;
mod timer;
mod timer_depth;
mod wake;

fn main() {
    corelane_benches::criterion::run(&[
        spawn::ROWS,
        give_way::ROWS,
        wake::ROWS,
        ping_pong::ROWS,
        fan_out::ROWS,
        skew::ROWS,
        spawn_blocking::ROWS,
        block_on::ROWS,
        outside_spawn::ROWS,
        cross_shard::ROWS,
        timer::ROWS,
        channels::ROWS,
        storms::ROWS,
        join_set::ROWS,
        select::ROWS,
        contention::ROWS,
        one_to_all::ROWS,
        timer_depth::ROWS,
        cancel::ROWS,
        blocking_threads::ROWS,
    ]);
}
