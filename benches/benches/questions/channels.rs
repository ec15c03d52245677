//! What do a runtime's own channels and sockets cost, between two tasks of one thread, between two threads, and when nobody has to wait?

pub(super) const ROWS: &[&str] = &[
    "pp_mpsc",
    "pp_oneshot",
    "pp_socket",
    "own_chan",
    "mpsc_ready",
    "watch_ready",
    "broadcast_ready",
    "pp_watch",
    "pp_broadcast",
    "mpsc_threads",
    "mpsc_senders",
    "watch_threads",
    "broadcast_threads",
];
