//! Small parts that know nothing of shards, tasks or timers.

pub mod lock;
pub mod wake_list;
