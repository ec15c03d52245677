//! Where a task that will not move again is put: a pure function.

use crate::config::PLACE_MARGIN;

/// How many live tasks a shard may hold before the next spawn looks for a less loaded one, given what the least loaded
/// holds. The margin keeps short fan-outs local; it grows with the load, so that large counts are not shuffled about for a
/// difference that does not matter.
pub(crate) fn stay_below(least: usize) -> usize {
    least + PLACE_MARGIN + least / 8
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_accept_loop_spreads_its_connections() {
        // Two shards, all spawns on shard 0, nothing ends.
        let mut load = [0usize; 2];
        for _ in 0..1000 {
            let stays = load[0] < stay_below(load[1].min(load[0]));
            load[usize::from(!stays)] += 1;
        }
        assert!(load[0] - load[1] <= PLACE_MARGIN + load[1] / 8 + 1, "{load:?}");
    }

    #[test]
    fn a_short_fan_out_stays() {
        assert!((0..PLACE_MARGIN).all(|live| live < stay_below(0)));
    }
}
