//! What does it cost a task to wake itself, alone and among a thousand?

fn main() {
    corelane_benches::criterion::run(&["wake1", "wake1000"]);
}
