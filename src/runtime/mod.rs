//! The runtime: threads, and what they share.

#[cfg_attr(
    any(not(test), loom),
    expect(dead_code, unused_imports, reason = "the runtime that uses it is merged next")
)]
mod blocking;
