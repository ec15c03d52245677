//! What does a task cost that a thread outside of the runtime spawns and joins?

fn main() {
    corelane_benches::criterion::run(&["outside1", "outside1000"]);
}
