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
    use std::sync::Arc;

    use super::*;
    use crate::config::Config;
    use crate::mesh::{Mesh, ShardId};
    use crate::shard::{self, Shard, Turn};
    use crate::task::tests::NoEvents;
    use crate::timer::Clock;

    fn two_shards() -> (Arc<Mesh>, [Shard; 2]) {
        let mesh = Mesh::new(Config::new(2), Clock::new());
        let shards = [0, 1].map(|id| Shard::new(Arc::clone(&mesh), ShardId(id), Box::new(NoEvents)));
        (mesh, shards)
    }

    #[test]
    fn a_fan_out_in_one_poll_spreads_and_mails_nothing_to_itself() {
        let (mesh, mut shards) = two_shards();
        shards[0].enter(|_| (0..100).for_each(|_| drop(shard::spawn(&mesh, async {}))));
        for shard in &mut shards {
            while shard.turn() == Turn::Again {}
        }
        let received = [0, 1].map(|id| mesh.remote(ShardId(id)).counters().received.get());
        assert!(received[0] == 0 && (30..=50).contains(&received[1]), "{received:?}");
    }

    #[test]
    fn nothing_is_placed_where_nobody_is_while_there_are_others() {
        let (mesh, mut shards) = two_shards();
        let least = || mesh.least_loaded().id();
        shards[0].pause();
        assert_eq!(least(), ShardId(1));
        shards[1].pause();
        assert_eq!(least(), ShardId(0));
        shards[1].resume();
        assert_eq!(least(), ShardId(1));
        shards[0].resume();
        assert_eq!(least(), ShardId(0));
    }

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
