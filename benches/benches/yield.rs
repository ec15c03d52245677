//! What does giving way cost, alone and among a thousand?

fn main() {
    corelane_benches::criterion::run(&["yield1", "yield1000"]);
}
