//! How long does one task take to spawn 10,000 others and to join them?

fn main() {
    corelane_benches::criterion::run(&["fan_out"]);
}
