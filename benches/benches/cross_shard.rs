//! What does a round trip between two cores cost: one pair, one pair with both sides looking, 64 pairs?

fn main() {
    corelane_benches::criterion::run(&["cross_pair", "cross_pair_looking", "cross_64_pairs"]);
}
