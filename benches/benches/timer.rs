//! What do timers cost that never fire: a timeout on a ready future, a sleep armed and dropped?

fn main() {
    corelane_benches::criterion::run(&["timeout_ready", "sleep_drop", "sleep_drop_100k"]);
}
