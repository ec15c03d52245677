//! The engine of the Corelane runtime. It starts no thread, reads no environment and prints nothing.

pub mod loom;
pub mod timer;
pub mod util;
