//! A thread-per-core async runtime with the API of Tokio.

mod runtime;
