//! What does a channel, a notification, a semaphore cost that crowds of tasks on two cores use at once, and what when nobody
//! else does?

pub(super) const ROWS: &[&str] = &[
    "notify_ready",
    "semaphore_ready",
    "cross_mpsc",
    "cross_broadcast",
    "cross_watch",
    "cross_notify",
    "cross_semaphore",
];
