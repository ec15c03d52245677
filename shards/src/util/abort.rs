//! The end of a process that must not go on.

use std::process;

/// Aborts when it drops: on the way out of a panic, whose message the panic hook has reported by then.
pub(crate) struct AbortOnDrop;

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        process::abort();
    }
}

/// Reports what happened as a panic does, and aborts.
#[cold]
#[inline(never)]
pub(crate) fn die(what: &str) -> ! {
    let _aborts = AbortOnDrop;
    panic!("{what}; the process is aborted");
}
