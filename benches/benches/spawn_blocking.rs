//! What does it cost to run an empty closure on the blocking pool and to get its answer?

fn main() {
    corelane_benches::criterion::run(&["spawn_blocking"]);
}
