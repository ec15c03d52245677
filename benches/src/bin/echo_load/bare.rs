//! The echo server without a runtime: the one that `corelane bench` has.

#[path = "../../../../src/bin/corelane/bench/serve/bare.rs"]
mod shared;

use std::net::Ipv4Addr;

use super::batches::served;

const ANY_PORT: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

/// Serves until the process ends.
pub(super) fn serve() -> ! {
    let ended = shared::serve(|at| {
        super::report(at.port());
        Ok(())
    });
    panic!("the server goes on until its process ends: {ended:?}")
}
