//! What does a task cost from spawn to join: alone, with one yield, and a thousand at a time?

fn main() {
    corelane_benches::criterion::run(&["spawn1", "spawn1y", "spawn1000"]);
}
