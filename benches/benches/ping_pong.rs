//! What does a round trip between two tasks of one runtime cost, over the same one-slot channel everywhere?

fn main() {
    corelane_benches::criterion::run(&["ping_pong"]);
}
