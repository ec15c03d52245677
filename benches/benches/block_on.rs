//! What does it cost to enter the runtime for a future that is ready?

fn main() {
    corelane_benches::criterion::run(&["block_on"]);
}
